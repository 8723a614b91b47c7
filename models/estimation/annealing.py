"""Annealed importance sampling: log Z, and with it the likelihood, of models whose energy is known.

A chain that goes from an easy distribution p_0 to the model p_1 through many temperatures weighs each path (Neal,
2001). Forwards, the mean weight is an unbiased estimate of Z; its logarithm tends to be too small, so that
likelihoods look too good. The reverse estimator errs the other way and stands beside it (Burda, Grosse &
Salakhutdinov, 2015). Temperatures are evenly spaced: from a base that matches the data's means this gives weights of
less spread than the spacing that is dense towards the model (measured on digits).
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from models.capabilities import AnnealsHidden
from models.estimation.measure import Check, Kind, Measure, mean_measure

YIELD_EVERY = 25  # temperatures between two reports of progress
EXAMPLES = 500  # measured at once: bounds the memory
TRUSTED = 10  # effective samples: with fewer, intervals held the truth too seldom (measured on enumerable machines)
QUANTILE = 2.054  # of the normal distribution at 98 %: a little wide, so that 95 % is kept where 95 % is hard to know


@dataclass(frozen=True)
class LogPartition:
    """An estimate of log Z in nats."""

    value: float
    low: float  # 95 % interval
    high: float
    effective_samples: float  # (Σ w)² / Σ w²: how many of the weights count
    chains: int
    temperatures: int

    @property
    def delta_variance(self) -> float:
        """Variance of `value` by the delta method, from the spread of the weights that were drawn."""
        return max(self.chains / self.effective_samples - 1, 0) / (self.chains - 1)

    @property
    def doubt(self) -> str:
        """Why it is not to be trusted; empty where it is."""
        if self.effective_samples >= TRUSTED:
            return ""
        return (
            f"Only {self.effective_samples:.1f} of {self.chains} weights count in the estimate of log Z (fewer than "
            f"{TRUSTED} are too few). It is probably too small, which makes the likelihood look too good, by more than "
            "the interval says. Measure with more temperatures: they help more than more chains."
        )

    @property
    def check(self) -> Check:
        return Check(
            "Weights that count in log Z, (Σ w)² / Σ w²",
            f"{self.effective_samples:.1f} of {self.chains}",
            f"at least {TRUSTED}",
            self.effective_samples >= TRUSTED,
        )

    @property
    def protocol(self) -> str:
        return (
            f"log Z = {self.value:.3f} [{self.low:.3f}, {self.high:.3f}] by annealed importance sampling, "
            f"{self.chains} chains, {self.temperatures} temperatures, {self.effective_samples:.1f} effective samples"
        )


def annealed_log_partition(
    model: Any, data: Tensor, temperatures: int, chains: int, generator: Generator | None = None
) -> Yields[float, None, LogPartition]:
    """log Z of a model that `Anneals`, from the base that matches `data` (N, *event), by two or more chains."""
    return log_mean((yield from annealed_log_weights(model, data, temperatures, chains, generator)), temperatures)


def annealed_log_weights(
    model: Any, data: Tensor, temperatures: int, chains: int, generator: Generator | None = None
) -> Yields[float, None, Tensor]:
    """The logarithms of unbiased estimates of Z, one from each chain: (chains,), float64."""
    base = model.annealed_base(data)
    x = model.annealed_sample_base(chains, base, generator)
    log_weights = torch.zeros(chains, dtype=torch.float64, device=x.device)
    for k in range(1, temperatures + 1):
        beta, before = k / temperatures, (k - 1) / temperatures
        log_weights += model.annealed_log_prob(x, beta, base) - model.annealed_log_prob(x, before, base)
        x = model.annealed_transition(x, beta, base, generator)
        if k % YIELD_EVERY == 0:
            yield k / temperatures
    return log_weights + model.annealed_log_partition_base(base)


def annealed_log_likelihood(
    model: Any,
    x: Tensor,
    where: str,
    data: Tensor,
    temperatures: int = 10_000,
    chains: int = 100,
    generator: Generator | None = None,
) -> Yields[float, None, Measure]:
    """The mean of log p(x) = -F(x) - log Z with log Z from annealed importance sampling. Raises TooLarge at once where
    F(x) cannot be summed."""
    scores = torch.cat([-model.free_energy(part) for part in x.split(EXAMPLES)])
    partition = yield from annealed_log_partition(model, data, temperatures, chains, generator)
    return _normalised(
        "log p(x), annealed",
        scores,
        partition,
        where,
        "Errs towards likelihoods that are too good; read it beside the reverse bound.",
    )


def annealed_lower_bound(
    model: Any,
    x: Tensor,
    where: str,
    data: Tensor,
    temperatures: int = 10_000,
    chains: int = 100,
    generator: Generator | None = None,
) -> Yields[float, None, Measure]:
    """Like `annealed_log_likelihood`, for a model that only bounds F(x): the mean of a lower bound on log p(x), as far
    as the estimate of log Z is right (Salakhutdinov & Hinton, 2009, section 4)."""
    partition = yield from annealed_log_partition(model, data, temperatures, chains, generator)
    bounds = torch.cat([-model.free_energy_bound(part, generator) for part in x.split(EXAMPLES)])
    return _normalised(
        "bound on log p(x), annealed",
        bounds,
        partition,
        f"{where}; F(x) bounded by the approximate posterior",
        "A lower bound but for the error of log Z, which tends to be too small: then the bound looks too good.",
    )


def _normalised(name: str, scores: Tensor, partition: LogPartition, where: str, note: str) -> Measure:
    """The mean of scores (N,) less log Z. The interval holds both the spread of the scores and that of log Z."""
    score = mean_measure("", scores, Kind.EXACT, "")
    value = score.value - partition.value
    return Measure(
        name,
        value,
        value - math.hypot(score.value - score.low, partition.high - partition.value),
        value + math.hypot(score.high - score.value, partition.value - partition.low),
        Kind.ESTIMATE,
        "nats per example",
        f"{where}; {partition.protocol}",
        note,
        partition.doubt,
        checks=(partition.check,),
    )


def reverse_log_prob(
    model: Any,
    x: Tensor,
    data: Tensor,
    temperatures: int,
    chains: int = 1,
    generator: Generator | None = None,
) -> Yields[float, None, Tensor]:
    """A bound from below on log p(x) for each example, in expectation: (B, *event) -> (B,), float64.

    The annealing chain, run for `temperatures` steps from p_0, is itself a model of examples, near p and easy to bound:
    go back from each x along `chains` chains and average the weights (RAISE: Burda, Grosse & Salakhutdinov, 2015,
    section 3). The bound holds for the chain's distribution, which tends to p as temperatures are added.
    """
    base = model.annealed_base(data)
    state = x.repeat_interleave(chains, 0)
    log_weights = torch.zeros(len(state), dtype=torch.float64, device=x.device)
    if isinstance(model, AnnealsHidden):
        state, log_q = model.annealed_start(state, generator)
        log_weights -= log_q
    for k in range(temperatures, 0, -1):
        beta = k / temperatures
        # each transition is reversible, so it is also its own way back
        before = model.annealed_transition(state, beta, base, generator)
        log_weights += model.annealed_log_prob(state, beta, base) - model.annealed_log_prob(before, beta, base)
        state = before
        if k % YIELD_EVERY == 0:
            yield 1 - k / temperatures
    log_weights += model.annealed_log_prob(state, 0.0, base) - model.annealed_log_partition_base(base)
    return log_weights.reshape(len(x), chains).logsumexp(1) - math.log(chains)


def reverse_log_likelihood(
    model: Any,
    x: Tensor,
    where: str,
    data: Tensor,
    temperatures: int = 10_000,
    chains: int = 1,
    generator: Generator | None = None,
) -> Yields[float, None, Measure]:
    """The mean of `reverse_log_prob`."""
    bounds = yield from reverse_log_prob(model, x, data, temperatures, chains, generator)
    protocol = (
        f"{where}; reverse annealing from each example, chains per example: {chains}, {temperatures} temperatures"
    )
    measure = mean_measure("log p(x), reverse annealing", bounds, Kind.LOWER_BOUND, protocol)
    note = "Holds in expectation for the annealing chain's own distribution, which tends to the model's."
    return replace(measure, note=note)


def log_mean(log_weights: Tensor, temperatures: int) -> LogPartition:
    """log of the mean of two or more weights with a 95 % interval.

    Its half width is a quantile of Student's t, with one degree of freedom less than there are effective samples, times
    the larger of two standard errors: that of the delta method, from the weights themselves, and the one for log-normal
    weights, from the spread of their logarithms, √(s²/n + s⁴/2(n-1)) (Cox's method; Zhou & Gao, 1997). The first alone
    is too small when a few weights count; the second knows of large weights that were not drawn.
    """
    n = len(log_weights)
    total = log_weights.logsumexp(0)
    shares = (log_weights - total).exp()
    effective = 1 / shares.square().sum().item()
    by_delta = math.sqrt(max(n / effective - 1, 0) / (n - 1))
    variance = log_weights.var().item()
    by_normal = math.sqrt(variance / n + variance**2 / (2 * (n - 1)))
    value = total.item() - math.log(n)
    half = _student(effective - 1) * max(by_delta, by_normal)
    return LogPartition(value, value - half, value + half, effective, n, temperatures)


def _student(freedom: float) -> float:
    """The quantile of Student's t that corresponds to QUANTILE (Abramowitz & Stegun, 1964, 26.7.5)."""
    z, v = QUANTILE, max(freedom, 1.0)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3
