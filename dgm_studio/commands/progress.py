"""What a terminal shows of a session, and how Ctrl+C ends one."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column
from rich.text import Text

from dgm_studio.events import Event, Finding, Progress, Started
from dgm_studio.training import Order, TrainingSession

LINE_EVERY = 10.0  # seconds between lines where no bar can be drawn
SHOWN_METRICS = 3


class Display(Protocol):
    """Shows the events of one session while it is entered."""

    def __enter__(self) -> Display: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self, event: Event) -> None: ...


def display(quiet: bool, deadline: float | None = None) -> Display:
    """A bar in a terminal, lines elsewhere; with `quiet` nothing on standard output. `deadline`: seconds in all."""
    console = Console(stderr=quiet, highlight=False, soft_wrap=True)
    if console.is_terminal:
        return _Bar(console, deadline)
    return _Lines(Console(quiet=True) if quiet else console, deadline)


class _Lines:
    """A line now and then, for files and pipes."""

    def __init__(self, console: Console, deadline: float | None) -> None:
        self._console, self._deadline = console, deadline
        self._last, self._step = 0.0, -1

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            self._console.print(f"{event.parameters} parameters on {event.device}.", markup=False)
        elif isinstance(event, Finding):
            self._console.print(f"Noticed: {event.text} {event.remedy}".rstrip(), markup=False)
        elif isinstance(event, Progress) and event.step != self._step:
            now = time.monotonic()
            if now - self._last >= LINE_EVERY or event.step == event.steps:
                self._last, self._step = now, event.step
                self._console.print(f"step {event.step}  {_details(event, self._deadline)}", markup=False)


class _Bar:
    """One line that is drawn again and again."""

    def __init__(self, console: Console, deadline: float | None) -> None:
        self._deadline = deadline
        steps = TextColumn("{task.completed:.0f} s") if deadline else MofNCompleteColumn()
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        details = TextColumn("{task.description}", markup=False, table_column=rest)
        self._bar = RichProgress(BarColumn(16), steps, details, console=console, expand=True)
        self._task = self._bar.add_task("", total=deadline)

    def __enter__(self) -> _Bar:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)

    def show(self, event: Event) -> None:
        if isinstance(event, Started):
            self._bar.print(Text(f"{event.parameters} parameters on {event.device}."))
        elif isinstance(event, Finding):
            self._bar.print(Text(f"Noticed: {event.text} {event.remedy}".rstrip()))
        elif isinstance(event, Progress):
            done, total = (event.seconds, self._deadline) if self._deadline else (event.step, event.steps)
            self._bar.update(self._task, completed=done, total=total, description=_details(event, self._deadline))


def _details(event: Progress, deadline: float | None) -> str:
    remaining = event.remaining if deadline is None else min(event.remaining, deadline - event.seconds)
    newest = [f"{key} {values[-1]:.4g}" for key, (_, values) in event.metrics.items() if len(values)]
    parts = [f"{event.steps_per_second:.0f} steps/s", f"{clock(remaining)} left", event.phase, *newest[:SHOWN_METRICS]]
    return "  ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """A duration as a person reads it."""
    if not seconds < 360_000:  # also infinity
        return "a long time"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def interruptible(session: TrainingSession) -> Iterator[None]:
    """Ctrl+C (or a request to terminate) stops the session at the next step and keeps it; a second one aborts."""

    def stop(number: int, frame: Any) -> None:
        for which in previous:
            signal.signal(which, signal.default_int_handler)
        print("\nStopping after this step; what was trained is kept. Ctrl+C again aborts.", file=sys.stderr)
        session.tell(Order.STOP)

    previous = {which: signal.signal(which, stop) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in previous.items():
            signal.signal(which, handler)
