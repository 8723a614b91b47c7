"""A training session: a generator of typed events that knows no window and no family."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio import device as devices
from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.events import (
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
    Tree,
)
from dgm_studio.feeds import Feeder
from models.capabilities import SamplesMeans, TooLarge
from models.catalog import Recipe, UnknownKey
from models.learning.base import Learner
from models.settings import SettingsError
from models.spec import Batch, Layout, UnsuitableData

PROGRESS_EVERY = 0.05  # seconds
HELD_OUT_EXAMPLES = 500
PREVIEW_SAMPLES = 64
PREVIEW_POINTS = 1000


class Order(Enum):
    """What the session was last told to do."""

    RUN = auto()
    PAUSE = auto()
    STEP = auto()
    STOP = auto()
    DISCARD = auto()


class Allowance:
    """Lets side work happen when it is due, as long as it has cost no more than `share` of the time that passed."""

    def __init__(self, share: float, at_least_every: float = 0.0) -> None:
        self._share, self._pause = share, at_least_every
        self._begin = time.perf_counter()
        self._spent = 0.0
        self._last = -float("inf")

    def due(self) -> bool:
        now = time.perf_counter()
        return now - self._last >= self._pause and self._spent <= self._share * (now - self._begin)

    def charge(self, started: float) -> None:
        """Book the work that began at `started` (time.perf_counter) and ended now."""
        self._last = time.perf_counter()
        self._spent += self._last - started


@dataclass(frozen=True)
class Resume:
    """Where a session goes on from: a Checkpoint's state."""

    state: Tree


class Diverged(Exception):
    """The objective is no longer a finite number."""


