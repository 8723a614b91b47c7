"""Small windows of the Help menu. They do not block the window below."""

from __future__ import annotations

import platform

from PySide6.QtCore import qVersion
from PySide6.QtWidgets import QDialog, QGridLayout, QVBoxLayout, QWidget

from dgm_studio import __version__
from widgets.actions import Actions
from widgets.building import dialog, label, scrolled
from widgets.theme import SPACE


def shortcuts(parent: QWidget, actions: Actions) -> QDialog:
    """Every action that has a shortcut, and what it does."""
    content = QWidget()
    grid = QGridLayout(content)
    grid.setHorizontalSpacing(3 * SPACE)
    shown = [action for _, action in actions if not action.shortcut().isEmpty()]
    for row, action in enumerate(shown):
        grid.addWidget(label(action.shortcut().toString(), "strong"), row, 0)
        grid.addWidget(label(action.iconText()), row, 1)
        grid.addWidget(label(action.statusTip(), "muted", wrap=True), row, 2)
    grid.setColumnStretch(2, 1)
    grid.setRowStretch(len(shown), 1)
    return dialog(parent, "Keyboard shortcuts", scrolled(content), 860, 620)


def about(parent: QWidget) -> QDialog:
    """Versions and licence."""
    content = QWidget()
    column = QVBoxLayout(content)
    column.addWidget(label(f"DGM Studio {__version__}", "heading"))
    column.addWidget(
        label(
            "Train deep generative models, watch them learn, and drag through what they learned.",
            wrap=True,
        )
    )
    column.addWidget(label(f"Python {platform.python_version()}  ·  Qt {qVersion()}  ·  MIT licence", "muted"))
    return dialog(parent, "About DGM Studio", content, 440, 176)
