"""Numbers in the signs of a book."""

from __future__ import annotations

import pytest

from dgm_studio.number_texts import bytes_text, duration, indexed, reindexed, thousands, typeset
from dgm_studio.reports import Note, from_tree, to_tree

T, S = "\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("0.12 [-0.06, 0.30] nats", "0.12 [−0.06, 0.30] nats"),
        ("moved by -2", "moved by −2"),
        ("of 1,439 codes and 100000 draws", f"of 1439 codes and 100{T}000 draws"),
        ("draws 100000, cells 64, 2,000, seed 0", f"draws 100{T}000, cells 64, 2000, seed 0"),
        ("fewer than 10 for 2%, 95 % interval", f"fewer than 10 for 2{S}%, 95{S}% interval"),
        ("(27c901eab38a), torch 2.13.0, 2026-11-27", "(27c901eab38a), torch 2.13.0, 2026-11-27"),
        ("Theis et al., 2015; σ = 0.00708123", "Theis et al., 2015; σ = 0.00708123"),
        ("index-code, k-1, x[0,1]", "index-code, k-1, x[0,1]"),
    ],
)
def test_numbers_of_a_sentence_are_typeset_and_all_else_stays(text: str, typed: str) -> None:
    assert typeset(text) == typed
    assert typeset(typed) == typed


def test_counts_have_thin_spaces() -> None:
    assert [thousands(n) for n in (7, 1439, 1234567)] == ["7", f"1{T}439", f"1{T}234{T}567"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9960, "10 kB"),
        (524_288, "524 kB"),
        (999_600, "1.0 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_sizes_have_a_unit_that_keeps_the_number_small(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.01, "under 0.1 s"),
        (1.44, "1.4 s"),
        (59.6, "1 min 0 s"),
        (7503, "2 h 5 min"),
        (float("inf"), "—"),
    ],
)
def test_times_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_coordinates_of_older_results_have_the_names_of_today() -> None:
    assert (
        reindexed("Best unit z15 knows more than z2; xz3 and z stay")
        == "Best unit z₁₅ knows more than z₂; xz3 and z stay"
    )
    stored = to_tree(Note("z1: codes and prior", "z12 is 0.3 nats from it", "plain"))
    assert from_tree(stored) == Note(
        f"{indexed('z', 0)}: codes and prior", f"{indexed('z', 11)} is 0.3 nats from it", "plain"
    )
