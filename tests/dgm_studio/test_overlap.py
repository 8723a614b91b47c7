"""The longest common part of two texts, against trying all of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.overlap import joined, longest_overlap
from dgm_studio.questions.texts import training_text
from dgm_studio.subject import Subject
from models.spec import DataSpec, Layout, Support


@given(st.text("ab", max_size=12), st.text("ab", max_size=20))
def test_it_is_the_longest_of_all_parts(text: str, within: str) -> None:
    parts = [(a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1) if text[a:b] in within]
    longest = max((b - a for a, b in parts), default=0)
    begin, length = longest_overlap(text, within)
    assert length == longest
    assert text[begin : begin + length] in within
    assert begin == min((a for a, b in parts if b - a == longest), default=0)


@pytest.mark.parametrize(("stride", "searched"), [(8, "the cat \0the dog "), (3, "the cat the do")])
def test_windows_that_overlap_are_searched_as_the_text_they_were_cut_from(stride: int, searched: str) -> None:
    whole, symbols = "the cat the dog ", tuple(sorted(set("the cat the dog ")))
    spec = DataSpec((8,), Support.SYMBOLS, Layout.SEQUENCE, len(symbols), symbols=symbols)
    cut = [whole[at : at + 8] for at in range(0, len(whole) - 8 + 1, stride)]
    x = torch.tensor([[symbols.index(sign) for sign in text] for text in cut]).float()
    part = Split(x, torch.full((len(x),), -1))
    dataset = Dataset(spec, part, part, part, Provenance("cat"))
    subject: Any = Subject(nn.Module(), dataset, 0, torch.Generator())  # type: ignore[arg-type]
    assert training_text(subject) == searched


def test_nothing_is_found_across_examples() -> None:
    assert longest_overlap("bc", joined(["ab", "cd"])) == (0, 1)
