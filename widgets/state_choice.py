"""Which weights of a run are measured."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QWidget

from dgm_studio.number_texts import thousands

LOOKED_AT = -1  # stands for the step of the weights that are looked at


class StateChoice(QComboBox):
    """The weights that are looked at, a kept state, or every one. Hidden where there is nothing to choose."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("evaluate-state")
        self.setAccessibleName("Weights that are measured")
        self.setToolTip("Which weights are measured: those that are looked at, a kept state, or every one")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps whose weights are chosen; LOOKED_AT for those that are looked at."""
        return self.currentData() or (LOOKED_AT,)

    def offer(self, kept: Sequence[int]) -> None:
        """The run keeps the states of these steps; what is chosen stays, as far as it is there."""
        states: list[tuple[str, tuple[int, ...]]] = [("the weights that are looked at", ())]
        if len(kept) > 1:
            states.append((f"every kept state ({len(kept)})", tuple(kept)))
        states += [(f"kept state of step {thousands(step)}", (step,)) for step in reversed(kept)]
        if [text for text, _ in states] == [self.itemText(i) for i in range(self.count())]:
            return
        chosen = self.currentData()
        self.clear()
        for text, steps in states:
            self.addItem(text, steps)
        places = [i for i, (_, steps) in enumerate(states) if steps == chosen]
        self.setCurrentIndex(places[0] if places else 0)
        self.setVisible(len(states) > 1)
