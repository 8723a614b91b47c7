"""`screenshots`: pictures of every page of the window, and a page that shows them side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from dgm_studio.commands.output import CommandError

SIZES = ("1280x800", "1920x1080")
SCALES = (1.0, 2.0)
THEMES = ("dark", "light")
SMALLEST, LARGEST = 320, 8192  # of a side, in pixels


@dataclass(frozen=True)
class Album:
    """Which pictures are wanted. Empty `pages` are all, empty `runs` the newest of `project`; without a project one is
    made, of a run for each thing that can be looked at."""

    folder: Path
    project: Path | None = None
    runs: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ((1280, 800),)  # in pixels that do not count the scale
    scales: tuple[float, ...] = (1.0,)
    themes: tuple[str, ...] = THEMES

    def place(self, size: tuple[int, int], scale: float) -> Path:
        """The folder of the pictures of one size and scale."""
        return self.folder / f"{size[0]}x{size[1]}{'' if scale == 1 else f'@{scale:g}'}"


Photograph = Callable[[Album], list[Path]]


def screenshots(
    photograph: Photograph,
    folder: Path,
    project: Path | None,
    runs: Sequence[str],
    pages: Sequence[str],
    sizes: Sequence[str],
    scales: Sequence[float],
    themes: Sequence[str],
) -> int:
    """Have the pictures taken, write index.html beside them, and print where they are."""
    if project is not None and not project.is_file():
        raise CommandError(f"There is no {project}.")
    for theme in themes:
        if theme not in THEMES:
            raise CommandError(f"There is no theme {theme!r}. There are: {', '.join(THEMES)}.")
    for scale in scales:
        if not 0.5 <= scale <= 4:
            raise CommandError(f"--scale {scale:g} is not between 0.5 and 4.")
    folder = folder.absolute()  # as the pictures come back from a process of their own
    wanted = Album(
        folder,
        project,
        tuple(runs),
        tuple(pages),
        tuple(dict.fromkeys(read_size(size) for size in sizes)),
        tuple(dict.fromkeys(scales)),
        tuple(dict.fromkeys(themes)),
    )
    taken = photograph(wanted)
    index = folder / "index.html"
    index.write_text(contents(folder, taken), encoding="utf-8")
    for path in [*taken, index]:
        print(path)
    return 0


def read_size(text: str) -> tuple[int, int]:
    """Width and height of "1280x800". Raises CommandError for what is no size, and for one that no window has."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(SMALLEST <= side <= LARGEST for side in size):
        raise CommandError(f"--size {text!r} is not WIDTHxHEIGHT with sides of {SMALLEST} to {LARGEST} pixels.")
    return size


def contents(folder: Path, pictures: Sequence[Path]) -> str:
    """A page with every picture (…/PAGE-THEME.png): one row for each page of a size, one column for each theme."""
    sections: dict[str, dict[str, list[Path]]] = {}
    for path in pictures:
        page = path.stem.rpartition("-")[0]
        sections.setdefault(path.parent.name, {}).setdefault(page, []).append(path.relative_to(folder))
    body = []
    for place, pages in sections.items():
        body.append(f"<h2>{escape(place)}</h2>")
        for page, paths in pages.items():
            shown = "".join(
                f'<a href="{escape(path.as_posix())}"><img loading="lazy" src="{escape(path.as_posix())}" alt=""></a>'
                for path in paths
            )
            body.append(f"<h3>{escape(page)}</h3><div>{shown}</div>")
    return f"{HEAD}{''.join(body)}\n"


HEAD = """<!doctype html>
<meta charset="utf-8">
<title>Pictures of DGM Studio</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 24px; background: #888; color: #000; }
div { display: flex; gap: 8px; flex-wrap: wrap; }
img { width: min(46vw, 960px); border: 1px solid #555; }
</style>
"""
