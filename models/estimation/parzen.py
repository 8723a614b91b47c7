"""Parzen windows: the density of a Gaussian at each of a model's samples, where data are then scored.

The estimate that was published for models without a likelihood (Breuleux, Bengio & Vincent, 2011), and a poor one: in
more than a few dimensions it is far below log p(x) for any number of samples that can be drawn, and ranks models
wrongly: centroids of k-means score above the data's own examples (Theis, van den Oord & Bethge, 2015, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.distributions import LOG_2PI
from models.estimation.measure import Check, Kind, Measure, mean_measure
from models.estimation.progress import stage

DISTANCES = 5_000_000  # held in memory at once
COARSE, FINE = 24, 11  # widths that are tried, then those tried between the best one's neighbours
NARROWEST, WIDEST = 0.01, 3.0  # in standard deviations of the data


@dataclass(frozen=True)
class Parzen:
    """What samples give as an estimator, and how its width was chosen."""

    measure: Measure  # the mean of log p(x) of the test examples
    sigma: float  # the width of each Gaussian
    sigmas: Tensor  # (W,) all that were tried, ascending
    validation: Tensor  # (W,) the mean of log p(x) of the validation examples with each, nats


def parzen_log_prob(x: Tensor, samples: Tensor, sigmas: Tensor) -> Yields[float, None, Tensor]:
    """log (1/N) Σ_i N(x; s_i, σ²I) in nats, for each of several widths: x (B, D), samples (N, D), sigmas (W,) ->
    (W, B), float64."""
    dimensions = x.shape[1]
    sigmas = sigmas.double().unsqueeze(1)
    constant = dimensions * (sigmas.log() + 0.5 * LOG_2PI) + math.log(len(samples))
    norms = samples.square().sum(1)
    parts = []
    size = max(1, DISTANCES // len(samples))
    for begin in range(0, len(x), size):
        part = x[begin : begin + size]
        squared = torch.addmm(norms, part, samples.t(), alpha=-2).add_(part.square().sum(1, keepdim=True)).clamp_(min=0)
        least = squared.amin(1, keepdim=True)
        squared.sub_(least)  # what is left of the sum is between 1 and N, so that single precision is enough
        logs = []
        for sigma in sigmas:
            sums = (squared * (-0.5 / sigma.item() ** 2)).exp_().sum(1).double().log()
            logs.append(sums - 0.5 * least.squeeze(1).double() / sigma**2)
        parts.append(torch.stack(logs))
        yield (begin + len(part)) / len(x)
    return torch.cat(parts, 1) - constant


def parzen_log_likelihood(
    samples: Tensor, valid: Tensor, test: Tensor, where: str, name: str = "Parzen windows"
) -> Yields[float, None, Parzen]:
    """The mean of log p(x) of `test`, with the width that is best for `valid`; all (·, D)."""
    scale = valid.double().std(0).square().mean().sqrt().item() or 1.0
    coarse = torch.logspace(math.log10(NARROWEST * scale), math.log10(WIDEST * scale), COARSE, dtype=torch.float64)
    found = (yield from stage(parzen_log_prob(valid, samples, coarse), 0.0, 0.3)).mean(1)
    best = int(found.argmax())
    low, high = coarse[max(best - 1, 0)], coarse[min(best + 1, COARSE - 1)]
    fine = torch.logspace(low.log10().item(), high.log10().item(), FINE + 2, dtype=torch.float64)[1:-1]
    finer = (yield from stage(parzen_log_prob(valid, samples, fine), 0.3, 0.2)).mean(1)
    sigmas, order = torch.cat([coarse, fine]).sort()
    validation = torch.cat([found, finer])[order]
    sigma = sigmas[int(validation.argmax())]
    values = (yield from stage(parzen_log_prob(test, samples, sigma.reshape(1)), 0.5, 0.5))[0]
    protocol = f"{where}; {len(samples)} samples, σ = {sigma:.3g} chosen on {len(valid)} validation examples"
    measure = mean_measure(name, values, Kind.ESTIMATE, protocol)
    at_end = best in (0, COARSE - 1)
    if at_end:
        measure = replace(measure, note="The best width lies at an end of those that were tried.")
    tried = f"σ = {sigma:.3g} of {sigmas[0]:.3g} … {sigmas[-1]:.3g}"
    measure = replace(measure, checks=(Check("The best width among those tried", tried, "at neither end", not at_end),))
    return Parzen(measure, sigma.item(), sigmas, validation)
