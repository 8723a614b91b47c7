"""Files are whole or not there, and paths are said as a person says them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dgm_studio.files import put, short_path


def test_what_a_killed_process_of_the_same_number_left_stops_no_writing(tmp_path: Path) -> None:
    left = tmp_path / f".picture.png.{os.getpid()}.part"
    left.write_bytes(b"half")
    put(tmp_path / "picture.png", b"new")
    assert (tmp_path / "picture.png").read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"picture.png", left.name}


def test_a_file_that_cannot_be_written_stays_as_it_was_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    put(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("a", b"old")]


def test_only_what_lies_in_the_folder_of_a_person_begins_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    paths = ("/home/ann", "/home/ann/DGM Studio", "/home/anna/a", "/mnt/home/ann/b")
    assert [short_path(Path(path)) for path in paths] == ["~", "~/DGM Studio", "/home/anna/a", "/mnt/home/ann/b"]
