"""Every preset, as a person goes through it: trained, explored, measured, closed, opened again and resumed.

Takes minutes. DGM_PICTURES=FOLDER keeps a picture of each page and explorer in both themes, to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from person import Person
from PySide6.QtWidgets import QLabel
from pytestqt.exceptions import TimeoutError

from dgm_studio.datasets.sources import source
from dgm_studio.presets import Preset, presets
from widgets.trainer import Phase

pytestmark = pytest.mark.slow

FOLDER = os.environ.get("DGM_PICTURES", "")
LOOK = 1500  # ms at each explorer while the model trains
MEASURE = 60_000  # ms, after which an evaluation is cancelled


def take(person: Person, name: str) -> None:
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        for theme in ("light", "dark"):
            person.window.theme.choose(theme)
            person.qtbot.wait(300)
            person.window.grab().save(str(Path(FOLDER) / f"{name}-{theme}.png"))


def explore(person: Person, entry: Preset, when: str) -> None:
    """Look at every explorer that the run admits; none may say that it failed."""
    person.do("pageExplore")
    page = person.desk.area.explore
    person.until(lambda: page.keys or not page._kinds)
    for index, key in enumerate(page.keys):
        page.show_explorer(index)
        person.qtbot.wait(LOOK)
        assert page.current is not None
        assert page.current.key == key
        notice = page.current.findChild(QLabel, "notice")
        assert not notice.isVisible(), notice.text()
        take(person, f"{entry.key}-{when}-{key}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("entry", presets(), ids=lambda entry: entry.key)
def test_it_trains_is_explored_measured_closed_opened_and_resumed(person: Person, entry: Preset) -> None:
    if not source(entry.config.data.source).at_hand():
        pytest.skip(f"{entry.config.data.source} would be downloaded")
    person.click_card(entry.key)
    person.until(lambda: person.phase is Phase.TRAINING)
    person.until(lambda: person.step > 5)
    take(person, f"{entry.key}-train")
    explore(person, entry, "training")
    if person.phase is Phase.TRAINING:
        person.do("stop")
        person.until(lambda: person.phase is Phase.IDLE)
    workspace = person.desk.workspace
    run = workspace.run
    assert run is not None
    assert run.status in ("stopped", "finished")
    path, step = workspace.project.path, run.checkpoint_steps()[-1]  # type: ignore[union-attr]

    person.do("pageEvaluate")
    page = person.desk.area.evaluate
    person.until(lambda: page.cards.by_key)
    key = next(iter(page.cards.by_key))
    page._ask(key)
    try:
        person.qtbot.waitUntil(lambda: not page.busy, timeout=MEASURE)
    except TimeoutError:  # there are 10 000 pictures of clothes
        page._cancel(key)
        person.until(lambda: not page.busy)
    else:
        assert [stored.key for stored in run.evaluations] == [key]
    take(person, f"{entry.key}-evaluate")
    person.close()

    person.open_window()
    person.window.open(path)
    person.until(lambda: person.desk.workspace.viewing.live is not None)
    run = person.desk.workspace.run
    assert run is not None
    assert run.checkpoint_steps()[-1] == step
    explore(person, entry, "stored")
    if run.status == "stopped":
        person.do("train")
    else:
        person.desk.workspace.continue_run(run, 20)
    person.until(lambda: person.phase is Phase.TRAINING or run.checkpoint_steps()[-1] > step)
    person.until(lambda: person.step > step or run.checkpoint_steps()[-1] > step)
    if person.phase is Phase.TRAINING:
        person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    assert run.checkpoint_steps()[-1] > step
