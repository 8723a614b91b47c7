"""Every source of data, and what reads a choice of it."""

from __future__ import annotations

from dgm_studio.config import DataChoice
from dgm_studio.datasets import (
    bars,
    csv_files,
    digit_styles,
    digits,
    drawn,
    grammar,
    hdf5,
    idx,
    images,
    markov,
    mass_function,
    mnist,
    numpy_files,
    sprites,
    text,
    textures,
    toys,
)
from dgm_studio.datasets.base import BadData, Dataset, Report, Source, joined, prepare
from dgm_studio.datasets.recognise import recognise
from models.settings import read_settings

__all__ = ["SOURCES", "load", "recognise", "source"]

SOURCES: tuple[Source, ...] = (
    digits.SOURCE,
    digit_styles.SOURCE,
    *toys.SOURCES,
    drawn.SOURCE,
    bars.SOURCE,
    mass_function.SOURCE,
    sprites.SOURCE,
    textures.SOURCE,
    *markov.SOURCES,
    text.REFERENCE,
    grammar.SOURCE,
    mnist.MNIST,
    mnist.FASHION,
    images.SOURCE,
    numpy_files.SOURCE,
    hdf5.SOURCE,
    idx.SOURCE,
    csv_files.SOURCE,
    text.SOURCE,
)


WHERE = ("data", "data.other")  # of the settings of each domain


def source(key: str) -> Source:
    """The source named `key`. Raises BadData that lists those there are."""
    for entry in SOURCES:
        if entry.key == key:
            return entry
    raise BadData(f"There is no data set named {key!r}. There are: {', '.join(s.key for s in SOURCES)}.")


def load(choice: DataChoice, report: Report = lambda fraction, text: None) -> Dataset:
    """Read and prepare what `choice` names, of both domains where there are two. Raises BadData or
    SettingsError; nothing is changed."""
    return joined(*(_load(domain, where, report) for domain, where in zip(choice.domains, WHERE, strict=False)))


def _load(choice: DataChoice, where: str, report: Report) -> Dataset:
    chosen = source(choice.source)
    try:
        raw = chosen.load(read_settings(chosen.settings, choice.settings, where), report)
        return prepare(raw, choice.binarization, choice.split_seed, choice.levels)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # what torch raises on the CPU
            raise
        name = choice.settings.get("path") or chosen.title
        raise BadData(f"{name} needs more memory than there is. Close other programs, or use fewer examples.") from None
