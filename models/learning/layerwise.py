"""Greedy learning of a stack of machines, one after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from models.capabilities import HasLabelUnits, StacksMachines
from models.learning.base import Learner, Learning
from models.learning.contrastive_divergence import (
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.settings import Settings, setting
from models.spec import Batch, DataSpec, Layout, Support


class LayerwiseSettings(ContrastiveDivergenceSettings):
    decay: int = setting(
        2000,
        title="Learning-rate decay",
        help="The learning rate of each layer falls linearly to a fiftieth over this many of its steps, and stays "
        "there; 0 keeps it.",
        unit="steps",
        reference="Tieleman (2008), section 3",
        zero="off",
        ge=0,
        le=100_000_000,
    )
    weight_decay: float = setting(
        2e-4,
        title="Weight decay",
        help="Pulls weights (not biases) towards zero.",
        reference="Hinton (2012), section 10",
        zero="off",
        ge=0,
        le=1,
        log=True,
    )
    layer_steps: int = setting(
        2000,
        title="Steps per layer",
        help="After so many steps the next layer learns, on top of those before, which stay as they are. The topmost "
        "learns to the end of the run.",
        unit="steps",
        reference="Hinton, Osindero & Teh (2006), section 4",
        ge=1,
        le=100_000_000,
    )
    like_below: bool = setting(
        True,
        title="Begin as the layer below",
        help="A layer begins as the transpose of the one below where it is wide enough: then the model is at first "
        "the same as without it.",
        reference="Hinton, Osindero & Teh (2006), section 3",
    )
    upper_rate: float = setting(
        1.0,
        title="Rate of upper layers",
        help="The learning rate of every layer but the lowest, as a part of that of the lowest. A layer that begins as "
        "the one below is good already, and large steps lead away.",
        gt=0,
        le=1,
        log=True,
    )
    chains: int = setting(
        0,
        title="Persistent chains",
        help="Each layer learns by so many chains that live on from step to step, begun at what it is first given; 0 "
        "starts the chains at the data in every step. Slower to settle, and leaves no modes far from the data: a layer "
        "above that begins as the one below would inherit them.",
        reference="Tieleman (2008), section 3",
        zero="none",
        ge=0,
        le=100_000,
    )

    def rule(self) -> ContrastiveDivergenceSettings:
        """How each of the layers learns."""
        plain = self.plain()
        return PersistentCdSettings(**plain.model_dump(), chains=self.chains) if self.chains else plain


class GreedyStartSettings(Settings):
    """For learners that begin with greedy layers."""

    layer_steps: int = setting(
        1000,
        title="Greedy steps per layer",
        help="First each layer learns alone for so many steps, on top of those before; 0 begins from random weights.",
        unit="steps",
        reference="Hinton, Osindero & Teh (2006), section 4",
        zero="none",
        ge=0,
        le=100_000_000,
    )
    greedy_rate: float = setting(
        0.2,
        title="Greedy learning rate",
        help="Step size of contrastive divergence in these layers; it falls to a fiftieth over the steps of each.",
        reference="Hinton (2012), section 7",
        gt=0,
        le=10,
        log=True,
    )
    weight_decay: float = setting(
        2e-4,
        title="Weight decay",
        help="Pulls weights (not biases) of machines that learn by contrastive divergence towards zero.",
        reference="Hinton (2012), section 10",
        zero="off",
        ge=0,
        le=1,
        log=True,
    )

    def rule(self) -> ContrastiveDivergenceSettings:
        """How each of the greedy layers learns."""
        return ContrastiveDivergenceSettings(
            learning_rate=self.greedy_rate, decay=self.layer_steps, weight_decay=self.weight_decay
        )


class GreedyLayers(nn.Module):
    """Contrastive divergence, persistent if its settings are, of one machine of a stack after the other: what several
    learners begin with.

    Which machine it is follows from the number of steps taken, a buffer. It is counted beside in plain numbers, so that
    no step waits for the device. The model is handed in each time and is no part of this module.
    """

    steps: Tensor

    def __init__(
        self,
        model: Any,
        settings: ContrastiveDivergenceSettings,
        layer_steps: int,
        like_below: bool,
        spec: DataSpec,
        examples: int,
        upper_rate: float = 1.0,
    ) -> None:
        """`upper_rate`: the learning rate of all machines but the lowest, as a part of its."""
        super().__init__()
        self.layer_steps, self.like_below = layer_steps, like_below
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        machines = model.machines()
        specs = [spec, *[DataSpec(tuple(m.event_shape), Support.BITS, Layout.VECTOR) for m in machines[1:]]]
        upper = settings.model_copy(update={"learning_rate": settings.learning_rate * upper_rate})
        each = [settings, *[upper] * (len(machines) - 1)]
        rules = [_rule_for(m, of, s, examples) for m, of, s in zip(machines, each, specs, strict=True)]
        for rule in rules:
            del rule.model  # the state has each machine once, in the model
        self.rules = nn.ModuleList(rules)
        self._taken: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)

    def begin(self, model: Any) -> None:
        for layer in range(len(self.rules)):
            self._rule(model, layer).begin()
        self._taken = None

    @property
    def taken(self) -> int:
        """Steps so far."""
        if self._taken is None:
            self._taken = int(self.steps)
        return self._taken

    @property
    def done(self) -> bool:
        """Whether every machine has had its steps. More may be taken: the topmost learns on."""
        return self.taken >= self.in_all

    @property
    def in_all(self) -> int:
        """Steps of all machines together."""
        return self.layer_steps * len(self.rules)

    @property
    def layer(self) -> int:
        """The machine that learns now."""
        return min(self.taken // max(self.layer_steps, 1), len(self.rules) - 1)

    @property
    def phase(self) -> str:
        return f"layer {self.layer + 1} of {len(self.rules)}"

    @torch.no_grad()
    def step(self, model: Any, batch: Batch) -> dict[str, Tensor]:
        layer = self.layer
        if self.taken == 0:
            model.begin_machine(0, self.like_below)
        x, rule = model.carry_up(layer, batch.x, batch.y), self._rule(model, layer)
        if isinstance(rule, PersistentContrastiveDivergence) and self.taken == layer * self.layer_steps:
            rule.begin_chains_at(x)
        reported = rule.step(Batch(x, batch.y, batch.index))
        self.steps.add_(1)
        self._taken = self.taken + 1
        if self.layer > layer:  # now, so that who looks between two steps sees what learns next
            model.begin_machine(self.layer, self.like_below)
        return reported

    def held_out(self, model: Any, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        layer = self.layer
        x = model.carry_up(layer, batch.x, batch.y, generator)
        found = self._rule(model, layer).held_out(Batch(x, batch.y, batch.index), generator)
        if layer == len(self.rules) - 1 and isinstance(model, HasLabelUnits) and model.label_units():
            found.pop("pseudo_likelihood", None)  # a label unit cannot be flipped alone
        return found

    def _rule(self, model: Any, layer: int) -> ContrastiveDivergence | PersistentContrastiveDivergence:
        rule = self.rules[layer]
        assert isinstance(rule, ContrastiveDivergence | PersistentContrastiveDivergence)
        object.__setattr__(rule, "model", model.machines()[layer])  # lent: no module of the rule
        return rule


def _rule_for(
    machine: nn.Module, settings: ContrastiveDivergenceSettings, spec: DataSpec, examples: int
) -> ContrastiveDivergence | PersistentContrastiveDivergence:
    if isinstance(settings, PersistentCdSettings):
        return PersistentContrastiveDivergence(machine, settings, spec, examples)
    return ContrastiveDivergence(machine, settings, spec, examples)


def _forget_count(module: nn.Module, incompatible: Any) -> None:
    assert isinstance(module, GreedyLayers)
    module._taken = None


class Layerwise(Learner):
    """Greedy learning, layer after layer (Hinton, Osindero & Teh, 2006, section 4): each machine learns by contrastive
    divergence from what those below, which no longer change, make of the data.

    Each layer that begins as the transpose of the one below cannot make a lower bound on log p(x) worse while its own
    likelihood rises. What is reported is of the machine that learns at the time, so that curves begin anew with each.
    """

    needs = (StacksMachines,)
    quantities = ContrastiveDivergence.quantities

    def __init__(self, model: nn.Module, settings: LayerwiseSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.greedy = GreedyLayers(
            model,
            settings.rule(),
            settings.layer_steps,
            settings.like_below,
            spec,
            examples,
            settings.upper_rate,
        )

    def begin(self) -> None:
        self.greedy.begin(self.model)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.greedy.step(self.model, batch)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return self.greedy.held_out(self.model, batch, generator)

    @property
    def phase(self) -> str:
        return self.greedy.phase


LEARNING = Learning(
    "layerwise",
    "Greedy, layer after layer",
    "Boltzmann machines",
    Layerwise,
    LayerwiseSettings,
)
