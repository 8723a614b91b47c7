"""Training sessions: what they say, in what order, whatever happens to them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.doctor import SETTLED
from dgm_studio.events import (
    CLOSING,
    Cancelled,
    Checkpoint,
    Event,
    Failed,
    Finding,
    Finished,
    Paused,
    Preview,
    Progress,
    Snapshot,
    Started,
)
from dgm_studio.metrics import Allowance
from dgm_studio.state import StateMismatch, load_tensors
from dgm_studio.training import Order, Resume, TrainingSession
from models.catalog import Recipe
from models.learning.reparameterized_elbo import ReparameterizedElbo
from models.spec import Batch, DataSpec, Layout, Support
from models.vae import Vae

React = Callable[[TrainingSession, Event], None]


def data(examples: int = 60, layout: Layout = Layout.IMAGE) -> Dataset:
    generator = Generator().manual_seed(0)
    shape = (1, 3, 3) if layout is Layout.IMAGE else (9,)
    spec = DataSpec(shape, Support.UNIT, layout)

    def split(n: int) -> Split:
        return Split(torch.rand(n, *shape, generator=generator), torch.zeros(n, dtype=torch.int64))

    return Dataset(spec, split(examples), split(10), split(10), Provenance("noise"))


def config(steps: int = 30, batch_size: int = 20, device: str = "cpu", seed: int = 1, **learning: Any) -> RunConfig:
    return RunConfig(
        family="vae",
        learner="reparameterized-elbo",
        model={"hidden": 8, "layers": 1},
        learning=learning,
        training=TrainingSettings(steps=steps, batch_size=batch_size, seed=seed, device=device),
    )


def session(steps: int = 30, **options: Any) -> TrainingSession:
    return TrainingSession(config(steps), data(), **options)


def events(run: TrainingSession, react: React | None = None) -> list[Event]:
    """All events of a session; `react` is called between them, as a driver would."""
    seen: list[Event] = []
    for event in run.events():
        seen.append(event)
        if react is not None:
            react(run, event)
    return seen


def closing(seen: list[Event]) -> Event:
    """The closing event, after checking that it is the only one and the last."""
    assert sum(isinstance(event, CLOSING) for event in seen) == 1
    assert isinstance(seen[-1], CLOSING)
    return seen[-1]


def of(kind: type, seen: list[Event]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


def steps_reported(seen: list[Event], key: str = "elbo") -> list[int]:
    return [int(step) for p in of(Progress, seen) if key in p.metrics for step in p.metrics[key][0]]


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 2 ms, so that time passes while few are done."""
    at_step(monkeypatch, lambda n, learner: time.sleep(0.002))


def at_step(monkeypatch: pytest.MonkeyPatch, act: Callable[[int, ReparameterizedElbo], None]) -> None:
    """Call `act(how many steps were done, learner)` before each step of a learner."""
    original, done = ReparameterizedElbo.step, Counter[str]()

    def step(self: ReparameterizedElbo, batch: Batch) -> dict[str, Tensor]:
        act(done["steps"], self)
        done["steps"] += 1
        return original(self, batch)

    monkeypatch.setattr(ReparameterizedElbo, "step", step)


# A session that nobody disturbs.


def test_a_session_starts_reports_every_step_keeps_its_end_and_finishes() -> None:
    seen = events(session(30))
    assert closing(seen) == Finished(30, stopped=False)
    assert isinstance(seen[0], Started)
    assert (seen[0].step, seen[0].steps, seen[0].device) == (0, 30, "CPU")
    assert seen[0].parameters > 0
    assert isinstance(seen[1], Checkpoint)
    assert seen[1].step == 0
    assert steps_reported(seen) == list(range(30))
    last = {type(event): event.step for event in seen[:-1]}
    assert last[Progress] == last[Preview] == last[Snapshot] == last[Checkpoint] == 30
    assert "valid/elbo" in of(Progress, seen)[-1].metrics


def test_values_are_those_of_the_learner() -> None:
    dataset, chosen = data(), config(5)
    seen = events(TrainingSession(chosen, dataset))
    reported = np.concatenate([p.metrics["elbo"][1] for p in of(Progress, seen) if "elbo" in p.metrics])

    torch.manual_seed(1)
    learner = Recipe.read(chosen.family, chosen.learner, chosen.model, {}).build(dataset.spec, 60)
    learner.begin()
    by_hand, order = [], torch.empty(0, dtype=torch.int64)
    for step in range(5):
        order = torch.randperm(60) if step % 3 == 0 else order
        index = order[step % 3 * 20 : step % 3 * 20 + 20]
        by_hand.append(learner.step(Batch(dataset.train.x[index], dataset.train.y[index], index))["elbo"].item())
    assert reported.tolist() == by_hand


