"""A session of a game: a broken player stops it, a collapsed one is found."""

from __future__ import annotations

import pytest
import torch
from contract import DATASETS, recipe
from torch import Tensor

from dgm_studio import metrics
from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.events import Checkpoint, Failed, Finding, Finished
from dgm_studio.metrics import Allowance
from dgm_studio.training import TrainingSession
from models.learning import game_symptoms
from models.learning.game import Game
from models.spec import Batch

BROKEN_AT = 6


def config(learner: str, steps: int) -> RunConfig:
    made = recipe("gan", learner)
    model, learning = made.model.model_dump(), made.learner.model_dump()
    training = TrainingSettings(steps=steps, batch_size=16, device="cpu", seed=5)
    return RunConfig(family="gan", learner=learner, model=model, learning=learning, training=training)


@pytest.mark.parametrize("learner", ["non-saturating", "minimax", "unrolled"])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_player_that_is_no_number_any_more_stops_the_game_and_the_last_good_state_is_kept(
    learner: str, player: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, done = Game.step, [0]

    def breaking(self: Game, batch: Batch) -> dict[str, Tensor]:
        if done[0] == BROKEN_AT:
            with torch.no_grad():
                next(self.players()[player].parameters()).fill_(float("nan"))
        done[0] += 1
        return step(self, batch)

    monkeypatch.setattr(Game, "step", breaking)
    seen = list(TrainingSession(config(learner, 40), DATASETS["reals"], checkpoint_seconds=0).events())
    assert isinstance(seen[-1], Failed)
    assert seen[-1].kind == "diverged"
    assert "was kept" in seen[-1].text
    kept = [event for event in seen if isinstance(event, Checkpoint)][-1]
    assert kept.step <= BROKEN_AT
    assert seen[-1].step == kept.step
    tensors = [*kept.state["model"].values(), *kept.state["learner"].values()]
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_a_collapsed_game_is_found_once_with_ways_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # examples far apart, all samples near 0
    x = DATASETS["reals"].train.x.repeat(3, 1) * 100
    split = Split(x, torch.zeros(len(x), dtype=torch.int64))
    data = Dataset(DATASETS["reals"].spec, split, split, split, Provenance("far"))
    for module, name, value in ((metrics, "SETTLED", 0), (game_symptoms, "SURE", 2.0)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(Game, "settled", lambda self: True)
    monkeypatch.setattr(Allowance, "due", lambda self: True)
    session = TrainingSession(config("non-saturating", 300), data)
    seen = [event for event in session.events() if isinstance(event, Finding | Finished)]
    assert [getattr(event, "kind", "") for event in seen] == ["mode collapse", ""]
    assert "packing of 2" in seen[0].changes
