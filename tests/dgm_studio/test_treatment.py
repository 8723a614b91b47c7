"""What a finding says that may help becomes settings of a run, or is not offered."""

from __future__ import annotations

import pytest

from dgm_studio.config import RunConfig
from dgm_studio.treatment import begins_anew, title_of, treated
from models.catalog import LEARNINGS
from models.learning.base import ANEW, LEARNER

GAME = RunConfig(family="gan", learner="minimax", learning={"packing": 2, "feature_matching": True})


def test_settings_of_the_learner_are_changed_and_the_others_kept() -> None:
    found = treated(GAME, {"label_smoothing": 0.1, ANEW: True})
    assert found is not None
    assert found == GAME.model_copy(update={"learning": {**GAME.learning, "label_smoothing": 0.1}})
    assert GAME.learning == {"packing": 2, "feature_matching": True}


def test_another_learner_takes_over_the_settings_that_it_has() -> None:
    found = treated(GAME, {LEARNER: "unrolled", "unrolled": 7})
    assert found is not None
    assert (found.family, found.learner, found.learning) == ("gan", "unrolled", {"packing": 2, "unrolled": 7})


@pytest.mark.parametrize("changes", [{LEARNER: "em"}, {LEARNER: "none such"}, {"packing": 0}, {"no setting": 1}])
def test_what_cannot_be_set_is_not_offered(changes: dict[str, object]) -> None:
    assert treated(GAME, changes) is None


def test_a_button_says_whether_the_run_goes_on_or_begins_anew() -> None:
    assert title_of("packing", {"packing": 2, ANEW: True}) == "Train anew with packing"
    assert title_of("smoothing", {"label_smoothing": 0.1}) == "Branch with smoothing"
    assert begins_anew({ANEW: True})
    assert not begins_anew({ANEW: False})


def test_no_setting_has_the_name_of_a_word_that_ways_use() -> None:
    assert not {LEARNER, ANEW} & {name for learning in LEARNINGS for name in learning.settings.model_fields}
