"""A page as a document of Qt's: text in the theme's colours, with equations that are drawn within it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape
from itertools import groupby, zip_longest
from typing import NamedTuple

from PySide6.QtCore import QByteArray, QRectF, QSizeF
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontInfo,
    QFontMetrics,
    QFontMetricsF,
    QPainter,
    QPyTextObject,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtSvg import QSvgRenderer

from dgm_studio.equations import X_HEIGHT, Equation
from dgm_studio.pages import Block, Mark, Page, Part, Span
from widgets.equation_cache import Wanted, at_hand, equation
from widgets.theme import Theme

EQUATION = QTextFormat.ObjectTypes.UserObject.value + 1  # the kind of text object that is an equation
LATEX, TAIL, DISPLAY, SIZE = (QTextFormat.Property.UserProperty.value + i for i in range(1, 5))
OBJECT = "\ufffc"  # the sign that stands in the text for an equation
LARGEST = 1.1  # an em of an equation in those of the text around, at most
LEAST = 10.0  # px: an equation that is too wide is made smaller, down to this em; then the page scrolls
_TAIL = re.compile(r"[.,;:!?)]*")  # what must not begin a line, and so is drawn with the equation before it
TAGS = {Mark.CODE: "code", Mark.STRONG: "b", Mark.EMPHASIS: "i"}


class _Maths(NamedTuple):
    source: str  # LaTeX
    tail: str  # of the text after it, drawn with it
    display: bool

    @property
    def wanted(self) -> Wanted:
        return self.source + (rf"\text{{{self.tail}}}" if self.tail else ""), self.display


class Equations(QPyTextObject):
    """Draws the equations of a document: as paths, so that they are sharp at any scale."""

    def intrinsicSize(self, document: QTextDocument, place: int, kind: QTextFormat) -> QSizeF:
        """Room for an equation. Its lower edge lies below the base line by the descent of its format's font."""
        drawing, em, below = _measured(document, kind)
        return QSizeF(drawing.width * em, drawing.ascent * em + below)

    def drawObject(
        self, painter: QPainter, room: QRectF, document: QTextDocument, place: int, kind: QTextFormat
    ) -> None:
        drawing, em, below = _measured(document, kind)
        top = room.bottom() - below - drawing.ascent * em
        box = QRectF(room.left(), top, drawing.width * em, (drawing.ascent + drawing.descent) * em)
        _renderer(drawing, kind.toCharFormat().foreground().color().name()).render(painter, box)


def fill(document: QTextDocument, page: Page, font: QFont, zoom: float, theme: Theme) -> list[Wanted]:
    """Show `page` in `document`, which has Equations() for objects of the kind EQUATION. A page without a title is a
    part of one. Returns the equations that have yet to be set: they stand there as LaTeX."""
    base = round(QFontInfo(font).pixelSize() * zoom)
    text = QFont(font)
    text.setPixelSize(base)
    document.setDefaultFont(text)
    document.setDocumentMargin(2)
    indent = round(1.3 * base)
    document.setIndentWidth(indent)
    document.setDefaultStyleSheet(f"""
        body {{ color: {theme.text}; }}
        a {{ color: {theme.accent}; text-decoration: none; }}
        h1 {{ font-size: {round(1.5 * base)}px; font-weight: 700; margin: 0 0 {base * 3 // 4}px 0; }}
        h2 {{ font-size: {round(1.1 * base)}px; font-weight: 600; margin: {base * 5 // 4}px 0 {base // 2}px 0; }}
        p {{ line-height: 125%; margin: 0 0 {base // 2}px 0; }}
        li {{ line-height: 125%; margin: 0 0 {base // 4}px 0; }}
        p.equation {{ line-height: 100%; margin: {base // 2}px 0 {base * 3 // 4}px {indent}px; }}
        code {{ font-family: "DejaVu Sans Mono", "Consolas", "Menlo", monospace; font-size: {round(0.92 * base)}px; }}
    """)
    latex: list[_Maths] = []
    title = f"<h1>{escape(page.title)}</h1>" if page.title else ""
    document.setHtml(f"<body>{title}{''.join(_html(page.blocks, latex))}</body>")
    return _set_equations(document, latex, text, theme)


def plain_text(cursor: QTextCursor) -> str:
    """What is selected; equations as LaTeX between dollar signs."""
    document = cursor.document()
    at, end = cursor.selectionStart(), cursor.selectionEnd()
    parts = []
    look = QTextCursor(document)
    while at < end:
        sign = document.characterAt(at)
        if sign == OBJECT:
            look.setPosition(at + 1)
            kind = look.charFormat()
            marks = "$$" if kind.boolProperty(DISPLAY) else "$"
            parts.append(f"{marks}{kind.stringProperty(LATEX)}{marks}{kind.stringProperty(TAIL)}")
        else:
            parts.append("\n" if sign in "\u2029\u2028" else sign)
        at += 1
    return "".join(parts)


