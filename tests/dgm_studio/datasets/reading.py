"""Files for the tests of this folder."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.sources import load

IDX_CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(">BBBB", 0, 0, IDX_CODES[array.dtype.name], array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(path: Path, array: np.ndarray) -> Path:
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def write_mnist(folder: Path, train: int = 60, test: int = 20, suffix: str = ".gz") -> Path:
    """Four files with the names and axes of MNIST's, of 6×5 pixels."""
    folder.mkdir(exist_ok=True)
    for start, n, seed in (("train", train, 0), ("t10k", test, 1)):
        random = np.random.default_rng(seed)
        write_idx(folder / f"{start}-images-idx3-ubyte{suffix}", random.integers(0, 256, (n, 6, 5), np.uint8))
        write_idx(folder / f"{start}-labels-idx1-ubyte{suffix}", (np.arange(n) % 3).astype(np.uint8))
    return folder


def loaded(source: str, path: Path, **settings: object) -> Dataset:
    return load(DataChoice(source=source, settings={"path": str(path), **settings}))


def refusal(source: str, path: Path, **settings: object) -> str:
    """The sentence with which a source refuses a file."""
    with pytest.raises(BadData) as caught:
        loaded(source, path, **settings)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def all_x(data: Dataset) -> np.ndarray:
    """All examples in an order of their own, to compare whatever the split."""
    x = np.concatenate([part.x.numpy() for part in (data.train, data.valid, data.test)])
    flat = x.reshape(len(x), -1)
    return x[np.lexsort(flat.T[::-1])]


def ordered(x: np.ndarray) -> np.ndarray:
    return x[np.lexsort(x.reshape(len(x), -1).T[::-1])]
