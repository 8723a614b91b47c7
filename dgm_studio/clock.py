"""How long a run has trained, over all its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dgm_studio.events import Progress
    from dgm_studio.store.metrics import Curve


class Clock:
    """Seconds of training from the start of a run, while one of its sessions goes on."""

    def __init__(self, wall: Curve | None, step: int) -> None:
        """The session begins at `step`; `wall`: steps, and seconds until each, as earlier sessions have told."""
        self._before = _seconds_until(wall, step)

    def point(self, event: Progress) -> Curve | None:
        """The point of the curve of time that `event` gives: its step, and the seconds until then (float32). None where
        it is not known how long the run had trained before this session."""
        if self._before is None:
            return None
        return np.array([event.step]), np.array([self._before + event.seconds], np.float32)


def _seconds_until(wall: Curve | None, step: int) -> float | None:
    """None for a run that was not timed from its start."""
    steps, seconds = wall if wall is not None else (np.zeros(0), np.zeros(0))
    count = int(np.searchsorted(steps, step, side="right"))
    if count:
        return float(seconds[count - 1])
    return 0.0 if step == 0 else None
