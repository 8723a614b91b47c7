"""The data of the next run: bits or levels, never both; what does not fit is said, with what would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from dgm_studio.config import DataChoice
from dgm_studio.datasets.drawn import read_drawing
from widgets.background import Background
from widgets.data_cache import DataCache
from widgets.data_panel import DataPanel
from widgets.draft import Draft, default_config
from widgets.drawing_dialog import DrawingDialog
from widgets.editors import ChoiceBox
from widgets.settings_form import SettingsForm
from widgets.text_samples import TextSamples

PATIENCE = 60_000  # ms


class Form:
    """A panel and its draft."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot, self.draft, self.reader = qtbot, Draft(default_config("nade")), Background("test")
        self.panel = DataPanel(self.draft, DataCache(), self.reader)
        self.said: list[str] = []
        self.panel.checked.connect(self.said.append)
        qtbot.addWidget(self.panel)
        self.panel.resize(360, 700)
        self.panel.show()

    def choose(self, family: str, **data: object) -> None:
        config = default_config(family)
        choice = DataChoice.model_validate({**config.data.model_dump(), **data})
        self.draft.load(config.model_copy(update={"data": choice}))
        self.checked()

    def checked(self) -> None:
        """Wait for a look at the data."""
        self.said.clear()
        self.qtbot.waitUntil(lambda: bool(self.said), timeout=PATIENCE)
        self.qtbot.wait(20)  # buttons appear with the next events

    @property
    def problem(self) -> str:
        label = self.panel.findChild(QLabel, "dataProblem")
        return label.text() if label.isVisible() else ""

    @property
    def remedies(self) -> list[QPushButton]:
        return [button for button in self.panel.findChildren(QPushButton, "dataRemedy") if not button.isHidden()]


@pytest.fixture
def form(qtbot: QtBot) -> Iterator[Form]:
    made = Form(qtbot)
    yield made
    made.reader.close()
    made.reader.wait()


def test_what_would_fit_is_one_click_away(form: Form) -> None:
    form.choose("nade", binarization="none")
    assert "choose a binarisation" in form.problem
    (remedy,) = form.remedies
    assert remedy.text() == "Use a threshold"
    QTest.mouseClick(remedy, Qt.MouseButton.LeftButton)
    assert form.draft.config.data.binarization == "threshold"
    form.checked()
    assert not form.problem
    assert not form.remedies
    form.draft.stack.undo()
    assert form.draft.config.data.binarization == "none"


def test_data_that_was_chosen_stays_when_another_family_is(form: Form) -> None:
    form.choose("gan", source="moons", settings={"examples": 300})
    chosen = form.draft.config.data
    form.draft.set_family("vae")
    form.checked()
    assert form.draft.config.data == chosen
    assert not form.problem
    form.draft.set_family("hmm")
    form.checked()
    assert form.problem
    (remedy,) = form.remedies
    assert remedy.text() == "Use Dishonest casino"
    QTest.mouseClick(remedy, Qt.MouseButton.LeftButton)
    form.checked()
    assert not form.problem


def test_values_that_cannot_become_bits_are_offered_something_else(form: Form, tmp_path: Path) -> None:
    np.save(tmp_path / "table.npy", np.random.default_rng(0).normal(size=(50, 7)))
    form.choose("nade", source="numpy", settings={"path": str(tmp_path / "table.npy")}, binarization="threshold")
    assert "only values in 0…1 can be made bits" in form.problem
    (remedy,) = form.remedies
    QTest.mouseClick(remedy, Qt.MouseButton.LeftButton)
    form.checked()
    assert not form.problem


def test_three_million_pixels_are_refused_before_anything_is_built(form: Form, tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((4, 3, 1000, 1000), np.uint8))
    form.choose("pixelcnn", source="numpy", settings={"path": str(tmp_path / "large.npy")}, binarization="threshold")
    assert "3,000,000" in form.problem
    assert [button.text() for button in form.remedies] == ["Use Handwritten digits 8×8"]


def test_levels_and_bits_exclude_each_other(form: Form) -> None:
    form.choose("pixelcnn", binarization="threshold")
    form.draft.set_field("data", "levels", 16)
    assert (form.draft.config.data.binarization, form.draft.config.data.levels) == ("none", 16)
    form.checked()
    assert not form.problem
    assert "levels, from 0 to 15" in form.panel.findChild(QLabel, "dataSummary").text()
    form.draft.set_field("data", "binarization", "fixed")
    assert (form.draft.config.data.binarization, form.draft.config.data.levels) == ("fixed", 0)
    form.draft.set_field("data", "levels", 0)
    assert form.draft.config.data.binarization == "fixed"
    form.draft.stack.undo()
    assert (form.draft.config.data.binarization, form.draft.config.data.levels) == ("none", 16)


def test_levels_are_kept_for_a_file_that_is_dropped(form: Form, tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (50, 8, 8)).astype(np.uint8))
    form.choose("pixelcnn", binarization="none", levels=4)
    assert not form.panel.take(tmp_path / "grey.npy")
    assert form.draft.config.data.levels == 4
    form.checked()
    assert not form.problem


