"""A folder of pictures of any size, brought to one size."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import CLASSES, FileSettings, bytes_text, check_size, examples, existing
from models.settings import setting

FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm"),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
PIXELS = 50_000_000  # a picture that unpacks to more is refused before it is unpacked
PICTURE_LIMIT = 2**28  # bytes of one file
FILES = 1_000_000
PART_NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


class ImageSettings(FileSettings):
    height: int = setting(32, title="Height", help="Height that every picture is brought to.", unit="px", ge=4, le=1024)
    width: int = setting(32, title="Width", help="Width that every picture is brought to.", unit="px", ge=4, le=1024)
    colour: Literal["auto", "grey", "colour"] = setting(
        "auto", title="Colour", help="auto: grey if no picture has a colour."
    )
    skip_unreadable: bool = setting(
        False, title="Leave out what cannot be read", help="Otherwise one damaged picture refuses the folder."
    )


@dataclass(frozen=True)
class Picture:
    path: Path
    part: int | None
    label: str  # "" for pictures that lie in no subfolder


def pictures_in(folder: Path) -> tuple[list[Picture], int]:
    """Every picture below `folder` in order of name, and how many other files there are. Hidden ones do not count.

    Subfolders called train, valid and test are parts; the next level of folders are classes. Raises BadData.
    """
    found: list[Picture] = []
    others = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                others += not name.startswith(".")
                continue
            inner = list(path.relative_to(folder).parts[:-1])
            part = PART_NAMES.get(inner[0].lower()) if inner else None
            if part is not None:
                del inner[0]
            found.append(Picture(path, part, inner[0] if inner else ""))
            if len(found) > FILES:
                raise BadData(f"{folder} has more than {FILES:,} pictures.")
    if not found:
        raise BadData(f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}).")
    parts = {picture.part for picture in found}
    if None in parts or 0 not in parts:  # names such as "test" without "train" beside them are classes
        found = [Picture(p.path, None, _top(p.path, folder)) for p in found]
    return found, others


def _top(path: Path, folder: Path) -> str:
    inner = path.relative_to(folder).parts[:-1]
    return inner[0] if inner else ""


def fit(content: bytes, height: int, width: int, grey: bool) -> np.ndarray:
    """A packed picture, upright, resized until it covers height × width and cropped around its centre:
    (height, width) or (height, width, 3) uint8; transparency becomes white. Raises BadData, without a name."""
    try:
        with Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as image:
            if image.width * image.height > PIXELS:
                raise BadData(f"unpacks to {image.width}×{image.height} pixels; up to {PIXELS:,} are read")
            image.draft("RGB", (2 * width, 2 * height))  # lets a large JPEG be unpacked smaller
            flat = _flat(ImageOps.exif_transpose(image)).convert("L" if grey else "RGB")
    except UnidentifiedImageError:
        raise BadData("is no picture, or damaged at its beginning") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(str(error).rstrip(".")) from None
    return np.asarray(ImageOps.fit(flat, (width, height), Image.Resampling.LANCZOS))


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency, and with 8 bits a channel."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = Image.new("RGBA", image.size, "white")
        over.alpha_composite(image.convert("RGBA"))
        return over.convert("RGB")
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise BadData("holds whole numbers outside 0…65535")
        return Image.fromarray((deep // 257).astype(np.uint8))
    if image.mode == "F":
        raise BadData("holds floating-point pixels; save it with 8 or 16 bits a channel")
    return image


def _load(settings: ImageSettings, report: Report) -> RawData:
    folder = existing(settings.path, "folder")
    report(0.0, f"Looking for pictures in {folder.name}")
    pictures, others = pictures_in(folder)
    shape = (len(pictures), settings.height, settings.width, 1 if settings.colour == "grey" else 3)
    check_size(int(np.prod(shape, dtype=object)), str(folder))
    pixels = np.empty(shape, np.uint8)
    listing = hashlib.sha256()
    kept: list[Picture] = []
    faults: list[str] = []
    sizes: list[int] = []
    for i, picture in enumerate(pictures):
        name = picture.path.relative_to(folder).as_posix()
        report(i / len(pictures), f"Reading {name}")
        try:
            content = _content(picture.path)
            image = fit(content, settings.height, settings.width, settings.colour == "grey")
        except BadData as error:
            faults.append(f"{name} ({error})")
            continue
        pixels[len(kept)] = image.reshape(shape[1:])
        listing.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        kept.append(picture)
        sizes.append(len(content))
    if not kept or (faults and not settings.skip_unreadable):
        raise BadData(
            f"{folder} has {len(faults)} of {len(pictures)} pictures that cannot be read: {_some(faults)}. Remove them"
            f"{', or choose to leave out what cannot be read' if kept else ''}."
        )
    x = pixels[: len(kept)]
    if settings.colour == "auto" and (x == x[..., :1]).all():
        x = x[..., :1]
    values, support, layout, steps = examples(x.transpose(0, 3, 1, 2), "auto", str(folder))
    names = sorted({picture.label for picture in kept})
    if len(names) > CLASSES:
        raise BadData(f"{folder} has {len(names)} subfolders with pictures; up to {CLASSES} can be classes.")
    y = np.array([names.index(picture.label) for picture in kept]) if len(names) > 1 else None
    given = kept[0].part is not None
    provenance = Provenance(
        folder.name,
        ((str(folder), listing.hexdigest()),),
        (
            f"{len(kept)} pictures, {bytes_text(sum(sizes))}; the checksum is of the list of their names and checksums",
            f"resized to cover {settings.height}×{settings.width} and cropped around the centre",
            *([f"{others} files that are no pictures left out"] if others else []),
            *([f"{len(faults)} pictures that cannot be read left out"] if faults else []),
            *steps,
        ),
    )
    return RawData(
        values,
        y,
        support,
        layout,
        provenance,
        tuple(name or "(no folder)" for name in names) if len(names) > 1 else (),
        np.array([picture.part for picture in kept], np.uint8) if given else None,
        standardise=settings.standardise,
        warnings=(f"{len(faults)} pictures were left out: {_some(faults)}.",) if faults else (),
    )


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadData("is not a file")
        if path.stat().st_size > PICTURE_LIMIT:
            raise BadData(f"has more than {bytes_text(PICTURE_LIMIT)}")
        return path.read_bytes()
    except OSError as error:
        raise BadData(error.strerror or str(error)) from None


def _some(faults: list[str]) -> str:
    return ", ".join(faults[:3]) + (f" and {len(faults) - 3} more" if len(faults) > 3 else "")


SOURCE = Source(
    "images",
    "Folder of images",
    "Pictures of any size, grey or in colour; subfolders are classes.",
    ImageSettings,
    _load,
)
