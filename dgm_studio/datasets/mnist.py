"""MNIST and Fashion-MNIST with their given split: from the system where it has them, otherwise downloaded once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dgm_studio.datasets.base import RawData, Report, Source
from dgm_studio.datasets.fetch import RemoteFile, cache_folder, fetch
from dgm_studio.datasets.files import within
from dgm_studio.datasets.idx import parts_of, read_parts
from models.settings import NoSettings

SYSTEM_FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist

GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def _files(mirrors: tuple[str, ...], published: dict[str, tuple[int, str]]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name, size, md5, tuple(mirror + name for mirror in mirrors))
        for name, (size, md5) in published.items()
    )


MNIST_FILES = _files(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    {
        "train-images-idx3-ubyte.gz": (9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "train-labels-idx1-ubyte.gz": (28881, "d53e105ee54ea40749a09fcbcd1e9432"),
        "t10k-images-idx3-ubyte.gz": (1648877, "9fb629c4189551a2d022fa330f9573f3"),
        "t10k-labels-idx1-ubyte.gz": (4542, "ec29112dd5afa0611ce80d1b7f02629c"),
    },
)

FASHION_FILES = _files(
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    {
        "train-images-idx3-ubyte.gz": (26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        "train-labels-idx1-ubyte.gz": (29515, "25c81989df183df01b3e8a0aad5dffbe"),
        "t10k-images-idx3-ubyte.gz": (4422102, "bef4ecab320f06d8554ea6380940ec79"),
        "t10k-labels-idx1-ubyte.gz": (5148, "bb300cfdad3c16e7a12a480ee83cd310"),
    },
)


def _downloaded(files: tuple[RemoteFile, ...], folder: Path, report: Report) -> Path:
    """The folder in which all files are, after downloading those that are not."""
    total = sum(file.size for file in files)
    done = 0
    for file in files:
        fetch(file, folder, within(report, done / total, (done + file.size) / total))
        done += file.size
    return folder


def _lie_in(files: tuple[RemoteFile, ...], folder: Path) -> bool:
    return all((folder / file.name).is_file() for file in files)


def _load_mnist(settings: NoSettings, report: Report) -> RawData:
    folder = _downloaded(MNIST_FILES, cache_folder() / "mnist", within(report, 0.0, 0.8))
    return read_parts(parts_of(folder), "MNIST", "CC BY-SA 3.0 (LeCun, Cortes & Burges)", within(report, 0.8, 1.0))


def _load_fashion(settings: NoSettings, report: Report) -> RawData:
    folder, rest = SYSTEM_FASHION, report
    if not _lie_in(FASHION_FILES, SYSTEM_FASHION):
        folder = _downloaded(FASHION_FILES, cache_folder() / "fashion-mnist", within(report, 0.0, 0.8))
        rest = within(report, 0.8, 1.0)
    raw = read_parts(parts_of(folder), "Fashion-MNIST", "MIT (Zalando SE)", rest)
    return replace(raw, class_names=GARMENTS)


MNIST = Source(
    "mnist",
    "MNIST",
    "70000 handwritten digits of 28×28; downloaded once (12 MB).",
    NoSettings,
    _load_mnist,
    at_hand=lambda: _lie_in(MNIST_FILES, cache_folder() / "mnist"),
)

FASHION = Source(
    "fashion-mnist",
    "Fashion-MNIST",
    "70000 pictures of garments of 28×28; from the system, or downloaded once (31 MB).",
    NoSettings,
    _load_fashion,
    at_hand=lambda: any(
        _lie_in(FASHION_FILES, folder) for folder in (SYSTEM_FASHION, cache_folder() / "fashion-mnist")
    ),
)
