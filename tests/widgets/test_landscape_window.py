"""A game in the window: single steps from Landscape, and another run on what somebody draws there."""

from __future__ import annotations

from dataclasses import replace

from person import Person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from dgm_studio.datasets.drawn import read_drawing
from dgm_studio.events import Turn
from dgm_studio.presets import presets
from widgets.drawing_dialog import DrawingDialog
from widgets.explorers.landscape import LandscapeView
from widgets.trainer import Phase


def begin(person: Person, key: str) -> LandscapeView:
    """Train a preset, quickly, pause it and look at its landscape."""
    preset = next(preset for preset in presets() if preset.key == key)
    small = {"hidden": 16, "layers": 1}
    config = preset.config.model_copy(update={"model": {**small, "latent": 2}, "learning": small})
    person.desk.start(replace(preset, config=config))
    person.until(lambda: person.phase is Phase.TRAINING)
    person.do("train")
    person.until(lambda: person.phase is Phase.PAUSED)
    person.do("pageExplore")
    explore = person.desk.area.explore
    person.until(lambda: "landscape" in explore.keys)
    explore.show_explorer(explore.keys.index("landscape"))
    view = explore.current
    assert isinstance(view, LandscapeView)
    person.until(lambda: view._answer is not None)
    return view


def test_a_paused_game_is_played_turn_by_turn_and_other_data_are_drawn(person: Person) -> None:
    view = begin(person, "gan-ring")
    seen: list[Turn] = []
    view.live.turned.connect(seen.append)
    at = person.step
    for name in ("discriminatorStep", "generatorStep", "bothStep"):
        QTest.mouseClick(view.findChild(QPushButton, name), Qt.MouseButton.LeftButton)
        person.until(lambda wanted=at + 1: bool(seen) and seen[-1].step == wanted)
        at += 1
    assert [turn.moved for turn in seen] == [("discriminator",), ("generator",), ("discriminator", "generator")]
    assert person.phase is Phase.PAUSED
    person.until(lambda: view.live.step == at)  # what is shown is of the step that was taken
    run = person.desk.workspace.run
    assert run is not None
    person.until(lambda: len(run.metrics.get("moved/generator", ((), ()))[0]) == 3)
    assert run.metrics["moved/generator"][1].tolist() == [0, 1, 1]

    QTest.mouseClick(view.findChild(QPushButton, "drawData"), Qt.MouseButton.LeftButton)
    dialog = person.window.findChild(DrawingDialog)
    assert dialog is not None
    dialog.pad.clear()
    dialog.pad.begin_stroke()
    dialog.pad.stamp(16.5, 16.5)
    dialog.accept()
    project = person.desk.workspace.project
    assert project is not None
    person.until(lambda: len(project.runs) == 2)
    other = next(config for config in (run.config for run in project.runs.values()) if config.data.source == "drawn")
    assert read_drawing(other.data.settings["drawing"])[16, 16] == 9
    assert run.config is not None
    assert other.model == run.config.model
    person.desk.workspace.trainer.clear()
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
