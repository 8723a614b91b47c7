"""Sprites: pictures of one shape whose true factors are known, to compare learned coordinates with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from dgm_studio.datasets.files import check_size
from models.settings import Settings, setting
from models.spec import Factor, FactorKind, Layout, Support

SIZES = (0.2, 0.35)  # root of a shape's area, as a part of the picture's side
SHADES = (0.55, 1.0)  # all above the half at which a threshold makes bits
SATURATION = 0.8  # of colours
FINE = 4  # places to a pixel's side at which it is asked what covers it
AT_ONCE = 250  # pictures: bounds the memory


@dataclass(frozen=True)
class Shape:
    """A shape of area 1 around its centroid, at (u, v) with v upwards. `turns` times on a full turn it looks the same;
    `reach` is how far its farthest point is from the centroid."""

    name: str
    turns: int
    reach: float
    holds: Callable[[Tensor, Tensor], Tensor]  # (u, v) -> bool


_TRIANGLE = math.sqrt(1 / (3 * math.sqrt(3)))  # inner radius of the equilateral triangle of area 1
_AXIS = 1 / math.sqrt(2 * math.pi)  # the shorter half axis of the ellipse; the other is twice as long
_HEART = 1 / math.sqrt(4 + math.pi)  # radius of its half discs, on two sides of a square of twice that
_OFF = (math.pi / 2 + 2 / 3) / (4 + math.pi)  # its centroid from the square's centre along both sides, in radii


def _in_square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) <= 0.5


def _in_ellipse(u: Tensor, v: Tensor) -> Tensor:
    return (u / 2).square() + v.square() <= _AXIS**2


def _in_triangle(u: Tensor, v: Tensor) -> Tensor:
    """One corner points upwards."""
    return (v >= -_TRIANGLE) & (math.sqrt(3) / 2 * u.abs() + v / 2 <= _TRIANGLE)


def _in_heart(u: Tensor, v: Tensor) -> Tensor:
    """A square on its corner with a half disc on each of its upper sides."""
    a = (u + v) / (math.sqrt(2) * _HEART) + _OFF
    b = (v - u) / (math.sqrt(2) * _HEART) + _OFF
    square = torch.maximum(a.abs(), b.abs()) <= 1
    return square | (a.square() + (b - 1).square() <= 1) | ((a - 1).square() + b.square() <= 1)


SHAPES = (
    Shape("square", 4, math.sqrt(0.5), _in_square),
    Shape("ellipse", 2, 2 * _AXIS, _in_ellipse),
    Shape("triangle", 3, 2 * _TRIANGLE, _in_triangle),
    Shape("heart", 1, math.sqrt(2) * (1 + _OFF) * _HEART, _in_heart),
)
MARGIN = SIZES[1] * max(shape.reach for shape in SHAPES)  # no shape reaches over the border


@dataclass(frozen=True)
class Sprites:
    """True factors, one of each for every picture: (N,) each."""

    shape: Tensor  # int64, a place in SHAPES
    x: Tensor  # the centroid, from the left: 0…1 is the side
    y: Tensor  # from above
    size: Tensor  # root of the area, as a part of the side
    rotation: Tensor  # 0…1: counter-clockwise, as a part of the turn after which the shape looks the same
    shade: Tensor  # 0 black, 1 bright
    hue: Tensor | None = None  # 0…1, red at both; None for grey

    def __len__(self) -> int:
        return len(self.shape)

    def part(self, begin: int, end: int) -> Sprites:
        kept: Any = {name: None if values is None else values[begin:end] for name, values in vars(self).items()}
        return Sprites(**kept)

    def draw(self, side: int) -> Tensor:
        """Pictures (N, 1 or 3, side, side) in 0…1 on black. A pixel is as bright as it is covered, which is asked at
        4×4 places of it."""
        covered = torch.zeros(len(self), side, side)
        for k, shape in enumerate(SHAPES):
            chosen = (self.shape == k).nonzero().flatten()
            if len(chosen):
                covered[chosen] = self._coverage(shape, chosen, side)
        picture = covered[:, None] * self.shade[:, None, None, None]
        return picture if self.hue is None else picture * _colour(self.hue)[:, :, None, None]

    def _coverage(self, shape: Shape, chosen: Tensor, side: int) -> Tensor:
        """How much of each pixel is covered: (n, side, side). Asked of a window around the shape only."""
        window = min(side, math.ceil(2 * MARGIN * side) + 2)
        places = (torch.arange(window * FINE) + 0.5) / FINE
        begin, away = [], []
        for centre in (side * self.x[chosen], side * self.y[chosen]):
            first = (centre - window / 2).floor().clamp(0, side - window)
            begin.append(first.long())
            away.append(first[:, None] + places - centre[:, None])
        right, up = away[0][:, None, :], -away[1][:, :, None]
        angle = (2 * math.pi / shape.turns * self.rotation[chosen])[:, None, None]
        scale = 1 / (side * self.size[chosen])[:, None, None]
        c, s = angle.cos() * scale, angle.sin() * scale
        inside = shape.holds(c * right + s * up, c * up - s * right).float()
        part = inside.reshape(-1, window, FINE, window, FINE).mean((2, 4))
        result = torch.zeros(len(chosen), side, side)
        span = torch.arange(window)
        rows, columns = begin[1][:, None] + span, begin[0][:, None] + span
        result[torch.arange(len(chosen))[:, None, None], rows[:, :, None], columns[:, None, :]] = part
        return result


def _colour(hue: Tensor) -> Tensor:
    """Red, green and blue of a hue at full brightness: (N,) -> (N, 3)."""
    k = (torch.tensor([5.0, 3.0, 1.0]) + 6 * hue[:, None]) % 6
    return 1 - SATURATION * torch.minimum(k, 4 - k).clamp(0, 1)


class SpriteSettings(Settings):
    side: int = setting(32, title="Side", help="Pixels of a side.", unit="pixels", ge=8, le=128)
    shapes: Literal["all", "square", "ellipse", "triangle", "heart"] = setting(
        "all", title="Shapes", help="Which shapes there are. The shape is the label, where there is more than one."
    )
    colour: bool = setting(False, title="Colour", help="Pictures in colour, with the hue as a factor; otherwise grey.")
    values: Literal["random draws", "full grid"] = setting(
        "random draws",
        title="Values of factors",
        help="Random draws are independent and uniform; a full grid has each combination of values once.",
        reference="Matthey et al. (2017), dSprites, for the grid",
    )
    examples: int = setting(
        10_000, title="Examples", help="Random draws only: pictures of all three parts.", ge=10, le=1_000_000
    )
    seed: int = setting(0, title="Seed", help="Random draws only: decides them.", ge=0, le=2**31 - 1)
    positions: int = setting(8, title="Positions", help="Full grid only: values of x, and as many of y.", ge=1, le=64)
    sizes: int = setting(3, title="Sizes", help="Full grid only: values of the size.", ge=1, le=64)
    rotations: int = setting(
        8,
        title="Rotations",
        help="Full grid only: angles, evenly within the turn after which a shape looks the same (a square's is 90°).",
        ge=1,
        le=64,
    )
    shades: int = setting(3, title="Shades", help="Full grid only: values of the brightness.", ge=1, le=64)
    hues: int = setting(6, title="Hues", help="Full grid in colour only: values of the hue.", ge=1, le=64)


def made_of(chosen: SpriteSettings) -> int:
    """How many pictures these settings make."""
    if chosen.values == "random draws":
        return chosen.examples
    hues = chosen.hues if chosen.colour else 1
    return len(_shapes(chosen)) * chosen.positions**2 * chosen.sizes * chosen.rotations * chosen.shades * hues


def sprites(chosen: SpriteSettings) -> Sprites:
    """The factors of all pictures, in order of the grid, or as they were drawn."""
    shapes, centre = torch.tensor(_shapes(chosen)), (MARGIN, 1 - MARGIN)
    if chosen.values == "full grid":
        axes = [
            shapes.float(),
            _spaced(*centre, chosen.positions),
            _spaced(*centre, chosen.positions),
            _spaced(*SIZES, chosen.sizes),
            torch.arange(chosen.rotations) / chosen.rotations,
            _spaced(*SHADES, chosen.shades),
            *([torch.arange(chosen.hues) / chosen.hues] if chosen.colour else []),
        ]
        first, *others = (values.flatten() for values in torch.meshgrid(*axes, indexing="ij"))
        return Sprites(first.long(), *others)
    n, generator = chosen.examples, Generator().manual_seed(chosen.seed)
    shape = shapes[torch.randint(len(shapes), (n,), generator=generator)]
    ends = (centre, centre, SIZES, (0.0, 1.0), SHADES, *([(0.0, 1.0)] if chosen.colour else []))
    return Sprites(shape, *(low + (high - low) * torch.rand(n, generator=generator) for low, high in ends))


def _shapes(chosen: SpriteSettings) -> list[int]:
    return [k for k, shape in enumerate(SHAPES) if chosen.shapes in ("all", shape.name)]


def _spaced(low: float, high: float, n: int) -> Tensor:
    """n values from low to high; the middle for one."""
    return torch.linspace(low, high, n) if n > 1 else torch.tensor([(low + high) / 2])


def _load(chosen: SpriteSettings, report: Report) -> RawData:
    n = made_of(chosen)
    check_size(n * chosen.side**2 * (3 if chosen.colour else 1), "This set of sprites")
    true = sprites(chosen)
    x = torch.empty(n, 3 if chosen.colour else 1, chosen.side, chosen.side)
    for begin in range(0, n, AT_ONCE):
        report(begin / n, f"Drawing {n:,} pictures")
        some = true.part(begin, min(begin + AT_ONCE, n))
        x[begin : begin + len(some)] = some.draw(chosen.side)
    names = tuple(SHAPES[k].name for k in _shapes(chosen))
    y = torch.searchsorted(torch.tensor(_shapes(chosen)), true.shape)
    factors, values = _varying(true, y, names)
    how = "each combination of values once"
    if chosen.values == "random draws":
        how = f"{n} independent draws of the factors, seed {chosen.seed}"
    step = f"{how}; factors: {', '.join(factor.name for factor in factors)}"
    return RawData(
        x=x.numpy(),
        y=y.numpy() if len(names) > 1 else None,
        support=Support.UNIT,
        layout=Layout.IMAGE,
        provenance=Provenance("Sprites", steps=(step,)),
        class_names=names if len(names) > 1 else (),
        factors=factors,
        factor_values=values.numpy(),
    )


def _varying(true: Sprites, y: Tensor, names: tuple[str, ...]) -> tuple[tuple[Factor, ...], Tensor]:
    """The factors that have more than one value, and their values (N, F)."""
    every = [(Factor("shape", FactorKind.CATEGORICAL, names), y)]
    every += [(Factor(name), getattr(true, name)) for name in ("x", "y", "size")]
    every += [(Factor("rotation", FactorKind.CIRCULAR), true.rotation), (Factor("shade"), true.shade)]
    if true.hue is not None:
        every.append((Factor("hue", FactorKind.CIRCULAR), true.hue))
    kept = [(factor, value) for factor, value in every if value.min() < value.max()]
    columns = [value.float() for _, value in kept]
    return tuple(factor for factor, _ in kept), torch.stack(columns, 1) if columns else torch.empty(len(y), 0)


SOURCE = Source(
    "sprites",
    "Sprites",
    "Shapes of which position, size, rotation and shade are known: does a code find them?",
    SpriteSettings,
    _load,
)
