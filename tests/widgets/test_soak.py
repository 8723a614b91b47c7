"""What the soak takes for a leak: growth of a preset against itself, not what its first round brought."""

from __future__ import annotations

from tests.faults.soak import Held, judged

KINDS = 4
FIRST_USES = 40.0  # MB that each preset brings in its first round


def rounds(passes: int, each_pass: float) -> list[Held]:
    """Of KINDS presets of 100, 110, … MB, which grow by a share at each pass."""
    return [
        Held(
            (100 + 10 * kind) * (1 + each_pass * number) + FIRST_USES * min(number * KINDS + kind, KINDS), 500, 6, 9, 9
        )
        for number in range(passes)
        for kind in range(KINDS)
    ]


def test_what_the_first_uses_bring_is_no_leak() -> None:
    held = rounds(4, each_pass=0)
    assert held[KINDS].in_use > 1.5 * held[0].in_use
    assert judged(held, [], KINDS)


def test_a_share_of_every_pass_is_one() -> None:
    assert judged(rounds(4, each_pass=0.005), [], KINDS)
    assert not judged(rounds(4, each_pass=0.03), [], KINDS)


def test_a_leak_is_seen_when_the_last_pass_was_cut_short() -> None:
    assert not judged(rounds(5, each_pass=0.03)[:-1], [], KINDS)


def test_too_few_passes_say_nothing_of_growth() -> None:
    assert not judged(rounds(3, each_pass=0)[:-1], [], KINDS)


def test_what_should_not_be_said_is_enough() -> None:
    assert not judged(rounds(4, each_pass=0), ["QPainter::begin: it was not"], KINDS)
