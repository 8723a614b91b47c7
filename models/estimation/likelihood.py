"""How probable data are: exactly, by bounds, or by a pseudo-likelihood.

What takes long is a generator (`models/estimation/progress.py`). `where` says which examples were measured, for the
protocol. Everything random takes a generator, everything per example is measured in chunks, and the same seed gives the
same value.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.capabilities import (
    BoundsEvidence,
    EstimatesBound,
    HasFreeEnergy,
    SumsExactly,
    SumsLatent,
)
from models.estimation.active_units import active_units, code_means
from models.estimation.measure import Check, Kind, Measure, mean_measure
from models.estimation.progress import stage

EXAMPLES = 500  # measured at once: bounds the memory and how long a cancel waits
SUMMING = 0.9  # of the time of an exact likelihood goes into log Z, where that is summed
FEW = 20  # the same on a CPU, whose cache then holds about what a chunk of draws decodes to
COORDINATES = 20  # of each example, in a pseudo-likelihood
CHUNK = 50  # draws of z at once
COUNTED = 10  # weights: with fewer that count, a bound hangs on a handful of draws
RISES = 0.1  # nats: a bound that rises more with the last doubling of its draws is still well below


def exact_log_likelihood(model: Any, x: Tensor, where: str) -> Yields[float, None, Measure]:
    """The mean of log p(x). Where that needs log Z, it is summed once, and where it needs a sum over latent states,
    that is a single one for all examples; raises TooLarge when it cannot be."""
    if isinstance(model, SumsLatent):
        values = yield from model.log_prob_in_parts(x)
        return mean_measure("log p(x)", values, Kind.EXACT, f"{where}; latent states enumerated")
    by_energy = isinstance(model, HasFreeEnergy) and isinstance(model, SumsExactly)
    log_partition = (yield from stage(model.log_partition_in_parts(), 0.0, SUMMING)) if by_energy else None
    parts = []
    for done, part in _parts(x):
        parts.append(model.log_prob(part) if log_partition is None else -model.free_energy(part) - log_partition)
        yield done if log_partition is None else SUMMING + (1 - SUMMING) * done
    protocol = where if log_partition is None else f"{where}; log Z = {log_partition:.4f} by enumeration"
    return mean_measure("log p(x)", torch.cat(parts), Kind.EXACT, protocol)


def free_energy_lower_bound(
    model: Any, x: Tensor, where: str, generator: Generator | None = None
) -> Yields[float, None, Measure]:
    """The mean of a lower bound on log p(x), from a bound on F(x) and log Z summed once. Raises TooLarge."""
    log_partition = yield from stage(model.log_partition_in_parts(), 0.0, SUMMING)
    parts = []
    for done, part in _parts(x):
        parts.append(-model.free_energy_bound(part, generator) - log_partition)
        yield SUMMING + (1 - SUMMING) * done
    protocol = f"{where}; F(x) bounded by the approximate posterior; log Z = {log_partition:.4f} by enumeration"
    return mean_measure("bound on log p(x)", torch.cat(parts), Kind.LOWER_BOUND, protocol)


def ensemble_log_likelihood(model: Any, x: Tensor, where: str) -> Yields[float, None, list[Measure]]:
    """The mean of log p(x) of an equal mixture of K members, then of its first member alone, and of mixtures of its
    first 2, 4, … members: the mean of their probabilities of whole examples, each exact."""
    members = model.members()
    each = []  # log p_k(x), one (N,) for each member
    for k in range(members):
        parts = []
        for done, part in _parts(x):
            parts.append(model.member_log_prob(part, k).double())
            yield (k + done) / members
        each.append(torch.cat(parts))
    log_p = torch.stack(each)
    found = []
    for n in [members, *_doubling(members)]:
        name = "log p(x)" if n == members else f"log p(x), {n} of {members} members"
        mixed = log_p[:n].logsumexp(0) - math.log(n)
        how = f"mean of whole examples' probabilities under {n} members" if n > 1 else "the first member alone"
        found.append(mean_measure(name, mixed, Kind.EXACT, f"{where}; {how}" if members > 1 else where))
    return found


def _doubling(end: int) -> Iterator[int]:
    """1, 2, 4, … below `end`."""
    n = 1
    while n < end:
        yield n
        n *= 2


@dataclass(frozen=True)
class Bound:
    """The evidence lower bound and its terms. Units are dimensions of the latent code."""

    elbo: Measure
    reconstruction: Measure
    kl: Measure
    kl_per_dimension: Tensor  # (latent,)  mean over examples, nats
    active: Tensor | None  # (latent,)  bool: the posterior mean varies over the examples; None where it is unknown


def has_bound(model: type) -> bool:
    """Whether `evidence_lower_bound` can measure models of this class."""
    return issubclass(model, BoundsEvidence) or issubclass(model, EstimatesBound)


def evidence_lower_bound(
    model: Any, x: Tensor, where: str, draws: int = 1, generator: Generator | None = None
) -> Yields[float, None, Bound]:
    """The mean ELBO with its two terms, averaged over `draws` samples of z per example."""
    bound = model.bound_terms if isinstance(model, EstimatesBound) else model.elbo
    reconstructions, kls, means = [], [], []
    for done, part in _parts(x):
        terms = [bound(part, generator) for _ in range(draws)]
        reconstructions.append(torch.stack([t.reconstruction.double() for t in terms]).mean(0))
        kls.append(torch.stack([t.kl_per_dimension.double() for t in terms]).mean(0))
        said = code_means(model, part)
        if said is not None:
            means.append(said.double())
        yield done
    reconstruction, kl = torch.cat(reconstructions), torch.cat(kls)
    protocol = f"{where}; {_count(draws, 'draw')} of z per example"
    return Bound(
        mean_measure("ELBO", reconstruction - kl.sum(-1), Kind.LOWER_BOUND, protocol),
        mean_measure("reconstruction E[log p(x|z)]", reconstruction, Kind.ESTIMATE, protocol),
        mean_measure("KL(q‖p)", kl.sum(-1), Kind.ESTIMATE, protocol),
        kl.mean(0),
        active_units(torch.cat(means)) if means else None,
    )


def log_mean_weight(
    model: Any, x: Tensor, samples: int, generator: Generator | None = None, chunk: int = CHUNK
) -> Tensor:
    """log (1/k) Σ_k p(x, z_k) / q(z_k | x) for k = `samples`: (B, *event) -> (B,), float64.

    A lower bound on log p(x) in expectation, tighter for larger k (Burda, Grosse & Salakhutdinov, 2016, equation 8).
    The sum is carried along, `chunk` draws of z at a time, so that memory does not grow with k.
    """
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    for begin in range(0, samples, chunk):
        weights = model.log_weights(x, min(chunk, samples - begin), generator)
        total = torch.logaddexp(total, weights.double().logsumexp(0))
    return total - math.log(samples)


@dataclass(frozen=True)
class Weighted:
    """An importance-weighted bound, and what its weights say of it."""

    measure: Measure
    draws: Tensor  # (W,) int64, ascending: numbers of weights, the last is k
    bounds: Tensor  # (W,) float64, the mean bound with so many; never falls in expectation
    effective: Tensor  # (N,) float64: (Σ w)² / Σ w² of each example's k weights


def weighted_bounds(
    model: Any, x: Tensor, where: str, samples: int, generator: Generator | None = None
) -> Yields[float, None, Weighted]:
    """The mean of `log_mean_weight`, the same with fewer of its weights, and how many of them count."""
    parts: list[list[Tensor]] = []
    effective = []
    few = FEW if x.device.type == "cpu" else EXAMPLES
    sizes = _sizes(samples)
    for done, part in _parts(x, few):
        blocks: dict[int, list[Tensor]] = {size: [] for size in sizes if size < CHUNK}
        chunks, squares = [], torch.full((len(part),), -math.inf, dtype=torch.float64, device=x.device)
        for begin in range(0, samples, CHUNK):
            weights = model.log_weights(part, min(CHUNK, samples - begin), generator).double()
            for size, found in blocks.items():
                whole = weights[: len(weights) // size * size].unflatten(0, (-1, size))
                found.append(whole.logsumexp(1).sub_(math.log(size)))
            chunks.append(weights.logsumexp(0))
            squares = torch.logaddexp(squares, (2 * weights).logsumexp(0))
        sums = torch.stack(chunks)  # (chunks, B), of which the last may be of fewer draws
        effective.append((2 * sums.logsumexp(0) - squares).exp())
        of_size = [torch.cat(found).mean(0) for found in blocks.values()]
        for size in sizes:
            if size >= CHUNK:
                many = len(sums) if size == samples else size // CHUNK
                blocks_of = 1 if size == samples else samples // size
                whole = sums[: blocks_of * many].unflatten(0, (blocks_of, many))
                of_size.append((whole.logsumexp(1) - math.log(size)).mean(0))
        parts.append(of_size)
        yield done
    values = torch.stack([torch.cat(column) for column in zip(*parts, strict=True)])  # (W, N)
    count = torch.cat(effective)
    bounds = values.mean(1)
    protocol = f"{where}; k = {samples} draws of z per example"
    measure = mean_measure("importance-weighted bound", values[-1], Kind.LOWER_BOUND, protocol)
    few_count = (count < COUNTED).double().mean().item()
    checks = [
        Check(
            "Weights that count for an example, (Σ w)² / Σ w²",
            f"{count.median().item():.1f} of {samples} in the middle; fewer than {COUNTED} for {few_count:.0%}",
            f"at least {COUNTED} for half of the examples",
            few_count <= 0.5,
        )
    ]
    if len(sizes) > 1:
        rise = (bounds[-1] - bounds[-2]).item()
        checks.append(
            Check(
                f"Rise of the bound from k = {sizes[-2]} to {sizes[-1]}",
                f"{rise:+.3f} nats",
                f"below {RISES:g} nats",
                rise < RISES,
            )
        )
    return Weighted(replace(measure, checks=tuple(checks)), torch.tensor(sizes), bounds, count)


def _sizes(samples: int) -> list[int]:
    """Numbers of weights of which bounds are made: some below a chunk, then doublings of one, and all."""
    below = [size for size in (1, 2, 5, 10, 25) if size < min(samples, CHUNK)]
    above = []
    size = CHUNK
    while size < samples:
        above.append(size)
        size *= 2
    return [*below, *above, samples]


def pseudo_log_likelihood(model: Any, x: Tensor, generator: Generator | None = None, coordinates: int = 1) -> Tensor:
    """An unbiased estimate of Σ_i log p(x_i | x_-i) for each example of bits: (B, *event) -> (B,).

    Some coordinates i are drawn per example, without repetition (all of them, if there are no more), and log p(x_i |
    x_-i) = log σ(F(x with bit i flipped) - F(x)), in which log Z cancels (Besag, 1975). It is no likelihood: compare it
    with itself only.
    """
    flat, dimensions = x.flatten(1), x[0].numel()
    count = min(coordinates, dimensions)
    if count == dimensions:
        chosen = torch.arange(dimensions, device=x.device).expand(len(x), -1)
    elif count == 1:
        chosen = torch.randint(dimensions, (len(x), 1), generator=generator, device=x.device)
    else:
        chosen = torch.rand(flat.shape, generator=generator, device=x.device).topk(count).indices
    places = chosen.unsqueeze(2)  # (B, count, 1)
    each = flat.unsqueeze(1).expand(-1, count, -1)
    flipped = each.scatter(2, places, 1 - each.gather(2, places)).reshape(-1, *x.shape[1:])
    raised = model.free_energy(flipped).reshape(chosen.shape) - model.free_energy(x).unsqueeze(1)
    return dimensions / count * F.logsigmoid(raised).sum(1)


def pseudo_likelihood(
    model: Any, x: Tensor, where: str, coordinates: int = COORDINATES, generator: Generator | None = None
) -> Yields[float, None, Measure]:
    """The mean of `pseudo_log_likelihood`."""
    parts = []
    for done, part in _parts(x, 100):
        parts.append(pseudo_log_likelihood(model, part, generator, coordinates))
        yield done
    dimensions = x[0].numel()
    which = "all coordinates" if coordinates >= dimensions else f"{coordinates} of {dimensions} coordinates at random"
    measure = mean_measure("pseudo-log-likelihood", torch.cat(parts), Kind.ESTIMATE, f"{where}; {which} of each")
    note = "Σ log p(x_i | all others), which needs no log Z: no likelihood, and not to be compared with one."
    return replace(measure, note=note, likelihood=False)


def free_energy_gap(model: Any, train: Tensor, test: Tensor, where: str, against: str) -> Yields[float, None, Measure]:
    """The mean free energy of `test` less that of `train`: by how much examples that were learned from are more
    probable (Hinton, 2012, section 6). log Z cancels. Free energies are summed by the model; it may raise TooLarge."""
    means: list[Tensor] = []
    error = 0.0
    for number, x in enumerate((train, test)):
        parts = []
        for done, part in _parts(x):
            parts.append(model.free_energy(part).double())
            yield (number + done) / 2
        energy = torch.cat(parts)
        means.append(energy.mean())
        error += energy.var().item() / len(energy) if len(energy) > 1 else math.inf
    gap, half = (means[1] - means[0]).item(), 1.96 * math.sqrt(error)
    note = "Near 0, unless the model learns by heart. log Z cancels; no likelihood."
    protocol = f"{where}, against {against}"
    unit = "nats per example"
    name = "free energy, held out − training"
    return Measure(name, gap, gap - half, gap + half, Kind.ESTIMATE, unit, protocol, note, likelihood=False)


def _parts(x: Tensor, size: int = EXAMPLES) -> Iterator[tuple[float, Tensor]]:
    """(fraction done with this chunk, chunk), in order."""
    for begin in range(0, len(x), size):
        part = x[begin : begin + size]
        yield (begin + len(part)) / len(x), part


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
