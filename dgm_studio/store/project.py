"""A project: its runs in memory, one file on disk, and what makes the two agree."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from dgm_studio.store import format as fmt
from dgm_studio.store import lock as locks
from dgm_studio.store import work
from dgm_studio.store.errors import Code, ProjectError
from dgm_studio.store.loading import ABOUT, load
from dgm_studio.store.opened_file import OpenedFile
from dgm_studio.store.reading import Contents, Recognition, Stored, fingerprint, inspect
from dgm_studio.store.records import ProjectRecord
from dgm_studio.store.recoveries import Recoveries
from dgm_studio.store.recovery import Recovery
from dgm_studio.store.run import Run
from dgm_studio.store.runs import Runs
from dgm_studio.store.saving import Item, remove_stale_temporaries, replacement, write


class Project(Runs):
    """Runs, and the file that keeps them. Any thread may call any method. `save` waits for the disk; everything else
    but reading arrays does not.

    `read_only`: changes stay in memory, and `save_as` keeps them elsewhere; `holder` names the window that may save,
    `notice` says what else a person should know.
    """

    def __init__(self, contents: Contents, lock: locks.Lock | None) -> None:
        """Use `create` or `open`."""
        super().__init__()
        self.saving = threading.RLock()  # held during a save, so that no file it copies from goes away; taken first
        self._file = OpenedFile(contents, lock)
        self.read_only = lock is None or not lock.mine
        self.holder = lock.holder if lock else ""
        self.notice = lock.notice if lock else ""
        loaded = load(self, contents, held=bool(self.holder))
        self._file.hold()  # not before, so that a file that is refused is let go of
        self._record, self._runs, self._other = loaded.record, loaded.runs, loaded.other
        self._saved_changes = self._changes
        self._merged_folders: list[Path] = []  # go with the next save
        self._recoveries = Recoveries(self)

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
            return cls(contents, lock)
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
            return cls(contents, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What it is.

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def saves(self) -> int:
        """How often it has been saved."""
        return self._record.saves

    @property
    def modified(self) -> bool:
        """Whether there is something that a save would keep."""
        return self._changes != self._saved_changes

    @property
    def notes(self) -> str:
        return self._record.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        with self.lock:
            self._record = self._record.model_copy(update={"notes": notes})
            self.touch()

    # The file, seen from outside.

    @property
    def path(self) -> Path:
        """The file itself, where it was opened by way of a link."""
        return self._file.path

    @property
    def recognition(self) -> Recognition | None:
        """What the file, as it was opened or last saved, can be known by; None if it has changed since."""
        return self._file.recognition

    def changed_outside(self) -> Code | None:
        """What became of the file since then: "conflict" when another program changed or replaced it, "missing" when
        it is gone, "unreadable"; None when it is as it was."""
        return self._file.changed()

    def free_to_write(self) -> bool:
        """Whether the window that held the project when it was opened has let go of it: opened anew, it can be
        changed."""
        if not self.holder:
            return False
        lock = locks.if_writable(self.path)
        free = lock.mine
        lock.release()
        return free

    # Saving.

    def save(self) -> None:
        """Write everything, atomically. Raises ProjectError, and the file is as it was."""
        with self.saving:
            if self.read_only:
                why = f"{self.holder} has it open" if self.holder else "it was opened read-only"
                raise ProjectError("read-only", self.path, f"cannot be saved: {why}. Save it under another name.")
            self._file.require_unchanged()
            self._file.require_lock()
            remove_stale_temporaries(self.path)
            self._remove(self._write(self.path, self.id))

    def save_over(self) -> None:
        """Save although another program has changed or removed the file since it was opened: what it holds now is
        lost. Raises ProjectError, and the file is as it was."""
        with self.saving:
            if self.read_only or self.changed_outside() is None:
                return self.save()
            self._file.require_lock()
            with self._file.readable(self.path):
                merged = self._write(self.path, self.id, over=True)
            self._remove(merged)

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
                with self._file.readable(path):
                    self._write(path, uuid4().hex)
            except BaseException:
                lock.release()
                raise
            self._file.moved(path, lock)
            self.read_only, self.holder, self.notice = False, "", lock.notice
            self._recoveries.forget()
            self._merged_folders = []  # the old file has not been saved

    def close(self) -> None:
        """Let another window save. Raises ProjectError("busy") while a run is in training."""
        with self.saving:
            if self._training:
                raise ProjectError("busy", self.path, "a run is in training. Stop it before closing the project.")
            self._file.close()
            self.read_only = True

    def _write(self, path: Path, project_id: str, over: bool = False) -> list[Path]:
        """`over`: whatever has taken the file's place. Returns the folders of sessions that are part of it now."""
        with self.lock:
            changes, merged = self._changes, list(self._merged_folders)
            record = self._record.model_copy(
                update={"id": project_id, "saves": self._record.saves + 1, "order": list(self._runs)}
            )
            saved = {run_id: run.kept() for run_id, run in self._runs.items()}
            items: dict[str, Item] = {ABOUT: fmt.document(record.model_dump(mode="json")), **self._other}
            for run_id, kept in saved.items():
                items[f"runs/{run_id}/config"] = fmt.document(kept.record.model_dump(mode="json"))
                items.update({f"runs/{run_id}/{place}": item for place, item in kept.items.items()})
        with replacement(path, items, fmt.PROJECT) as new:
            replaces = path == self.path and not over
            if replaces:
                self._file.require_unchanged()
                self._file.keep_backup()  # which may be a copy of all of it
            with self.lock:
                if replaces:
                    self._file.require_unchanged()
                contents = new.commit()
                stored = contents.items()
                self._file.saved(contents)
                self._saved_changes = changes
                self._record = record.model_copy(update={"notes": self._record.notes})
                self._other = {place: stored[place] for place in self._other}
                for run_id, kept in saved.items():
                    if run_id in self._runs:
                        self._runs[run_id].moved(
                            kept, {place: stored[f"runs/{run_id}/{place}"] for place in kept.items}
                        )
        return merged

    def lasting(self, items: Mapping[str, Item]) -> dict[str, Item]:
        """The same datasets, in memory where their file may go before the next save: those of the work folder.
        Raises ProjectError("damaged")."""
        with self.saving:
            return {
                place: item.read() if isinstance(item, Stored) and item.contents is not self._file.contents else item
                for place, item in items.items()
            }

    # The work folder.

    @property
    def work_folder(self) -> Path:
        """Where sessions keep what is not saved yet."""
        return fmt.work_folder(self.path)

    def merge(self, run: Run, folder: Path, until: int | None = None) -> None:
        """The session in `folder` is part of `run` from the next save on, and its folder goes then; unless it is only
        `until` a step."""
        with self.lock:
            run.merged(self.saves + 1, folder.name, until)
            if until is None:
                self.remove_with_next_save(folder)

    def remove_with_next_save(self, folder: Path) -> None:
        """Nothing in this session's folder is needed once the project is saved."""
        with self.lock:
            self._merged_folders.append(folder)

    def _remove(self, folders: list[Path]) -> None:
        """Only these: other sessions may have been merged while the file was written."""
        with self.lock:
            self._merged_folders = [folder for folder in self._merged_folders if folder not in folders]
        for folder in folders:
            work.remove(folder)

    # Trainings that were cut off: see Recoveries.

    @property
    def recoveries(self) -> list[Recovery]:
        """What they have left, the newest first: a person may `recover`, `dismiss` or leave each for the next time."""
        return self._recoveries.offered

    def held_step(self, recovery: Recovery) -> int | None:
        return self._recoveries.held_step(recovery)

    def recover(self, recovery: Recovery, step: int | None = None) -> Run:
        return self._recoveries.recover(recovery, step)

    def dismiss(self, recovery: Recovery) -> None:
        self._recoveries.dismiss(recovery)

    def dismissed(self) -> list[Recovery]:
        return self._recoveries.dismissed()

    def restore(self, recovery: Recovery) -> Recovery:
        return self._recoveries.restore(recovery)


def resolved(path: Path) -> Path:
    """The file itself, so that saving replaces it and not a link to it."""
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, OSError):
        raise ProjectError("special", Path(path), "this is a loop of links.") from None
