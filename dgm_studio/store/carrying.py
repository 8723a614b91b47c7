"""Bytes that go from one file into a new one as they are: moved by the kernel where it can, and compared afterwards.

Whatever they are, the new file gets the same. Whether they are what was once written is not asked here: their old
checksums go with them, so that damage stays visible as damage.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from dgm_studio.store.errors import ProjectError
from dgm_studio.store.reading import Contents, Stored

BLOCK = 2**20  # bytes of either file in memory

# What a system says that cannot move these bytes itself. Reading and writing them can still succeed.
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


@dataclass(frozen=True)
class _Stretch:
    """Bytes that lie in one piece in both files."""

    source: Contents
    begin: int  # in the source
    place: int  # in the new file
    length: int

    def followed_by(self, other: _Stretch) -> bool:
        begin, place = self.begin + self.length, self.place + self.length
        return self.source is other.source and (begin, place) == (other.begin, other.place)


def carry(carried: Mapping[str, Stored], places: Mapping[str, int], target: int) -> None:
    """Put the bytes of located datasets at `places` of the open file `target`. Raises OSError, or ProjectError when a
    source is no longer the file that was opened."""
    for source, stretches in _by_source(carried, places):
        source.require_unchanged()
        with open(source.path, "rb", buffering=0) as file:
            for stretch in stretches:
                _move(file.fileno(), target, stretch)


def compare(carried: Mapping[str, Stored], new: Contents) -> None:
    """Read back what was carried, from where the new file says that it lies, and compare it with its source, which is
    as safe as comparing checksums and a third of the work. Raises OSError, or ProjectError where they differ."""
    places = {place: offset for place in carried if isinstance(offset := new.offset(place), int)}
    with open(new.path, "rb", buffering=0) as target:
        for source, stretches in _by_source(carried, places):
            with open(source.path, "rb", buffering=0) as file:
                for stretch in stretches:
                    if not _same(file.fileno(), target.fileno(), stretch):
                        raise ProjectError("unwritable", new.path, "the disk gave back other bytes than were copied.")
            source.require_unchanged()


def _by_source(carried: Mapping[str, Stored], places: Mapping[str, int]) -> Iterator[tuple[Contents, list[_Stretch]]]:
    for _, group in groupby(_stretches(carried, places), key=lambda stretch: id(stretch.source)):
        stretches = list(group)
        yield stretches[0].source, stretches


def _stretches(carried: Mapping[str, Stored], places: Mapping[str, int]) -> Iterator[_Stretch]:
    """Neighbours that stay neighbours are one stretch."""
    last: _Stretch | None = None
    for place, item in carried.items():
        begin = item.contents.offset(item.path)
        assert isinstance(begin, int), "what stands in a header is written anew"
        here = _Stretch(item.contents, begin, places[place], item.entry.nbytes)
        if last is not None and last.followed_by(here):
            last = _Stretch(last.source, last.begin, last.place, last.length + here.length)
        else:
            if last is not None:
                yield last
            last = here
    if last is not None:
        yield last


def _move(source: int, target: int, stretch: _Stretch) -> None:
    done = 0
    while done < stretch.length:
        moved = _moved(source, target, stretch.begin + done, stretch.place + done, stretch.length - done)
        if moved == 0:
            raise ProjectError("truncated", stretch.source.path, "the file ends within what was to be copied.")
        done += moved


def _moved(source: int, target: int, begin: int, place: int, length: int) -> int:
    """How many bytes were moved: as many as the system likes to move at once, and none where the source has ended."""
    if hasattr(os, "copy_file_range"):
        try:
            moved = os.copy_file_range(source, target, length, begin, place)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        else:
            if moved:
                return moved
    return os.pwrite(target, os.pread(source, min(length, BLOCK), begin), place)


def _same(source: int, target: int, stretch: _Stretch) -> bool:
    for done in range(0, stretch.length, BLOCK):
        length = min(BLOCK, stretch.length - done)
        ours, theirs = os.pread(target, length, stretch.place + done), os.pread(source, length, stretch.begin + done)
        if ours != theirs or len(ours) != length:
            return False
    return True