def test_progress_comes_at_most_20_times_a_second(slow_steps: None) -> None:
    times: list[float] = []
    begin = time.perf_counter()
    seen = events(session(150), lambda run, event: times.append(time.perf_counter()))
    seconds = time.perf_counter() - begin
    progress = of(Progress, seen)
    assert 3 <= len(progress) <= 20 * seconds + 2  # one more at the end
    assert steps_reported(seen) == list(range(150))
    assert all(p.steps_per_second > 0 and p.memory > 0 and p.steps == 150 for p in progress)
    assert progress[-1].remaining == 0
    assert all(a.seconds < b.seconds for a, b in pairwise(progress))


def test_previews_come_from_fixed_noise_so_that_only_the_model_moves() -> None:
    slow_learning = config(1, learning_rate=1e-12)
    first, *_, last = of(Preview, events(TrainingSession(slow_learning, data())))
    assert first.samples.shape == (64, 1, 3, 3)
    assert first.samples.dtype == np.uint8
    assert first.means
    assert np.array_equal(first.samples, last.samples)
    moved = of(Preview, events(TrainingSession(config(100, learning_rate=0.05), data())))[-1]
    assert not np.array_equal(first.samples, moved.samples)


@pytest.mark.parametrize(("layout", "number"), [(Layout.VECTOR, 64), (Layout.POINTS, 1000)])
def test_previews_of_anything_but_pictures_are_plain_numbers_and_of_points_many(layout: Layout, number: int) -> None:
    dataset = data(layout=layout)
    preview = of(Preview, events(TrainingSession(config(3), dataset)))[0]
    assert preview.samples.shape == (number, 9)
    assert preview.samples.dtype == np.float32
    assert not preview.means


# Orders.


def test_stop_keeps_what_was_trained() -> None:
    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Preview) and event.step >= 5:
            run.tell(Order.STOP)

    seen = events(session(10**6), react)  # on a busy machine the next preview may be seconds away
    end = closing(seen)
    assert isinstance(end, Finished)
    assert end.stopped
    assert 5 <= end.step < 10**6
    assert of(Checkpoint, seen)[-1].step == end.step
    assert steps_reported(seen) == list(range(end.step))


def test_discard_ends_without_keeping() -> None:
    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Preview) and event.step >= 5:
            run.tell(Order.DISCARD)

    seen = events(session(10**6), react)
    assert isinstance(closing(seen), Cancelled)
    assert of(Checkpoint, seen)[-1].step == 0


def test_a_session_told_to_stop_before_it_starts_trains_nothing() -> None:
    run = session(30)
    run.tell(Order.STOP)
    assert closing(events(run)) == Finished(0, stopped=True)


def test_nothing_undoes_a_stop() -> None:
    run = session(30)
    for order in (Order.STOP, Order.RUN, Order.PAUSE, Order.STEP, Order.DISCARD):
        run.tell(order)
    assert closing(events(run)) == Finished(0, stopped=True)


def test_a_pause_waits_steps_one_at_a_time_and_goes_on() -> None:
    run, paused = session(12), []
    run.tell(Order.PAUSE)

    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Paused):
            paused.append(event.step)
            run.tell(Order.STEP if len(paused) < 4 else Order.RUN)

    seen = events(run, react)
    assert paused == [0, 1, 2, 3]
    assert closing(seen) == Finished(12, stopped=False)
    assert steps_reported(seen) == list(range(12))
    # what is shown while paused is the state at the pause
    for event, after in pairwise(seen):
        if isinstance(after, Paused):
            assert isinstance(event, Snapshot)
            assert event.step == after.step


@pytest.mark.parametrize(("order", "end"), [(Order.STOP, Finished(0, True)), (Order.DISCARD, Cancelled(0))])
def test_a_pause_ends_by_an_order_from_another_thread(order: Order, end: Event) -> None:
    run = session(30)
    run.tell(Order.PAUSE)
    seen: list[Event] = []
    waits = threading.Event()

    def drive() -> None:
        for event in run.events():
            seen.append(event)
            if isinstance(event, Paused):
                waits.set()

    thread = threading.Thread(target=drive)
    thread.start()
    assert waits.wait(60)
    run.tell(order)
    thread.join(60)
    assert closing(seen) == end


