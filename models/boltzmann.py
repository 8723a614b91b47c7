"""General Boltzmann machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.distributions import bernoulli, bernoulli_log_prob, require_temperature
from models.estimation.enumeration import (
    LIMIT,
    all_states,
    log_sum_in_parts,
    log_sum_over_states,
    require_enumerable,
)
from models.estimation.progress import finish
from models.family import Family
from models.harmonium import ChainSettings, GibbsChain
from models.in_turn import draw_in_turn, settle_in_turn
from models.networks import flat
from models.settings import setting
from models.spec import DataSpec, Support, require, require_at_most

CONNECTED = 4096  # visible units: each has a weight to each other one
EXACT = 10  # connected hidden units, whose states are all listed to draw them given the visible ones


class BoltzmannSettings(ChainSettings):
    hidden: int = setting(
        4,
        title="Hidden units",
        help="Binary hidden units; 0 leaves visible units alone. Up to 20 units in all, everything is summed exactly.",
        reference="Ackley et al. (1985)",
        zero="none",
        ge=0,
        le=4096,
    )
    visible_connections: bool = setting(
        True,
        title="Connections among visible units",
        help="Whether every pair of visible units has a weight (R). Without, they are drawn all at once.",
        reference="Ackley et al. (1985), R",
    )
    hidden_connections: bool = setting(
        True,
        title="Connections among hidden units",
        help="Whether every pair of hidden units has a weight (S). Without, they sum out exactly, however many.",
        reference="Ackley et al. (1985), S",
    )
    clamped_sweeps: int = setting(
        10,
        title="Sweeps with clamped data",
        help="Gibbs sweeps over more than 10 connected hidden units before their state counts as drawn given the data.",
        unit="sweeps",
        reference="Ackley et al. (1985), the positive phase",
        ge=1,
        le=10_000,
    )


class Boltzmann(GibbsChain):
    """P(v, h) = exp(-E(v, h)) / Z over bits, with E(v, h) = -½ vᵀR v - vᵀW h - ½ hᵀS h - b·v - c·h, R and S symmetric
    with a zero diagonal (Ackley, Hinton & Sejnowski, 1985).

    Each unit is easy given all others: P(v_i = 1 | …) = σ(b_i + W_i·h + R_i·v), and alike for h. Units are drawn in
    turn, or all at once where they have no connections among them. R and S are stored as the strictly upper triangles
    `visible_weight` and `hidden_weight`: one weight for each pair, so that they stay symmetric whatever learns them.
    Without S, hidden units sum out: F(v) = -½ vᵀR v - b·v - Σ_j softplus(c_j + v·W_j). With R = S = 0 this is the
    restricted machine.

    v: (B, *event); h: (B, hidden).
    """

    weight: nn.Parameter  # (D, hidden)  W
    visible_weight: nn.Parameter | None  # (D, D)  R = U + Uᵀ for its strictly upper triangle U
    hidden_weight: nn.Parameter | None  # (hidden, hidden)  S, likewise

    def __init__(self, settings: BoltzmannSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.dimensions, self.hidden = spec.event_shape, spec.dimensions, settings.hidden
        self.sweeps, self.clamped_sweeps = settings.sweeps, settings.clamped_sweeps
        d, m = self.dimensions, self.hidden
        # small and random, so that hidden units differ at once (Hinton, 2012, section 8)
        self.weight = nn.Parameter(torch.randn(d, m) * 0.01)
        self.visible_weight = nn.Parameter(torch.zeros(d, d)) if settings.visible_connections and d > 1 else None
        self.hidden_weight = nn.Parameter(torch.zeros(m, m)) if settings.hidden_connections and m > 1 else None
        self.visible_bias = nn.Parameter(torch.zeros(d))
        self.hidden_bias = nn.Parameter(torch.zeros(m))

    @staticmethod
    def check(settings: BoltzmannSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of too many."""
        require(spec, Support.BITS, model="The Boltzmann machine")
        if settings.visible_connections:
            require_at_most(spec, CONNECTED, "The Boltzmann machine with connections among visible units")

    # Energies.

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        v = flat(v)
        return -(v @ self.visible_bias) - _pairs(v, self.visible_weight) - self._hidden_score(h, self._hidden_field(v))

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x), its hidden units summed out. Raises TooLarge where they are connected and too many."""
        v = flat(x)
        field = self._hidden_field(v)
        return -(v @ self.visible_bias) - _pairs(v, self.visible_weight) - self._log_sum_hidden(field)

    def log_partition(self) -> Tensor:
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the states of those units that do not sum out in closed form. Raises TooLarge."""
        d, m = self.dimensions, self.hidden
        ways: list[tuple[int, Callable[[Tensor], Tensor]]] = [(d + m, lambda s: -self.energy(s[:, :d], s[:, d:]))]
        if self.hidden_weight is None:
            ways.append((d, lambda v: -self.free_energy(v)))
        if self.visible_weight is None:
            ways.append((m, self._hidden_log_weight))
        bits, log_weight = min(ways, key=lambda way: way[0])
        require_enumerable(
            bits,
            f"log Z of {d} visible and {m} hidden units",
            f"Use at most {LIMIT} units in all, or at most {LIMIT} of one kind and no connections among the others; or "
            "persistent contrastive divergence and annealed importance sampling.",
        )
        return (yield from log_sum_in_parts(bits, log_weight, self.weight))

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x) = -F(x) - log Z. Raises TooLarge when either cannot be summed."""
        return -self.free_energy(x) - self.log_partition()

    # Conditionals.

    def hidden_given(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """P(h_j = 1 | v) without connections among hidden units; a draw of h with them: (B, *event) -> (B, hidden)."""
        field = self._hidden_field(flat(v))
        return field.sigmoid() if self.hidden_weight is None else self._draw_given(field, 1.0, generator)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        return bernoulli(mean, generator)

    @torch.no_grad()
    def sweep(
        self, v: Tensor, h: Tensor, generator: Generator | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Visible units in turn, then hidden ones: their means where they are not connected, a draw where they are."""
        v = self._draw_visible(flat(v), h, temperature, generator)[0]
        field = self._hidden_field(v)
        if self.hidden_weight is None:
            h = (field / temperature).sigmoid()
        else:
            h = draw_in_turn(h, field, _symmetric(self.hidden_weight), temperature, generator)[0]
        return v.reshape(-1, *self.event_shape), h

    def reconstruct(self, v: Tensor, h: Tensor) -> Tensor:
        logits, coupling = self._visible_field(h), _symmetric(self.visible_weight)
        if coupling is not None:
            logits = logits + flat(v) @ coupling
        return logits.sigmoid().reshape(-1, *self.event_shape)

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        v = flat(v)
        ones = v.new_ones(len(v))
        sums["weight"].addmm_(v.t(), h, beta=keep, alpha=scale)
        sums["visible_bias"].addmv_(v.t(), ones, beta=keep, alpha=scale)
        sums["hidden_bias"].addmv_(h.t(), ones, beta=keep, alpha=scale)
        for name, units in (("visible_weight", v), ("hidden_weight", h)):
            if name in sums:
                sums[name].mul_(keep).add_((units.t() @ units).triu_(1), alpha=scale)

    # The approximation by independent hidden units, which is exact where they are not connected.

    @torch.no_grad()
    def mean_field(self, v: Tensor) -> Tensor:
        """μ_j = σ(c_j + v·W_j + S_j·μ), unit after unit, so that the bound rises: (B, *event) -> (B, hidden)."""
        return settle_in_turn(self._hidden_field(flat(v)), _symmetric(self.hidden_weight))

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """E_q[E(x, h)] - H(q) at the mean-field q: (B, *event) -> (B,)."""
        mean = self.mean_field(x)
        entropy = -(torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)).sum(-1)
        return self.energy(x, mean) - entropy  # E is linear in each unit, so that its mean is that of the means

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Bits from fair coins."""
        half = torch.full((n, *self.event_shape), 0.5, device=self.weight.device, dtype=self.weight.dtype)
        return ChainState(bernoulli(half, generator), half)

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.hidden,),) if self.hidden else ()

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """h drawn given x: exactly without connections among hidden units or with few units, else by Gibbs sweeps."""
        return (self._draw_given(self._hidden_field(flat(x)), 1.0, generator),) if self.hidden else ()

    @torch.no_grad()
    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """Hidden units given x, then visible ones given them; in turn where they are connected. Held units stay."""
        require_temperature(temperature)
        v = flat(state.x)
        field = self._hidden_field(v)
        h = state.hidden[0] if state.hidden else self._draw_given(field, temperature, generator)
        fixed = held.hidden[0] if held.hidden else None
        if state.hidden or fixed is not None:
            h = draw_in_turn(h, field, _symmetric(self.hidden_weight), temperature, generator, fixed)[0]
        known = None if held.x is None else held.x.reshape(-1, self.dimensions)
        x, mean = self._draw_visible(v, h, temperature, generator, known)
        x, mean = (value.reshape(-1, *self.event_shape) for value in (x, mean))
        return ChainState(x, mean, (h,) if self.hidden else ())

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """E[x | h], by mean field where visible units are connected."""
        with torch.no_grad():
            mean = settle_in_turn(self._visible_field(h), _symmetric(self.visible_weight))
        return mean.reshape(-1, *self.event_shape)

    def filters(self) -> Tensor:
        """The weights of each hidden unit; without hidden units those of each visible unit to all others."""
        rows = self.weight.t() if self.hidden or self.visible_weight is None else _symmetric(self.visible_weight)
        assert rows is not None
        return rows.reshape(-1, *self.event_shape)

    # The path from independent bits to the machine: all weights and hidden biases are scaled by β, the visible biases
    # go from the base's to the machine's. Connected hidden units are part of its states, (B, D + hidden); others are
    # summed out.

    def annealed_base(self, data: Tensor) -> Tensor:
        return data.mean(0).flatten().to(self.weight).clamp(0.01, 0.99).logit()

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        v, h = self._parts(x)
        field = self._hidden_field(v)
        visible = v @ torch.lerp(base, self.visible_bias, beta) + beta * _pairs(v, self.visible_weight)
        return visible + (beta * self._hidden_score(h, field) if h is not None else F.softplus(beta * field).sum(-1))

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return F.softplus(base).sum() + self.hidden * base.new_tensor(2).log()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        v = bernoulli(base.sigmoid().expand(n, -1), generator).reshape(-1, *self.event_shape)
        if self.hidden_weight is None:
            return v
        return self._whole(v, bernoulli(base.new_full((n, self.hidden), 0.5), generator))

    @torch.no_grad()
    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        """Units there and back, so that the transition is reversible."""
        v, h = self._parts(x)
        inner = _symmetric(self.hidden_weight, beta)
        h = draw_in_turn(h, beta * self._hidden_field(v), inner, 1.0, generator)[0]
        field = torch.addmm(torch.lerp(base, self.visible_bias, beta), h, self.weight.t(), alpha=beta)
        v = draw_in_turn(v, field, _symmetric(self.visible_weight, beta), 1.0, generator, ways="both")[0]
        x = v.reshape(-1, *self.event_shape)
        if inner is None:
            return x
        return self._whole(x, draw_in_turn(h, beta * self._hidden_field(v), inner, 1.0, generator, ways="back")[0])

    def annealed_start(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Hidden units come from their mean field."""
        if self.hidden_weight is None:
            return x, x.new_zeros(len(x))
        mean = self.mean_field(x)
        h = bernoulli(mean, generator)
        return self._whole(x, h), bernoulli_log_prob(h, mean.logit(eps=1e-6)).sum(-1)

    # Parts.

    def _hidden_field(self, v: Tensor) -> Tensor:
        """What visible units and biases add to each hidden unit's logit: (B, D) -> (B, hidden)."""
        return torch.addmm(self.hidden_bias, v, self.weight)

    def _visible_field(self, h: Tensor) -> Tensor:
        return torch.addmm(self.visible_bias, h, self.weight.t())

    def _hidden_score(self, h: Tensor, field: Tensor) -> Tensor:
        """vᵀW h + c·h + ½ hᵀS h: (B,)."""
        return (field * h).sum(-1) + _pairs(h, self.hidden_weight)

    def _log_sum_hidden(self, field: Tensor) -> Tensor:
        """log Σ_h exp of `_hidden_score`: (B, hidden) -> (B,)."""
        if self.hidden_weight is None:
            return F.softplus(field).sum(-1)
        require_enumerable(
            self.hidden,
            f"F(x) of {self.hidden} hidden units with connections among them",
            f"Use at most {LIMIT} hidden units, or leave out their connections.",
        )
        return log_sum_over_states(
            self.hidden, lambda h: _pairs(h, self.hidden_weight)[:, None] + h @ field.t(), self.weight
        )

    def _hidden_log_weight(self, h: Tensor) -> Tensor:
        """log Σ_v exp(-E(v, h)) where visible units are not connected: (n, hidden) -> (n,)."""
        score = h @ self.hidden_bias + _pairs(h, self.hidden_weight)
        return score + F.softplus(self._visible_field(h)).sum(-1)

    @torch.no_grad()
    def _draw_given(self, field: Tensor, temperature: float, generator: Generator | None) -> Tensor:
        """h drawn given the field of v: (B, hidden) -> (B, hidden)."""
        if self.hidden_weight is None:
            return bernoulli(field.div(temperature).sigmoid_(), generator)
        if self.hidden <= EXACT:
            states = next(all_states(self.hidden, field))
            scores = (field @ states.t() + _pairs(states, self.hidden_weight)) / temperature
            return states[scores.softmax(1).multinomial(1, generator=generator).squeeze(1)]
        h, coupling = bernoulli(field.sigmoid(), generator), _symmetric(self.hidden_weight)
        for _ in range(self.clamped_sweeps):
            h = draw_in_turn(h, field, coupling, temperature, generator)[0]
        return h

    def _draw_visible(
        self, v: Tensor, h: Tensor, temperature: float, generator: Generator | None, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        coupling = _symmetric(self.visible_weight)
        return draw_in_turn(v, self._visible_field(h), coupling, temperature, generator, known)

    def _parts(self, state: Tensor) -> tuple[Tensor, Tensor | None]:
        """Visible and, where they are part of an annealed state, hidden units."""
        state = flat(state)
        return (
            (state, None) if self.hidden_weight is None else (state[:, : self.dimensions], state[:, self.dimensions :])
        )

    def _whole(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.cat([flat(x), h], 1)


def _symmetric(upper: Tensor | None, scale: float = 1.0) -> Tensor | None:
    """U + Uᵀ of a strictly upper triangle, times `scale`."""
    if upper is None:
        return None
    triangle = upper.triu(1) if scale == 1 else upper.triu(1) * scale
    return triangle + triangle.t()


def _pairs(units: Tensor, upper: Tensor | None) -> Tensor:
    """Σ_{i<j} U_ij s_i s_j = ½ sᵀ(U + Uᵀ) s: (B, n) -> (B,)."""
    return units.new_zeros(len(units)) if upper is None else ((units @ upper.triu(1)) * units).sum(-1)


FAMILY = Family(
    key="boltzmann",
    title="Boltzmann machine",
    group="energy",
    lecture="Boltzmann machines",
    summary="Pixels and hidden units, each pair of them with a weight. A unit is easy given all others, and "
    "everything else is hard: what the restricted machine gives up, and why.",
    look_for="With 20 units in all, log p(x), its estimates and the learner's own figures can be compared. More "
    "connections make its chain slower: look at how it mixes.",
    model=Boltzmann,
    settings=BoltzmannSettings,
    learners=(
        "persistent-cd",
        "contrastive-divergence",
        "mean-field-pcd",
        "pseudo-likelihood",
        "maximum-likelihood",
    ),
    data="bars",
    binarization="threshold",
)
