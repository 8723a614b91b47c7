"""The cards of a run: what it can be put through, and what is kept of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from dgm_studio.evaluation import EVALUATIONS, admitted
from dgm_studio.reports import Points, Series
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run
from widgets.empty import Empty
from widgets.evaluation_card import EvaluationCard
from widgets.kept_results import Stored, on_the_plane_of, results_of
from widgets.live import Live
from widgets.measuring import Measuring
from widgets.report_views import text_label
from widgets.theme import SPACE


class EvaluationCards(QScrollArea):
    """One card for each evaluation that the shown run is admitted to or was put through, one below the other.

    They are made when they are first seen or asked for; what was measured before is filled in card by card, so that the
    window goes on between two of them: a run may have a hundred tables and plots.

    Signals: `asked(key)`, `asked_again(key, How)` as an older result was measured, `cancelled(key)`.
    """

    asked = Signal(str)
    asked_again = Signal(str, object)
    cancelled = Signal(str)

    def __init__(self, measuring: Measuring, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("evaluate-scroll")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._measuring = measuring
        self._project: Project | None = None
        self._run: Run | None = None
        self._live: Live | None = None
        self._cards: dict[str, EvaluationCard] | None = None  # None: not yet made
        self._unfilled: dict[str, Sequence[Stored]] = {}
        self._filling = QTimer(self, interval=0)
        self._filling.timeout.connect(self._fill)
        self._brought = "", 0  # the card that was asked for by name, and where the page was scrolled to

    @property
    def made(self) -> Mapping[str, EvaluationCard]:
        """The cards by the keys of their evaluations, if they were made."""
        return self._cards or {}

    @property
    def by_key(self) -> Mapping[str, EvaluationCard]:
        """The same, made now if they were not."""
        if self._cards is None:
            self._cards = self._make_all()
        return self._cards

    @property
    def being_filled(self) -> bool:
        """Whether what was measured before is still on its way into them."""
        return bool(self._unfilled)

    def filled(self, key: str) -> EvaluationCard | None:
        """A card with what was measured before, if there is one of this key."""
        card = self.by_key.get(key)
        if card is not None and key in self._unfilled:
            card.set_results(self._unfilled.pop(key))
        return card

    def show_run(self, project: Project | None, run: Run | None, live: Live | None) -> None:
        """There is another run, whose cards are made when they are wanted."""
        if run is not self._run:
            self._brought = "", 0
        self._project, self._run, self._live = project, run, live
        self._cards, self._unfilled = None, {}
        before = self.takeWidget()
        if before is not None:
            before.deleteLater()
        if self.isVisible():
            _ = self.by_key

    def showEvent(self, event: QShowEvent) -> None:
        _ = self.by_key
        super().showEvent(event)

    def _make_all(self) -> dict[str, EvaluationCard]:
        run, live = self._run, self._live
        content = _Column()
        content.setProperty("plain", True)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, SPACE, 0)
        column.setSpacing(SPACE)
        stored, trouble = results_of(run)
        if trouble:
            column.addWidget(text_label(trouble, "error"))
        cards = {card.key: card for card in self._make(run, live, stored)}
        for card in cards.values():
            card.set_newest(live.step if live is not None else -1)
            column.addWidget(card)
        if not cards:
            column.addWidget(_empty(run, live), 1)
        column.addStretch()
        self.setWidget(content)
        self._unfilled = {key: stored[key] for key in cards if key in stored}
        self._filling.start()
        return cards

    def _fill(self) -> None:
        if self._unfilled:
            self.filled(next(iter(self._unfilled)))
        else:
            self._filling.stop()
            self._bring_again()

    def show_newest(self, step: int) -> None:
        """There are weights of this step."""
        for card in self.made.values():
            card.set_newest(step)

    def show_results(self, key: str) -> None:
        """The project holds another result of the run."""
        self._unfilled.pop(key, None)
        self.by_key[key].set_results(results_of(self._run)[0].get(key, []))
        if self._brought[0] == key:
            self._bring_again()

    def bring(self, key: str) -> None:
        """Scroll to a card; again when results have made it higher, unless a person has looked elsewhere meanwhile."""
        if key in self.by_key:
            bar = self.verticalScrollBar()
            bar.setValue(self.by_key[key].y())
            self._brought = key, bar.value()

    def _bring_again(self) -> None:
        key, place = self._brought
        if place == self.verticalScrollBar().value():
            QTimer.singleShot(0, self, lambda: self.bring(key))  # once the cards have their heights

    def _make(self, run: Run | None, live: Live | None, stored: Mapping[str, Sequence[Stored]]) -> list[EvaluationCard]:
        if run is None:
            return []
        name, others, cards = run.name, self._others, []
        if live is not None:
            for entry in admitted(live.recipe, live.spec):
                hidden = entry.without_effect(live.model_class)
                cards.append(EvaluationCard(entry.key, entry.title, name, others, self._measuring, entry, hidden))
        titles = {entry.key: entry.title for entry in EVALUATIONS}
        rest = [key for key in stored if key not in {card.key for card in cards}]
        cards += [EvaluationCard(key, titles.get(key, key), name, others, self._measuring) for key in rest]
        for card in cards:
            card.asked.connect(self.asked)
            card.asked_again.connect(self.asked_again)
            card.cancelled.connect(self.cancelled)
        return cards

    def _others(self, report: Points) -> list[Series]:
        return on_the_plane_of(report, self._project)


class _Column(QWidget):
    # As high as its cards are at its width: what they need at their narrowest would leave an empty end.
    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), 0)


def _empty(run: Run | None, live: Live | None) -> Empty:
    if run is None:
        title = "Nothing to measure yet"
        text = (
            "Train a run or select a trained one. Its likelihood, samples and codes are measured here, each figure "
            "with its kind and interval."
        )
    elif live is None:
        title = "Nothing was measured of this run"
        text = "It can be measured when its data and its model are there."
    else:
        title, text = "Nothing to measure here", "No evaluation applies to this model and these data."
    return Empty(title, text, "evaluate")
