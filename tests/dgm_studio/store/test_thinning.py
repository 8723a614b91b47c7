"""What stays of a run's states is spread evenly over a logarithmic axis of steps, in little room."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dgm_studio.store.thinning import GROWTH, superfluous

SIZE = 10


def kept(arriving: list[int], room: int, keep: frozenset[int] = frozenset()) -> list[int]:
    """What is left when these states came one after the other, the newest two always kept."""
    steps: list[int] = []
    for step in arriving:
        steps.append(step)
        gone = superfluous(dict.fromkeys(steps, SIZE), keep | set(steps[-2:]), room)
        steps = [other for other in steps if other not in gone]
    return steps


@pytest.mark.parametrize("every", [7, 100])
def test_states_that_come_evenly_are_kept_at_growing_steps(every: int):
    steps = kept(list(range(0, 20_000, every)), room=10**9)
    ratios = [(after + 1) / (before + 1) for before, after in pairwise(steps[:-2])]
    assert steps[0] == 0
    assert max(ratios[1:]) < GROWTH**2 * (1 + every / 10)
    # two gaps next to each other are never small both
    assert min(a * b for a, b in pairwise(ratios)) >= GROWTH


def test_little_room_leaves_fewer_states_spread_as_evenly():
    arriving = sorted({int(1.3**n) for n in range(53)})  # to a million steps
    steps = kept(arriving, room=12 * SIZE)
    spread = steps[:-2]
    assert len(spread) == 12
    assert spread[0] == 1
    ratios = [after / before for before, after in pairwise(spread)]
    assert max(ratios) <= min(ratios) ** 3
    assert kept(arriving, room=3 * SIZE)[0] == 1
    assert len(kept(arriving, room=3 * SIZE)) == 5


def test_without_room_the_protected_alone_stay():
    assert kept([0, 10, 20, 30, 40], room=0, keep=frozenset({10})) == [10, 30, 40]
    assert kept([0, 10, 20, 30, 40], room=SIZE, keep=frozenset({10})) == [0, 10, 30, 40]
