"""The 8×8 digits in other styles, made from other digits than those beside them: two domains without pairs.

A style is a fixed function of a digit, so that it is known what each digit would look like in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dgm_studio.datasets import digits
from dgm_studio.datasets.base import Provenance, RawData, Report, Source, View
from models.settings import NoSettings, Settings, setting
from models.spec import Layout, Support

Style = Literal["plain", "inverse", "slanted", "thick", "edges", "coloured"]
INK, PAPER = (1.0, 0.6, 0.1), (0.1, 0.15, 0.45)  # of coloured digits: red, green, blue
SHEAR = 0.4  # pixels to the right, for each row above the middle


class DigitStylesSettings(Settings):
    style: Style = setting(
        "plain",
        title="Style",
        help="Inverse: black on white. Slanted: leaning to the right. Thick: strokes a pixel wider. Edges: outlines. "
        "Coloured: orange on blue.",
    )
    part: Literal["first half", "second half", "all"] = setting(
        "first half",
        title="Digits",
        help="Which of the 1797 digits. Domains of different halves have no digit in common.",
    )


def _slanted(x: Tensor) -> Tensor:
    """Each row moved to the right by SHEAR for each row that it lies above the middle; parts of pixels are shared."""
    height = x.shape[-2]
    rows = []
    for row in range(height):
        move = SHEAR * ((height - 1) / 2 - row)
        whole = int(move // 1)
        share = move - whole
        line = x[..., row, :]
        rows.append((1 - share) * _moved(line, whole) + share * _moved(line, whole + 1))
    return torch.stack(rows, -2)


def _moved(line: Tensor, places: int) -> Tensor:
    """To the right by whole places; what comes in is black."""
    padded = F.pad(line, (max(places, 0), max(-places, 0)))
    return padded[..., max(-places, 0) :][..., : line.shape[-1]]


def _thick(x: Tensor) -> Tensor:
    """Each pixel as bright as the brightest of it, its right and its lower neighbours."""
    return F.max_pool2d(F.pad(x, (1, 0, 1, 0)), 2, stride=1)


def _edges(x: Tensor) -> Tensor:
    """The brightest neighbour less the darkest."""
    wide = F.pad(x, (1, 1, 1, 1))
    return F.max_pool2d(wide, 3, stride=1) + F.max_pool2d(-wide, 3, stride=1)


def _coloured(x: Tensor) -> Tensor:
    ink, paper = (torch.tensor(colour, dtype=x.dtype, device=x.device).view(3, 1, 1) for colour in (INK, PAPER))
    return paper + x * (ink - paper)


def _without_colour(x: Tensor) -> Tensor:
    return ((x[:, :1] - PAPER[0]) / (INK[0] - PAPER[0])).clamp(0, 1)


STYLES: dict[Style, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor] | None]] = {
    # how a digit is shown, and how it is had back where nothing is lost
    "plain": (lambda x: x, lambda x: x),
    "inverse": (lambda x: 1 - x, lambda x: 1 - x),
    "slanted": (_slanted, None),
    "thick": (_thick, None),
    "edges": (_edges, None),
    "coloured": (_coloured, _without_colour),
}


def _load(settings: DigitStylesSettings, report: Report) -> RawData:
    plain = digits.SOURCE.load(NoSettings(), report)
    assert plain.y is not None
    order = torch.randperm(len(plain.x), generator=Generator().manual_seed(0))
    half = len(order) // 2
    taken = {"first half": order[:half], "second half": order[half:], "all": order.sort().values}[settings.part]
    show, recover = STYLES[settings.style]
    steps = (f"{settings.part} of them, {settings.style}",)
    return RawData(
        x=show(torch.from_numpy(plain.x)[taken]).numpy(),
        y=plain.y[taken.numpy()],
        support=Support.UNIT,
        layout=Layout.IMAGE,
        class_names=plain.class_names,
        provenance=Provenance(
            f"Digits, {settings.style}",
            plain.provenance.files,
            (*plain.provenance.steps, *steps),
            plain.provenance.licence,
        ),
        view=View("digits", show, recover),
    )


SOURCE = Source(
    "digit-styles",
    "Digits in a style",
    "Half of the 8×8 digits: plain, inverse, slanted, thick, as outlines or coloured. The halves make two domains "
    "without pairs.",
    DigitStylesSettings,
    _load,
)
