"""Answers to a person who looks at a run while it trains, or after.

Questions go through a mailbox with one slot per channel: a newer question replaces one that still waits. Answers come
from a twin of the learner that holds the newest snapshot of the weights, never from the tensors being trained.

No Qt: the training thread publishes here, and keeps working when the views that asked have been deleted.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic, thread_time
from typing import Any

import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset
from dgm_studio.events import Snapshot
from dgm_studio.subject import InParts, Parts, Question, Subject, Superseded
from models.catalog import Recipe
from models.learning.base import Learner

PATIENCE = 0.5  # seconds that a question may work before it gives way to a newer one on its channel


@dataclass(frozen=True)
class Answer:
    """`value` is what the question returned (arrays on the CPU by convention); or `error` says why there is none."""

    channel: str
    serial: int  # that of the question: grows within a session
    step: int
    value: Any = None
    error: str = ""
    details: str = ""
    seconds: float = field(default=0.0, compare=False)  # of processor time that the answering thread took


@dataclass(frozen=True)
class Moved:
    """Newer weights, of `step`, are what is answered from now on."""

    step: int


@dataclass(frozen=True)
class _Waiting:
    serial: int
    question: Question
    repeated: bool = False  # asked again because newer weights arrived, not by the person


@dataclass
class _Twin:
    """A learner to look at, and the weights in it."""

    learner: Learner
    loaded: Snapshot | None = None


@dataclass
class _InWork:
    """A question of which some parts are done."""

    channel: str
    waiting: _Waiting
    forgotten: int  # how often its channel had been forgotten when it began
    parts: Parts
    twin: _Twin
    step: int
    seconds: float = 0.0  # that they took


class Inference:
    """`events()` is consumed by one thread, which does the work; the other methods may be called from any."""

    def __init__(self, recipe: Recipe, dataset: Dataset, device: torch.device) -> None:
        self._recipe, self._dataset, self._device = recipe, dataset, device
        self._changed = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._slots: dict[str, _Waiting] = {}
        self._standing: dict[str, _Waiting] = {}
        self._answered: dict[str, int] = {}  # channel -> the turn in which it was answered last
        self._forgotten: dict[str, int] = {}  # channel -> how often
        self._serial = 0
        self._closed = self._resting = False
        self._in_work: _InWork | None = None
        self._idle_twins: list[_Twin] = []

    @property
    def newest(self) -> Snapshot | None:
        """The weights that answers are given from; None before there are any. They are copies: nothing trains them."""
        return self._snapshot

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def resting(self) -> bool:
        """Whether all that was asked has been answered."""
        return self._resting and not self._busy()

    def publish(self, snapshot: Snapshot) -> None:
        """Answer from these weights from now on. Standing questions are asked again."""
        with self._changed:
            self._snapshot = snapshot
            for channel, waiting in self._standing.items():
                self._slots.setdefault(channel, replace(waiting, repeated=True))
            self._changed.notify_all()

    def ask(self, channel: str, question: Question, standing: bool = False) -> int:
        """Put `question` in the channel's slot; a standing one is answered again for each new snapshot until the
        channel is asked something else. Returns the question's serial number."""
        with self._changed:
            self._serial += 1
            waiting = _Waiting(self._serial, question)
            self._slots[channel] = waiting
            if standing:
                self._standing[channel] = waiting
            else:
                self._standing.pop(channel, None)
            self._changed.notify_all()
            return self._serial

    def forget(self, channel: str) -> None:
        """Nobody looks at this channel any more."""
        with self._changed:
            self._slots.pop(channel, None)
            self._standing.pop(channel, None)
            self._forgotten[channel] = self._forgotten.get(channel, 0) + 1

    def close(self) -> None:
        """End `events()` after the question in work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def answers(self) -> Iterator[Answer]:
        """The answers among `events()`."""
        return (event for event in self.events() if isinstance(event, Answer))

    def events(self) -> Iterator[Answer | Moved]:
        """Answers as they become ready, each after the news that its weights arrived, until closed. Waits without
        using the processor."""
        torch.set_num_threads(1)
        if self._device.type == "cuda":
            # a stream of its own, so that looking never waits in the queue of training
            torch.cuda.set_stream(torch.cuda.Stream(self._device))
        told: Snapshot | None = None
        generators: dict[str, Generator] = {}
        while True:
            with self._changed:
                while not self._closed and (self._snapshot is None or (self._snapshot is told and not self._busy())):
                    self._resting = True
                    self._changed.wait()
                self._resting = False
                if self._closed:
                    return
                newest = self._snapshot
                self._drop_unwanted()
                channel = self._next_channel()
                waiting = self._slots.pop(channel, None)
            assert newest is not None
            if newest is not told:
                told = newest
                yield Moved(newest.step)
            if waiting is not None:
                generator = generators.setdefault(channel, Generator(self._device))
                answer = self._begin(channel, waiting, newest, generator)
                if answer is not None:
                    yield answer
            if self._in_work is not None:
                # one part after each answer, so that neither keeps the other waiting
                answer = self._go_on(self._in_work)
                if answer is not None:
                    yield answer

    def _begin(self, channel: str, waiting: _Waiting, newest: Snapshot, generator: Generator) -> Answer | None:
        """Answer a question, or do the first part of one that takes long."""
        twin: _Twin | None = None
        begun = thread_time()
        try:
            twin = self._twin_with(newest)
            subject = Subject(twin.learner, self._dataset, newest.step, generator, self._superseding(channel))
            if isinstance(waiting.question, InParts):
                parts = waiting.question.parts(subject)
                forgotten = self._forgotten.get(channel, 0)
                self._in_work = _InWork(channel, waiting, forgotten, parts, twin, newest.step)
                return None
            with torch.no_grad():
                value = waiting.question(subject)
            answer = Answer(channel, waiting.serial, newest.step, value, seconds=thread_time() - begun)
        except Superseded:
            answer = None
        except Exception as error:
            answer = _failed(channel, waiting, newest.step, error)
        if twin is not None:
            self._idle_twins.append(twin)
        return answer

    def _go_on(self, work: _InWork) -> Answer | None:
        """Do one more part; its answer when that was the last one."""
        begun = thread_time()
        try:
            with torch.no_grad():
                next(work.parts)
            work.seconds += thread_time() - begun
            return None
        except StopIteration as end:
            seconds = work.seconds + thread_time() - begun
            answer: Answer | None = Answer(work.channel, work.waiting.serial, work.step, end.value, seconds=seconds)
        except Superseded:
            answer = None
        except Exception as error:
            answer = _failed(work.channel, work.waiting, work.step, error)
        self._put_away()
        return answer

    def _put_away(self) -> None:
        assert self._in_work is not None
        self._in_work.parts.close()
        self._idle_twins.append(self._in_work.twin)
        self._in_work = None

    def _drop_unwanted(self) -> None:
        """End the long question if a person asked something else on its channel, or looks elsewhere."""
        work = self._in_work
        if work is not None:
            newer = self._slots.get(work.channel)
            asked = newer is not None and not newer.repeated
            if asked or self._forgotten.get(work.channel, 0) != work.forgotten:
                self._put_away()

    def _twin_with(self, snapshot: Snapshot) -> _Twin:
        """A twin that holds these weights, and is not in work."""
        twins = self._idle_twins
        if not twins:
            learner = self._recipe.build_empty(self._dataset.spec, len(self._dataset.train), self._device)
            twins.append(_Twin(learner.eval()))
        twin = next((twin for twin in twins if twin.loaded is snapshot), twins[0])
        twins.remove(twin)
        if twin.loaded is not snapshot:
            if snapshot.ready is not None:
                snapshot.ready.wait()
            twin.learner.load_state_dict(snapshot.tensors)
            twin.loaded = snapshot  # also keeps the copies from being reused before the queued loads have read them
        return twin

    def _busy(self) -> bool:
        return bool(self._slots) or self._in_work is not None

    def _superseding(self, channel: str) -> Callable[[], bool]:
        """Whether the question that begins now on `channel` should give way: to what a person asked there since, not
        to newer weights. Reads without the lock, thousands of times a second; what it sees late costs nothing."""
        begun, forgotten = monotonic(), self._forgotten.get(channel, 0)

        def superseded() -> bool:
            newer = self._slots.get(channel)
            unwanted = (newer is not None and not newer.repeated) or self._forgotten.get(channel, 0) != forgotten
            return self._closed or (unwanted and monotonic() - begun > PATIENCE)

        return superseded

    def _next_channel(self) -> str:
        """What was asked last is what the person is doing now; standing questions fill the gaps, each in its turn. No
        long question begins while another is in work. Empty when nothing can begin."""
        free = {
            channel: waiting
            for channel, waiting in self._slots.items()
            if self._in_work is None or not isinstance(waiting.question, InParts)
        }
        if not free:
            return ""
        asked = [channel for channel, waiting in free.items() if not waiting.repeated]
        if asked:
            channel = max(asked, key=lambda name: free[name].serial)
        else:
            channel = min(free, key=lambda name: self._answered.get(name, 0))
        self._answered[channel] = max(self._answered.values(), default=0) + 1
        return channel


def _failed(channel: str, waiting: _Waiting, step: int, error: Exception) -> Answer:
    text = str(error) or type(error).__name__
    return Answer(channel, waiting.serial, step, error=text, details=traceback.format_exc())
