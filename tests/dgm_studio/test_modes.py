"""Modes counted while a run trains."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from dgm_studio import modes
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.events import Checkpoint, Progress
from dgm_studio.modes import PERFECT, QUANTITIES, ModeCounter
from dgm_studio.training import TrainingSession
from models.estimation.coverage import SAMPLES, coverage_of, perfect_quality

RING = load(DataChoice(source="ring", settings={"examples": 300}))
CPU = torch.device("cpu")
MODES, QUALITY = (quantity.key for quantity in QUANTITIES)


class Learner(torch.nn.Module):
    """Shows draws from some of the modes of the ring."""

    def __init__(self, modes: int, seconds: float = 0.0) -> None:
        super().__init__()
        self.modes, self.seconds = modes, seconds

    def sampler(self) -> Any:
        return self

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        time.sleep(self.seconds)
        density: Any = RING.density
        mode = torch.randint(self.modes, (n,), generator=generator)
        return density.means[mode].float() + density.sigma * torch.randn(n, 2, generator=generator)


@pytest.fixture(autouse=True)
def _however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "PATIENCE", 60.0)


def counted(learner: Any, data: Dataset = RING) -> dict[str, float]:
    counter = ModeCounter(learner, data, CPU)
    return {key: value.item() for key, value in counter.measure()} if counter.possible else {}


@pytest.mark.parametrize("number", [3, 8])
def test_modes_and_good_samples_are_counted_beside_a_perfect_sampler(number: int) -> None:
    found = counted(Learner(number))
    assert found[MODES] == number
    assert found[QUALITY] == pytest.approx(perfect_quality(2), abs=0.01)
    assert found[PERFECT + MODES] == 8
    assert found[PERFECT + QUALITY] == pytest.approx(0.9889, abs=1e-4)


def test_it_is_the_protocol_of_the_evaluation() -> None:
    learner = Learner(5)
    density: Any = RING.density
    expected = coverage_of(learner.sample(SAMPLES, Generator().manual_seed(0)), density)
    assert counted(learner)[QUALITY] == pytest.approx(expected.quality.value)


def test_the_perfect_sampler_is_named_once() -> None:
    counter = ModeCounter(Learner(2), RING, CPU)
    first, second = ({key for key, _ in counter.measure()} for _ in range(2))
    assert first == {MODES, QUALITY, PERFECT + MODES, PERFECT + QUALITY}
    assert second == {MODES, QUALITY}


def test_slow_samplers_and_data_without_modes_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(modes, "PATIENCE", 0.05)
        assert counted(Learner(2, seconds=0.1)) == {}
    assert counted(Learner(2), load(DataChoice(source="moons", settings={"examples": 300}))) == {}
    assert counted(Learner(2), load(DataChoice(source="drawn", settings={"examples": 300}))) == {}


def test_counting_never_changes_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"hidden": 8, "layers": 1}
    training = TrainingSettings(steps=20, batch_size=20, device="cpu")
    config = RunConfig(family="gan", learner="minimax", model={**small, "latent": 2}, learning=small, training=training)

    def trained() -> tuple[dict[str, Tensor], set[str]]:
        events = list(TrainingSession(config, RING).events())
        keys = {key for event in events if isinstance(event, Progress) for key in event.metrics}
        return [event for event in events if isinstance(event, Checkpoint)][-1].state["model"], keys

    with_modes, keys = trained()
    assert {MODES, QUALITY, PERFECT + MODES} <= keys
    monkeypatch.setattr(ModeCounter, "measure", lambda self: iter(()))
    without, other = trained()
    assert MODES not in other
    assert all(torch.equal(without[key], with_modes[key]) for key in without)
