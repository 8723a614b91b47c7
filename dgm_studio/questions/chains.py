"""Questions to a model that runs a Markov chain over examples."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.questions.arrays import array, tensor
from dgm_studio.questions.examples import spread_out
from dgm_studio.subject import Subject
from models.capabilities import (
    BoundsFreeEnergy,
    ChainState,
    Classifies,
    DrawsDownwards,
    HasFreeEnergy,
    HasHiddenLayers,
    HasLabelUnits,
    Held,
    LearnsInPhases,
    TooLarge,
)
from models.spec import Support

FREE = -1  # stands for no class where one may be held
EXAMPLES_ABOVE = 16  # whose hidden states tell whether units are negative as well
EXAMPLES = 500  # from which it is known what is black and white among real numbers


@dataclass(frozen=True)
class Chains:
    """The states of n chains."""

    x: np.ndarray  # (n, *event)
    hidden: tuple[np.ndarray, ...] = ()  # of each hidden layer, the lowest first: (n, *layer); empty: from the model
    label: np.ndarray | None = None  # (n, classes)


@dataclass(frozen=True)
class Hold:
    """What a person holds, in every chain or in the first only."""

    pixels: np.ndarray  # (*event) bool
    values: np.ndarray  # (*event), what stands in held pixels
    units: tuple[np.ndarray, ...] = ()  # for each hidden layer: (*layer), the values of held units, NaN for free ones
    label: int = FREE  # the class
    everywhere: bool = True

    @staticmethod
    def nothing(shape: tuple[int, ...]) -> Hold:
        return Hold(np.zeros(shape, bool), np.zeros(shape, np.float32))

    @cached_property
    def is_empty(self) -> bool:
        return not self.pixels.any() and self.label == FREE and np.isnan(self.flat_units).all()

    @property
    def flat_units(self) -> np.ndarray:
        """The units of all layers beside each other: (units,)."""
        return np.concatenate([np.zeros(0, np.float32), *(units.reshape(-1) for units in self.units)])

    def with_pixels(self, mask: np.ndarray, values: np.ndarray) -> Hold:
        """Pixels (H, W, bool) are held at `values` (*event)."""
        return replace(self, pixels=self.pixels | mask, values=np.where(mask, values, self.values).astype(np.float32))

    def without_pixels(self, mask: np.ndarray) -> Hold:
        return replace(self, pixels=self.pixels & ~mask)

    def with_layer(self, layer: int, units: np.ndarray) -> Hold:
        """The units of a hidden layer are held as `units` says."""
        return replace(self, units=(*self.units[:layer], units, *self.units[layer + 1 :]))

    def in_chains(self, chains: Chains) -> Chains:
        """The same states, with what is held as it is held."""
        rows = slice(None if self.everywhere else 1)
        x = chains.x.copy()
        x[rows] = np.where(self.pixels, self.values, x[rows])
        hidden = []
        for h, units in zip(chains.hidden, self.units, strict=False):
            kept = h.copy()
            kept[rows] = np.where(np.isnan(units), kept[rows], units)
            hidden.append(kept)
        return replace(chains, x=x, hidden=(*hidden, *chains.hidden[len(hidden) :]))


@dataclass(frozen=True)
class ChainFrame:
    """Chains at one moment."""

    chains: Chains
    mean: np.ndarray  # (n, *event): conditional means in the last transition, or what a hidden layer makes of it
    steps: int = 0  # transitions that led here
    energy: np.ndarray | None = None  # (n,) nats, E(v, h); None where the model has none
    free_energy: np.ndarray | None = None  # (n,) nats, F(x) or its upper bound; None where the model has none
    classes: np.ndarray | None = None  # (classes,), P(class | x) of the first chain; None where the model has none

    @property
    def is_finite(self) -> bool:
        return all(bool(np.isfinite(values).all()) for values in (self.chains.x, self.mean, *self.chains.hidden))


@dataclass(frozen=True)
class Anatomy:
    """What there is to be looked at in a model that was built."""

    layers: tuple[tuple[int, ...], ...]  # the shapes of hidden layers, the lowest first; empty without hidden units
    labels: int  # label units
    off: float  # the value of a hidden unit that is off: 0, or -1 where units are negative as well; 1 is on
    black: float  # the value of a pixel that is shown black
    white: float


@dataclass(frozen=True)
class AskAnatomy:
    """What the model has. For images of real numbers, black and white are low and high quantiles of training data."""

    def __call__(self, subject: Subject) -> Anatomy:
        model, spec = subject.model, subject.spec
        layered = isinstance(model, (HasHiddenLayers, DrawsDownwards))
        layers = [tuple(shape) for shape in model.hidden_shapes()] if layered else []
        layers = layers if sum(prod(shape) for shape in layers) else []
        labels = model.label_units() if isinstance(model, HasLabelUnits) else 0
        off = 0.0
        if layers:
            some = subject.dataset.train.x[:EXAMPLES_ABOVE].to(subject.device)
            off = -1.0 if any(bool((h < 0).any()) for h in model.infer(some, subject.generator)) else 0.0
        black, white = 0.0, float(spec.brightest)
        if spec.support is Support.REALS:
            train = subject.dataset.train.x
            values = array(train[spread_out(len(train), EXAMPLES).to(train.device)])
            black, white = (float(q) for q in np.quantile(values, (0.01, 0.99)))
        return Anatomy(tuple(layers), labels, off, black, max(white, black + 1e-6))


@dataclass(frozen=True)
class StartChains:
    """`n` states to start from, without data."""

    n: int

    def __call__(self, subject: Subject) -> ChainFrame:
        state = subject.model.start_chain(self.n, subject.generator)
        return _frame(subject, state, state.mean, 0)


@dataclass(frozen=True)
class LearnersChains:
    """The states of `n` of the learner's own chains, drawn without replacement; again from the first when there are
    fewer."""

    n: int

    def __call__(self, subject: Subject) -> ChainFrame:
        learner: Any = subject.learner
        chains = learner.chains()
        order = torch.randperm(len(chains), generator=subject.generator, device=subject.device)
        x = chains[order[torch.arange(self.n, device=subject.device) % len(chains)]]
        return _frame(subject, ChainState(x, x), x, 0)


@dataclass(frozen=True)
class Advance:
    """`steps` transitions with `hold`; fewer, but at least one, where they take longer than `within` seconds. No step
    shows the states as they are.

    `layer`: the hidden layer whose top-down picture is the frame's mean; None for the mean of the last transition.
    Raises ValueError for a temperature that is not above 0.
    """

    chains: Chains
    hold: Hold
    steps: int = 1
    temperature: float = 1.0
    layer: int | None = None
    within: float = 0.25

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(
                f"A chain has a temperature above 0, and {self.temperature:g} is not: it divides the energies. Near 0 "
                "each unit takes its more probable value."
            )

    def __call__(self, subject: Subject) -> ChainFrame:
        model, end = subject.model, monotonic() + self.within
        state, held = self._held(subject)
        done = 0
        with subject.giving_way():
            while done < self.steps and (done == 0 or monotonic() < end):
                state = move(model, state, held, self.temperature, subject.generator)
                done += 1
        mean = state.mean
        if self.layer is not None and state.hidden:
            mean = model.top_down(self.layer, state.hidden[self.layer])
        return _frame(subject, state, mean, done)

    def _held(self, subject: Subject) -> tuple[ChainState, Held]:
        """The state to begin with, and what is kept of it."""
        hold, n = self.hold, len(self.chains.x)
        chains = hold.in_chains(self.chains)
        held_here = torch.arange(n, device=subject.device) < (n if hold.everywhere else 1)

        def of_each(mask: np.ndarray) -> Tensor:
            return tensor(subject, mask) & held_here.reshape(n, *[1] * mask.ndim)

        x = tensor(subject, chains.x)
        hidden = tuple(tensor(subject, h) for h in chains.hidden)
        label = None if chains.label is None else tensor(subject, chains.label)
        units: tuple[Tensor | None, ...] = ()
        if not np.isnan(hold.flat_units).all():
            units = tuple(None if np.isnan(u).all() else of_each(~np.isnan(u)) for u in hold.units)
            if not hidden:
                given = [tensor(subject, u) for u in hold.units]
                drawn = subject.model.infer(x, subject.generator)
                hidden = tuple(
                    h if mask is None else torch.where(mask, u, h)
                    for h, u, mask in zip(drawn, given, units, strict=True)
                )
        chosen = None if hold.label == FREE else torch.where(held_here, hold.label, FREE)
        pixels = of_each(hold.pixels) if hold.pixels.any() else None
        return ChainState(x, x, hidden, label), Held(pixels, units, chosen)


def move(model: Any, state: ChainState, held: Held, temperature: float, generator: Generator | None) -> ChainState:
    """One transition, of all units where the model has hidden layers."""
    if isinstance(model, HasHiddenLayers):
        return model.move(state, held, temperature, generator)
    moved: ChainState = model.transition(state.x, held.x, temperature, generator)
    return moved


def joint_energy(model: LearnsInPhases, state: ChainState) -> Tensor:
    """E(v, h) of a state in nats, of one without hidden units too: (B,)."""
    if not state.hidden:
        return model.energy(state.x, state.x.new_zeros(len(state.x), 0))
    h = state.hidden[0] if len(state.hidden) == 1 else torch.cat([h.flatten(1) for h in state.hidden], dim=1)
    return model.energy(state.x, h)


def _frame(subject: Subject, state: ChainState, mean: Tensor, steps: int) -> ChainFrame:
    model, x = subject.model, state.x
    energy = free_energy = None
    if isinstance(model, LearnsInPhases) and state.hidden:
        energy = array(joint_energy(model, state))
    with suppress(TooLarge):  # a free energy may be a sum that is too large
        if isinstance(model, HasFreeEnergy):
            free_energy = array(model.free_energy(x))
        elif isinstance(model, BoundsFreeEnergy):
            free_energy = array(model.free_energy_bound(x, subject.generator))
    chains = Chains(
        array(x), tuple(array(h) for h in state.hidden), None if state.label is None else array(state.label)
    )
    return ChainFrame(chains, array(mean), steps, energy, free_energy, _classes(subject, x[:1]))


def _classes(subject: Subject, x: Tensor) -> np.ndarray | None:
    """P(class | x) of one example (1, *event), where there are label units or a classifier."""
    model = subject.model
    if isinstance(model, HasLabelUnits) and model.label_units():
        return array(model.label_probabilities(x)[0])
    classifier = next((c for c in (model, subject.learner) if isinstance(c, Classifies)), None)
    return None if classifier is None else array(classifier.class_log_prob(x)[0].exp())
