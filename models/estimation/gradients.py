"""Estimators of the gradient of the evidence lower bound, with respect to recognition: how much they vary, and how far
their means are from the gradient itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Generator as Yields
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from models.capabilities import (
    BoundsEvidence,
    Decodes,
    DrawsPosterior,
    Encodes,
    RelaxesDiscrete,
    ScoresGivenCode,
    SumsBound,
    TooLarge,
)
from models.distributions import Distribution

TEMPERATURES = (2.0, 1.0, 0.5, 0.2, 0.1)  # of relaxed draws
STRAIGHT = 0.5  # the temperature of those that are discrete forwards
PILOT = 200  # draws of each example that baselines are taken from
GROUPS = 20  # of draws, whose scatter gives the intervals
NODES = 2000  # of the quadrature over a code of one dimension
REACH = 12.0  # standard deviations that it reaches to both sides
T_95 = 2.093  # of Student's distribution with GROUPS - 1 degrees of freedom

NO_BASELINE = "Score function, no baseline"
RUNNING_MEAN = "Score function, running mean"
INPUT_DEPENDENT = "Score function, input-dependent"
REPARAMETERISED = "Reparameterised"
PATH_CUT = "Path cut"

Loss = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Estimator:
    """`estimate(x, generator)` is a 0-d tensor whose gradient estimates that of the mean bound of the examples x."""

    name: str
    how: str
    estimate: Loss


@dataclass(frozen=True)
class Spread:
    """Estimates of a gradient of P numbers, in GROUPS groups of equally many: their means (GROUPS, P), and the trace of
    the covariance of one estimate as each group sees it (GROUPS,)."""

    means: Tensor
    traces: Tensor

    def variance(self) -> tuple[float, float, float]:
        """The trace of the covariance of one estimate, with the ends of its 95 % interval, which is one of the
        logarithm: (value, low, high). All are 0 where estimates do not vary."""
        value = self.traces.mean().item()
        if not value > 0:
            return 0.0, 0.0, 0.0
        half = T_95 * self.traces.std().item() / math.sqrt(GROUPS) / value
        return value, value * math.exp(-half), value * math.exp(half)


def has_estimators(model: type) -> bool:
    """Whether more than one estimator can be made of models of this class."""
    return issubclass(model, DrawsPosterior)


@torch.enable_grad()
def recognition_parameters(model: nn.Module, x: Tensor, generator: Generator) -> list[Tensor]:
    """The parameters that q(h | x) depends on."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    assert isinstance(model, DrawsPosterior)
    drawn = model.draw_posterior(x, 1, generator)
    found = torch.autograd.grad(drawn.log_posterior.sum(), parameters, allow_unused=True)
    return [p for p, gradient in zip(parameters, found, strict=True) if gradient is not None]


def estimators(model: Any, x: Tensor, strength: float, generator: Generator) -> list[Estimator]:
    """All that the model can be given. Baselines are the mean of the learning signal over PILOT other draws: what a
    running mean, or a network's guess from x, comes to where weights stay as they are. `strength` is the part of a
    baseline that is taken off: 1 is all of it, 0 none.

    The score function is Williams's (1992), with the baselines of Mnih & Gregor (2014, section 2.3). A cut path leaves
    out what flows through the draw, which is the whole gradient: what is left has a mean of 0.
    """
    with torch.no_grad():
        drawn = model.draw_posterior(x, PILOT, generator)
        of_each = (drawn.log_joint - drawn.log_posterior).mean(0)

    def score(baseline: Tensor) -> Loss:
        def estimate(x: Tensor, generator: Generator) -> Tensor:
            drawn = model.draw_posterior(x, 1, generator)
            away = (drawn.log_joint - drawn.log_posterior).detach() - baseline
            return (drawn.log_joint + away * drawn.log_posterior).mean()

        return estimate

    def cut(x: Tensor, generator: Generator) -> Tensor:
        drawn = model.draw_posterior(x, 1, generator)
        return (drawn.log_joint - drawn.log_posterior).mean()

    part = "" if strength == 1 else f"; {strength:g} of it is taken off"
    found = [
        Estimator(NO_BASELINE, "the signal log p(x, h) − log q(h|x) as it is", score(torch.zeros_like(of_each))),
        Estimator(RUNNING_MEAN, f"less its mean over all examples{part}", score(strength * of_each.mean())),
        Estimator(INPUT_DEPENDENT, f"less its mean for each example{part}", score(strength * of_each)),
    ]
    if isinstance(model, BoundsEvidence):
        found.append(
            Estimator(REPARAMETERISED, "through the draw", lambda x, generator: model.elbo(x, generator).value.mean())
        )
    if isinstance(model, RelaxesDiscrete):
        found += [_relaxed(model, temperature, False) for temperature in TEMPERATURES]
        found.append(_relaxed(model, STRAIGHT, True))
    found.append(Estimator(PATH_CUT, "with nothing that flows through the draw, nor a score for it", cut))
    return found


