"""A film of what places of a latent space decode to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgm_studio.inference import Subject
from dgm_studio.questions.arrays import array, tensor

BATCH = 64


@dataclass(frozen=True)
class DecodeFilm:
    """Decode each of `z` (N, L) by the same weights, as bytes: (N, C, H, W) uint8."""

    z: np.ndarray

    def __call__(self, subject: Subject) -> np.ndarray:
        bright = 255 / subject.spec.brightest
        parts = []
        with subject.giving_way():
            for z in tensor(subject, self.z).split(BATCH):
                x = subject.model.decode(z)
                parts.append(np.round(np.clip(array(x) * bright, 0, 255)).astype(np.uint8))
        return np.concatenate(parts)
