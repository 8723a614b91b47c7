"""Sigmoid belief net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Generator as Yields
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Elbo, PosteriorDraw
from models.concrete import Bits
from models.distributions import bernoulli, bernoulli_log_likelihood, bernoulli_log_prob
from models.estimation.enumeration import LIMIT, all_states, log_marginal_in_parts, require_enumerable
from models.estimation.progress import finish
from models.family import Family
from models.layers import BeliefSettings
from models.networks import flat
from models.spec import DataSpec, Support, require


class SigmoidBeliefSettings(BeliefSettings):
    """Everything there is to set are the widths of the layers."""


class SigmoidBelief(nn.Module):
    """P(x, h¹ … hᴸ) = P(x | h¹) P(h¹ | h²) … P(hᴸ), every layer of bits that are independent given the one above (Neal,
    1992): P(v_i = 1 | h) = σ(b_i + W_i·h), and P(hᴸ_j = 1) = σ(a_j).

    The posterior is no product, because causes of the same effect explain each other away. It is approximated the other
    way round, layer after layer: q(h_j = 1 | v) = σ(c_j + R_j·v) (Mnih & Gregor, 2014, section 2).

    x: (B, *event), bits; hˡ: (B, width of l), the lowest first. `generative` holds W and b of each layer, `recognition`
    R and c, `prior` a.
    """

    def __init__(self, settings: SigmoidBeliefSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.widths = spec.event_shape, settings.widths()
        pairs = list(pairwise((spec.dimensions, *self.widths)))
        self.generative: Sequence[nn.Linear] = nn.ModuleList(  # type: ignore[assignment]
            nn.Linear(above, below) for below, above in pairs
        )
        self.recognition: Sequence[nn.Linear] = nn.ModuleList(  # type: ignore[assignment]
            nn.Linear(below, above) for below, above in pairs
        )
        self.prior = nn.Parameter(torch.zeros(self.widths[-1]))

    @staticmethod
    def check(settings: SigmoidBeliefSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits."""
        require(spec, Support.BITS, model="The sigmoid belief net")

    # Downwards.

    def draw_hidden_layers(self, n: int, generator: Generator | None = None) -> tuple[Tensor, ...]:
        states = [bernoulli(self.prior.sigmoid().expand(n, -1), generator)]
        for layer in reversed(self.generative[1:]):
            states.append(bernoulli(layer(states[-1]).sigmoid(), generator))
        return tuple(reversed(states))

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        for downwards in reversed(self.generative[: layer + 1]):
            h = downwards(h).sigmoid()
        return h.reshape(-1, *self.event_shape)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.top_down(0, self.draw_hidden_layers(n, generator)[0])

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return bernoulli(self.sample_mean(n, generator), generator)

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.widths)

    def filters(self) -> Tensor:
        return self.generative[0].weight.t().reshape(-1, *self.event_shape)

    # Upwards.

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        h, states = flat(x), []
        for layer in self.recognition:
            h = bernoulli(layer(h).sigmoid(), generator)
            states.append(h)
        return tuple(states)

    def code_mean(self, x: Tensor) -> Tensor:
        mean, means = flat(x), []
        for layer in self.recognition:
            mean = layer(mean).sigmoid()
            means.append(mean)
        return torch.cat(means, 1)

    def recognition_layers(self) -> Sequence[tuple[Tensor, Tensor]]:
        return [(layer.weight, layer.bias) for layer in self.recognition]

    # Bounds.

    def bound_terms(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        return self._bound(x, lambda q: q.sample(1, generator).squeeze(0))

    def relaxed_elbo(
        self, x: Tensor, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Elbo:
        return self._bound(x, lambda q: q.relaxed(temperature, hard, generator))

    def _bound(self, x: Tensor, draw: Callable[[Bits], Tensor]) -> Elbo:
        """The terms of the bound at draws of all layers. What a unit costs is log q less log p of its layer given the
        neighbours, log q being averaged over the unit itself, and at the top log p too.

        log p of a state is linear in its bits, and is read so of relaxed ones: there is then no second temperature,
        of p, to choose, and with discrete draws the value is the bound itself. At a temperature it is no bound, and
        becomes one as the temperature falls to 0. The densities of relaxed states would bound the evidence of another
        model, of relaxed units throughout (Maddison, Mnih & Teh, 2017, section 3.3)."""
        below, costs, negative_entropy = flat(x), [], None
        for upwards, downwards in zip(self.recognition, self.generative, strict=True):
            q = Bits(upwards(below))
            h = draw(q)
            log_p = bernoulli_log_prob(below, downwards(h))
            if negative_entropy is None:
                reconstruction = log_p.sum(1)
            else:
                costs.append(negative_entropy - log_p)
            below, negative_entropy = h, _negative_entropy(q.logits)
        costs.append(q.kl(Bits(self.prior)))
        kl = torch.cat(costs, 1)
        return Elbo(reconstruction, kl.sum(1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        drawn = self.draw_posterior(x, samples, generator)
        return drawn.log_joint - drawn.log_posterior

    # Learning without a gradient through draws.

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        below = flat(x)
        logits = self.recognition[0](below).expand(samples, -1, -1)  # the same for all draws
        log_joint = log_posterior = torch.zeros_like(logits[..., 0])
        for number, downwards in enumerate(self.generative):
            if number:
                logits = self.recognition[number](below)
            h = bernoulli(logits.sigmoid(), generator)
            log_posterior = log_posterior + bernoulli_log_prob(h, logits).sum(-1)
            given = downwards(h)
            # x is the same for all draws
            score = bernoulli_log_prob(below, given).sum(-1) if number else bernoulli_log_likelihood(below, given)
            log_joint = log_joint + score
            below = h
        log_joint = log_joint + bernoulli_log_prob(below, self.prior.expand_as(below)).sum(-1)
        return PosteriorDraw(log_joint, log_posterior)

    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        with torch.no_grad():
            hidden = self.draw_hidden_layers(n, generator)
            x = bernoulli(self.generative[0](hidden[0]).sigmoid(), generator)
        score = torch.zeros_like(x[:, 0])
        for upwards, below, h in zip(self.recognition, (x, *hidden), hidden, strict=False):
            score = score + bernoulli_log_prob(h, upwards(below)).sum(1)
        return score

    # All states of the hidden layers, one by one.

    def latent_states(self) -> Tensor:
        self._require_few()
        return torch.cat(list(all_states(sum(self.widths), like=self.prior)))

    def log_joint_of(self, x: Tensor, states: Tensor) -> Tensor:
        layers = states.split(self.widths, dim=1)
        of_states = bernoulli_log_prob(layers[-1], self.prior.expand_as(layers[-1])).sum(1)
        for (below, above), downwards in zip(pairwise(layers), self.generative[1:], strict=True):
            of_states = of_states + bernoulli_log_prob(below, downwards(above)).sum(1)
        logits = self.generative[0](layers[0])  # (S, D)
        return flat(x) @ logits.t() - F.softplus(logits).sum(1) + of_states

    def log_recognition_of(self, x: Tensor, states: Tensor) -> Tensor:
        layers = states.split(self.widths, dim=1)
        of_states = torch.zeros_like(states[:, 0])
        for (below, above), upwards in zip(pairwise(layers), self.recognition[1:], strict=True):
            of_states = of_states + bernoulli_log_prob(above, upwards(below)).sum(1)
        logits = self.recognition[0](flat(x))  # (B, units)
        return logits @ layers[0].t() - F.softplus(logits).sum(1, keepdim=True) + of_states

    # The evidence.

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x), summed over all states of the hidden layers. Raises TooLarge."""
        return finish(self.log_prob_in_parts(x))

    def log_prob_in_parts(self, x: Tensor) -> Yields[float, None, Tensor]:
        self._require_few()
        states = torch.cat(list(all_states(self.widths[-1], like=self.prior)))
        log_p = bernoulli_log_prob(states, self.prior.expand_as(states)).sum(1)
        for width, layer in reversed(list(zip(self.widths[:-1], self.generative[1:], strict=True))):
            below = torch.cat(list(all_states(width, like=self.prior)))
            log_p, states = finish(log_marginal_in_parts(below, layer, states, log_p)), below
        return (yield from log_marginal_in_parts(flat(x), self.generative[0], states, log_p))

    def _require_few(self) -> None:
        require_enumerable(
            sum(self.widths),
            f"log p(x) of a belief net with {' and '.join(map(str, self.widths))} hidden units",
            f"Use at most {LIMIT} hidden units in all, or the importance-weighted bound.",
        )


def _negative_entropy(logits: Tensor) -> Tensor:
    """E[log P(h)] of each bit h with these log-odds, in nats."""
    p = logits.sigmoid()
    return p * F.logsigmoid(logits) + (1 - p) * F.logsigmoid(-logits)


FAMILY = Family(
    key="sigmoid-belief",
    title="Sigmoid belief net",
    group="variational",
    lecture="Variational auto-encoders",
    summary="Layers of bits that draw each other downwards, to the pixels. What they were given an example is "
    "guessed layer after layer upwards, by weights of their own.",
    look_for="The learning signal shrinks as its baseline learns which examples are hard; the gradient's variance "
    "tells what a baseline is worth. Filters turn from noise into strokes that are switched on and off.",
    model=SigmoidBelief,
    settings=SigmoidBeliefSettings,
    learners=("score-function", "gumbel-softmax", "wake-sleep"),
    data="digits",
    binarization="threshold",
)
