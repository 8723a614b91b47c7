"""What a view shows, as files and on the clipboard: the one menu of plots, samples and tables.

A view that can be saved has `offers()` and calls `open_menu` from its `contextMenuEvent`, which the menu key of a
keyboard sends as well. What came of it is told by `widgets.notices.voice`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PySide6.QtCore import QBuffer, QIODevice, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from dgm_studio.files import NotWritten, file_name, write_file
from dgm_studio.reports import Table
from dgm_studio.table_texts import to_csv, to_latex, to_markdown
from widgets.asking import ask_folder, ask_where
from widgets.notices import Notice, voice
from widgets.pictures import tile, to_image
from widgets.theme import LIGHT, look

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALE = 2  # pixels of a picture for each of the screen
SIDE = 64  # px, the least that a sample is enlarged to in a grid
GAP = 2  # px between samples of a grid, before it is enlarged
RUN_NAME = "runName"  # property of what shows a run: the first part of names of files


@dataclass(frozen=True)
class Offer:
    """An entry of the menu. `key` is the objectName of its action."""

    key: str
    title: str
    do: Callable[[], None]


class Savable(Protocol):
    """A widget that can be saved."""

    def offers(self) -> Sequence[Offer]:
        """What can be done with what it shows now; nothing before there is something."""
        ...


@dataclass(frozen=True)
class Form:
    """A kind of file and its bytes."""

    suffix: str
    title: str
    data: Callable[[], bytes]


@dataclass(frozen=True)
class Sketch:
    """What is drawn, in logical pixels. `paint` takes its colours from the theme."""

    size: QSize
    paint: Callable[[QPainter], None]

    def image(self) -> QImage:
        """In pixels, SCALE of them for each."""
        image = QImage(SCALE * self.size, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(SCALE)  # also cosmetic pens and cached symbols are then as thick
        image.fill(QColor(look.theme.panel))
        with QPainter(image) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.paint(painter)
        return image

    def png(self) -> bytes:
        return png(self.image())

    def svg(self, title: str) -> bytes:
        """As a drawing."""
        buffer, generator = QBuffer(), QSvgGenerator()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        generator.setOutputDevice(buffer)
        generator.setSize(self.size)
        generator.setResolution(round(QGuiApplication.primaryScreen().logicalDotsPerInch()))  # axes are scaled by it
        generator.setViewBox(QRect(QPoint(0, 0), self.size))
        generator.setTitle(title)
        with QPainter(generator) as painter:
            painter.fillRect(QRect(QPoint(0, 0), self.size), QColor(look.theme.panel))
            self.paint(painter)
        return bytes(buffer.data().data())


# The menu.


def open_menu(view: QWidget, at: QPoint) -> QMenu | None:
    """Show what can be done with `view` (Savable) at a place of the screen."""
    offers = view.offers()
    if not offers:
        return None
    # One for each view, used again: a menu that dies as it closes takes Qt down when its view dies with it.
    menu = view.findChild(QMenu, "saveMenu", Qt.FindChildOption.FindDirectChildrenOnly) or QMenu(view)
    menu.setObjectName("saveMenu")
    menu.clear()
    for offer in offers:
        action = menu.addAction(offer.title)
        action.setObjectName(offer.key)
        action.triggered.connect(lambda _=False, offer=offer: offer.do())
    menu.popup(at)
    return menu


def more_button(view: QWidget, what: str) -> QToolButton:
    """The way to the same menu for whoever does not think of the right button."""
    button = QToolButton(toolTip=f"Save or copy {what}")
    button.setText("⋯")
    button.setObjectName("more")
    button.setAccessibleName(f"Save or copy {what}")
    button.clicked.connect(lambda: open_menu(view, button.mapToGlobal(button.rect().bottomLeft())))
    return button


def picture_offers(view: QWidget, name: str, sketch: Callable[[], Sketch]) -> list[Offer]:
    """For what is drawn: as a picture, and as a drawing (SVG)."""

    def save(colours: Callable[[], AbstractContextManager[None]]) -> None:
        def data(of: Callable[[Sketch], bytes]) -> bytes:
            with colours():
                return of(sketch())

        picture = Form(".png", "Picture, PNG", lambda: data(lambda made: made.png()))
        drawing = Form(".svg", "Drawing, SVG", lambda: data(lambda made: made.svg(name)))
        save_as(view, name, [picture, drawing])

    offers = [Offer("savePicture", "Save picture …", lambda: save(nullcontext))]
    if look.theme is not LIGHT:
        offers.append(Offer("saveOnWhite", "Save picture on white …", lambda: save(in_light)))
    return [*offers, Offer("copyPicture", "Copy picture", lambda: copy_image(sketch().image()))]


def view_offers(view: QWidget, name: str) -> list[Offer]:
    """For a whole view as it is seen."""

    def image() -> QImage:
        image = QImage(SCALE * view.size(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(SCALE)
        image.fill(QColor(look.theme.panel))
        view.render(image)
        return image

    forms = [Form(".png", "Picture, PNG", lambda: png(image()))]
    return [
        Offer("saveView", "Save picture of the view …", lambda: save_as(view, name, forms)),
        Offer("copyView", "Copy picture of the view", lambda: copy_image(image())),
    ]


def table_offers(view: QWidget, table: Callable[[], Table], name: str, title: str = "table") -> list[Offer]:
    """For a table: as a file in any form, or copied in one."""
    texts = {"CSV": (".csv", to_csv), "Markdown": (".md", to_markdown), "LaTeX": (".tex", to_latex)}

    def save() -> None:
        less = {"CSV": ", without the note"} if table().note else {}  # which readers of CSV would take for a row
        forms = [
            Form(suffix, form + less.get(form, ""), lambda write=write: write(table()).encode())
            for form, (suffix, write) in texts.items()
        ]
        save_as(view, name, forms)

    copies = [
        Offer(f"copy{form}", f"Copy {title} as {form}", lambda write=write: copy_text(write(table())))
        for form, (_, write) in texts.items()
    ]
    return [Offer("saveTable", f"Save {title} …", save), *copies]


def sample_offers(view: QWidget, name: str, pictures: np.ndarray) -> list[Offer]:
    """For samples (N, C, H, W): as one sheet, or each as a file, in which pixels are what they are."""
    factor = max(1, -(-SIDE // max(pictures.shape[2:])))

    def sheet() -> QImage:
        whole = to_image(tile(to_bytes(pictures), ceil(sqrt(len(pictures))), GAP, 255))
        return whole.scaled(factor * whole.size())

    def save_each() -> None:
        chosen = ask_folder(view, "Folder for the samples")
        if not chosen:
            return
        folder, digits = Path(chosen) / file_name(_run_name(view), name), len(str(len(pictures) - 1))
        try:
            folder.mkdir(exist_ok=True)
            for i, picture in enumerate(pictures):
                write_file(folder / f"{i:0{digits}}.png", png(to_image(picture)))
        except OSError as error:
            _say("bad", str(error) if isinstance(error, NotWritten) else f"{folder} was not made: {error.strerror}.")
            return
        _say("good", f"{len(pictures)} samples are in {folder}.")

    forms = [Form(".png", "Picture, PNG", lambda: png(sheet())), values_form(pictures)]
    return [
        Offer("saveSamples", "Save samples …", lambda: save_as(view, name, forms)),
        Offer("saveEach", "Save each as a file …", save_each),
        Offer("copyPicture", "Copy picture", lambda: copy_image(sheet())),
    ]


def values_form(values: np.ndarray) -> Form:
    """The numbers themselves, for NumPy."""

    def data() -> bytes:
        file = BytesIO()
        np.save(file, values, allow_pickle=False)
        return file.getvalue()

    return Form(".npy", "Values, NumPy", data)


# Files and the clipboard.


def save_as(view: QWidget, name: str, forms: Sequence[Form]) -> None:
    """Ask where, and write it there in the form that was chosen."""
    suggested = file_name(_run_name(view), name) + forms[0].suffix
    filters = {f"{form.title} (*{form.suffix})": form for form in forms}
    chosen, by = ask_where(view, f"Save {name}", suggested, ";;".join(filters))
    if not chosen:
        return
    path = Path(chosen)
    form = next((form for form in forms if form.suffix == path.suffix.lower()), None)
    if form is None:
        form = filters.get(by, forms[0])
        path = path.with_name(path.name + form.suffix)
        if path.exists():  # the dialog has not asked about this name
            _say("bad", f"{path} was not written: it is there already. Name it with its ending to replace it.")
            return
    try:
        write_file(path, form.data())
    except NotWritten as error:
        _say("bad", str(error))
        return
    _say("good", f"{path} is written.")


def copy_image(image: QImage) -> None:
    QGuiApplication.clipboard().setImage(image)
    _say("good", "The picture is on the clipboard.")


def copy_text(text: str) -> None:
    QGuiApplication.clipboard().setText(text)
    _say("good", "It is on the clipboard.")


def png(image: QImage) -> bytes:
    """An image as the bytes of a file."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def to_bytes(pictures: np.ndarray) -> np.ndarray:
    """Values of 0…1 as uint8."""
    return pictures if pictures.dtype == np.uint8 else np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)


@contextmanager
def in_light() -> Iterator[None]:
    """The colours of the light theme for what is drawn meanwhile. Nothing is painted on the screen before they are
    back."""
    worn = look.theme
    look.theme = LIGHT
    look.changed.emit()
    try:
        yield
    finally:
        look.theme = worn
        look.changed.emit()


def _run_name(view: QWidget) -> str:
    place: QObject | None = view
    while place is not None:
        if place.property(RUN_NAME):
            return str(place.property(RUN_NAME))
        place = place.parent()
    return ""


def _say(kind: str, text: str) -> None:
    with suppress(RuntimeError):  # the application has gone meanwhile
        voice.said.emit(Notice(kind, text, lasting=kind == "bad"))
