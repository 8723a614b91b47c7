"""Points in the plane drawn from densities that are known exactly: the truth that a model can be compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Generator

from dgm_studio.datasets import densities
from dgm_studio.datasets.base import Provenance, RawData, Report, Source, View
from dgm_studio.datasets.densities import PlanarDensity
from models.settings import Settings, setting
from models.spec import Layout, Support


class ToySettings(Settings):
    """What every one of these data sets has."""

    examples: int = setting(
        10_000, title="Examples", help="How many points are drawn for all three parts.", ge=10, le=1_000_000
    )
    seed: int = setting(0, title="Seed", help="Decides which points are drawn.", ge=0, le=2**31 - 1)


def _sigma(default: float, help: str) -> Any:
    return setting(default, title="Width σ", help=help, ge=0.005, le=1.0, log=True)


def _angle(default: float) -> Any:
    text = "How far everything is turned, counterclockwise: another angle makes a second domain."
    return setting(default, title="Angle", help=text, unit="°", ge=-180, le=180)


_OF_EACH = "Standard deviation of each Gaussian."
_OF_BLUR = "Standard deviation of the blur around the curve."


class RingSettings(ToySettings):
    modes: int = setting(8, title="Modes", help="Gaussians on the circle.", ge=1, le=64)
    radius: float = setting(1.0, title="Radius", help="Radius of the circle.", gt=0, le=10)
    sigma: float = _sigma(0.05, f"{_OF_EACH} Published counts of found modes are mostly made with 0.01 and radius 1.")


class TurnedRingSettings(RingSettings):
    angle: float = _angle(22.5)


class LetterSettings(ToySettings):
    size: float = setting(0.6, title="Distance", help="Distance of neighbours.", gt=0, le=10)
    sigma: float = _sigma(0.1, _OF_EACH)
    angle: float = _angle(0.0)


class GridSettings(ToySettings):
    per_side: int = setting(5, title="Modes per side", help="The grid has the square of it.", ge=1, le=16)
    spacing: float = setting(
        1.0, title="Spacing", help="Distance of neighbours. Published counts of found modes use 2.", gt=0, le=10
    )
    sigma: float = _sigma(0.05, _OF_EACH)


class MoonsSettings(ToySettings):
    sigma: float = _sigma(0.08, _OF_BLUR)
    angle: float = _angle(0.0)


class SpiralSettings(ToySettings):
    arms: int = setting(2, title="Arms", help="Number of spirals.", ge=1, le=8)
    turns: float = setting(1.5, title="Turns", help="How often each arm winds around the centre.", gt=0, le=4)
    radius: float = setting(2.0, title="Radius", help="Where the arms end.", gt=0, le=10)
    sigma: float = _sigma(0.06, _OF_BLUR)


class CheckerboardSettings(ToySettings):
    squares: int = setting(4, title="Squares per side", help="Half of the squares hold points.", ge=2, le=16)
    side: float = setting(1.0, title="Side", help="Length of a square's side.", gt=0, le=10)


class MixtureSettings(ToySettings):
    modes: int = setting(10, title="Modes", help="Gaussians at random places.", ge=1, le=256)
    spread: float = setting(1.0, title="Spread", help="Standard deviation of the places.", gt=0, le=10)
    sigma: float = _sigma(0.1, _OF_EACH)
    places: int = setting(0, title="Places", help="Seed that decides where the modes are.", ge=0, le=2**31 - 1)


def _source(
    key: str,
    title: str,
    summary: str,
    settings: type[ToySettings],
    density: Callable[[Any], PlanarDensity],
    part: str,
    turned: str = "",
) -> Source:
    """`turned`: what is turned by an angle, for those that can be: two that are alike but for it are views of it."""

    def load(chosen: ToySettings, report: Report) -> RawData:
        report(0.0, f"Drawing {chosen.examples} points")
        p = density(chosen)
        x, y = p.draw(chosen.examples, Generator().manual_seed(chosen.seed))
        return RawData(
            x=x.numpy(),
            y=y.numpy(),
            support=Support.REALS,
            layout=Layout.POINTS,
            provenance=Provenance(
                title, steps=(f"{chosen.examples} independent draws from the exact density, seed {chosen.seed}",)
            ),
            class_names=tuple(f"{part} {k + 1}" for k in range(p.parts)),
            density=p,
            view=_turned(turned, chosen) if turned else None,
        )

    return Source(key, title, summary, settings, load)


def _turned(what: str, chosen: Any) -> View:
    alike = chosen.model_dump(exclude={"angle", "seed", "examples"})
    angle = getattr(chosen, "angle", 0.0)
    return View(f"{what} {alike}", lambda x: densities.turned(x, angle), lambda x: densities.turned(x, -angle))


SOURCES = (
    _source(
        "ring",
        "Ring of Gaussians",
        "Eight modes on a circle: does a model find all of them?",
        RingSettings,
        lambda s: densities.ring(s.modes, s.radius, s.sigma),
        "mode",
        "ring",
    ),
    _source(
        "turned-ring",
        "Ring of Gaussians, turned",
        "The ring turned about its centre: a second domain beside it, which many turns and reflections lead to.",
        TurnedRingSettings,
        lambda s: densities.ring(s.modes, s.radius, s.sigma, s.angle),
        "mode",
        "ring",
    ),
    _source(
        "letter",
        "Letter of Gaussians",
        "Seven modes in the shape of an F, which no turn leaves as it is: turned, it is a second domain.",
        LetterSettings,
        lambda s: densities.letter(s.size, s.sigma, s.angle),
        "mode",
        "letter",
    ),
    _source(
        "grid",
        "Grid of Gaussians",
        "25 modes on a grid, far apart for their width.",
        GridSettings,
        lambda s: densities.grid(s.per_side, s.spacing, s.sigma),
        "mode",
    ),
    _source(
        "moons",
        "Two moons",
        "Two half circles that reach into each other.",
        MoonsSettings,
        lambda s: densities.two_moons(s.sigma, s.angle),
        "moon",
        "moons",
    ),
    _source(
        "spiral",
        "Spiral",
        "Arms that wind around the centre: one dimension folded into two.",
        SpiralSettings,
        lambda s: densities.spiral(s.arms, s.turns, s.radius, s.sigma),
        "arm",
    ),
    _source(
        "checkerboard",
        "Checkerboard",
        "Uniform on every second square: edges that smooth densities cannot have.",
        CheckerboardSettings,
        lambda s: densities.Checkerboard(s.squares, s.side),
        "square",
    ),
    _source(
        "mixture",
        "Random mixture",
        "Gaussians of equal weight at random places.",
        MixtureSettings,
        lambda s: densities.random_mixture(s.modes, s.spread, s.sigma, s.places),
        "mode",
    ),
)
