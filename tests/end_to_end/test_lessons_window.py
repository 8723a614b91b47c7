"""Every lesson on a real screen: chosen from its card, run by a press, and what it came to as its page shows it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from screen import Studio

from dgm_studio.cli import run
from dgm_studio.lessons.format import Lesson
from dgm_studio.lessons.plan import Train, all_jobs, run_name
from dgm_studio.lessons.reading import lessons

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

Start = Callable[..., Studio]
LONGEST = 3000.0  # seconds of a lesson, on a machine that does other things as well
HALF = 0.5  # of a lesson, after which its page is looked at


@pytest.mark.parametrize("entry", lessons(), ids=lambda entry: entry.key)
def test_a_lesson_holds_from_its_card_to_its_runs(start: Start, entry: Lesson) -> None:
    studio = start()
    studio.click("showLessons")
    studio.bring(f"lesson-{entry.key}", "startScroll")
    studio.click(f"lesson-{entry.key}")
    studio.until(lambda state: state["loaded"] and state.get("page") == "Lesson" and state["project"])
    before = studio.until(lambda page: page["key"] == entry.key and page["button"] == "Run", what="lesson")
    assert before["verdict"] == ""
    assert set(before["verdicts"]) == {""}
    studio.click("runLesson")
    begun = time.monotonic()
    studio.until(lambda page: page["running"] and page["button"] == "Stop", what="lesson")
    studio.until(lambda page: not page["running"] or page["share"] > HALF, LONGEST, "lesson")
    both_themes(studio, f"{entry.key}-1-runs")
    studio.until(lambda page: not page["running"], LONGEST, "lesson")
    seconds = time.monotonic() - begun
    shown = studio.until(lambda page: page["trouble"] or page["share"] == 1, what="lesson")
    both_themes(studio, f"{entry.key}-2-has-run", whole=True)
    print(f"{entry.key}: {seconds:.1f} s for {entry.minutes:g} min")

    # what the page says
    assert not shown["trouble"]
    assert shown["told"] == "all of it has run"
    assert shown["verdict"] == "the claim holds"
    assert shown["verdicts"] == ["holds"] * len(entry.checks)
    assert shown["signs"] == ["the claim holds"] * len(entry.checks)
    assert all("as it should" in text for text in shown["switched off"]), shown["switched off"]
    assert shown["told apart"] == [True] * len(entry.checks)
    assert not shown["empty"]
    assert shown["runs"] == dict.fromkeys(entry.runs, "has run")

    # its runs are runs of the project, and each of them opens in Train
    jobs = [job for job in all_jobs(entry, entry.seeds) if isinstance(job, Train)]
    names = [run_name(entry, job.run, job.seed, entry.seeds) for job in jobs]
    done = studio.until(lambda state: state["saved"] and state["phase"] == "IDLE")
    assert done["runs"] == names
    assert set(done["statuses"]) == {"finished"}
    first = next(iter(entry.runs))
    studio.bring(f"open-{first}-Train", "lessonScroll")
    studio.click(f"open-{first}-Train")
    studio.until(lambda state: state["page"] == "Train" and state["run"] == names[0])
    left, top, width, _ = studio.where("runs")
    studio.screen.do("mousemove", left + width // 2, top + 20, "click", 1)
    studio.key("Home")
    opened: set[str] = set()
    for _ in names:
        looked = studio.until(lambda state: state["run"] not in opened and state["curves"] and state["looked"] >= 0)
        assert looked["looked"] == looked["kept"]
        opened.add(looked["run"])
        studio.key("Down")
    assert opened == set(names)
    studio.shot(f"{entry.key}-3-a-run")
    assert not studio.state()["errors"]
    assert studio.close() == 0
    assert run(["check", done["project"]], photograph=lambda *_: 0) == 0  # type: ignore[arg-type, return-value]
    assert "Traceback" not in studio.said.read_text()


def both_themes(studio: Studio, name: str, whole: bool = False) -> None:
    """Keep what the screen shows, and with `whole` the page from its top to its end."""
    for _ in range(2):
        theme = studio.state()["theme"]
        studio.shot(f"{name}-{theme}")
        if whole:
            studio.whole("lessonScroll", f"{name}-{theme}-whole")
        studio.key("ctrl+t")
        studio.until(lambda state, theme=theme: state["theme"] != theme)
