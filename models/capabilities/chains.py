"""Markov chains, layers of units, and learning from the difference of two phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Generator, Tensor


@dataclass(frozen=True)
class ChainState:
    """One state of a Markov chain over examples."""

    x: Tensor  # (B, *event)  the visible state
    mean: Tensor  # (B, *event)  its conditional mean in the last transition: what is shown
    hidden: tuple[Tensor, ...] = ()  # the state of each hidden layer, the lowest first: (B, *layer)
    label: Tensor | None = None  # (B, classes)  the state of label units: one of them is on


@dataclass(frozen=True)
class Held:
    """What a transition keeps as it is. None holds nothing."""

    x: Tensor | None = None  # bool (*event) or (B, *event)
    hidden: tuple[Tensor | None, ...] = ()  # for each hidden layer, the lowest first: bool (*layer) or (B, *layer)
    label: Tensor | None = None  # (B,) int64: the class whose label unit is kept on; -1 leaves it free


NOTHING_HELD = Held()


@runtime_checkable
class RunsChain(Protocol):
    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """n states from which a chain can start, without data."""
        ...

    def transition(
        self,
        x: Tensor,
        clamp: Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        """One transition of the model's chain from `x` (B, *event).

        `clamp` (bool, (*event) or (B, *event)) marks coordinates that are kept as in `x`."""
        ...


@runtime_checkable
class HasHiddenLayers(Protocol):
    """Beside `RunsChain`: the chain moves hidden layers as well, which can be looked at and held."""

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each hidden layer's state, the lowest first."""
        ...

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn given x, exactly or by the model's own approximation: each (B, *layer)."""
        ...

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """One transition of the chain over all units. A state without hidden layers gets them from `infer` first."""
        ...

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """What hidden layer `layer` in state h makes of the visible units, through means of the layers between:
        (B, *layer) -> (B, *event). Exactly E[x | h] where there is one layer and it makes visible
        units independent."""
        ...


@runtime_checkable
class HasLabelUnits(Protocol):
    """Beside `HasHiddenLayers`: the joint distribution may have a unit for each class, if its settings say so."""

    def label_units(self) -> int:
        """How many label units there are; 0 when there are none."""
        ...

    def label_probabilities(self, x: Tensor) -> Tensor:
        """P(class | x), or the model's own approximation: (B, *event) -> (B, classes)."""
        ...


