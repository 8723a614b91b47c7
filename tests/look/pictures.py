"""Pictures of the window against what they were: coarse enough for other ways to draw a letter, fine enough to see
that something moved, went, or has another colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import find_objects, label

BLOCK = 10  # pixels of the window, a side of what is compared
LEVELS = 8  # of 256 greys that a reference does not tell apart
TOLERANCE = 20  # greys that the mean of a block may differ; other ways to draw its letters change it by up to 14
LEAST = 5  # blocks in one place that differ: fewer are a figure that changed
REFERENCES = Path(__file__).parent / "references"


@dataclass(frozen=True)
class Region:
    """Where two pictures differ, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return f"x {self.left}–{self.right}, y {self.top}–{self.bottom}"


def means(picture: Image.Image) -> Image.Image:
    """The mean grey of each block."""
    return picture.convert("L").resize((picture.width // BLOCK, picture.height // BLOCK), Image.Resampling.BOX)


def reduced(picture: Image.Image) -> Image.Image:
    """The means of blocks of a picture, in few greys: a few kilobytes as a file."""
    return means(picture).point([value // LEVELS * LEVELS + LEVELS // 2 for value in range(256)])


def differences(reference: Image.Image, seen: Image.Image) -> list[Region]:
    """Where a picture differs from a reference that `reduced` made, the largest first. All of it, if its size does."""
    small = means(seen)
    if small.size != reference.size:
        return [Region(0, 0, seen.width, seen.height)]
    apart = np.abs(np.asarray(small, np.int16) - np.asarray(reference.convert("L"), np.int16)) > TOLERANCE
    labels, _ = label(apart, np.ones((3, 3)))
    found = []
    for number, (down, across) in enumerate(find_objects(labels), start=1):
        blocks = int((labels[down, across] == number).sum())
        if blocks >= LEAST:
            edges = (across.start, down.start, across.stop, down.stop)
            found.append((blocks, Region(*(BLOCK * edge for edge in edges))))
    return [region for _, region in sorted(found, key=lambda pair: -pair[0])]


def compared(folder: Path, references: Path = REFERENCES) -> Iterator[tuple[str, str]]:
    """(picture, what is different) for each picture of a folder that has a reference, and for each reference that has
    no picture; empty where nothing differs."""
    for path in sorted(references.glob("*.png")):
        seen = folder / path.name
        if not seen.is_file():
            yield path.stem, "is no longer there"
            continue
        with Image.open(path) as reference, Image.open(seen) as picture:
            regions = differences(reference, picture)
        more = f" and {len(regions) - 3} more" if len(regions) > 3 else ""
        yield path.stem, f"differs at {'; '.join(map(str, regions[:3]))}{more}" if regions else ""


def side_by_side(reference: Path, seen: Path, out: Path) -> None:
    """The reference, the picture in the same coarseness, and the picture itself with frames where they differ."""
    with Image.open(reference) as before, Image.open(seen) as after:
        size = (after.width, after.height)
        page = Image.new("RGB", (2 * size[0] + 16, 2 * size[1] + 16), (128, 128, 128))
        page.paste(before.resize(size, Image.Resampling.NEAREST), (0, 0))
        page.paste(reduced(after).resize(size, Image.Resampling.NEAREST), (size[0] + 16, 0))
        framed = after.convert("RGB")
        draw = ImageDraw.Draw(framed)
        for region in differences(before, after):
            draw.rectangle((region.left, region.top, region.right, region.bottom), outline=(255, 0, 80), width=3)
        page.paste(framed, (0, size[1] + 16))
    out.parent.mkdir(parents=True, exist_ok=True)
    page.save(out)


def remake(folder: Path, skip: tuple[str, ...], references: Path = REFERENCES) -> int:
    """Let the pictures of a folder be the references from now on, but for those that hold one of `skip` in their
    names. Returns how many there are."""
    references.mkdir(parents=True, exist_ok=True)
    for old in references.glob("*.png"):
        old.unlink()
    kept = [path for path in sorted(folder.glob("*.png")) if not any(word in path.stem for word in skip)]
    for path in kept:
        with Image.open(path) as picture:
            reduced(picture).convert("P", palette=Image.Palette.ADAPTIVE, colors=256 // LEVELS).save(
                references / path.name, optimize=True
            )
    return len(kept)
