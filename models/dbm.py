"""Deep Boltzmann machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.distributions import bernoulli, require_temperature
from models.doubled_rbm import DoubledRbm
from models.family import Family
from models.layers import LayerSettings
from models.networks import flat
from models.rbm import probability
from models.settings import setting
from models.spec import DataSpec, Support, require
from models.two_sides import TwoSides


class DbmSettings(LayerSettings):
    mean_field_steps: int = setting(
        10,
        title="Mean-field updates",
        help="Updates of all hidden means given an example; more come nearer to the fixed point.",
        reference="Salakhutdinov & Hinton (2009), section 2.1",
        ge=1,
        le=1000,
    )
    centred: bool = setting(
        True,
        title="Centred units",
        help="Weights act on how far units are from their usual mean. The machines are the same, but all layers learn "
        "together from a random start.",
        reference="Montavon & Müller (2012), section 3",
    )


class Dbm(TwoSides):
    """P(v, h₁ … h_L) = exp(-E) / Z over bits, with connections between neighbouring layers only (Salakhutdinov &
    Hinton, 2009, equation 9): E = -Σ_l (h_l - c_l)·W_l (h_{l+1} - c_{l+1}) - Σ_l b_l·h_l, where h₀ = v.

    The centres c are 0 or, where units are centred, fixed numbers near the means of the units (Montavon & Müller,
    2012): another way to write the same machines, in which the gradient is better conditioned.

    v: (B, *event); h: all hidden layers side by side, the lowest first, (B, H₁ + … + H_L). P(h | v) is no product:
    mean field replaces it. Given the layers of odd number, those of even number, among them v, are independent units,
    and the other way round: so the chain draws one side, then the other, and so either side sums out.
    """

    centres: Tensor  # (D + H₁ + … + H_L,)
    settled: Tensor  # (D + H₁ + … + H_L,)  in greedy learning, the hidden biases of machines that have learned all

    def __init__(self, settings: DbmSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.sweeps = spec.event_shape, settings.sweeps
        self.mean_field_steps = settings.mean_field_steps
        self.sizes = (spec.dimensions, *settings.widths())
        self.weights = nn.ParameterList(torch.randn(below, above) * 0.1 for below, above in pairwise(self.sizes))
        self.biases = nn.ParameterList(torch.zeros(size) for size in self.sizes)
        self.centred = settings.centred
        self.register_buffer("centres", torch.full((sum(self.sizes),), 0.5 if settings.centred else 0.0))
        self.register_buffer("settled", torch.zeros(sum(self.sizes)))

    @staticmethod
    def check(settings: DbmSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits."""
        require(spec, Support.BITS, model="The deep Boltzmann machine")

    def start_from(self, x: Tensor, examples: int) -> None:
        """The visible biases become those of independent bits with the data's means, and the centres the means of all
        units as they are without weights (Montavon & Müller, 2012, section 3; Hinton, 2012, section 8)."""
        with torch.no_grad():
            self.biases[0].copy_(((flat(x).sum(0) + 1) / (len(x) + 2)).logit())
            if self.centred:
                self.centres.copy_(torch.cat(list(self.biases)).sigmoid())

    # The stack of machines that greedy learning begins with.

    def machines(self) -> Sequence[DoubledRbm]:
        centres, settled = self._centres(), self.settled.split(self.sizes)
        last = len(self.weights) - 1
        return [
            DoubledRbm(
                weight,
                self.biases[k],
                self.biases[k + 1],
                (centres[k], centres[k + 1]),
                self.event_shape if k == 0 else (self.sizes[k],),
                settled[k] if k else None,
                topmost=k == last,
                centred=self.centred,
            )
            for k, weight in enumerate(self.weights)
        ]

    @torch.no_grad()
    def begin_machine(self, layer: int, like_below: bool = True) -> None:
        """With `like_below`, and two layers in all, the new machine is at first the one below upside down, its further
        units hardly connected (Hinton & Salakhutdinov, 2012, section 3)."""
        if layer == 0:
            return
        self.settled.split(self.sizes)[layer].copy_(self.biases[layer])
        under, above = self.sizes[layer - 1], self.sizes[layer + 1]
        if like_below and above >= under:
            self.weights[layer][:, :under].copy_(self.weights[layer - 1].t())
            self.biases[layer + 1][:under].copy_(self.biases[layer - 1])
            self._centres()[layer + 1][:under].copy_(self._centres()[layer - 1])

    def carry_up(self, layer: int, x: Tensor, y: Tensor, generator: Generator | None = None) -> Tensor:
        """Draws upwards, by the hidden conditionals of the machines below as they ended."""
        settled = self.settled.split(self.sizes)
        for k, machine in enumerate(self.machines()[:layer]):
            strength = 2 if k < len(self.weights) - 1 else 1
            off = flat(x) - machine.centres[0]
            x = bernoulli(torch.addmm(settled[k + 1], off, machine.weight, alpha=strength).sigmoid_(), generator)
        return x

    # Energies.

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E in nats, or its expectation where h holds means of independent units: (B, *event), (B, hidden) -> (B,)."""
        units = self._layers(v, h)
        off = [unit - centre for unit, centre in zip(units, self._centres(), strict=True)]
        linear = sum((unit @ bias for unit, bias in zip(units, self.biases, strict=True)), off[0].new_zeros(len(v)))
        for weight, (below, above) in zip(self.weights, pairwise(off), strict=True):
            linear = linear + ((below @ weight) * above).sum(-1)
        return -linear

    def mean_field(self, v: Tensor) -> Tensor:
        """The hidden means after a fixed number of updates, each of which lowers `free_energy_bound` or leaves it:
        (B, *event) -> (B, hidden).

        They start from a bottom-up pass in which twice the input from below stands for that from above, which is not
        there yet (Salakhutdinov & Hinton, 2009, section 3.1).
        """
        units, centres, top = [flat(v)], self._centres(), len(self.weights)
        for layer in range(1, top + 1):
            from_below = (units[-1] - centres[layer - 1]) @ self.weights[layer - 1]
            units.append(torch.sigmoid(self.biases[layer] + (2 if layer < top else 1) * from_below))
        biases = self._plain_biases()
        for _ in range(self.mean_field_steps):
            for layer in (*range(1, top + 1, 2), *range(2, top + 1, 2)):
                units[layer] = self._field(layer, units, biases).sigmoid()
        return torch.cat(units[1:], 1)

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """E_q[E(x, h)] - H(q) ≥ F(x) for the independent units q of mean field: (B, *event) -> (B,)."""
        mean = self.mean_field(x)
        entropy = torch.special.entr(mean) + torch.special.entr(1 - mean)
        return self.energy(x, mean) - entropy.sum(-1)

    # What learners ask.

    def hidden_given(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """Hidden states drawn by as many sweeps as there are mean-field updates, v held, from a draw of mean field:
        those of P(h | v) as far as this chain mixes. The odd layers as means given the even ones."""
        units, biases = self._layers(v, bernoulli(self.mean_field(v), generator)), self._plain_biases()
        for _ in range(self.mean_field_steps - 1):
            for layer in (*range(1, len(units), 2), *range(2, len(units), 2)):
                units[layer] = bernoulli(self._field(layer, units, biases).sigmoid_(), generator)
        return self._with_odd_means(units, biases)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h given its conditional mean; bits stay as they are: (B, hidden)."""
        return bernoulli(mean, generator)

    def sweep(
        self, v: Tensor, h: Tensor, generator: Generator | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """v and the other even layers drawn given the odd ones, and the means of these given them; the v and even
        layers that are handed in do not matter."""
        units, biases = self._layers(v, h), self._plain_biases()
        for layer in range(0, len(units), 2):
            units[layer] = bernoulli(probability(self._field(layer, units, biases), temperature), generator)
        return units[0].reshape(-1, *self.event_shape), self._with_odd_means(units, biases, temperature)

    def reconstruct(self, v: Tensor, h: Tensor) -> Tensor:
        return self._field(0, self._layers(v, h), self._plain_biases()).sigmoid_().reshape(v.shape)

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place. h may hold means: of one side
        given the other, or of mean field."""
        units = self._layers(v, h)
        ones = units[0].new_ones(len(v))
        off = [unit - centre for unit, centre in zip(units, self._centres(), strict=True)]
        for layer, unit in enumerate(units):
            sums[f"biases.{layer}"].addmv_(unit.t(), ones, beta=keep, alpha=scale)
        for layer, (below, above) in enumerate(pairwise(off)):
            sums[f"weights.{layer}"].addmm_(below.t(), above, beta=keep, alpha=scale)

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Every unit from a fair coin."""
        halves = [
            torch.full((n, size), 0.5, device=self.centres.device, dtype=self.centres.dtype) for size in self.sizes
        ]
        x, *hidden = (bernoulli(half, generator) for half in halves)
        return ChainState(x.reshape(n, *self.event_shape), halves[0].reshape(n, *self.event_shape), tuple(hidden))

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((size,) for size in self.sizes[1:])

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        return bernoulli(self.mean_field(x), generator).split(self.sizes[1:], 1)

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """The odd layers given the even ones, then these, x among them, given those; but for held units."""
        require_temperature(temperature)
        hidden = state.hidden or self.infer(state.x, generator)
        units, biases = [flat(state.x), *hidden], self._plain_biases()
        mean = units[0]
        for layer in (*range(1, len(units), 2), *range(0, len(units), 2)):
            before, means = units[layer], probability(self._field(layer, units, biases), temperature)
            units[layer] = bernoulli(means, generator)
            kept = held.x if layer == 0 else held.hidden[layer - 1] if held.hidden else None
            if kept is not None:
                kept = kept.reshape(-1, self.sizes[layer])
                units[layer] = torch.where(kept, before, units[layer])
                means = torch.where(kept, before, means)
            mean = means if layer == 0 else mean
        return ChainState(units[0].reshape(state.x.shape), mean.reshape(state.x.shape), tuple(units[1:]))

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """The means of the layers below, from the top down. Each but the visible one has a layer below it too, of which
        nothing is known: twice the input from above stands for both."""
        centres, unit = self._centres(), h
        for below in range(layer, -1, -1):
            from_above = (unit - centres[below + 1]) @ self.weights[below].t()
            unit = torch.sigmoid(self.biases[below] + (2 if below else 1) * from_above)
        return unit.reshape(-1, *self.event_shape)

    def filters(self) -> Tensor:
        return self.weights[0].t().reshape(-1, *self.event_shape)

    def _with_odd_means(self, units: list[Tensor], biases: Sequence[Tensor], temperature: float = 1.0) -> Tensor:
        """The hidden layers side by side, the odd ones as means given the even ones."""
        for layer in range(1, len(units), 2):
            units[layer] = probability(self._field(layer, units, biases), temperature)
        return torch.cat(units[1:], 1)


FAMILY = Family(
    key="dbm",
    title="Deep Boltzmann machine",
    group="energy",
    lecture="Boltzmann machines",
    summary="Layers of hidden units above the pixels, all connections undirected: what a unit stands for depends "
    "on the layer above as well as on the one below. Mean field replaces P(h | v), which is no product.",
    look_for="The bound on the free energy of held-out data leaves that of training data when it learns by heart. "
    "Where the top layer stays at one half, the deep machine is only a restricted one.",
    model=Dbm,
    settings=DbmSettings,
    learners=("mean-field-pcd", "layerwise", "persistent-cd", "maximum-likelihood"),
    data="digits",
    binarization="threshold",
)