def test_bits_and_levels_are_offered_for_values_between_0_and_1_alone(form: Form) -> None:
    def offered() -> set[str]:
        found = form.panel.findChild(SettingsForm, "dataSettings")
        return {field for field in DataChoice.model_fields if field in found._editors}

    form.choose("vae")
    assert offered() == {"binarization", "levels", "split_seed"}
    form.choose("vae", source="moons")
    assert offered() == {"split_seed"}
    form.choose("vae", source="moons", levels=4)
    assert offered() == {"levels", "split_seed"}, "what is set can be taken back"
    form.choose("vae")
    assert offered() == {"binarization", "levels", "split_seed"}


def test_prose_that_is_dropped_is_shown_as_text_and_what_could_learn_it_is_said(form: Form, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Call me Ishmael. Some years ago, never mind how long precisely. " * 40)
    form.choose("char-rnn")
    assert not form.panel.take(tmp_path / "book.txt")
    form.checked()
    assert not form.problem
    assert form.draft.config.data.source == "text"
    shown = form.panel.findChild(TextSamples)
    assert shown is not None
    assert shown.toPlainText().startswith("Call me Ishmael.")
    form.choose("nade")
    assert not form.panel.take(tmp_path / "book.txt")
    form.checked()
    assert "book.txt holds symbols" in form.problem
    assert form.remedies
    QTest.mouseClick(form.remedies[0], Qt.MouseButton.LeftButton)
    form.checked()
    assert "choose images and a binarisation" in form.problem or not form.problem


def test_data_that_are_drawn_are_drawn_in_a_dialog_and_not_as_text(form: Form) -> None:
    form.choose("gan", source="ring")
    draw = form.panel.findChild(QPushButton, "drawData")
    assert not draw.isVisible()
    form.choose("gan", source="drawn")
    assert draw.isVisible()
    assert "drawing" not in form.panel.findChild(SettingsForm, "sourceSettings")._editors
    before = form.draft.config
    QTest.mouseClick(draw, Qt.MouseButton.LeftButton)
    dialog = form.panel.window().findChild(DrawingDialog)
    dialog.pad.clear()
    dialog.pad.begin_stroke()
    dialog.pad.stamp(10.5, 10.5)
    dialog.accept()
    assert read_drawing(form.draft.config.data.settings["drawing"])[10, 10] == 9
    form.checked()
    assert not form.problem
    form.draft.stack.undo()
    assert form.draft.config == before


# Two domains.


def test_a_second_domain_is_shown_and_edited_where_the_learner_is_fed_two(form: Form) -> None:
    form.choose("vae")
    second = form.panel.findChild(ChoiceBox, "otherSource")
    assert not second.isVisible()
    form.choose("cyclegan")
    assert not form.problem
    assert second.isVisible()
    assert second.currentData() == "digit-styles"
    assert "examples" in form.panel.findChild(QLabel, "otherDataSummary").text()
    form.draft.set_field("source", "style", "thick", 1)
    other = form.draft.config.data.other
    assert other is not None
    assert other.settings == {"style": "thick", "part": "second half"}
    form.checked()
    assert not form.problem
    form.draft.set_field("data", "binarization", "threshold", 1)
    form.checked()
    assert "cannot model bits" in form.problem
    assert [button.text() for button in form.remedies] == ["Use values as they are"]
    QTest.mouseClick(form.remedies[0], Qt.MouseButton.LeftButton)
    form.checked()
    assert not form.problem
    for _ in range(3):
        form.draft.stack.undo()
    assert form.draft.config.data.other.settings["style"] == "inverse"


def test_a_missing_second_domain_and_one_too_many_are_one_click_away(form: Form) -> None:
    form.choose("cyclegan", other=None)
    assert "choose a second one" in form.problem
    (remedy,) = form.remedies
    assert remedy.text() == "Add Digits in a style"
    QTest.mouseClick(remedy, Qt.MouseButton.LeftButton)
    form.checked()
    assert not form.problem
    form.choose("vae", other={"source": "digits"})
    assert "without a second one" in form.problem
    (remedy,) = form.remedies
    QTest.mouseClick(remedy, Qt.MouseButton.LeftButton)
    assert form.draft.config.data.other is None


def test_what_is_dropped_on_the_second_domain_becomes_it(form: Form, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    np.save(tmp_path / "table.npy", noise.random((50, 7)))
    form.choose("cyclegan")
    second = form.panel.findChild(ChoiceBox, "otherSource")
    (tmp_path / "folder").mkdir()
    for number in range(20):
        Image.fromarray(noise.integers(0, 256, (9, 12), np.uint8)).save(tmp_path / "folder" / f"{number}.png")
    for place in (second.mapToGlobal(second.rect().center()), None):
        assert not form.panel.take(tmp_path / "folder", place)
    form.checked()
    assert [domain.source for domain in form.draft.config.data.domains] == ["images", "images"]
    assert not form.problem
    assert not form.panel.take(tmp_path / "table.npy", second.mapToGlobal(second.rect().center()))
    data = form.draft.config.data
    assert data.other is not None
    assert (data.source, data.other.source) == ("images", "numpy")
    assert not form.panel.take(tmp_path / "table.npy")
    assert form.draft.config.data.source == "numpy"
    form.checked()
    assert not form.problem
