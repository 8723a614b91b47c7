"""Fine-tuning: a deep belief network's recognition weights as the start of a classifier."""

from __future__ import annotations

import math

import pytest
import torch
from test_layerwise import SHAPE, SPEC, bars
from torch import Generator, Tensor

from models.capabilities import Classifies
from models.catalog import Recipe
from models.dbn import Dbn, DbnSettings
from models.learning.fine_tune import FineTune, FineTuneSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData


def begun(seed: int = 0, labels: bool = False, examples: int = 1000, **settings: float) -> FineTune:
    torch.manual_seed(seed)
    model = Dbn(DbnSettings(first=6, second=12, labels=labels, sweeps=20), SPEC)
    learner = FineTune(model, FineTuneSettings(**settings), SPEC, examples)
    learner.begin()
    return learner


def fed(learner: FineTune, steps: int, examples: Batch, size: int = 20) -> None:
    """Minibatches of `examples` in an order of their own."""
    order = torch.randperm(len(examples.x), generator=Generator().manual_seed(0))
    for step in range(steps):
        places = order[(torch.arange(size) + step * size) % len(order)]
        learner.step(Batch(examples.x[places], examples.y[places], examples.index[places]))


@pytest.mark.parametrize("labels", [False, True])
def test_the_classifier_begins_as_the_recognition_of_the_model(labels: bool) -> None:
    learner = begun(labels=labels, layer_steps=3)
    fed(learner, 6, bars(100))
    assert learner.phase == "fine-tuning"
    model, x = learner.model, bars(30, seed=1).x
    h = (x.flatten(1) @ model.recognition[0] + model.stack[0].hidden_bias).sigmoid()
    h = (h @ model.stack[1].weight[:6] + model.stack[1].hidden_bias).sigmoid()
    logits = h @ learner.network.head.weight.t() + learner.network.head.bias
    torch.testing.assert_close(learner.class_log_prob(x), logits.log_softmax(1))
    torch.testing.assert_close(
        model.features(x) @ model.recognition_layers()[1][0].t(),
        ((x.flatten(1) @ model.recognition[0] + model.stack[0].hidden_bias).sigmoid() @ model.stack[1].weight[:6]),
    )


def test_the_model_stays_as_it_was_learned_without_labels() -> None:
    learner = begun(layer_steps=3)
    fed(learner, 6, bars(100))
    before = {name: p.clone() for name, p in learner.model.named_parameters()}
    start = learner.network.layers[0].weight.clone()
    fed(learner, 5, bars(100))
    assert all(torch.equal(before[name], p) for name, p in learner.model.named_parameters())
    assert not torch.equal(learner.network.layers[0].weight, start)


def test_it_learns_to_tell_classes_apart() -> None:
    learner = begun(layer_steps=100, learning_rate=0.02)
    fed(learner, 500, bars(400))
    held = bars(200, seed=1)
    with torch.no_grad():
        found = learner.held_out(held, Generator())
    assert found["error"] < 0.05
    assert isinstance(learner, Classifies)
    assert (learner.class_log_prob(held.x).argmax(1) != held.y).float().mean() == found["error"]


def test_from_random_weights_nothing_is_copied() -> None:
    learner = begun(layer_steps=0)
    weight, model = learner.network.layers[0].weight.clone(), learner.model.stack[0].weight.clone()
    assert learner.phase == "fine-tuning"
    learner.step(bars(20))
    assert (learner.network.layers[0].weight - weight).abs().max() < 0.01  # one step of Adam
    assert torch.equal(learner.model.stack[0].weight, model)


def test_only_examples_with_a_label_count() -> None:
    learner, batch = begun(layer_steps=0), bars(20)
    hidden = torch.where(torch.arange(20) < 12, batch.y, -1)
    with torch.no_grad():
        some = learner.held_out(Batch(batch.x, hidden, batch.index), Generator())
        alone = learner.held_out(Batch(batch.x[:12], batch.y[:12], batch.index[:12]), Generator())
        none = learner.held_out(Batch(batch.x, torch.full((20,), -1), batch.index), Generator())
    torch.testing.assert_close(some, alone)
    assert all(value == 0 for value in none.values())
    assert alone["cross_entropy"] == pytest.approx(
        -learner.class_log_prob(batch.x[:12])[range(12), batch.y[:12]].mean().item()
    )


def kept(learner: FineTune) -> list[tuple[int, Tensor]]:
    filled = learner.kept_y >= 0
    return list(zip(learner.kept_y[filled].tolist(), learner.kept_x[filled], strict=True))


def test_so_many_labels_of_each_class_are_kept_and_no_others() -> None:
    learner, examples = begun(layer_steps=2, labels_per_class=4), bars(200)
    fed(learner, 1, examples)
    fed(learner, 30, examples)
    assert learner.kept.tolist() == [4, 4, 4]
    chosen = kept(learner)
    assert sorted(y for y, _ in chosen) == [0] * 4 + [1] * 4 + [2] * 4
    order = torch.randperm(200, generator=Generator().manual_seed(0))
    for k in range(3):  # the first that came
        first = [examples.x[i] for i in order if examples.y[i] == k][:4]
        assert all(torch.equal(a, b) for a, b in zip(first, [x for y, x in chosen if y == k], strict=True))
    again = [x.clone() for _, x in chosen]
    fed(learner, 20, bars(200, seed=5))
    assert all(torch.equal(a, b) for a, (_, b) in zip(again, kept(learner), strict=True))
    many = Batch(*(torch.cat([part] * 3) for part in (examples.x, examples.y, examples.index)))
    x, y = learner.known(many)
    assert {tuple(row.flatten().tolist()) for row in x} <= {tuple(row.flatten().tolist()) for row in again}
    assert set(y.tolist()) == {0, 1, 2}


def test_an_example_that_comes_again_is_kept_once_and_hidden_labels_never() -> None:
    learner, examples = begun(layer_steps=0, labels_per_class=50), bars(30)
    y = torch.where(torch.arange(30) % 2 == 0, examples.y, -1)
    fed(learner, 10, Batch(examples.x, y, examples.index))
    assert learner.kept.sum() == 15
    assert torch.equal(learner.kept, torch.bincount(y[y >= 0], minlength=3))


def test_before_any_label_was_seen_nothing_breaks() -> None:
    learner, examples = begun(layer_steps=0, labels_per_class=2), bars(20)
    reported = learner.step(Batch(examples.x, torch.full((20,), -1), examples.index))
    assert reported["cross_entropy"] == 0
    fed(learner, 2, examples)
    assert math.isfinite(learner.step(examples)["cross_entropy"])


def test_data_without_classes_are_refused_before_training() -> None:
    spec = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match="choose data with labels"):
        Recipe.read("dbn", "fine-tune", {}, {}).check(spec)
