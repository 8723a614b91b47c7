"""Pictures in a row as a file: GIF, MP4, or a PNG strip. A file is whole or not there.

A film is put together in memory and read back before anything is written, so that what lies on the disk is known to
play. Pillow and PyAV are imported when one is made.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from dgm_studio.files import NotWritten, put

PER_SECOND = 25  # a GIF's delays are hundredths of a second, so that this is exact in every format
MOST = 3000  # pictures of a film, all of which are in memory
SIDE = 256  # px, the least that the longer side of a picture is enlarged to
STRIP = 12  # pictures of a strip
GAP = 2  # px between them, before they are enlarged


@dataclass(frozen=True)
class Film:
    """What a file was found to hold."""

    pictures: int
    width: int
    height: int
    seconds: float


def write(path: Path, pictures: np.ndarray, repeat: bool) -> Film:
    """Write `pictures` (N, 1 or 3, H, W), uint8, PER_SECOND of them a second, as what the name of `path` ends with; a
    GIF may `repeat` for ever. Raises NotWritten."""
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise NotWritten(f"{path} was not written: its name ends with none of {', '.join(KINDS)}.")
    if not 0 < len(pictures) <= MOST:
        raise NotWritten(
            f"{path} was not written: it would have {len(pictures):,} pictures, and {MOST:,} are the most "
            f"({MOST / PER_SECOND:.0f} s). Shorten the legs of the path."
        )
    try:
        data = KINDS[kind](pictures, repeat)
        film = read(data, kind)
        put(path, data)
    except ImportError as error:
        raise NotWritten(f"{path} was not written: {error.name} is not installed, which makes {kind} files.") from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotWritten(f"{path} was not written: {reason}. Nothing was left behind; choose another place.") from error
    return film


def read(data: bytes, kind: str) -> Film:
    """What a file holds. Raises ValueError or OSError where it cannot be played to its end."""
    return _read_mp4(data) if kind == ".mp4" else _read_with_pillow(data)


def factor_of(height: int, width: int) -> int:
    """How many pixels a pixel becomes each way: an even number, as MP4 needs even sides."""
    return max(2, 2 * -(-SIDE // (2 * max(height, width))))


def strip_of(pictures: np.ndarray) -> np.ndarray:
    """At most STRIP of the pictures, at equal distances in time, beside each other on white: (C, H, W')."""
    chosen = pictures[np.linspace(0, len(pictures) - 1, min(STRIP, len(pictures))).round().astype(int)]
    padded = np.pad(chosen, ((0, 0), (0, 0), (0, 0), (0, GAP)), constant_values=255)
    return np.concatenate(list(padded), axis=2)[:, :, :-GAP]


def _gif(pictures: np.ndarray, repeat: bool) -> bytes:
    from PIL import Image

    factor = factor_of(*pictures.shape[2:])
    size = pictures.shape[3] * factor, pictures.shape[2] * factor
    images = []
    for picture in pictures:
        image = Image.fromarray(_pixels(picture))
        if image.mode == "RGB":  # of greys, all 256 are the palette
            image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        images.append(image.resize(size, Image.Resampling.NEAREST))
    file = io.BytesIO()
    forever = {"loop": 0} if repeat else {}
    images[0].save(
        file, "GIF", save_all=True, append_images=images[1:], duration=1000 // PER_SECOND, optimize=False, **forever
    )
    return file.getvalue()


def _mp4(pictures: np.ndarray, repeat: bool) -> bytes:
    import av

    factor = factor_of(*pictures.shape[2:])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=PER_SECOND, options={"crf": "16", "preset": "fast"})
        stream.height, stream.width = pictures.shape[2] * factor, pictures.shape[3] * factor
        stream.pix_fmt = "yuv420p"  # the only one that every player knows
        stream.time_base = Fraction(1, PER_SECOND)
        for picture in pictures:
            pixels = _pixels(picture).repeat(factor, axis=0).repeat(factor, axis=1)
            frame = av.VideoFrame.from_ndarray(pixels, "gray" if pixels.ndim == 2 else "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def _png(pictures: np.ndarray, repeat: bool) -> bytes:
    from PIL import Image

    factor = max(1, SIDE // (2 * pictures.shape[2]))
    file = io.BytesIO()
    Image.fromarray(_pixels(strip_of(pictures)).repeat(factor, axis=0).repeat(factor, axis=1)).save(file, "PNG")
    return file.getvalue()


def _pixels(picture: np.ndarray) -> np.ndarray:
    """(C, H, W) as Pillow and PyAV take it: (H, W) of greys, (H, W, 3) of colours."""
    return picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))


KINDS: dict[str, Callable[[np.ndarray, bool], bytes]] = {".gif": _gif, ".mp4": _mp4, ".png": _png}


def _read_with_pillow(data: bytes) -> Film:
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(data)) as image:
        lasts: list[int] = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            lasts.append(frame.info.get("duration", 0))
        return Film(len(lasts), image.width, image.height, sum(lasts) / 1000)


def _read_mp4(data: bytes) -> Film:
    import av

    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        count = sum(1 for _ in container.decode(stream))
        assert stream.average_rate is not None
        return Film(count, stream.width, stream.height, float(count / stream.average_rate))
