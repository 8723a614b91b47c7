"""The settings of the next run: family, learner, data, and everything that can be set."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QCompleter,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QStyle,
    QStyleOptionFrame,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.config import RunConfig, TrainingSettings
from models import catalog
from widgets.building import Card, label, scrolled
from widgets.data_panel import DataPanel
from widgets.draft import Draft
from widgets.editors import ChoiceBox, whole
from widgets.icons import dress
from widgets.settings_form import SettingsForm
from widgets.theme import SPACE


class _Name(QLineEdit):
    """A name that ends in an ellipsis where it does not fit, until somebody types. A click selects it, to be typed
    over; in what was typed since, it is for a place in it."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        if not self.isModified() and not self.hasSelectedText():
            self.selectAll()

    def show_beginning(self) -> None:
        """Stand at the first letter; where somebody types, with all of the name to be typed over."""
        self.setModified(False)
        self.setCursorPosition(0)
        if self.hasFocus():
            self.setSelection(len(self.text()), -len(self.text()))

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        room = self.style().subElementRect(QStyle.SubElement.SE_LineEditContents, option, self)
        fits = self.fontMetrics().horizontalAdvance(self.text()) <= room.width() - 4
        if self.hasFocus() or fits:
            super().paintEvent(event)
            return
        with QPainter(self) as painter:
            painter.setPen(self.palette().color(self.foregroundRole()))
            text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width() - 4)
            side = QStyle.visualAlignment(self.layoutDirection(), Qt.AlignmentFlag.AlignLeft)
            painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter, text)


NAMES = Qt.ItemDataRole.UserRole + 1  # what a family is found by: its title, and the short name that it goes by


class _Titles(QCompleter):
    """Finds by all names and shows titles."""

    def pathFromIndex(self, index: QModelIndex) -> str:
        return str(index.data(Qt.ItemDataRole.DisplayRole))


class FamilyBox(QComboBox):
    """Families of models, searched by typing any part of a name. `chosen(key)` when a person picked one."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("family")
        self.setAccessibleName("Family of models")
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        for entry in catalog.FAMILIES:
            self.addItem(entry.title, entry.key)
            self.setItemData(self.count() - 1, f"{entry.title} {entry.key}", NAMES)
            self.setItemData(self.count() - 1, f"{entry.summary}\n{entry.lecture}", Qt.ItemDataRole.ToolTipRole)
        self._name = _Name()
        self.setLineEdit(self._name)
        completer = _Titles(self.model(), self)
        completer.setCompletionRole(NAMES)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)
        self._found = completer.popup()
        self._found.setProperty("popup", True)
        self._found.installEventFilter(self)
        self.lineEdit().setPlaceholderText("search")
        self.lineEdit().setTextMargins(-2, 0, 0, 0)  # words begin where those of other boxes do
        self.lineEdit().returnPressed.connect(self._take_first)
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))

    def choose(self, key: str) -> None:
        """Show the family `key`."""
        self.setCurrentIndex(self.findData(key))
        self.setToolTip(self.currentText())
        self._name.show_beginning()

    def showPopup(self) -> None:
        self.view().window().setMinimumWidth(whole(self.view()))
        super().showPopup()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Qt makes what was found as wide as the field; wider, it would reach beyond the field's right edge
        if watched is self._found and event.type() in (QEvent.Type.Show, QEvent.Type.Move):
            self._found.setMinimumWidth(whole(self.view()))
            end = self.mapToGlobal(self.rect().topRight()).x()
            self._found.move(end + 1 - self._found.width(), self._found.y())
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self._give_up()
            self.lineEdit().selectAll()
        super().keyPressEvent(event)

    def _take_first(self) -> None:
        """What is typed is a short name, or a part of one or more: the first of those below the field. A whole title is
        taken by Qt."""
        text = self.lineEdit().text().strip()
        if not text or self.findText(text, Qt.MatchFlag.MatchFixedString) >= 0:
            return
        first = self.findData(text.lower())
        if first < 0:
            first = self.findData(text, NAMES, Qt.MatchFlag.MatchContains)
        if first >= 0:
            self.setCurrentIndex(first)
            self.activated.emit(first)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._give_up()

    def _give_up(self) -> None:
        """A search that found nothing changes nothing."""
        self.setEditText(self.itemText(self.currentIndex()))


class Fold(QWidget):
    """A heading that shows and hides what is below it."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content = content
        self._head = QToolButton(checkable=True, checked=True, text=title.upper())
        self._head.setProperty("fold", True)
        self._head.setAccessibleName(f"{title}: show or hide")
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._head.toggled.connect(self._toggle)
        dress(self._head, "chevron-down", "muted")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._head)
        column.addWidget(content)

    def unfold(self) -> None:
        """Show what is below."""
        self._head.setChecked(True)

    def _toggle(self, shown: bool) -> None:
        self._content.setVisible(shown)
        dress(self._head, "chevron-down" if shown else "chevron-right", "muted")


