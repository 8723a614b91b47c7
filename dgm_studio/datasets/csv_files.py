"""Tables of numbers as text: one example a line, with a header and a column of labels if there are any."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import (
    CLASSES,
    FILE_LIMIT,
    ShapeSettings,
    bytes_text,
    check_size,
    classes,
    examples,
    existing,
    opened,
    reading,
    sha256,
    within,
)
from models.settings import setting

LINE = 2**21  # bytes a line may have
COLUMNS = 100_000
LINES = 4096  # parsed together
LABEL_NAMES = ("label", "labels", "class", "target", "y", "species")


class CsvSettings(ShapeSettings):
    label: str = setting(
        "auto",
        title="Label column",
        help="Its name, or its number from 1 (-1: the last); none; or auto: a column that the header calls label, "
        "class, target, y or species.",
    )


@dataclass(frozen=True)
class Format:
    """How a table is written, from its first line."""

    delimiter: str
    header: tuple[str, ...]  # empty without one
    columns: int

    def label_column(self, wanted: str, path: Path) -> int | None:
        if wanted == "none":
            return None
        names = [name.lower() for name in self.header]
        if wanted == "auto":
            return next((names.index(name) for name in LABEL_NAMES if name in names), None)
        if wanted.lower() in names:
            return names.index(wanted.lower())
        if re.fullmatch(r"-?\d+", wanted) and 1 <= abs(int(wanted)) <= self.columns:
            return int(wanted) - 1 if int(wanted) > 0 else self.columns + int(wanted)
        there = f"columns {', '.join(self.header[:10])}" if self.header else f"no header and {self.columns} columns"
        raise BadData(f"{path} has no column {wanted!r} for labels: it has {there}.")


class _Lines:
    """The lines of a file, numbered from 1, each of a bounded length."""

    def __init__(self, file: io.BufferedIOBase, path: Path) -> None:
        self._file, self._path, self.number, self.bytes = file, path, 0, 0

    def take(self, n: int) -> list[tuple[int, str]]:
        """Up to n lines that are not blank, with their numbers."""
        lines: list[tuple[int, str]] = []
        while len(lines) < n and (line := self._file.readline(LINE + 1)):
            self.number += 1
            self.bytes += len(line)
            if len(line) > LINE:
                raise BadData(f"{self._path}: line {self.number} is longer than {bytes_text(LINE)}: this is no table.")
            if self.bytes > FILE_LIMIT:
                raise BadData(f"{self._path} holds more than {bytes_text(FILE_LIMIT)} of text.")
            try:
                text = line.decode("utf-8-sig" if self.number == 1 else "utf-8").strip("\r\n")
            except UnicodeDecodeError:
                raise BadData(f"{self._path}: line {self.number} is not text.") from None
            if "\0" in text:
                raise BadData(f"{self._path}: line {self.number} is not text.")
            if text.strip():
                lines.append((self.number, text))
        return lines


def format_of(path: Path) -> tuple[Format, tuple[str, ...]]:
    """How the table is written, and its first row of values. Raises BadData."""
    with reading(path), opened(path) as file:
        first = [text for _, text in _Lines(file, path).take(2)]
    if not first:
        raise BadData(f"{path} is empty.")
    counts = {mark: first[0].count(mark) for mark in ",;\t"}
    delimiter = max(counts, key=lambda mark: counts[mark])
    if counts[delimiter] == 0:
        delimiter = " "
    rows = [tuple(cell.strip() for cell in _cells(line, delimiter, path)) for line in first]
    columns = len(rows[0])
    if columns > COLUMNS:
        raise BadData(f"{path} has {columns:,} columns; tables of up to {COLUMNS:,} are read.")
    header = rows[0] if _is_header(rows) else ()
    if not any(_is_number(cell) for row in rows for cell in row):
        raise BadData(f"{path} is text, but its first lines hold no numbers: this is no table of examples.")
    if header and len(rows) == 1:
        raise BadData(f"{path} has a header but no rows.")
    return Format(delimiter, header, columns), rows[-1] if header else rows[0]


def _is_header(rows: list[tuple[str, ...]]) -> bool:
    """Whether the first row names the columns: by text where the next row has numbers, or by counting from 0."""
    first, second = rows[0], rows[-1]
    if len(rows) == 1:
        return not any(map(_is_number, first))
    counting = tuple(str(i) for i in range(len(first)))
    return (len(first) > 2 and first == counting) or any(
        not _is_number(name) and _is_number(value) for name, value in zip(first, second, strict=False)
    )


def _cells(line: str, delimiter: str, path: Path) -> list[str]:
    if delimiter == " ":
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise BadData(f"{path} is not a table: {error}.") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _load(settings: CsvSettings, report: Report) -> RawData:
    path = existing(settings.path)
    digest = sha256(path, within(report, 0.0, 0.1))
    form, _ = format_of(path)
    label = form.label_column(settings.label, path)
    x, labels = _read(path, form, label, within(report, 0.1, 0.9))
    y, names = classes(_numbers_or_text(labels), f"the label column of {path}") if label is not None else (None, ())
    values, support, layout, steps = examples(x, settings.shape, str(path))
    if label is not None:
        steps = (f"labels from column {form.header[label] if form.header else label + 1}", *steps)
    if form.header:
        steps = ("first line taken as names of the columns", *steps)
    provenance = Provenance(path.name, ((str(path), digest),), steps)
    return RawData(values, y, support, layout, provenance, names, standardise=settings.standardise)


def _read(path: Path, form: Format, label: int | None, report: Report) -> tuple[np.ndarray, list[str]]:
    """All values (N, columns) float32, and the text of the label column."""
    wanted = [i for i in range(form.columns) if i != label]
    if not wanted:
        raise BadData(f"{path} has no column of values beside the labels.")
    blocks: list[np.ndarray] = []
    labels: list[str] = []
    distinct: set[str] = set()
    rows = 0
    size = path.stat().st_size
    with reading(path), opened(path) as file:
        lines = _Lines(file, path)
        if form.header:
            lines.take(1)
        while chunk := lines.take(max(1, min(LINES, 2**24 // (8 * form.columns)))):
            blocks.append(_values(chunk, form, wanted, path))
            if label is not None:
                new = [_cells(line, form.delimiter, path)[label].strip() for _, line in chunk]
                distinct.update(new)
                labels += new
                if len(distinct) > CLASSES:
                    raise BadData(f"The label column of {path} holds more than {CLASSES} different values.")
            rows += len(chunk)
            check_size(rows * len(wanted), str(path))
            report(min(1.0, lines.bytes / size), f"Reading {path.name}: {rows} rows")
    return np.concatenate(blocks), labels


def _values(chunk: list[tuple[int, str]], form: Format, wanted: list[int], path: Path) -> np.ndarray:
    delimiter = None if form.delimiter == " " else form.delimiter
    columns = None if len(wanted) == form.columns else wanted
    try:
        table = np.loadtxt(
            [line for _, line in chunk], np.float32, None, delimiter, usecols=columns, ndmin=2, quotechar='"'
        )
    except ValueError:
        raise BadData(_first_fault(chunk, form, wanted, path)) from None
    if columns is None and table.shape[1] != form.columns:
        raise BadData(_first_fault(chunk, form, wanted, path))
    return table


def _first_fault(chunk: list[tuple[int, str]], form: Format, wanted: list[int], path: Path) -> str:
    """Which cell of these lines is no number."""
    for i, line in chunk:
        cells = _cells(line, form.delimiter, path)
        if len(cells) != form.columns:
            return f"{path}: line {i} has {len(cells)} columns, but the first has {form.columns}."
        for k in wanted:
            if not _is_number(cells[k]):
                name = f"{form.header[k]!r}" if form.header else str(k + 1)
                text = f"holds {cells[k][:40]!r}, not a number" if cells[k].strip() else "is empty"
                return f"{path}: line {i}, column {name} {text}. If this is the label, name the column in data.label."
    return f"{path} is not a table of numbers."


def _numbers_or_text(labels: list[str]) -> np.ndarray:
    return np.array([float(label) for label in labels]) if all(map(_is_number, labels)) else np.array(labels)


SOURCE = Source("csv", "CSV tables", "Rows of numbers as text, packed or not.", CsvSettings, _load)
