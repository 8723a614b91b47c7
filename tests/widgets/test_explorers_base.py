"""What every explorer does: ask while it is seen, forget when it is not, and believe no late answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic, sleep
from types import SimpleNamespace

import pytest
from explorer_runs import Bench, cloud, pictures, recipe
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from dgm_studio.datasets.base import joined
from dgm_studio.inference import Answer
from dgm_studio.subject import Subject
from models.draw import Draw
from models.energy_network import EnergyNetwork
from models.gan import Gan
from models.learning.adversarial import Adversarial
from models.learning.langevin_ml import LangevinMl
from models.nade import Nade
from models.rbm import Rbm
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings
from widgets.explorers.base import PUT_OFF, Explorer
from widgets.explorers.catalog import EXPLORERS
from widgets.patience import PATIENCE, settle


class Probe(Explorer):
    """Asks two questions and remembers the answers."""

    key = "probe"
    title = "Probe"
    question: Callable[[Subject], object] = staticmethod(lambda subject: subject.step)

    def begin(self) -> None:
        self.received: list[tuple[str, object]] = []
        self.ask("standing", lambda subject: subject.step, standing=True)
        self.follow("followed", lambda: type(self).question, 20)

    def receive(self, name: str, answer: Answer) -> None:
        self.received.append((name, answer.value))


@pytest.fixture
def bench(qtbot: QtBot) -> Iterator[Bench]:
    made = Bench(recipe(Vae, VaeSettings(hidden=4, layers=1)), pictures())
    made.publish(1)
    yield made
    made.live.close()


@pytest.fixture
def probe(bench: Bench, qtbot: QtBot) -> Probe:
    view = Probe(bench.live)
    qtbot.addWidget(view)
    return view


def test_a_view_asks_when_it_is_shown_and_is_answered_again_for_newer_weights(
    bench: Bench, probe: Probe, qtbot: QtBot
) -> None:
    probe.show()
    qtbot.waitUntil(lambda: {("standing", 1), ("followed", 1)} <= set(probe.received))
    bench.publish(2)
    qtbot.waitUntil(lambda: {("standing", 2), ("followed", 2)} <= set(probe.received))


def test_a_followed_question_is_not_asked_again_of_the_same_weights(bench: Bench, probe: Probe, qtbot: QtBot) -> None:
    probe.show()
    qtbot.waitUntil(lambda: ("followed", 1) in probe.received)
    qtbot.wait(100)
    assert probe.received.count(("followed", 1)) == 1


def test_while_a_hand_drags_what_is_followed_waits_but_not_for_ever(bench: Bench, probe: Probe, qtbot: QtBot) -> None:
    probe.show()
    qtbot.waitUntil(lambda: ("followed", 1) in probe.received)
    followed = probe._followed["followed"]
    probe._hand.setInterval(60_000)  # the hand does not rest
    probe.moved_by_hand()
    put_off: list[int] = []
    followed.due.connect(lambda _: put_off.append(followed.put_off))
    bench.publish(2)
    qtbot.waitUntil(lambda: ("standing", 2) in probe.received)
    qtbot.waitUntil(lambda: ("followed", 2) in probe.received)
    assert max(put_off) == PUT_OFF
    probe._hand.stop()
    bench.publish(3)
    qtbot.waitUntil(lambda: ("followed", 3) in probe.received)


def test_a_hidden_view_costs_nothing(bench: Bench, probe: Probe, qtbot: QtBot) -> None:
    asked: list[int] = []
    probe.show()
    probe.ask("counted", lambda subject: asked.append(subject.step), standing=True)
    qtbot.waitUntil(lambda: len(probe.received) >= 3)
    probe.hide()
    probe.received.clear()
    asked.clear()
    with qtbot.waitSignal(bench.live.answered, check_params_cb=lambda answer: answer.channel == "other"):
        bench.publish(2)
        bench.live.ask("other", lambda subject: None)
    assert asked == []
    assert probe.received == []


def test_answers_to_what_was_forgotten_are_ignored(bench: Bench, probe: Probe, qtbot: QtBot) -> None:
    probe.show()
    qtbot.waitUntil(lambda: len(probe.received) >= 2)
    probe.received.clear()
    late = bench.live.ask("nobody", lambda subject: None)
    probe.forget("standing")
    bench.live.answered.emit(Answer("probe/standing", late, 1, "late"))
    assert probe.received == []
    probe.ask("standing", lambda subject: "new")
    bench.live.answered.emit(Answer("probe/standing", late, 1, "late"))
    qtbot.waitUntil(lambda: ("standing", "new") in probe.received)
    assert ("standing", "late") not in probe.received


def test_answers_on_another_views_channels_are_ignored(bench: Bench, probe: Probe) -> None:
    probe.show()
    probe.received.clear()
    bench.live.answered.emit(Answer("other/standing", 10**9, 1, "not mine"))
    bench.live.answered.emit(Answer("probe/unasked", 10**9, 1, "not asked"))
    assert probe.received == []


def test_a_question_is_pending_until_it_is_answered_or_forgotten(bench: Bench, qtbot: QtBot) -> None:
    live, held = bench.live, Event()
    live.ask("held", lambda subject: held.wait(60))
    first = live.ask("next", lambda subject: 1)
    second = live.ask("next", lambda subject: 2)  # in place of the first
    live.ask("gone", lambda subject: 3)
    live.forget("gone")
    assert second > first
    assert live.pending["next"] == second
    assert set(live.pending) == {"held", "next"}
    held.set()
    qtbot.waitUntil(lambda: not live.pending)


def test_whoever_waits_for_a_view_waits_for_all_it_asked_but_not_for_what_plays(bench: Bench) -> None:
    done: list[int] = []

    def slow(subject: Subject) -> None:
        sleep(0.6)
        done.append(1)

    bench.live.answered.connect(
        lambda answer: bench.live.ask("plays", lambda subject: 0) if answer.channel == "plays" else None
    )
    bench.live.ask("plays", lambda subject: 0)
    bench.live.ask("slow", slow)
    place = QObject()
    bench.live.setParent(place)
    workspace = QObject()
    workspace.viewing = place  # type: ignore[attr-defined]
    begun = monotonic()
    area = SimpleNamespace(evaluate=SimpleNamespace(cards=SimpleNamespace(being_filled=False)))
    settle(SimpleNamespace(workspace=workspace, area=area), 0.1)  # type: ignore[arg-type]
    assert done
    assert monotonic() - begun < PATIENCE
    bench.live.setParent(None)


def test_a_question_that_fails_is_told_and_the_notice_goes_when_it_works_again(
    bench: Bench, probe: Probe, qtbot: QtBot
) -> None:
    def fails(subject: Subject) -> None:
        raise ValueError("the reason")

    notice = probe.findChild(QLabel, "notice")
    probe.show()
    probe.ask("standing", fails)
    qtbot.waitUntil(lambda: notice.isVisible())
    assert "the reason" in notice.text()
    assert "ValueError" in notice.toolTip()
    probe.ask("standing", lambda subject: 1)
    qtbot.waitUntil(lambda: not notice.isVisible())


def test_a_view_survives_the_end_of_its_run(bench: Bench, probe: Probe, qtbot: QtBot) -> None:
    probe.show()
    qtbot.waitUntil(lambda: len(probe.received) >= 2)
    bench.live.close()
    probe.ask("standing", lambda subject: "never")
    probe.hide()
    probe.show()
    assert probe.received == []


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_every_explorer_survives_the_end_of_its_run(explorer: type[Explorer], qtbot: QtBot) -> None:
    two_domains = joined(pictures(), pictures())  # for views of both; others look at the first
    bench = Bench(recipe(Vae, VaeSettings(hidden=4, layers=1)), two_domains)
    bench.publish(1)
    view = explorer(bench.live)
    qtbot.addWidget(view)
    bench.live.close()
    view.show()
    assert not view.grab().isNull()
    view.hide()


IMAGE = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE)
POINTS = cloud().spec
VECTOR = DataSpec((5,), Support.REALS, Layout.VECTOR)


@pytest.mark.parametrize(
    ("model", "learner", "spec", "keys"),
    [
        (Vae, object, IMAGE, {"latent-map", "draw-it"}),
        (Vae, object, POINTS, {"latent-map", "landscape"}),
        (Vae, object, VECTOR, set()),
        (Gan, Adversarial, IMAGE, {"latent-map"}),
        (Gan, Adversarial, POINTS, {"latent-map", "landscape"}),
        (Draw, object, IMAGE, {"latent-map", "draw-it", "canvases"}),
        (Nade, object, IMAGE, {"complete", "receptive-field"}),
        (Rbm, object, IMAGE, {"dream"}),
        (EnergyNetwork, LangevinMl, IMAGE, {"dream"}),
        (EnergyNetwork, LangevinMl, POINTS, {"landscape"}),
    ],
)
def test_explorers_follow_from_what_a_run_can_do(model: type, learner: type, spec: DataSpec, keys: set[str]) -> None:
    assert {explorer.key for explorer in EXPLORERS if explorer.admits(model, learner, spec)} == keys


def test_keys_and_titles_are_distinct() -> None:
    assert len({explorer.key for explorer in EXPLORERS}) == len({e.title for e in EXPLORERS}) == len(EXPLORERS)
