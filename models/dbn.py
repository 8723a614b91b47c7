"""Deep belief network."""

from __future__ import annotations

import copy
from collections.abc import Generator as Yields
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.distributions import bernoulli, bernoulli_log_prob, require_temperature
from models.estimation.enumeration import all_states, require_enumerable
from models.estimation.progress import finish
from models.harmonium import GibbsChain
from models.label_rbm import LabelRbm
from models.layers import LayerSettings
from models.networks import flat
from models.rbm import Rbm, RbmSettings, probability
from models.settings import setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require

BASE_EXAMPLES = 2000  # carried up for the base of the annealed path


class DbnSettings(LayerSettings):
    labels: bool = setting(
        False,
        title="Label units",
        help="One unit for each class beside the layer below the top: the topmost machine learns digits and labels "
        "together, classifies, and dreams of a class that is held.",
        reference="Hinton, Osindero & Teh (2006), section 5",
    )


class Dbn(GibbsChain):
    """P(x, h¹ … hᴸ) = P(x | h¹) P(h¹ | h²) … P(hᴸ⁻¹, hᴸ): sigmoid layers that generate downwards, and at the top a
    restricted Boltzmann machine (Hinton, Osindero & Teh, 2006).

    P(v_i = 1 | h) = σ(b_i + W_i·h) from each layer to the one below. Inference goes the other way, by recognition
    weights of its own: q(h_j = 1 | v) = σ(c_j + v·R_j), which are those of the machine that the layer was learned as
    until another rule of learning unties them. The topmost machine may hold label units beside hᴸ⁻¹.

    Only the lowest `learned` machines count: after one the model is a restricted Boltzmann machine, after two a network
    of two layers, and so on, so that what is said and drawn makes sense at every moment of greedy learning. Layers
    above those are only driven from below.

    x: (B, *event), bits; hˡ: (B, width of l). Of the stack's machines, W is the weight, b the visible bias and c the
    hidden bias; `recognition` holds R, (below, above), of every machine but the topmost.
    """

    learned: Tensor

    def __init__(self, settings: DbnSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.sweeps, self.widths = spec.event_shape, settings.sweeps, settings.widths()
        self.classes = spec.classes if settings.labels else 0
        specs = [spec, *[DataSpec((width,), Support.BITS, Layout.VECTOR) for width in self.widths[:-1]]]
        stack = [Rbm(RbmSettings(hidden=w), below) for w, below in zip(self.widths, specs, strict=True)]
        if self.classes:
            stack[-1] = LabelRbm(self.widths[-2], self.classes, self.widths[-1])
        self.stack: Sequence[Rbm] = nn.ModuleList(stack)  # type: ignore[assignment]
        self.recognition = nn.ParameterList([m.weight.detach().clone() for m in stack[:-1]])
        self.register_buffer("learned", torch.full((), len(stack), dtype=torch.int64))
        self._only: int | None = None  # in place of `learned`, in a view of fewer layers

    @staticmethod
    def check(settings: DbnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or has no classes for the label units."""
        require(spec, Support.BITS, model="The deep belief network")
        if settings.labels and not spec.classes:
            raise UnsuitableData(
                "Label units need to know the classes, and these data have none: choose data with labels, or switch "
                "label units off."
            )

    # The stack.

    def machines(self) -> Sequence[nn.Module]:
        return list(self.stack)

    @torch.no_grad()
    def begin_machine(self, layer: int, like_below: bool = True) -> None:
        """Machine `layer` is the topmost that counts from now on, and the one below has learned all it will.

        With `like_below` it begins as the transpose of that one where it is wide enough, its further units
        hardly connected: P(x) stays as it was (section 3 of the paper)."""
        self.learned.fill_(layer + 1)
        if layer == 0:
            return
        below, machine = self.stack[layer - 1], self.stack[layer]
        self.recognition[layer - 1].copy_(below.weight)
        if like_below and machine.hidden >= below.dimensions:
            machine.weight[: below.hidden, : below.dimensions].copy_(below.weight.t())
            machine.visible_bias[: below.hidden].copy_(below.hidden_bias)
            machine.hidden_bias[: below.dimensions].copy_(below.visible_bias)

    def carry_up(self, layer: int, x: Tensor, y: Tensor, generator: Generator | None = None) -> Tensor:
        """Draws of what machine `layer` sees of x (B, *event) with labels y (B,). A label that is hidden (-1) is drawn
        given the rest."""
        if layer == 0:
            return x
        v = self._up(x, layer, generator, learned=len(self.stack))[-1]
        return self._beside_labels(v, y, generator) if layer == len(self.stack) - 1 else v

    def layers(self) -> int:
        """How many of the layers count now."""
        return int(self.learned) if self._only is None else self._only

    def with_layers(self, layers: int) -> Dbn:
        """The model of the lowest `layers` machines alone. It shares all tensors with this one."""
        view = copy.copy(self)
        view._only = layers
        return view

    # Recognition.

    def _recognised(self, layer: int, v: Tensor, temperature: float = 1.0, learned: int | None = None) -> Tensor:
        """q(h = 1 | v) of the layer above v: (B, below) -> (B, above). `learned`: where it is known, so that nothing
        need wait for the device."""
        machine = self.stack[layer]
        tied = layer >= (learned or self.layers()) - 1  # not learned to the end, or the topmost
        logits = torch.addmm(machine.hidden_bias, flat(v), machine.weight if tied else self.recognition[layer])
        return probability(logits, temperature)

    def _up(
        self, x: Tensor, layers: int, generator: Generator | None = None, learned: int | None = None
    ) -> list[Tensor]:
        """x (B, D), and draws of the lowest `layers` hidden layers given it."""
        states = [flat(x)]
        for layer in range(layers):
            states.append(bernoulli(self._recognised(layer, states[-1], learned=learned), generator))
        return states

    def _beside_labels(self, v: Tensor, y: Tensor | None, generator: Generator | None) -> Tensor:
        """v with its label beside it, where the topmost machine has label units."""
        machine = self.stack[-1]
        if not isinstance(machine, LabelRbm):
            return v
        label = machine.draw_label(v, generator)
        return torch.cat([v, label if y is None else _with_classes(label, y)], 1)

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Layer after layer upwards, by the recognition weights: exact for one layer, an approximation above."""
        *_, below = states = self._up(x, len(self.stack) - 1, generator)
        top = self.stack[-1]
        return (*states[1:], top.draw_hidden(top.hidden_mean(self._beside_labels(below, None, generator)), generator))

    def features(self, x: Tensor) -> Tensor:
        """What the topmost machine sees, by means: (B, *event) -> (B, below the top)."""
        v = flat(x)
        for layer in range(len(self.stack) - 1):
            v = self._recognised(layer, v)
        return v

    def recognition_layers(self) -> list[tuple[Tensor, Tensor]]:
        machines, top = self.stack, self.stack[-1]
        lower = [(r.t(), m.hidden_bias) for r, m in zip(self.recognition, machines, strict=False)]
        return [*lower, (top.weight[: self.widths[-2]].t(), top.hidden_bias)]

    def label_units(self) -> int:
        return self.classes

    def label_probabilities(self, x: Tensor) -> Tensor:
        """Means are carried up to the topmost machine, whose free energies with each label are then compared."""
        top = self.stack[-1]
        assert isinstance(top, LabelRbm)
        return top.label_log_weights(self.features(x)).softmax(1)

    # Likelihood.

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """E_q[log q(h | x) - log P(x | h¹) … + F(of the topmost machine)], one draw of h for each x; the entropies of q
        are exact. With one layer it is F(x) itself."""
        total, v = x.new_zeros(len(x)), flat(x)
        for layer in range(self.layers() - 1):
            mean = self._recognised(layer, v)
            h = bernoulli(mean, generator)
            negative_entropy = torch.special.xlogy(mean, mean) + torch.special.xlogy(1 - mean, 1 - mean)
            total = total + negative_entropy.sum(1) - self._generative_log_prob(layer, v, h)
            v = h
        return total + self._topmost().free_energy(v)

    def log_partition(self) -> Tensor:
        """log Z of the topmost machine that counts. Raises TooLarge."""
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        return (yield from self._topmost().log_partition_in_parts())

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x), summed over all states of the hidden layers below the top. Raises TooLarge."""
        inner = self.widths[: self.layers() - 1]
        require_enumerable(
            sum(inner), f"log p(x) of a deep belief network with {' and '.join(map(str, inner))} units below the top"
        )
        top = self._topmost()
        log_partition = self.log_partition()
        if not inner:
            return -top.free_energy(flat(x)) - log_partition
        states = torch.cat(list(all_states(inner[-1], like=x)))
        log_p = -top.free_energy(states) - log_partition  # of every state of the layer below the top
        for layer in range(len(inner) - 1, 0, -1):
            below = torch.cat(list(all_states(inner[layer - 1], like=x)))
            log_p, states = self._marginal(layer, below, states, log_p), below
        return self._marginal(0, flat(x), states, log_p)

    def _marginal(self, layer: int, v: Tensor, states: Tensor, log_p: Tensor, chunk: int = 2**14) -> Tensor:
        """log Σ_h P(v | h) P(h) over `states` of h that have log-probabilities `log_p`: (B, below) -> (B,)."""
        total = torch.full_like(v[:, 0], -torch.inf)
        for some, weights in zip(states.split(chunk), log_p.split(chunk), strict=True):
            logits = self._generative_logits(layer, some)  # (states, below)
            scores = v @ logits.t() - F.softplus(logits).sum(1) + weights
            total = torch.logaddexp(total, scores.logsumexp(1))
        return total

    def _generative_logits(self, layer: int, h: Tensor) -> Tensor:
        machine = self.stack[layer]
        return torch.addmm(machine.visible_bias, h, machine.weight.t())

    def _generative_log_prob(self, layer: int, v: Tensor, h: Tensor) -> Tensor:
        """log P(v | h) of a layer that generates: (B,)."""
        return bernoulli_log_prob(v, self._generative_logits(layer, h)).sum(1)

    def _topmost(self) -> Rbm:
        """The topmost machine that counts."""
        return self.stack[self.layers() - 1]

    # The annealed path is that of the topmost machine: its states are those of the layer below the top.

    def annealed_base(self, data: Tensor) -> Tensor:
        v = flat(data[:BASE_EXAMPLES]).to(self.stack[0].weight)
        for layer in range(self.layers() - 1):
            v = self._recognised(layer, v)
        return self._topmost().annealed_base(v)

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return self._topmost().annealed_log_prob(x, beta, base)

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return self._topmost().annealed_log_partition_base(base)

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return self._topmost().annealed_sample_base(n, base, generator)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        return self._topmost().annealed_transition(x, beta, base, generator)

    # The chain.

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple((width,) for width in self.widths)

    def filters(self) -> Tensor:
        return self.stack[0].filters()

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        for below in range(layer, -1, -1):
            h = self.stack[below].visible_mean(h)
            if below:
                h = h[:, : self.widths[below - 1]]  # without label units
        return h.reshape(-1, *self.event_shape)

    def draw_top(self, n: int, generator: Generator | None = None) -> Tensor:
        """What the topmost machine sees, after `sweeps` transitions of it from noise."""
        machine = self._topmost()
        v = machine.start_chain(n, generator).x
        h = machine.draw_hidden(machine.hidden_mean(v), generator)
        for _ in range(self.sweeps):
            v, mean = machine.sweep(v, h, generator)
            h = machine.draw_hidden(mean, generator)
        return v

    def _run_chain(self, n: int, generator: Generator | None) -> ChainState:
        """The chain of the topmost machine, and at its end once downwards: the same as moving all layers each time."""
        v = self.draw_top(n, generator)
        machine = self._topmost()
        h = machine.draw_hidden(machine.hidden_mean(v), generator)
        return self._downwards([None] * (self.layers() - 1) + [h], None, NOTHING_HELD, 1.0, generator)

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """What the topmost machine makes of fair coins, carried down."""
        machine = self._topmost()
        h = machine.draw_hidden(machine.hidden_mean(machine.start_chain(n, generator).x), generator)
        return self._downwards([None] * (self.layers() - 1) + [h], None, NOTHING_HELD, 1.0, generator)

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """One alternation of the topmost machine, and then downwards, layer after layer.

        Exactly a transition of the model where nothing is held, or a class and units of the topmost machine are. Held
        pixels reach the layers above by recognition, upwards at each move, which only approximates P(h | x). A held
        unit of a layer between acts on what is below it: those above hear of it by recognition alone, if pixels are
        held."""
        require_temperature(temperature)
        depth = self.layers()
        hidden = list(state.hidden or self.infer(state.x, generator))
        below: list[Tensor] = [flat(state.x), *hidden[: depth - 1]]
        if held.x is not None:  # what is seen is what is above drawn from
            for layer in range(depth - 1):
                drawn = bernoulli(self._recognised(layer, below[layer], temperature), generator)
                below[layer + 1] = hidden[layer] = _kept(drawn, hidden[layer], held, layer)
        machine, v = self._topmost(), below[depth - 1]
        if isinstance(machine, LabelRbm):
            label = machine.draw_label(v, generator) if state.label is None else state.label
            v = torch.cat([v, _with_classes(label, held.label)], 1)
        v = v.reshape(-1, *machine.event_shape)
        h = machine.draw_hidden(machine.hidden_mean(v, temperature), generator)
        hidden[depth - 1] = _kept(h, hidden[depth - 1], held, depth - 1)
        return self._downwards(hidden, state.x, held, temperature, generator)

    def _downwards(
        self,
        hidden: Sequence[Tensor | None],
        x: Tensor | None,
        held: Held,
        temperature: float,
        generator: Generator | None,
    ) -> ChainState:
        """The layers below the topmost that counts drawn given it, and those above it driven by it. What `hidden` and
        `x` say of the layers that are drawn matters where they are held."""
        depth, label = self.layers(), None
        states = list(hidden[:depth])
        machine, h = self._topmost(), states[-1]
        assert h is not None
        mean = machine.visible_mean(h, temperature)
        v = machine.draw_visible(mean, generator, temperature)
        if isinstance(machine, LabelRbm):
            v, label = v[:, : machine.bits], _with_classes(v[:, machine.bits :], held.label)
        for layer in range(depth - 2, -1, -1):
            states[layer] = v = _kept(v, states[layer], held, layer)
            mean = self.stack[layer].visible_mean(v, temperature)
            v = self.stack[layer].draw_visible(mean, generator, temperature)
        if held.x is not None and x is not None:
            v, mean = torch.where(held.x, x, v), torch.where(held.x, x, mean)
        above = h
        for layer in range(depth, len(self.stack)):
            if layer == len(self.stack) - 1:
                above = self._beside_labels(above, held.label, generator)
                label = above[:, self.widths[layer - 1] :] if self.classes else None
            drawn = bernoulli(self._recognised(layer, above, temperature), generator)
            above = _kept(drawn, hidden[layer] if layer < len(hidden) else None, held, layer)
            states.append(above)
        return ChainState(v, mean, tuple(states), label)  # type: ignore[arg-type]

    # Wake and sleep.

    def top_machine(self) -> nn.Module:
        return self.stack[-1]

    def wake(self, x: Tensor, y: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        states = self._up(x, len(self.stack) - 1, generator, learned=len(self.stack))
        log_prob = x.new_zeros(len(x))
        for layer, (v, h) in enumerate(pairwise(states)):
            log_prob = log_prob + self._generative_log_prob(layer, v, h)
        return log_prob, self._beside_labels(states[-1], y, generator)

    def sleep(self, top: Tensor, generator: Generator | None = None) -> Tensor:
        h = top[:, : self.widths[-2]]
        log_prob = top.new_zeros(len(top))
        for layer in range(len(self.stack) - 2, -1, -1):
            v = bernoulli(self._generative_logits(layer, h).sigmoid(), generator)
            logits = torch.addmm(self.stack[layer].hidden_bias, v, self.recognition[layer])
            log_prob = log_prob + bernoulli_log_prob(h, logits).sum(1)
            h = v
        return log_prob


def _kept(drawn: Tensor, before: Tensor | None, held: Held, layer: int) -> Tensor:
    """`drawn`, but as `before` where hidden units of the layer are held."""
    mask = held.hidden[layer] if layer < len(held.hidden) else None
    return drawn if mask is None or before is None else torch.where(mask, before, drawn)


def _with_classes(label: Tensor, y: Tensor | None) -> Tensor:
    """`label` (B, K), but the unit of class y on where y (B,) is a class and not -1."""
    if y is None:
        return label
    known = F.one_hot(y.clamp(min=0), label.shape[1]).to(label)
    return torch.where((y >= 0).unsqueeze(1), known, label)
