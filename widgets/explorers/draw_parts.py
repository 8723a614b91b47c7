"""Beside the canvas of Draw it: the tools to draw with, what a model sees and makes of it, and where it lands."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QGridLayout, QToolButton, QVBoxLayout, QWidget

from dgm_studio.questions.drawing import DRAWS, WEIGHTS, EvidenceBounds
from dgm_studio.questions.latent import Embedding, nearest
from models.spec import DataSpec
from widgets.asking import ask_file
from widgets.canvas import Canvas
from widgets.explorers.parts import Caption, HeadedCard, button, check, class_choice, fill, row_of
from widgets.explorers.slider_row import SliderRow
from widgets.icons import dress
from widgets.picture_view import PictureView
from widgets.theme import CATEGORICAL, SPACE

NEIGHBOURS = 25
PICTURES = "Pictures (*.png *.jpg *.jpeg *.bmp *.gif *.webp *.tif *.tiff *.svg);;All files (*)"


class DrawingTools(QWidget):
    """What acts on a canvas. `recentred` and `example` by hand only."""

    recentred = Signal()
    example = Signal()

    def __init__(self, canvas: Canvas, spec: DataSpec, narrow: bool = False) -> None:
        super().__init__()
        self._canvas = canvas
        self.brush = SliderRow("Brush", 0.02, 0.3, canvas.brush, "{:.0%}", name_width=44)
        self.brush.setObjectName("brush")
        self.brush.setToolTip("How wide a stroke is, as a share of the drawing")
        self.brush.changed.connect(self._set_brush)
        self.centre = check(
            "Centre",
            "centre",
            "Move and scale the figure to where those of the data are",
            True,
            lambda on: self.recentred.emit(),
        )
        self.eraser = check("Eraser", "eraser", "Draw with black (or use the right button)", False, self._set_eraser)
        self.undo = self._step_button("undo", "Take the last change back (Ctrl+Z)", canvas.undo)
        self.redo = self._step_button("redo", "Do it again (Ctrl+Shift+Z)", canvas.redo)
        clear = button("Clear", "clear", "Begin again", self._clear)
        self.label = class_choice(spec)
        self.label.activated.connect(self.example)
        parts = (
            button("Example", "example", "Begin with a test example, which the model has not seen", self.example.emit),
            button("Open …", "openPicture", "Begin with a picture from a file", self._open),
            button("Paste", "paste", "Begin with the picture in the clipboard (Ctrl+V)", canvas.paste),
        )
        invert = button("Invert", "invert", "Make ink of what is empty: for dark writing on white paper", canvas.invert)
        first = row_of(self.eraser, self.centre, stretch=True)
        if canvas.channels == 3:
            self._dialog = QColorDialog(self)
            self._dialog.currentColorChanged.connect(self._set_ink)
            first.insertWidget(0, button("Colour …", "ink", "The colour that is drawn with", self._dialog.open))
        steps, last = (self.undo, self.redo, invert, clear), row_of(self.label, stretch=True)
        if narrow:
            fill(last, parts[0])
            lines = [first, row_of(*steps, stretch=True), last, row_of(*parts[1:], stretch=True)]
        else:
            fill(first, *steps)
            fill(last, *parts)
            lines = [first, last]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self.brush)
        for line in lines:
            column.addLayout(line)
        canvas.changed.connect(self._follow)
        self._follow()

    def _step_button(self, name: str, tip: str, action: object) -> QToolButton:
        made = QToolButton(objectName=name, toolTip=tip)
        made.setAccessibleName(name.capitalize())
        dress(made, name)
        made.clicked.connect(action)
        return made

    def _follow(self) -> None:
        self.undo.setEnabled(self._canvas.can_undo)
        self.redo.setEnabled(self._canvas.can_redo)

    def _clear(self) -> None:
        self.centre.setChecked(True)
        self._canvas.clear()

    def _open(self) -> None:
        chosen = ask_file(self, "Open a picture", PICTURES)
        if chosen:
            self._canvas.open_file(chosen)

    def _set_brush(self, size: float) -> None:
        self._canvas.brush = size

    def _set_eraser(self, on: bool) -> None:
        self._canvas.eraser = on

    def _set_ink(self, ink: QColor) -> None:
        self._canvas.ink = ink


class Drawing(HeadedCard):
    """A canvas for pictures of `spec`, and its tools, which take more lines where it is `narrow`."""

    def __init__(self, title: str, spec: DataSpec, narrow: bool = False) -> None:
        super().__init__(title)
        self.canvas = Canvas(spec.event_shape)
        self.canvas.setObjectName("canvas")
        self.canvas.setAccessibleName("Drawing")
        self.canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.tools = DrawingTools(self.canvas, spec, narrow)
        self.column.addWidget(self.canvas, 1)
        self.column.addWidget(self.tools)

    def begin_at(self, example: np.ndarray) -> None:
        """Draw on from (C, H, W) in 0…1, which is already as the model expects it."""
        self.tools.centre.setChecked(False)
        self.canvas.load(example)


class Seen(HeadedCard):
    """The picture as the model sees it, its reconstruction, and what its code was changed to."""

    def __init__(self, brightest: float, has_bound: bool) -> None:
        super().__init__("As the model sees it", "x → q(z | x) → p(x | z)" if has_bound else "x → z → x")
        self._brightest = brightest
        self.input, self.made, self.edited = (PictureView(minimum=72) for _ in range(3))
        pictures = QGridLayout()
        pictures.setSpacing(SPACE)
        self._edited_caption = Caption("edited")
        named = (
            (self.input, Caption("input"), "input"),
            (self.made, Caption("reconstruction"), "reconstruction"),
            (self.edited, self._edited_caption, "edited"),
        )
        for column, (view, caption, name) in enumerate(named):
            view.setObjectName(name)
            view.setAccessibleName(name)
            pictures.addWidget(caption, 0, column)
            pictures.addWidget(view, 1, column)
        pictures.setRowStretch(1, 1)
        self.column.addLayout(pictures, 1)
        self.terms = Caption(name="terms")
        self.terms.setWordWrap(True)
        self.terms.setVisible(has_bound)
        self.terms.setToolTip(
            f"Lower bounds on log p(x) of what is seen. ELBO: the mean over {DRAWS} draws of q(z|x), ± the error of\n"
            f"that mean. Importance-weighted: log of the mean of {WEIGHTS} weights p(x, z) / q(z|x); it lies closer."
        )
        self.column.addWidget(self.terms)
        self.show_edited(None)

    def show_landing(self, picture: np.ndarray | None, reconstruction: np.ndarray | None) -> None:
        """(C, H, W) as the data have it, or nothing."""
        self.input.show_picture(None if picture is None else picture / self._brightest)
        self.made.show_picture(None if reconstruction is None else reconstruction / self._brightest)

    def show_edited(self, picture: np.ndarray | None) -> None:
        self.edited.setVisible(picture is not None)
        self._edited_caption.setVisible(picture is not None)
        self.edited.show_picture(None if picture is None else picture / self._brightest)

    def show_bounds(self, bounds: EvidenceBounds | None) -> None:
        if bounds is None:
            self.terms.setText("ELBO = E[log p(x | z)] − KL, in nats, appears when something is drawn.")
            return
        text = (
            f"ELBO <b>{bounds.elbo:.1f}</b> ± {bounds.error:.1f} = reconstruction {bounds.reconstruction:.1f} "
            f"− KL {bounds.kl:.1f} nats"
        )
        if bounds.weighted is not None:
            text += f"<br>importance-weighted bound, k = {WEIGHTS}: <b>{bounds.weighted:.1f}</b> nats"
        self.terms.setText(text.replace("-", "−").replace("importance−", "importance-"))


def among_classes(embedding: Embedding, z: np.ndarray, names: tuple[str, ...]) -> str:
    """Which classes the nearest codes of training examples are of, as rich text; empty without labels."""
    rows = nearest(embedding, z, NEIGHBOURS)
    labels = embedding.y[rows]
    if (labels < 0).all():
        return ""
    kinds, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:4]
    shares = " · ".join(
        f'<span style="color:{CATEGORICAL[kind % len(CATEGORICAL)]}">■</span>&nbsp;{names[kind]}:&nbsp;{count}'
        for kind, count in zip(kinds[order], counts[order], strict=True)
    )
    return f"{len(rows)} nearest codes of training examples: {shares}"
