"""The end of a training whose project cannot be saved: because the disk is full, say."""

from __future__ import annotations

import sys
import time

from dgm_studio.commands.output import CommandError
from dgm_studio.recording import Recorder
from dgm_studio.store import Project, ProjectError, Run
from dgm_studio.store.recovery import left

TRY_EVERY = 5.0  # seconds between attempts to save
TRY_FOR = 600.0  # seconds until the last


def keep(recorder: Recorder, project: Project, run: Run) -> None:
    """Wait until everything of the training is on the disk; while there is no room, ask for some and try again. Raises
    CommandError that says what was kept, where, and how to bring it back."""
    try:
        recorder.close()
    except ProjectError as error:
        failure = _save_at_last(project, run) if error.code == "full" else error
        if failure is not None:
            reason = "there is no room on the disk." if failure.code == "full" else failure.text
            kept = _what_was_kept(recorder, project, run)
            raise CommandError(f"{run.name} was not saved: {reason} {kept}", code=1) from None


def _save_at_last(project: Project, run: Run) -> ProjectError | None:
    """Try for TRY_FOR seconds, or until Ctrl+C. Returns what still keeps the project from being saved."""
    print(
        f"All of {run.name} is still in memory. Free some space: saving is tried again every {TRY_EVERY:.0f} seconds, "
        f"for {TRY_FOR / 60:.0f} minutes. Ctrl+C gives up.",
        file=sys.stderr,
    )
    failure = ProjectError("full", project.path, "there is no room on the disk.")
    end = time.monotonic() + TRY_FOR
    try:
        while failure.code == "full" and time.monotonic() < end:
            time.sleep(TRY_EVERY)
            try:
                project.save()
            except ProjectError as error:
                failure = error
            else:
                print(f"There is room again, and all of {run.name} was saved.", file=sys.stderr)
                return None
    except KeyboardInterrupt:
        pass
    return failure


def _what_was_kept(recorder: Recorder, project: Project, run: Run) -> str:
    """Sentences on what a process that comes later finds on the disk."""
    found = left(recorder.folder, project.id) if recorder.folder is not None else None
    file = f"{project.path} is as it was saved last."
    if found is None or not (found.states or found.rows):
        return f"{file} Nothing of this training was kept."
    kept = [f"the state of step {found.step}"] if found.states else []
    kept += [f"what was measured up to step {found.measured}"] if found.rows else []
    lost = f" The state of step {recorder.unwritten[-1]} is lost." if recorder.unwritten else ""
    return (
        f"{file} Of this training, {found.folder} holds {' and '.join(kept)}.{lost} "
        f"When there is room, `dgm recover {project.path}` brings it back."
    )
