"""What a training session keeps in NAME.dgm.work/SESSION/ until the project is saved: enough to go on after a crash.

`journal` has one line for each thing that happened, "CRC32 JSON"; the first names project, save counter and run. A line
cut off by a crash ends the journal. Checkpoints and frames are files of the project's own format, each whole or absent.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from dgm_studio.events import Finding
from dgm_studio.store import format as fmt
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.metrics import Curve
from dgm_studio.store.reading import Stored, inspect
from dgm_studio.store.records import Best, known_status
from dgm_studio.store.run import WALL, Run
from dgm_studio.store.saving import Item, write

JOURNAL = "journal"
DISMISSED = "dismissed-"
_PART = re.compile(rf"(checkpoint|frame)-(\d{{1,15}}){re.escape(fmt.PART)}")

Line = dict[str, Any]


class Session:
    """One training session's folder. Used by one thread."""

    def __init__(self, work: Path, header: Line) -> None:
        """Begin the journal with `header`. Raises OSError."""
        self.id = uuid4().hex[:16]
        self.folder = work / self.id
        self.folder.mkdir(parents=True)
        self._journal = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._end = 0  # of the last whole line
        try:
            self.append([header])
            self.sync()
        except OSError:
            os.close(self._journal)
            shutil.rmtree(self.folder)
            raise

    def append(self, lines: list[Line]) -> None:
        """Add lines, all or none of them. Raises OSError."""
        data = b"".join(_sealed(line) for line in lines)
        os.ftruncate(self._journal, self._end)  # what an earlier failure left
        end = self._end
        while data:
            written = os.pwrite(self._journal, data, end)
            data, end = data[written:], end + written
        self._end = end

    def sync(self) -> None:
        os.fsync(self._journal)

    def checkpoint(self, step: int, datasets: Mapping[str, Item]) -> dict[str, Stored]:
        """Keep a flattened state. Raises ProjectError."""
        return write(self._part("checkpoint", step), datasets, fmt.WORK).items()

    def frame(self, step: int, samples: np.ndarray, means: bool) -> Stored:
        """Keep a preview. Raises ProjectError."""
        kind = "means" if means else "draws"
        return write(self._part("frame", step), {kind: samples}, fmt.WORK).items()[kind]

    def drop_checkpoint(self, step: int) -> None:
        self._part("checkpoint", step).unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self._journal)

    def _part(self, kind: str, step: int) -> Path:
        return self.folder / f"{kind}-{step}{fmt.PART}"


def metrics_line(metrics: Mapping[str, Curve]) -> Line:
    """Curves as a journal line: exact, and steps that several keys share only once."""
    groups: dict[bytes, dict[str, str]] = {}
    for key, (steps, values) in metrics.items():
        packed = base64.b64encode(values.astype("<f4").tobytes()).decode()
        groups.setdefault(steps.astype("<i8").tobytes(), {})[key] = packed
    return {"metrics": [[base64.b64encode(steps).decode(), values] for steps, values in groups.items()]}


def read_metrics(line: Line) -> dict[str, Curve]:
    """What `metrics_line` packed. Raises ValueError, TypeError or AttributeError on anything else."""
    result: dict[str, Curve] = {}
    for packed, group in line["metrics"]:
        steps = np.frombuffer(base64.b64decode(packed), "<i8")
        for key, values in group.items():
            result[key] = steps, np.frombuffer(base64.b64decode(values), "<f4")
            if len(result[key][1]) != len(steps):
                raise ValueError("steps and values differ in number")
    return result


