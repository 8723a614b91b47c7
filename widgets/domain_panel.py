"""One set of examples that the next run learns from: its source, its settings, how values become bits, and a look."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QVBoxLayout, QWidget

from dgm_studio.config import DataChoice
from dgm_studio.datasets import sources
from dgm_studio.datasets.preview import DataPreview
from models.settings import read_settings
from models.spec import DataSpec, Layout, Support
from widgets.building import label
from widgets.draft import Draft
from widgets.drawing_dialog import show_drawing
from widgets.editors import ChoiceBox
from widgets.icons import dress
from widgets.samples_view import SamplesView
from widgets.settings_form import SettingsForm
from widgets.theme import SPACE

TITLES = ("First domain", "Second domain")


class DomainPanel(QWidget):
    """Edits one domain of the draft's data: 0 the first, 1 the second. Between its look at the examples and its forms
    there is room for `more`. `help_wanted(address)` of a page."""

    help_wanted = Signal(str)

    def __init__(self, draft: Draft, domain: int, more: list[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft, self._domain = draft, domain
        names = ("source", "sourceSettings", "dataSettings", "dataPreview", "dataSummary", "drawData")
        names = tuple(f"other{name[0].upper()}{name[1:]}" if domain else name for name in names)
        self._as_they_are: tuple[str, dict[str, Any]] | None = None  # the source whose values are none in 0…1
        self._title = label(TITLES[domain], "strong")
        self._source = ChoiceBox([(s.key, s.title) for s in sources.SOURCES if s.available()])
        self._source.setObjectName(names[0])
        self._source.setAccessibleName(f"Source of {'the second domain' if domain else 'data'}")
        self._source.activated.connect(lambda _: draft.set_source(self._source.currentData(), domain=domain))
        self._form = SettingsForm(names[1])
        self._form.edited.connect(lambda field, value: draft.set_field("source", field, value, domain))
        self._draw = QPushButton("Draw …", objectName=names[5], toolTip="Draw the distribution with a brush")
        self._draw.clicked.connect(self.draw)
        self._choice = SettingsForm(names[2])
        self._choice.edited.connect(lambda field, value: draft.set_field("data", field, value, domain))
        self._preview = SamplesView(minimum=8 * SPACE, axes=False)
        self._preview.setObjectName(names[3])
        self._preview.setFixedHeight(11 * SPACE)
        self._about = label("", "small", names[4], wrap=True)
        button = QToolButton(toolTip="What this data is, what its settings do, and whose it is (F1)")
        button.setObjectName(f"help-{names[0]}")
        button.setAccessibleName("Help on this data")
        dress(button, "help", "muted")
        button.clicked.connect(lambda: self.help_wanted.emit(self.property("helpPage")))
        row = QHBoxLayout()
        row.setSpacing(SPACE // 2)
        row.addWidget(self._source, 1)
        row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self._title)
        column.addLayout(row)
        for part in (
            self._preview,
            self._draw,
            self._about,
            *more,
            self._form,
            self._choice,
        ):
            column.addWidget(part)

    @property
    def forms(self) -> tuple[SettingsForm, ...]:
        """What can be set of the source, and of how its values are prepared."""
        return self._form, self._choice

    def show_choice(self, choice: DataChoice, entitled: bool) -> None:
        """Show what is chosen; `entitled` says which domain it is. Raises BadData when there is no such source."""
        source = sources.source(choice.source)
        self.setProperty("helpPage", f"data:{choice.source}")
        self._title.setVisible(entitled)
        self._source.choose(choice.source)
        self._source.setToolTip(source.summary)
        self._form.show_settings(source.settings, choice.settings, hidden=(source.drawing,) if source.drawing else ())
        self._draw.setVisible(bool(source.drawing))
        self._form.setVisible(bool(source.settings.model_fields))
        self._show_preparation(choice)

    def show_examples(self, choice: DataChoice, shown: DataPreview, spec: DataSpec, given: DataSpec) -> None:
        """Show what was read. `given` describes it before values became bits or levels."""
        self._preview.setFixedHeight((8 if spec.layout is Layout.IMAGE else 11) * SPACE)  # two rows of pictures
        self._preview.set_reference(None)
        self._preview.show_samples(shown.examples, spec)
        self._about.setText("\n".join(f"{line.removesuffix('.')}." for line in (*shown.lines[:2], *shown.warnings)))
        self._about.setToolTip("\n".join(shown.lines))
        self._as_they_are = None if given.support is Support.UNIT else (choice.source, choice.settings)
        self._show_preparation(choice)

    def draw(self) -> None:
        """Let a person draw the data, beginning with what is drawn already."""
        choice = self._draft.domain(self._domain)
        source = sources.source(choice.source)
        field = source.drawing
        if field:
            text = read_settings(source.settings, choice.settings, "data").model_dump()[field]
            draft, domain = self._draft, self._domain
            show_drawing(self, text, "Use it", lambda drawn: draft.set_field("source", field, drawn, domain))

    def clear(self) -> None:
        """Nothing could be read."""
        self._preview.show_samples(None)
        self._about.setText("")

    def _show_preparation(self, choice: DataChoice) -> None:
        """What can be set of any data. How values become bits or levels is left out where they are known to be none in
        0…1, unless something is set there, which can then be taken back."""
        hidden = ["source", "settings", "other"]
        if (choice.source, choice.settings) == self._as_they_are:
            defaults = DataChoice()
            hidden += [f for f in ("binarization", "levels") if getattr(choice, f) == getattr(defaults, f)]
        values = choice.model_dump(exclude={"other"})
        self._choice.show_settings(DataChoice, values, hidden=tuple(hidden))
