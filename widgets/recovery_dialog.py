"""What trainings that were cut off have left, and what is to become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from dgm_studio.number_texts import thousands
from dgm_studio.store import Project, Recovery
from widgets.background import Problem
from widgets.building import Card, empty, label, scrolled, section
from widgets.editors import ChoiceBox
from widgets.run_changes import RunChanges
from widgets.theme import SPACE
from widgets.times import at
from widgets.workspace import Workspace


@dataclass(frozen=True)
class _Found:
    """A recovery, and the newest step of its run in the project: None when the project does not hold the run."""

    recovery: Recovery
    held: int | None


class RecoveryDialog(QDialog):
    """One card for each session that was cut off: by step and time what was found, and a choice of states. Nothing is
    deleted here: what is put aside stays on the disk and can be offered again. Not modal."""

    def __init__(self, workspace: Workspace, changes: RunChanges, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("recoveryDialog")
        self.setWindowTitle("What was cut off")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._workspace, self._changes = workspace, changes
        self._project = workspace.project
        self._trouble = label(role="error", name="recoveryTrouble", wrap=True)
        self._trouble.hide()
        self._body = QVBoxLayout()
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        column.setSpacing(SPACE)
        text = (
            "These trainings ended without saying so: the studio was closed by force, or the machine stopped. What you "
            "recover becomes part of its run. The project file stays as it is until it is saved."
        )
        self._about = label(text, "muted", wrap=True)
        column.addWidget(self._about)
        column.addWidget(self._trouble)
        column.addLayout(self._body, 1)
        column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        self.resize(84 * SPACE, 64 * SPACE)
        workspace.project_file.replaced.connect(self._project_changed)
        changes.recovered.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Look again what there is."""
        project = self._project
        if project is None:
            return

        def work() -> tuple[list[_Found], list[Recovery]]:
            return [_Found(one, project.held_step(one)) for one in project.recoveries], project.dismissed()

        self._workspace.files.submit(work, self._show, self._failed)

    def _show(self, found: tuple[list[_Found], list[Recovery]]) -> None:
        offered, aside = found
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        for one in offered:
            column.addWidget(self._card(one))
        if not offered:
            column.addWidget(label("Nothing is left to recover", "heading", "nothingLeft"))
        self._about.setVisible(bool(offered or aside))
        if not offered and not aside:
            text = "Trainings that are cut off, because the studio is closed by force or the machine stops, wait here."
            column.addWidget(label(text, "muted", wrap=True))
            self.resize(56 * SPACE, 20 * SPACE)
        if aside:
            column.addWidget(section("Put aside, still on the disk"))
            for recovery in aside:
                column.addWidget(self._aside(recovery))
        column.addStretch(1)
        empty(self._body)
        self._body.addWidget(scrolled(content))

    def _card(self, found: _Found) -> Card:
        recovery = found.recovery
        card = Card()
        card.setObjectName(f"recovery-{recovery.session}")
        card.column.addWidget(label(recovery.name, "heading"))
        for text in _about(found):
            card.column.addWidget(label(text, wrap=True))
        for problem in recovery.problems:
            card.column.addWidget(label(problem, "error", wrap=True))
        choice = ChoiceBox([(state.step, _state(state.step, state.time)) for state in reversed(recovery.states)])
        choice.setObjectName("recoveryState")
        choice.setAccessibleName("State to recover")
        choice.setVisible(bool(recovery.states))
        recover = QPushButton("Recover")
        recover.setObjectName("recover")
        recover.setProperty("primary", True)
        recover.clicked.connect(lambda: self._changes.recover(recovery, choice.currentData()))
        aside = QPushButton("Put aside")
        aside.setObjectName("putAside")
        aside.setToolTip("Do not offer it again. It stays on the disk.")
        aside.clicked.connect(lambda: self._change(lambda project: project.dismiss(recovery)))
        row = QHBoxLayout()
        row.addWidget(choice, 1)
        row.addWidget(recover)
        row.addWidget(aside)
        card.column.addLayout(row)
        return card

    def _aside(self, recovery: Recovery) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        when = f", cut off {at(recovery.time)}" if recovery.time else ""
        row.addWidget(label(f"{recovery.name}: step {thousands(recovery.step)}{when}", wrap=True), 1)
        again = QPushButton("Offer it again")
        again.setObjectName(f"restore-{recovery.session}")
        again.clicked.connect(lambda: self._change(lambda project: project.restore(recovery)))
        row.addWidget(again)
        return line

    def _change(self, change: Callable[[Project], object]) -> None:
        project = self._project
        assert project is not None
        self._workspace.files.submit(lambda: change(project), lambda _: self.refresh(), self._failed)

    def _failed(self, problem: Problem) -> None:
        self._trouble.setText(problem.text)
        self._trouble.show()

    def _project_changed(self) -> None:
        if self._workspace.project is not self._project:
            self.close()


def _about(found: _Found) -> list[str]:
    recovery, held = found.recovery, found.held
    lines = []
    if recovery.time:
        began = f" It began {at(recovery.began)}." if recovery.began else ""
        lines.append(f"Cut off {at(recovery.time)}.{began}")
    if recovery.states:
        newest = recovery.states[-1]
        lines.append(f"Newest whole state: {_state(newest.step, newest.time)}.")
    else:
        lines.append("No whole state was left; curves and pictures can be recovered.")
    if recovery.measured is not None:
        lines.append(f"Measured up to step {thousands(recovery.measured)} ({thousands(recovery.rows)} values).")
    if held is None:
        lines.append("The project does not hold this run yet.")
    else:
        lines.append(f"The project holds this run at step {thousands(held)}.")
    return lines


def _state(step: int, time: str) -> str:
    return f"step {thousands(step)}" + (f", kept {at(time)}" if time else "")
