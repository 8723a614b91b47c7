"""The aggregated posterior q(z) = (1/N) Σ_n q(z | x_n) against the prior, and what that says of the KL term.

The mean KL(q(z | x) ‖ p(z)) is I(n; z) + KL(q(z) ‖ p(z)): how much a code tells which example it belongs to, and how
far codes as a whole are from the prior (Hoffman & Johnson, 2016). The second splits again, for independent priors, into
the total correlation KL(q(z) ‖ Π_j q(z_j)) and Σ_j KL(q(z_j) ‖ p(z_j)) (Chen et al., 2018, equation 2).

q(z) is a mixture of N components, whose density at draws from it is summed exactly; averages over draws are therefore
without bias for these N examples. For all examples that there could be, they are not: a mixture of fewer components
tells them apart less well, so that I(n; z), which is log N at most, is a lower bound in expectation, and the divergence
of q(z) an upper bound, by the same amount.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from models.distributions import HasMarginals
from models.estimation.active_units import active_units
from models.estimation.measure import Kind, Measure, mean_measure

NUMBERS = 4_000_000  # in memory at once: draws × examples × dimensions
EXAMPLES = 500  # encoded at once
SATURATED = 1.0  # nats below log N


@dataclass(frozen=True)
class Aggregated:
    """All in nats per example."""

    rate: Measure  # mean KL(q(z | x) ‖ p(z))
    information: Measure  # I(n; z)
    divergence: Measure  # KL(q(z) ‖ p(z))
    total_correlation: Measure | None  # None, like the next, where a dimension has no density of its own
    of_each: Tensor | None  # (latent,)  KL(q(z_j) ‖ p(z_j))
    active: Tensor  # (latent,)  bool
    draws: Tensor  # (N, latent), one of each example

    @property
    def doubt(self) -> str:
        """Why these do not tell of other examples; empty where they do."""
        n = len(self.draws)
        if self.information.value < math.log(n) - SATURATED:
            return ""
        return (
            f"The code tells nearly all of the {n:,} examples apart: I(n; z) is {self.information.value:.2f} of at "
            f"most log N = {math.log(n):.2f} nats. Of more examples it would be larger, and the divergence of q(z) "
            "from the prior, and the total correlation, smaller. Measure with more examples."
        )


def aggregated_posterior(
    model: Any, x: Tensor, where: str, generator: Generator | None = None
) -> Yields[float, None, Aggregated]:
    """Of a model that `Encodes` and `Decodes`, with one draw of q(z | x) for each example (N, *event)."""
    posteriors, prior = [model.encode(part) for part in x.split(EXAMPLES)], model.prior()
    draws = [posterior.sample(1, generator)[0] for posterior in posteriors]
    z = torch.cat(draws)
    own = torch.cat([q.log_prob(some).double() for q, some in zip(posteriors, draws, strict=True)])
    under_prior, alone = prior.log_prob(z).double(), all(isinstance(one, HasMarginals) for one in (prior, *posteriors))
    rows = max(1, NUMBERS // (len(z) * z.shape[1]))
    together, by_dimension = [], []
    for begin in range(0, len(z), rows):
        some = z[begin : begin + rows].unsqueeze(1)  # against all N components
        joint = torch.cat([q.log_prob(some.expand(-1, len(q.mean), -1)) for q in posteriors], 1)  # (rows, N)
        together.append(joint.double().logsumexp(1) - math.log(len(z)))
        if alone:
            each = torch.cat([q.log_prob_each(some) for q in posteriors], 1)  # (rows, N, latent)
            by_dimension.append(each.logsumexp(1).double() - math.log(len(z)))
        yield (begin + len(some)) / len(z)
    log_q, correlation, of_each = torch.cat(together), None, None
    protocol = f"{where}; one draw of q(z|x) each, q(z) their exact mixture"
    if alone:
        log_q_each = torch.cat(by_dimension)
        correlation = _measure("total correlation of q(z)", log_q - log_q_each.sum(1), Kind.ESTIMATE, protocol)
        of_each = (log_q_each - prior.log_prob_each(z).double()).mean(0)
    return Aggregated(
        _measure("mean KL(q(z|x)‖p(z))", own - under_prior, Kind.ESTIMATE, protocol),
        _measure("index-code information I(n; z)", own - log_q, Kind.LOWER_BOUND, protocol),
        _measure("KL(q(z)‖p(z))", log_q - under_prior, Kind.UPPER_BOUND, protocol),
        correlation,
        of_each,
        active_units(torch.cat([q.mean for q in posteriors])),
        z,
    )


def _measure(name: str, values: Tensor, kind: Kind, protocol: str) -> Measure:
    return replace(mean_measure(name, values, kind, protocol), likelihood=False)
