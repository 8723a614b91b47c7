"""What a training session keeps in NAME.dgm.work/SESSION/ until the project is saved: enough to go on after a crash.

`journal` has one line for each thing that happened, "CRC32 JSON"; the first names project, save counter and run. A line
cut off by a crash ends the journal. Each has the time at which it was written (ISO, UTC), which is only ever shown.
Checkpoints and frames are files of the project's own format, each whole or absent.
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from dgm_studio.store import format as fmt
from dgm_studio.store.metrics import Curve
from dgm_studio.store.reading import Stored
from dgm_studio.store.records import now
from dgm_studio.store.saving import TEMPORARY, Item, sync_folder, write

JOURNAL = "journal"
PART_NAME = re.compile(rf"(checkpoint|frame)-(\d{{1,15}}){re.escape(fmt.PART)}")

Line = dict[str, Any]


class Session:
    """One training session's folder. Used by one thread."""

    def __init__(self, work: Path, header: Line) -> None:
        """Begin the journal with `header`. Raises OSError."""
        self.id = uuid4().hex[:16]
        self.folder = work / self.id
        self._end = self._synced = 0  # of the last whole line, and of the last on the disk
        work.mkdir(exist_ok=True)
        self.folder.mkdir()
        self._journal = -1
        try:
            self._journal = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            self.append([header])
            self.sync()
            for folder in (self.folder, work, work.parent):  # a power cut must not take the journal's name
                sync_folder(folder)
        except OSError:
            if self._journal >= 0:
                self.close()
            remove(self.folder)
            raise

    def append(self, lines: list[Line]) -> None:
        """Add lines, all or none of them. Raises OSError."""
        time = now()
        data = b"".join(_sealed({**line, "time": time}) for line in lines)
        os.ftruncate(self._journal, self._end)  # what an earlier failure left
        end = self._end
        while data:
            written = os.pwrite(self._journal, data, end)
            data, end = data[written:], end + written
        self._end = end

    def sync(self) -> None:
        """Bring the lines to the disk. When that raises OSError, those since the last time are gone."""
        try:
            os.fsync(self._journal)
        except OSError:
            self._end = self._synced  # the system may have dropped them, and would not say so a second time
            raise
        self._synced = self._end

    def checkpoint(self, step: int, datasets: Mapping[str, Item]) -> dict[str, Stored]:
        """Keep a flattened state, and note when. Raises ProjectError or OSError."""
        self.append([{"state": step}])  # first, so that no whole state lies there without its time
        return write(self._part("checkpoint", step), datasets, fmt.WORK).items()

    def frame(self, step: int, samples: np.ndarray, means: bool) -> Stored:
        """Keep a preview. Raises ProjectError."""
        kind = "means" if means else "draws"
        return write(self._part("frame", step), {kind: samples}, fmt.WORK).items()[kind]

    def drop_checkpoint(self, step: int) -> None:
        """Let go of a state. Where the disk does not, it stays until the folder goes."""
        with suppress(OSError):
            self._part("checkpoint", step).unlink()

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
    """The lines up to the first that is not whole; none when there is no journal that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
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


def remove(folder: Path) -> None:
    """Remove what a merged session has left, its journal last: until then it can be recognised as merged. Files of
    anything else stay, and so does what the system does not let go: a save after the next opening tries again."""
    ours = re.compile(rf"({PART_NAME.pattern})(\..*{re.escape(TEMPORARY)})?")
    with suppress(OSError):
        for path in folder.iterdir():
            if ours.fullmatch(path.name):
                path.unlink()
        (folder / JOURNAL).unlink()
        folder.rmdir()
        folder.parent.rmdir()
