"""A folder of pictures of any size, brought to one size."""

from __future__ import annotations

import hashlib
import io
import math
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import FileSettings, check_size, existing
from dgm_studio.datasets.values import CLASSES, examples
from dgm_studio.number_texts import bytes_text
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
PIXELS = 50_000_000  # a JPEG of more is refused before it is unpacked, which can be done at a smaller size
JPEG = 512  # pixels in a byte: a block of 64 takes a bit at least, and what is missing would be read as grey
UNPACKED = 2**24  # pixels of any other picture: unpacking takes up to 16 bytes for each
PICTURE_LIMIT = 2**27  # bytes of one file
PLAIN = (b"P1", b"P2", b"P3")  # how PPM files begin that hold text
PLAIN_LIMIT = 2**20  # bytes of such a file: reading them takes about a second for each of these
FILES = 1_000_000
EVERY = 1000  # entries of a folder between two reports

warnings.filterwarnings("error", category=Image.DecompressionBombWarning)  # for a folder in which fit() refuses it
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


@dataclass(frozen=True, slots=True)
class Picture:
    name: str  # its path within the folder
    part: int | None
    label: str  # "" for pictures that lie in no subfolder


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, in order of name. Hidden files and folders do not count."""

    pictures: list[Picture]
    others: int  # files that are no pictures
    links: int  # links to folders, which are not followed: they could lead round in a circle, or anywhere


def pictures_in(folder: Path, report: Report) -> Listing:
    """Every picture below `folder`. Subfolders called train, valid and test are parts; the next level of folders are
    classes. Raises BadData, also when a folder in it cannot be looked into."""
    found: list[str] = []
    others = links = looked = 0
    try:
        for place, folders, names in os.walk(folder, onerror=_refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links += sum(os.path.islink(os.path.join(place, name)) for name in folders)
            within = os.path.relpath(place, folder)
            for name in sorted(names):
                looked += 1
                if looked % EVERY == 0:
                    report(0.0, f"Looking for pictures in {folder.name}: {len(found):,}")
                if name.startswith("."):
                    continue
                if os.path.splitext(name)[1].lower() in SUFFIXES:
                    found.append(name if within == "." else os.path.join(within, name))
                else:
                    others += 1
                if len(found) > FILES:
                    raise BadData(f"{folder} has more than {FILES:,} pictures. Choose a folder with fewer.")
    except OSError as error:
        raise BadData(f"{error.filename} cannot be looked into: {error.strerror}. Allow it, or move it away.") from None
    if not found:
        also = f" Links to folders are not followed; it has {links}." if links else ""
        raise BadData(
            f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}); other files: {others}.{also} Choose the "
            f"folder that they lie in, or save them in one of these formats."
        )
    parts = {PART_NAMES.get(above[0].lower()) if above else None for above in map(_above, found)}
    split = None not in parts and 0 in parts  # names such as "test" without "train" beside them are classes
    pictures = []
    for name in found:
        above = _above(name)
        part = PART_NAMES[above.pop(0).lower()] if split else None
        pictures.append(Picture(name, part, sys.intern(_readable(above[0])) if above else ""))
    return Listing(pictures, others, links)


def _above(name: str) -> list[str]:
    """The folders in which a picture lies."""
    return name.split(os.sep)[:-1]


def _refuse(error: OSError) -> None:
    raise error


def _readable(name: str) -> str:
    """A name as text that can be kept, whatever bytes the file system has for it."""
    return os.fsencode(name).decode("utf-8", "replace")


@dataclass(frozen=True)
class Fitted:
    pixels: np.ndarray  # (height, width) or (height, width, 3) uint8
    frames: bool  # whether the file holds more pictures than this first one


def fit(content: bytes, height: int, width: int, grey: bool) -> Fitted:
    """A packed picture, upright, resized until it covers height × width and cropped around its centre; transparency
    becomes white. Raises BadData, without a name."""
    if content.startswith(PLAIN) and len(content) > PLAIN_LIMIT:
        raise BadData("is a large picture written as text; save it as PNG")
    try:
        with Image.open(io.BytesIO(content), formats=tuple(FORMATS)) as image:
            most = PIXELS if isinstance(image, JpegImageFile) else UNPACKED
            if image.width * image.height > most:
                raise BadData(f"unpacks to {image.width}×{image.height} pixels; up to {most:,} are read")
            if isinstance(image, JpegImageFile) and image.width * image.height > JPEG * len(content):
                raise BadData(f"is cut off: {image.width}×{image.height} pixels need more than {len(content)} bytes")
            frames = getattr(image, "is_animated", False)
            image.draft("RGB", (2 * width, 2 * height))  # lets a large JPEG be unpacked smaller
            flat = _flat(ImageOps.exif_transpose(image)).convert("L" if grey else "RGB")
    except UnidentifiedImageError:
        raise BadData("is no picture, or damaged at its beginning") from None
    except BadData:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadData(f"unpacks to far more than {PIXELS:,} pixels, which are read at most") from None
    except MemoryError:
        raise BadData("needs more memory than there is") from None
    except Exception as error:  # Pillow has no exception of its own: damaged files raise what its decoders meet
        raise BadData(f"cannot be unpacked: {str(error).rstrip('.') or type(error).__name__}") from None
    return Fitted(np.asarray(ImageOps.fit(flat, (width, height), Image.Resampling.LANCZOS)), frames)


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency, and with 8 bits a channel."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = image if image.mode == "RGBA" else image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), over).convert("RGB")
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
    listing = pictures_in(folder, report)
    pictures = listing.pictures
    shape = (len(pictures), settings.height, settings.width, 1 if settings.colour == "grey" else 3)
    check_size(math.prod(shape), str(folder), 1)
    pixels = np.empty(shape, np.uint8)
    digest = hashlib.sha256()
    kept: list[Picture] = []
    faults: list[str] = []
    animated: list[str] = []
    size = 0
    for i, picture in enumerate(pictures):
        name = Path(picture.name).as_posix()
        report(i / len(pictures), f"Reading {_readable(name)}")
        try:
            content = _content(folder / name)
            image = fit(content, settings.height, settings.width, settings.colour == "grey")
        except BadData as error:
            faults.append(f"{name} ({error})")
            continue
        pixels[len(kept)] = image.pixels.reshape(shape[1:])
        digest.update(os.fsencode(f"{name}\0{hashlib.sha256(content).hexdigest()}\n"))
        kept.append(picture)
        size += len(content)
        if image.frames:
            animated.append(name)
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
        raise BadData(
            f"{folder} has {len(names)} subfolders with pictures; up to {CLASSES} can be classes. Put the pictures "
            f"into one folder, or into fewer."
        )
    number = {name: k for k, name in enumerate(names)}
    y = np.array([number[picture.label] for picture in kept]) if len(names) > 1 else None
    given = kept[0].part is not None
    provenance = Provenance(
        folder.name,
        ((str(folder), digest.hexdigest()),),
        (
            f"{len(kept)} pictures, {bytes_text(size)}; the checksum is of the list of their names and checksums",
            f"resized to cover {settings.height}×{settings.width} and cropped around the centre",
            *([f"{listing.others} files that are no pictures left out"] if listing.others else []),
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
        warnings=(
            *([f"Left out, because they cannot be read: {_some(faults)}."] if faults else []),
            *([f"Of pictures with several frames the first was taken: {_some(animated)}."] if animated else []),
            *([f"Links to folders were not followed ({listing.links})."] if listing.links else []),
        ),
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