class TrainingSession:
    """One run in training. `events()` is consumed by one thread; the other methods may be called from any.

    The process-wide random generator belongs to the session while it runs; previews and held-out figures draw from
    generators of their own, so that looking at a run never changes it.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        resume: Resume | None = None,
        checkpoint_seconds: float = 20.0,
        minutes: float | None = None,
    ) -> None:
        """`minutes` ends the session after that time even if steps are left."""
        self.config, self.dataset = config, dataset
        self.steps = config.training.steps
        self._resume = resume
        self._checkpoint_seconds = checkpoint_seconds
        self._deadline = None if minutes is None else minutes * 60
        self._order = Order.RUN
        self._changed = threading.Condition()
        self._snapshot_wanted = threading.Event()
        self._step = 0
        self._good: Checkpoint | None = None

    # Requests, from any thread.

    def tell(self, order: Order) -> None:
        """Run, pause, do one step and pause, stop and keep, or discard. Takes effect at the next step boundary."""
        with self._changed:
            if self._order not in (Order.STOP, Order.DISCARD):
                self._order = order
                self._changed.notify_all()

    def extend(self, steps: int) -> None:
        """Train for `steps` more than planned."""
        self.steps += steps

    def want_snapshot(self) -> None:
        """Ask for one Snapshot event at the next step boundary."""
        self._snapshot_wanted.set()

    # The session itself.

    def events(self) -> Iterator[Event]:
        """Everything that happens, ending with exactly one Finished, Cancelled or Failed."""
        try:
            yield from self._train()
        except Diverged as reason:
            yield from self._diverged(str(reason))
        except (SettingsError, UnknownKey, UnsuitableData, TooLarge, devices.NoSuchDevice) as error:
            yield Failed("bad input", str(error), self._step)
        except Exception as error:
            yield self._failed(error)

    def _train(self) -> Iterator[Event]:
        config = self.config
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        recipe.check(self.dataset.spec)
        device = devices.resolve(config.training.device)
        torch.set_num_threads(devices.training_threads())
        learner = self._learner(recipe, device)
        feeder = Feeder(self.dataset, learner.feed, config.training.batch_size, device)
        if self._resume is not None:
            self._restore(self._resume.state, learner, feeder)
        parameters = sum(p.numel() for p in learner.model.parameters())
        yield Started(self._step, self.steps, devices.title(device), parameters)

        metrics = _Metrics(learner, self.dataset, device)
        frames = Allowance(share=0.02)
        saves = Allowance(share=0.02, at_least_every=self._checkpoint_seconds)
        begin = last = time.perf_counter()
        first = self._step
        next_frame = self._step
        yield self._checkpoint(learner, feeder)
        saves.charge(time.perf_counter())
        while True:
            if self._order is not Order.RUN:
                if self._order is Order.PAUSE:
                    yield from self._pause(learner, metrics, begin, first, device)
                    last = time.perf_counter()
                if self._order is Order.DISCARD:
                    yield Cancelled(self._step)
                    return
                if self._order is Order.STOP:
                    break
                if self._order is Order.STEP:
                    self._order = Order.PAUSE
            if self._step >= next_frame and frames.due():
                started = time.perf_counter()
                yield preview(learner, self.dataset, self._step)
                frames.charge(started)
                next_frame = max(self._step + 1, int(self._step * 1.15))
            if self._snapshot_wanted.is_set():
                self._snapshot_wanted.clear()
                yield snapshot(learner, self._step)
            if self._step >= self.steps or (self._deadline is not None and last - begin > self._deadline):
                break

            metrics.add(self._step, learner.step(feeder.next()))
            self._step += 1

            now = time.perf_counter()
            if now - last >= PROGRESS_EVERY:
                last = now
                yield self._progress(learner, metrics, now - begin, self._step - first, device)
                if saves.due():
                    started = time.perf_counter()
                    yield self._checkpoint(learner, feeder)
                    saves.charge(started)
        metrics.hold_out(self._step, force=True)
        yield self._progress(learner, metrics, time.perf_counter() - begin, self._step - first, device)
        yield preview(learner, self.dataset, self._step)
        yield snapshot(learner, self._step)
        yield self._checkpoint(learner, feeder)
        yield Finished(self._step, stopped=self._step < self.steps)

    def _learner(self, recipe: Recipe, device: torch.device) -> Learner:
        examples = len(self.dataset.train)
        if self._resume is None:
            torch.manual_seed(self.config.training.seed)
            learner = recipe.build(self.dataset.spec, examples).to(device)
        else:
            learner = recipe.build_empty(self.dataset.spec, examples, device)
        learner.begin()
        return learner

    def _pause(
        self, learner: Learner, metrics: _Metrics, begin: float, first: int, device: torch.device
    ) -> Iterator[Event]:
        yield self._progress(learner, metrics, time.perf_counter() - begin, self._step - first, device)
        yield snapshot(learner, self._step)
        yield Paused(self._step)
        with self._changed:
            self._changed.wait_for(lambda: self._order is not Order.PAUSE)

    def _progress(
        self, learner: Learner, metrics: _Metrics, seconds: float, done: int, device: torch.device
    ) -> Progress:
        metrics.hold_out(self._step)
        values = metrics.take()
        rate = done / seconds if seconds > 0 else 0.0
        remaining = (self.steps - self._step) / rate if rate else float("inf")
        if self._deadline is not None:
            remaining = min(remaining, max(0.0, self._deadline - seconds))
        memory = devices.memory_in_use(device)
        return Progress(self._step, self.steps, seconds, rate, remaining, learner.phase, memory, values)

    def _checkpoint(self, learner: Learner, feeder: Feeder) -> Checkpoint:
        self._good = Checkpoint(self._step, state_of(learner, feeder, self._step))
        return self._good

    def _restore(self, state: Tree, learner: Learner, feeder: Feeder) -> None:
        load_tensors(learner, state)
        for name, optimizer in learner.optimizers.items():
            optimizer.load_state_dict(_copied(state["optimizers"][name]))
        feeder.load_state(state["sampler"])
        self._step = state["step"]
        torch.set_rng_state(state["rng"]["cpu"])
        if "cuda" in state["rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["rng"]["cuda"])

    def _diverged(self, reason: str) -> Iterator[Event]:
        kept = self._good
        yield Finding(
            "diverged",
            f"The objective stopped being a finite number at step {self._step} ({reason}).",
            "every reported value is checked for NaN and infinity",
            "Branch from the kept state with a smaller learning rate.",
        )
        if kept is not None:
            yield kept
            yield Snapshot(kept.step, {**_prefixed(kept.state["model"], "model."), **kept.state["learner"]})
        where = f"The state of step {kept.step} was kept. " if kept else ""
        text = f"Training diverged at step {self._step} ({reason}). {where}Try a smaller learning rate."
        yield Failed("diverged", text, kept.step if kept else 0)

    def _failed(self, error: Exception) -> Failed:
        kept = f"The state of step {self._good.step} was kept." if self._good else "Nothing had been trained yet."
        details = "".join(traceback.format_exception(error))
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "alloc" in str(error):
            text = f"Out of memory with batches of {self.config.training.batch_size}. {kept} Try a smaller batch."
            return Failed("memory", text, self._step, details)
        return Failed("error", f"Training stopped: {error} {kept}", self._step, details)


class _Metrics:
    """Collects reported tensors without reading them, and reads them together when asked to."""

    def __init__(self, learner: Learner, dataset: Dataset, device: torch.device) -> None:
        self._learner, self._device = learner, device
        self._rows: list[tuple[int, dict[str, Tensor]]] = []
        self._held: list[tuple[int, dict[str, Tensor]]] = []
        self._held_due = Allowance(share=0.03, at_least_every=0.5)
        n = min(HELD_OUT_EXAMPLES, len(dataset.valid))
        x, y = dataset.valid.x[:n].to(device), dataset.valid.y[:n].to(device)
        self._valid = Batch(x, y, torch.arange(n, device=device))

    def add(self, step: int, values: dict[str, Tensor]) -> None:
        self._rows.append((step, values))

    def hold_out(self, step: int, force: bool = False) -> None:
        """Measure on held-out data if that is due."""
        if not (force or self._held_due.due()):
            return
        started = time.perf_counter()
        generator = Generator(self._device).manual_seed(0)
        with torch.no_grad():
            values = self._learner.held_out(self._valid, generator)
        self._held.append((step, {f"valid/{key}": value for key, value in values.items()}))
        self._held_due.charge(started)

    def take(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """All values since the last call. Raises Diverged when one of them is not finite."""
        result: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for rows in (self._rows, self._held):
            for key in dict.fromkeys(key for _, values in rows for key in values):
                steps = np.array([step for step, values in rows if key in values], dtype=np.int64)
                values = torch.stack([v[key] for _, v in rows if key in v]).float().cpu().numpy()
                if not np.isfinite(values).all():
                    where = int(steps[~np.isfinite(values)][0])
                    raise Diverged(f"{key} at step {where}")
                result[key] = (steps, values)
            rows.clear()
        return result


def state_of(learner: Learner, feeder: Feeder, step: int) -> Tree:
    """A copy on the CPU of everything a resume needs."""
    tensors = {key: _copied(value) for key, value in learner.state_dict().items()}
    rng: Tree = {"cpu": torch.get_rng_state()}
    if next(learner.model.parameters()).is_cuda:
        rng["cuda"] = torch.cuda.get_rng_state()
    return {
        "step": step,
        "model": {key.removeprefix("model."): v for key, v in tensors.items() if key.startswith("model.")},
        "learner": {key: v for key, v in tensors.items() if not key.startswith("model.")},
        "optimizers": {name: _copied(o.state_dict()) for name, o in learner.optimizers.items()},
        "rng": rng,
        "sampler": feeder.state(),
    }


def load_tensors(learner: Learner, state: Tree) -> None:
    """Put a Checkpoint's model and learner tensors into `learner`. Raises RuntimeError naming what does not fit."""
    learner.load_state_dict({**_prefixed(state["model"], "model."), **state["learner"]})


def snapshot(learner: Learner, step: int) -> Snapshot:
    """A copy of the learner's tensors, on its device."""
    return Snapshot(step, {key: value.detach().clone() for key, value in learner.state_dict().items()})


def preview(learner: Learner, dataset: Dataset, step: int) -> Preview:
    """Samples from fixed noise, so that what changes between two previews is the model."""
    model = learner.sampler()
    generator = Generator(next(model.parameters()).device).manual_seed(0)
    image = dataset.spec.layout is Layout.IMAGE
    n = PREVIEW_SAMPLES if image else PREVIEW_POINTS
    means = image and isinstance(model, SamplesMeans)
    with torch.no_grad():
        samples = model.sample_mean(n, generator) if means else model.sample(n, generator)  # type: ignore[operator]
    array = samples.float().cpu().numpy()
    return Preview(step, np.round(array.clip(0, 1) * 255).astype(np.uint8) if image else array, means)


def _prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in tensors.items()}


def _copied(value: Tree | list | Tensor | object) -> object:
    """Nested dicts and lists with every tensor cloned to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value
