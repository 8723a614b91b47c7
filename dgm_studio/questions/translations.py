"""Questions about translations between two domains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import array
from dgm_studio.questions.drawing import fit
from dgm_studio.subject import Subject


@dataclass(frozen=True)
class Translations:
    """Held-out examples of one domain, what they are translated to, and what comes back. Errors are mean absolute
    differences per value."""

    index: np.ndarray  # (n,) int64, places in the test part of their domain
    x: np.ndarray  # (n, *event)
    y: np.ndarray  # (n,) int64, -1 without a label
    made: np.ndarray  # (n, *event of the other domain)
    again: np.ndarray  # (n, *event)
    error: np.ndarray  # (n,) between x and `again`
    mean_error: float  # of all held-out examples that were asked about


@dataclass(frozen=True)
class AskTranslations:
    """`n` held-out examples from the place `first` on, which goes on at the beginning when it comes to the end; `back`
    those of the second domain. The mean error is over at most `of_all` of them."""

    n: int
    first: int = 0
    back: bool = False
    of_all: int = 500

    def __call__(self, subject: Subject) -> Translations:
        test = subject.dataset.domains[int(self.back)].test
        index = (self.first + torch.arange(min(self.n, len(test)))) % len(test)
        x = test.x[index].to(subject.device)
        made, again = _there_and_back(subject, x, self.back)
        every = test.x[: self.of_all].to(subject.device)
        returned = subject.model.translate(subject.model.translate(every, self.back), not self.back)
        error = (again - x).abs().flatten(1).mean(1)
        mean_error = (returned - every).abs().mean().item()
        return Translations(
            array(index), array(x), array(test.y[index]), array(made), array(again), array(error), mean_error
        )


@dataclass(frozen=True)
class TranslatePicture:
    """`picture` (C, height, width), values in 0…1, of any size, as an example of the first domain, or with `back` of
    the second, there and back. With `centre` its figure is first put where figures of that domain are."""

    picture: np.ndarray
    centre: bool = True
    back: bool = False

    def __call__(self, subject: Subject) -> Translations:
        x = fit(subject, self.picture, self.centre, int(self.back))
        made, again = _there_and_back(subject, x, self.back)
        error = (again - x).abs().flatten(1).mean(1)
        nowhere = np.array([-1])
        return Translations(nowhere, array(x), nowhere, array(made), array(again), array(error), error.item())


def _there_and_back(subject: Subject, x: Tensor, back: bool) -> tuple[Tensor, Tensor]:
    made = subject.model.translate(x, back)
    return made, subject.model.translate(made, not back)
