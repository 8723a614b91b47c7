"""What holds on a GPU besides everything that holds on the CPU. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from contract import CPU, DATASETS, TRAIN, accepts, batches, choices, every_learner, recipe
from torch import Tensor

from dgm_studio.capture import CapturedSteps
from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.events import Checkpoint, Event, Failed, Finished, Preview, Progress, Snapshot, Started
from dgm_studio.inference import Inference
from dgm_studio.state import load_tensors
from dgm_studio.subject import Subject
from dgm_studio.training import Resume, TrainingSession
from models.learning.base import Learner
from models.spec import Batch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")

GPU = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def _float32_means_float32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def config(family: str, learner: str, steps: int = 12, **training: object) -> RunConfig:
    made = recipe(family, learner)
    return RunConfig(
        family=family,
        learner=learner,
        model=made.model.model_dump(),
        learning=made.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=16, device="cuda", **training),
    )


def events(made: TrainingSession) -> list[Event]:
    found = list(made.events())
    assert not isinstance(found[-1], Failed), found[-1]
    return found


def on_gpu(batch: Batch) -> Batch:
    other = None if batch.other is None else on_gpu(batch.other)
    return Batch(batch.x.to(GPU), batch.y.to(GPU), batch.index.to(GPU), other)


@every_learner
def test_a_run_trains_shows_itself_and_is_kept(family: str, learner: str, data: str) -> None:
    found = events(TrainingSession(config(family, learner), DATASETS[data]))
    assert isinstance(found[-1], Finished)
    started = next(event for event in found if isinstance(event, Started))
    assert started.device == torch.cuda.get_device_name(GPU)
    assert any(isinstance(event, Preview) for event in found)
    assert max(event.memory for event in found if isinstance(event, Progress)) > 0
    kept = [event for event in found if isinstance(event, Checkpoint)][-1]
    loaded = recipe(family, learner).build_empty(DATASETS[data].spec, TRAIN, CPU)
    load_tensors(loaded, kept.state)  # a state from a GPU is looked at anywhere


@every_learner
def test_a_step_never_waits_for_the_device(family: str, learner: str, data: str) -> None:
    made = _on_gpu(family, learner, data)
    feed = batches(made, data)
    ready = [on_gpu(next(feed)) for _ in range(4)]
    for batch in ready[:2]:  # what is set up once may wait
        made.step(batch)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in ready[2:]:
            made.step(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@every_learner
def test_replayed_steps_do_what_plain_steps_do(family: str, learner: str, data: str) -> None:
    plain, replayed = _on_gpu(family, learner, data), _on_gpu(family, learner, data)
    if not plain.capturable:
        pytest.skip("its steps differ from one another")
    feed = batches(plain, data)
    ready = [on_gpu(next(feed)) for _ in range(12)]
    torch.manual_seed(1)
    expected = [plain.step(batch) for batch in ready]
    torch.manual_seed(1)
    steps = CapturedSteps(replayed, GPU)
    found = [steps(batch) for batch in ready]
    assert steps.captured
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours) == set(theirs)
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-4, msg=key)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(replayed.state_dict()[name], value, rtol=1e-4, atol=1e-4, msg=name)


@pytest.mark.parametrize(("family", "learner", "name", "value"), choices())
def test_every_choice_that_can_be_set_is_replayed_where_its_learner_is(
    family: str, learner: str, name: str, value: Any
) -> None:
    made = recipe(family, learner, **{name: value})
    data = next(key for key, dataset in DATASETS.items() if accepts(made, dataset))
    replayed = _on_gpu(family, learner, data, **{name: value})
    if not replayed.capturable:
        pytest.skip("its steps differ from one another")
    feed = batches(replayed, data)
    steps = CapturedSteps(replayed, GPU)
    reported = [steps(on_gpu(next(feed))) for _ in range(8)]
    assert steps.captured
    assert all(value.isfinite() for value in reported[-1].values())


def _on_gpu(family: str, learner: str, data: str, **changed: Any) -> Learner:
    torch.manual_seed(0)
    made = recipe(family, learner, **changed).build(DATASETS[data].spec, TRAIN).to(GPU)
    made.begin()
    return made


@every_learner
def test_a_run_goes_on_from_a_state_that_was_kept(family: str, learner: str, data: str) -> None:
    first = events(TrainingSession(config(family, learner, steps=6), DATASETS[data]))
    kept = [event for event in first if isinstance(event, Checkpoint)][-1]
    rest = events(TrainingSession(config(family, learner, steps=12), DATASETS[data], Resume(kept.state)))
    assert rest[-1] == Finished(12, stopped=False)


@every_learner
def test_the_gpu_and_the_cpu_answer_alike(family: str, learner: str, data: str) -> None:
    """What draws nothing: scores, bounds and means differ by rounding alone."""
    torch.manual_seed(0)
    here = recipe(family, learner).build(DATASETS[data].spec, TRAIN)
    there = recipe(family, learner).build_empty(DATASETS[data].spec, TRAIN, GPU)
    there.load_state_dict(here.state_dict())
    x = DATASETS[data].valid.x
    ours, theirs = _drawless(here, x), _drawless(there, x.to(GPU))
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name].cpu(), value, rtol=1e-4, atol=1e-4, msg=name)


def _drawless(learner: Learner, x: Tensor) -> dict[str, Tensor]:
    learner.eval()
    model = learner.sampler()
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for name in ("log_prob", "log_conditionals", "free_energy", "filters", "log_partition"):
            method = getattr(model, name, None)
            if callable(method):
                found[name] = method(*([x] if name not in ("filters", "log_partition") else []))
        if hasattr(model, "encode"):
            found["encode"] = model.encode(x).mean
    return found


def test_looking_from_a_stream_of_its_own_sees_the_weights_of_its_snapshot() -> None:
    """Training goes on while a snapshot is asked; the answer is of the step it says, bit for bit."""
    chosen = config("vae", "reparameterized-elbo", steps=400)
    data = DATASETS["unit"]
    session = TrainingSession(chosen, data)
    inference = Inference(recipe("vae", "reparameterized-elbo"), data, GPU)
    answered = inference.answers()
    compared = 0
    for event in session.events():
        if isinstance(event, Snapshot):
            inference.publish(event)
            inference.ask("weights", _weights)
            assert event.ready is not None
            answer = next(answered)
            assert answer.step == event.step
            assert not answer.error
            for name, value in answer.value.items():
                assert torch.equal(value, event.tensors[name].cpu()), name
            compared += 1
        if isinstance(event, Progress) and compared < 5:
            session.want_snapshot()
    inference.close()
    torch.cuda.set_stream(torch.cuda.default_stream(GPU))  # the generator above set this thread's
    assert compared >= 1


def _weights(subject: Subject) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in subject.learner.state_dict().items()}


def test_too_little_memory_ends_in_a_sentence_with_a_smaller_batch_and_gives_memory_back() -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    before = torch.cuda.memory_allocated(GPU)
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved(GPU) + 2**27) / total), GPU)
    data = DATASETS["unit"]
    big = TrainingSettings(steps=5, batch_size=48, device="cuda")
    chosen = RunConfig(family="vae", learner="reparameterized-elbo", model={"hidden": 4096, "layers": 8}, training=big)
    try:
        found = list(TrainingSession(chosen, data).events())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    failed = found[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "memory"
    assert "Try batches of 24." in failed.text
    del found, failed
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated(GPU) <= before + 2**20
    assert isinstance(events(TrainingSession(config("vae", "reparameterized-elbo"), data))[-1], Finished)


def test_answers_draw_from_the_devices_own_generator() -> None:
    torch.manual_seed(0)
    made = recipe("vae", "reparameterized-elbo").build(DATASETS["unit"].spec, TRAIN).to(GPU)
    generator = torch.Generator(GPU).manual_seed(1)
    with torch.no_grad():
        first = made.model.sample(3, generator)
        again = made.model.sample(3, generator.manual_seed(1))
    assert torch.equal(first, again)
