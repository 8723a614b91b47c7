"""Kept states of stored runs, read for looking, and those that were looked at last in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from PySide6.QtCore import QObject, QThread

from dgm_studio.events import Preview, Snapshot
from dgm_studio.state import WEIGHTS, learner_tensors
from dgm_studio.store import Run
from widgets.background import Background, Problem

KEPT, KEPT_BYTES = 24, 128 * 2**20  # of the states in memory; the newest stays however large it is


class KeptStates(QObject):
    """Reads in a thread of its own, so that neither a save nor a download keeps a slider waiting. Of a state, only the
    weights are read: what the optimisers remember is larger, and nobody looks at it."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._thread = Background("states", self)
        self._states: OrderedDict[tuple[str, int], Snapshot] = OrderedDict()
        self._forgotten = 0  # how often something was

    def at(self, run: Run, step: int) -> Snapshot | None:
        """The state of `step`, if it is in memory."""
        key = run.id, step
        if key in self._states:
            self._states.move_to_end(key)
        return self._states.get(key)

    def read(
        self, run: Run, step: int, done: Callable[[Snapshot], None], failed: Callable[[Problem], None] | None = None
    ) -> None:
        """Bring the state kept at `step` into memory, then call `done` with it, or `failed`."""
        forgotten = self._forgotten

        def work() -> Snapshot:
            return Snapshot(step, learner_tensors(run.checkpoint(step, only=WEIGHTS)))

        def came(state: Snapshot) -> None:
            if self._forgotten == forgotten:
                self._remember(run.id, state)
            done(state)

        self._thread.submit(work, came, failed)

    def read_frame(
        self, run: Run, step: int, done: Callable[[Preview], None], failed: Callable[[Problem], None]
    ) -> None:
        """Read the picture kept at `step`, then call `done` with it, or `failed`."""
        self._thread.submit(lambda: Preview(step, *run.frame(step)), done, failed)

    def forget(self, run_id: str) -> None:
        """The run may hold other states of the same steps from now on."""
        self._forgotten += 1
        for key in [key for key in self._states if key[0] == run_id]:
            del self._states[key]

    def clear(self) -> None:
        """Nobody looks at any of these runs any more: their project is closed."""
        self._forgotten += 1
        self._states.clear()

    def end(self) -> QThread:
        """Have the thread end after what was asked for. Returns it."""
        self._thread.end()
        self._states.clear()
        return self._thread

    def _remember(self, run_id: str, state: Snapshot) -> None:
        self._states[run_id, state.step] = state
        self._states.move_to_end((run_id, state.step))
        while len(self._states) > 1 and (
            len(self._states) > KEPT or sum(map(_size, self._states.values())) > KEPT_BYTES
        ):
            self._states.popitem(last=False)


def _size(state: Snapshot) -> int:
    return sum(tensor.nbytes for tensor in state.tensors.values())