def _html(blocks: Iterable[Block], latex: list[_Maths]) -> Iterator[str]:
    """The blocks, with an image named N for the N-th of `latex`, to which they are added."""
    for part, group in groupby(blocks, key=lambda block: block.part):
        if part is Part.ITEM:
            yield f"<ul>{''.join(f'<li>{_inner(block.spans, latex)}</li>' for block in group)}</ul>"
            continue
        for block in group:
            if part is Part.EQUATION:
                yield f'<p class="equation">{_image(_Maths(block.latex, "", True), latex)}</p>'
            else:
                tag = "h2" if part is Part.HEADING else "p"
                yield f"<{tag}>{_inner(block.spans, latex)}</{tag}>"


def _inner(spans: Iterable[Span], latex: list[_Maths]) -> str:
    parts, tail = [], ""
    listed = list(spans)
    for span, after in zip_longest(listed, listed[1:]):
        text = span.text.removeprefix(tail)
        tail = ""
        if span.mark is Mark.MATHS:
            tail = _leading(after.text) if after is not None and after.mark is Mark.TEXT else ""
            parts.append(_image(_Maths(span.text, tail, False), latex))
            continue
        inner = escape(text) + _inner(span.spans, latex)
        if span.mark is Mark.LINK:
            inner = f'<a href="{escape(span.target)}">{inner}</a>'
        elif span.mark in TAGS:
            inner = f"<{TAGS[span.mark]}>{inner}</{TAGS[span.mark]}>"
        parts.append(inner)
    return "".join(parts)


def _leading(text: str) -> str:
    found = _TAIL.match(text)
    return found[0] if found is not None else ""


def _image(maths: _Maths, latex: list[_Maths]) -> str:
    latex.append(maths)
    return f'<img src="{len(latex) - 1}">'


def _drawing(kind: QTextFormat) -> Equation:
    maths = _Maths(kind.stringProperty(LATEX), kind.stringProperty(TAIL), kind.boolProperty(DISPLAY))
    return equation(*maths.wanted)


def _set_equations(document: QTextDocument, latex: list[_Maths], text: QFont, theme: Theme) -> list[Wanted]:
    """Turn images that are named by their place in `latex` into equations."""
    places = []
    block = document.begin()
    while block.isValid():
        fragments = block.begin()
        while not fragments.atEnd():
            fragment = fragments.fragment()
            if fragment.charFormat().isImageFormat():
                places.append((fragment.position(), fragment.charFormat()))
            fragments += 1
        block = block.next()
    cursor = QTextCursor(document)
    # letters of the equations are as high as those of the text
    scale = min(LARGEST, max(1.0, QFontMetricsF(text).xHeight() / (X_HEIGHT * text.pixelSize())))
    missing = []
    for place, old in reversed(places):  # from the end: LaTeX is longer than the sign that it stands for
        maths = latex[int(old.toImageFormat().name())]
        kind = QTextCharFormat()
        if old.isAnchor():
            kind.setAnchor(True)
            kind.setAnchorHref(old.anchorHref())
        if not at_hand(*maths.wanted):
            missing.append(maths.wanted)
            kind.setForeground(QColor(theme.muted))
            cursor.setPosition(place)
            cursor.setPosition(place + 1, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(maths.source + maths.tail, kind)
            continue
        kind.setForeground(old.foreground() if old.isAnchor() else QColor(theme.text))
        em = scale * text.pixelSize()
        kind.setObjectType(EQUATION)
        kind.setProperty(LATEX, maths.source)
        kind.setProperty(TAIL, maths.tail)
        kind.setProperty(DISPLAY, maths.display)
        kind.setProperty(SIZE, em)
        kind.setProperty(QTextFormat.Property.ImageAltText.value, maths.source)
        kind.setToolTip(maths.source)
        kind.setFont(_reaching(text, _drawing(kind).descent * em))
        kind.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignBaseline)
        cursor.setPosition(place)
        cursor.setPosition(place + 1, QTextCursor.MoveMode.KeepAnchor)
        cursor.setCharFormat(kind)
    return missing[::-1]


def _reaching(text: QFont, below: float) -> QFont:
    """A font like `text` that reaches so far (px) below the base line: Qt puts an object as far below it."""
    font = QFont(text)
    while QFontMetrics(font).descent() < below:
        font.setPixelSize(font.pixelSize() + 1)
    return font


def _measured(document: QTextDocument, kind: QTextFormat) -> tuple[Equation, float, int]:
    """The equation of a format, its em in px, and how far (px) below the base line its room ends."""
    found, em = _drawing(kind), kind.doubleProperty(SIZE)
    if kind.boolProperty(DISPLAY):
        indent = document.indentWidth() + 2 * document.documentMargin()
        em = max(min(LEAST, em), min(em, (document.textWidth() - indent) / found.width))
    return found, em, QFontMetrics(kind.toCharFormat().font()).descent()


@lru_cache(maxsize=500)
def _renderer(drawing: Equation, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(drawing.coloured(colour)))
