"""The quick part of tests/faults/data.py, in this process: each sentence is there, and no file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.data import ITEMS, Item, attempt, contents, problem


@pytest.mark.parametrize("item", [item for item in ITEMS if not item.large], ids=lambda item: item.name)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_comes_from_outside_is_read_or_refused_with_a_sentence(
    item: Item, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    folder.mkdir()
    path = item.make(folder)
    before = contents(tmp_path)
    assert problem(item, attempt(item, path), path) == ""
    assert contents(tmp_path) == before
