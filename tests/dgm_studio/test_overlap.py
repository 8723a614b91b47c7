"""The longest common part of two texts, against trying all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dgm_studio.overlap import joined, longest_overlap


@given(st.text("ab", max_size=12), st.text("ab", max_size=20))
def test_it_is_the_longest_of_all_parts(text: str, within: str) -> None:
    parts = [(a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1) if text[a:b] in within]
    longest = max((b - a for a, b in parts), default=0)
    begin, length = longest_overlap(text, within)
    assert length == longest
    assert text[begin : begin + length] in within
    assert begin == min((a for a, b in parts if b - a == longest), default=0)


def test_nothing_is_found_across_examples() -> None:
    assert longest_overlap("bc", joined(["ab", "cd"])) == (0, 1)
