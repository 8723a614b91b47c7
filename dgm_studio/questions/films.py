"""A film of what places of a latent space decode to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgm_studio.questions.latent import Labels, decoded_in_parts
from dgm_studio.subject import InParts, Parts, Subject


@dataclass(frozen=True)
class DecodeFilm(InParts):
    """Decode each of `z` (N, L) by the same weights, as bytes: (N, C, H, W) uint8."""

    z: np.ndarray
    labels: Labels = None

    def parts(self, subject: Subject) -> Parts:
        bright = 255 / subject.spec.brightest

        def as_bytes(x: np.ndarray) -> np.ndarray:
            return np.round(np.clip(x * bright, 0, 255)).astype(np.uint8)

        return (yield from decoded_in_parts(subject, self.z, self.labels, as_bytes))
