"""A place for what may be wider than there is room for."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget


class Sideways(QScrollArea):
    """Scrolls from side to side where its content is wider than it is, and is as high as its content: whatever else
    stands on the page keeps the width of the page."""

    def __init__(self, content: QWidget) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the content has it
        self.setWidget(content)
        content.setAutoFillBackground(False)  # which a scroll area switches on: what is behind shows through
        self.viewport().setAutoFillBackground(False)
        content.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.LayoutRequest:
            self._fit()
        elif event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            QTimer.singleShot(0, self, self._arrange)
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _arrange(self) -> None:
        """Qt leaves the parts of a content as they were if it is given another height while it is first shown."""
        layout = self.widget().layout()
        if layout is not None and layout.geometry() != self.widget().contentsRect():
            layout.setGeometry(self.widget().contentsRect())

    def _fit(self) -> None:
        content = self.widget()
        least = max(content.minimumWidth(), content.minimumSizeHint().width())
        width = max(self.width(), least)
        high = content.heightForWidth(width) if content.hasHeightForWidth() else content.sizeHint().height()
        self.setFixedHeight(high + (self.horizontalScrollBar().sizeHint().height() if least > self.width() else 0))
