"""The page the window opens with: projects, and runs that are ready to start. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from dgm_studio.presets import Preset
from widgets.building import Card, Flow, label, scrolled, section
from widgets.icons import drawn, dress
from widgets.preferences import thumbnail_file
from widgets.readout import Readout
from widgets.theme import SPACE, look

CARD_WIDTH = 208
PICTURE_HEIGHT = 100


class Cover(QWidget):
    """A picture that fills its width, with rounded corners; sharp pixels when it is small."""

    def __init__(self, path: Path | None, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path, self._pixmap = path, QPixmap()  # read when it is seen first: there are many, and few are in view
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        look.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        area = QRectF(self.rect())
        if self._path is not None:
            self._pixmap, self._path = QPixmap(str(self._path)), None  # stays null without a file
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            path = QPainterPath()
            path.addRoundedRect(area, 6, 6)
            painter.setClipPath(path)
            painter.fillRect(area, look.theme.raised)
            if self._pixmap.isNull():
                side = 40
                mark = drawn("curves", look.theme.muted, 2 * side)
                painter.drawPixmap(
                    QRectF(area.center().x() - side / 2, area.center().y() - side / 2, side, side),
                    mark,
                    QRectF(mark.rect()),
                )
                return
            size = self._pixmap.size()
            scaled = size.scaled(area.size().toSize(), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
            enlarged = scaled.width() > 2 * size.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
            # the middle of what is cut off stays in view
            target = QRectF(0, 0, scaled.width(), scaled.height())
            target.moveCenter(area.center())
            painter.drawPixmap(target, self._pixmap, QRectF(self._pixmap.rect()))


class StartPage(QWidget):
    """Signals: `new_project()`, `open_project()`, `recent_chosen(Path)`, `preset_chosen(Preset)`."""

    new_project = Signal()
    open_project = Signal()
    recent_chosen = Signal(object)
    preset_chosen = Signal(object)

    def __init__(self, presets: Sequence[Preset], recent: Sequence[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("startPage")
        self._loading = label("", "muted", "loadingText")
        self._progress = QProgressBar(textVisible=False)
        self._progress.setObjectName("loadingBar")
        self._progress.setRange(0, 0)
        self._progress.setFixedWidth(160)
        self._progress.hide()
        self._recent_box = QVBoxLayout()
        self._recent_box.setSpacing(SPACE // 2)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 3 * SPACE)
        grid.setHorizontalSpacing(4 * SPACE)
        grid.setColumnMinimumWidth(0, 26 * SPACE)
        grid.setColumnStretch(1, 1)
        grid.addLayout(self._left(), 0, 0, Qt.AlignmentFlag.AlignTop)
        grid.addLayout(self._gallery(presets), 0, 1, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(1, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        frame = Card(margin=0)
        frame.column.addWidget(scrolled(content, "startScroll"))
        outer.addWidget(frame)
        self.show_recent(recent)

    @property
    def loading_text(self) -> str:
        """What is being loaded now."""
        return self._loading.text()

    def say_loading(self, text: str) -> None:
        """What is being loaded; empty when all is ready."""
        self._loading.setText(text)
        self._progress.setVisible(bool(text))

    def show_recent(self, paths: Sequence[Path]) -> None:
        """List these projects, the newest first."""
        while (item := self._recent_box.takeAt(0)) is not None:
            item.widget().hide()
            item.widget().deleteLater()
        for path in paths:
            self._recent_box.addWidget(self._recent_card(path))
        if not paths:
            self._recent_box.addWidget(label("Projects you open are listed here.", "muted", wrap=True))

    def _left(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        column.addWidget(label("DGM Studio", "title"))
        column.addWidget(
            label(
                "Train deep generative models, watch them learn, and drag through what they learned.",
                "muted",
                wrap=True,
            )
        )
        column.addSpacing(SPACE)
        for text, name, picture, signal, tip in (
            ("New project", "newProject", "new", self.new_project, "Make an empty project (Ctrl+N)"),
            ("Open project …", "openProject", "open", self.open_project, "Open a project file (Ctrl+O)"),
        ):
            button = QPushButton(text, toolTip=tip)
            button.setObjectName(name)
            button.setIconSize(QSize(18, 18))
            dress(button, picture)
            button.clicked.connect(signal)
            column.addWidget(button)
        column.addSpacing(2 * SPACE)
        column.addWidget(section("Recent"))
        column.addLayout(self._recent_box)
        return column

    def _gallery(self, presets: Sequence[Preset]) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SPACE)
        head = QHBoxLayout()
        head.addWidget(label("One click trains", "heading"))
        head.addStretch(1)
        head.addWidget(self._loading)
        head.addWidget(self._progress, 0, Qt.AlignmentFlag.AlignVCenter)
        column.addLayout(head)
        column.addWidget(
            label("A card makes a project of its own and starts at once, with settings that were tried.", "muted")
        )
        for group in dict.fromkeys(preset.group for preset in presets):
            column.addSpacing(SPACE)
            column.addWidget(section(group))
            flow = Flow()
            for preset in presets:
                if preset.group == group:
                    flow.addWidget(self._preset_card(preset))
            column.addLayout(flow)
        return column

    def _preset_card(self, preset: Preset) -> Card:
        card = Card(clickable=True, margin=SPACE)
        card.setObjectName(f"preset-{preset.key}")
        card.setMinimumWidth(CARD_WIDTH)
        card.setAccessibleName(preset.title)
        card.setAccessibleDescription(preset.summary)
        card.setToolTip(preset.summary)
        card.column.setSpacing(SPACE // 2)
        card.column.addWidget(Cover(preset.picture, PICTURE_HEIGHT))
        card.column.addWidget(label(preset.title, "strong", wrap=True))
        card.column.addWidget(label(preset.summary, "small", wrap=True))
        card.column.addStretch(1)
        card.clicked.connect(lambda: self.preset_chosen.emit(preset))
        return card

    def _recent_card(self, path: Path) -> QFrame:
        card = Card(clickable=True, margin=SPACE // 2)
        card.setObjectName("recentProject")
        card.setAccessibleName(f"Open {path.stem}")
        card.setToolTip(str(path))
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        cover = Cover(thumbnail_file(path), 40)
        cover.setFixedWidth(40)
        row.addWidget(cover)
        text = QVBoxLayout()
        text.setSpacing(0)
        for role, words in (("strong", path.stem), ("small", str(path.parent).replace(str(Path.home()), "~"))):
            line = Readout(role=role)
            line.set_text(words)
            text.addWidget(line)
        row.addLayout(text, 1)
        card.column.addLayout(row)
        card.clicked.connect(lambda: self.recent_chosen.emit(path))
        return card
