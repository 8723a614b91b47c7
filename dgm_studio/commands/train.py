"""`train` and `resume`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from dgm_studio import device as devices
from dgm_studio.circumstances import resume_warnings
from dgm_studio.commands.configure import configure
from dgm_studio.commands.keeping import keep
from dgm_studio.commands.output import CommandError, Output
from dgm_studio.commands.progress import clock, display, interruptible
from dgm_studio.commands.projects import config_of, data_of, recipe_of, run_of, state_of, writing
from dgm_studio.config import MAX_STEPS, Binarization
from dgm_studio.datasets.base import BadPreparation, Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.events import Cancelled, Failed, Finding, Finished, Progress, Started
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, Run
from dgm_studio.store.thinning import ROOM
from dgm_studio.training import Resume, TrainingSession


def train(
    preset: str | None = None,
    *,
    family: str | None = None,
    learner: str | None = None,
    data: str | None = None,
    other: str | None = None,
    binarization: Binarization | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    settings_file: Annotated[Path | None, Parameter(name="--config")] = None,
    project: Path | None = None,
    run: str = "",
    steps: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    json: bool = False,
) -> int:
    """Train a preset, or a family with the defaults of its learner, data and settings.

    Parameters
    ----------
    preset
        A key of `list presets`. Without it and without --family: the first one.
    family
        A key of `list families`.
    learner
        A key of `list learners`; the family's first if not given.
    data
        A key of `list datasets`; the family's own if not given.
    other
        The second data set, for what learns from two: a key of `list datasets`, or none.
    binarization
        How values in 0…1 become bits.
    set_
        A setting, as GROUP.FIELD=VALUE: model.hidden=200, learning.learning_rate=3e-4, training.batch_size=64,
        data.path=FILE, and other.path=FILE of the second data set. May be given again.
    settings_file
        A TOML file with family = "KEY" (or preset = "KEY") and the groups [data], [model], [learning] and [training]:
        only what differs from the defaults. Or the config.json of an export. Options change what it says.
    project
        The project file that keeps the run; made if it is not there. Without it: NAME.dgm in this folder, after the
        preset or family.
    run
        A name for the run; the preset's key, or a new name after the family, if not given.
    steps
        How many parameter updates.
    minutes
        Train for this long instead (or at most this long, when --steps is given too).
    seed
        Start of every random number of the run.
    device
        auto, cpu, cuda, cuda:N or mps.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if minutes is not None and minutes <= 0:
        raise CommandError("--minutes must be more than 0.")
    given = {"steps": MAX_STEPS if minutes and steps is None else steps, "seed": seed, "device": device}
    training = {key: value for key, value in given.items() if value is not None}
    config = configure(preset, family, learner, data, binarization, set_ or (), training, settings_file, other)
    devices.resolve(config.training.device)
    try:
        dataset = load(config.data)
    except BadPreparation as problem:
        if config.data.other is None:
            recipe_of(config).check(problem.given)  # what no preparation would make fit
        raise
    recipe_of(config).check(dataset.spec)
    named = preset or (settings_file.stem if settings_file else "")
    file = project or Path(f"{named or config.family}.dgm")
    with writing(file, create=True) as opened:
        new = opened.new_run(config, run or named)
        session = TrainingSession(config, dataset, minutes=minutes, history=ROOM > 0)
        return _carry_out(session, opened, new, dataset, output, minutes)


def resume(
    file: Path,
    *,
    run: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    data_path: list[Path] | None = None,
    json: bool = False,
) -> int:
    """Go on with a run exactly where it stopped.

    Parameters
    ----------
    file
        The project.
    run
        Name or id of the run; the newest if not given.
    steps
        How many more steps. Without it: those that were left, or as many as were planned last when all were done.
    minutes
        Train for this long instead (or at most this long, when --steps is given too).
    data_path
        Where the file or folder of the run's data lies now, if it was moved. It must be the same data; the project
        remembers the place. May be given for each of two data sets.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if (minutes is not None and minutes <= 0) or (steps is not None and steps < 1):
        raise CommandError("--steps and --minutes must be more than 0.")
    with writing(file) as project:
        chosen = run_of(project, run)
        devices.resolve(config_of(chosen).training.device)
        dataset = data_of(chosen, data_path, project, strict=True)
        config = config_of(chosen)
        for warning in resume_warnings(chosen):
            print(warning, file=sys.stderr)
        state = state_of(chosen)
        session = TrainingSession(config, dataset, Resume(state), minutes=minutes, history=ROOM > 0)
        planned = config.training.steps
        left = planned - state["step"]
        more = steps or (MAX_STEPS if minutes else left if left > 0 else chosen.planned_last)
        session.extend(state["step"] + more - planned)
        return _carry_out(session, project, chosen, dataset, output, minutes)


@dataclass
class _Outcome:
    """What a session came to."""

    started: Started | None = None
    progress: Progress | None = None
    findings: list[Finding] = field(default_factory=list)
    closing: Finished | Cancelled | Failed | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def take(self, event: object) -> None:
        match event:
            case Started():
                self.started = event
            case Progress():
                self.progress = event
                self.metrics |= {key: float(values[-1]) for key, (_, values) in event.metrics.items() if len(values)}
            case Finding():
                self.findings.append(event)
            case Finished() | Cancelled() | Failed():
                self.closing = event


def _carry_out(
    session: TrainingSession, project: Project, run: Run, dataset: Dataset, output: Output, minutes: float | None
) -> int:
    """Drive the session to its end, keep what it gives, and say what came of it."""
    output.say(f"Training run {run.name!r} into {project.path}.")
    outcome = _Outcome()
    recorder = Recorder(project, run, dataset.provenance, report=_say, relieved=_say, room=ROOM)
    try:
        with display(output.as_json, minutes and minutes * 60) as shown, interruptible(session):
            for event in session.events():
                recorder.record(event)
                outcome.take(event)
                shown.show(event)
    finally:
        keep(recorder, project, run)
    closing = outcome.closing
    assert closing is not None, "a session always ends with a closing event"
    if isinstance(closing, Failed):
        print(closing.details, end="", file=sys.stderr)
        raise CommandError(closing.text, code=2 if closing.kind == "bad input" else 1)
    _report(outcome, closing, project, run, output)
    return 0


def _say(text: str) -> None:
    """A sentence while a session runs, also where standard output is a document."""
    print(text, file=sys.stderr)


def _report(outcome: _Outcome, closing: Finished | Cancelled, project: Project, run: Run, output: Output) -> None:
    started, progress = outcome.started, outcome.progress
    assert started is not None, "a session that finished has started"
    assert progress is not None, "and made progress"
    status: Literal["stopped", "finished"] = "stopped" if getattr(closing, "stopped", True) else "finished"
    document: dict[str, Any] = {
        "project": str(project.path),
        "run": run.id,
        "name": run.name,
        "status": status,
        "step": closing.step,
        "seconds": round(progress.seconds, 3),
        "steps_per_second": round(progress.steps_per_second, 2),
        "device": started.device,
        "parameters": started.parameters,
        "metrics": outcome.metrics,
        "findings": [
            {"kind": f.kind, "text": f.text, "remedy": f.remedy, "changes": f.changes} for f in outcome.findings
        ],
    }
    output.say(f"{status.capitalize()} at step {closing.step} after {clock(progress.seconds)}.")
    output.table(("measured", "newest value"), outcome.metrics.items())
    output.say(f"Kept as {run.name!r} in {project.path}.")
    output.document(document)
