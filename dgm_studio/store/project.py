"""A project: its runs in memory, one file on disk, and what makes the two agree."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from dgm_studio.config import RunConfig
from dgm_studio.store import format as fmt
from dgm_studio.store import lock as locks
from dgm_studio.store import work
from dgm_studio.store.errors import Code, ProjectError
from dgm_studio.store.migrations import migrated
from dgm_studio.store.reading import Contents, Fingerprint, Stored, fingerprint, inspect
from dgm_studio.store.records import ProjectRecord, RunRecord, laid_out, new_id, now
from dgm_studio.store.recovery import DISMISSED, Recovery, left, left_in
from dgm_studio.store.run import Run
from dgm_studio.store.saving import TEMPORARY, Item, remove_stale_temporaries, replacement, write
from dgm_studio.store.trees import document_of

ABOUT = "project"  # the project's own record in the file


class Project:
    """Any thread may call any method. `save` waits for the disk; everything else but reading arrays does not.

    `read_only`: changes stay in memory, and `save_as` keeps them elsewhere; `holder` names the window that may save,
    `notice` says what else a person should know. `recoveries`: what sessions that were cut off have left, the newest
    first; a person may `recover`, `dismiss` or leave each for the next time.
    """

    def __init__(self, path: Path, contents: Contents, lock: locks.Lock | None) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.lock = threading.RLock()  # for the moment of a change; never held while an array is read or written
        self.saving = threading.RLock()  # held during a save, so that no file it copies from goes away; taken first
        self._runs: dict[str, Run] = {}  # the deleted ones too, each in its place
        self._record: ProjectRecord
        self._contents, self._file_lock = contents, lock
        self._held: int | None = None  # the open file, so that it can be read when another takes its name
        self._hold()
        self._changes = self._saved_changes = 0
        self._training: set[str] = set()
        self._merged_folders: list[Path] = []
        self.read_only = lock is None or not lock.mine
        self.holder = lock.holder if lock else ""
        self.notice = lock.notice if lock else ""
        self._load(migrated(dict(contents.items()), contents.schema))
        self.recoveries: list[Recovery] = []
        self._superseded: list[Recovery] = []  # part of the project up to a step, or older than what is
        if not self.read_only:
            self._find_recoveries()

    @classmethod
    def create(cls, path: Path) -> Project:
        """A new, empty project on disk. Raises ProjectError; nothing that exists is touched."""
        path = resolved(path)
        locks.require_room(path)
        if path.exists():
            raise ProjectError("exists", path, f"there is a file of that name in {path.parent} already.")
        if not path.parent.is_dir():
            raise ProjectError("missing", path, f"there is no folder {path.parent}.")
        lock = locks.held(path)
        try:
            record = ProjectRecord(id=uuid4().hex, order=[])
            contents = write(path, {ABOUT: fmt.document(record.model_dump(mode="json"))}, fmt.PROJECT)
            return cls(path, contents, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Project:
        """Check a project and list what is in it; changes nothing. Where another window has it, or it cannot be
        written to, it opens read-only. Raises ProjectError."""
        path = resolved(path)
        contents = inspect(path)
        lock = None if read_only else locks.if_writable(path)
        try:
            if contents.fingerprint != fingerprint(path):  # its last holder saved before letting go
                contents = inspect(path)
            return cls(path, contents, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # The file, seen from outside.

    @property
    def fingerprint(self) -> Fingerprint:
        """What the file, as it was opened or last saved, can be known by."""
        return self._contents.fingerprint

    def changed_outside(self) -> Code | None:
        """What became of the file since then: "conflict" when another program changed or replaced it, "missing" when
        it is gone, "unreadable"; None when it is as it was."""
        try:
            self._require_unchanged()
        except ProjectError as error:
            return error.code
        return None

    def free_to_write(self) -> bool:
        """Whether the window that held the project when it was opened has let go of it: opened anew, it can be
        changed."""
        if not self.holder:
            return False
        lock = locks.if_writable(self.path)
        free = lock.mine
        lock.release()
        return free

    # Runs.

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def saves(self) -> int:
        return self._record.saves

    @property
    def modified(self) -> bool:
        return self._changes != self._saved_changes

    @property
    def notes(self) -> str:
        return self._record.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        with self.lock:
            self._record = self._record.model_copy(update={"notes": notes})
            self.touch()

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

    def touch(self) -> None:
        """Something changed that a save would keep."""
        with self.lock:
            self._changes += 1

    def unique_name(self, name: str) -> str:
        """`name`, or with the first number behind it that no run has."""
        taken = self._names()
        if name not in taken:
            return name
        return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)

    def new_run(self, config: RunConfig, name: str = "", parent: tuple[str, int] | None = None) -> Run:
        """A run that has yet to be trained. `parent`: the run and step it branches from."""
        with self.lock:
            taken = self._names()
            if not name:
                name = next(
                    f"{config.family}-{n}" for n in range(1, len(taken) + 2) if f"{config.family}-{n}" not in taken
                )
            record = RunRecord(
                name=name,
                status="new",
                created=now(),
                config=config.model_dump(mode="json"),
                parent=parent,
            )
            return self.add_run(Run(self, new_id(), record, {}))

    def add_run(self, run: Run) -> Run:
        """Make a new run part of the project, under a name of its own."""
        with self.lock:
            name = self.unique_name(run.name)
            self._runs[run.id] = run
            run.name = name
            self.touch()
            return run

    def lasting(self, items: Mapping[str, Item]) -> dict[str, Item]:
        """The same datasets, in memory where their file may go before the next save: those of the work folder.
        Raises ProjectError("damaged")."""
        with self.saving:
            return {
                place: item.read() if isinstance(item, Stored) and item.contents is not self._contents else item
                for place, item in items.items()
            }

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
        if run_id in self._training:
            raise ProjectError("busy", self.path, f"{run.name} is in training. Stop it first.")
        return run

    def _names(self) -> set[str]:
        return {run.name for run in self.runs.values()}

    def begin_training(self, run: Run) -> None:
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

    def branched_steps(self, run: Run) -> set[int]:
        """Steps of `run` that other runs branched from."""
        with self.lock:
            return {other.parent[1] for other in self._runs.values() if other.parent and other.parent[0] == run.id}

    # Saving.

    def save(self) -> None:
        """Write everything, atomically. Raises ProjectError, and the file is as it was."""
        with self.saving:
            if self.read_only:
                why = f"{self.holder} has it open" if self.holder else "it was opened read-only"
                raise ProjectError("read-only", self.path, f"cannot be saved: {why}. Save it under another name.")
            self._require_unchanged()
            self._require_lock()
            remove_stale_temporaries(self.path)
            self._write(self.path, self._record.id)
            self._remove_merged()

    def save_over(self) -> None:
        """Save although another program has changed or removed the file since it was opened: what it holds now is
        lost. Raises ProjectError, and the file is as it was."""
        with self.saving:
            if self.read_only or _is(self.path, self._contents.fingerprint):
                return self.save()
            self._require_lock()
            with self._readable(self.path):
                self._write(self.path, self._record.id, over=True)
            self._remove_merged()

    def save_as(self, path: Path, replace: bool = False) -> None:
        """Save under another name and go on there, as a project of its own. Raises ProjectError: "exists" unless
        `replace`, "busy" while a run is in training."""
        path = resolved(path)
        with self.saving:
            if path == self.path:
                return self.save()
            if self._training:
                raise ProjectError("busy", self.path, "a run is in training. Stop it before saving under another name.")
            locks.require_room(path)
            if path.exists() and not replace:
                raise ProjectError("exists", path, f"there is a file of that name in {path.parent} already.")
            lock = locks.held(path)
            try:
                with self._readable(path):
                    self._write(path, uuid4().hex)
            except BaseException:
                lock.release()
                raise
            if self._file_lock is not None:
                self._file_lock.release()
            self._file_lock, self.path = lock, path
            self.read_only, self.holder, self.notice = False, "", lock.notice
            # What was cut off belongs to the old file, which has not been saved.
            self.recoveries, self._superseded, self._merged_folders = [], [], []

    def close(self) -> None:
        """Let another window save. Raises ProjectError("busy") while a run is in training."""
        with self.saving:
            if self._training:
                raise ProjectError("busy", self.path, "a run is in training. Stop it before closing the project.")
            if self._file_lock is not None:
                self._file_lock.release()
            self._let_go()
            self.read_only = True

    def _remove_merged(self) -> None:
        with self.lock:
            folders, self._merged_folders = self._merged_folders, []
        for folder in folders:
            work.remove(folder)

    # What was cut off.

    @property
    def work_folder(self) -> Path:
        return fmt.work_folder(self.path)

    def held_step(self, recovery: Recovery) -> int | None:
        """The newest step of which the project itself keeps a state of the recovery's run: 0 when it keeps none, None
        when it does not hold the run."""
        with self.lock:
            run = self._runs.get(recovery.run_id)
            return None if run is None else max(run.checkpoint_steps(), default=0)

    def recover(self, recovery: Recovery, step: int | None = None) -> Run:
        """Make what a session left part of its run; with `step`, one of `recovery.steps`, only what it did up to there.

        Where the project does not hold the run, or holds something of it that this would replace (a later session, a
        later state), it becomes a run of its own. The session's folder goes when the next save has succeeded, but
        stays among the `dismissed` ones when a part of it was left out. Raises ProjectError, and nothing has changed:
        "missing" when there is no such state, "busy" while the run is in training, "damaged".
        """
        with self.lock:
            if step is not None and step not in recovery.steps:
                raise ProjectError("missing", self.path, f"no whole state of step {step} was left of {recovery.name}.")
            if recovery.run_id in self._training:
                raise ProjectError("busy", self.path, f"{recovery.name} is in training. Stop it first.")
            run = self._runs.get(recovery.run_id)
            try:
                record, items = (recovery.first_record(), {}) if run is None else (run.record, run.items())
                new = Run(self, recovery.run_id, record, items)
                recovery.replayed(new, step)
            except ValueError as error:
                text = f"what was left of {recovery.name} makes no sense ({error}). The project is as it was."
                raise ProjectError("damaged", self.path, text) from None
            if run is None:
                run = self.add_run(new)
            elif self._would_replace(run, new, recovery):
                run = self.add_run(Run(self, new_id(), new.record, new.items()))
            else:
                run.become(new)
            self.restore_run(run.id)
            until = None if step == recovery.step else step
            self.merge(run, recovery.folder, until)
            self.recoveries = [other for other in self.recoveries if other is not recovery]
            if until is not None:
                self._superseded.append(recovery)
            return run

    def _would_replace(self, run: Run, new: Run, recovery: Recovery) -> bool:
        """Whether `run` holds something that `new`, which is `run` with the recovery, does not."""
        merged = run.record.merged
        return (
            (merged is not None and recovery.saves < merged.saves)
            or max(run.checkpoint_steps(), default=-1) > max(new.checkpoint_steps(), default=-1)
            or _measured(run) > _measured(new)
        )

    def merge(self, run: Run, folder: Path, until: int | None = None) -> None:
        """The session in `folder` is part of `run` from the next save on, and its folder goes then; unless it is only
        `until` a step."""
        with self.lock:
            run.prune(self.branched_steps(run))
            run.merged(self.saves + 1, folder.name, until)
            if until is None:
                self.remove_with_next_save(folder)

    def remove_with_next_save(self, folder: Path) -> None:
        """Nothing in this session's folder is needed once the project is saved."""
        with self.lock:
            self._merged_folders.append(folder)

    def dismiss(self, recovery: Recovery) -> None:
        """Offer it no more. It stays on disk, and can be restored. Raises ProjectError."""
        self._rename(recovery.folder, recovery.folder.with_name(DISMISSED + recovery.session))
        with self.lock:
            self.recoveries = [other for other in self.recoveries if other is not recovery]

    def dismissed(self) -> list[Recovery]:
        """What is on disk and not offered: sessions that were dismissed, that are older than what the project holds, or
        of which it holds a part. The newest first. Reads the disk."""
        if self.read_only:
            return []
        return _newest_first([*self._superseded, *left_in(self._work_folders(), self.id, dismissed=True)])

    def restore(self, recovery: Recovery) -> Recovery:
        """Offer one of the dismissed again. Raises ProjectError."""
        folder = recovery.folder.with_name(recovery.session)
        if folder != recovery.folder:
            self._rename(recovery.folder, folder)
        restored = left(folder, self.id)
        if restored is None:
            raise ProjectError("missing", self.path, f"what was left of {recovery.name} is there no more.")
        with self.lock:
            self._superseded = [other for other in self._superseded if other.folder != folder]
            self.recoveries = _newest_first([*self.recoveries, restored])
        return restored

    def _rename(self, folder: Path, target: Path) -> None:
        try:
            folder.rename(target)
        except OSError as error:
            raise ProjectError("unwritable", folder, f"it cannot be renamed ({error.strerror}). It stays.") from None

    def _find_recoveries(self) -> None:
        merged = [run.record.merged for run in self._runs.values() if run.record.merged is not None]
        whole = {session.session for session in merged if session.until is None}
        partly = {session.session for session in merged}
        for recovery in left_in(self._work_folders(), self.id):
            run = self._runs.get(recovery.run_id)
            newest = run.record.merged if run is not None else None
            if recovery.discarded or recovery.session in whole:
                self._merged_folders.append(recovery.folder)  # cut off between the save and the cleaning up
            elif recovery.session in partly or (newest is not None and recovery.saves < newest.saves):
                self._superseded.append(recovery)
            else:
                self.recoveries.append(recovery)
        self.recoveries = _newest_first(self.recoveries)

    def _work_folders(self) -> list[Path]:
        """Not those of a project that was renamed while a window has it open: its training goes on."""
        folders = fmt.work_folders(self.path)
        return [f for f in folders if f == self.work_folder or not locks.is_open(fmt.project_of(f))]

    # The file.

    def _load(self, items: dict[str, Item]) -> None:
        if ABOUT not in items:
            raise ProjectError("damaged", self.path, "it does not say which project it is.")
        by_run: dict[str, dict[str, Item]] = {}
        self._other: dict[str, Item] = {}
        for place, item in items.items():
            if place.startswith("runs/") and place.count("/") > 1:
                _, run_id, inner = place.split("/", 2)
                by_run.setdefault(run_id, {})[inner] = item
            elif place != ABOUT:
                self._other[place] = item
        self._contents.locate(p for p in self._contents.entries if p == ABOUT or p.endswith("/config"))
        try:
            self._record = ProjectRecord.model_validate(self._document(ABOUT, items[ABOUT]))
            if sorted(self._record.order) != sorted(by_run):
                raise ProjectError("damaged", self.path, "its list of runs is not that of the runs it holds.")
            self._runs = {run_id: self._run(run_id, by_run[run_id]) for run_id in self._record.order}
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            text = f"a record in it has a wrong entry ({where:.200}: {error.errors()[0]['msg']})."
            raise ProjectError("damaged", self.path, text) from None

    def _run(self, run_id: str, items: dict[str, Item]) -> Run:
        if "config" not in items or not laid_out(items):
            raise ProjectError("damaged", self.path, f"run {run_id} is not laid out as a run.")
        record = RunRecord.read(self._document(f"runs/{run_id}/config", items.pop("config")))
        if record.status == "training" and not self.holder:
            record = record.model_copy(update={"status": "interrupted"})
        return Run(self, run_id, record, items)

    def _document(self, place: str, item: Item) -> Any:
        return document_of(item, self.path, place)

    def _write(self, path: Path, project_id: str, over: bool = False) -> None:
        """`over`: whatever has taken the file's place."""
        with self.lock:
            changes = self._changes
            record = self._record.model_copy(
                update={"id": project_id, "saves": self._record.saves + 1, "order": list(self._runs)}
            )
            inner = {run_id: run.items() for run_id, run in self._runs.items()}
            items: dict[str, Item] = {ABOUT: fmt.document(record.model_dump(mode="json")), **self._other}
            for run_id, run in self._runs.items():
                items[f"runs/{run_id}/config"] = fmt.document(run.record.model_dump(mode="json"))
                items.update({f"runs/{run_id}/{place}": item for place, item in inner[run_id].items()})
        with replacement(path, items, fmt.PROJECT) as new, self.lock:
            if path == self.path and not over:
                self._require_unchanged()
                self._keep_backup()
            contents = new.commit()
            stored = contents.items()
            self._contents, self._saved_changes = contents, changes
            self._hold()
            self._record = record.model_copy(update={"notes": self._record.notes})
            self._other = {place: stored[place] for place in self._other}
            for run_id, before in inner.items():
                if run_id in self._runs:
                    after: dict[str, Item] = {place: stored[f"runs/{run_id}/{place}"] for place in before}
                    self._runs[run_id].moved(before, after)

    def _require_unchanged(self) -> None:
        if fingerprint(self.path) != self._contents.fingerprint:
            raise ProjectError(
                "conflict",
                self.path,
                "another program has changed the file since it was opened. Save under another name to keep both.",
            )

    def _hold(self) -> None:
        self._let_go()
        with suppress(OSError):
            self._held = os.open(self._contents.path, os.O_RDONLY)

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextmanager
    def _readable(self, beside: Path) -> Iterator[None]:
        """Where another file has taken the name of the one that was opened, that one can be read again meanwhile: from
        a copy, because HDF5 does not read files without a name."""
        contents = self._contents
        path, known = contents.path, contents.fingerprint
        copy = beside.with_name(f"{beside.name}.{os.getpid()}-held{TEMPORARY}")
        try:
            if self._held is not None and not _is(path, known) and _is(Path(f"/dev/fd/{self._held}"), known):
                with open(self._held, "rb", closefd=False) as held, open(copy, "xb") as file:
                    held.seek(0)
                    shutil.copyfileobj(held, file)
                contents.path, contents.fingerprint = copy, fingerprint(copy)
            yield
        except OSError as error:
            text = f"it could not be saved ({error.strerror}). What was saved before is untouched."
            raise ProjectError("unwritable", beside, text) from error
        finally:
            contents.path, contents.fingerprint = path, known
            copy.unlink(missing_ok=True)

    def _require_lock(self) -> None:
        lock = self._file_lock
        if lock is None or lock.keep():
            return
        if lock.holder:
            text = f"{lock.holder} has taken the project over. Save under another name to keep what is here."
            raise ProjectError("conflict", self.path, text)
        raise ProjectError("read-only", self.path, lock.notice)

    def _keep_backup(self) -> None:
        """The file of an older format stays beside the new one."""
        if self._contents.schema < fmt.SCHEMA:
            backup = self.path.with_name(f"{self.path.name}.format-{self._contents.schema}.bak")
            if not backup.exists():
                try:
                    os.link(self.path, backup)
                except OSError:  # a file system without links
                    _copy(self.path, backup)


def _measured(run: Run) -> int:
    """The last step of which a value is known; -1 before any."""
    return max((int(steps[-1]) for steps, _ in run.metrics.values()), default=-1)


def _newest_first(recoveries: Iterable[Recovery]) -> list[Recovery]:
    return sorted(recoveries, key=lambda r: (r.saves, r.step, r.rows), reverse=True)


def _is(path: Path, known: Fingerprint) -> bool:
    try:
        return fingerprint(path) == known
    except ProjectError:
        return False


def _copy(path: Path, target: Path) -> None:
    """Copy `path`, so that `target` is whole or not there. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-copy{TEMPORARY}")
    try:
        shutil.copy2(path, partial)
        with open(partial, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def resolved(path: Path) -> Path:
    """The file itself, so that saving replaces it and not a link to it."""
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, OSError):
        raise ProjectError("special", Path(path), "this is a loop of links.") from None
