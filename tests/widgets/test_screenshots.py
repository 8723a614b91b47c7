"""Which runs pictures of the window are taken of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dgm_studio.presets import presets
from models.catalog import Recipe
from widgets import screenshots
from widgets.explorers.catalog import EXPLORERS


def test_the_runs_show_every_explorer_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dgm_studio.datasets.sources import load

    def refuse(*_: Any) -> None:
        raise AssertionError("something would be downloaded")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where nothing was downloaded before
    monkeypatch.setattr("dgm_studio.datasets.mnist.fetch", refuse)
    chosen = screenshots.representatives()
    assert chosen[0] == presets()[0].key
    shown = set()
    for config in (preset.config for preset in presets() if preset.key in chosen):
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        spec = load(config.data).spec
        shown |= {e.key for e in EXPLORERS if e.admits(recipe.family.model, recipe.learning.learner, spec)}
    assert shown == {entry.key for entry in EXPLORERS}
