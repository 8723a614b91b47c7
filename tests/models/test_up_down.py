"""The up-down algorithm of a deep belief network."""

from __future__ import annotations

import copy

import torch
from test_layerwise import SPEC, bars

from models.dbn import Dbn, DbnSettings
from models.learning.contrastive_divergence import FINAL_RATE
from models.learning.up_down import UpDown, UpDownSettings
from models.spec import Batch


def begun(seed: int = 0, labels: bool = False, third: int = 0, **settings: float) -> UpDown:
    torch.manual_seed(seed)
    model = Dbn(DbnSettings(first=6, second=12, third=third, labels=labels, sweeps=20), SPEC)
    learner = UpDown(model, UpDownSettings(**settings), SPEC, 100)
    learner.begin()
    return learner


def test_it_begins_with_greedy_layers_and_goes_on_with_both_phases() -> None:
    learner, phases = begun(layer_steps=2), []
    for _ in range(6):
        phases.append((learner.phase, set(learner.step(bars(20)))))
    assert [phase for phase, _ in phases] == ["layer 1 of 2"] * 2 + ["layer 2 of 2"] * 2 + ["up and down"] * 2
    assert "wake" not in phases[0][1]
    assert {"wake", "sleep"} <= phases[-1][1]
    assert begun(layer_steps=0).phase == "up and down"


def test_both_phases_are_delta_rules_between_what_was_drawn_and_what_was_predicted() -> None:
    learner = begun(layer_steps=0, third=4, learning_rate=0.1, decay=100, k=2)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.normal_(0, 0.5)
    batch = bars(30)
    before, state = copy.deepcopy(learner.model), torch.get_rng_state()
    learner.step(batch)
    first = copy.deepcopy(learner.model)
    learner.step(batch)
    # the same draws, by hand
    torch.set_rng_state(state)
    states = before._up(batch.x, 2, learned=3)
    v, h = states[0], states[1]
    machine = before.stack[0]
    predicted = (h @ machine.weight.t() + machine.visible_bias).sigmoid()
    change = 0.1 * (v - predicted).t() @ h / 30
    torch.testing.assert_close(first.stack[0].weight, machine.weight + change)
    torch.testing.assert_close(first.stack[0].visible_bias, machine.visible_bias + 0.1 * (v - predicted).mean(0))
    h, above = states[1], states[2]
    predicted = (above @ before.stack[1].weight.t() + before.stack[1].visible_bias).sigmoid()
    torch.testing.assert_close(first.stack[1].weight, before.stack[1].weight + 0.1 * (h - predicted).t() @ above / 30)
    # the sleep phase, from where the chains of the machine at the top ended
    top = before.stack[2]
    seen = states[2]
    hidden = top.draw_hidden(top.hidden_mean(seen))
    seen, mean = top.sweep(seen, hidden)
    seen, _ = top.sweep(seen, top.draw_hidden(mean))
    dream = [seen]
    for layer in (1, 0):
        p = (dream[-1] @ before.stack[layer].weight.t() + before.stack[layer].visible_bias).sigmoid()
        dream.append((torch.rand(p.shape) < p).float())
    h2, h1, x = dream
    for layer, (below, causes) in enumerate(((x, h1), (h1, h2))):
        predicted = (below @ before.recognition[layer] + before.stack[layer].hidden_bias).sigmoid()
        change = 0.1 * below.t() @ (causes - predicted) / 30
        torch.testing.assert_close(first.recognition[layer], before.recognition[layer] + change)
        bias = before.stack[layer].hidden_bias + 0.1 * (causes - predicted).mean(0)
        torch.testing.assert_close(first.stack[layer].hidden_bias, bias)
    assert torch.allclose(learner.learning_rate(), torch.tensor(0.1 * (1 - 2 * (1 - FINAL_RATE) / 100)))


def test_generation_and_recognition_part_and_the_likelihood_rises() -> None:
    learner = begun(layer_steps=150, learning_rate=0.1, decay=0)
    for step in range(700):
        learner.step(bars(100, seed=step))
        if step == 299:
            with torch.no_grad():
                greedy = learner.model.log_prob(bars(200, seed=9999).x).mean()
            assert torch.equal(learner.model.recognition[0], learner.model.stack[0].weight)
    assert not torch.allclose(learner.model.recognition[0], learner.model.stack[0].weight, atol=0.1)
    with torch.no_grad():
        assert learner.model.log_prob(bars(200, seed=9999).x).mean() > greedy + 0.4


def test_the_state_holds_each_machine_once() -> None:
    learner = begun(labels=True)
    assert not [key for key in learner.state_dict() if ".model." in key]
    assert len(list(learner.parameters())) == len(list(learner.model.parameters()))


def test_labels_that_are_hidden_are_filled_in() -> None:
    learner = begun(labels=True, layer_steps=0)
    batch = bars(20)
    for _ in range(3):
        reported = learner.step(Batch(batch.x, torch.full((20,), -1), batch.index))
    assert all(value.isfinite() for value in reported.values())