def read_journal(path: Path) -> list[Line]:
    """The lines up to the first that is not whole; none when there is no journal."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    lines: list[Line] = []
    for row in data.splitlines(keepends=True):
        line = _opened(row)
        if line is None:
            break
        lines.append(line)
    return lines


def _sealed(line: Line) -> bytes:
    text = json.dumps(line, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _opened(row: bytes) -> Line | None:
    checksum, _, text = row[:-1].partition(b" ")
    if not row.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class Recovery:
    """What a session that was never merged has left. `step`: its newest whole checkpoint; `rows`: values measured."""

    run_id: str
    name: str
    step: int
    rows: int
    saves: int  # the project's save counter when the session began
    record: Line = field(repr=False)  # the run as it was then
    lines: list[Line] = field(repr=False)
    parts: dict[str, Item] = field(repr=False)  # checkpoints and frames, under their places within a run
    folder: Path = field(repr=False)
    problems: tuple[str, ...] = ()  # parts that could not be kept

    @property
    def discarded(self) -> bool:
        """Whether the person threw the session away, and only the cleaning up was cut off."""
        return "discarded" in self.lines[-1]

    def replay(self, run: Run) -> None:
        """Do to `run` what the session did. Raises KeyError, ValueError, TypeError or AttributeError."""
        run.conclude(
            "interrupted", f"Recovered after the studio was cut off; the newest whole state is of step {self.step}."
        )
        for line in self.lines[1:]:
            match line:
                case {"started": int(step), "provenance": dict(provenance)}:
                    run.rewind(step)
                    run.provenance = provenance
                case {"planned": int(steps), "device": str(device)}:
                    run.replan(steps, device)
                case {"finding": dict(finding), "step": int(step)}:
                    run.keep_finding(step, Finding(**finding))
                case {"metrics": _}:
                    run.keep_metrics(read_metrics(line))
                case {"best": best}:
                    run.best = Best.model_validate(best)
                case {"closing": str(status), "message": str(message)}:
                    run.conclude(known_status(status), message)
        states: dict[int, dict[str, Item]] = {}
        for place, item in self.parts.items():
            kind, which, rest = place.split("/", 2)
            if kind == "checkpoints":
                states.setdefault(int(which), {})[rest] = item
            else:
                run.keep_frame(int(rest), item, which == "means")
        for number, datasets in states.items():
            run.keep_checkpoint(number, datasets)


def leftovers(work: Path, project: str) -> Iterator[Recovery]:
    """Every session of this project in the folder. Reads and checks; changes nothing."""
    if not work.is_dir():
        return
    for folder in sorted(work.iterdir()):
        if folder.name.startswith(DISMISSED):
            continue
        lines = read_journal(folder / JOURNAL)
        if lines and lines[0].get("project") == project:
            recovery = _recovery(folder, lines)
            if recovery is not None:
                yield recovery


def _recovery(folder: Path, lines: list[Line]) -> Recovery | None:
    """None when the session's own lines make no sense: it is left where it is."""
    parts: dict[str, Item] = {}
    problems: list[str] = []
    newest = 0
    for path in sorted(folder.iterdir()):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        step = int(match[2])
        try:
            contents = inspect(path, fmt.WORK)
            for place, stored in contents.items().items():
                stored.read()
                inner = f"checkpoints/{step}/{place}" if match[1] == "checkpoint" else f"frames/{place}/{step}"
                parts[inner] = stored
        except ProjectError as error:
            problems.append(str(error))
            continue
        if match[1] == "checkpoint":
            newest = max(newest, step)
    try:
        header = lines[0]
        measured = [read_metrics(line) for line in lines if "metrics" in line]
        rows = sum(len(steps) for curves in measured for key, (steps, _) in curves.items() if key != WALL)
        run, name, saves, record = header["run"], header["record"]["name"], header["saves"], header["record"]
        if not (isinstance(run, str) and isinstance(name, str) and isinstance(saves, int)):
            return None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return Recovery(run, name, newest, rows, saves, record, lines, parts, folder, tuple(problems))


def remove(folder: Path) -> None:
    """Remove a merged session, its journal last: until then it can be recognised as merged."""
    for path in folder.iterdir():
        if path.name != JOURNAL:
            path.unlink()
    shutil.rmtree(folder)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()
