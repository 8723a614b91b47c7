"""What a person is told about trainings: how they ended, and that what they learned cannot be written."""

from __future__ import annotations

from PySide6.QtCore import QObject

from dgm_studio.events import Cancelled, Failed, Finished
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from widgets.notices import Notice, Remedy
from widgets.workspace import Workspace


class TrainingNotices(QObject):
    """Speaks at the end of each training, and takes back what was said of the disk when all of the run is on it."""

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace, self._log = workspace, workspace.log
        self._not_on_disk: dict[str, Notice] = {}  # by run: what was said of it and still holds
        workspace.training_ended.connect(self._ended)
        workspace.trainer.unkept.connect(self._unkept)
        workspace.trainer.relieved.connect(self._relieved)
        workspace.project_file.saved.connect(self._saved)
        workspace.project_file.leaving.connect(self._forget)

    def _ended(self, run: Run | None, event: Finished | Cancelled | Failed) -> None:
        name = run.name if run is not None else "The run"
        if isinstance(event, Failed):
            self._say_failure(run, event)
        elif isinstance(event, Cancelled):
            self._log.say(Notice("info", f"{name} was discarded at step {thousands(event.step)}.", lasting=False))
        else:
            how = "was stopped at" if event.stopped else "finished"
            kept = "is not on the disk yet" if run is not None and run.id in self._not_on_disk else "was kept"
            text = f"{name} {how} step {thousands(event.step)} and {kept}."
            self._log.say(Notice("good", text, lasting=False))

    def _say_failure(self, run: Run | None, event: Failed) -> None:
        remedies: tuple[Remedy, ...] = ()
        config = run.config if run is not None else None
        if event.kind == "memory" and run is not None and config is not None and config.training.batch_size > 1:
            half = config.training.batch_size // 2
            training = config.training.model_copy(update={"batch_size": half})
            smaller = config.model_copy(update={"training": training})
            remedies = (Remedy(f"Try batch {half}", lambda: self._workspace.train(smaller, run.name)),)
        notice = Notice("bad", event.text, event.details, remedies)
        if event.kind == "bad input" and run is not None:  # one that was kept, so its settings were good once
            self._workspace.viewing.astray.say(run, notice)
        else:
            self._log.say(notice)

    def _unkept(self, run_id: str, text: str, details: str) -> None:
        said = self._not_on_disk.get(run_id)
        if said is not None and said.text == text:
            return
        self._take_back(run_id)  # what is said now holds: a training that has ended does not go on
        notice = Notice("bad", text, details, (Remedy("Save again", self._workspace.project_file.save),))
        self._not_on_disk[run_id] = notice
        self._log.say(notice)

    def _relieved(self, run_id: str, text: str) -> None:
        self._take_back(run_id)
        self._log.say(Notice("good", text, lasting=False))

    def _saved(self) -> None:
        for run_id in list(self._not_on_disk):
            if not self._workspace.trainer.trains(run_id):
                self._take_back(run_id)

    def _forget(self) -> None:
        self._not_on_disk.clear()

    def _take_back(self, run_id: str) -> None:
        if run_id in self._not_on_disk:
            self._log.take_back(self._not_on_disk.pop(run_id))
