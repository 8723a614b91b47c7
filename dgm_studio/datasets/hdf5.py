"""Arrays in HDF5 files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import BadData, RawData, Report, Source
from dgm_studio.datasets.files import LIMIT, existing
from dgm_studio.datasets.selection import ArraySettings, Entry, read_selected


def entries_of(path: Path) -> list[Entry]:
    """The arrays in a file by their headers. Raises BadData."""
    from dgm_studio.store import arrays  # h5py takes longer to import than everything here

    try:
        found = arrays.list_arrays(path)
    except arrays.UnreadableArrays as error:
        raise BadData(str(error)) from None
    return [Entry(a.name, a.shape, a.dtype, partial(_read, path, a.name)) for a in found]


def _read(path: Path, name: str, report: Report) -> np.ndarray:
    from dgm_studio.store import arrays

    try:
        return arrays.read_array(path, name, LIMIT, lambda fraction: report(fraction, f"Reading {path.name}"))
    except arrays.UnreadableArrays as error:
        raise BadData(str(error)) from None


def _load(settings: ArraySettings, report: Report) -> RawData:
    path = existing(settings.path)
    return read_selected(entries_of(path), settings, path, report)


SOURCE = Source("hdf5", "HDF5 files", "Arrays in .h5 or .hdf5, in groups or not.", ArraySettings, _load)