def relaxed_name(temperature: float, hard: bool = False) -> str:
    return f"{'Straight-through' if hard else 'Gumbel-softmax'}, τ = {temperature:g}"


def _relaxed(model: RelaxesDiscrete, temperature: float, hard: bool) -> Estimator:
    def estimate(x: Tensor, generator: Generator) -> Tensor:
        return model.relaxed_elbo(x, temperature, hard, generator).value.mean()

    how = "the state, with the gradient of a relaxed draw" if hard else "through a relaxed draw"
    return Estimator(relaxed_name(temperature, hard), how, estimate)


def spread(
    estimator: Estimator, parameters: list[Tensor], x: Tensor, draws: int, generator: Generator
) -> Yields[float, None, Spread]:
    """Of `draws` estimates of the gradient for the same examples, in GROUPS groups of at least 2."""
    of_group = max(2, draws // GROUPS)
    means, traces = [], []
    for k in range(GROUPS):
        found = torch.stack([_estimated(estimator, parameters, x, generator) for _ in range(of_group)])
        means.append(found.mean(0).double())
        traces.append(found.double().var(0).sum())
        yield (k + 1) / GROUPS
    return Spread(torch.stack(means), torch.stack(traces))


def squared_distance(one: Spread, other: Tensor | Spread) -> tuple[float, float, float]:
    """The squared distance of the mean of estimates from a gradient (P,), or from the mean of others that were drawn
    independently: unbiased, and so it may be below 0, with the ends of a 95 % interval by the jackknife."""
    away = one.means - (other.means if isinstance(other, Spread) else other)
    value = _square(away)
    left_out = torch.tensor([_square(torch.cat([away[:k], away[k + 1 :]])) for k in range(GROUPS)])
    error = math.sqrt((GROUPS - 1) * left_out.double().var(correction=0).item())
    return value, value - T_95 * error, value + T_95 * error


def squared_norm(gradient: Tensor | Spread) -> float:
    """Of a gradient (P,), or without bias of the one that estimates are of."""
    return _square(gradient.means) if isinstance(gradient, Spread) else gradient.double().square().sum().item()


def _square(x: Tensor) -> float:
    """The squared norm of what rows (K, P) are independent estimates of: the mean product of two different rows."""
    k = len(x)
    return ((x.sum(0).square().sum() - x.square().sum()) / (k * (k - 1))).item()


@torch.enable_grad()
def exact_gradient(model: Any, parameters: list[Tensor], x: Tensor, generator: Generator) -> tuple[Tensor, str] | None:
    """The gradient of the mean bound itself (P,), and how it was computed: a sum over all states of a discrete code, or
    quadrature over a code of one dimension. None where there is no such way, or too many states."""
    if isinstance(model, SumsBound):
        try:
            return _gradient(model.summed_elbo(x).mean(), parameters).double(), "by a sum over all states of the code"
        except TooLarge:
            return None
    if isinstance(model, Encodes) and isinstance(model, Decodes) and isinstance(model, ScoresGivenCode):
        prior, q = model.prior(), model.encode(x)
        if prior.mean.shape == (1,):
            bound = _integrated(model, prior, q, x, generator)
            return _gradient(bound.mean(), parameters).double(), f"by quadrature on {NODES} points of the code"
    return None


def _integrated(model: Any, prior: Distribution, q: Distribution, x: Tensor, generator: Generator) -> Tensor:
    """∫ q(z|x) (log p(x, z) - log q(z|x)) dz by the midpoint rule: (B,). The points stay where they are, so that all of
    the gradient comes through q's density. Codes that are positive are integrated over their logarithm."""
    positive = not prior.log_prob(-torch.ones_like(prior.mean)).isfinite().item()
    with torch.no_grad():
        drawn = q.sample(NODES, generator)
        drawn = drawn.log() if positive else drawn
        middle, half = drawn.mean(0), REACH * drawn.std(0)  # (B, 1)
    steps = (torch.arange(NODES, device=x.device, dtype=middle.dtype) + 0.5) / NODES * 2 - 1
    points = middle + half * steps[:, None, None]  # (NODES, B, 1)
    z = points.exp() if positive else points
    log_width = (2 * half / NODES).log().squeeze(-1) + (points.squeeze(-1) if positive else 0)
    log_q = q.log_prob(z)
    return ((log_q + log_width).exp() * (model.log_likelihood(x, z) + prior.log_prob(z) - log_q)).sum(0)


@torch.enable_grad()
def _estimated(estimator: Estimator, parameters: list[Tensor], x: Tensor, generator: Generator) -> Tensor:
    return _gradient(estimator.estimate(x, generator), parameters)


def _gradient(value: Tensor, parameters: list[Tensor]) -> Tensor:
    found = torch.autograd.grad(value, parameters, allow_unused=True)
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(parameters, found, strict=True)]
    )
