"""Stochastic gradient ascent on the evidence lower bound by the score function."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import DrawsPosterior, PosteriorDraw
from models.learning.base import Learning, Quantity
from models.learning.bound import ELBO, EVIDENCE, GRADIENT_VARIANCE, BoundAscent, BoundSettings
from models.networks import flat, mlp
from models.settings import setting
from models.spec import Batch, DataSpec

Baseline = Literal["none", "running mean", "input-dependent", "other draws"]


class ScoreFunctionSettings(BoundSettings):
    baseline: Baseline = setting(
        "input-dependent",
        title="Baseline",
        help="What is taken from the learning signal, which leaves the mean of the gradient as it is and makes its "
        "variance smaller: nothing, the signal's running mean, beside it a network's guess from x, or the mean of the "
        "other draws of the same example (then there are at least 2).",
        reference="Mnih & Gregor (2014), section 2.3",
    )
    draws: int = setting(
        1,
        title="Draws",
        help="Draws of the latent variables for each example, over which the gradient is averaged.",
        ge=1,
        le=1000,
    )
    normalise: bool = setting(
        True,
        title="Normalise the signal",
        help="Divide the learning signal by its running standard deviation where that is above 1, so that recognition "
        "learns at one pace throughout.",
        reference="Mnih & Gregor (2014), section 2.3.2",
    )
    memory: float = setting(
        0.9,
        title="Memory of the running mean",
        help="How much of the signal's running mean and variance is kept from step to step.",
        reference="Mnih & Gregor (2014), algorithm 1, α",
        ge=0,
        lt=1,
    )
    units: int = setting(
        100,
        title="Units of the baseline",
        help="Input-dependent baseline only: hidden units of its network.",
        reference="Mnih & Gregor (2014), section 4.1",
        ge=1,
        le=4096,
    )


class ScoreFunction(BoundAscent):
    """Maximises E_q[l], l = log p(x, h) - log q(h | x), by draws of h through which no gradient flows:

    ∇E_q[l] = E_q[∇log p(x, h) + (l - b) ∇log q(h | x)],

    for any b that does not depend on h, because the mean of ∇log q is 0 (Williams, 1992; Mnih & Gregor, 2014, equations
    5 and 7). Running mean and variance of l are those of the steps before; only the first step, which has none, takes
    those of its own batch. The network of an input-dependent baseline learns (l - mean) / deviation by least squares.

    The signal is reported as the root mean square of l - b. The variance that is measured is that of this estimate
    itself, before the signal is normalised.
    """

    capturable = True
    needs = (DrawsPosterior,)
    quantities = (ELBO, Quantity("signal", "Learning signal", goal="lower"), GRADIENT_VARIANCE, EVIDENCE)
    signal_mean: Tensor
    signal_variance: Tensor

    def __init__(self, model: nn.Module, settings: ScoreFunctionSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.register_buffer("signal_mean", torch.zeros(()))
        self.register_buffer("signal_variance", torch.ones(()))
        self.samples = max(settings.draws, 2 if settings.baseline == "other draws" else 1)
        self.guess: nn.Module | None = None
        if settings.baseline == "input-dependent":
            self.guess = mlp([spec.dimensions, settings.units, 1], "tanh")

    def surrogate(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        drawn, signal = self._draw(x, generator)
        away = signal - self._baseline(x, signal)
        return self._loss(drawn, away), self._reported(signal, away)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        drawn, signal = self._draw(batch.x)
        mean, scale = self._moments(signal)
        away = signal - self._baseline(batch.x, signal)
        loss = self._loss(drawn, away / scale if self.settings.normalise else away)
        if self.guess is not None:
            loss = loss + ((signal - mean) / scale - self.guess(flat(batch.x)).squeeze(1)).square().mean()
        with torch.no_grad():
            part = torch.where(self.steps == 0, 1.0, 1 - self.settings.memory).to(signal)
            self.signal_mean.lerp_(signal.mean(), part)
            self.signal_variance.lerp_((signal - mean).square().mean(), part)
        self.descend(loss)
        return self._reported(signal, away)

    def _draw(self, x: Tensor, generator: Generator | None = None) -> tuple[PosteriorDraw, Tensor]:
        """Draws, and their learning signal l: (samples, B)."""
        drawn: PosteriorDraw = self.model.draw_posterior(x, self.samples, generator)
        return drawn, (drawn.log_joint - drawn.log_posterior).detach()

    def _moments(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """The signal's running mean, and what it is divided by to be normalised."""
        first = self.steps == 0
        mean = torch.where(first, signal.mean(), self.signal_mean)
        variance = torch.where(first, (signal - mean).square().mean(), self.signal_variance)
        return mean, variance.sqrt().clamp(min=1)

    def _baseline(self, x: Tensor, signal: Tensor) -> Tensor:
        """b, which broadcasts to the signal (samples, B) and depends on no draw that it is taken from."""
        if self.settings.baseline == "none":
            return torch.zeros_like(signal[:1])
        if self.settings.baseline == "other draws":
            return (signal.sum(0) - signal) / (self.samples - 1)
        mean, scale = self._moments(signal)
        if self.guess is None:
            return mean
        with torch.no_grad():
            return mean + scale * self.guess(flat(x)).squeeze(1)

    def _loss(self, drawn: PosteriorDraw, away: Tensor) -> Tensor:
        return -(drawn.log_joint + away * drawn.log_posterior).mean()

    def _reported(self, signal: Tensor, away: Tensor) -> dict[str, Tensor]:
        return {"elbo": signal.mean(), "signal": away.square().mean().sqrt()}


LEARNING = Learning(
    "score-function",
    "Score function",
    "Variational auto-encoders",
    ScoreFunction,
    ScoreFunctionSettings,
)
