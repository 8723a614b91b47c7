"""Every adversarial family on a real screen: trained, explored, measured, saved, opened again and trained further."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from screen import Studio

from dgm_studio.evaluation import EVALUATIONS
from dgm_studio.presets import presets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

Start = Callable[..., Studio]
TITLES = {preset.key: preset.title for preset in presets()}
MEASURES = {entry.key: entry.title for entry in EVALUATIONS}
ENOUGH = 40  # steps
PRESSED = {"landscape": ("arrows", "warp", "bothStep"), "domains": ("where.plane",), "translate": ("nextExamples",)}


@pytest.mark.parametrize(
    ("preset", "explorers", "measured"),
    [
        ("gan-ring", ["latent-map", "landscape"], ["coverage", "transport", "best-discriminator"]),
        ("dcgan-digits", ["latent-map"], ["fidelity", "sharpness"]),
        ("bigan-digits", ["latent-map", "draw-it"], ["reconstruction"]),
        ("conditional-gan-digits", ["latent-map"], ["samples"]),
        ("semi-supervised-gan-digits", ["latent-map"], ["classification"]),
        ("domain-moons", ["domains"], ["classification"]),
        ("cyclegan-points", ["translate"], ["translation"]),
        ("discrete-gan-bars", ["latent-map"], ["diversity"]),
        ("sequence-gan-grammar", ["write"], ["texts"]),
    ],
)
def test_a_run_lives(start: Start, preset: str, explorers: list[str], measured: list[str]) -> None:
    studio = start()
    studio.find(TITLES[preset])
    studio.click(text="Skip")  # the first look around
    studio.until(lambda state: state.get("step", -1) > ENOUGH and state["previewed"] > 0)
    studio.shot(f"{preset}-1-trains")
    studio.key("ctrl+2")
    for key in explorers:
        explored = studio.until(lambda state: state["explorers"] == explorers and state["looked"] > 0)
        studio.click(f"segment-{key}")
        studio.until(lambda state, key=key: state["explorer"] == key)
        studio.until(lambda state, before=explored["looked"]: state["looked"] > before)
        studio.shot(f"{preset}-2-{key}")
        for name in PRESSED.get(key, ()):
            studio.click(name)
        if key == "draw-it":
            studio.drag("canvas", (0.4, 0.2), (0.6, 0.8))
        if preset == "conditional-gan-digits":
            studio.click(text="Classes")
        studio.shot(f"{preset}-2-{key}-by-hand")
        assert not studio.state()["trouble"]
    studio.key("shift+F5")  # stop and keep
    first = studio.until(lambda state: state["phase"] == "IDLE" and state["saved"] and state["kept"] > ENOUGH)
    done: list[str] = []
    for key in measured:
        studio.find(MEASURES[key])
        done.append(key)
        studio.until(lambda state: sorted(state["evaluations"]) == sorted(done) and state["saved"])
    studio.shot(f"{preset}-3-measured")
    studio.key("ctrl+t")
    studio.until(lambda state: state["theme"] != first["theme"])
    studio.shot(f"{preset}-4-measured-other-theme")
    studio.key("ctrl+2")
    for key in explorers:
        studio.click(f"segment-{key}")
        studio.until(lambda state, key=key: state["explorer"] == key)
        studio.shot(f"{preset}-5-{key}-other-theme")
        assert not studio.state()["trouble"]
    assert studio.close() == 0

    studio = start(first["project"])
    again = studio.until(lambda state: state.get("looked", -1) >= 0)
    assert again["runs"] == first["runs"]
    assert again["looked"] == again["kept"] == first["kept"]
    assert sorted(again["evaluations"]) == sorted(done)
    studio.key("F5")
    studio.until(lambda state: state["phase"] == "TRAINING" and state["step"] > first["kept"] + 10)
    studio.key("shift+F5")
    studio.until(lambda state: state["phase"] == "IDLE" and state["saved"] and state["kept"] > first["kept"] + 10)
    studio.shot(f"{preset}-6-goes-on")
    assert studio.close() == 0


def test_a_collapse_is_told_and_a_remedy_is_one_press_away(start: Start) -> None:
    studio = start()
    studio.find(TITLES["gan-collapse-ring"])
    studio.click(text="Skip")
    studio.until(lambda state: studio.ask("where", name="findingHead"), 900.0)
    if not studio.ask("where", name="findingWay"):
        studio.click("findingHead")
    studio.shot("collapse-1-told")
    assert len(studio.state()["runs"]) == 1
    studio.click("findingWay")
    studio.until(lambda state: len(state["runs"]) == 2)
    studio.shot("collapse-2-branch")
    assert studio.close() == 0
