"""A training session: a generator of typed events that knows no window and no family."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import torch

from dgm_studio import device as devices
from dgm_studio.capture import CapturedSteps
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
    Progress,
    Snapshot,
    Started,
    Tree,
)
from dgm_studio.feeds import Feeder
from dgm_studio.metrics import Allowance, Metrics
from dgm_studio.state import StateMismatch, device_of, learner_tensors, preview, restore, snapshot, state_of
from dgm_studio.store.thinning import GROWTH
from dgm_studio.treatment import slower
from dgm_studio.turns import take_turns
from models.capabilities import TakesTurns, TooLarge
from models.catalog import Recipe, UnknownKey
from models.learning.base import Learner
from models.settings import Settings, SettingsError
from models.spec import UnsuitableData

PROGRESS_EVERY = 0.1  # seconds
CHECKPOINT_EVERY = 20.0  # seconds between the states that are kept while a run trains
WRITING = 2.0  # times as long as its copying, a state keeps the processors busy until it is on the disk
FRAME_GROWTH = 1.15  # of the step from one kept picture to the next


class Order(Enum):
    """What the session was last told to do."""

    RUN = auto()
    PAUSE = auto()
    STEP = auto()
    STOP = auto()
    DISCARD = auto()


@dataclass(frozen=True)
class Resume:
    """Where a session goes on from: a Checkpoint's state."""

    state: Tree


