"""Dream: watch a model's Markov chains, and hold some of their pixels."""

from __future__ import annotations

from collections import deque

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from dgm_studio.inference import Answer
from dgm_studio.questions.chains import Advance, ChainFrame, Filters, StartChains
from dgm_studio.questions.examples import SomeExamples
from models.capabilities import HasFilters, HasFreeEnergy, RunsChain
from models.spec import DataSpec, Layout
from widgets.canvas import PixelBrush
from widgets.colormaps import diverging
from widgets.explorers.base import Explorer
from widgets.explorers.brush_tools import BLACK, FREE, KEEP, WHITE, BrushTools
from widgets.explorers.parts import Caption, Card, SliderRow, button, check, fill, row_of
from widgets.live import Live
from widgets.picture_view import PictureView
from widgets.pictures import tile
from widgets.plots import Plot, pen
from widgets.theme import CATEGORICAL, SPACE, look

FRAME = 33  # ms
CHAINS = 16
TRACE = 300  # frames of free energy that are kept


class Dream(Explorer):
    """The first chain is large and can be painted on: painted pixels are held while the others are drawn again."""

    key = "dream"
    title = "Dream"

    def __init__(self, live: Live, parent: QWidget | None = None) -> None:
        super().__init__(live, parent)
        shape, self._brightest = live.spec.event_shape, live.spec.brightest
        self._x = np.zeros((0, *shape), np.float32)
        self._clamp = np.zeros(shape, bool)
        self._energies: deque[np.ndarray] = deque(maxlen=TRACE)
        self._shown = 0  # transitions since the start
        self.playing = True
        self.first = PixelBrush()
        self.first.setObjectName("firstChain")
        self.first.brushed.connect(self._paint)
        self.others = PictureView(minimum=120)
        self.others.setObjectName("chains")
        self.trace = Plot()
        self.trace.setObjectName("freeEnergy")
        self.trace.set_titles("frame", "F(x), nats")
        self._curves = [self.trace.plot() for _ in range(4)]
        self.filters = PictureView(minimum=96)
        self.filters.setObjectName("filters")
        self._weights: np.ndarray | None = None
        self._clock = QTimer(self, interval=FRAME)
        self._clock.timeout.connect(self._advance)
        self._waiting = False
        self.body.addWidget(self._chain_card(), 5)
        right = QVBoxLayout()
        right.setSpacing(SPACE)
        for card, stretch in self._side_cards():
            right.addWidget(card, stretch)
        self.body.addLayout(right, 4)
        look.changed.connect(self._restyle)
        self._restyle()

    @staticmethod
    def admits(model: type, learner: type, spec: DataSpec) -> bool:
        return issubclass(model, RunsChain) and spec.layout is Layout.IMAGE

    # What is asked, and what comes back.

    def begin(self) -> None:
        self._waiting = False
        if not len(self._x):
            self.ask("start", StartChains(CHAINS))
        if issubclass(self.live.model_class, HasFilters):
            self.follow("filters", Filters, 250)
        self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()

    def receive(self, name: str, answer: Answer) -> None:
        if name == "filters":
            self._weights = answer.value
            self._show_filters()
        elif name == "start":
            self._restart(answer.value.x)
            self._show(answer.value)
        elif name == "data":
            x = answer.value.x
            self._restart(x[np.arange(CHAINS) % len(x)])
        elif name == "advance":
            self._waiting = False
            self._shown += round(self._speed.value)
            self._show(answer.value)

    def _advance(self) -> None:
        if self.playing and not self._waiting and len(self._x):
            self._waiting = True
            question = Advance(self._x, self._held(), round(self._speed.value), self._temperature.value)
            self.ask("advance", question)

    def _held(self) -> np.ndarray:
        """The pixels that are held, of all chains or of the first: (n, *event) bool."""
        held = np.zeros(self._x.shape, bool)
        held[: None if self._all.isChecked() else 1] = self._clamp
        return held

    def _restart(self, x: np.ndarray) -> None:
        """Go on from the states `x`; what a chain was doing is forgotten."""
        self.forget("advance")
        self._waiting = False
        self._shown = 0
        self._energies.clear()
        self._clamp[:] = False
        self._x = x.copy()
        self._show(ChainFrame(self._x, self._x, None))

    def _show(self, frame: ChainFrame) -> None:
        # pixels painted since the question was asked stay as they were painted
        self._x = np.where(self._held(), self._x, frame.x)
        shown = frame.x if self._states.isChecked() else frame.mean
        first = np.where(self._clamp, self._x[0], shown[0]) / self._brightest
        self.first.show_picture(first)
        self.first.mark(self._clamp.any(0))
        gap = max(1, shown.shape[-1] // 14)
        self.others.show_picture(tile(shown[1:] / self._brightest, 5, gap=gap))
        if frame.free_energy is not None:
            self._energies.append(frame.free_energy)
            self._show_trace()
        self._status.setText(f"{self._shown:,} transitions · weights of step {self.live.step:,}")

    def _show_trace(self) -> None:
        energies = np.stack(self._energies)
        frames = np.arange(len(energies))
        for i, curve in enumerate(self._curves[1:], start=1):
            curve.setData(frames, energies[:, i])
        self._curves[0].setData(frames, energies[:, 0])

    def _show_filters(self) -> None:
        if self._weights is None:
            return
        weights = self._weights.mean(1)
        # each filter on a scale of its own, symmetric about 0
        largest = np.abs(weights).max(axis=(1, 2), keepdims=True)
        share = 0.5 + 0.5 * weights / np.maximum(largest, 1e-12)
        columns = int(np.ceil(np.sqrt(len(share) * 2)))
        sheet = tile(share[:, None].astype(np.float32), columns, gap=max(1, share.shape[-1] // 14), background=0.5)
        self.filters.show_picture(diverging(sheet[0]))

    def _restyle(self) -> None:
        for i, curve in enumerate(self._curves):
            curve.setPen(pen(look.theme.accent, 2) if i == 0 else pen(CATEGORICAL[8], 1, opacity=0.5))
        self._curves[0].setZValue(1)
        self._show_filters()

    # What a person does.

    def _paint(self, mask: np.ndarray) -> None:
        if not len(self._x):
            return
        tool = self.tools.tool
        x, clamp = self._x.copy(), self._clamp.copy()
        clamp[:, mask] = tool != FREE
        if tool in (WHITE, BLACK):
            x[0][:, mask] = self._brightest * (tool == WHITE)
        if self._all.isChecked():
            x[1:, :, mask] = x[:1, :, mask]
        self._x, self._clamp = x, clamp
        self.first.show_picture(np.where(clamp, x[0] / self._brightest, self.first.picture))
        self.first.mark(clamp.any(0))

    def _play(self) -> None:
        self.playing = not self.playing
        self._play_button.setText("Pause" if self.playing else "Play")

    def _set_playing(self, playing: bool) -> None:
        if playing is not self.playing:
            self._play()

    def _from_noise(self) -> None:
        self._set_playing(True)
        self.ask("start", StartChains(CHAINS))

    def _from_data(self) -> None:
        self._set_playing(True)
        self.ask("data", SomeExamples(CHAINS))

    def _from_drawing(self) -> None:
        """An empty picture, at rest until a person has drawn on it."""
        self._set_playing(False)
        self._restart(np.zeros((CHAINS, *self.live.spec.event_shape), np.float32))
        self.tools.choose(WHITE)

    def _release(self) -> None:
        self._clamp = np.zeros_like(self._clamp)
        self.first.mark(None)

    # How it is put together.

    def _chain_card(self) -> Card:
        card = Card("First chain", "paint to hold pixels")
        self._states = check("States", "states", "Show the sampled bits instead of their probabilities", False)
        card.head.addWidget(self._states)
        card.column.addWidget(self.first, 1)
        _, height, width = self.live.spec.event_shape
        self.tools = BrushTools(
            max(height, width),
            {
                KEEP: "Hold pixels at the values they have now",
                WHITE: "Draw white pixels, and hold them",
                BLACK: "Draw black pixels, and hold them",
                FREE: "Let pixels go",
            },
        )
        self.tools.resized.connect(self._resize_brush)
        self._resize_brush(self.tools.radius)
        self._all = check("Hold in all chains", "allChains", "The other chains continue from the same pixels", True)
        release = button("Let all go", "release", "Hold no pixel any more", self._release)
        self._speed = SliderRow("Speed", 1, 50, 1, "{:.0f} per frame", name_width=88)
        self._speed.setObjectName("speed")
        self._temperature = SliderRow("Temperature", 0.2, 3, 1, "{:.2f}", name_width=88)
        self._temperature.setObjectName("temperature")
        self._play_button = button("Pause", "play", "Let the chains run, or rest", self._play)
        starts = row_of(
            self._play_button,
            button("Noise", "noise", "Start all chains from noise", self._from_noise),
            button("Data", "data", "Start from test examples", self._from_data),
            button("Drawing", "drawing", "Start from an empty picture to draw on", self._from_drawing),
        )
        card.column.addWidget(self.tools)
        card.column.addLayout(row_of(self._all, release))
        fill(card.column, self._speed, self._temperature)
        card.column.addLayout(starts)
        self._status = Caption(name="dreamStatus")
        card.column.addWidget(self._status)
        return card

    def _side_cards(self) -> list[tuple[Card, int]]:
        chains = Card("Other chains")
        chains.column.addWidget(self.others, 1)
        cards = [(chains, 4)]
        if issubclass(self.live.model_class, HasFreeEnergy):
            energy = Card("Free energy", "first chain; three others in grey")
            energy.column.addWidget(self.trace, 1)
            cards.append((energy, 3))
        if issubclass(self.live.model_class, HasFilters):
            filters = Card("Filters", "weights of the strongest hidden units")
            filters.column.addWidget(self.filters, 1)
            cards.append((filters, 3))
        return cards

    def _resize_brush(self, radius: float) -> None:
        self.first.radius = radius