class ModelPanel(QWidget):
    """Edits the draft. `train_wanted()` when the draft should become a run, `help_wanted(address)` of a page."""

    train_wanted = Signal()
    help_wanted = Signal(str)

    def __init__(self, draft: Draft, data: DataPanel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("modelPanel")
        self._draft, self._data = draft, data
        data.help_wanted.connect(self.help_wanted)
        self.family = FamilyBox()
        self.family.chosen.connect(draft.set_family)
        self._summary = label("", "small", "familySummary", wrap=True)
        self._learner = ChoiceBox([])
        self._learner.setObjectName("learner")
        self._learner.setAccessibleName("Learns by")
        for box in (self.family, self._learner):
            box.setMinimumWidth(11 * SPACE)
        self._learner.activated.connect(lambda _: draft.set_learner(self._learner.currentData()))
        self._look_for = label("", "", "lookFor", wrap=True)
        self.forms = {group: SettingsForm(f"{group}Settings") for group in ("model", "learning", "training")}
        for group, form in self.forms.items():
            form.edited.connect(lambda field, value, group=group: draft.set_field(group, field, value))
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(SPACE * 3 // 2, SPACE * 3 // 2, SPACE * 3 // 2, SPACE)
        column.setSpacing(SPACE)
        column.addLayout(_row("Family", self.family, self._help_on(self.family, "family")))
        column.addLayout(_row("Learns by", self._learner, self._help_on(self._learner, "learner")))
        column.addWidget(self._summary)
        for title, part in (
            ("Data", data),
            ("Model", self.forms["model"]),
            ("Learning", self.forms["learning"]),
            ("Training", self.forms["training"]),
            ("What to look for", self._look_for),
        ):
            column.addWidget(Fold(title, part))
        column.addStretch(1)
        self._train = QPushButton("Train as a new run")
        self._train.setObjectName("trainNew")
        self._train.setToolTip("Add a run with these settings; it trains when it is its turn.")
        dress(self._train, "train")
        self._train.clicked.connect(self.train_wanted)
        card = Card(margin=0)
        card.column.setSpacing(0)
        card.column.addWidget(scrolled(content, "modelScroll"), 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(SPACE * 3 // 2, SPACE, SPACE * 3 // 2, SPACE * 3 // 2)
        foot.addWidget(self._train)
        card.column.addLayout(foot)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(card)
        draft.changed.connect(self._show)

    def all_forms(self) -> list[tuple[str, SettingsForm]]:
        """Every form of the panel that is in use, with the heading it stands under."""
        return [*((group.title(), form) for group, form in self.forms.items()), *self._data.forms()]

    def reveal(self, editor: QWidget) -> None:
        """Scroll to an editor of the panel, and let a person type there."""
        widget: QWidget | None = editor
        while widget is not None and widget is not self:
            if isinstance(widget, Fold):
                widget.unfold()
            widget = widget.parentWidget()
        area = self.findChild(QScrollArea, "modelScroll")
        area.widget().layout().activate()
        area.ensureWidgetVisible(editor, 0, 6 * SPACE)
        editor.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if isinstance(editor, QAbstractSpinBox | QLineEdit):
            editor.selectAll()

    def allow_training(self, allowed: bool, why_not: str = "") -> None:
        """Whether the draft can become a run now."""
        self._train.setEnabled(allowed)
        self._train.setToolTip(why_not or "Add a run with these settings; it trains when it is its turn.")

    def focus_setting(self, group: str, field: str) -> bool:
        """Go to the editor of a setting, such as "model", "latent". Whether there is one now."""
        form = self.findChild(SettingsForm, f"{group}Settings")
        if form is None or field not in form.fields():
            return False
        self.reveal(form.editor(field))
        return True

    def _help_on(self, box: QWidget, kind: str) -> QToolButton:
        button = QToolButton(toolTip=f"What this {kind} is, what to look for, and what goes wrong (F1)")
        button.setObjectName(f"help-{kind}")
        button.setAccessibleName(f"Help on this {kind}")
        dress(button, "help", "muted")
        button.clicked.connect(lambda: self.help_wanted.emit(box.property("helpPage")))
        return button

    def _show(self, config: RunConfig) -> None:
        family, rule = catalog.family(config.family), catalog.learning(config.learner)
        for part in (self.family, self.forms["model"], self._look_for):
            part.setProperty("helpPage", f"family:{config.family}")
        for part in (self._learner, self.forms["learning"]):
            part.setProperty("helpPage", f"learner:{config.learner}")
        self.family.choose(config.family)
        self.family.setToolTip(f"{family.summary}\n{family.lecture}")
        self._summary.setText(family.summary)
        self._look_for.setText(family.look_for)
        self._learner.clear()
        for entry in catalog.learnings_of(config.family):
            self._learner.addItem(entry.title, entry.key)
        self._learner.choose(config.learner)
        self._learner.setToolTip(f"{rule.title}\n{rule.lecture}")
        self._learner.setEnabled(self._learner.count() > 1)
        self.forms["model"].show_settings(family.settings, config.model)
        hidden = tuple(rule.learner.out_of_reach(family.model))
        self.forms["learning"].show_settings(rule.settings, config.learning, hidden)
        # the device stands in the tool bar
        self.forms["training"].show_settings(TrainingSettings, config.training.model_dump(), hidden=("device",))


def _row(text: str, widget: QWidget, button: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(SPACE // 2)
    name = label(text)
    name.setBuddy(widget)
    name.setMinimumWidth(8 * SPACE)
    row.addWidget(name)
    row.addWidget(widget, 1)
    row.addWidget(button)
    return row
