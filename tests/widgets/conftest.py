"""What the tests of the window share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from explorer_runs import Bench, pictures, recipe
from latent_maps import PATIENCE, ShowMap, has_outcome
from person import Person
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import Dataset
from models.catalog import Recipe
from models.gan import Gan, GanSettings
from models.vae import Vae, VaeSettings
from widgets.explorers.latent_map import LatentMap
from widgets.preferences import Preferences


@pytest.fixture
def person(qtbot: QtBot, tmp_path: Path) -> Iterator[Person]:
    preferences = Preferences()
    preferences._settings.clear()
    person = Person(qtbot, tmp_path / "projects")
    yield person
    for window in list(person.windows):
        person.close(window)


@pytest.fixture
def show_map(qtbot: QtBot) -> Iterator[ShowMap]:
    benches: list[Bench] = []

    def shown(
        latent: int = 2, data: Dataset | None = None, encodes: bool = True, made: Recipe | None = None
    ) -> tuple[Bench, LatentMap]:
        if made is None and encodes:
            made = recipe(Vae, VaeSettings(latent=latent, hidden=8, layers=1))
        elif made is None:
            made = recipe(Gan, GanSettings(latent=latent, hidden=8, layers=1))
        bench = Bench(made, data or pictures())
        benches.append(bench)
        bench.publish(1)
        view = LatentMap(bench.live)
        qtbot.addWidget(view)
        view.resize(748, 672)
        view.show()
        qtbot.waitUntil(lambda: len(view.z) == latent and has_outcome(view), timeout=PATIENCE)
        return bench, view

    yield shown
    for bench in benches:
        bench.live.close()
