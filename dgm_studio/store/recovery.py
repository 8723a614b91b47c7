"""What training sessions that were cut off have left beside a project, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dgm_studio.events import Finding
from dgm_studio.store import format as fmt
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.reading import inspect
from dgm_studio.store.records import Best, RunRecord, known_status, laid_out
from dgm_studio.store.run import WALL, Run
from dgm_studio.store.saving import Item
from dgm_studio.store.work import JOURNAL, PART_NAME, Line, read_journal, read_metrics

DISMISSED = "dismissed-"  # begins the name of a session's folder that is offered no more


@dataclass(frozen=True)
class State:
    """A whole state that a session has left. `time`: when it was written (ISO, UTC); empty where nothing tells."""

    step: int
    time: str


@dataclass(frozen=True)
class Recovery:
    """What a session that was never merged has left.

    `states`: the whole ones, oldest first; `rows`: values measured, the last of them at step `measured` (None where
    there are none), which may be later than the newest state; `began` and `time`: of the first and the last line of its
    journal (ISO, UTC; empty where nothing tells), only to be shown; `problems`: sentences on what cannot be read.
    """

    run_id: str
    name: str
    states: tuple[State, ...]
    rows: int
    measured: int | None
    began: str
    time: str
    saves: int  # the project's save counter when the session began
    record: Line = field(repr=False)  # the run as it was then
    lines: list[Line] = field(repr=False)
    parts: dict[str, Item] = field(repr=False)  # checkpoints and frames, under their places within a run
    folder: Path = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def steps(self) -> list[int]:
        """Those of the whole states, in order: what a person can choose from."""
        return [state.step for state in self.states]

    @property
    def step(self) -> int:
        """That of the newest whole state; 0 when there is none."""
        return self.steps[-1] if self.states else 0

    @property
    def session(self) -> str:
        """Names the session, also when it was dismissed."""
        return self.folder.name.removeprefix(DISMISSED)

    @property
    def discarded(self) -> bool:
        """Whether the person threw the session away, and only the cleaning up was cut off."""
        return "discarded" in self.lines[-1]

    def replayed(self, run: Run, step: int | None) -> None:
        """Do to `run` what the session did, up to the state of `step`. Raises ValueError when that makes no run."""
        try:
            self._replay(run)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
        if step is not None and step != self.step:
            run.rewind(step)
            self._conclude(run, step)
        if not laid_out(run.items()):
            raise ValueError("its datasets are not those of a run")

    def first_record(self) -> RunRecord:
        """The run as it was when the session began. Raises ValueError."""
        return RunRecord.read(self.record)

    def _conclude(self, run: Run, step: int) -> None:
        run.conclude(
            "interrupted", f"Recovered after the studio was cut off; the newest whole state is of step {step}."
        )

    def _replay(self, run: Run) -> None:
        self._conclude(run, self.step)
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
                case {"demanded": int(step)}:
                    run.demand(step)
                case {"released": int(step)}:
                    run.release(step)
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


def left_in(folders: Iterable[Path], project: str, dismissed: bool = False) -> Iterator[Recovery]:
    """Every session of this project in these work folders: those that were dismissed, or the others. Reads and checks;
    changes nothing, and passes over what it cannot make sense of."""
    for work in folders:
        for folder in _inside(work):
            if folder.name.startswith(DISMISSED) is dismissed:
                recovery = left(folder, project)
                if recovery is not None:
                    yield recovery


def left(folder: Path, project: str) -> Recovery | None:
    """The session in this folder; None when it is not one of this project, or its own lines make no sense."""
    lines = read_journal(folder / JOURNAL)
    if not lines or lines[0].get("project") != project:
        return None
    parts: dict[str, Item] = {}
    problems: list[str] = []
    whole: list[int] = []
    for path in _inside(folder):
        match = PART_NAME.fullmatch(path.name)
        if match is None:
            continue
        step = int(match[2])
        try:
            found = _read(path, match[1], step)
        except ProjectError as error:
            problems.append(str(error))
        else:
            parts |= found
            if match[1] == "checkpoint":
                whole.append(step)
    try:
        header = lines[0]
        measured = [
            (len(steps), int(steps[-1]))
            for line in lines
            if "metrics" in line
            for key, (steps, _) in read_metrics(line).items()
            if key != WALL and len(steps)
        ]
        written = {line["state"]: _time(line) for line in lines if isinstance(line.get("state"), int)}
        run, name, saves, record = header["run"], header["record"]["name"], header["saves"], header["record"]
        if not (isinstance(run, str) and isinstance(name, str) and isinstance(saves, int)):
            return None
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return Recovery(
        run_id=run,
        name=name,
        states=tuple(State(step, written.get(step, "")) for step in sorted(whole)),
        rows=sum(count for count, _ in measured),
        measured=max((last for _, last in measured), default=None),
        began=_time(header),
        time=_time(lines[-1]),
        saves=saves,
        record=record,
        lines=lines,
        parts=parts,
        folder=folder,
        problems=tuple(problems),
    )


def _read(path: Path, kind: str, step: int) -> dict[str, Item]:
    """The datasets of a checkpoint or picture, every byte checked. Raises ProjectError."""
    found: dict[str, Item] = {}
    for place, stored in inspect(path, fmt.WORK).items().items():
        stored.read()
        found[f"checkpoints/{step}/{place}" if kind == "checkpoint" else f"frames/{place}/{step}"] = stored
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # no folder, or one that may not be looked at
        return []


def _time(line: Line) -> str:
    time: Any = line.get("time")
    try:
        datetime.fromisoformat(time)
    except (TypeError, ValueError):
        return ""
    return str(time)
