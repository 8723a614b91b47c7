"""Answers to a person who looks: the newest question first, from the newest weights, never a stale one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.events import Snapshot
from dgm_studio.inference import PATIENCE, Answer, Inference
from dgm_studio.subject import InParts, Parts, Subject
from models.catalog import Recipe
from models.spec import DataSpec, Layout, Support

CPU = torch.device("cpu")
RECIPE = Recipe.read("vae", "reparameterized-elbo", {"hidden": 4, "layers": 1}, {})
_part = Split(torch.zeros(4, 1, 3, 3), torch.zeros(4, dtype=torch.int64))
DATA = Dataset(DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE), _part, _part, _part, Provenance("zeros"))


def weights(step: int) -> Snapshot:
    """A snapshot in which every weight is `step`."""
    learner = RECIPE.build(DATA.spec, 4)
    return Snapshot(step, {key: torch.full_like(value, step) for key, value in learner.state_dict().items()})


def seen_weight(subject: Subject) -> float:
    return float(subject.model.decoder[0].weight[0, 0])


class Gate:
    """A question that waits inside until it is let go: what happens meanwhile is under the test's control."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()

    def __call__(self, subject: Subject) -> str:
        self.entered.set()
        assert self.leave.wait(60)
        return "gate"


class Asker:
    """An Inference whose answers are collected by a thread, as a window does."""

    def __init__(self) -> None:
        self.inference = Inference(RECIPE, DATA, CPU)
        self.answers: list[Answer] = []
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        for answer in self.inference.answers():
            with self._arrived:
                self.answers.append(answer)
                self._arrived.notify_all()

    def until(self, holds: Callable[[list[Answer]], Any]) -> list[Answer]:
        """Wait until `holds(answers)`; the answers so far."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: holds(self.answers), 60), self.answers
            return list(self.answers)

    def busy(self) -> Gate:
        """Keep the thread inside a question until the gate is let go."""
        gate = Gate()
        self.inference.ask("gate", gate)
        assert gate.entered.wait(60)
        return gate

    def close(self) -> None:
        self.inference.close()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def asker() -> Iterator[Asker]:
    made = Asker()
    yield made
    made.close()


def channels(answers: list[Answer]) -> list[str]:
    return [answer.channel for answer in answers]


def test_a_question_is_answered_from_the_published_weights(asker: Asker) -> None:
    serial = asker.inference.ask("a", seen_weight)
    asker.inference.publish(weights(3))
    assert asker.until(len) == [Answer("a", serial, 3, 3.0)]


def test_nothing_is_answered_before_there_are_weights(asker: Asker) -> None:
    first = asker.inference.ask("a", seen_weight)
    second = asker.inference.ask("a", seen_weight)
    asker.inference.publish(weights(1))
    assert second > first
    assert asker.until(len) == [Answer("a", second, 1, 1.0)]


def test_of_the_questions_on_a_channel_only_the_latest_that_waits_is_answered(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    gate = asker.busy()
    serials = [asker.inference.ask("drag", lambda subject, n=n: n) for n in range(50)]
    gate.leave.set()
    answers = asker.until(lambda a: "drag" in channels(a))
    asker.inference.ask("end", seen_weight)
    answers = asker.until(lambda a: "end" in channels(a))
    assert [(a.serial, a.value) for a in answers if a.channel == "drag"] == [(serials[-1], 49)]


def test_the_channel_that_was_asked_last_is_answered_first(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    gate = asker.busy()
    for channel in ("a", "b", "c", "a"):
        asker.inference.ask(channel, seen_weight)
    gate.leave.set()
    assert channels(asker.until(lambda a: len(a) == 4)) == ["gate", "a", "c", "b"]


def test_answers_come_from_the_newest_weights_only(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    gate = asker.busy()
    asker.inference.ask("a", seen_weight)
    for step in (2, 3, 4):
        asker.inference.publish(weights(step))
    gate.leave.set()
    answers = asker.until(lambda a: len(a) == 2)
    assert (answers[0].step, answers[1].step, answers[1].value) == (1, 4, 4.0)


def test_a_standing_question_is_asked_again_for_each_newer_snapshot(asker: Asker) -> None:
    serial = asker.inference.ask("live", seen_weight, standing=True)
    for step in (1, 2, 3):
        asker.inference.publish(weights(step))
        asker.until(lambda a, step=step: a and a[-1].step == step)
    assert asker.answers == [Answer("live", serial, step, float(step)) for step in (1, 2, 3)]


def test_another_question_ends_a_standing_one(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    asker.inference.ask("live", lambda subject: "standing", standing=True)
    asker.until(len)
    asker.inference.ask("live", lambda subject: "once")
    asker.until(lambda a: a[-1].value == "once")
    asker.inference.publish(weights(2))
    asker.inference.ask("end", seen_weight)
    answers = asker.until(lambda a: "end" in channels(a))
    assert [a.value for a in answers] == ["standing", "once", 2.0]


def test_standing_questions_fill_the_gaps_and_none_is_forgotten(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    for channel in ("a", "b", "c"):
        asker.inference.ask(channel, seen_weight, standing=True)
    asker.until(lambda a: {"a", "b", "c"} <= set(channels(a)))
    before = len(asker.answers)
    # new weights come faster than all three can be answered: each still gets its turn
    gate = asker.busy()
    for step in range(2, 5):
        asker.inference.publish(weights(step))
        asker.inference.ask("gate", following := Gate())
        gate.leave.set()
        assert following.entered.wait(60)
        gate = following
        asker.inference.publish(weights(step + 10))
    gate.leave.set()
    answers = asker.until(lambda a: {"a", "b", "c"} <= set(channels(a[before:])))
    newest = {a.channel: a.step for a in answers}
    assert newest["a"] == newest["b"] == newest["c"] == 14


def test_standing_questions_take_turns_when_weights_come_faster_than_answers(asker: Asker) -> None:
    steps = iter(range(2, 1000))

    def slow(subject: Subject) -> None:
        asker.inference.publish(weights(next(steps)))  # newer weights arrive while each question is answered

    asker.inference.publish(weights(1))
    for channel in ("a", "b", "c"):
        asker.inference.ask(channel, slow, standing=True)
    answers = asker.until(lambda a: len(a) >= 15)
    assert sorted(channels(answers[3:15])) == ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    for channel in ("a", "b", "c"):
        asker.inference.forget(channel)


def test_a_forgotten_channel_is_not_answered(asker: Asker) -> None:
    asker.inference.publish(weights(1))
    gate = asker.busy()
    asker.inference.ask("a", seen_weight, standing=True)
    asker.inference.forget("a")
    gate.leave.set()
    asker.inference.publish(weights(2))
    asker.inference.ask("end", seen_weight)
    assert channels(asker.until(lambda a: "end" in channels(a))) == ["gate", "end"]


def test_serials_and_steps_never_go_back_on_a_channel(asker: Asker) -> None:
    for step in range(1, 40):
        asker.inference.publish(weights(step))
        asker.inference.ask("drag", seen_weight, standing=step % 3 == 0)
    answers = asker.until(lambda a: a and a[-1].step == 39 and a[-1].serial == 39)
    ages = [(a.serial, a.step) for a in answers]
    assert ages == sorted(ages)
    assert all(a.value == a.step for a in answers)


def test_an_error_becomes_an_answer_and_the_next_question_is_answered(asker: Asker) -> None:
    def wrong(subject: Subject) -> None:
        raise ValueError("there is no such dimension")

    asker.inference.publish(weights(1))
    serial = asker.inference.ask("a", wrong)
    (answer,) = asker.until(len)
    assert (answer.channel, answer.serial, answer.step, answer.value) == ("a", serial, 1, None)
    assert answer.error == "there is no such dimension"
    assert "in wrong" in answer.details
    asker.inference.ask("a", seen_weight)
    assert asker.until(lambda a: len(a) == 2)[1].value == 1.0


def test_an_error_without_a_text_is_an_error_all_the_same(asker: Asker) -> None:
    def wrong(subject: Subject) -> None:
        raise AssertionError

    asker.inference.publish(weights(1))
    asker.inference.ask("a", wrong)
    assert asker.until(len)[0].error == "AssertionError"


def test_weights_that_do_not_fit_are_an_error_that_names_them(asker: Asker) -> None:
    asker.inference.publish(Snapshot(1, {"model.decoder.0.weight": torch.zeros(1)}))
    asker.inference.ask("a", seen_weight)
    assert "model.decoder.0.weight" in asker.until(len)[0].error
    asker.inference.publish(weights(2))
    asker.inference.ask("a", seen_weight)
    assert asker.until(lambda a: len(a) == 2)[1].value == 2.0


def test_questions_compute_without_gradients_in_evaluation_mode_and_leave_the_session_s_generator_alone(
    asker: Asker,
) -> None:
    before = torch.get_rng_state()
    asker.inference.publish(weights(0))

    def question(subject: Subject) -> tuple[bool, bool, int]:
        drawn = subject.model.sample(8, subject.generator)
        return torch.is_grad_enabled(), subject.learner.training, len(drawn)

    before = torch.get_rng_state()
    asker.inference.ask("a", question)
    assert asker.until(len)[0].value == (False, False, 8)
    assert torch.equal(torch.get_rng_state(), before)


def test_channels_do_not_disturb_each_others_draws() -> None:
    def draw(subject: Subject) -> float:
        return float(torch.rand((), generator=subject.generator))

    def drawn(channels_asked: str) -> list[float]:
        made = Asker()
        try:
            made.inference.publish(weights(0))
            for n, channel in enumerate(channels_asked, 1):
                made.inference.ask(channel, draw)
                made.until(lambda a, n=n: len(a) == n)
            return [a.value for a in made.answers if a.channel == "a"]
        finally:
            made.close()

    assert drawn("aaa") == drawn("ababbba")


def test_answers_come_from_a_copy(asker: Asker) -> None:
    published = weights(1)
    asker.inference.publish(published)

    def vandal(subject: Subject) -> None:
        subject.model.decoder[0].weight.fill_(-1)

    asker.inference.ask("a", vandal)
    asker.until(len)
    assert float(published.tensors["model.decoder.0.weight"][0, 0]) == 1


def test_closing_ends_the_answers_even_when_questions_wait() -> None:
    made = Asker()
    made.inference.publish(weights(1))
    gate = made.busy()
    made.inference.ask("a", seen_weight)
    made.inference.close()
    gate.leave.set()
    made.close()
    assert channels(made.answers) == ["gate"]


def test_subjects_say_what_they_are(asker: Asker) -> None:
    asker.inference.publish(weights(7))
    asker.inference.ask("a", lambda s: (s.step, s.spec, s.device, s.dataset, isinstance(s.generator, Generator)))
    assert asker.until(len)[0].value == (7, DATA.spec, CPU, DATA, True)


class Long:
    """A question that calls torch until it is told that nobody waits for it."""

    def __init__(self) -> None:
        self.entered, self.left = threading.Event(), threading.Event()

    def __call__(self, subject: Subject) -> str:
        self.entered.set()
        try:
            with subject.giving_way():
                for _ in range(10_000_000):
                    torch.zeros(1)
        finally:
            self.left.set()
        return "long"


class TestGivingWay:
    def test_a_long_question_gives_way_to_a_newer_one_and_has_no_answer(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))
        long = Long()
        asker.inference.ask("a", long)
        assert long.entered.wait(60)
        asker.inference.ask("a", lambda subject: "newer")
        answers = asker.until(lambda answers: answers)
        assert [answer.value for answer in answers] == ["newer"]

    def test_it_ends_when_nobody_looks_any_more_or_all_is_closed(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))
        forgotten, last = Long(), Long()
        asker.inference.ask("a", forgotten)
        assert forgotten.entered.wait(60)
        asker.inference.forget("a")
        assert forgotten.left.wait(60)
        asker.inference.ask("a", last)
        assert last.entered.wait(60)
        asker.inference.close()
        assert last.left.wait(60)
        assert not asker.answers

    def test_neither_newer_weights_nor_other_channels_stop_it(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))
        superseded = []

        def standing(subject: Subject) -> str:
            asker.inference.ask("b", lambda subject: "other")
            asker.inference.publish(weights(2))
            time.sleep(PATIENCE + 0.1)
            superseded.append(subject.superseded())
            return "standing"

        asker.inference.ask("a", standing)
        asker.until(lambda answers: len(answers) >= 2)
        assert superseded == [False]

    def test_what_is_quick_is_finished_all_the_same(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))

        def quick(subject: Subject) -> str:
            asker.inference.ask("a", lambda subject: "newer")
            with subject.giving_way():
                for _ in range(100):
                    torch.zeros(1)
            return "quick"

        asker.inference.ask("a", quick)
        assert [answer.value for answer in asker.until(lambda answers: len(answers) == 2)] == ["quick", "newer"]


class ThreeParts(InParts):
    """Three parts, each of which waits to be let go and looks at the weights."""

    def __init__(self) -> None:
        self.gates = [Gate(), Gate(), Gate()]
        self.closed = threading.Event()

    def parts(self, subject: Subject) -> Parts:
        seen = []
        try:
            for gate in self.gates:
                seen.append(seen_weight(subject))
                gate(subject)
                yield
        finally:
            self.closed.set()
        return seen

    def go_on(self, part: int) -> None:
        assert self.gates[part].entered.wait(60)
        self.gates[part].leave.set()


class TestInParts:
    def test_others_are_answered_between_its_parts_by_newer_weights_while_it_stays_with_its_own(
        self, asker: Asker
    ) -> None:
        asker.inference.publish(weights(1))
        long = ThreeParts()
        serial = asker.inference.ask("long", long)
        for part in range(3):
            assert long.gates[part].entered.wait(60)
            asker.inference.publish(weights(10 + part))
            asker.inference.ask(f"short {part}", seen_weight)
            long.go_on(part)
        answers = asker.until(lambda a: "long" in channels(a) and len(a) == 4)
        assert [a for a in answers if a.channel == "long"] == [Answer("long", serial, 1, [1.0, 1.0, 1.0])]
        assert channels(answers)[:2] == ["short 0", "short 1"]
        assert [a.value for a in answers if a.channel.startswith("short")] == [10.0, 11.0, 12.0]

    def test_another_long_question_waits_for_its_end(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))
        first, second = ThreeParts(), ThreeParts()
        asker.inference.ask("first", first)
        assert first.gates[0].entered.wait(60)
        asker.inference.ask("second", second)
        for part in range(3):
            assert not second.gates[0].entered.is_set()
            first.go_on(part)
        for part in range(3):
            second.go_on(part)
        assert channels(asker.until(lambda a: len(a) == 2)) == ["first", "second"]

    @pytest.mark.parametrize("how", ["asked anew", "forgotten"])
    def test_it_is_given_up_when_nobody_waits_for_it(self, asker: Asker, how: str) -> None:
        asker.inference.publish(weights(1))
        long = ThreeParts()
        asker.inference.ask("long", long)
        assert long.gates[0].entered.wait(60)
        if how == "forgotten":
            asker.inference.forget("long")
        else:
            asker.inference.ask("long", seen_weight)
        long.go_on(0)
        assert long.closed.wait(60)
        assert not long.gates[1].entered.is_set()
        asker.inference.ask("end", seen_weight)
        answers = asker.until(lambda a: "end" in channels(a))
        assert [a.value for a in answers if a.channel == "long"] == ([] if how == "forgotten" else [1.0])

    def test_newer_weights_do_not_make_a_standing_one_begin_again(self, asker: Asker) -> None:
        asker.inference.publish(weights(1))
        long = ThreeParts()
        asker.inference.ask("long", long, standing=True)
        for part in range(3):
            assert long.gates[part].entered.wait(60)
            asker.inference.publish(weights(2 + part))
            long.go_on(part)
        answers = asker.until(lambda a: len(a) == 2)
        assert [(a.step, a.value) for a in answers] == [(1, [1.0] * 3), (4, [4.0] * 3)]

    def test_an_error_in_a_part_is_its_answer_and_the_next_question_is_served(self, asker: Asker) -> None:
        class Breaks(InParts):
            def parts(self, subject: Subject) -> Parts:
                yield
                raise ValueError("it broke")

        asker.inference.publish(weights(1))
        asker.inference.ask("breaks", Breaks())
        [answer] = asker.until(len)
        assert answer.error == "it broke"
        asker.inference.ask("next", seen_weight)
        assert asker.until(lambda a: len(a) == 2)[1].value == 1.0

    def test_called_by_itself_it_gives_its_answer(self) -> None:
        class Counts(InParts):
            def parts(self, subject: Subject) -> Parts:
                yield
                yield
                return 3

        assert Counts()(None) == 3  # type: ignore[arg-type]