def test_a_stop_that_comes_together_with_a_single_step_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    run = session(1000)
    run.tell(Order.STEP)
    at_step(monkeypatch, lambda n, learner: run.tell(Order.STOP))
    assert closing(events(run)) == Finished(1, stopped=True)


def test_time_in_a_pause_is_not_training_time() -> None:
    run, paused = session(40), [0]
    run.tell(Order.PAUSE)

    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Paused):
            paused[0] += 1
            time.sleep(1.0)
            run.tell(Order.RUN)

    begin = time.perf_counter()
    seen = events(run, react)
    assert paused == [1]
    assert of(Progress, seen)[-1].seconds < time.perf_counter() - begin - 0.9


def test_extend_trains_longer() -> None:
    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Started):
            run.extend(15)

    seen = events(session(10), react)
    assert closing(seen) == Finished(25, stopped=False)
    assert of(Progress, seen)[-1].steps == 25


def test_minutes_end_a_session_before_its_steps_do(slow_steps: None) -> None:
    seen = events(session(1_000_000, minutes=0.4 / 60))
    end = closing(seen)
    assert isinstance(end, Finished)
    assert end.stopped
    assert 1 <= end.step < 1000
    assert 0.4 <= of(Progress, seen)[-1].seconds < 60
    assert all(p.remaining <= 0.4 for p in of(Progress, seen))


def test_a_snapshot_that_is_asked_for_comes_at_the_next_step() -> None:
    run = session(30)
    run.want_snapshot()
    seen = events(run)
    assert [s.step for s in of(Snapshot, seen)] == [0, 30]
    weights = of(Snapshot, seen)[0].tensors
    assert not torch.equal(weights["model.decoder.0.weight"], of(Snapshot, seen)[1].tensors["model.decoder.0.weight"])


def test_kept_states_are_copies_that_training_does_not_change() -> None:
    kept: dict[str, Tensor] = {}

    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Checkpoint) and not kept:
            kept.update({key: value.clone() for key, value in event.state["model"].items()})

    seen = events(session(20), react)
    assert all(torch.equal(value, kept[key]) for key, value in of(Checkpoint, seen)[0].state["model"].items())


def test_side_work_does_not_change_what_is_trained() -> None:
    quiet = of(Checkpoint, events(session(25)))[-1]

    def busy(run: TrainingSession, event: Event) -> None:
        run.want_snapshot()
        if isinstance(event, Snapshot):
            run.tell(Order.PAUSE)
        if isinstance(event, Paused):
            run.tell(Order.RUN)

    busily = of(Checkpoint, events(session(25, checkpoint_seconds=0), busy))[-1]
    assert quiet.step == busily.step
    assert all(torch.equal(value, busily.state["model"][key]) for key, value in quiet.state["model"].items())
    assert torch.equal(quiet.state["rng"]["cpu"], busily.state["rng"]["cpu"])


# What goes wrong.


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"family": "no-such"}, "no family named 'no-such'"),
        ({"learner": "no-such"}, "cannot learn by 'no-such'"),
        ({"model": {"latent": 0}}, "model.latent"),
        ({"model": {"no_such": 1}}, "model.no_such: unknown setting"),
        ({"learning": {"learning_rate": -1}}, "learner.learning_rate"),
        ({"training": TrainingSettings(device="cuda:99")}, "no device 'cuda:99'"),
    ],
)
def test_bad_settings_fail_before_anything_is_trained(broken: dict[str, Any], says: str) -> None:
    seen = events(TrainingSession(config().model_copy(update=broken), data()))
    end = closing(seen)
    assert len(seen) == 1
    assert isinstance(end, Failed)
    assert (end.kind, end.step) == ("bad input", 0)
    assert says in end.text


def test_data_that_does_not_fit_is_bad_input() -> None:
    dataset = data()
    symbols = replace(dataset, spec=DataSpec((1, 3, 3), Support.SYMBOLS, Layout.IMAGE, categories=2))
    end = closing(events(TrainingSession(config(), symbols)))
    assert isinstance(end, Failed)
    assert end.kind == "bad input"
    assert "cannot model symbols" in end.text


def test_an_error_in_a_step_says_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(n: int, learner: ReparameterizedElbo) -> None:
        if n == 7:
            raise RuntimeError("the seventh step is cursed")

    at_step(monkeypatch, act)
    end = closing(events(session(30)))
    assert isinstance(end, Failed)
    assert (end.kind, end.step) == ("error", 7)
    assert "the seventh step is cursed" in end.text
    assert "The state of step 0 was kept." in end.text
    assert "Traceback" in end.details


