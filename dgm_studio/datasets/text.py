"""Text as sequences of characters: a file from disk, or the reference text that comes with Python."""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import PARTS, BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import BLOCK, PathSettings, check_size, existing, opened, reading, within
from dgm_studio.number_texts import bytes_text
from models.settings import Settings, setting
from models.spec import Layout, Support

OTHER = "\ufffd"  # stands for every character that the alphabet lacks
TEXT = 2**27  # bytes a text may have, unpacked
CODES = sys.maxunicode + 1
UNICODE = (b"\xff\xfe", b"\xfe\xff")  # how texts in UTF-16 and UTF-32 begin


class WindowSettings(Settings):
    """How a long text becomes examples."""

    length: int = setting(
        128,
        title="Window length T",
        help="Characters in each example. A model knows nothing of what came before its window.",
        unit="characters",
        ge=2,
        le=10_000,
    )
    stride: int = setting(
        0,
        title="Stride",
        help="How far apart training windows begin; less than T lets them overlap each other. 0: T. Held-out windows "
        "never overlap.",
        unit="characters",
        zero="T",
        ge=0,
        le=10_000,
    )
    alphabet: int = setting(
        128,
        title="Largest alphabet",
        help="So many characters, the most frequent, are told apart; all others become one symbol, �.",
        unit="characters",
        ge=2,
        le=5000,
    )
    lower_case: bool = setting(
        False, title="Lower case", help="Make no difference between capitals and small letters: a smaller alphabet."
    )


class TextSettings(PathSettings, WindowSettings):
    pass


