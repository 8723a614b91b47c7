"""Restricted Boltzmann machine."""

from __future__ import annotations

from collections.abc import Generator as Yields
from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import ChainState
from models.distributions import bernoulli
from models.estimation.enumeration import LIMIT, all_states, log_sum_in_parts, require_enumerable
from models.estimation.progress import finish
from models.family import Family
from models.harmonium import ChainSettings, Harmonium
from models.networks import flat
from models.settings import setting
from models.spec import DataSpec, Support, require


class RbmSettings(ChainSettings):
    hidden: int = setting(
        128,
        title="Hidden units",
        help="Binary hidden units. Up to 20 of them, log Z is summed exactly, whatever the size of the examples.",
        reference="Hinton (2012), section 12",
        ge=1,
        le=8192,
    )


class Rbm(Harmonium):
    """P(v, h) = exp(-E(v, h)) / Z over bits, with E(v, h) = -b·v - c·h - v·W h (Smolensky's harmonium, 1986).

    There are no connections within a layer, so that each layer is independent given the other:
    P(h_j = 1 | v) = σ(c_j + v·W_j) and P(v_i = 1 | h) = σ(b_i + W_i·h); and the hidden layer sums out:
    F(v) = -b·v - Σ_j softplus(c_j + v·W_j), P(v) = exp(-F(v)) / Z (Hinton, 2012, equations 2 to 12).

    v: (B, *event); h: (B, hidden). Takes bits only. To read grey values as probabilities, as is common, train on the
    dynamic binarisation: it has the same expected statistics, and a likelihood that means something.
    """

    def __init__(self, settings: RbmSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions
        self.hidden, self.hidden_shape, self.sweeps = settings.hidden, (settings.hidden,), settings.sweeps
        # small and random, so that hidden units differ at once (Hinton, 2012, section 8)
        self.weight = nn.Parameter(torch.randn(spec.dimensions, settings.hidden) * 0.01)
        self.visible_bias = nn.Parameter(torch.zeros(spec.dimensions))
        self.hidden_bias = nn.Parameter(torch.zeros(settings.hidden))

    @staticmethod
    def check(settings: RbmSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits."""
        require(spec, Support.BITS, model="The restricted Boltzmann machine")

    # Energies.

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, hidden) -> (B,)."""
        v = flat(v)
        return -(v @ self.visible_bias) - h @ self.hidden_bias - ((v @ self.weight) * h).sum(-1)

    def free_energy(self, x: Tensor) -> Tensor:
        return -(flat(x) @ self.visible_bias) - F.softplus(self._hidden_logits(x)).sum(-1)

    def log_partition(self) -> Tensor:
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the states of the smaller layer, the other summed out. Raises TooLarge."""
        smaller = min(self.dimensions, self.hidden)
        require_enumerable(
            smaller,
            f"log Z of {self.dimensions} visible and {self.hidden} hidden units",
            f"Use at most {LIMIT} hidden units, or contrastive divergence and annealed importance sampling.",
        )
        if self.hidden < self.dimensions:
            return (yield from log_sum_in_parts(self.hidden, self._hidden_log_weight, self.weight))
        return (yield from log_sum_in_parts(self.dimensions, lambda v: -self.free_energy(v), self.weight))

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x) = -F(x) - log Z. Raises TooLarge when log Z cannot be summed."""
        return -self.free_energy(x) - self.log_partition()

    # Conditionals.

    def hidden_mean(self, v: Tensor, temperature: float = 1.0) -> Tensor:
        """P(h_j = 1 | v): (B, *event) -> (B, hidden)."""
        return probability(self._hidden_logits(v), temperature)

    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        """P(v_i = 1 | h): (B, hidden) -> (B, *event)."""
        return probability(self._visible_logits(h), temperature).reshape(-1, *self.event_shape)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h given its conditional mean: (B, hidden)."""
        return bernoulli(mean, generator)

    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        """v given its conditional mean: (B, *event)."""
        return bernoulli(mean, generator)

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place. h may be its conditional mean."""
        v = flat(v)
        ones = v.new_ones(len(v))  # sums over the batch as products: a third of the time of sum() and add_()
        sums["weight"].addmm_(v.t(), h, beta=keep, alpha=scale)
        sums["visible_bias"].addmv_(v.t(), ones, beta=keep, alpha=scale)
        sums["hidden_bias"].addmv_(h.t(), ones, beta=keep, alpha=scale)

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Bits from fair coins."""
        half = torch.full((n, *self.event_shape), 0.5, device=self.weight.device, dtype=self.weight.dtype)
        return ChainState(self.draw_visible(half, generator), half)

    def transition_probabilities(self, states: Tensor) -> Tensor:
        """Σ_h P(h | x) P(x' | h). Raises TooLarge."""
        require_enumerable(self.hidden, f"A transition over {self.hidden} hidden units")
        x, given = flat(states), self._hidden_logits(states)
        total = x.new_zeros(len(x), len(x))
        for h in all_states(self.hidden, x, chunk=1024):
            logits = self._visible_logits(h)
            up = torch.addmm(-F.softplus(given).sum(1, keepdim=True), given, h.t()).exp()
            down = torch.addmm(-F.softplus(logits).sum(1, keepdim=True), logits, x.t()).exp()
            total.addmm_(up, down)
        return total

    def filters(self) -> Tensor:
        return self.weight.t().reshape(-1, *self.event_shape)

    # The path from independent bits to the machine (Salakhutdinov & Murray, 2008, section 4.1): the weights and hidden
    # biases are scaled by β, the visible biases go from the base's to the machine's.

    def annealed_base(self, data: Tensor) -> Tensor:
        return data.mean(0).flatten().to(self.weight).clamp(0.01, 0.99).logit()

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return flat(x) @ self._annealed_bias(beta, base) + F.softplus(beta * self._hidden_logits(x)).sum(-1)

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return F.softplus(base).sum() + self.hidden * base.new_tensor(2).log()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return bernoulli(base.sigmoid().expand(n, -1), generator).reshape(-1, *self.event_shape)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        h = bernoulli((beta * self._hidden_logits(x)).sigmoid_(), generator)
        logits = torch.addmm(self._annealed_bias(beta, base), h, self.weight.t(), alpha=beta)
        return bernoulli(logits.sigmoid_(), generator).reshape(-1, *self.event_shape)

    def _annealed_bias(self, beta: float, base: Tensor) -> Tensor:
        return torch.lerp(base, self.visible_bias, beta)

    def _hidden_logits(self, v: Tensor) -> Tensor:
        return torch.addmm(self.hidden_bias, flat(v), self.weight)

    def _visible_logits(self, h: Tensor) -> Tensor:
        return torch.addmm(self.visible_bias, h, self.weight.t())

    def _hidden_log_weight(self, h: Tensor) -> Tensor:
        return h @ self.hidden_bias + F.softplus(self._visible_logits(h)).sum(-1)


def probability(logits: Tensor, temperature: float) -> Tensor:
    """σ(logits / temperature), in place."""
    return (logits if temperature == 1 else logits.div_(temperature)).sigmoid_()


FAMILY = Family(
    key="rbm",
    title="Restricted Boltzmann machine",
    group="energy",
    lecture="Boltzmann machines",
    summary="An energy over pixels and hidden units, with no connections within a layer. Its chain draws all "
    "hidden units given the pixels, then all pixels given the hidden units, and so on.",
    look_for="Filters turn from noise into strokes. Reconstruction alone can fool: watch the pseudo-likelihood, "
    "and the free energy of held-out data, which leaves that of training data when it learns by heart.",
    model=Rbm,
    settings=RbmSettings,
    learners=(
        "persistent-cd",
        "contrastive-divergence",
        "pseudo-likelihood",
        "noise-contrastive",
        "maximum-likelihood",
    ),
    data="digits",
    binarization="threshold",
)
