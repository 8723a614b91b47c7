"""The runs of a project in memory: their names, deleting and bringing back, and which of them are in training."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from dgm_studio.config import RunConfig
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.records import RunRecord, new_id, now
from dgm_studio.store.run import Run


class Runs(ABC):
    """Any thread may call any method."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # for the moment of a change; never held while an array is read or written
        self._runs: dict[str, Run] = {}  # the deleted ones too, each in its place
        self._training: set[str] = set()
        self._changes = 0

    @property
    @abstractmethod
    def path(self) -> Path:
        """The project's file, which errors name."""

    @property
    def runs(self) -> dict[str, Run]:
        """By id, in order. Not the deleted ones."""
        with self.lock:
            return {run_id: run for run_id, run in self._runs.items() if not run.deleted}

    @property
    def deleted(self) -> dict[str, Run]:
        """By id, in the order in which they were deleted: what `restore_run` brings back."""
        with self.lock:
            runs = [run for run in self._runs.values() if run.deleted]
        return {run.id: run for run in sorted(runs, key=lambda run: run.deleted)}

    @property
    def all_runs(self) -> dict[str, Run]:
        """By id, in order, the deleted ones too."""
        with self.lock:
            return dict(self._runs)

    def touch(self) -> None:
        """Something changed that a save would keep."""
        with self.lock:
            self._changes += 1

    # Adding.

    def unique_name(self, name: str) -> str:
        """`name`, or with the first number behind it that no run has."""
        taken = self._names()
        if name not in taken:
            return name
        return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)

    def new_run(self, config: RunConfig, name: str = "") -> Run:
        """A run that has yet to be trained, called after its family where no name is given."""
        with self.lock:
            taken = self._names()
            if not name:
                name = next(
                    f"{config.family}-{n}" for n in range(1, len(taken) + 2) if f"{config.family}-{n}" not in taken
                )
            record = RunRecord(name=name, status="new", created=now(), config=config.model_dump(mode="json"))
            return self.add_run(Run(self, new_id(), record, {}))

    def add_run(self, run: Run) -> Run:
        """Make a new run part of the project, under a name of its own."""
        with self.lock:
            name = self.unique_name(run.name)
            self._runs[run.id] = run
            run.name = name
            self.touch()
            return run

    def _names(self) -> set[str]:
        return {run.name for run in self.runs.values()}

    # Deleting, bringing back, and removing for good.

    def delete_run(self, run_id: str) -> None:
        """Take a run out of the project. It is kept among the deleted ones until `clean_up`. Raises
        ProjectError("busy") while it is in training."""
        with self.lock:
            run = self._idle(run_id)
            if not run.deleted:
                run.mark_deleted(now())

    def restore_run(self, run_id: str) -> Run:
        """Bring a deleted run back to its place; its name gets a number if another has taken it."""
        with self.lock:
            run = self._runs[run_id]
            if run.deleted:
                name = self.unique_name(run.name)
                run.mark_deleted("")
                run.name = name
            return run

    def clean_up(self, run_ids: Iterable[str] | None = None) -> None:
        """Remove deleted runs (all of them, or those of `run_ids` that are still deleted) for good. Their space is
        free after the next save."""
        with self.lock:
            for run_id in self.deleted.keys() & set(run_ids) if run_ids is not None else self.deleted:
                self.remove_run(run_id)

    def remove_run(self, run_id: str) -> None:
        """Remove a run as if it had never been, which is for one that has kept nothing. Raises ProjectError("busy")
        while it is in training."""
        with self.lock:
            del self._runs[self._idle(run_id).id]
            self.touch()

    def _idle(self, run_id: str) -> Run:
        run = self._runs[run_id]
        self.require_idle(run_id, run.name)
        return run

    # Training.

    def begin_training(self, run: Run) -> None:
        """Nobody else may train, delete or recover it until `end_training`. Raises ProjectError: "missing" when it was
        deleted, "busy" while it is in training."""
        with self.lock:
            if run.deleted:
                raise ProjectError("missing", self.path, f"{run.name} was deleted. Restore it to train it further.")
            if run.id in self._training:
                raise ProjectError("busy", self.path, f"{run.name} is in training already.")
            self._training.add(run.id)
            run.remember()

    def end_training(self, run: Run) -> None:
        with self.lock:
            self._training.discard(run.id)
            run.forget()

    def require_idle(self, run_id: str, name: str) -> None:
        """Raise ProjectError("busy"), which calls the run `name`, while it is in training."""
        if run_id in self._training:
            raise ProjectError("busy", self.path, f"{name} is in training. Stop it first.")

    def branched_steps(self, run: Run) -> set[int]:
        """Steps of `run` that other runs branched from."""
        with self.lock:
            return {other.parent[1] for other in self._runs.values() if other.parent and other.parent[0] == run.id}
