"""log p(x) of a decoder: annealed importance sampling of the code, from its prior to its posterior (Wu et al., 2017).

Between p(z) and p(z | x) lie the densities f_β(z) = p(z) p(x | z)^β. A chain that starts at a draw of the prior and is
moved by Hamiltonian Monte Carlo (Neal, 2011) at each β weighs its path; the mean weight estimates p(x) without bias,
whatever the number of temperatures, so that its logarithm is a lower bound on log p(x) in expectation. Gone the other
way from a draw of the exact posterior, the same path estimates 1 / p(x) and bounds log p(x) from above. Exact posterior
draws exist for examples that the model made itself: there the two are compared (bidirectional Monte Carlo; Grosse,
Ghahramani & Adams, 2015), and their gap tells how far the lower bound may be below.

The weights are only right if a transition does not depend on where its own chain has been. Step sizes are therefore
found by a pilot run with draws of its own, one for each example and temperature, and stay fixed in the run that counts.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from models.estimation.measure import Check, Kind, Measure, mean_measure
from models.estimation.progress import stage

LEAPFROG = 5  # steps of a trajectory. At equal cost, 10 left larger gaps on all of three decoders, one run each
WANTED = 0.65  # acceptance that step sizes are adapted to (Neal, 2011, section 4.4)
JITTER = 0.2  # part by which a step is drawn longer or shorter, so that no trajectory closes on itself
PILOT = 5  # the pilot run has one temperature for so many
FIRST_STEP = 0.3  # in units of the code, where the pilot begins
ADAPTING = 0.3  # how fast it goes on from there
EXAMPLES = 20  # annealed at once, with all their chains: bounds the memory and how long a cancel waits
DOUBTFUL = 1.0  # nats between the two bounds on simulated examples


@dataclass(frozen=True)
class _State:
    """Codes (C, B, latent) with what is known of them: log p(x | z) and log p(z) (C, B), and their gradients."""

    z: Tensor
    fit: Tensor
    prior: Tensor
    fit_slope: Tensor
    prior_slope: Tensor


class _Path:
    """The densities between prior and posterior of the codes of some examples, and moves that leave them invariant."""

    def __init__(self, model: Any, x: Tensor, generator: Generator | None) -> None:
        self.model, self.x, self.generator = model, x, generator
        self.code_prior = model.prior()

    def start(self, chains: int) -> _State:
        """Draws of the prior."""
        return self.at(self.code_prior.sample(chains * len(self.x), self.generator).unflatten(0, (chains, -1)))

    def at(self, z: Tensor) -> _State:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            fit, prior = self.model.log_likelihood(self.x, z), self.code_prior.log_prob(z)
            fit_slope, prior_slope = (torch.autograd.grad(value.sum(), z)[0] for value in (fit, prior))
        return _State(z.detach(), fit.detach(), prior.detach(), fit_slope, prior_slope)

    def move(self, state: _State, beta: float, step: Tensor) -> tuple[_State, Tensor]:
        """One trajectory at β, taken or refused by a Metropolis test, and how probable it was to be taken: (C, B).
        `step`: (B,), before jitter."""
        z, jitter = state.z, 1 + JITTER * (2 * self._uniform(state.fit) - 1)
        size = (step * jitter).unsqueeze(-1)  # (C, B, 1)
        momentum = torch.randn(z.shape, generator=self.generator, device=z.device, dtype=z.dtype)
        p, now = momentum, state
        for _ in range(LEAPFROG):
            p = p + size / 2 * (now.prior_slope + beta * now.fit_slope)
            now = self.at(now.z + size * p)
            p = p + size / 2 * (now.prior_slope + beta * now.fit_slope)
        before = state.prior + beta * state.fit - 0.5 * momentum.square().sum(-1)
        after = now.prior + beta * now.fit - 0.5 * p.square().sum(-1)
        chance = (after - before).exp().clamp(max=1).nan_to_num(0.0)  # where p(z) = 0, or nothing is a number any more
        taken = self._uniform(chance) < chance
        return _chosen(taken, now, state), chance

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self.generator, device=like.device, dtype=like.dtype)


def _chosen(taken: Tensor, new: _State, old: _State) -> _State:
    many = taken.unsqueeze(-1)
    return _State(
        torch.where(many, new.z, old.z),
        torch.where(taken, new.fit, old.fit),
        torch.where(taken, new.prior, old.prior),
        torch.where(many, new.fit_slope, old.fit_slope),
        torch.where(many, new.prior_slope, old.prior_slope),
    )


def inverse_temperatures(count: int) -> list[float]:
    """β_0 = 0, …, β_count = 1, in steps that grow evenly: near the prior a little of p(x | z) changes much. On two
    decoders of digits and a linear one the gap between both bounds was 0.6 to 0.8 times that of the sigmoid of Wu et
    al. (2017), and 0.4 to 0.9 times that of even steps."""
    return [(k / count) ** 2 for k in range(count + 1)]


def _pilot(path: _Path, temperatures: int, chains: int) -> Yields[float, None, Tensor]:
    """Step sizes for each temperature and example, (temperatures + 1, B), from a run of its own."""
    betas = inverse_temperatures(max(2, temperatures // PILOT))
    state = path.start(chains)
    log_step = torch.full_like(state.fit[0], math.log(FIRST_STEP))
    found = []
    for k, beta in enumerate(betas):
        state, chance = path.move(state, beta, log_step.exp())
        log_step = log_step + ADAPTING * (chance.mean(0) - WANTED)
        found.append(log_step)
        yield (k + 1) / len(betas)
    place = torch.linspace(0, len(betas) - 1, temperatures + 1, dtype=torch.float64)
    low = place.floor().long().clamp(max=len(betas) - 2)
    share = (place - low).to(log_step)[:, None]
    steps = torch.stack(found)
    return ((1 - share) * steps[low] + share * steps[low + 1]).exp()


def annealed_log_prob(
    model: Any, x: Tensor, temperatures: int, chains: int, generator: Generator | None = None
) -> Yields[float, None, Tensor]:
    """A bound from below, in expectation, on log p(x) of each example: (B, *event) -> (B,), float64. The mean of its
    exponential is p(x)."""
    path = _Path(model, x, generator)
    pilot = 1 / (1 + PILOT)
    steps = yield from stage(_pilot(path, temperatures, chains), 0.0, pilot)
    log_weights = yield from stage(_forwards(path, steps, temperatures, chains), pilot, 1 - pilot)
    return log_weights.logsumexp(0) - math.log(chains)


def _forwards(path: _Path, steps: Tensor, temperatures: int, chains: int) -> Yields[float, None, Tensor]:
    betas, state = inverse_temperatures(temperatures), path.start(chains)
    log_weights = torch.zeros_like(state.fit, dtype=torch.float64)
    for k in range(1, temperatures + 1):
        log_weights += (betas[k] - betas[k - 1]) * state.fit
        if k < temperatures:  # a move at β = 1 would change no weight
            state, _ = path.move(state, betas[k], steps[k])
        yield k / temperatures
    return log_weights


def _backwards(path: _Path, steps: Tensor, z: Tensor, temperatures: int, chains: int) -> Yields[float, None, Tensor]:
    """From draws z (B, latent) of the posterior."""
    betas, state = inverse_temperatures(temperatures), path.at(z.expand(chains, *z.shape))
    log_weights = torch.zeros_like(state.fit, dtype=torch.float64)
    for k in range(temperatures, 0, -1):
        state, _ = path.move(state, betas[k], steps[k])
        log_weights += (betas[k] - betas[k - 1]) * state.fit
        yield 1 - (k - 1) / temperatures
    return log_weights


def bounds_on_simulated(
    model: Any, n: int, temperatures: int, chains: int, generator: Generator | None = None
) -> Yields[float, None, tuple[Tensor, Tensor]]:
    """Of n examples that the model makes from codes of its prior: bounds from below and from above on log p(x), in
    expectation, (n,) float64 each. The code is a draw of the exact posterior, from which the path is gone back."""
    z = model.prior().sample(n, generator)
    path = _Path(model, model.draw_given(z, generator), generator)
    steps = yield from stage(_pilot(path, temperatures, chains), 0.0, 0.1)
    below = yield from stage(_forwards(path, steps, temperatures, chains), 0.1, 0.45)
    above = yield from stage(_backwards(path, steps, z, temperatures, chains), 0.55, 0.45)
    return below.logsumexp(0) - math.log(chains), math.log(chains) - (-above).logsumexp(0)


def annealed_code_likelihood(
    model: Any, x: Tensor, where: str, temperatures: int, chains: int, generator: Generator | None = None
) -> Yields[float, None, Measure]:
    """The mean of `annealed_log_prob`, with the gap between both bounds on as many simulated examples."""
    found, low, high = [], [], []
    parts = x.split(EXAMPLES)
    for i, part in enumerate(parts):
        work = annealed_log_prob(model, part, temperatures, chains, generator)
        found.append((yield from stage(work, i / len(parts), 0.35 / len(parts))))
        simulated = bounds_on_simulated(model, len(part), temperatures, chains, generator)
        below, above = yield from stage(simulated, (i + 0.35) / len(parts), 0.65 / len(parts))
        low.append(below)
        high.append(above)
    gap = mean_measure("", torch.cat(high) - torch.cat(low), Kind.ESTIMATE, "")
    protocol = (
        f"{where}; annealed from p(z) to p(z|x), {chains} chains for each example, {temperatures} temperatures, "
        f"{LEAPFROG} leapfrog steps at each, step sizes from a pilot run"
    )
    measure = mean_measure("log p(x), annealed code", torch.cat(found), Kind.LOWER_BOUND, protocol)
    between = f"{gap.value:.2f} [{gap.low:.2f}, {gap.high:.2f}] nats"
    note = (
        f"A lower bound in expectation. On {len(x)} examples simulated from the model, annealing back from the exact "
        f"posterior lies {between} above it."
    )
    doubt = ""
    if not gap.value < DOUBTFUL:
        doubt = (
            f"On examples simulated from the model the bounds from below and from above are {between} apart: the "
            "lower bound may be as far from log p(x). Measure with more temperatures for the code."
        )
    check = Check(
        "Gap between both bounds on simulated examples", between, f"below {DOUBTFUL:g} nat", gap.value < DOUBTFUL
    )
    return replace(measure, note=note, doubt=doubt, checks=(check,))
