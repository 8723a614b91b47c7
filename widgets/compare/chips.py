"""The chosen runs as chips, and the menu that adds more."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from dgm_studio.number_texts import thousands
from dgm_studio.store import Run
from models import catalog
from widgets.building import Flow, label
from widgets.compare.chosen import Chosen
from widgets.icons import dress
from widgets.theme import SPACE, look
from widgets.workspace import Workspace

WIDEST = 170  # px of a name
SIDE = 10  # px of the square of its colour
HEIGHT = 4 * SPACE


class Swatch(QWidget):
    """A square in a run's colour; a ring around it says that the run trains."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._colour, self._training = colour, False
        self.setFixedSize(SIDE + 6, SIDE + 6)
        look.changed.connect(self.update)

    def set_training(self, training: bool) -> None:
        if training != self._training:
            self._training = training
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._colour))
            painter.drawRoundedRect(QRect(3, 3, SIDE, SIDE), 2, 2)
            if self._training:
                painter.setPen(QColor(look.theme.accent))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 4, 4)


class Chip(QFrame):
    """One run. `gone()` when it is to be taken away, `pressed()` when it is to be selected."""

    gone = Signal()
    pressed = Signal()

    def __init__(self, run: Run, colour: str) -> None:
        super().__init__()
        self.setProperty("card", True)
        self.setObjectName(f"chip-{run.id}")
        self.setAccessibleName(f"{run.name} is compared")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.swatch = Swatch(colour)
        name = label(QFontMetrics(self.font()).elidedText(run.name, Qt.TextElideMode.ElideMiddle, WIDEST))
        name.setTextFormat(Qt.TextFormat.PlainText)
        away = QToolButton(toolTip=f"Take {run.name} away from this page")
        away.setObjectName("away")
        away.setAccessibleName(f"Take {run.name} away")
        away.setIconSize(QSize(12, 12))
        dress(away, "discard", "muted")
        away.clicked.connect(self.gone)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE // 2, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        self.setFixedHeight(HEIGHT)
        row.addWidget(self.swatch)
        row.addWidget(name)
        row.addWidget(away)
        family = catalog.family(run.config.family).title if run.config is not None else "a family of a newer studio"
        steps = run.checkpoint_steps()
        at = f", kept up to step {thousands(steps[-1])}" if steps else ""
        self.setToolTip(f"{run.name}: {family}{at}. Click to select it.")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            self.pressed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.gone.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Space):
            self.pressed.emit()
        else:
            super().keyPressEvent(event)


class Wrapped(Flow):
    """Items of their own sizes in as many lines as it takes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, SPACE // 2)

    def _arrange(self, rect: QRect, move: bool) -> int:
        x, y, height = rect.x(), rect.y(), 0
        for item in self._items:
            size = item.sizeHint()
            if x + size.width() > rect.x() + rect.width() and x > rect.x():
                x, y, height = rect.x(), y + height + self.spacing(), 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), size))
            x += size.width() + self.spacing()
            height = max(height, size.height())
        return y + height - rect.y()


class Chips(QWidget):
    """The chips and "Add runs"."""

    def __init__(self, chosen: Chosen, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chips")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._chosen, self._workspace = chosen, workspace
        self._chips: dict[str, Chip] = {}
        self._row = Wrapped(self)
        self.add = QToolButton(text="Add runs", toolTip="Put more runs of this project side by side")
        self.add.setObjectName("addRuns")
        self.add.setProperty("framed", True)
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setFixedHeight(HEIGHT)
        self.add.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        dress(self.add, "new", "muted")
        self.menu = _AddMenu(chosen, self)
        self.add.setMenu(self.menu)
        self._row.addWidget(self.add)
        chosen.changed.connect(self._rebuild)
        workspace.training_changed.connect(self._mark)
        self._rebuild()

    def _rebuild(self) -> None:
        for chip in self._chips.values():
            self._row.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._row.removeWidget(self.add)
        self._chips = {run.id: Chip(run, self._chosen.colour(run)) for run in self._chosen.runs}
        for run, chip in zip(self._chosen.runs, self._chips.values(), strict=True):
            chip.gone.connect(lambda run=run: self._chosen.remove(run))
            chip.pressed.connect(lambda run=run: self._workspace.select(run))
            self._row.addWidget(chip)
        self._row.addWidget(self.add)
        self._mark()
        self.updateGeometry()

    def _mark(self) -> None:
        for run_id, chip in self._chips.items():
            chip.swatch.set_training(self._workspace.trainer.trains(run_id))


class _AddMenu(QMenu):
    # The other runs of the project below a field that narrows them down.
    def __init__(self, chosen: Chosen, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("addRunsMenu")
        self._chosen = chosen
        self._sought: dict[QAction, str] = {}
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        self._sought = {}
        runs = self._chosen.others
        if not runs:
            self.addAction("All runs of this project are here").setEnabled(False)
            return
        field = QWidgetAction(self)
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(SPACE // 2, SPACE // 2, SPACE // 2, SPACE // 2)
        find = QLineEdit(placeholderText="Find a run", clearButtonEnabled=True)
        find.setAccessibleName("Find a run to compare, by name, tag or family")
        find.textChanged.connect(self._narrow)
        row.addWidget(find)
        field.setDefaultWidget(box)
        self.addAction(field)
        for run in runs:
            title = catalog.family(run.config.family).title if run.config is not None else ""
            action = self.addAction(f"{run.name}  ·  {title}" if title else run.name)
            action.setObjectName(f"add-{run.id}")
            action.triggered.connect(lambda _=False, run=run: self._chosen.add([run]))
            self._sought[action] = " ".join([run.name, title, *run.tags]).casefold()
        find.setFocus()

    def _narrow(self, text: str) -> None:
        words = text.casefold().split()
        for action, sought in self._sought.items():
            action.setVisible(all(word in sought for word in words))