def windows(codes: np.ndarray, settings: WindowSettings, provenance: Provenance) -> RawData:
    """Code points (n,) of a text as examples. Its first 80 % are for training, the next 10 % for validation, the last
    10 % for testing, and no window reaches across. Raises BadData when a part would be empty."""
    length, stride = settings.length, settings.stride or settings.length
    needed = 10 * length
    if len(codes) < needed:
        raise BadData(
            f"{provenance.title} has {len(codes):,} characters; windows of {length} need at least {needed:,}, so that "
            f"the parts for training, validation and testing have one each. Choose shorter windows, or a longer text."
        )
    held = len(codes) // 10
    ends = (0, len(codes) - 2 * held, len(codes) - held, len(codes))
    strides = (stride, length, length)
    starts = [np.arange(a, b - length + 1, k) for (a, b), k in zip(pairwise(ends), strides, strict=True)]
    count = sum(map(len, starts))
    check_size(count * length, provenance.title)
    symbols, numbers, said = _alphabet(codes, settings.alphabet)
    x = np.empty((count, length), np.float32)
    begins, rows = np.concatenate(starts), max(1, BLOCK // length)
    for k in range(0, count, rows):
        x[k : k + rows] = numbers[codes[begins[k : k + rows, None] + np.arange(length)]]
    apart = f"; those for training begin {stride} apart" if stride != length else ""
    steps = (
        *(["capitals made small letters"] if settings.lower_case else []),
        said,
        f"cut into windows of {length} characters within contiguous parts, the first 80 % of the text for {PARTS[0]}, "
        f"10 % for {PARTS[1]}, the last 10 % for {PARTS[2]}{apart}",
    )
    return RawData(
        x=x,
        y=None,
        support=Support.SYMBOLS,
        layout=Layout.SEQUENCE,
        provenance=Provenance(provenance.title, provenance.files, (*provenance.steps, *steps), provenance.licence),
        split=np.repeat(np.arange(3, dtype=np.uint8), [len(s) for s in starts]),
        symbols=symbols,
        protocol=f"windows of {length} out of {len(symbols)} characters, each read from its first",
    )


def _alphabet(codes: np.ndarray, largest: int) -> tuple[tuple[str, ...], np.ndarray, str]:
    """The characters in their order, the number of each code point among them (CODES,) float32, and a sentence."""
    counts = np.zeros(CODES, np.int64)
    for begin in range(0, len(codes), BLOCK):  # it would make a wider copy of all
        counts += np.bincount(codes[begin : begin + BLOCK], minlength=CODES)
    occurring = np.flatnonzero(counts)
    kept = occurring
    if len(occurring) > largest:
        # among equals, the first in the order of the alphabet
        frequent = occurring[np.argsort(-counts[occurring], kind="stable")]
        frequent = frequent[frequent != ord(OTHER)]
        kept = np.sort(np.append(frequent[: largest - 1], ord(OTHER)))
    numbers = np.full(CODES, np.searchsorted(kept, ord(OTHER)), np.float32)
    numbers[kept] = np.arange(len(kept))
    rare = len(occurring) - len(np.intersect1d(kept, occurring))
    left_out = int(counts.sum() - counts[kept].sum())
    said = f"alphabet of {len(kept)} characters, from the whole text"
    if rare:
        said += f"; {rare} rarer ones, at {left_out:,} places ({100 * left_out / len(codes):.2g} %), became {OTHER}"
    return tuple(map(chr, kept)), numbers, said


def _codes(blocks: Iterable[str], lower_case: bool) -> Iterator[np.ndarray]:
    """Code points of a text that comes in blocks. Every line ends with a line feed; other control characters, which a
    terminal could obey, become OTHER."""
    ended = False  # with a carriage return, whose line feed may follow
    for block in blocks:
        text = block[1:] if ended and block.startswith("\n") else block
        ended = block.endswith("\r") if block else ended
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        codes = np.frombuffer((text.lower() if lower_case else text).encode("utf-32-le"), np.uint32).copy()
        control = ((codes < 32) & (codes != 9) & (codes != 10)) | ((codes >= 127) & (codes < 160))
        codes[control] = ord(OTHER)
        yield codes.astype(np.min_scalar_type(codes.max(initial=0)))  # a byte each, where that is enough


def check(path: Path) -> None:
    """Raise BadData unless the file begins as text in UTF-8."""
    with reading(path), opened(path) as file:
        start = file.read(4096)
    for _ in _decoded([start], path, final=False):
        pass
    if not start:
        raise BadData(f"{path} is empty.")


def _blocks(path: Path, digest: hashlib._Hash, report: Report) -> Iterator[bytes]:
    with opened(path, digest) as file:
        size, done = max(1, os.stat(path).st_size), 0
        while block := file.read(BLOCK):
            done += len(block)
            if done > TEXT:
                raise BadData(f"{path} holds more than {bytes_text(TEXT)} of text. Choose a part of it.")
            yield block
            report(min(1.0, done / size), f"Reading {path.name}")


def _decoded(blocks: Iterable[bytes], path: Path, final: bool = True) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    done = 0
    for block in blocks:
        if done == 0 and block.startswith(UNICODE):
            raise BadData(f"{path} is written in UTF-16. Save it as text in UTF-8.")
        if b"\0" in block:
            raise BadData(f"{path} is not text: it holds a zero byte at {done + block.index(0):,}. Choose a text.")
        waiting = len(decoder.getstate()[0])
        try:
            yield decoder.decode(block)
        except UnicodeDecodeError as error:
            place = done - waiting + error.start
            raise BadData(
                f"{path} is not text in UTF-8 (byte {place:,} is 0x{error.object[error.start]:02x}). Save it in UTF-8."
            ) from None
        done += len(block)
    if final and decoder.getstate()[0]:
        raise BadData(f"{path} ends within a character: it is not text in UTF-8, or cut off. Save it in UTF-8.")


def _load_file(settings: TextSettings, report: Report) -> RawData:
    path = existing(settings.path)
    digest = hashlib.sha256()
    with reading(path):
        text = _decoded(_blocks(path, digest, within(report, 0.0, 0.9)), path)
        parts = list(_codes(text, settings.lower_case))
    if not parts:
        raise BadData(f"{path} is empty. Choose a text.")
    codes = np.concatenate(parts)
    del parts
    report(0.95, "Cutting windows")
    return windows(codes, settings, Provenance(path.name, ((str(path), digest.hexdigest()),)))


def reference_text() -> str:
    """The topics of Python's built-in help, most of them chapters of the language reference, by name."""
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    return "\n".join(topics[name] for name in sorted(topics))


def _load_reference(settings: WindowSettings, report: Report) -> RawData:
    if not _has_reference():
        raise BadData("This Python comes without its help texts (pydoc_data). Choose a text file instead.")
    report(0.0, "Reading Python's help texts")
    text = reference_text()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    codes = np.concatenate(list(_codes([text], settings.lower_case)))
    provenance = Provenance(
        "Python's language reference",
        ((f"topics of Python {version}", hashlib.sha256(text.encode()).hexdigest()),),
        (f"the topics of the help of Python {version}, by name",),
        "Python Software Foundation License 2",
    )
    return windows(codes, settings, provenance)


def _has_reference() -> bool:
    return find_spec("pydoc_data") is not None and find_spec("pydoc_data.topics") is not None


SOURCE = Source("text", "Text file", "The characters of a text in UTF-8, packed or not.", TextSettings, _load_file)
REFERENCE = Source(
    "python-reference",
    "Python's language reference",
    "Half a million characters of English about a language, which come with every Python.",
    WindowSettings,
    _load_reference,
    available=_has_reference,
)
