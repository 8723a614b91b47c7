"""Layers of bits that draw each other downwards, under a restricted Boltzmann machine: inference, and the chain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.distributions import bernoulli, bernoulli_log_prob, require_temperature
from models.harmonium import GibbsChain
from models.label_rbm import LabelRbm
from models.networks import flat
from models.rbm import Rbm, probability


class BeliefLayers(GibbsChain):
    """What models/dbn.py is made of. A subclass makes the stack, the recognition weights, and the number of machines
    that count."""

    event_shape: tuple[int, ...]
    widths: tuple[int, ...]  # of the hidden layers, the lowest first
    stack: Sequence[Rbm]
    recognition: nn.ParameterList
    learned: Tensor
    _only: int | None

    def layers(self) -> int:
        """How many of the layers count now."""
        return int(self.learned) if self._only is None else self._only

    def _topmost(self) -> Rbm:
        """The topmost machine that counts."""
        return self.stack[self.layers() - 1]

    def _generative_logits(self, layer: int, h: Tensor) -> Tensor:
        machine = self.stack[layer]
        return torch.addmm(machine.visible_bias, h, machine.weight.t())

    def _generative_log_prob(self, layer: int, v: Tensor, h: Tensor) -> Tensor:
        """log P(v | h) of a layer that generates: (B,)."""
        return bernoulli_log_prob(v, self._generative_logits(layer, h)).sum(1)

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
