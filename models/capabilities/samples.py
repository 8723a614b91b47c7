"""What draws examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor


@runtime_checkable
class Samples(Protocol):
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n examples drawn from the model (or its chain, then approximately): (n, *event)."""
        ...


@runtime_checkable
class SamplesMeans(Protocol):
    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """Like `sample`, but ends with the mean of p(x | latent state) instead of a draw: better to look at."""
        ...


@runtime_checkable
class SamplesOfClass(Protocol):
    """May draw from p(x | class), if its settings say so; p(x) is then the equal mixture over the classes."""

    def conditional_classes(self) -> int:
        """How many classes the model distinguishes; 0 when it does not condition."""
        ...

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        """One example of each class in y: (n,) int64 -> (n, *event)."""
        ...


@runtime_checkable
class ConditionsOnClass(SamplesOfClass, Protocol):
    def log_prob_of_class(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x | class y) in nats: (B, *event), (B,) int64, 0 or more -> (B,)."""
        ...


@dataclass(frozen=True)
class DrawnInSteps:
    """Drawings of T steps as they came about. A window is a square grid of places on the image: centre x, centre y,
    distance from one place to the next, and σ of the blur there, in pixels from the middle of the upper left pixel."""

    canvases: Tensor  # (B, T, *event)  what stands on the canvas after each step, as means
    read: Tensor | None  # (B, T, 4)  the window through which each step looked; None where whole images are seen
    written: Tensor | None  # (B, T, 4)  the window through which each step wrote
    read_size: int  # places along a side of the windows
    write_size: int


@runtime_checkable
class DrawsInSteps(Protocol):
    """Makes an example in steps on a canvas, each of which can be looked at."""

    def draw_in_steps(self, n: int, generator: Generator | None = None) -> DrawnInSteps:
        """n new drawings; nothing is looked at, so `read` is None."""
        ...

    def redraw_in_steps(self, x: Tensor, generator: Generator | None = None) -> DrawnInSteps:
        """A drawing of each example x (B, *event), which every step looks at."""
        ...
