"""The program on a real screen, with a real mouse and keyboard: the first minute, and the whole life of a project."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from screen import Studio

from dgm_studio.presets import presets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Start = Callable[..., Studio]
FIRST = presets()[0].key
LENIENT = 6.0  # times as long as on a machine that does nothing else


def test_the_first_minute(start: Start) -> None:
    studio = start()
    studio.shot("1-start")
    studio.click(f"preset-{FIRST}")
    clicked = time.monotonic()
    studio.until(lambda state: state["loaded"])
    loaded = time.monotonic()
    begun = studio.until(lambda state: state.get("previewed", -1) >= 0)["previewed"]
    studio.until(lambda state: state["previewed"] > begun)
    assert time.monotonic() - max(loaded, clicked) < 3 * LENIENT
    assert studio.state()["phase"] == "TRAINING"
    studio.shot("2-trains")

    # the second click is on Explore: what is dragged is there, while it trains
    studio.key("ctrl+2")
    before = studio.until(lambda state: state["explorer"] and state["z"])
    assert before["page"] == "Explore"
    studio.drag("map", (0.5, 0.5), (0.75, 0.3))
    studio.until(lambda state: state["z"] != before["z"])
    after = studio.settled("z")
    studio.until(lambda state: state["looked"] > after["looked"])  # the same point, with newer weights
    assert studio.state()["z"] == after["z"]
    assert studio.state()["phase"] == "TRAINING"
    studio.shot("3-dragged")

    dark = studio.state()["theme"]
    studio.key("ctrl+t")
    studio.until(lambda state: state["theme"] != dark)
    studio.shot("4-other-theme")
    assert studio.close() == 0


def test_the_life_of_a_project(start: Start) -> None:
    studio = start()
    studio.click(f"preset-{FIRST}")
    studio.until(lambda state: state.get("step", -1) > 50)
    studio.key("shift+F5")  # stop and keep
    first = studio.until(lambda state: state["phase"] == "IDLE" and state["saved"])
    assert first["kept"] > 50
    studio.drag("momentSlider", (0.99, 0.5), (0.3, 0.5))  # back through its history, and again to now
    past = studio.until(lambda state: state["moment"] is not None)
    assert past["moment"] < first["kept"]
    studio.shot("5-scrubbed")
    studio.click("momentNow")
    studio.until(lambda state: state["moment"] is None)
    studio.key("ctrl+3")
    studio.click("run-copies")
    studio.until(lambda state: state["evaluations"] == ["copies"] and state["saved"])
    studio.shot("6-measured")
    assert studio.close() == 0

    # another day: it is all there, and goes on
    studio = start(first["project"])
    again = studio.until(lambda state: state.get("looked", -1) >= 0)
    assert (again["runs"], again["kept"], again["evaluations"]) == (first["runs"], first["kept"], ["copies"])
    studio.key("F5")
    studio.until(lambda state: state["phase"] == "TRAINING" and state["step"] > first["kept"] + 20)
    more = studio.until(lambda state: state["kept"] > first["kept"])
    studio.until(
        lambda state: state["kept"] > more["kept"]
    )  # states are written in turn: the one before is on the disk
    studio.shot("7-goes-on")
    studio.kill()

    # after a crash: what was learned is offered, and taken
    studio = start(first["project"])
    studio.until(lambda state: any("cut off" in text or "recover" in text.lower() for text in state["notices"]))
    studio.shot("8-after-a-crash")
    studio.click(text="Recover")
    studio.until(lambda state: state["kept"] > first["kept"] and state["saved"])
    studio.shot("9-recovered")
    assert studio.close() == 0
