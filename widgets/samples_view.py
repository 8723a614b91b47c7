"""Samples of a run, in the way their kind is looked at: a grid of pictures, points in the plane, text, sequences, or
rows of values."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QStackedLayout, QWidget

from dgm_studio.sequence_pictures import symbols_in
from dgm_studio.written import is_text, listed, written
from models.spec import DataSpec, Layout
from widgets.picture_grid import PictureGrid
from widgets.plots import Plot, colour
from widgets.saving import Form, Offer, copy_text, open_menu, save_as, values_form
from widgets.sequence_samples import SequenceSamples
from widgets.text_samples import TextSamples
from widgets.theme import CATEGORICAL, look
from widgets.thumbnails import rows_picture

POINTS = 2000  # drawn at most, of each cloud


class SamplesView(QWidget):
    """`show_samples` takes (N, C, H, W) pictures, (N, 2) points, (N, 3) points with a class behind their coordinates,
    or anything else (N, …). Nothing before that.

    What cannot be seen from the shape follows from `set_spec`: symbols that are letters are shown as text, other
    sequences as strips or curves."""

    def __init__(self, parent: QWidget | None = None, minimum: int = 120, axes: bool = True) -> None:
        super().__init__(parent)
        self._pictures = PictureGrid(minimum=minimum)
        self._pictures.setObjectName("samplePictures")
        self._axes = axes
        self._plane: _Plane | None = None
        self._text: TextSamples | None = None
        self._sequences: SequenceSamples | None = None
        self._minimum = minimum
        self._spec: DataSpec | None = None
        self._shown: np.ndarray | None = None
        self._reference: np.ndarray | None = None
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._pictures)

    def set_spec(self, spec: DataSpec | None) -> None:
        """What the samples shown are of, as far as it is known."""
        if spec != self._spec:
            self._spec = spec
            self.show_samples(self._shown)

    def set_reference(self, points: np.ndarray | None) -> None:
        """Data that samples in the plane are compared with."""
        self._reference = points
        if self._plane is not None:
            self._plane.show_data(points)

    def show_samples(self, samples: np.ndarray | None, spec: DataSpec | None = None) -> None:
        """Show these samples, or nothing. `spec` says what they are of, if that changes with them."""
        self._shown, self._spec = samples, spec or self._spec
        if samples is not None and self._spec is not None and is_text(self._spec.symbols):
            if self._text is None:
                self._text = TextSamples(self._minimum)
                self._text.setObjectName("sampleTexts")
                self._text.setAccessibleName("Samples")
                self._stack.addWidget(self._text)
            self._stack.setCurrentWidget(self._text)
            self._text.show_texts(written(samples, self._spec.symbols))
            return
        if samples is not None and self._spec is not None and self._spec.layout is Layout.SEQUENCE:
            if self._sequences is None:
                self._sequences = SequenceSamples(self._minimum)
                self._sequences.setObjectName("sampleSequences")
                self._stack.addWidget(self._sequences)
            self._stack.setCurrentWidget(self._sequences)
            self._sequences.show_sequences(samples, symbols_in(self._spec))
            return
        if samples is not None and self._in_plane(samples):
            if self._plane is None:
                self._plane = _Plane(self._axes)
                self._plane.show_data(self._reference)
                self._stack.addWidget(self._plane)
            self._stack.setCurrentWidget(self._plane)
            self._plane.show_samples(samples)
            return
        self._stack.setCurrentWidget(self._pictures)
        pictures = samples if samples is None or samples.ndim == 4 else rows_picture(samples)[None]
        self._pictures.show_pictures(pictures)

    def offers(self) -> list[Offer]:
        """What can be done with the samples shown."""
        shown, current = self._shown, self._stack.currentWidget()
        if shown is None:
            return []
        if current is self._text:
            assert self._text is not None
            assert self._spec is not None
            text = listed(shown, self._spec.symbols)
            copy = Offer("copyText", "Copy samples", lambda: copy_text(text))
            form = Form(".txt", "Text", text.encode)
            return [Offer("saveSamples", "Save samples …", lambda: save_as(self, "samples", [form])), copy]
        offers = [] if current is self._sequences else current.offers()
        if any(offer.key == "saveSamples" for offer in offers):
            return offers
        forms = [values_form(shown)]
        return [Offer("saveSamples", "Save samples …", lambda: save_as(self, "samples", forms)), *offers]

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        open_menu(self, event.globalPos())

    def _in_plane(self, samples: np.ndarray) -> bool:
        classified = self._spec is not None and self._spec.layout is Layout.POINTS and samples.shape[1:] == (3,)
        return samples.shape[1:] == (2,) or classified


class _Plane(Plot):
    # Samples over data, at one scale in both directions.
    def __init__(self, axes: bool) -> None:
        super().__init__(axes=axes)
        self.setObjectName("samplePoints")
        self.setAccessibleName("Samples")
        self.title, self.legend = "Samples", ((look.theme.muted, "data"), (CATEGORICAL[1], "samples"))
        self.box.setAspectLocked(True)
        self._data = pg.ScatterPlotItem(size=3, pen=None, pxMode=True)
        self._samples = pg.ScatterPlotItem(size=4, pen=None, pxMode=True)
        self.addItem(self._data)
        self.addItem(self._samples)
        self._fitted = False
        self._classes: np.ndarray | None = None
        self._colour()
        look.changed.connect(self._colour)

    def show_data(self, points: np.ndarray | None) -> None:
        points = np.zeros((0, 2)) if points is None else points[:POINTS].astype(np.float64)
        self._data.setData(points[:, 0], points[:, 1])
        if len(points):
            self._fit(points)
        else:
            self._fitted = False  # what comes next is of something else

    def show_samples(self, points: np.ndarray) -> None:
        points = points[:POINTS].astype(np.float64)  # the plot overflows on float32
        before, self._classes = self._classes, points[:, 2].astype(int) if points.shape[1] > 2 else None
        self._samples.setData(points[:, 0], points[:, 1])
        if self._classes is not None or before is not None:  # colours take longer than places
            self._colour_samples()
        if not self._fitted:
            self._fit(points[:, :2])

    def _fit(self, points: np.ndarray) -> None:
        # by the data if it is known: samples of a young model may be anywhere
        self._fitted = True
        low, high = np.percentile(points, 0.5, axis=0), np.percentile(points, 99.5, axis=0)
        centre, reach = (low + high) / 2, max(float((high - low).max()), 1e-6) * 0.6
        self.setRange(xRange=(centre[0] - reach, centre[0] + reach), yRange=(centre[1] - reach, centre[1] + reach))

    def _colour(self) -> None:
        self._data.setBrush(colour(look.theme.muted, 0.45))
        self._colour_samples()

    def _colour_samples(self) -> None:
        if self._classes is None:
            self._samples.setBrush(colour(CATEGORICAL[1], 0.85))
        else:
            brushes = [pg.mkBrush(colour(shade, 0.85)) for shade in CATEGORICAL]
            self._samples.setBrush([brushes[k % len(brushes)] for k in self._classes])
