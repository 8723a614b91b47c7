"""Single steps of a game in which a person chooses who moves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.events import Checkpoint, Event, Finished, Paused, Progress, Turn
from dgm_studio.training import Order, Resume, TrainingSession

DATA = load(DataChoice(source="ring", settings={"examples": 300}))
SMALL: dict[str, Any] = {"hidden": 8, "layers": 1}


def session(steps: int = 12, resume: Resume | None = None, data: Dataset = DATA) -> TrainingSession:
    training = TrainingSettings(steps=steps, batch_size=20, device="cpu", seed=3)
    config = RunConfig(
        family="gan", learner="non-saturating", model={**SMALL, "latent": 2}, learning=SMALL, training=training
    )
    return TrainingSession(config, data, resume, checkpoint_seconds=0.0)


def played(steps: list[Collection[str] | None], then: Order, total: int = 12) -> list[Event]:
    """Single steps from the beginning, then the rest."""
    one, wanted, events = session(total), list(steps), []
    one.tell(Order.PAUSE)
    for event in one.events():
        events.append(event)
        if isinstance(event, Paused):
            if wanted:
                one.tell(Order.STEP, wanted.pop(0))
            else:
                one.tell(then)
    return events


def last_state(events: list[Event]) -> dict[str, Any]:
    return [event for event in events if isinstance(event, Checkpoint)][-1].state


def turns(events: list[Event]) -> list[Turn]:
    return [event for event in events if isinstance(event, Turn)]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


def network(state: dict[str, Any], player: str) -> dict[str, Tensor]:
    if player == "generator":
        return dict(state["model"])
    return {key: value for key, value in state["learner"].items() if key.startswith("discriminator.")}


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_only_the_player_that_moves_changes(player: str) -> None:
    before = last_state(played([], Order.STOP))
    after = last_state(played([[player]], Order.STOP))
    other = ({"discriminator", "generator"} - {player}).pop()
    assert same(network(before, other), network(after, other))
    assert not same(network(before, player), network(after, player))
    assert after["step"] == 1


def test_single_steps_of_both_are_the_steps_of_a_run_that_nobody_looked_at() -> None:
    whole = last_state(list(session(4).events()))
    assert same(last_state(played([None, ["generator", "discriminator"], None], Order.RUN, 4)), whole)


def test_a_run_with_manual_steps_resumes_bit_for_bit() -> None:
    steps: list[Collection[str] | None] = [["discriminator"], ["discriminator"], ["generator"], []]
    whole = last_state(played(steps, Order.RUN))
    begun = last_state(played(steps, Order.STOP))
    assert begun["step"] == 4
    assert same(last_state(list(session(12, Resume(begun)).events())), whole)


def test_both_move_again_when_training_goes_on() -> None:
    events = played([["discriminator"]], Order.RUN)
    first = last_state(played([["discriminator"]], Order.STOP))
    assert isinstance(events[-1], Finished)
    assert not same(network(first, "generator"), network(last_state(events), "generator"))


def test_a_turn_is_measured_on_its_own_batch_with_the_same_noise() -> None:
    (stood,) = turns(played([[]], Order.STOP))
    assert stood.before == stood.after
    assert stood.gradients == {}
    (moved,) = turns(played([["discriminator"]], Order.STOP))
    assert moved.step == 1
    assert moved.moved == ("discriminator",)
    assert moved.before == stood.before
    assert moved.after["value"] > moved.before["value"]  # which the discriminator raises
    assert moved.gradients["discriminator"] > 0
    assert set(moved.gradients) == {"discriminator"}


def test_the_norm_is_that_of_the_gradient_that_was_followed() -> None:
    one = session()
    (turn,) = turns(played([["discriminator"]], Order.STOP))
    from dgm_studio.feeds import Feeder
    from models.catalog import Recipe

    recipe = Recipe.read(one.config.family, one.config.learner, one.config.model, one.config.learning)
    torch.manual_seed(3)
    learner: Any = recipe.build(DATA.spec, len(DATA.train))
    learner.begin()
    loss, _ = learner.discriminator_loss(Feeder(DATA, learner, 20, torch.device("cpu")).next())
    gradients = torch.autograd.grad(loss, list(learner.discriminator.parameters()))
    assert turn.gradients["discriminator"] == pytest.approx(torch.cat([g.flatten() for g in gradients]).norm().item())


def test_manual_steps_are_recorded_and_others_are_not() -> None:
    kept: dict[str, list[tuple[int, float]]] = {}
    for event in played([["discriminator"], None, ["generator"]], Order.RUN):
        if isinstance(event, Progress):
            for key, (steps, values) in event.metrics.items():
                kept.setdefault(key, []).extend(zip(steps.tolist(), values.tolist(), strict=True))
    assert kept["moved/discriminator"] == [(0, 1.0), (2, 0.0)]
    assert kept["moved/generator"] == [(0, 0.0), (2, 1.0)]
    assert [step for step, _ in kept["value"]] == list(range(12))


def test_a_learner_without_turns_does_a_single_step_as_ever() -> None:
    images = load(DataChoice(source="ring", settings={"examples": 300}))
    training = TrainingSettings(steps=3, batch_size=20, device="cpu")
    one = TrainingSession(RunConfig(family="vae", learner="reparameterized-elbo", training=training), images)
    one.tell(Order.PAUSE)
    seen: list[Event] = []
    for event in one.events():
        seen.append(event)
        if isinstance(event, Paused):
            one.tell(Order.STEP if event.step == 0 else Order.RUN, ["discriminator"])
    assert not turns(seen)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].step == 3


def test_looking_on_draws_nothing_from_the_sessions_generator() -> None:
    generator = Generator().manual_seed(0)
    assert generator.initial_seed() == 0
    states = []
    for steps in ([None], []):
        one = session(1)
        one.tell(Order.PAUSE)
        wanted = list(steps)
        for event in one.events():
            if isinstance(event, Paused):
                if wanted:
                    one.tell(Order.STEP, wanted.pop())
                else:
                    one.tell(Order.RUN)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
