"""Reports as files: tables as CSV and Markdown, pictures as PNG, plots as PNG and SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from dgm_studio.reports import Report, Table, to_csv, to_markdown
from widgets.report_pictures import PictureGroups
from widgets.report_plots import ReportPlot


class NotWritten(OSError):
    """A file that could not be written; the sentence says which and why."""


@dataclass(frozen=True)
class Format:
    """A kind of file that a report can be written as. `write` raises NotWritten."""

    suffix: str
    title: str
    write: Callable[[Path], None]


def formats(report: Report, view: QWidget) -> tuple[Format, ...]:
    """What `report`, shown by `view`, can be written as; empty for a note."""
    if isinstance(report, Table):
        return (
            Format(".csv", "CSV", lambda path: _write_text(path, to_csv(report))),
            Format(".md", "Markdown", lambda path: _write_text(path, to_markdown(report))),
        )
    if isinstance(view, PictureGroups):
        return (Format(".png", "PNG", lambda path: _write_image(path, view.picture())),)
    if isinstance(view, ReportPlot):
        return (
            Format(".png", "PNG", lambda path: _write_image(path, view.picture())),
            Format(".svg", "SVG", lambda path: _write_drawing(path, view)),
        )
    return ()


def file_name(*parts: str) -> str:
    """A name for a file made of titles: "vae-1 · Samples" becomes "vae-1-samples"."""
    return re.sub(r"[^\w.]+", "-", " ".join(parts)).strip("-").lower()


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise NotWritten(f"{path} was not written: {error.strerror or error}. Choose another place.") from error


def _write_image(path: Path, image: QImage) -> None:
    if not image.save(str(path)):
        raise _refused(path)


def _write_drawing(path: Path, view: ReportPlot) -> None:
    if not view.write_svg(str(path)):
        raise _refused(path)


def _refused(path: Path) -> NotWritten:
    return NotWritten(f"{path} was not written: the folder is missing or may not be written to. Choose another place.")
