"""What the tests on a real screen share. They need Xvfb and xdotool, and are skipped where those are missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from screen import Screen, Studio, missing

Start = Callable[..., Studio]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program in front of an empty screen, with the arguments given, always with the same home. Pictures
    are kept where DGM_PICTURES says."""
    if missing():
        pytest.skip(f"not installed: {', '.join(missing())}")
    kept = os.environ.get("DGM_PICTURES")
    screen = Screen()
    begun: list[Studio] = []

    def started(*arguments: object) -> Studio:
        studio = Studio(screen, tmp_path / "home", *arguments, pictures=Path(kept) if kept else None)
        begun.append(studio)
        return studio

    yield started
    for studio in begun:
        studio.end()
    screen.close()