class Diverged(Exception):
    """The objective is no longer a finite number, or something else is beyond its bounds; says what."""


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
        checkpoint_seconds: float = CHECKPOINT_EVERY,
        minutes: float | None = None,
        history: bool = False,
    ) -> None:
        """A state is kept every `checkpoint_seconds`, and with `history` also at steps that grow by a factor; less
        often where that would take too much of the time. `minutes` of training, pauses not counted, end the session
        even if steps are left."""
        self.config, self.dataset = config, dataset
        self.steps = config.training.steps
        self._resume = resume
        self._checkpoint_seconds, self._history = checkpoint_seconds, history
        self._deadline = None if minutes is None else minutes * 60
        self._order = Order.RUN
        self._movers: Collection[str] | None = None  # at a single step
        self._changed = threading.Condition()
        self._snapshot_wanted, self._state_wanted = threading.Event(), threading.Event()
        self._step = self._first = 0
        self._begin = 0.0  # time.perf_counter() at the start, moved on by every pause
        self._good: Checkpoint | None = None
        self._remedies = Learner.remedies
        self._settings: Settings | None = None  # of the learner, once they are read

    # Requests, from any thread.

    def tell(self, order: Order, movers: Collection[str] | None = None) -> None:
        """Run, pause, do one step and pause, stop and keep, or discard. Takes effect at the next step boundary; nothing
        comes after stop or discard. `movers`: at one step of a learner that takes turns, which players move; all
        without it, and at every other step."""
        with self._changed:
            if self._order not in (Order.STOP, Order.DISCARD):
                self._order, self._movers = order, movers
                self._changed.notify_all()

    def extend(self, steps: int) -> None:
        """Train for `steps` more than planned."""
        with self._changed:
            self.steps += steps

    def want_snapshot(self) -> None:
        """Ask for one Snapshot event at the next step boundary, or now in a pause."""
        self._want(self._snapshot_wanted)

    def want_state(self) -> None:
        """Ask for one Checkpoint event, as demanded, at the next step boundary, or now in a pause."""
        self._want(self._state_wanted)

    def _want(self, wanted: threading.Event) -> None:
        with self._changed:
            wanted.set()
            self._changed.notify_all()

    # The session itself.

    def events(self) -> Iterator[Event]:
        """Everything that happens, ending with exactly one Finished, Cancelled or Failed."""
        ending: Iterable[Event]
        try:
            yield from self._train()
            return
        except Diverged as reason:
            ending = self._diverged(str(reason))
        except (SettingsError, UnknownKey, UnsuitableData, TooLarge, StateMismatch, devices.NoSuchDevice) as error:
            ending = [Failed("bad input", str(error), self._step)]
        except Exception as error:
            ending = [self._failed(error)]
        # Only here: while an exception is handled, its traceback keeps every tensor of the failed step alive.
        yield from ending

    def _train(self) -> Iterator[Event]:
        config = self.config
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        recipe.check(self.dataset.spec)
        self._remedies, self._settings = recipe.learning.learner.remedies, recipe.learner
        device = devices.resolve(config.training.device)
        torch.set_num_threads(devices.training_threads())
        learner = self._learner(recipe, device)
        feeder = Feeder(self.dataset, learner, config.training.batch_size, device)
        if self._resume is not None:
            restore(self._resume.state, learner, feeder)
            self._step = self._first = self._resume.state["step"]
        parameters = sum(p.numel() for p in learner.model.parameters())
        yield Started(self._step, self.steps, devices.title(device), parameters)

        captured = device.type == "cuda" and learner.capturable
        recorded = CapturedSteps(learner, device) if captured else None
        step = learner.step if recorded is None else recorded
        as_usual = learner.step if recorded is None else recorded.as_usual
        metrics = Metrics(learner, self.dataset, device)
        frames = Allowance(share=0.02)
        saves = Allowance(share=0.02, at_least_every=self._checkpoint_seconds)
        next_frame, next_state = self._step, self._step + 1
        self._begin = last = time.perf_counter()
        yield self._checkpoint(learner, feeder)
        saves.charge(self._begin)
        while True:
            order, movers = self._next_order()
            if order is Order.PAUSE:
                yield from self._pause(learner, feeder, metrics)
                last = time.perf_counter()
                continue
            if order is Order.DISCARD:
                yield Cancelled(self._step)
                return
            if order is Order.STOP:
                break
            if self._step >= next_frame and frames.due():
                started = time.perf_counter()
                yield from self._preview(learner, metrics)
                frames.charge(started)
                next_frame = max(self._step + 1, int(self._step * FRAME_GROWTH))
            if self._history and self._step >= next_state and saves.affordable():
                started = time.perf_counter()
                yield self._checkpoint(learner, feeder)
                saves.charge(started, WRITING)
                next_state = max(self._step + 1, int(self._step * GROWTH))
            yield from self._as_wanted(learner, feeder)
            if self._step >= self.steps or self._out_of_time():
                break

            if order is Order.STEP and isinstance(learner, TakesTurns):
                yield take_turns(learner, as_usual, feeder.next(), self._step, metrics, movers)
            else:
                metrics.add(self._step, step(feeder.next()))
            self._step += 1

            now = time.perf_counter()
            if now - last >= PROGRESS_EVERY:
                last = now
                yield from self._report(learner, metrics)
                if saves.due():
                    started = time.perf_counter()
                    yield self._checkpoint(learner, feeder)
                    saves.charge(started)
        metrics.hold_out(self._step, force=True)
        metrics.count_modes(self._step, force=True)
        yield from self._report(learner, metrics)
        yield from self._preview(learner, metrics)
        yield snapshot(learner, self._step)
        yield self._checkpoint(learner, feeder, demanded=self._state_wanted.is_set())
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

    def _next_order(self) -> tuple[Order, Collection[str] | None]:
        """What to do at this step boundary, and who moves. A single step is followed by a pause."""
        with self._changed:
            order, movers = self._order, self._movers
            if order is Order.STEP:
                self._order, self._movers = Order.PAUSE, None
            return order, movers

    def _as_wanted(self, learner: Learner, feeder: Feeder) -> Iterator[Event]:
        """What was asked for from outside."""
        if self._snapshot_wanted.is_set():
            self._snapshot_wanted.clear()
            yield snapshot(learner, self._step)
        if self._state_wanted.is_set():
            self._state_wanted.clear()
            yield self._checkpoint(learner, feeder, demanded=True)

    def _pause(self, learner: Learner, feeder: Feeder, metrics: Metrics) -> Iterator[Event]:
        yield from self._report(learner, metrics)
        yield snapshot(learner, self._step)
        paused = time.perf_counter()
        yield Paused(self._step)
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: (
                        self._order is not Order.PAUSE or self._snapshot_wanted.is_set() or self._state_wanted.is_set()
                    )
                )
                if self._order is not Order.PAUSE:
                    break
            yield from self._as_wanted(learner, feeder)
        self._begin += time.perf_counter() - paused

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.perf_counter() - self._begin >= self._deadline

    def _report(self, learner: Learner, metrics: Metrics) -> Iterator[Event]:
        """What was measured since the last report. Raises Diverged when some of it is not as it should be."""
        metrics.hold_out(self._step)
        metrics.count_modes(self._step)
        metrics.diagnose(self._step - self._first)
        values, broken = metrics.take()
        seconds = time.perf_counter() - self._begin
        rate = (self._step - self._first) / seconds if seconds > 0 else 0.0
        remaining = (self.steps - self._step) / rate if rate else float("inf")
        if self._deadline is not None:
            remaining = min(remaining, max(0.0, self._deadline - seconds))
        memory = devices.memory_in_use(device_of(learner))
        yield Progress(self._step, self.steps, seconds, rate, remaining, learner.phase, memory, values)
        yield from metrics.doctor.findings()
        if broken:
            raise Diverged(broken)

    def _preview(self, learner: Learner, metrics: Metrics) -> Iterator[Event]:
        try:
            shown = preview(learner, self.dataset, self._step)
        except FloatingPointError as error:
            # what was measured on the way here; raises Diverged itself where that shows it first
            yield from self._report(learner, metrics)
            raise Diverged(f"not a finite number ({error})") from None
        yield shown

    def _checkpoint(self, learner: Learner, feeder: Feeder, demanded: bool = False) -> Checkpoint:
        # the last update may have broken the weights before any reported value shows it
        for name, parameter in learner.named_parameters():
            if not parameter.isfinite().all():
                raise Diverged(f"not a finite number ({name} at step {self._step})")
        self._good = Checkpoint(self._step, state_of(learner, feeder, self._step), demanded)
        return self._good

    def _diverged(self, what: str) -> Iterator[Event]:
        """Show and keep the last good state, then fail."""
        yield Finding(
            "diverged",
            f"Training stopped at step {self._step}: {what}.",
            "reported values, samples and kept weights are checked for NaN and infinity, some values for their size",
            f"Branch from the kept state with {self._remedies}.",
            slower(self._settings, 3),
        )
        step = 0
        if self._good is not None:
            step = self._good.step
            yield self._good
            yield Snapshot(step, learner_tensors(self._good.state))
        text = f"Training diverged: {what}. {self._kept()} Try {self._remedies}."
        yield Failed("diverged", text, step)

    def _failed(self, error: Exception) -> Failed:
        details = "".join(traceback.format_exception(error))
        if _is_out_of_memory(error):
            size = self.config.training.batch_size
            advice = f"Try batches of {size // 2}." if size > 1 else "Try a smaller model."
            return Failed(
                "memory", f"Out of memory with batches of {size}. {self._kept()} {advice}", self._step, details
            )
        reason = str(error) or type(error).__name__
        return Failed("error", f"Training stopped by an error: {reason}. {self._kept()}", self._step, details)

    def _kept(self) -> str:
        return f"The state of step {self._good.step} was kept." if self._good else "Nothing had been trained yet."


def _is_out_of_memory(error: Exception) -> bool:
    # the CPU's allocator, and Apple's, raise a plain RuntimeError
    texts = ("DefaultCPUAllocator", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )
