"""Export and import of weights: the two actions, and what they need of the window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMainWindow

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.device import resolve
from dgm_studio.evaluation import subject_from
from dgm_studio.exporting.weights import CONFIG
from dgm_studio.exporting.whole import Source, source_of, source_without_data
from dgm_studio.importing import SUFFIXES, BadWeights, DoesNotFit, Fit, config_beside, import_weights
from dgm_studio.state import WEIGHTS
from dgm_studio.store import Run
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError
from models.spec import UnsuitableData
from widgets.actions import Actions
from widgets.background import Problem
from widgets.data_cache import while_wanted
from widgets.draft import Draft
from widgets.export_dialog import ExportDialog
from widgets.notices import Notice, Remedy
from widgets.trainer import Phase
from widgets.workspace import Workspace

FORESEEN = (BadWeights, BadData, SettingsError, UnknownKey, UnsuitableData)  # what may be wrong with a file of weights


class Exports(QObject):
    """Connects the actions "export" and "importWeights". `added(runs)` is done with a run that was imported."""

    def __init__(
        self,
        workspace: Workspace,
        draft: Draft,
        actions: Actions,
        added: Callable[[list[Run]], None],
        window: QMainWindow,
    ) -> None:
        super().__init__(window)
        self._workspace, self._draft, self._actions, self._added, self._window = (
            workspace,
            draft,
            actions,
            added,
            window,
        )
        self._project = workspace.project
        self._folder: Path | None = None
        self._dialogs: list[ExportDialog] = []
        self._awaited: Callable[[], None] | None = None  # what a person wants done when all is written
        actions.connect({"export": self.show_export, "importWeights": self._choose})
        for signal in (workspace.selected, workspace.runs_changed, workspace.training_changed):
            signal.connect(self._follow)
        workspace.project_file.saved.connect(self._follow)
        workspace.project_file.replaced.connect(self._project_changed)

    def show_export(self) -> ExportDialog | None:
        """Ask what of the selected run is to be exported."""
        run = self._workspace.run
        if run is None or run.config is None or not run.checkpoint_steps():
            return None
        folder = self._folder or self._workspace.preferences.folder
        dialog = ExportDialog(run, folder, self._source, self._remember, self._window)
        self._dialogs.append(dialog)
        dialog.finished.connect(lambda _: self._dialogs.remove(dialog))
        dialog.ended.connect(self._ended)
        dialog.show()
        return dialog

    def hold(self, what: str, then: Callable[[], None]) -> bool:
        """Whether an export is being written, which `then` would call off. A person is asked, and decides on `then`."""
        self._stay()
        writing = [dialog for dialog in self._dialogs if dialog.writes]
        if not writing:
            return False

        def wait() -> None:
            self._awaited = then
            writing[0].ask(
                Notice("info", f"{what}: as soon as all is written.", remedies=(Remedy("Stay", self._stay),))
            )

        def cancel() -> None:
            self.call_off()
            then()

        text, which = ("An export is", "it") if len(writing) == 1 else (f"{len(writing)} exports are", "them")
        remedies = (
            Remedy(f"Wait, then: {what}", wait),
            Remedy(f"Cancel {which}, then: {what}", cancel),
            Remedy("Stay", self._stay),
        )
        writing[0].ask(Notice("warn", f"{text} still being written.", remedies=remedies))
        return True

    def call_off(self) -> None:
        """Close the dialogs; nothing is written any more."""
        for dialog in list(self._dialogs):
            dialog.done(0)

    def _stay(self) -> None:
        """Nothing waits for what is written, and nothing is asked."""
        self._awaited = None
        for dialog in self._dialogs:
            dialog.ask(None)

    def _ended(self, whole: bool) -> None:
        """Do what waited for the last export, if all is written: why it is not is to be read."""
        if whole and any(dialog.writes for dialog in self._dialogs):
            return
        then = self._awaited if whole else None
        self._stay()
        if then is not None:
            then()

    def _project_changed(self) -> None:
        if self._workspace.project is not self._project:  # and not only its path: what is being written is called off
            self._project = self._workspace.project
            self.call_off()
        self._follow()

    def _remember(self, folder: Path) -> None:
        self._folder = folder

    def _source(self, run: Run, step: int, samples: int) -> Source:
        """In the thread of an export."""
        config = run.config
        assert config is not None
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        try:
            dataset = self._workspace.data.load(config.data, while_wanted)
        except BadData as error:
            return source_without_data(run, step, str(error))
        state = {**run.checkpoint(step, WEIGHTS), "step": step}
        return source_of(run, subject_from(recipe, dataset, state, resolve("cpu"), 0), samples)

    def _follow(self) -> None:
        workspace = self._workspace
        run = workspace.run
        self._actions["export"].setEnabled(run is not None and run.config is not None and bool(run.checkpoint_steps()))
        # it draws from the process-wide generator, which belongs to a training while there is one
        self._actions["importWeights"].setEnabled(
            workspace.project_file.writable and workspace.trainer.phase is Phase.IDLE
        )

    # Import.

    def _choose(self) -> None:
        kinds = f"Weights ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
        folder = str(self._folder or self._workspace.preferences.folder)
        name, _ = QFileDialog.getOpenFileName(self._window, "Import weights", folder, kinds)
        if name:
            self.take(Path(name))

    def take(self, path: Path, partly: bool = False) -> None:
        """Add a run with the weights of a file: by the settings beside it, else by those of the form."""
        workspace, draft = self._workspace, self._draft.config
        project = workspace.project
        assert project is not None

        def read() -> tuple[RunConfig | None, Dataset]:
            beside = config_beside(path)
            return beside, workspace.data.load((beside or draft).data)

        def add(found: tuple[RunConfig | None, Dataset]) -> None:
            beside, dataset = found
            if workspace.project is not project:
                return  # it was closed meanwhile
            if workspace.trainer.phase is not Phase.IDLE:
                text = f"{path.name} was not imported: a training has begun meanwhile. Import it when that has ended."
                workspace.log.say(Notice("bad", text))
                return

            def done(result: tuple[Run, Fit]) -> None:
                run, fit = result
                by = "the settings beside it" if beside is not None else "the settings of the form"
                self._added([run])
                text = f"{run.name} begins with the weights of {path.name}, by {by}. Continue it to train it."
                kind = "good" if fit.whole else "warn"
                workspace.log.say(Notice(kind, text, "\n".join(fit.lines())))

            work = partial(import_weights, project, beside or draft, dataset, path, partly)
            workspace.files.submit(work, done, refused)

        refused = partial(self._refused, path)
        workspace.viewing.readers.submit(read, add, refused)  # a download does not keep files from being saved

    def _refused(self, path: Path, problem: Problem) -> None:
        error = problem.error
        if isinstance(error, DoesNotFit):
            remedies = (Remedy("Load what fits", lambda: self.take(path, True)),) if error.fit.fitted else ()
            beside = path.with_name(CONFIG).is_file()
            model = "the settings beside it" if beside else "the model of the form"
            text = f"{path.name} does not fit {model}: {error.fit.summary()}. Nothing was changed."
            if not beside:
                text += " Set the form as that model was, or put the config.json of its export beside it."
            self._workspace.log.say(Notice("bad", text, "\n".join(error.fit.lines()), remedies))
        elif isinstance(error, FORESEEN):  # its sentence says all
            self._workspace.log.say(Notice("bad", f"{path.name} was not imported. {problem.text}"))
        else:
            self._workspace.log.say_problem(f"{path.name} was not imported.", problem)
