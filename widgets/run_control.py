"""Training from the form and from the selected run: new runs, resuming, continuing, branching; and the form that shows
the settings of the run that is selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QWidget

from dgm_studio import device as devices
from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets import sources
from dgm_studio.events import Finding
from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from dgm_studio.training import Order
from dgm_studio.treatment import begins_anew, state_for, title_of, treated
from models.catalog import UnknownKey
from models.settings import SettingsError, read_settings
from widgets.draft import Draft, completed
from widgets.drawing_dialog import show_drawing
from widgets.header import Header
from widgets.notices import Notice, Remedy
from widgets.run_changes import RunChanges
from widgets.trainer import Phase
from widgets.workspace import Workspace

MORE = (1000, 4000, 20000)  # steps


class RunControl(QObject):
    """What trains, by the settings of the draft or of the selected run. `form_wanted()` when the form holds what a
    person asked to see there."""

    form_wanted = Signal()

    def __init__(
        self, workspace: Workspace, draft: Draft, changes: RunChanges, header: Header, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.workspace, self.draft, self.changes = workspace, draft, changes
        self._header, self.log = header, workspace.log
        self._shown: RunConfig | None = None  # the settings of the selected run, as the form last took them over
        workspace.found.connect(self._say_finding)
        header.more.aboutToShow.connect(self._fill_more)
        header.devices.aboutToShow.connect(self._fill_devices)

    def train_or_pause(self) -> None:
        """What the coloured button does."""
        trainer = self.workspace.trainer
        if trainer.phase is Phase.TRAINING:
            trainer.tell(Order.PAUSE)
        elif trainer.phase is Phase.PAUSED:
            trainer.tell(Order.RUN)
        elif trainer.phase is Phase.IDLE:
            if self.resumable:
                self.continue_run(0)
            else:
                self.train_draft()

    def train_draft(self) -> None:
        """Add a run with the settings of the form; it trains when it is its turn."""
        self.train(self.draft.config)

    def train(self, config: RunConfig, name: str = "") -> None:
        """Add a run with these settings, whatever the form holds."""
        try:
            config = completed(config)
        except (SettingsError, UnknownKey) as problem:
            self.log.say(Notice("bad", f"These settings cannot be trained: {problem}"))
            return
        self.workspace.train(config, name)

    def train_on_drawing(self, window: QWidget) -> None:
        """Let a person draw a distribution, and add a run that learns it by the settings of the selected run."""
        run = self.workspace.run
        if run is None or run.config is None or not self.workspace.project_file.writable:
            return
        config, source = run.config, next(source for source in sources.SOURCES if source.drawing)
        chosen = config.data.settings if config.data.source == source.key else {}
        text = read_settings(source.settings, chosen, "data").model_dump()[source.drawing]

        def train(drawn: str) -> None:
            data = DataChoice(
                source=source.key, settings={**chosen, source.drawing: drawn}, split_seed=config.data.split_seed
            )
            self.train(config.model_copy(update={"data": data}))

        show_drawing(window, text, "Train on it", train)

    @property
    def resumable(self) -> bool:
        """Whether the selected run was cut short and the form still holds its settings: then the coloured button goes
        on with it instead of training a new one."""
        run = self.workspace.run
        if run is None or run.config is None or self.workspace.trainer.phase is not Phase.IDLE:
            return False
        steps = run.checkpoint_steps()
        if not steps or run.status not in ("stopped", "interrupted"):
            return False
        return steps[-1] < run.config.training.steps and self.draft.config == run.config

    def as_many_again(self) -> int:
        """As many steps as were asked for last, so that the offer does not grow with each continuation."""
        run = self.workspace.run
        return run.planned_last if run is not None and run.config is not None else MORE[1]

    def continue_run(self, more: int) -> None:
        """Train the selected run for `more` steps, or to the end of its plan if that is 0."""
        if self.workspace.run is not None:
            self.workspace.continue_run(self.workspace.run, more)

    def branch(self, step: int | None) -> None:
        """Go on from a kept state of the selected run, the newest without `step`, by what the form says of learner and
        training if it is still about the same model."""
        run = self.workspace.run
        steps = run.checkpoint_steps() if run is not None else []
        if run is None or run.config is None or not steps:
            return
        form, config = self.draft.config, run.config
        if (form.family, form.learner) == (config.family, config.learner):
            config = config.model_copy(update={"learning": form.learning, "training": form.training})
        self.changes.branch(run, steps[-1] if step is None else step, config)

    def treat(self, run: Run, changes: Mapping[str, Any]) -> None:
        """Train a branch from the newest kept state of the run, or a new run where it keeps none that fits, with these
        changes."""
        assert run.config is not None
        config = treated(run.config, changes)
        if config is None:
            return
        steps = run.checkpoint_steps()
        if steps and not begins_anew(changes):
            self.changes.branch(run, state_for(steps, changes), config, train=True)
        else:
            self.train(config)

    def _say_finding(self, run_id: str, finding: Finding) -> None:
        project = self.workspace.project
        run = project.runs.get(run_id) if project is not None else None
        ways = finding.changes.items() if run is not None and self.workspace.project_file.writable else ()
        remedies = tuple(
            Remedy(title_of(way, changes), lambda changes=changes: self._treat_kept(run_id, changes))  # type: ignore[misc]
            for way, changes in ways
            if run is not None and run.config is not None and treated(run.config, changes) is not None
        )
        self.log.say(Notice("warn", f"{finding.text} {finding.remedy}".rstrip(), finding.measured, remedies))

    def _treat_kept(self, run_id: str, changes: Mapping[str, Any]) -> None:
        """The notice may outlive the run, or the project."""
        project = self.workspace.project
        if project is not None and run_id in project.runs:
            self.treat(project.runs[run_id], changes)

    def use_settings(self) -> None:
        """Let the form show the settings of the selected run, to train another by them."""
        run = self.workspace.run
        if run is not None and run.config is not None:
            self.draft.replace(run.config, f"settings of {run.name}")
            self.form_wanted.emit()

    # The form.

    def take_over(self, run: Run, form_stays: bool = False) -> None:
        """Let the form show the settings of the run that is selected. `form_stays`: the run stands in the place of one
        that could not begin to learn, whose settings can be mended in the form."""
        self._shown = run.config
        if not form_stays and run.config is not None and run.config != self.draft.config:
            if self.draft.stack.canUndo():
                self.draft.replace(run.config, f"settings of {run.name}")  # what was edited can be had back
            else:
                self.draft.load(run.config)

    def follow_plan(self) -> None:
        """A run that is trained further than was planned has another plan, and one whose data was moved another place:
        the form shows it too, unless somebody has changed something there."""
        run = self.workspace.run
        if run is not None and run.config is not self._shown and self.draft.config == self._shown:
            self.take_over(run)

    # Menus.

    def _fill_more(self) -> None:
        menu = self._header.more
        menu.clear()
        for more in sorted({*MORE, self.as_many_again()}):
            menu.addAction(f"{thousands(more)} more steps", lambda more=more: self.continue_run(more))

    def _fill_devices(self) -> None:
        menu = self._header.devices
        menu.clear()
        group = QActionGroup(menu)
        for name in ("auto", *devices.available()):
            device = devices.resolve(name)
            text = f"Automatic: {devices.title(device)}" if name == "auto" else f"{devices.title(device)} ({name})"
            action = menu.addAction(text, lambda name=name: self.draft.set_field("training", "device", name))
            action.setCheckable(True)
            action.setChecked(self.draft.config.training.device == name)
            group.addAction(action)
