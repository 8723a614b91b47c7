"""Questions about codes: states of discrete hidden layers, and what a model makes of them.

A layer's state is (units,) of bits, or (units, values) with one of each unit's values on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgm_studio.questions.arrays import array, tensor
from dgm_studio.questions.examples import SomeExamples, spread_out
from dgm_studio.subject import Subject

WALK = 24  # pictures of a walk from one code to another


@dataclass(frozen=True)
class Code:
    """The states of a model's hidden layers, the lowest first, each (*layer)."""

    hidden: tuple[np.ndarray, ...]
    example: np.ndarray | None = None  # (*event), which it was inferred from before a person changed it

    def with_layer(self, layer: int, h: np.ndarray) -> Code:
        """The same with another state of one layer."""
        return Code((*self.hidden[:layer], h, *self.hidden[layer + 1 :]), self.example)


@dataclass(frozen=True)
class DrawCode:
    """Drawn without data, the topmost layer from its prior."""

    def __call__(self, subject: Subject) -> Code:
        layers = subject.model.draw_hidden_layers(1, subject.generator)
        return Code(tuple(array(h[0]) for h in layers))


@dataclass(frozen=True)
class CodeOfExample:
    """Of a test example, of one class if `label` says so; None where there is none."""

    label: int | None = None

    def __call__(self, subject: Subject) -> Code | None:
        x = SomeExamples(1, self.label)(subject).x
        if not len(x):
            return None
        layers = subject.model.infer(tensor(subject, x), subject.generator)
        return Code(tuple(array(h[0]) for h in layers), x[0])


@dataclass(frozen=True)
class CodePictures:
    """What a layer makes of the visible units, E[x | h] with means of the layers between."""

    picture: np.ndarray  # (*event): of the state itself
    values: np.ndarray  # (values, *event): with one unit at each of its values, bits being first off and then on
    effect: np.ndarray  # (*event): of the value that is looked at, less the mean of the unit's others


@dataclass(frozen=True)
class LookAtCode:
    """A layer in state `h` (*layer), and what one of its units does at each value, the rest as it is. `place` is the
    flat index in `h` of the value that is looked at; of a bit, that is being on."""

    layer: int
    h: np.ndarray
    place: int

    def __call__(self, subject: Subject) -> CodePictures:
        states = np.concatenate([self.h[None], at_each_value(self.h, self.place)])
        made = array(subject.model.top_down(self.layer, tensor(subject, states)))
        picture, values = made[0], made[1:]
        looked = self.place % self.h.shape[1] if self.h.ndim == 2 else 1
        others = np.delete(values, looked, 0)
        return CodePictures(picture, values, values[looked] - others.mean(0))


@dataclass(frozen=True)
class CodeWalk:
    """Codes on the way from one to another."""

    states: np.ndarray  # (n, *layer)
    pictures: np.ndarray  # (n, *event)
    differ: int  # units in which the ends differ


@dataclass(frozen=True)
class WalkOver:
    """From one state of a layer to another, unit by unit in their order; not all steps where there are many."""

    layer: int
    start: np.ndarray
    end: np.ndarray

    def __call__(self, subject: Subject) -> CodeWalk:
        other = np.flatnonzero(units_that_differ(self.start, self.end))
        changed = spread_out(len(other) + 1, WALK).numpy()  # units changed so far
        states = np.repeat(self.start[None], len(changed), 0)
        for state, many in zip(states, changed, strict=True):
            state[other[:many]] = self.end[other[:many]]
        pictures = array(subject.model.top_down(self.layer, tensor(subject, states)))
        return CodeWalk(states, pictures, len(other))


def units_that_differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(units,) bool."""
    other = a != b
    return other.any(1) if other.ndim == 2 else other


def at_each_value(h: np.ndarray, place: int) -> np.ndarray:
    """The state with the unit that the flat index `place` belongs to at each of its values: (values, *layer)."""
    if h.ndim == 2:
        unit, values = place // h.shape[1], np.eye(h.shape[1], dtype=h.dtype)
    else:
        unit, values = place, np.array([0, 1], h.dtype)
    states = np.repeat(h[None], len(values), 0)
    states[:, unit] = values
    return states


def toggled(h: np.ndarray, place: int) -> np.ndarray:
    """The state with a bit changed, or with a unit at the value at flat index `place`."""
    state = at_each_value(h, place)
    return state[place % h.shape[1]] if h.ndim == 2 else state[int(h[place] == 0)]
