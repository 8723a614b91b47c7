"""A film of what places of a latent space decode to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgm_studio.inference import InParts, Parts, Subject
from dgm_studio.questions.arrays import array, tensor
from dgm_studio.questions.parts import by_parts


@dataclass(frozen=True)
class DecodeFilm(InParts):
    """Decode each of `z` (N, L) by the same weights, as bytes: (N, C, H, W) uint8."""

    z: np.ndarray

    def parts(self, subject: Subject) -> Parts:
        bright = 255 / subject.spec.brightest

        def decode(z: Tensor) -> np.ndarray:
            return np.round(np.clip(array(subject.model.decode(z)) * bright, 0, 255)).astype(np.uint8)

        return np.concatenate((yield from by_parts(decode, tensor(subject, self.z))))
