"""The line at the bottom: how far the training is, and where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QToolButton, QWidget

from dgm_studio.number_texts import bytes_text, duration, rate, thousands
from widgets.building import Card
from widgets.icons import dress
from widgets.notices import Log, Notice
from widgets.readout import Readout
from widgets.theme import SPACE, look, px

if TYPE_CHECKING:
    from dgm_studio.events import Progress  # torch comes with it, and the window is up before torch is

FADE_AFTER = 8000  # ms that a message stays in the line; the log keeps it


class StatusLine(Card):
    """Progress, step, steps per second, time left; the last message, memory and device. `log_wanted()` on a click."""

    log_wanted = Signal()

    def __init__(self, log: Log, parent: QWidget | None = None) -> None:
        super().__init__(parent, margin=0)
        self.setObjectName("statusLine")
        self._fit()
        look.scaled.connect(self._fit)
        row = QHBoxLayout()
        row.setContentsMargins(SPACE, 0, SPACE // 2, 0)
        row.setSpacing(SPACE * 3 // 2)
        self.column.addLayout(row)
        self._bar = QProgressBar(textVisible=False)
        self._bar.setObjectName("progress")
        self._bar.setAccessibleName("Progress of the training")
        self._bar.setFixedWidth(26 * SPACE)
        self._bar.setRange(0, 1000)
        row.addWidget(self._bar, 0, Qt.AlignmentFlag.AlignVCenter)
        self._text = Readout("progressText")
        self._text.set_text("Nothing is in training")
        self._message = Readout("lastMessage", "muted")
        self._place = Readout("device", "muted", right=True)
        for part, share in ((self._text, 5), (self._message, 5), (self._place, 3)):
            row.addWidget(part, share)
        button = QToolButton(toolTip="Show all messages (Ctrl+L)")
        button.setObjectName("showLog")
        button.setAccessibleName("Show all messages")
        dress(button, "log", "muted")
        button.clicked.connect(self.log_wanted)
        row.addWidget(button)
        self._fade = QTimer(self, singleShot=True, interval=FADE_AFTER)
        self._fade.timeout.connect(lambda: self._message.set_text(""))
        log.said.connect(self._said)

    def _fit(self) -> None:
        self.setFixedHeight(px(4 * SPACE))

    def show_progress(self, event: Progress, queued: int = 0) -> None:
        self._bar.setRange(0, 1000)
        self._bar.setValue(round(1000 * event.step / max(1, event.steps)))
        parts = [f"step {thousands(event.step)} / {thousands(event.steps)}", rate(event.steps_per_second)]
        if event.phase:
            parts.append(event.phase)
        if event.remaining > 0 and event.step < event.steps:
            parts.append(f"{duration(event.remaining)} left")
        if queued:
            parts.append(f"{queued} waiting")
        self._text.set_text("  ·  ".join(parts))

    def show_text(self, text: str, fraction: float | None = 0.0) -> None:
        """Say `text` instead of progress; None for `fraction` where nobody knows how far it is."""
        self._bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self._bar.setValue(round(1000 * fraction))
        self._text.set_text(text)

    def show_nothing(self) -> None:
        """That nothing trains."""
        self.show_text("Nothing is in training")

    def show_place(self, device: str, memory: int) -> None:
        """Where the training runs, and the memory in use there in bytes."""
        self._place.set_text(f"memory {bytes_text(memory)}  ·  {device}" if memory else device)

    def _said(self, notice: Notice) -> None:
        self._message.set_text(notice.text)
        self._fade.start()
