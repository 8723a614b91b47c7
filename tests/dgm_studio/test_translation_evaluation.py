"""What is measured of translations, of models whose translations are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset, counterparts
from dgm_studio.datasets.densities import turned
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import subject_from
from dgm_studio.evaluations.translation import EVALUATION
from dgm_studio.events import Checkpoint
from dgm_studio.presets import preset
from dgm_studio.reports import Note, Pictures, Report, Table
from dgm_studio.subject import Subject
from dgm_studio.training import TrainingSession
from models.catalog import Recipe

TURNED = DataChoice(source="letter", other=DataChoice(source="letter", settings={"angle": 90.0, "seed": 1}))


class Knows(nn.Module):
    """Translates by what it is given."""

    def __init__(self, there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._there, self._back = there, back

    def domains(self) -> None: ...

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        return self._back(x) if back else self._there(x)

    def sampler(self) -> Knows:
        return self


def reports(data: Dataset, model: Knows) -> list[Report]:
    subject = Subject(model, data, 1, Generator().manual_seed(0))  # type: ignore[arg-type]
    return [item for item in EVALUATION.run(subject, EVALUATION.settings()) if not isinstance(item, float)]


def rows(report: Report) -> dict[str, tuple[float, float]]:
    assert isinstance(report, Table)
    return {str(row[0]): (float(row[1]), float(row[3])) for row in report.rows}  # type: ignore[arg-type]


def right(data: Dataset) -> Knows:
    there, back = counterparts(data), counterparts(data, back=True)
    assert there is not None
    assert back is not None
    return Knows(there, back)


def test_the_right_translation_is_perfect_in_all() -> None:
    data = load(TURNED)
    for report in reports(data, right(data)):
        found = rows(report)
        assert found["Cycle error"][0] < 1e-6
        assert found["Distance from the right one"][0] < 1e-6
        assert found["Pairs recovered"] == (1.0, 1 / 500)
        assert found["Class kept"][0] == pytest.approx(1.0, abs=0.01)
        assert found["Identity error"][0] > 0.3


def test_a_translation_that_loses_nothing_may_be_wrong_in_all_else() -> None:
    data = load(TURNED)
    mirrored = Knows(lambda x: x * torch.tensor([-1.0, 1.0]), lambda x: x * torch.tensor([-1.0, 1.0]))
    found = rows(reports(data, mirrored)[0])
    assert found["Cycle error"][0] == 0
    assert found["Pairs recovered"][0] < 0.05
    assert found["Class kept"][0] < 0.5


def test_what_is_lost_is_the_cycle_error() -> None:
    data = load(TURNED)
    nothing = Knows(torch.zeros_like, torch.zeros_like)
    found = rows(reports(data, nothing)[0])
    assert found["Cycle error"][0] == pytest.approx(data.test.x[:500].abs().mean().item(), abs=1e-5)


def test_pictures_stand_beside_their_translation_and_what_came_back() -> None:
    style = {"style": "inverse", "part": "second half"}
    data = load(DataChoice(source="digit-styles", other=DataChoice(source="digit-styles", settings=style)))
    _, pictures, *_ = reports(data, right(data))
    assert isinstance(pictures, Pictures)
    first = pictures.pictures[:3].astype(int)
    assert abs(first[0] + first[1] - 255).max() <= 1
    assert abs(first[2] - first[0]).max() <= 1


def test_unknown_pairs_are_said_to_be_unknown() -> None:
    data = load(DataChoice(source="ring", other=DataChoice(source="moons")))
    same = Knows(lambda x: x, lambda x: x)
    *tables, note = reports(data, same)
    assert isinstance(note, Note)
    assert "Pairs recovered" not in rows(tables[0])
    assert "Class kept" not in rows(tables[0])


def test_on_the_ring_a_wrong_turn_is_as_good_to_every_loss_as_the_right_one() -> None:
    data = load(preset("cyclegan-ring").config.data)
    assert data.other is not None
    assert data.other.density is not None
    assert data.density is not None
    truth = 112.5
    for wrong in (22.5, -22.5):
        model = Knows(lambda x, w=wrong: turned(x, w), lambda x, w=wrong: turned(x, -w))
        x = data.test.x
        # translations have the very density of the second domain, so that no discriminator tells them from it
        assert torch.allclose(data.other.density.log_prob(model.translate(x)), data.density.log_prob(x), atol=1e-3)
        found = rows(reports(data, model)[0])
        assert found["Cycle error"][0] < 1e-6
        assert found["Pairs recovered"][0] < 0.05
        assert found["Class kept"][0] < 0.05
        turn = math.radians(truth - wrong)
        right = data.test.x[:500].norm(dim=1).mean().item() * 2 * math.sin(turn / 2) * 2 / math.pi
        assert found["Distance from the right one"][0] == pytest.approx(right, rel=0.05)


@pytest.mark.slow
def test_the_preset_that_is_to_fail_learns_its_cycle_and_the_wrong_turn() -> None:
    config = preset("cyclegan-ring").config
    data, state = load(config.data), None
    for event in TrainingSession(config, data).events():
        state = event.state if isinstance(event, Checkpoint) else state
    assert state is not None
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    subject = subject_from(recipe, data, state, torch.device("cpu"), seed=0)
    with torch.no_grad():
        found = rows(next(item for item in EVALUATION.run(subject, EVALUATION.settings()) if isinstance(item, Table)))
    assert found["Cycle error"][0] < 0.02
    assert found["Class kept"][0] < 0.1