def test_an_error_without_a_text_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(n: int, learner: ReparameterizedElbo) -> None:
        raise AssertionError

    at_step(monkeypatch, act)
    end = closing(events(session(30)))
    assert isinstance(end, Failed)
    assert "AssertionError" in end.text


def test_an_error_while_building_fails_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*args: object) -> None:
        raise ZeroDivisionError("no model today")

    monkeypatch.setattr(Vae, "check", build)
    end = closing(events(session(30)))
    assert isinstance(end, Failed)
    assert end.kind == "error"
    assert "Nothing had been trained yet." in end.text


def _ask_for_a_petabyte() -> None:
    torch.empty(2**50, dtype=torch.uint8)


def _numpy_out_of_memory() -> None:
    raise MemoryError("Unable to allocate 1 PiB")


def _cuda_out_of_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1024.00 TiB.")


@pytest.mark.parametrize("fill", [_ask_for_a_petabyte, _numpy_out_of_memory, _cuda_out_of_memory])
def test_out_of_memory_advises_a_smaller_batch(monkeypatch: pytest.MonkeyPatch, fill: Callable[[], None]) -> None:
    at_step(monkeypatch, lambda n, learner: fill())
    end = closing(events(session(30)))
    assert isinstance(end, Failed)
    assert end.kind == "memory"
    assert "batches of 20" in end.text
    assert "Try batches of 10." in end.text


def test_an_error_that_only_speaks_of_allocation_is_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def act(n: int, learner: ReparameterizedElbo) -> None:
        raise ValueError("students were allocated to no group")

    at_step(monkeypatch, act)
    end = closing(events(session(30)))
    assert isinstance(end, Failed)
    assert end.kind == "error"


def _break_weights(n: int, learner: ReparameterizedElbo) -> None:
    if n == 9:
        with torch.no_grad():
            learner.model.decoder[0].weight.fill_(float("nan"))


def all_finite(tensors: dict[str, Tensor]) -> bool:
    return all(bool(value.isfinite().all()) for value in tensors.values())


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
def test_a_run_that_diverges_ends_with_its_last_good_state(
    monkeypatch: pytest.MonkeyPatch, checkpoint_seconds: float
) -> None:
    at_step(monkeypatch, _break_weights)
    seen = events(session(30, checkpoint_seconds=checkpoint_seconds))
    end = closing(seen)
    assert isinstance(end, Failed)
    assert end.kind == "diverged"
    assert "smaller learning rate" in end.text
    assert f"The state of step {end.step} was kept." in end.text
    (found,) = of(Finding, seen)
    assert found.kind == "diverged"
    assert list(found.changes) == ["a third of the learning rate"]
    kept, shown = of(Checkpoint, seen)[-1], of(Snapshot, seen)[-1]
    assert kept.step == shown.step == end.step <= 9
    assert all_finite(kept.state["model"])
    assert all_finite(shown.tensors)
    # every finite value before it is reported, none after
    assert steps_reported(seen) == list(range(9))


