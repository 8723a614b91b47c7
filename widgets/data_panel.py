"""Which data the next run learns from: the source, its settings, how values become bits, and a look at the examples."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from dgm_studio.config import BINARIZATION_TEXT, DataChoice, RunConfig
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, BadPreparation, Dataset
from dgm_studio.datasets.preview import DataPreview, preview
from dgm_studio.remedies import Remedy, as_given, remedies
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError, read_settings
from models.spec import DataSpec, Support, UnsuitableData
from widgets.background import Background, Problem
from widgets.building import label
from widgets.data_cache import DataCache
from widgets.draft import Draft
from widgets.drawing_dialog import show_drawing
from widgets.readout import Readout
from widgets.samples_view import SamplesView
from widgets.settings_form import ChoiceBox, SettingsForm
from widgets.theme import SPACE

LOOK_AFTER = 250  # ms from the last change
SHOWN = 24
SHOWN_POINTS = 1000


class _Cancelled(Exception):
    """Nobody wants to see this data any more."""


class _Look:
    """One reading of data in the background, which can be called off."""

    def __init__(self, config: RunConfig, panel: DataPanel) -> None:
        self.config = config
        self._panel = panel
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def __call__(self, cache: DataCache) -> tuple[Dataset, DataPreview]:
        dataset = cache.load(self.config.data, self._report)
        return dataset, preview(dataset, SHOWN_POINTS if dataset.spec.dimensions == 2 else SHOWN)

    def _report(self, fraction: float, text: str) -> None:
        if self._cancelled.is_set():
            raise _Cancelled("Reading was cancelled.")
        self._panel.reading.emit(fraction, text)


class DataPanel(QWidget):
    """Edits the draft's data. `checked(problem)` after a look at the data: empty if the model can learn from it.

    `reading(fraction, text)` while data is read or downloaded.
    """

    checked = Signal(str)
    reading = Signal(float, str)

    def __init__(self, draft: Draft, cache: DataCache, reader: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataPanel")
        self._draft, self._cache, self._reader = draft, cache, reader
        self._look: _Look | None = None
        self._as_they_are: tuple[str, dict[str, Any]] | None = None  # the source whose values are none in 0…1
        self._source = ChoiceBox([(s.key, s.title) for s in sources.SOURCES if s.available()])
        self._source.setObjectName("source")
        self._source.setAccessibleName("Source of data")
        self._source.activated.connect(lambda _: draft.set_source(self._source.currentData()))
        self._form = SettingsForm("sourceSettings")
        self._form.edited.connect(lambda field, value: draft.set_field("source", field, value))
        self._draw = QPushButton("Draw …", objectName="drawData", toolTip="Draw the distribution with a brush")
        self._draw.clicked.connect(self.draw)
        self._choice = SettingsForm("dataSettings")
        self._choice.edited.connect(lambda field, value: draft.set_field("data", field, value))
        self._preview = SamplesView(minimum=80, axes=False)
        self._preview.setObjectName("dataPreview")
        self._preview.setFixedHeight(11 * SPACE)
        self._about = label("", "small", "dataSummary", wrap=True)
        self._problem = label("", "error", "dataProblem", wrap=True)
        self._problem.hide()
        self._remedies = QVBoxLayout()
        self._remedies.setSpacing(SPACE // 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        self._waiting = self._progress()
        for part in (
            self._source,
            self._preview,
            self._draw,
            self._waiting,
            self._about,
            self._problem,
        ):
            column.addWidget(part)
        column.addLayout(self._remedies)
        column.addWidget(self._form)
        column.addWidget(self._choice)
        self._timer = QTimer(self, singleShot=True, interval=LOOK_AFTER)
        self._timer.timeout.connect(self._begin)
        self.reading.connect(self._show_reading)
        draft.changed.connect(self._show)

    def take(self, path: Path) -> str:
        """Use a file or folder that was dropped. Returns why not, or nothing."""
        try:
            choice = sources.recognise(path)
        except BadData as problem:
            return str(problem)
        now = self._draft.config.data
        data = now.model_copy(update={"source": choice.source, "settings": choice.settings})
        self._draft.replace(self._draft.config.model_copy(update={"data": data}), f"data {path.name}")
        return ""

    def draw(self) -> None:
        """Let a person draw the data, beginning with what is drawn already."""
        choice = self._draft.config.data
        field = sources.source(choice.source).drawing
        if field:
            text = read_settings(sources.source(choice.source).settings, choice.settings, "data").model_dump()[field]
            show_drawing(self, text, "Use it", lambda drawn: self._draft.set_field("source", field, drawn))

    def _progress(self) -> QWidget:
        self._bar = QProgressBar(textVisible=False)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName("Reading of data")
        self._doing = Readout(role="small")
        cancel = QPushButton("Cancel")
        cancel.setObjectName("cancelReading")
        cancel.setProperty("flat", True)
        cancel.clicked.connect(self._cancel)
        waiting = QWidget(visible=False)
        row = QHBoxLayout(waiting)
        row.setContentsMargins(0, 0, 0, 0)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self._doing)
        texts.addWidget(self._bar)
        row.addLayout(texts, 1)
        row.addWidget(cancel)
        return waiting

    def _show(self, config: RunConfig) -> None:
        choice = config.data
        try:
            source = sources.source(choice.source)
        except BadData as problem:
            self._fail(str(problem))
            return
        self._source.choose(choice.source)
        self._source.setToolTip(source.summary)
        self._form.show_settings(source.settings, choice.settings, hidden=(source.drawing,) if source.drawing else ())
        self._draw.setVisible(bool(source.drawing))
        self._form.setVisible(bool(source.settings.model_fields))
        self._show_choice(choice)
        if self._look is None or self._look.config.data != choice:
            self._cancel()
        self._timer.start()

    def _show_choice(self, choice: DataChoice) -> None:
        """What can be set of any data. How values become bits or levels is left out where they are known to be none in
        0…1, unless something is set there, which can then be taken back."""
        hidden = ["source", "settings", "other"]
        if (choice.source, choice.settings) == self._as_they_are:
            defaults = DataChoice()
            hidden += [f for f in ("binarization", "levels") if getattr(choice, f) == getattr(defaults, f)]
        self._choice.show_settings(DataChoice, choice.model_dump(), hidden=tuple(hidden), texts=BINARIZATION_TEXT)

    def _begin(self) -> None:
        """Read the data in the background and show it."""
        self._look = look = _Look(self._draft.config, self)
        self._reader.submit(partial(look, self._cache), partial(self._have, look), partial(self._not_read, look))

    def _cancel(self) -> None:
        if self._look is not None:
            self._look.cancel()

    def _show_reading(self, fraction: float, text: str) -> None:
        self._waiting.setVisible(fraction < 1)
        self._bar.setValue(round(1000 * fraction))
        self._doing.set_text(text)

    def _have(self, look: _Look, result: tuple[Dataset, DataPreview]) -> None:
        if look is not self._look:
            return
        dataset, shown = result
        self._waiting.hide()
        self._preview.show_samples(shown.examples, dataset.spec)
        self._about.setText(". ".join((*shown.lines[:2], *shown.warnings)))
        self._about.setToolTip("\n".join(shown.lines))
        choice = look.config.data
        given = as_given(dataset, choice)
        self._as_they_are = None if given.support is Support.UNIT else (choice.source, choice.settings)
        self._show_choice(choice)
        problem = _unsuitable(look.config, dataset)
        self._fail(problem, given if problem else None)

    def _not_read(self, look: _Look, problem: Problem) -> None:
        if look is not self._look:
            return
        self._waiting.hide()
        self._preview.show_samples(None)
        self._about.setText("")
        self._fail(problem.text, problem.error.given if isinstance(problem.error, BadPreparation) else None)

    def _fail(self, text: str, given: DataSpec | None = None) -> None:
        """Say what is wrong, and offer what would fit data that is `given`."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        while (item := self._remedies.takeAt(0)) is not None:
            item.widget().hide()
            item.widget().deleteLater()
        for remedy in remedies(self._draft.config, given) if given is not None else ():
            button = QPushButton(remedy.text, objectName="dataRemedy")
            button.clicked.connect(lambda _=False, remedy=remedy: self._apply(remedy))
            self._remedies.addWidget(button)
        self.checked.emit(text)

    def _apply(self, remedy: Remedy) -> None:
        config = self._draft.config.model_copy(update={"data": remedy.data})
        self._draft.replace(config, remedy.text[:1].lower() + remedy.text[1:])


def _unsuitable(config: RunConfig, dataset: Dataset) -> str:
    """Why the model cannot learn from this data, or nothing."""
    try:
        Recipe.read(config.family, config.learner, config.model, config.learning).check(dataset.spec)
    except (UnsuitableData, SettingsError, UnknownKey) as problem:
        return str(problem)
    return ""
