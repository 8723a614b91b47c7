"""A run that was stopped goes on as if nobody had stopped it: every family and learner of the catalogue, bit for bit.

The small version of `./run faults resume`; see there for what is compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _pytest.mark import ParameterSet
from torch import Tensor

from dgm_studio import ROOT, training
from dgm_studio.store import Project
from models import catalog
from models.learning.base import Learner
from models.spec import Batch

sys.path.insert(0, str(ROOT / "tests" / "faults"))
import resume
from contract import DATASETS
from resume import LEFT_AT, READ, STEPS, Case, cases

ALL = list(cases())
LEARNERS = sorted({(case.family, case.learner) for case in ALL})


def of(variant: str, each_learner_once: bool = False) -> list[ParameterSet]:
    """The cases with these settings or data, as parameters; slow are all but the first learner of each family, and of
    these, if asked for, all but the first family of each learner."""
    found, seen = [], set()
    for case in ALL:
        if case.variant == variant:
            slow = case.learner != catalog.family(case.family).learners[0] or (
                each_learner_once and case.learner in seen
            )
            if not slow:
                seen.add(case.learner)
            marks = pytest.mark.slow if slow else ()
            found.append(pytest.param(case, id=f"{case.family}-{case.learner}", marks=marks))
    return found


PLAIN = of("settings as they are", each_learner_once=True)


@pytest.mark.parametrize("case", PLAIN)
def test_a_run_that_is_stopped_again_and_again_and_looked_at_ends_at_the_same_bits(case: Case, tmp_path: Path) -> None:
    straight = resume.stopped(tmp_path, case, ())
    often = resume.stopped(tmp_path, case, (0, 3, LEFT_AT, STEPS))  # an epoch has three steps
    assert resume.apart(case, straight, often) == []
    with resume.looked_at(case) as (busy, done):
        watched = resume.stopped(tmp_path, case, (5,), busy)
    assert resume.apart(case, straight, watched) == []
    assert done["answers"] > 0
    assert done["evaluations"] > 0


@pytest.mark.parametrize("case", of("bits drawn at each visit"))
def test_bits_that_are_drawn_at_each_visit_are_drawn_again_as_they_were(case: Case, tmp_path: Path) -> None:
    assert resume.resumed(case, tmp_path, [(LEFT_AT,)]) == {(LEFT_AT,): []}


RICH = (
    {"refinement": 2, "auxiliary": 0.5, "free_bits": 0.1, "kl_annealing": 8, "kl_schedule": "cyclical"},
    {"importance_samples": 3, "auxiliary": 0.5},
)


@pytest.mark.parametrize("changed", RICH, ids=("refined", "importance weighted"))
def test_a_bound_that_is_refined_or_weighed_goes_on_where_it_was(changed: dict[str, Any], tmp_path: Path) -> None:
    case = Case("vae", "reparameterized-elbo", "rich", changed, DATASETS["bits"])
    assert resume.resumed(case, tmp_path, [(LEFT_AT,)]) == {(LEFT_AT,): []}


@pytest.mark.parametrize("learner", ["non-saturating", "unrolled"])
def test_a_game_with_its_remedies_goes_on_where_it_was(learner: str, tmp_path: Path) -> None:
    changed = {"packing": 2, "minibatch_features": 3, "label_smoothing": 0.1, "feature_matching": True, "unrolled": 2}
    case = Case("gan", learner, "remedies", changed, DATASETS["reals"])
    assert resume.resumed(case, tmp_path, [(LEFT_AT,)]) == {(LEFT_AT,): []}


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in ALL])
def test_a_run_can_be_stopped_at_any_step(case: Case, tmp_path: Path) -> None:
    found = resume.resumed(case, tmp_path, resume.stop_points(0))
    assert len(found) > STEPS
    assert not {stops: where for stops, where in found.items() if where}


@pytest.mark.parametrize("case", PLAIN[:1])
def test_two_threads_are_resumed_with_two_threads(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.devices, "training_threads", lambda: 2)
    counts: list[int] = []

    def count(session: object, event: object) -> None:
        counts.append(torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        straight = resume.stopped(tmp_path, case, (), count)
        with resume.looked_at(case) as (busy, _):  # whose thread counts on one core
            resumed = resume.stopped(tmp_path, case, (LEFT_AT,), lambda *said: (count(*said), busy(*said)))
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {2}
    assert resume.apart(case, straight, resumed) == []


@pytest.mark.parametrize("case", of("everything on", each_learner_once=True))
def test_whatever_kind_of_thing_is_missing_in_a_kept_state_is_noticed(case: Case) -> None:
    found = resume.lacking(case, few=True)
    assert {"step", "model"} <= {place.split("/")[1] for place in (*found.noticed, *found.seen_at_once)}
    assert found.unnoticed == []


@pytest.mark.slow
@pytest.mark.parametrize(("family", "learner"), LEARNERS)
def test_whatever_is_missing_in_a_kept_state_is_noticed(family: str, learner: str) -> None:
    mine = [case for case in ALL if (case.family, case.learner) == (family, learner)]
    # a memory that some settings do not use is noticed in those that do
    assert set.intersection(*(set(resume.lacking(case).unnoticed) for case in mine)) == set()


# What the tests above would let pass if they could not fail.


def forgetful(step: Callable[[Learner, Batch], dict[str, Tensor]]) -> Callable[[Learner, Batch], dict[str, Tensor]]:
    """A learner's step that depends on how often this very object was asked to take one."""

    def forgetting(self: Learner, batch: Batch) -> dict[str, Tensor]:
        self.taken = getattr(self, "taken", 0) + 1
        with torch.no_grad():
            next(self.parameters()).add_(1e-3 * self.taken)
        return step(self, batch)

    return forgetting


