"""What commands need of project files; `check` and `recover`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dgm_studio import device as devices
from dgm_studio import moved_data
from dgm_studio.commands.output import CommandError, Output
from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets.base import BadData, Dataset, joined
from dgm_studio.datasets.identity import same_data
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import subject_from
from dgm_studio.events import Tree
from dgm_studio.store import Project, Recovery, Run
from dgm_studio.store import check as check_file
from dgm_studio.store.preflight import preflight
from dgm_studio.subject import Subject
from models.catalog import Recipe


def check(file: Path, *, json: bool = False) -> int:
    """Verify every byte of a project file and print what is in it.

    Parameters
    ----------
    file
        The project.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    preflight(file)
    lines = check_file(file)
    for line in lines:
        output.say(line)
    output.document({"file": str(file), "sound": True, "contents": lines})
    return 0


def recover(
    file: Path,
    *,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    run: str | None = None,
    step: int | None = None,
    dismissed: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> int:
    """Bring back what trainings that were cut off (a crash, a power cut) have left beside a project.

    Parameters
    ----------
    file
        The project.
    list_
        Only say what was left, and change nothing.
    run
        Only what was left of the run with this name or id.
    step
        Go back to the state of this step instead of the newest. What came after it stays on disk, as dismissed.
    dismissed
        Deal with what was dismissed before instead.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    with writing(file, hint=False) as project:
        found = project.dismissed() if dismissed else project.recoveries
        chosen = [left for left in found if run in (None, left.name, left.run_id)]
        if step is not None and len(chosen) > 1:
            raise CommandError("Several trainings were cut off: --step needs --run, and one that has only one.")
        for left in chosen:
            _describe(left, project, output)
        if not chosen:
            output.say(f"Nothing was left beside {file}.")
        recovered = [] if list_ else [_recover(left, step, dismissed, project, output) for left in chosen]
        if recovered:
            project.save()
    output.document({"project": str(file), "left": [_document(left) for left in chosen], "recovered": recovered})
    return 0


def _recover(left: Recovery, step: int | None, dismissed: bool, project: Project, output: Output) -> dict[str, object]:
    run = project.recover(project.restore(left) if dismissed else left, step)
    back = left.step if step is None else step
    output.say(f"{run.name}: back at step {back}.")
    return {"run": run.id, "name": run.name, "step": back, "problems": list(left.problems)}


def _describe(left: Recovery, project: Project, output: Output) -> None:
    states = ", ".join(f"{state.step} ({_local(state.time)})" for state in left.states) or "none"
    measured = f"{left.rows} values up to step {left.measured}" if left.rows else "nothing measured"
    held = project.held_step(left)
    there = "is not in the project" if held is None else f"is in the project up to step {held}"
    output.say(f"{left.name}: cut off at {_local(left.time)}, {measured}; states of steps: {states}. The run {there}.")
    for problem in left.problems:
        output.say(f"    cannot be read: {problem}")


def _local(time: str) -> str:
    """An ISO time as a person here writes it."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}" if time else "an unknown time"


def _document(left: Recovery) -> dict[str, object]:
    return {
        "run": left.run_id,
        "name": left.name,
        "began": left.began,
        "time": left.time,
        "states": [{"step": state.step, "time": state.time} for state in left.states],
        "rows": left.rows,
        "measured": left.measured,
        "problems": list(left.problems),
    }


def reading(file: Path) -> Project:
    """The project, not to be changed."""
    return Project.open(file, read_only=True)


@contextmanager
def writing(file: Path, create: bool = False, hint: bool = True) -> Iterator[Project]:
    """The project, to be changed; with `create` a new one where there is none. Raises CommandError when another
    process holds it. With `hint`, says so when a training was cut off."""
    with Project.create(file) if create and not file.exists() else Project.open(file) as project:
        if project.read_only:
            who = f" by {project.holder}" if project.holder else ""
            raise CommandError(f"{file} cannot be changed: it is open elsewhere{who}, or it is write-protected.")
        if hint and project.recoveries:
            names = ", ".join(left.name for left in project.recoveries)
            print(f"A training was cut off ({names}). `dgm recover {file}` brings it back.", file=sys.stderr)
        yield project


def run_of(project: Project, name: str | None) -> Run:
    """The run with this id or name; the newest without one. Raises CommandError that lists those there are."""
    runs = list(project.runs.values())
    if not runs:
        raise CommandError(f"{project.path} holds no run.")
    if name is None:
        return runs[-1]
    for run in reversed(runs):
        if name in (run.id, run.name):
            return run
    raise CommandError(f"{project.path} holds no run {name!r}. It holds: {', '.join(run.name for run in runs)}.")


def config_of(run: Run) -> RunConfig:
    """The run's configuration. Raises CommandError when this studio does not know the family."""
    if run.config is None:
        raise CommandError(f"This studio cannot read how run {run.name!r} was made; only its history can be shown.")
    return run.config


def state_of(run: Run) -> Tree:
    """The run's newest state. Raises CommandError when it keeps none."""
    if not run.checkpoint_steps():
        raise CommandError(f"{run.name!r} keeps no state: it was cut off before its first step. Train it anew.")
    return run.checkpoint()


def recipe_of(config: RunConfig) -> Recipe:
    """The catalogue's entries and checked settings. Raises UnknownKey or SettingsError."""
    return Recipe.read(config.family, config.learner, config.model, config.learning)


def data_of(
    run: Run, places: Sequence[Path] | None = None, project: Project | None = None, strict: bool = False
) -> Dataset:
    """The run's data; with `places`, of one domain each, read from there and, in `project`, from now on. Raises
    BadData, SettingsError, and CommandError when it is not what the run was trained on. Of what is not read from
    `places`, and unless `strict`, that is only said."""
    choice = config_of(run).data
    domains = dict(_moved(run, choice, place, project) for place in places or ())
    hint = " --data-path PATH says where it lies now." if moved_data.places(choice) else ""
    try:
        domains |= {n: load(domain) for n, domain in enumerate(choice.domains) if n not in domains}
        dataset = joined(*(domains[n] for n in sorted(domains)))
    except BadData as error:
        raise CommandError(f"{error}{hint}") from None
    changed = same_data(moved_data.recorded(run), dataset)
    if changed and strict:
        raise CommandError(f"{changed}{hint}")
    if changed:
        print(f"{changed}{hint}", file=sys.stderr)
    return dataset


def _moved(run: Run, choice: DataChoice, place: Path, project: Project | None) -> tuple[int, Dataset]:
    number, dataset = moved_data.found(run, choice, place, load)
    if project is not None:
        moved_data.move(project, run, place, number)
    return number, dataset


def subject_of(run: Run, device: str, seed: int, places: Sequence[Path] | None = None) -> Subject:
    """The run's newest weights, ready to be asked, with randomness from `seed`. `places`: see `data_of`."""
    dataset = data_of(run, places)
    return subject_from(recipe_of(config_of(run)), dataset, state_of(run), devices.resolve(device), seed)
