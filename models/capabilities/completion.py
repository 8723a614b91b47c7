"""What fills in the unknown part of an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor


@dataclass(frozen=True)
class Completion:
    """Examples whose unknown coordinates were drawn one after the other. What is said of a coordinate holds given those
    before it in the order, and is said of known ones too."""

    x: Tensor  # (n, *event)
    mean: Tensor  # (n, *event)  E[x_d | those before d]: P(x_d = 1 | …) of a bit; x itself where symbols have no mean
    log_prob: Tensor  # (n, *event)  log p(x_d | those before d) of the value that stands there


@runtime_checkable
class Completes(Protocol):
    def order(self) -> Tensor:
        """The order in which coordinates are generated: (D,) int64 indices into the flattened example."""
        ...

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known` (bool), draw the rest in order, each given those before it. Both (n, *event)."""
        ...


@runtime_checkable
class CompletesInAnyOrder(Protocol):
    """Has one set of conditionals for every order (orderless training), so that what is known can come first."""

    def complete_in_order(
        self, x: Tensor, known: Tensor, order: Tensor, generator: Generator | None = None
    ) -> Completion:
        """Like `Completes.complete`, with the coordinates drawn in `order`: (D,) int64, flat indices."""
        ...


@runtime_checkable
class CompletesAtTemperature(Protocol):
    def complete_at_temperature(
        self, x: Tensor, known: Tensor, temperature: float, generator: Generator | None = None
    ) -> Completion:
        """Like `Completes.complete`, with each unknown coordinate drawn from its conditional to the power of
        1 / `temperature` > 0, normalised: below 1, more often the most probable value. What is said of coordinates is
        the model's own, as at temperature 1."""
        ...


@runtime_checkable
class CompletesOfClass(Protocol):
    """Beside `ConditionsOnClass`: completes as an example of a class, where the model's settings let it condition."""

    def complete_of_class(self, x: Tensor, known: Tensor, y: Tensor, generator: Generator | None = None) -> Completion:
        """Like `Completes.complete`, everything given the class as well: y (n,) int64."""
        ...
