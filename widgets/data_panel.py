"""Which data the next run learns from: the source, its settings, how values become bits, and a look at the examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.config import BINARIZATION_TEXT, DataChoice, RunConfig
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, Dataset
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError
from models.spec import Layout, UnsuitableData
from widgets.background import Background, Problem
from widgets.building import label
from widgets.data_cache import DataCache
from widgets.draft import Draft
from widgets.samples_view import SamplesView
from widgets.settings_form import ChoiceBox, SettingsForm
from widgets.status import thousands
from widgets.theme import SPACE

PREVIEW_AFTER = 250  # ms from the last change
SHOWN = 24


class DataPanel(QWidget):
    """Edits the draft's data. `checked(problem)` after a look at the data: empty if the model can learn from it."""

    checked = Signal(str)

    def __init__(self, draft: Draft, cache: DataCache, reader: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataPanel")
        self._draft, self._cache, self._reader = draft, cache, reader
        self._shown: DataChoice | None = None
        self._source = ChoiceBox([(s.key, s.title) for s in sources.SOURCES if s.available()])
        self._source.setObjectName("source")
        self._source.setAccessibleName("Source of data")
        self._source.activated.connect(lambda _: draft.set_source(self._source.currentData()))
        self._form = SettingsForm("sourceSettings")
        self._form.edited.connect(lambda field, value: draft.set_field("source", field, value))
        self._choice = SettingsForm("dataSettings")
        self._choice.edited.connect(lambda field, value: draft.set_field("data", field, value))
        self._preview = SamplesView(minimum=80, axes=False)
        self._preview.setObjectName("dataPreview")
        self._preview.setFixedHeight(11 * SPACE)
        self._about = label("", "small", "dataSummary", wrap=True)
        self._problem = label("", "error", "dataProblem", wrap=True)
        self._problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        for part in (self._source, self._preview, self._about, self._problem, self._form, self._choice):
            column.addWidget(part)
        self._timer = QTimer(self, singleShot=True, interval=PREVIEW_AFTER)
        self._timer.timeout.connect(self._look)
        draft.changed.connect(self._show)

    def take(self, path: Path) -> str:
        """Use a file or folder that was dropped. Returns why not, or nothing."""
        try:
            choice = sources.recognise(path)
        except BadData as problem:
            return str(problem)
        data = choice.model_copy(update={"binarization": self._draft.config.data.binarization})
        self._draft.replace(self._draft.config.model_copy(update={"data": data}), f"data {path.name}")
        return ""

    def _show(self, config: RunConfig) -> None:
        choice = config.data
        try:
            source = sources.source(choice.source)
        except BadData as problem:
            self._fail(str(problem))
            return
        self._source.choose(choice.source)
        self._source.setToolTip(source.summary)
        self._form.show_settings(source.settings, choice.settings)
        self._form.setVisible(bool(source.settings.model_fields))
        self._choice.show_settings(
            DataChoice, choice.model_dump(), hidden=("source", "settings"), texts=BINARIZATION_TEXT
        )
        self._timer.start()

    def _look(self) -> None:
        """Read the data in the background and show it."""
        config = self._draft.config
        self._reader.submit(
            partial(self._cache.load, config.data), partial(self._have, config), partial(self._not_read, config)
        )

    def _have(self, config: RunConfig, dataset: Dataset) -> None:
        if config.data != self._draft.config.data:
            return
        if config.data != self._shown:
            self._shown = config.data
            x = dataset.train.x.numpy()
            self._preview.show_samples(x[:SHOWN] if dataset.spec.layout is Layout.IMAGE else x)
            self._about.setText(_summary(dataset))
        self._fail(self._unsuitable(dataset))

    def _not_read(self, config: RunConfig, problem: Problem) -> None:
        if config.data == self._draft.config.data:
            self._shown = None
            self._preview.show_samples(None)
            self._about.setText("")
            self._fail(problem.text)

    def _unsuitable(self, dataset: Dataset) -> str:
        config = self._draft.config
        try:
            Recipe.read(config.family, config.learner, config.model, config.learning).check(dataset.spec)
        except (UnsuitableData, SettingsError, UnknownKey) as problem:
            return str(problem)
        return ""

    def _fail(self, text: str) -> None:
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        self.checked.emit(text)


def _summary(dataset: Dataset) -> str:
    spec = dataset.spec
    shape = " × ".join(str(n) for n in spec.event_shape)
    classes = f", {spec.classes} classes" if spec.classes else ""
    counts = " + ".join(thousands(len(part)) for part in (dataset.train, dataset.valid, dataset.test))
    return f"{shape}, {spec.support}{classes}. {counts} to train, validate and test."
