"""Which data the next run learns from: one set, or two for what learns from two, and whether the model can."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, BadPreparation, Dataset
from dgm_studio.datasets.preview import DataPreview, preview
from dgm_studio.remedies import Remedy, as_given, remedies
from models import catalog
from models.catalog import Recipe, UnknownKey
from models.learning.base import Feed
from models.settings import SettingsError
from models.spec import DataSpec, UnsuitableData
from widgets.background import Background, Problem
from widgets.building import empty, label
from widgets.data_cache import DataCache
from widgets.domain_panel import DomainPanel
from widgets.draft import Draft
from widgets.readout import Readout
from widgets.settings_form import SettingsForm
from widgets.theme import SPACE

LOOK_AFTER = 250  # ms from the last change
SHOWN = 20
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

    def __call__(self, cache: DataCache) -> tuple[Dataset, list[DataPreview]]:
        dataset = cache.load(self.config.data, self._report)
        return dataset, [preview(d, SHOWN_POINTS if d.spec.dimensions == 2 else SHOWN) for d in dataset.domains]

    def _report(self, fraction: float, text: str) -> None:
        if self._cancelled.is_set():
            raise _Cancelled("Reading was cancelled.")
        self._panel.reading.emit(fraction, text)


class DataPanel(QWidget):
    """Edits the draft's data. `checked(problem)` after a look at the data: empty if the model can learn from it.

    `reading(fraction, text)` while data is read or downloaded; `help_wanted(address)` of a page.
    """

    checked = Signal(str)
    reading = Signal(float, str)
    help_wanted = Signal(str)

    def __init__(self, draft: Draft, cache: DataCache, reader: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dataPanel")
        self._draft, self._cache, self._reader = draft, cache, reader
        self._look: _Look | None = None
        self._problem = label("", "error", "dataProblem", wrap=True)
        self._problem.hide()
        self._remedies = QVBoxLayout()
        self._remedies.setSpacing(SPACE // 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        self._waiting = self._progress()
        offers = QWidget()
        self._remedies.setContentsMargins(0, 0, 0, 0)
        offers.setLayout(self._remedies)
        self._first = DomainPanel(draft, 0, [self._waiting, self._problem, offers])
        self._second = DomainPanel(draft, 1, [])
        self._second.hide()
        for domain in (self._first, self._second):
            domain.help_wanted.connect(self.help_wanted)
        column.addWidget(self._first)
        column.addWidget(self._second)
        self._timer = QTimer(self, singleShot=True, interval=LOOK_AFTER)
        self._timer.timeout.connect(self._begin)
        self.reading.connect(self._show_reading)
        draft.changed.connect(self._show)

    def take(self, path: Path, at: QPoint | None = None) -> str:
        """Use a file or folder that was dropped; as the second domain if it was dropped there (`at`, on the screen).
        Returns why not, or nothing."""
        try:
            choice = sources.recognise(path)
        except BadData as problem:
            return str(problem)
        second = at is not None and self._second.isVisible()
        domain = int(second and self._second.rect().contains(self._second.mapFromGlobal(at)))
        self._draft.set_source(choice.source, choice.settings, domain, f"data {path.name}")
        return ""

    def forms(self) -> list[tuple[str, SettingsForm]]:
        """The forms that are in use, with what they are about."""
        panels = [("Data", self._first), ("Second domain", self._second)]
        return [(title, form) for title, panel in panels if panel.isVisibleTo(self) for form in panel.forms]

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
        wants_two = catalog.learning(config.learner).learner.feed is Feed.TWO_DOMAINS
        first, *second = choice.domains
        self._second.setVisible(wants_two or bool(second))
        try:
            self._first.show_choice(first, entitled=self._second.isVisibleTo(self))
            self._second.show_choice(second[0] if second else DataChoice(), entitled=True)
        except BadData as problem:
            self._fail(str(problem))
            return
        if self._look is None or self._look.config.data != choice:
            self._cancel()
        self._timer.start()

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

    def _have(self, look: _Look, result: tuple[Dataset, list[DataPreview]]) -> None:
        if look is not self._look:
            return
        dataset, previews = result
        self._waiting.hide()
        given = as_given(dataset, look.config.data)
        domains = zip(look.config.data.domains, previews, dataset.domains, (given, given.other), strict=False)
        for panel, (choice, shown, domain, spec) in zip((self._first, self._second), domains, strict=False):
            assert spec is not None
            panel.show_examples(choice, shown, domain.spec, spec)
        problem = _unsuitable(look.config, dataset)
        self._fail(problem, given if problem else None)

    def _not_read(self, look: _Look, problem: Problem) -> None:
        if look is not self._look:
            return
        self._waiting.hide()
        self._first.clear()
        self._second.clear()
        self._fail(problem.text, problem.error.given if isinstance(problem.error, BadPreparation) else None)

    def _fail(self, text: str, given: DataSpec | None = None) -> None:
        """Say what is wrong, and offer what would fit data that is `given`."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))
        empty(self._remedies)
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