def test_a_learner_that_keeps_its_memory_to_itself_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = PLAIN[0].values[0]
    learner = case.recipe.learning.learner
    monkeypatch.setattr(learner, "step", forgetful(learner.step))
    found = resume.resumed(case, tmp_path, [(0,), (LEFT_AT,)])
    assert not found[(0,)]  # where it had nothing to forget
    assert found[(LEFT_AT,)]


def test_a_buffer_that_nobody_reads_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    case = PLAIN[0].values[0]
    learner = case.recipe.learning.learner
    begin, step = learner.__init__, learner.step

    def with_a_counter(self: Learner, *given: Any, **variant: Any) -> None:
        begin(self, *given, **variant)
        self.register_buffer("useless", torch.zeros(()))

    def counting(self: Learner, batch: Batch) -> dict[str, Tensor]:
        self.useless.add_(1)
        return step(self, batch)

    monkeypatch.setattr(learner, "__init__", with_a_counter)
    monkeypatch.setattr(learner, "step", counting)
    assert resume.lacking(case, few=True).unnoticed == ["/learner/useless"]


# Processes of their own.


def command(*words: str | Path) -> dict[str, Any]:
    """What `dgm WORDS` says."""
    done = subprocess.run(
        [sys.executable, "-m", "dgm_studio", *map(str, words), "--json"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.slow
@pytest.mark.parametrize(("family", "learner"), READ)
def test_processes_hand_a_run_to_each_other_bit_for_bit(family: str, learner: str, tmp_path: Path) -> None:
    case = resume.read_case(family, learner)
    straight = resume.stopped(tmp_path, case, ())
    path = tmp_path / "processes.dgm"
    config = case.config()
    groups = {"model": config.model, "learning": config.learning, "training": {"batch_size": resume.BATCH}}
    settings = [f"{group}.{name}={value}" for group, values in groups.items() for name, value in values.items()]
    options = [word for setting in settings for word in ("--set", setting)]
    begin = ("train", "--family", family, "--learner", learner, "--project", path, "--steps", "4")
    command(*begin, "--seed", str(config.training.seed), "--device", "cpu", *options)
    assert command("resume", path, "--steps", "3")["step"] == 7
    with Project.open(path, read_only=True) as project:
        (run,) = project.runs.values()
        assert run.config is not None
        assert run.config.model == config.model
    assert command("resume", path, "--steps", str(STEPS - 7))["step"] == STEPS
    assert resume.apart(case, straight, resume.end(path)) == []
