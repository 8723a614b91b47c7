"""The pictures of lessons' cards: the first thing that a lesson shows, as a small drawing without words that reads on
light and on dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.outcome import Outcome
from dgm_studio.pages import Part
from dgm_studio.reports import Bars, Curves, HeatMap, Pictures, Points, Report, Series, Table
from dgm_studio.sequence_pictures import PALETTE

CARD = (416, 200)  # pixels
FINE = 3  # drawn so many times as large, so that lines are smooth
EDGE = 14  # pixels that stay free around a drawing
AXIS = (128, 132, 140, 255)
LINE, DOT = 3, 3  # pixels: width of a line, radius of a dot
FEW = 40  # points that are drawn large
DRAWN = 2000  # points of a series
Size = tuple[int, int]


def card(lesson: Lesson, found: Outcome) -> Image.Image | None:
    """The picture of a lesson that has run: of what its page shows, the first that can be drawn, tables last. None
    where there is nothing."""
    keys = [block.target for block in lesson.page.blocks if block.part is Part.FIGURE]
    shown = [report for key in keys for report in found.shows.get(key, ())]
    for report in [*(r for r in shown if not isinstance(r, Table)), *(r for r in shown if isinstance(r, Table))]:
        made = _drawn(report)
        if made is not None:
            return made
    return None


def _drawn(report: Report) -> Image.Image | None:
    match report:
        case Pictures():
            if report.stacked:
                return _sheet(report)
            return _rows(report) if _are_large(report) else _pictures(report)
        case HeatMap():
            return _heat_map(report)
        case Curves():
            return _plane(report.series, lines=True)
        case Points():
            return _plane(report.series, lines=False, square=report.square)
        case Bars():
            return _bars(report.values, [0 if mark else 1 for mark in report.marked])
        case Table():
            return _table(report)
    return None


def _pictures(report: Pictures) -> Image.Image:
    """As many as there is room for, sharp: groups are columns; pictures by themselves are rows."""
    n, _, height, width = report.pictures.shape
    together = len(report.group)
    scale = max(1, CARD[1] // (min(max(together, 3), 6) * (height + 1)))
    columns, fits = (max(1, side // (scale * (room + 1))) for side, room in zip(CARD, (width, height), strict=True))
    rows = min(fits, together) if together > 1 else fits
    sheet = np.zeros((rows * (height + 1), columns * (width + 1), 4), np.uint8)
    for row in range(rows):
        for column in range(columns):
            index = column * together + row if together > 1 else row * columns + column
            if index < n:
                top, left = row * (height + 1), column * (width + 1)
                sheet[top : top + height, left : left + width, :3] = report.pictures[index].transpose(1, 2, 0)
                sheet[top : top + height, left : left + width, 3] = 255
    made = Image.fromarray(sheet)
    return _placed(made.resize((made.width * scale, made.height * scale), Image.Resampling.NEAREST))


def _are_large(report: Pictures) -> bool:
    """Whether groups would lose most of their pictures as columns."""
    together = len(report.group)
    return together > 1 and CARD[1] // (report.pictures.shape[2] + 1) < min(together, 3)


def _rows(report: Pictures) -> Image.Image:
    """The first groups, each a row as wide as the card."""
    n, channels, height, width = report.pictures.shape
    across, (room, tall) = len(report.group), (CARD[0] - 2 * EDGE, CARD[1] - 2 * EDGE)
    scale = min(room / (across * width), tall / height)
    down = min(n // across, max(1, int(tall // (scale * height))))
    rows = report.pictures[: down * across].reshape(down, across, channels, height, width).transpose(0, 3, 1, 4, 2)
    made = Image.fromarray(rows.reshape(down * height, across * width, channels).repeat(3 // channels, 2))
    return _placed(made.resize((round(made.width * scale), round(made.height * scale)), Image.Resampling.LANCZOS))


def _sheet(report: Pictures) -> Image.Image:
    """All of it, without gaps: groups are rows."""
    n, channels, height, width = report.pictures.shape
    across = len(report.group)
    rows = report.pictures.reshape(n // across, across, channels, height, width).transpose(0, 3, 1, 4, 2)
    made = Image.fromarray(rows.reshape(n // across * height, across * width, channels).repeat(3 // channels, 2))
    scale = (CARD[1] - 2 * EDGE) / made.height
    return _placed(made.resize((round(made.width * scale), round(made.height * scale)), Image.Resampling.LANCZOS))


def _heat_map(report: HeatMap) -> Image.Image:
    low, high = report.ends
    share = ((report.values - low) / (high - low)).clip(0, 1)
    dark, light = np.array([68, 1, 84]), np.array([253, 231, 37])
    middle = np.array([33, 145, 140])
    first = dark + (middle - dark) * (2 * share[..., None]).clip(0, 1)
    colours = first + (light - middle) * (2 * share[..., None] - 1).clip(0, 1)
    made = Image.fromarray(np.round(colours).astype(np.uint8)).convert("RGBA")
    room = CARD[0] - 2 * EDGE, CARD[1] - 2 * EDGE
    scale = min(room[0] / made.width, room[1] / made.height)
    size = max(1, round(made.width * scale)), max(1, round(made.height * scale))
    return _placed(made.resize(size, Image.Resampling.NEAREST))


def _plane(series: Iterable[Series], lines: bool, square: bool = False) -> Image.Image | None:
    """Curves or dots between two axes; the colours are those of the window."""
    kept = [(one.x[ok], one.y[ok]) for one in series if (ok := np.isfinite(one.x) & np.isfinite(one.y)).any()]
    if not kept:
        return None
    xs, ys = (np.concatenate([pair[axis] for pair in kept]) for axis in (0, 1))
    across, down = _ends(xs, exact=lines), _ends(ys, exact=False)
    page, draw = _page()
    width, height = page.width - 2 * EDGE * FINE, page.height - 2 * EDGE * FINE
    scale = width / (across[1] - across[0]), height / (down[1] - down[0])
    if square:
        scale = (min(scale), min(scale))
    middle = sum(across) / 2, sum(down) / 2

    def places(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
        y = y.clip(*down) if lines else y  # a curve's first values may lie far above the others
        right, up = (x - middle[0]) * scale[0], (y - middle[1]) * scale[1]
        return list(zip((page.width / 2 + right).tolist(), (page.height / 2 - up).tolist(), strict=True))

    if not square:
        left, low = EDGE * FINE - 4 * FINE, page.height - EDGE * FINE + 4 * FINE
        draw.line([(left, EDGE * FINE), (left, low), (page.width - EDGE * FINE, low)], AXIS, FINE)
    for number, (x, y) in enumerate(kept):
        colour = (*PALETTE[number % len(PALETTE)], 255)
        dots = places(x, y) if lines else places(x[:DRAWN], y[:DRAWN])
        if lines and len(dots) > 1:
            draw.line(dots, colour, LINE * FINE, joint="curve")
        if not lines or len(dots) < FEW // 2:
            radius = FINE * (DOT if len(dots) < FEW else 1) * (1.5 if len(dots) < FEW else 1.0)
            for dot in dots:
                draw.circle(dot, radius, fill=colour)
    return page.resize(CARD, Image.Resampling.LANCZOS)


def _table(report: Table) -> Image.Image | None:
    """Its first column of numbers as bars, with the interval beside it."""
    columns = [place for place, column in enumerate(report.columns) if column.format == "number"]
    if not columns:
        return None
    place = columns[0]
    values = [row[place] for row in report.rows]
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in values) or not values:
        return None
    ranges: list[tuple[float, float] | None] = [None] * len(values)
    if place + 1 < len(report.columns) and report.columns[place + 1].format == "interval":
        ends = [row[place + 1] for row in report.rows]
        ranges = [end if isinstance(end, tuple) and np.isfinite(end).all() else None for end in ends]
    numbers = np.array([float(value) for value in values if isinstance(value, int | float)])
    return _bars(numbers, range(len(values)), ranges)


def _bars(
    values: np.ndarray, colours: Sequence[int], ranges: Sequence[tuple[float, float] | None] = ()
) -> Image.Image | None:
    """Bars from zero, each with a whisker where its range is known."""
    values = values[:60]
    if not len(values) or not np.isfinite(values).all():
        return None
    ends = [end for pair in ranges if pair is not None for end in pair]
    low, high = min(0.0, float(values.min()), *ends), max(0.0, float(values.max()), *ends)
    page, draw = _page()
    height = (page.height - 2 * EDGE * FINE) / ((high - low) or 1.0)
    zero = page.height - EDGE * FINE + low * height
    step = (page.width - 2 * EDGE * FINE) / len(values)
    for number, value in enumerate(values.tolist()):
        left = EDGE * FINE + step * (number + 0.18)
        right = left + min(0.64 * step, 60 * FINE)
        colour = (*PALETTE[colours[number] % len(PALETTE)], 255)
        top, bottom = sorted((zero - value * height, zero))
        draw.rectangle((left, top, right, max(bottom, top + FINE)), colour)
        pair = ranges[number] if number < len(ranges) else None
        if pair is not None:
            middle = (left + right) / 2
            draw.line([(middle, zero - pair[0] * height), (middle, zero - pair[1] * height)], AXIS, 2 * FINE)
    draw.line([(EDGE * FINE, zero), (page.width - EDGE * FINE, zero)], AXIS, FINE)
    return page.resize(CARD, Image.Resampling.LANCZOS)


def _ends(values: np.ndarray, exact: bool) -> tuple[float, float]:
    """Between which values there is something, with some room."""
    share = (0.0, 1.0) if exact or len(values) < 100 else (0.002, 0.998)
    low, high = (float(end) for end in np.quantile(values, share))
    room = 0.0 if exact and high > low else 0.06 * (high - low) or 1.0
    return low - room, high + room


def _page() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("RGBA", (CARD[0] * FINE, CARD[1] * FINE))
    return page, ImageDraw.Draw(page)


def _placed(made: Image.Image) -> Image.Image:
    page = Image.new("RGBA", CARD)
    page.paste(made, ((CARD[0] - made.width) // 2, (CARD[1] - made.height) // 2))
    return page
