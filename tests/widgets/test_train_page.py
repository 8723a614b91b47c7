"""The Train page: what it says and shows of a run while it trains, and of a stored one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from person import Person
from PySide6.QtWidgets import QCheckBox, QLabel, QScrollArea

from dgm_studio.events import Finding
from dgm_studio.store import Run
from models.learning.base import ANEW, LEARNER
from widgets.findings_view import FindingsView
from widgets.trainer import Phase

COLLAPSE = Finding("collapse", "A latent <b>variable</b> carries nothing.", "KL < 0.01 nats", "Anneal the KL term.")
SAID = ["A latent <b>variable</b> carries nothing. Anneal the KL term."]


def findings(person: Person) -> FindingsView:
    return person.desk.area.train.findings


def said(person: Person) -> list[str]:
    return [card.text.text() for card in findings(person).cards]


def trained(person: Person) -> Run:
    person.train_a_little()
    run = person.desk.workspace.run
    assert run is not None
    return run


def test_what_was_noticed_in_a_stored_run_is_shown_when_it_is_selected(person: Person) -> None:
    run = trained(person)
    assert findings(person).line == "The doctor has noticed nothing."
    run.keep_finding(20, COLLAPSE)
    project = person.desk.workspace.project
    assert project is not None
    path = project.path
    person.close()
    person.open_window()
    person.until(lambda: person.window.desk is not None)
    person.desk.projects.open(path)
    person.until(lambda: said(person))
    assert said(person) == SAID
    assert "KL < 0.01 nats" in findings(person).cards[0].measured.text()
    assert not person.bars()
    workspace = person.desk.workspace
    assert workspace.project is not None
    assert workspace.run is not None
    other = workspace.project.new_run(workspace.run.config, "other")
    workspace.select(other)
    person.until(lambda: not said(person))
    page = person.desk.area.train
    page_of = page._stack.currentWidget
    untrained = "This run has not been trained"  # which is known once it is read
    person.until(lambda: untrained in [part.text() for part in page_of().findChildren(QLabel)])
    assert not page.samples.isVisible()
    assert person.window.actions_["continue"].isEnabled()  # as the page says
    workspace.select(run_again := workspace.project.runs[run.id])
    person.until(lambda: page.samples.isVisible())
    assert workspace.run is run_again


def test_what_is_noticed_while_a_run_trains_is_shown_on_its_page(person: Person) -> None:
    person.click_card()
    person.until(lambda: person.phase is Phase.TRAINING)
    run = person.desk.workspace.run
    assert run is not None
    run.keep_finding(20, COLLAPSE)  # as its recorder does
    person.until(lambda: said(person) == SAID)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)


def test_a_button_branches_from_the_newest_state_with_what_may_help_and_trains_the_branch(person: Person) -> None:
    run = trained(person)
    ways = {"a quarter of the KL weight": {"kl_weight": 0.25}}
    run.keep_finding(20, replace(COLLAPSE, changes=ways))
    workspace = person.desk.workspace
    workspace.training_changed.emit()
    (button,) = findings(person).cards[-1].buttons
    assert button.accessibleName() == "Branch with a quarter of the KL weight"
    button.click()
    person.until(lambda: person.phase is Phase.TRAINING)
    branch = workspace.run
    assert branch is not None
    assert branch is not run
    assert branch.parent == (run.id, run.checkpoint_steps()[-1])
    assert branch.config.learning == {**run.config.learning, "kl_weight": 0.25}
    person.until(lambda: person.step > run.checkpoint_steps()[-1])
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)


def test_a_finding_is_seen_whole_however_long_the_names_of_its_ways_are(person: Person) -> None:
    run = trained(person)
    way = "a quarter of the KL weight, a third of the learning rate and twice as many hidden units"
    run.keep_finding(20, replace(COLLAPSE, changes={way: {"kl_weight": 0.25}}))
    person.window.resize(1280, 800)
    person.desk.workspace.training_changed.emit()
    (button,) = findings(person).cards[-1].buttons
    person.until(button.isVisible)
    assert button.text().replace("\n", " ") == f"Branch with {way}"
    area = findings(person).findChild(QScrollArea, "findingsScroll")
    person.until(lambda: 0 < area.widget().width() <= area.viewport().width())


def test_what_changes_a_network_begins_anew_and_what_the_family_cannot_learn_by_is_not_offered(person: Person) -> None:
    run = trained(person)
    run.keep_finding(20, replace(COLLAPSE, changes={"less": {"kl_weight": 0.25, ANEW: True}, "other": {LEARNER: "em"}}))
    workspace = person.desk.workspace
    workspace.training_changed.emit()
    buttons = findings(person).cards[-1].buttons
    assert [button.text() for button in buttons] == ["Train anew with less"]
    buttons[0].click()
    person.until(lambda: person.phase is Phase.TRAINING)
    new = workspace.run
    assert new is not None
    assert new.parent is None
    assert new.config.learning == {**run.config.learning, "kl_weight": 0.25}
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)


def test_a_finding_is_said_with_its_ways_and_they_need_no_selected_run(person: Person) -> None:
    run = trained(person)
    workspace = person.desk.workspace
    workspace.found.emit(run.id, replace(COLLAPSE, changes={"less KL": {"kl_weight": 0.25}}))
    person.until(lambda: person.bars())
    (bar,) = [bar for bar in person.bars() if "carries nothing" in bar.notice.text]
    assert bar.notice.details == "KL < 0.01 nats"
    assert [remedy.title for remedy in bar.notice.remedies] == ["Branch with less KL"]
    workspace.select(None)
    bar.notice.remedies[0].do()
    person.until(lambda: person.phase is Phase.TRAINING)
    assert workspace.run is not None
    assert workspace.run.config.learning["kl_weight"] == 0.25
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)


def test_a_run_is_timed_while_it_trains_as_it_is_stored(person: Person) -> None:
    run = trained(person)
    workspace, curves = person.desk.workspace, person.desk.area.train.curves
    for more in (False, True):
        if more:
            begin = run.checkpoint_steps()[-1]
            workspace.continue_run(run, 1000)
            person.until(lambda: person.phase is Phase.TRAINING and person.step > begin + 20)  # noqa: B023
            person.do("stop")
            person.until(lambda: person.phase is Phase.IDLE)
        history = workspace.shown.of(run.id).history
        assert history is not None
        assert run.wall is not None
        steps, seconds = run.wall
        assert np.array_equal(history.wall.steps, steps)
        assert np.array_equal(history.wall.values, seconds)
        assert (np.diff(seconds) >= 0).all()
    curves.findChild(QCheckBox, "againstTime").setChecked(True)
    x, _ = curves.views[0].plot._mean.getData()
    assert 0 <= x[0] <= x[-1] <= float(seconds[-1])
    shown = curves.views[0].plot.training.steps
    of_one = -(-len(shown) // len(x))  # steps at most, over which a point of the curve is a mean
    assert x[-1] >= np.interp(shown[-1] - of_one, steps, seconds)  # the last step alone may have taken long
    assert x[-1] > float(seconds[np.searchsorted(steps, begin)])  # both trainings are there
