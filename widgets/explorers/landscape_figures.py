"""The figures under the maps of Landscape: how far the model is from the exact density."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from dgm_studio.questions.optimum import Figure
from dgm_studio.table_texts import number
from widgets.building import label
from widgets.explorers.parts import HeadedCard
from widgets.theme import SPACE

NAMES = {
    "js": "JS(data, model)",
    "forward": "KL(data ‖ model)",
    "backward": "KL(model ‖ data)",
    "w1": "Wasserstein W₁",
    "estimate": "E f(x) − E f(G(z)), critic f",
    "dual": "the same / slope of f  ≤ W₁",
    "value": "V(D, G), D as it is",
    "best value": "V(D*, G) = 2 JS − log 4",
}
COLUMNS = ("", "model", "95 % interval", "if q = p", "kind")
GIVEN_UP = (4, 3, 2)  # columns without which it goes where room is short, in this order


class Figures(HeadedCard):
    """One row for each figure, those of `keys` from the start: maps above them would be laid out again when figures
    come. Its protocol is on the tooltip."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        super().__init__("Distance from the data", "p is exact; q is counted in samples")
        self._body = _Foldable()
        self._body.resized.connect(self._fit)
        self._grid = QGridLayout(self._body)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE * 3 // 2)
        self._grid.setVerticalSpacing(1)
        self._heads = [label(text, "small") for text in COLUMNS]
        self._heads[3].setToolTip("What a perfect sampler scores by the same protocol")
        self._rows: dict[str, list[QLabel]] = {}
        for column, head in enumerate(self._heads):
            self._grid.addWidget(head, 0, column, _side(column))
        self._grid.setColumnStretch(0, 1)
        self.column.addWidget(self._body)
        for key in keys:
            self._add(key)

    def show_figures(self, figures: tuple[Figure, ...]) -> None:
        for figure in figures:
            if figure.key not in self._rows:
                self._add(figure.key)
            _, value, interval, perfect, kind = self._rows[figure.key]
            measure = figure.measure
            value.setText(number(measure.value, 3))
            interval.setText(
                f"{number(measure.low, 3)} … {number(measure.high, 3)}" if measure.low < measure.high else "–"
            )
            perfect.setText("" if figure.perfect is None else number(figure.perfect, 3))
            kind.setText(str(measure.kind))
            lines = [
                f"<b>{escape(measure.name)}</b> ({escape(measure.unit)}), {measure.kind}",
                escape(measure.protocol),
            ]
            tip = "<br>".join([*lines, escape(measure.note)] if measure.note else lines)
            for part in self._rows[figure.key]:
                part.setToolTip(f"<p>{tip}</p>")
        self._fit()

    def _add(self, key: str) -> None:
        row = len(self._rows) + 1
        parts = [label(NAMES[key] if column == 0 else "", "small" if column == 4 else "", f"figure-{key}-{column}")
                 for column in range(len(COLUMNS))]  # fmt: skip
        for column, part in enumerate(parts):
            self._grid.addWidget(part, row, column, _side(column))
        self._rows[key] = parts

    def _fit(self) -> None:
        """Show as many columns as there is room for; what they say is on the tooltip too."""
        lines = [self._heads, *self._rows.values()]
        widths = [max(line[column].sizeHint().width() for line in lines) for column in range(len(COLUMNS))]
        gap = self._grid.horizontalSpacing()
        self._body.least = widths[0] + gap + widths[1]
        shown = set(range(len(COLUMNS)))
        for column in GIVEN_UP:
            if sum(widths[k] + gap for k in shown) - gap > self._body.width():
                shown.remove(column)
        for line in lines:
            for column, part in enumerate(line):
                part.setVisible(column in shown)


class _Foldable(QWidget):
    """As narrow as its owner says that it may be."""

    resized = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.least = 0

    def minimumSizeHint(self) -> QSize:
        return QSize(self.least, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()


def _side(column: int) -> Qt.AlignmentFlag:
    return Qt.AlignmentFlag.AlignLeft if column in (0, 4) else Qt.AlignmentFlag.AlignRight
