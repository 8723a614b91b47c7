"""Tables of numbers as text: one example a line, with a header and a column of labels if there are any."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dgm_studio.datasets.base import BadData, Provenance, RawData, Report, Source
from dgm_studio.datasets.files import (
    ShapeSettings,
    check_packing,
    check_size,
    existing,
    opened,
    reading,
    within,
)
from dgm_studio.datasets.values import CLASSES, LARGEST, classes, examples, symbol_names
from dgm_studio.number_texts import bytes_text
from models.settings import setting

LINE = 2**21  # bytes a line may have
TEXT = 2**33  # bytes a table may have, unpacked
COLUMNS = 100_000
MARKS = ";\t,"  # what may stand between columns, if not spaces; the first of equals is taken
UNICODE = (b"\xff\xfe", b"\xfe\xff")  # how texts in UTF-16 and UTF-32 begin
LINES = 4096  # parsed together
DECIMALS = "Decimals are written with a comma there: save it with points."
START = 4096  # bytes by which a table is told from prose
LOOKED_AT = 20  # lines of them
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
                raise BadData(
                    f"{self._path}: line {self.number} is longer than {bytes_text(LINE)}: this is no table with an "
                    f"example in each line. Save large examples as .npz."
                )
            if self.bytes > TEXT:
                raise BadData(f"{self._path} holds more than {bytes_text(TEXT)} of text. Save it as .npz.")
            if text := self._text(line):
                lines.append((self.number, text))
        return lines

    def _text(self, line: bytes) -> str:
        """The line without its end, or nothing if it is blank."""
        if self.number == 1 and line.startswith(UNICODE):
            raise BadData(f"{self._path} is written in UTF-16, as Excel's Unicode text is. Save it as CSV in UTF-8.")
        try:
            text = line.decode("utf-8-sig" if self.number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError as error:
            raise BadData(
                f"{self._path}: line {self.number} is not text in UTF-8 (byte {error.start} is "
                f"0x{line[error.start]:02x}). Save it as CSV in UTF-8."
            ) from None
        if "\0" in text:
            raise BadData(f"{self._path}: line {self.number} is not text: it holds a zero byte.")
        if "\r" in text:
            raise BadData(
                f"{self._path}: line {self.number} has line ends of old Macintosh systems within it. Save it with the "
                f"usual ones."
            )
        return text if text.strip() else ""


def format_of(path: Path) -> tuple[Format, tuple[str, ...]]:
    """How the table is written, and its first row of values. Raises BadData."""
    with reading(path), opened(path) as file:
        first = [text for _, text in _Lines(file, path).take(2)]
    if not first:
        raise BadData(f"{path} is empty. Save it with the examples in it.")
    delimiter = max([mark for mark in MARKS if mark in first[0]] or " ", key=lambda mark: _numbers(first, mark))
    rows = [tuple(cell.strip() for cell in _cells(line, delimiter, path)) for line in first]
    columns = len(rows[0])
    if columns > COLUMNS:
        raise BadData(f"{path} has {columns:,} columns; tables of up to {COLUMNS:,} are read. Save it as .npz.")
    header = rows[0] if _is_header(rows) else ()
    if not any(_is_number(cell) for row in rows for cell in row):
        hint = DECIMALS if any(_with_comma(cell) for row in rows for cell in row) else "Choose a file of numbers."
        raise BadData(f"{path} is text, but its first lines hold no numbers: this is no table of examples. {hint}")
    if header and len(rows) == 1:
        raise BadData(f"{path} has a header but no rows. Save it with the examples in it.")
    return Format(delimiter, header, columns), rows[-1] if header else rows[0]


def is_table(start: bytes) -> bool:
    """Whether a text that begins so is a table of numbers and not prose: half of what its first lines hold are
    numbers, or all have as many columns and some column but for its name is numbers."""
    lines = [line for line in start.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    lines = lines[: -1 if len(start) == START and len(lines) > 1 else None][:LOOKED_AT]  # the last may be cut
    words = [word.strip('"') for line in lines for word in re.split(r"[\s,;]+", line.strip())]
    if 2 * sum(map(_is_number, words)) >= len(words) > 0:
        return True
    for mark in MARKS:
        rows = [line.split(mark) for line in lines]
        columns = len(rows[0]) if rows else 0
        if columns > 1 and len(rows) > 1 and all(len(row) == columns for row in rows):
            return any(all(_is_number(row[k].strip().strip('"')) for row in rows[1:]) for k in range(columns))
    return False


def _numbers(lines: list[str], mark: str) -> tuple[int, int]:
    """How many cells of the given lines are numbers if `mark` stands between columns, and, negated, how many are not.
    Commas also stand within numbers, where something else separates them."""
    cells = [cell.strip().strip('"') for line in lines for cell in (line.split() if mark == " " else line.split(mark))]
    numbers = sum(_is_number(cell) or (mark != "," and _with_comma(cell)) for cell in cells)
    return numbers, numbers - len(cells)


def _with_comma(cell: str) -> bool:
    return re.fullmatch(r'"?[-+]?\d+,\d+"?', cell.strip()) is not None


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
    form, _ = format_of(path)
    label = form.label_column(settings.label, path)
    x, labels, digest = _read(path, form, label, within(report, 0.0, 0.9))
    y, names = labels.classes(f"the label column of {path}") if label is not None else (None, ())
    values, support, layout, steps = examples(x, settings.shape, str(path))
    if label is not None:
        steps = (f"labels from column {form.header[label] if form.header else label + 1}", *steps)
    if form.header:
        steps = ("first line taken as names of the columns", *steps)
    provenance = Provenance(path.name, ((str(path), digest),), steps)
    symbols = symbol_names(values, support)
    return RawData(values, y, support, layout, provenance, names, standardise=settings.standardise, symbols=symbols)


@dataclass
class _Labels:
    """The label column: a number for each line, and the texts they stand for."""

    texts: dict[str, int] = field(default_factory=dict)
    numbers: list[np.ndarray] = field(default_factory=list)

    def take(self, cells: list[str], path: Path) -> None:
        self.numbers.append(
            np.fromiter((self.texts.setdefault(cell, len(self.texts)) for cell in cells), np.int32, len(cells))
        )
        if len(self.texts) > CLASSES:
            raise BadData(
                f"The label column of {path} holds more than {CLASSES} different values: these are no classes. Choose "
                f"another column, or none, in data.label."
            )

    def classes(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        texts = list(self.texts)
        values = np.array([float(text) for text in texts]) if all(map(_is_number, texts)) else np.array(texts)
        y, names = classes(values, name)
        return y[np.concatenate(self.numbers)], names


def _read(path: Path, form: Format, label: int | None, report: Report) -> tuple[np.ndarray, _Labels, str]:
    """All values (N, columns) float32, the label column, and the checksum of the file."""
    wanted = [i for i in range(form.columns) if i != label]
    if not wanted:
        raise BadData(f"{path} has no column of values beside the labels.")
    blocks: list[np.ndarray] = []
    labels = _Labels()
    digest = hashlib.sha256()
    rows = 0
    size = max(1, path.stat().st_size)
    with reading(path), opened(path, digest) as file:
        lines = _Lines(file, path)
        if form.header:
            lines.take(1)
        while chunk := lines.take(max(1, min(LINES, 2**24 // (8 * form.columns)))):
            blocks.append(_values(chunk, form, wanted, path))
            if label is not None:
                labels.take([_cells(line, form.delimiter, path)[label].strip() for _, line in chunk], path)
            rows += len(chunk)
            check_size(rows * len(wanted), str(path))
            check_packing(lines.bytes, size, str(path))
            report(min(1.0, lines.bytes / size), f"Reading {path.name}: {rows} rows")
        return np.concatenate(blocks), labels, digest.hexdigest()


def _values(chunk: list[tuple[int, str]], form: Format, wanted: list[int], path: Path) -> np.ndarray:
    unclosed = next((i for i, line in chunk if line.count('"') % 2), None)
    if unclosed is not None:  # it would take in the line that follows
        raise BadData(f"{path}: line {unclosed} has a quotation mark that is not closed. Correct this line.")
    delimiter = None if form.delimiter == " " else form.delimiter
    columns = None if len(wanted) == form.columns else wanted
    try:
        with np.errstate(over="ignore"):  # what does not fit is refused below, with its place
            table = np.loadtxt(
                [line for _, line in chunk], np.float32, None, delimiter, usecols=columns, ndmin=2, quotechar='"'
            )
    except ValueError:
        raise BadData(_first_fault(chunk, form, wanted, path)) from None
    if table.shape != (len(chunk), len(wanted)) or not np.isfinite(table).all():
        raise BadData(_first_fault(chunk, form, wanted, path))
    return table


def _first_fault(chunk: list[tuple[int, str]], form: Format, wanted: list[int], path: Path) -> str:
    """Which cell of these lines is no number."""
    for i, line in chunk:
        cells = _cells(line, form.delimiter, path)
        if len(cells) != form.columns:
            return f"{path}: line {i} has {len(cells)} columns, but the first has {form.columns}. Correct this line."
        for k in wanted:
            cell, place = cells[k], f"{path}: line {i}, column {f'{form.header[k]!r}' if form.header else k + 1}"
            if _with_comma(cell):
                return f"{place} holds {cell!r}, not a number. {DECIMALS}"
            if not _is_number(cell):
                text = f"holds {cell[:40]!r}, not a number" if cell.strip() else "is empty"
                return f"{place} {text}. If this is the label, name the column in data.label."
            if not abs(float(cell)) <= LARGEST:
                return f"{place} holds {cell[:40]!r}, no number that fits 32 bits. Leave the line out, or give another."
    return f"{path} is not a table of numbers: something is wrong in lines {chunk[0][0]} to {chunk[-1][0]}."


SOURCE = Source("csv", "CSV tables", "Rows of numbers as text, packed or not.", CsvSettings, _load)