def test_weights_that_break_in_the_last_step_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ReparameterizedElbo.step

    def step(self: ReparameterizedElbo, batch: Batch) -> dict[str, Tensor]:
        reported = original(self, batch)
        if self.steps == 30:
            with torch.no_grad():
                self.model.encoder[0].bias.fill_(float("inf"))
        return reported

    def held_out(self: ReparameterizedElbo, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return {}

    monkeypatch.setattr(ReparameterizedElbo, "step", step)
    monkeypatch.setattr(ReparameterizedElbo, "held_out", held_out)
    seen = events(session(30))
    end = closing(seen)
    assert isinstance(end, Failed)
    assert end.kind == "diverged"
    assert "model.encoder.0.bias" in end.text
    assert all(all_finite(kept.state["model"]) for kept in of(Checkpoint, seen))


def test_samples_that_are_not_numbers_are_a_divergence_and_never_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def sample_mean(self: Vae, n: int, generator: Generator | None = None) -> Tensor:
        return torch.full((n, 1, 3, 3), float("nan"))

    monkeypatch.setattr(Vae, "sample_mean", sample_mean)
    seen = events(session(30))
    end = closing(seen)
    assert isinstance(end, Failed)
    assert end.kind == "diverged"
    assert not of(Preview, seen)


# Going on.


def test_a_branch_learns_at_its_own_rate_from_the_kept_moments() -> None:
    dataset = data()
    kept = of(Checkpoint, events(TrainingSession(config(10), dataset)))[-1]
    still = events(TrainingSession(config(20, learning_rate=1e-12), dataset, Resume(kept.state)))
    moved = of(Checkpoint, still)[-1].state
    assert closing(still) == Finished(20, stopped=False)
    assert set(moved["optimizers"]["model"]) == {"state"}, "a rate in it would only look as if it counted"
    for key, value in kept.state["model"].items():
        assert torch.allclose(value, moved["model"][key], atol=1e-9)
    assert moved["optimizers"]["model"]["state"]["0"]["step"].item() == 20


def test_a_resumed_session_begins_where_it_was() -> None:
    dataset = data()
    kept = of(Checkpoint, events(TrainingSession(config(10), dataset)))[-1]
    seen = events(TrainingSession(config(12), dataset, Resume(kept.state)))
    assert seen[0] == replace(of(Started, seen)[0], step=10, steps=12)
    assert steps_reported(seen) == [10, 11]


def test_a_state_of_another_model_is_bad_input() -> None:
    dataset = data()
    kept = of(Checkpoint, events(TrainingSession(config(2), dataset)))[-1]
    wider = config(4).model_copy(update={"model": {"hidden": 9, "layers": 1}})
    end = closing(events(TrainingSession(wider, dataset, Resume(kept.state))))
    assert isinstance(end, Failed)
    assert end.kind == "bad input"
    assert "does not fit these settings" in end.text


def test_a_state_of_other_data_is_bad_input() -> None:
    kept = of(Checkpoint, events(TrainingSession(config(2), data())))[-1]
    end = closing(events(TrainingSession(config(4), data(examples=61), Resume(kept.state))))
    assert isinstance(end, Failed)
    assert end.kind == "bad input"
    assert "60 examples; this data has 61" in end.text


def test_a_state_that_does_not_fit_names_the_tensor() -> None:
    dataset = data()
    kept = of(Checkpoint, events(TrainingSession(config(2), dataset)))[-1]
    other = Recipe.read("vae", "reparameterized-elbo", {"hidden": 9, "layers": 1}, {}).build(dataset.spec, 60)
    with pytest.raises(StateMismatch, match=r"model\.encoder\.0\.weight"):
        load_tensors(other, kept.state)


def test_looking_never_leaves_training_mode() -> None:
    modes: list[bool] = []

    def act(n: int, learner: ReparameterizedElbo) -> None:
        modes.append(learner.training and learner.model.training)

    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, act)
        events(session(10, checkpoint_seconds=0))
    assert modes == [True] * 10


def test_a_driver_that_goes_away_ends_the_session_quietly() -> None:
    stream: Iterator[Event] = session(30).events()
    assert isinstance(next(stream), Started)
    stream.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(stream)


def test_a_posterior_that_collapses_is_found_once_with_ways_to_go_on(
    monkeypatch: pytest.MonkeyPatch, slow_steps: None
) -> None:
    monkeypatch.setattr(Allowance, "due", lambda self: True)
    steps = SETTLED + 200
    seen = events(TrainingSession(config(steps, kl_weight=100.0, learning_rate=0.01), data()))
    (found,) = [finding for finding in of(Finding, seen) if finding.kind == "posterior collapse"]
    assert found.changes == ReparameterizedElbo.against_collapse
    assert isinstance(closing(seen), Finished)


# A history of states.


def test_a_history_has_states_at_growing_steps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Allowance, "affordable", lambda self: True)
    seen = events(session(60, checkpoint_seconds=1000.0, history=True))
    assert [e.step for e in of(Checkpoint, seen)] == [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 14, 18, 23, 29, 37, 48, 60]


def test_a_history_changes_nothing_in_the_run():
    (with_it, without) = [of(Checkpoint, events(session(30, history=h)))[-1].state for h in (True, False)]
    assert all(torch.equal(value, without["model"][key]) for key, value in with_it["model"].items())


def test_a_state_and_weights_can_be_had_in_a_pause():
    asked: list[str] = []

    def react(run: TrainingSession, event: Event) -> None:
        if isinstance(event, Started):
            run.tell(Order.STEP)
        elif isinstance(event, Paused):
            asked.append("state")
            run.want_state()
        elif isinstance(event, Checkpoint) and event.demanded:
            asked.append("weights")
            run.want_snapshot()
        elif isinstance(event, Snapshot) and asked[-1:] == ["weights"]:
            asked.append("end")
            run.tell(Order.STOP)

    seen = events(session(), react)
    assert asked == ["state", "weights", "end"]
    assert [(e.step, e.demanded) for e in of(Checkpoint, seen)] == [(0, False), (1, True), (1, False)]
