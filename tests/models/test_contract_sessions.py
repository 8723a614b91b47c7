"""Every family trains in a session that can be saved, gone on with and looked at, bit for bit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from contract import (
    CPU,
    DATASETS,
    answers,
    assert_equal,
    every_learner,
    recipe,
)
from torch import Tensor

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.events import CLOSING, Checkpoint, Finished, Paused, Snapshot
from dgm_studio.inference import Inference
from dgm_studio.subject import Subject
from dgm_studio.training import Order, Resume, TrainingSession


def config(family: str, learner: str, steps: int) -> RunConfig:
    made = recipe(family, learner)
    return RunConfig(
        family=family,
        learner=learner,
        model=made.model.model_dump(),
        learning=made.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=16, device="cpu", seed=5),
    )


def final(session: TrainingSession, between: Callable[[TrainingSession, object], None] | None = None) -> Checkpoint:
    """The last state of a session that is driven to its end; `between` sees every event."""
    last: Checkpoint | None = None
    for event in session.events():
        if isinstance(event, Checkpoint):
            last = event
        if isinstance(event, CLOSING):
            assert isinstance(event, Finished), event
        if between is not None:
            between(session, event)
    assert last is not None
    return last


def through_arrays(tree: Any) -> Any:
    """A copy by way of arrays and plain values only, as a project file keeps it."""
    if isinstance(tree, Tensor):
        return torch.from_numpy(np.array(tree.numpy(), copy=True))
    if isinstance(tree, dict):
        assert all(isinstance(key, str) for key in tree)
        return {key: through_arrays(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [through_arrays(value) for value in tree]
    assert tree is None or type(tree) in (bool, int, float, str), type(tree)
    return tree


@every_learner
def test_going_on_from_a_kept_state_ends_at_the_same_bits(family: str, learner: str, data: str) -> None:
    n, dataset = 7, DATASETS[data]
    straight = final(TrainingSession(config(family, learner, 2 * n), dataset))
    half = final(TrainingSession(config(family, learner, n), dataset))
    torch.manual_seed(99)
    torch.rand(3)
    resumed = final(TrainingSession(config(family, learner, 2 * n), dataset, Resume(through_arrays(half.state))))
    assert straight.step == resumed.step == 2 * n
    assert_equal(straight.state, resumed.state)


@every_learner
def test_looking_at_a_run_does_not_change_it(family: str, learner: str, data: str) -> None:
    n, dataset = 12, DATASETS[data]
    alone = final(TrainingSession(config(family, learner, n), dataset))

    inference = Inference(recipe(family, learner), dataset, CPU)
    said: list[Any] = []
    thread = threading.Thread(target=lambda: said.extend(inference.answers()))
    thread.start()

    def question(subject: Subject) -> list[str]:
        return list(answers(subject.learner, dataset.valid.x))

    def busy(session: TrainingSession, event: object) -> None:
        session.want_snapshot()
        if isinstance(event, Snapshot):
            inference.publish(event)
            session.tell(Order.PAUSE if event.step == n // 2 else Order.RUN)
        if isinstance(event, Paused):
            session.tell(Order.STEP if event.step < n - 2 else Order.RUN)

    inference.ask("all", question, standing=True)
    try:
        watched = final(TrainingSession(config(family, learner, n), dataset, checkpoint_seconds=0), busy)
        end = time.monotonic() + 60
        while not said and time.monotonic() < end:  # it may have had no turn yet
            time.sleep(0.001)
    finally:
        inference.close()
        thread.join()
    assert_equal(alone.state, watched.state)
    assert said
    assert not any(answer.details for answer in said), said[0].details
