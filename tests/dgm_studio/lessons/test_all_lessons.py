"""Every lesson of the studio, run as a user runs it: what is claimed holds, and does not without its effect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dgm_studio.cli import run
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.reading import lessons


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("entry", lessons(), ids=lambda entry: entry.key)
def test_the_claim_holds_and_fails_without_its_effect(
    entry: Lesson, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["lesson", entry.key, "--json", "--project", str(tmp_path / "lesson.dgm")]
    assert run(arguments, photograph=lambda *_: 0) == 0  # type: ignore[arg-type, return-value]
    printed = capsys.readouterr().out
    (tmp_path / "lesson.json").write_text(printed)  # beside its project, for who keeps them with --basetemp
    document = json.loads(printed)
    for found in document["checks"]:
        assert found["holds"], found
        assert found["told apart"], found
