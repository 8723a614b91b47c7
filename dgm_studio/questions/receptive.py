"""What a pixel's distribution depends on, in a model that gives every pixel one given those before it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from dgm_studio.questions.arrays import array
from dgm_studio.questions.completions import places
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import Completes
from models.spec import DataSpec, Support

CHUNK = 64  # examples whose gradients, or changes, are computed together
CHANGED = 4  # examples whose coordinates are changed one by one
NOISE = 1e-6  # a smaller change, relative to the value, is rounding


class Way(StrEnum):
    """How an influence was found."""

    GRADIENT = "gradient"
    CHANGES = "changes"  # of one coordinate after the other, where the gradient is missing or 0 everywhere


@dataclass(frozen=True)
class Field:
    """The receptive field of coordinate `target`, over some examples."""

    target: tuple[int, int, int]  # channel, row, column
    influence: np.ndarray  # (C, H, W): mean |∂ log p(x_d | before) / ∂x_i|, nats per unit of x; 0 at the target itself
    before: np.ndarray  # (C, H, W) bool: what comes before the target in the model's order
    examples: int
    way: Way
    example: np.ndarray  # (C, H, W): the first of them

    @property
    def seen(self) -> np.ndarray:
        """The exact support: (C, H, W) bool, where the influence is not 0 in some example."""
        return self.influence > 0

    @property
    def pixels_before(self) -> int:
        """Pixels of which some channel comes before the target."""
        return int(self.before.any(0).sum())

    @property
    def pixels_seen(self) -> int:
        """How many of those before the target it depends on."""
        return int((self.seen & self.before).any(0).sum())

    @property
    def seen_ahead(self) -> int:
        """Coordinates that it depends on although they come later: 0, or the model is no distribution."""
        return int((self.seen & ~self.before).sum())


@dataclass(frozen=True)
class ReceptiveField:
    """|∂ log p(x_d | those before d) / ∂x_i|, averaged over `n` test examples, for the coordinate `target` = d.

    The receptive field in the sense of Luo et al. (2016), "Understanding the effective receptive field", with the
    log-probability in place of a unit. Where there is no gradient with respect to what comes before, or it is 0,
    the model is asked what changes when one coordinate after the other does, up to rounding; in nats per unit of x as
    well."""

    target: tuple[int, int, int]
    n: int = 32

    def __call__(self, subject: Subject) -> Field:
        spec, model = subject.spec, subject.model
        test = subject.dataset.test.x
        x = test[spread_out(len(test), self.n).to(test.device)].to(subject.device)
        d = int(np.ravel_multi_index(self.target, spec.event_shape))
        before = _before(model, d, spec)
        way = Way.GRADIENT
        with subject.giving_way():
            influence = _by_gradient(model, x, d)
            influence[d] = 0  # what log p(x_d | …) says of x_d itself is no dependence
            if before.any() and not influence[torch.from_numpy(before.reshape(-1)).to(x.device)].any():
                way = Way.CHANGES
                influence = _by_changes(model, x[:CHANGED], d, spec)
        shape = spec.event_shape
        used = len(x) if way is Way.GRADIENT else len(x[:CHANGED])
        return Field(self.target, array(influence).reshape(shape), before, used, way, array(x[0]))


def _before(model: object, d: int, spec: DataSpec) -> np.ndarray:
    order = array(model.order()) if isinstance(model, Completes) else np.arange(spec.dimensions)
    place = places(order, spec.event_shape)
    return place < place.reshape(-1)[d]


def _by_gradient(model: object, x: Tensor, d: int) -> Tensor:
    """Mean over examples of |∂ log p(x_d | …) / ∂x|: (D,)."""
    total = torch.zeros(x[0].numel(), dtype=x.dtype, device=x.device)
    with torch.enable_grad():
        for part in x.split(CHUNK):
            given = part.clone().requires_grad_()
            scores = model.log_conditionals(given).flatten(1)[:, d].sum()  # type: ignore[attr-defined]
            if not scores.requires_grad:
                return total
            (gradient,) = torch.autograd.grad(scores, given, allow_unused=True)
            if gradient is not None:
                total += gradient.flatten(1).abs().sum(0)
    return total / len(x)


def _by_changes(model: object, x: Tensor, d: int, spec: DataSpec) -> Tensor:
    """Mean over examples of the change of log p(x_d | …) per unit of change of each other coordinate: (D,)."""
    influence = torch.zeros(x[0].numel(), dtype=x.dtype, device=x.device)
    others = torch.tensor([i for i in range(len(influence)) if i != d], dtype=torch.int64, device=x.device)
    for example in x:
        flat = example.flatten()
        base = model.log_conditionals(example[None]).flatten()[d]  # type: ignore[attr-defined]
        # to the other end of the range, or by one where there is none
        other = torch.where(flat > spec.brightest / 2, 0.0, float(spec.brightest))
        other = flat + 1 if spec.support is Support.REALS else other
        for chunk in others.split(CHUNK):
            rows = torch.arange(len(chunk), device=x.device)
            changed = flat.repeat(len(chunk), 1)
            changed[rows, chunk] = other[chunk]
            scores = model.log_conditionals(changed.reshape(-1, *example.shape)).flatten(1)[:, d]  # type: ignore[attr-defined]
            change = (scores - base).abs()
            change[change < NOISE * (1 + base.abs())] = 0
            influence[chunk] += change / (other - flat)[chunk].abs()
    return influence / len(x)
