"""Which kept states of a run are let go of, so that those that stay tell of the whole training in little room."""

from __future__ import annotations

from collections.abc import Collection, Mapping

GROWTH = 1.3  # of the step from one state of a run's history to the next
ROOM = 64 * 2**20  # bytes of the states that a run's history may take, where nobody says otherwise


def superfluous(sizes: Mapping[int, int], keep: Collection[int], room: float) -> list[int]:
    """Steps of states to let go of. `sizes`: bytes by step; those in `keep` stay, and are not counted. Of the others
    the one goes first without which the least is missing on a logarithmic axis of steps: while it leaves a gap of less
    than GROWTH, or while they take more than `room`. The first and the last go at the end, if at all.

    What stays is no subset that only hindsight would have chosen: thinning again after each new state keeps steps
    spread evenly, whenever they came.
    """
    steps = sorted(sizes)
    free = sum(size for step, size in sizes.items() if step not in keep)
    gone: list[int] = []
    while True:
        gaps = {
            step: (after + 1) / (before + 1)
            for before, step, after in zip([None, *steps], steps, [*steps[1:], None], strict=False)
            if step not in keep and before is not None and after is not None
        }
        ends = [step for step in (*steps[-1:], *steps[:1]) if step not in keep]
        if not gaps and not ends:
            return gone
        step = min(gaps, key=lambda s: (gaps[s], s)) if gaps else ends[0]
        if free <= room and gaps.get(step, GROWTH) >= GROWTH:
            return gone
        steps.remove(step)
        free -= sizes[step]
        gone.append(step)
