"""A way through a latent space: pins as key frames, pictures between them, and a film of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QElapsedTimer, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from dgm_studio.animation import KINDS, PER_SECOND
from dgm_studio.paths import EASINGS, KeyFrame, Path
from widgets.editors import DecimalBox
from widgets.explorers.key_frames import KeyFrameRow
from widgets.explorers.latent_tools import LatentTool
from widgets.explorers.parts import Caption, Segments, button, check, fill, row_of
from widgets.explorers.picture_strip import PictureStrip
from widgets.icons import dress
from widgets.past import Past
from widgets.theme import SPACE, px

PICTURES = 10
FINE = 32  # places on each leg of the line on the map
EASING_TIPS = {
    "even": "at one speed",
    "smooth": "starts and arrives at rest",
    "start": "starts at rest",
    "arrive": "arrives at rest",
}
FORMATS = {".gif": "GIF animation", ".mp4": "MP4 video", ".png": "PNG strip"}
assert FORMATS.keys() == KINDS.keys()


class Walk(LatentTool):
    """With one pin the way leads from it to the handle, with more through the pins, and can be played and exported.

    `played(z)` is where the animation is now; `export(kind)` asks for a film."""

    key = "walk"
    title = "Path"
    tip = "A way through pins: pictures between them, an animation, a film (P pins, Space plays)"
    played = Signal(object)
    export = Signal(str)

    def __init__(self, with_pictures: bool) -> None:
        super().__init__()
        self.frames: list[KeyFrame] = []
        self.index = -1
        self._past: Past[tuple[list[KeyFrame], int]] = Past()  # key frames, and which of them is chosen
        self._with_pictures = with_pictures
        self._clock, self._begun = QElapsedTimer(), 0.0
        self._tick = QTimer(self, interval=1000 // PER_SECOND, timerType=Qt.TimerType.PreciseTimer)
        self._tick.timeout.connect(self._advance)
        self.row = KeyFrameRow()
        self.row.chosen.connect(self._choose)
        self.row.removed.connect(self._remove)
        tip = "What the way between the pins decodes to. With two pins or more: click to go there."
        self.strip = PictureStrip("strip", "Pictures on the way", tip)
        self.strip.setVisible(with_pictures)
        self.strip.picked.connect(self._pick)
        self.message = Caption(name="walkMessage")
        self.message.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addLayout(self._controls())
        column.addWidget(self.row)
        column.addWidget(self._editor())
        fill(column, self.strip, self.message)
        self._refresh()

    def _controls(self) -> QHBoxLayout:
        self.play = QToolButton(objectName="play")
        self.play.setAccessibleName("Play")
        self.play.clicked.connect(self.toggle)
        self._choice = Segments(
            [("lerp", "lerp", "Along the straight line"), ("slerp", "slerp", "Along the great arc (White, 2016)")],
            "way",
        )
        self._choice.chosen.connect(lambda key: self._changed())
        self._closed = check("Loop", "closed", "From the last pin back to the first", False, lambda on: self._changed())
        self._export = QToolButton(objectName="exportFilm", text="Export")
        self._export.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._export.setToolTip("Write the way as an animation, a video or a strip of pictures")
        dress(self._export, "save", "muted")
        menu = QMenu(self._export)
        for kind, title in FORMATS.items():
            action = menu.addAction(f"{title} …")
            action.setObjectName(f"export{kind}")
            action.triggered.connect(lambda checked=False, kind=kind: self.export.emit(kind))
        self._export.clicked.connect(lambda: menu.popup(self._export.mapToGlobal(self._export.rect().bottomLeft())))
        self._export.setVisible(self._with_pictures)
        self._clear = button("Clear", "unpin", "Take all pins away", self.clear)
        self._clear.setProperty("flat", True)
        row = row_of(self.play, self._choice, self._closed, stretch=True)
        fill(row, self._export, self._clear)
        return row

    def _editor(self) -> QWidget:
        """What belongs to the chosen key frame."""
        self._of = QLabel()
        self._seconds = DecimalBox()
        self._seconds.setObjectName("seconds")
        self._seconds.setRange(0.1, 30)
        self._seconds.setSingleStep(0.5)
        self._seconds.setDecimals(1)
        self._seconds.setSuffix(" s")
        self._seconds.setFixedWidth(px(88))
        self._seconds.setToolTip("How long the way from this pin to the next takes")
        self._seconds.setAccessibleName("Seconds to the next pin")
        self._seconds.valueChanged.connect(self._edit)
        self._easing = QComboBox(objectName="easing", toolTip="How time runs on the way to the next pin")
        self._easing.setAccessibleName("Easing")
        for easing in EASINGS:
            self._easing.addItem(easing, easing)
            self._easing.setItemData(self._easing.count() - 1, EASING_TIPS[easing], Qt.ItemDataRole.ToolTipRole)
        self._easing.activated.connect(self._edit)
        here = button("Put here", "putHere", "Move this pin to where the handle is", self._put_here)
        remove = button("Remove", "removePin", "Take this pin away (Delete)", lambda: self._remove(self.index))
        remove.setProperty("flat", True)
        self._parts = QWidget()
        row = QHBoxLayout(self._parts)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE // 2)
        fill(row, self._of, self._seconds, self._easing)
        row.addStretch(1)
        fill(row, here, remove)
        return self._parts

    # What others see.

    @property
    def pins(self) -> list[np.ndarray]:
        return [frame.z for frame in self.frames]

    @property
    def playing(self) -> bool:
        return self._tick.isActive()

    def path(self) -> Path | None:
        """The path through the pins; None with fewer than two."""
        if len(self.frames) < 2:
            return None
        return Path(tuple(self.frames), self._closed.isChecked(), self._choice.key == "slerp")

    def add(self, z: np.ndarray) -> None:
        """A pin at z, after the chosen one."""
        self._keep()
        last = self.frames[self.index] if self.index >= 0 else KeyFrame(z)
        self.index += 1
        self.frames.insert(self.index, replace(last, z=z.copy()))
        self._changed()

    def clear(self) -> None:
        self._keep()
        self.frames.clear()
        self.index = -1
        self.row.pictures = None
        self.message.setText("")
        self._changed()

    def way(self) -> np.ndarray:
        """The way on the map, finely: (N, L); no place without pins."""
        path = self.path()
        if path is None and not self.frames:
            return np.zeros((0, len(self.z)), np.float32)
        path = path or Path((*self.frames, KeyFrame(self.z)), spherical=self._choice.key == "slerp")
        return path.at(np.linspace(0, path.seconds, FINE * len(path.legs) + 1) - (1e-6 if path.closed else 0))

    def places(self) -> np.ndarray | None:
        """The pins, and what the strip shows; of points, the whole way."""
        if not self.frames:
            return None
        return np.concatenate([np.stack(self.pins), self.stations() if self._with_pictures else self.way()])

    def stations(self) -> np.ndarray:
        """The places whose pictures the strip shows: (PICTURES, L)."""
        way = self.way()
        return way[np.linspace(0, len(way) - 1, PICTURES).round().astype(int)]

    def show_decoded(self, x: np.ndarray) -> None:
        if self._with_pictures:
            pins, stations = x[:-PICTURES], x[-PICTURES:]
            self.row.show_pictures(pins)
            self.strip.show_pictures(stations)

    def follow(self, z: np.ndarray) -> None:
        super().follow(z)
        if len(self.frames) == 1:
            self.changed.emit()

    def close_tool(self) -> None:
        self.pause()

    def say(self, text: str) -> None:
        """What becomes of a film; until the path changes."""
        self.message.setText(text)

    # What a person does.

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing:
            self.pause()
        elif (path := self.path()) is not None:
            if not path.closed and self._begun >= path.seconds:
                self._begun = 0.0
            self._clock.start()
            self._tick.start()
            self._refresh()

    def pause(self) -> None:
        if self.playing:
            self._begun += self._clock.elapsed() / 1000
            self._tick.stop()
            self._refresh()

    def _advance(self) -> None:
        path = self.path()
        if path is None:
            self.pause()
            return
        now = self._begun + self._clock.elapsed() / 1000
        self.played.emit(path.at(np.array([now]))[0])
        if not path.closed and now >= path.seconds:
            self.pause()

    def _choose(self, index: int) -> None:
        self.pause()
        self.index = index
        self._begun = sum(frame.seconds for frame in self.frames[:index])
        self._refresh()
        self.moved.emit(self.frames[index].z)

    @property
    def can_undo(self) -> bool:
        return self._past.can_undo

    def undo(self) -> None:
        """The key frames as they were before the last change."""
        self.frames, self.index = self._past.undo((list(self.frames), self.index))
        self._changed()

    def _keep(self) -> None:
        self._past.leave((list(self.frames), self.index))

    def _remove(self, index: int) -> None:
        self._keep()
        del self.frames[index]
        self.index = min(index, len(self.frames) - 1)
        self._changed()

    def _put_here(self) -> None:
        self._keep()
        self.frames[self.index] = replace(self.frames[self.index], z=self.z.copy())
        self._changed()

    def _edit(self) -> None:
        self._keep()
        frame = self.frames[self.index]
        self.frames[self.index] = replace(frame, seconds=self._seconds.value(), easing=self._easing.currentData())
        self._changed()

    def _pick(self, station: int) -> None:
        if len(self.frames) > 1:
            self.pause()
            self.moved.emit(self.stations()[station])

    def _changed(self) -> None:
        if self.path() is None:
            self._tick.stop()
            self._begun = 0.0
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        path = self.path()
        dress(self.play, "pause" if self.playing else "train")
        self.play.setToolTip("Pause (Space)" if self.playing else "Play the way through the pins (Space)")
        self.play.setEnabled(path is not None)
        self._export.setEnabled(path is not None)
        self._clear.setEnabled(bool(self.frames))
        ends = [] if path is None else [begin for begin, _ in path.legs]
        notes = [f"{frame.seconds:.1f} s" if i < len(ends) else "end" for i, frame in enumerate(self.frames)]
        self.row.show_frames(notes, self.index)
        chosen = 0 <= self.index < len(self.frames)
        self._parts.setVisible(chosen)
        for part in (self.row, self.strip):
            part.setVisible(chosen and (part is self.row or self._with_pictures))
        if chosen:
            frame = self.frames[self.index]
            self._of.setText(f"Pin {self.index + 1}")
            leaves = self.index < len(ends)
            for part in (self._seconds, self._easing):
                part.setEnabled(leaves)
            self._seconds.blockSignals(True)
            self._seconds.setValue(frame.seconds)
            self._seconds.blockSignals(False)
            self._easing.setCurrentIndex(self._easing.findData(frame.easing))
        if not chosen:
            self.message.setText("Pin places (P): what lies between them is shown here, played and exported.")
        elif path is None:
            self.message.setText("One more pin makes a path that can be played.")
        else:
            self.message.setText(f"{len(self.frames)} pins · {path.seconds:.1f} s")
