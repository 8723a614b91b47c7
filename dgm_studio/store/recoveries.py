"""What a person can do with trainings that were cut off: bring them back, put them aside, offer them again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dgm_studio.store import format as fmt
from dgm_studio.store import lock as locks
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.records import new_id
from dgm_studio.store.recovery import DISMISSED, Recovery, left, left_in
from dgm_studio.store.run import Run

if TYPE_CHECKING:
    from dgm_studio.store.project import Project


class Recoveries:
    """What sessions that were cut off have left beside a project. Each of those `offered`, newest first, a person may
    `recover`, `dismiss` or leave for the next time. A project that is read-only offers none."""

    def __init__(self, project: Project) -> None:
        """Looks on the disk, and changes nothing there."""
        self._project = project
        self.offered: list[Recovery] = []
        self._superseded: list[Recovery] = []  # part of the project up to a step, or older than what is
        if not project.read_only:
            self._find()

    def held_step(self, recovery: Recovery) -> int | None:
        """The newest step of which the project itself keeps a state of the recovery's run: 0 when it keeps none, None
        when it does not hold the run."""
        run = self._project.all_runs.get(recovery.run_id)
        return None if run is None else max(run.checkpoint_steps(), default=0)

    def recover(self, recovery: Recovery, step: int | None = None) -> Run:
        """Make what a session left part of its run; with `step`, one of `recovery.steps`, only what it did up to there.

        Where the project does not hold the run, or holds something of it that this would replace (a later session, a
        later state), it becomes a run of its own. The session's folder goes when the next save has succeeded, but
        stays among the `dismissed` ones when a part of it was left out. Raises ProjectError, and nothing has changed:
        "missing" when there is no such state, "busy" while the run is in training, "damaged".
        """
        project = self._project
        with project.saving, project.lock:  # not during a save: what the run holds lies in the file that it replaces
            if step is not None and step not in recovery.steps:
                raise ProjectError(
                    "missing", project.path, f"no whole state of step {step} was left of {recovery.name}."
                )
            project.require_idle(recovery.run_id, recovery.name)
            run = project.all_runs.get(recovery.run_id)
            try:
                record, items = (recovery.first_record(), {}) if run is None else (run.record, run.items())
                new = Run(project, recovery.run_id, record, items)
                recovery.replayed(new, step)
            except ValueError as error:
                text = f"what was left of {recovery.name} makes no sense ({error}). The project is as it was."
                raise ProjectError("damaged", project.path, text) from None
            if run is None:
                run = project.add_run(new)
            elif _would_replace(run, new, recovery):
                run = project.add_run(Run(project, new_id(), new.record, new.items()))
            else:
                run.become(new)
            project.restore_run(run.id)
            run.prune(project.branched_steps(run), math.inf)  # how much room they may take, a training says
            until = None if step == recovery.step else step
            project.merge(run, recovery.folder, until)
            self.offered = [other for other in self.offered if other is not recovery]
            if until is not None:
                self._superseded.append(recovery)
            return run

    def dismiss(self, recovery: Recovery) -> None:
        """Offer it no more. It stays on disk, and can be restored. Raises ProjectError."""
        _rename(recovery.folder, recovery.folder.with_name(DISMISSED + recovery.session))
        with self._project.lock:
            self.offered = [other for other in self.offered if other is not recovery]

    def dismissed(self) -> list[Recovery]:
        """What is on disk and not offered: sessions that were dismissed, that are older than what the project holds, or
        of which it holds a part. The newest first. Reads the disk."""
        if self._project.read_only:
            return []
        return _newest_first([*self._superseded, *left_in(self._folders(), self._project.id, dismissed=True)])

    def restore(self, recovery: Recovery) -> Recovery:
        """Offer one of the dismissed again. Raises ProjectError."""
        folder = recovery.folder.with_name(recovery.session)
        if folder != recovery.folder:
            _rename(recovery.folder, folder)
        restored = left(folder, self._project.id)
        if restored is None:
            text = f"what was left of {recovery.name} is there no more."
            raise ProjectError("missing", self._project.path, text)
        with self._project.lock:
            self._superseded = [other for other in self._superseded if other.folder != folder]
            self.offered = _newest_first([*self.offered, restored])
        return restored

    def forget(self) -> None:
        """The project goes on in another file. What was cut off belongs to the old one, and stays beside it."""
        self.offered, self._superseded = [], []

    def _find(self) -> None:
        runs = self._project.all_runs
        merged = [run.record.merged for run in runs.values() if run.record.merged is not None]
        whole = {session.session for session in merged if session.until is None}
        partly = {session.session for session in merged}
        for recovery in left_in(self._folders(), self._project.id):
            run = runs.get(recovery.run_id)
            newest = run.record.merged if run is not None else None
            if recovery.discarded or recovery.session in whole:  # cut off between the save and the cleaning up
                self._project.remove_with_next_save(recovery.folder)
            elif recovery.session in partly or (newest is not None and recovery.saves < newest.saves):
                self._superseded.append(recovery)
            else:
                self.offered.append(recovery)
        self.offered = _newest_first(self.offered)

    def _folders(self) -> list[Path]:
        """The project's work folders, also under its earlier names. Not those of a project that was renamed while a
        window has it open: its training goes on."""
        folders = fmt.work_folders(self._project.path)
        return [f for f in folders if f == self._project.work_folder or not locks.is_open(fmt.project_of(f))]


def _would_replace(run: Run, new: Run, recovery: Recovery) -> bool:
    """Whether `run` holds something that `new`, which is `run` with the recovery, does not."""
    merged = run.record.merged
    return (
        (merged is not None and recovery.saves < merged.saves)
        or max(run.checkpoint_steps(), default=-1) > max(new.checkpoint_steps(), default=-1)
        or _measured(run) > _measured(new)
    )


def _measured(run: Run) -> int:
    """The last step of which a value is known; -1 before any."""
    return max((int(steps[-1]) for steps, _ in run.metrics.values()), default=-1)


def _newest_first(recoveries: Iterable[Recovery]) -> list[Recovery]:
    return sorted(recoveries, key=lambda r: (r.saves, r.step, r.rows), reverse=True)


def _rename(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        raise ProjectError("unwritable", folder, f"it cannot be renamed ({error.strerror}). It stays.") from None
