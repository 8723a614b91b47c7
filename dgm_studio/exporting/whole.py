"""An export as a whole: all of its parts, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from safetensors import SafetensorError

from dgm_studio import __version__
from dgm_studio.exporting.base import Cancelled, Frame, Part, Source, Tell
from dgm_studio.exporting.curves import Curves, Tables
from dgm_studio.exporting.onnx_nets import Onnx
from dgm_studio.exporting.samples import SampleFiles
from dgm_studio.exporting.script import Script
from dgm_studio.exporting.tensorboard import TensorBoard
from dgm_studio.exporting.weights import Weights
from dgm_studio.files import NotWritten
from dgm_studio.reports import Table, from_tree
from dgm_studio.store import Run
from dgm_studio.store.lock import Lock, take
from dgm_studio.subject import Subject
from models.catalog import Recipe

__all__ = [
    "PARTS",
    "Cancelled",
    "Exported",
    "NotWritten",
    "Part",
    "Source",
    "parts_of",
    "source_of",
    "source_without_data",
    "write",
]

PARTS: tuple[Part, ...] = (Weights(), Script(), Onnx(), SampleFiles(), Curves(), Tables(), TensorBoard())
REPORT = "export.json"  # what marks a folder as an export, which another may replace
PART, OLD = ".part", ".old"  # what is written beside its place, and what goes aside for it
LOCK = ".lock"  # in the former: held while its process lives


@dataclass(frozen=True)
class Exported:
    """What was written: files relative to the folder, and sentences by part."""

    folder: Path
    files: tuple[str, ...]
    notes: tuple[tuple[str, str], ...] = ()


def parts_of(keys: Iterable[str]) -> list[Part]:
    """The parts of these names. Raises KeyError with a sentence."""
    known = {part.key: part for part in PARTS}
    chosen = list(dict.fromkeys(keys))
    for key in chosen:
        if key not in known:
            raise KeyError(f"There is nothing to export named {key!r}. There are: {', '.join(known)}.")
    return [part for part in PARTS if part.key in chosen]


def write(source: Source, parts: Sequence[Part], folder: Path, tell: Callable[[float, str], None]) -> Exported:
    """Write `parts` to `folder`, which is made, is empty, or holds an earlier export that is replaced. `tell(fraction,
    what)` hears what is done, and raises Cancelled to end it: the last time at a fraction of 1, before the
    finished folder is put in its place. Whatever happens, `folder` is as it was or complete.

    Raises NotWritten, or Cancelled."""
    _check(folder)
    if source.subject is None and all(part.needs_data for part in parts):
        raise NotWritten(f"{folder} was not written: what was chosen needs the run's data. {source.missing}")
    config = source.config
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    model, learner = recipe.family.model, recipe.learning.learner
    notes: list[tuple[str, str]] = []
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.{token_hex(4)}{PART}")
    lock = Lock(partial / LOCK)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        partial.mkdir()
        lock = take(lock.path)
        for place, part in enumerate(parts):
            refusal = part.refusal(model, learner)
            if refusal:
                notes.append((part.key, refusal))
                continue
            if part.needs_data and source.subject is None:
                notes.append((part.key, f"Left out: it needs the run's data. {source.missing}"))
                continue
            notes += [(part.key, text) for text in part.write(source, partial, _telling(tell, place / len(parts)))]
        written = (path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file())
        files = tuple(sorted(name for name in written if name != LOCK))
        _describe(source, partial, files, notes)
        tell(1.0, "Putting it in its place …")
        lock.release()
        _put(partial, folder)
    except (OSError, SafetensorError) as error:
        raise NotWritten(
            f"{folder} was not written: {_reason(error)}. Nothing was left behind; choose another place."
        ) from error
    finally:
        lock.release()
        shutil.rmtree(partial, ignore_errors=True)
    return Exported(folder, (*files, REPORT), tuple(notes))


def _reason(error: OSError | SafetensorError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    number = re.search(r"\(os error (\d+)\)", str(error))  # that of the system, which safetensors puts into words
    return os.strerror(int(number[1])) if number else str(error)


def _telling(tell: Callable[[float, str], None], fraction: float) -> Tell:
    """What a part tells, at this fraction of all."""
    return lambda what: tell(fraction, what)


def _check(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise NotWritten(f"{folder} was not written: it is there, and is no folder. Choose another name.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / REPORT).is_file():
        raise NotWritten(f"{folder} was not written: it holds other files. Choose an empty folder or a new name.")


def _describe(source: Source, folder: Path, files: Sequence[str], notes: Sequence[tuple[str, str]]) -> None:
    described = {
        "studio": __version__,
        "run": source.name,
        "family": source.config.family,
        "step": source.step,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": [{"part": key, "text": text} for key, text in notes],
        "files": {name: _sha256(folder / name) for name in files},
    }
    (folder / REPORT).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:  # in parts: weights may be gigabytes
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clear(folder: Path) -> None:
    """Remove what exports to `folder` left that were killed. An earlier one that had gone aside comes back."""
    name = re.compile(rf"\.{re.escape(folder.name)}\.\d+(\.[0-9a-f]+)?(\{PART}|\{OLD})")
    for left in [path for path in folder.parent.iterdir() if name.fullmatch(path.name)]:
        if left.suffix == OLD and not folder.exists():
            left.rename(folder)
            continue
        lock = take(left / LOCK)
        if lock.mine:  # nobody writes it any more
            shutil.rmtree(left, ignore_errors=True)
        lock.release()


def _put(partial: Path, folder: Path) -> None:
    """Rename the finished folder to its place. What was there goes aside first, and comes back if that fails."""
    _check(folder)  # once more: somebody may have put something there meanwhile
    if not folder.exists():
        partial.rename(folder)
        return
    aside = folder.with_name(f".{folder.name}.{os.getpid()}{OLD}")
    folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def source_without_data(run: Run, step: int, missing: str) -> Source:
    """A run of a project as it was at a kept state, whose data are not there: `missing` says why."""
    tensors = run.checkpoint(step, ("model",))["model"]
    return replace(source_of(run, None), tensors=tensors, kept_at=step, missing=missing)


def source_of(run: Run, subject: Subject | None, samples: int = 64, seed: int = 0) -> Source:
    """A run of a project, as `subject` has its state."""
    assert run.config is not None

    def frame(step: int) -> Frame:
        return Frame(step, *run.frame(step))

    tables = []
    for kept in run.evaluations:
        reports = (from_tree(tree) for tree in kept.tree.get("reports", []))
        tables += [(kept.key, kept.step, report) for report in reports if isinstance(report, Table)]
    return Source(
        run.name,
        run.config,
        subject,
        datetime.fromisoformat(run.created).timestamp(),
        run.metrics,
        run.wall,
        tuple(run.frame_steps()),
        frame,
        tuple(tables),
        samples,
        seed,
    )