@runtime_checkable
class LearnsInPhases(Protocol):
    """An energy E(v, h) over visible and hidden units whose gradient needs sufficient statistics only, under the data
    and under the model's own chain: the gradient of log p(v) is their difference (Ackley, Hinton & Sejnowski, 1985).

    Of several hidden layers (`HasHiddenLayers`), h holds the flattened states beside each other, the lowest first."""

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, *hidden) -> (B,)."""
        ...

    def hidden_given(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """What stands for h given v in `add_statistics`: E[h | v] where units are independent given v, a draw
        where they are not: (B, *event) -> (B, *hidden)."""
        ...

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """A state of h, given what `hidden_given` or `sweep` said of it, which a draw already is: (B, *hidden)."""
        ...

    def sweep(
        self, v: Tensor, h: Tensor, generator: Generator | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One transition from the drawn states v and h, all energies divided by `temperature`: the new v, and what
        stands for h given it. With `draw_hidden` of that, it leaves exp(-E(v, h) / temperature) as it is."""
        ...

    def reconstruct(self, v: Tensor, h: Tensor) -> Tensor:
        """E[v_i | all other units] for every i, h being what `hidden_given` said: (B, *event)."""
        ...

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place, for every parameter θ."""
        ...


@runtime_checkable
class ScalesSteps(Protocol):
    """Beside `LearnsInPhases`: some parameters need shorter steps than others."""

    def step_scales(self) -> Mapping[str, Tensor | float]:
        """What the gradient's step of each parameter is to be multiplied by, under the parameter's name; broadcasts
        to its shape."""
        ...


@runtime_checkable
class HasMeanField(Protocol):
    """Beside `LearnsInPhases`: approximates P(h | v) by independent units (Peterson & Anderson, 1987)."""

    def mean_field(self, v: Tensor) -> Tensor:
        """The means of the independent hidden units, at a fixed point: (B, *event) -> (B, *hidden). They stand for h in
        `add_statistics`."""
        ...


@runtime_checkable
class StacksMachines(Protocol):
    """A stack of machines with two layers each, in which the hidden layer of one is the visible layer of the next. Each
    can be learned on its own, the lowest first (Hinton, Osindero & Teh, 2006)."""

    def machines(self) -> Sequence[Any]:
        """Modules that `LearnsInPhases`, the lowest first, each with its `event_shape`. Their parameters are those of
        the stack, never copies; asked for anew at every use. A stack that wants the weights of a machine doubled in one
        direction gives machines whose conditionals do so."""
        ...

    def begin_machine(self, layer: int, like_below: bool = True) -> None:
        """Machine `layer` learns from now on, and those below have learned all they will. With `like_below` it begins
        as the transpose of the one below, where that is possible."""
        ...

    def carry_up(self, layer: int, x: Tensor, y: Tensor, generator: Generator | None = None) -> Tensor:
        """What machine `layer` learns from, given examples x with labels y (B,), -1 where hidden: (B, *event) -> (B,
        *event of the machine)."""
        ...


@runtime_checkable
class AddsLayers(Protocol):
    """Is a model of its own with each number of its layers, by which its bound on the likelihood can be followed."""

    def layers(self) -> int:
        """How many there are."""
        ...

    def with_layers(self, layers: int) -> Any:
        """The model with the lowest `layers` alone, which shares all tensors."""
        ...


@runtime_checkable
class LearnsUpAndDown(Protocol):
    """Has generative and recognition parameters, each of which learns from what the other draws, and an undirected
    machine at the top (Hinton, Osindero & Teh, 2006, appendix B)."""

    def wake(self, x: Tensor, y: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """All layers but the topmost drawn upwards by recognition: log p of what is below them given them, (B,),
        differentiable in generative parameters only; and the state that the top machine sees. y: labels (B,), -1 where
        hidden."""
        ...

    def sleep(self, top: Tensor, generator: Generator | None = None) -> Tensor:
        """A dream drawn downwards from a state that the top machine sees: log q of the layers above given those below,
        (B,), differentiable in recognition parameters only."""
        ...

    def top_machine(self) -> Any:
        """The undirected machine at the top, which `LearnsInPhases`."""
        ...

    def draw_top(self, n: int, generator: Generator | None = None) -> Tensor:
        """States from which a dream can start: (n, …), as `wake` gives them."""
        ...


@runtime_checkable
class HasRecognition(Protocol):
    """Infers by layers of logistic units, each given the one below: a multilayer perceptron."""

    def recognition_layers(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Weights (above, below) and biases (above,) of each layer, the lowest first."""
        ...


@runtime_checkable
class WalksBack(Protocol):
    """Beside `RunsChain`: the chain's transitions can learn to lead back to an example (walkback)."""

    def walk_back(self, x: Tensor, steps: int, generator: Generator | None = None) -> Tensor:
        """log P(x | what a chain that began at x has come to) after each of `steps` transitions, in nats: (B, *event)
        -> (steps, B), or more of them where the model needs more for all its parameters to matter."""
        ...


@runtime_checkable
class ListsTransitions(Protocol):
    """Beside `RunsChain`, over a few bits: the probability of each transition is known."""

    def transition_probabilities(self, states: Tensor) -> Tensor:
        """P(x' | x) of one transition from every state of the bits to every one, rows sum to 1; `states` holds all of
        them: (S, *event) -> (S, S). Raises TooLarge where a transition cannot be summed."""
        ...


@runtime_checkable
class HasFilters(Protocol):
    def filters(self) -> Tensor:
        """The weights of each hidden unit as an example: (hidden, *event)."""
        ...
