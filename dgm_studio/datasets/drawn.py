"""A distribution in the plane that somebody drew, stored as weights on a grid."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from pydantic import field_validator
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from dgm_studio.datasets.densities import PlanarDensity
from dgm_studio.datasets.toys import ToySettings
from models.distributions import LOG_2PI
from models.settings import setting
from models.spec import Layout, Support

SIDE = 32  # cells to a side
REACH = 2.0  # the drawing lies in -REACH…REACH
CELL = 2 * REACH / SIDE
SIGMA = 0.75 * CELL  # of the Gaussian at each cell: an evenly painted area then ripples by less than 1e-4
HEAVIEST = 9
BLOCK = 4096  # points scored at once


def read_drawing(text: str) -> np.ndarray:
    """Weights 0…9 of the cells (SIDE, SIDE), lowest row first: [row, column] = [y, x]. `text` has the rows from the
    top, with / between them; a row is its digits, .N; for N empty cells, and may end early. Raises ValueError with a
    sentence."""
    rows = text.split("/")
    if len(rows) > SIDE:
        raise ValueError(f"A drawing has {SIDE} rows of cells at most; this one has {len(rows)}")
    weights = np.zeros((SIDE, SIDE), np.int64)
    for number, row in enumerate(rows):
        if not re.fullmatch(r"(\.\d{1,2};|\d)*", row):
            raise ValueError(f"Row {number + 1} of the drawing is not made of digits and .N; for N empty cells")
        cells = [
            weight
            for skipped, digit in re.findall(r"\.(\d{1,2});|(\d)", row)
            for weight in ([0] * int(skipped) if skipped else [int(digit)])
        ]
        if len(cells) > SIDE:
            raise ValueError(f"Row {number + 1} of the drawing has {len(cells)} cells; {SIDE} is the most")
        weights[SIDE - 1 - number, : len(cells)] = cells
    if not weights.any():
        raise ValueError("Nothing is drawn: at least one cell needs a weight above 0")
    return weights


def write_drawing(weights: np.ndarray) -> str:
    """The text of a drawing, as short as it can be: what `read_drawing` reads. Empty when nothing is drawn."""
    rows = []
    for row in weights[::-1]:
        digits = "".join(str(int(w)) for w in row).rstrip("0")
        rows.append(re.sub(r"0{4,}", lambda zeros: f".{len(zeros.group())};", digits))
    return "/".join(rows).rstrip("/")


def patches(weights: np.ndarray) -> np.ndarray:
    """Which connected patch each cell belongs to, numbered from 1 in reading order, 0 where nothing is drawn. Cells
    that touch at a corner are connected."""
    patch = np.zeros_like(weights)
    found = 0
    for start in np.argwhere(weights[::-1] > 0):
        row, column = SIDE - 1 - start[0], start[1]
        if patch[row, column]:
            continue
        found += 1
        waiting = [(row, column)]
        while waiting:
            r, c = waiting.pop()
            if 0 <= r < SIDE and 0 <= c < SIDE and weights[r, c] > 0 and not patch[r, c]:
                patch[r, c] = found
                waiting += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return patch


@dataclass(frozen=True)
class Drawn(PlanarDensity):
    """A round Gaussian at the centre of every cell that is drawn on: p(x) = Σ_c w_c N(x; centre_c, SIGMA² I), where
    the weights w of the drawing sum to 1."""

    weights: np.ndarray  # (SIDE, SIDE) by [y, x]; of any sum

    @cached_property
    def patch(self) -> np.ndarray:
        return patches(self.weights)

    @property
    def parts(self) -> int:
        return int(self.patch.max())

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.cat([self._log_prob(part) for part in x.split(BLOCK)])

    def _log_prob(self, x: Tensor) -> Tensor:
        centre = _centres().to(x.device)
        share = torch.from_numpy(self.weights / self.weights.sum()).to(x.device)
        # a Gaussian is the product of one in x and one in y, so that the sum over cells is a matrix product
        across, up = (-0.5 * ((x.double()[:, axis, None] - centre) / SIGMA).square() for axis in (0, 1))  # (B, SIDE)
        high = across.amax(1), up.amax(1)
        sums = ((up - high[1][:, None]).exp() @ share * (across - high[0][:, None]).exp()).sum(1)
        log_sums = sums.log() + high[0] + high[1]
        far = sums < 1e-200  # too far from all that is drawn for the sum of exponentials: of logarithms instead
        if far.any():
            rows, columns = self.weights.nonzero()
            terms = up[far][:, rows] + across[far][:, columns] + share[rows, columns].log()
            log_sums[far] = terms.logsumexp(1)
        result: Tensor = log_sums - LOG_2PI - 2 * math.log(SIGMA)
        return result.to(x.dtype)

    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        cell = torch.from_numpy(self.weights.ravel().astype(np.float64)).multinomial(n, True, generator=generator)
        centre = _centres()
        middle = torch.stack([centre[cell % SIDE], centre[cell // SIDE]], 1).float()
        part = torch.from_numpy(self.patch.ravel())[cell] - 1
        return middle + SIGMA * torch.randn(n, 2, generator=generator), part


def _centres() -> Tensor:
    """Of the cells along one side: (SIDE,)."""
    return (torch.arange(SIDE, dtype=torch.float64) + 0.5) * CELL - REACH


def _heart() -> str:
    """What is drawn before anybody has drawn: all points with (x² + y² - 1)³ < x² y³."""
    place = _centres().numpy() / 1.25
    x, y = np.meshgrid(place, place + 0.12)
    return write_drawing(np.where((x**2 + y**2 - 1) ** 3 < x**2 * y**3, HEAVIEST, 0))


class DrawnSettings(ToySettings):
    drawing: str = setting(
        _heart(),
        title="Drawing",
        help=f"Weights 0 to 9 of {SIDE} rows of {SIDE} cells, from the top, with / between rows: digits, and .N; for N "
        "empty cells. Made by drawing.",
        max_length=SIDE * (SIDE + 1),
    )

    @field_validator("drawing")
    @classmethod
    def _readable(cls, text: str) -> str:
        read_drawing(text)
        return text


def _load(chosen: DrawnSettings, report: Report) -> RawData:
    report(0.0, f"Drawing {chosen.examples} points")
    density = Drawn(read_drawing(chosen.drawing))
    x, y = density.draw(chosen.examples, Generator().manual_seed(chosen.seed))
    return RawData(
        x=x.numpy(),
        y=y.numpy(),
        support=Support.REALS,
        layout=Layout.POINTS,
        provenance=Provenance(
            "Drawn by hand",
            steps=(f"{chosen.examples} independent draws from the exact density, seed {chosen.seed}",),
        ),
        class_names=tuple(f"patch {k + 1}" for k in range(density.parts)),
        density=density,
    )


SOURCE = Source(
    "drawn",
    "Drawn by hand",
    "A distribution that you draw with a brush: what can a model make of it?",
    DrawnSettings,
    _load,
    drawing="drawing",
)
