"""A kept state that does not fit what it is loaded into ends a session before its first step, with a sentence, and
changes nothing: no random generator, no file, not the state itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from stored_project import plain
from torch import Generator

from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.events import Checkpoint, Failed, Tree
from dgm_studio.store import Project
from dgm_studio.store.trees import flatten
from dgm_studio.training import Resume, TrainingSession
from models.spec import DataSpec, Layout, Support

CONFIG = RunConfig(
    family="vae",
    learner="reparameterized-elbo",
    model={"hidden": 8, "layers": 1},
    training={"steps": 3, "batch_size": 20},
)
WEIGHT = "encoder.0.weight"


def noise(examples: int = 60) -> Dataset:
    generator = Generator().manual_seed(0)
    spec = DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE)

    def split(n: int) -> Split:
        return Split(torch.rand(n, 1, 3, 3, generator=generator), torch.zeros(n, dtype=torch.int64))

    return Dataset(spec, split(examples), split(10), split(10), Provenance("noise"))


@pytest.fixture(scope="module")
def kept() -> Tree:
    states = [event.state for event in TrainingSession(CONFIG, noise()).events() if isinstance(event, Checkpoint)]
    return states[-1]


@pytest.fixture
def stored(kept: Tree, tmp_path: Path) -> tuple[Path, Tree]:
    """A project with the state, and the state as it was read from there."""
    path = tmp_path / "a.dgm"
    with Project.create(path) as project:
        project.new_run(CONFIG).keep_checkpoint(3, flatten(kept))
        project.save()
        (run,) = project.runs.values()
        return path, run.checkpoint(3)


def moments(state: Tree) -> dict[Any, Any]:
    """What the only optimiser remembers, by the number of the parameter."""
    (optimizer,) = state["optimizers"].values()
    return optimizer["state"]


def of_first(state: Tree) -> dict[str, Any]:
    return next(iter(moments(state).values()))


WRONG: dict[str, Callable[[Tree], object]] = {
    "a tensor missing": lambda s: s["model"].pop(WEIGHT),
    "a tensor extra": lambda s: s["model"].update(more=torch.zeros(3)),
    "a tensor misshapen": lambda s: s["model"].update({WEIGHT: torch.zeros(8, 8)}),
    "a tensor transposed": lambda s: s["model"].update({WEIGHT: s["model"][WEIGHT].T}),
    "a tensor flat": lambda s: s["model"].update({WEIGHT: s["model"][WEIGHT].reshape(-1)}),
    "a tensor of another type": lambda s: s["model"].update({WEIGHT: s["model"][WEIGHT].double()}),
    "a list for a tensor": lambda s: s["model"].update({WEIGHT: [1.0, 2.0]}),
    "a number for a tensor": lambda s: s["model"].update({WEIGHT: 1.0}),
    "a list for the model": lambda s: s.update(model=[]),
    "nothing for the learner": lambda s: s.update(learner=None),
    "no model": lambda s: s.pop("model"),
    "no optimiser": lambda s: s["optimizers"].clear(),
    "two optimisers": lambda s: s["optimizers"].update(other=next(iter(s["optimizers"].values()))),
    "a list for the optimisers": lambda s: s.update(optimizers=[]),
    "an optimiser that remembers nothing": lambda s: s["optimizers"].update({name: {} for name in s["optimizers"]}),
    "a list for what an optimiser remembers": lambda s: of_first(s).update(exp_avg=[1.0]),
    "a parameter too many": lambda s: moments(s).update({99: of_first(s)}),
    "a parameter without a number": lambda s: moments(s).update(x=of_first(s)),
    "a parameter before the first": lambda s: moments(s).update({-1: of_first(s)}),
    "moments misshapen": lambda s: of_first(s).update(exp_avg=torch.zeros(2, 2)),
    "moments missing": lambda s: of_first(s).pop("exp_avg"),
    "the state of a generator cut": lambda s: s["rng"].update(cpu=s["rng"]["cpu"][:-1]),
    "the state of a generator too long": lambda s: s["rng"].update(cpu=s["rng"]["cpu"].repeat(2)),
    "the state of a generator of another type": lambda s: s["rng"].update(cpu=s["rng"]["cpu"].float()),
    "the state of a generator as text": lambda s: s["rng"].update(cpu="0"),
    "a list for the generators": lambda s: s.update(rng=[]),
    "no generator": lambda s: s["rng"].clear(),
    "an order of fewer examples": lambda s: s["sampler"].update(order=torch.arange(59)),
    "an order with an example twice": lambda s: s["sampler"].update(order=torch.zeros(60, dtype=torch.int64)),
    "an order of fractions": lambda s: s["sampler"].update(order=torch.arange(60.0)),
    "an order of two dimensions": lambda s: s["sampler"].update(order=torch.arange(60).reshape(60, 1)),
    "a position before the first": lambda s: s["sampler"].update(position=-1),
    "a position behind the last": lambda s: s["sampler"].update(position=61),
    "a fraction for a position": lambda s: s["sampler"].update(position=1.5),
    "no position": lambda s: s["sampler"].pop("position"),
    "a list for the sampler": lambda s: s.update(sampler=[]),
    "a step before the first": lambda s: s.update(step=-1),
    "text for a step": lambda s: s.update(step="3"),
    "no step": lambda s: s.pop("step"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_a_state_that_does_not_fit_is_named_and_changes_nothing(
    stored: tuple[Path, Tree], wrong: Callable[[Tree], object]
):
    path, state = stored
    content = path.read_bytes()
    wrong(state)
    before, drawn = plain(state), torch.get_rng_state()
    events = list(TrainingSession(CONFIG, noise(), Resume(state)).events())
    assert [type(event) for event in events] == [Failed]
    assert isinstance(events[0], Failed)
    assert events[0].kind == "bad input"
    assert events[0].text.startswith("The ")
    assert events[0].text.endswith(".")
    assert torch.equal(torch.get_rng_state(), drawn)
    assert plain(state) == before
    assert path.read_bytes() == content


def test_the_state_that_was_kept_fits(stored: tuple[Path, Tree]):
    _, state = stored
    events = list(TrainingSession(CONFIG.model_copy(), noise(), Resume(state)).events())
    assert not [event for event in events if isinstance(event, Failed)]


def test_data_of_another_length_is_named(stored: tuple[Path, Tree]):
    (end,) = TrainingSession(CONFIG, noise(61), Resume(stored[1])).events()
    assert isinstance(end, Failed)
    assert "60 examples" in end.text
    assert "61" in end.text
