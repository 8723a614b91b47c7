"""Exceptions that nobody caught, from whatever thread, told in the window."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from PySide6.QtCore import QObject, Signal

from widgets.crash import CrashReport, of_exception
from widgets.notices import Log, Notice


class LastResort(QObject):
    """Exceptions that nobody caught, from any thread or slot, stand in the log and are shown by `show`, which says
    whether it could; else by a lasting message. `kept()` says what became of a person's work. Nothing here raises."""

    _raised = Signal(object)

    def __init__(self, log: Log, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._log = log
        self.kept: Callable[[], str] = lambda: "Your runs are kept."
        self.show: Callable[[CrashReport], bool] = lambda report: False
        self._raised.connect(self._say)
        self._telling = False
        sys.excepthook = self._hook
        threading.excepthook = lambda args: self._hook(args.exc_type, args.exc_value, args.exc_traceback)

    def _hook(self, kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, error, where)
            return
        with suppress(Exception):  # there may be no such stream
            sys.stderr.write("".join(traceback.format_exception(kind, error, where)))
        with suppress(Exception):
            self._raised.emit((kind, error, where))

    def _say(self, hook: tuple[type[BaseException], BaseException | None, TracebackType | None]) -> None:
        """In the window's thread."""
        if self._telling:  # what goes wrong while this is told would be told for ever
            return
        self._telling = True
        try:
            report = of_exception(hook, [said.line for said in self._log.entries], self.kept)
            lasting = not self.show(report)
            text = f"{report.title}: {report.text} {report.kept}".strip()
            self._log.say(Notice("bad", text, report.details, lasting=lasting))
        except Exception:
            with suppress(Exception):
                sys.stderr.write(traceback.format_exc())
        finally:
            self._telling = False

    def end(self) -> None:
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
