"""A discriminator that tells classes apart: what its definition says, and that hidden labels stay hidden."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract import DATASETS, TRAIN, draws
from torch import Tensor
from torch.nn import functional as F

from models.capabilities import Classifies, HasDiscriminator
from models.catalog import Recipe
from models.learning.semi_supervised import SemiSupervised, log_sum
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

DATA = DATASETS["unit"]
NOISELESS = {"input_noise": 0.0, "hidden_noise": 0.0}


def learner(seed: int = 0, **settings: Any) -> SemiSupervised:
    torch.manual_seed(seed)
    model = {"latent": 3, "hidden": 8, "layers": 1}
    recipe = Recipe.read("semi-supervised-gan", "semi-supervised", model, {"hidden": 8, **settings})
    made = recipe.build(DATA.spec, TRAIN)
    assert isinstance(made, SemiSupervised)
    made.begin()
    return made


def everything(y: Tensor = DATA.train.y) -> Batch:
    return Batch(DATA.train.x, y, torch.arange(TRAIN))


def test_the_logit_of_data_is_that_of_a_softmax_with_one_class_more_held_at_0() -> None:
    logits = 5 * torch.randn(200, 10, generator=draws(), dtype=torch.float64)
    beside = torch.cat([logits, torch.zeros(200, 1, dtype=torch.float64)], 1).softmax(1)
    z = logits.exp().sum(1)
    torch.testing.assert_close(log_sum(logits).sigmoid(), z / (z + 1), atol=1e-9, rtol=0)
    torch.testing.assert_close(log_sum(logits).sigmoid(), 1 - beside[:, -1], atol=1e-6, rtol=0)
    given_data = beside[:, :-1] / beside[:, :-1].sum(1, keepdim=True)
    torch.testing.assert_close(logits.softmax(1), given_data)


def test_its_losses_are_those_of_the_definition() -> None:
    made, batch = learner(labels_per_class=0, unlabelled_weight=0.5, **NOISELESS), everything()
    torch.manual_seed(1)
    loss, reported = made.discriminator_loss(batch)
    torch.manual_seed(1)
    samples = made.model.show_samples(batch).x
    logits, of_samples = made.discriminator(batch.x), made.discriminator(samples)
    z, of_sample = logits.exp().sum(1), of_samples.exp().sum(1)
    value = (z / (z + 1)).log() + (1 / (of_sample + 1)).log()
    torch.testing.assert_close(loss, F.cross_entropy(logits, batch.y) - 0.5 * value.mean())
    torch.testing.assert_close(reported["value"].mean(), value.mean())
    torch.manual_seed(1)
    matched, _ = made.generator_loss(batch)
    f = [made.discriminator.features(x).mean(0) for x in (batch.x, samples)]
    torch.testing.assert_close(matched, (f[0] - f[1]).square().sum())
    fooled = learner(labels_per_class=0, goal="non-saturating", **NOISELESS)
    torch.manual_seed(1)
    torch.testing.assert_close(
        fooled.generator_loss(batch)[0], -(log_sum(fooled.discriminator(samples)).sigmoid().log().mean())
    )


def test_hidden_labels_change_no_bit() -> None:
    """Once there is room for no more, whatever the others are."""
    states = []
    for other in (None, 0, -1):
        made = learner(labels_per_class=2)
        made.step(everything())
        assert made.kept.tolist() == [2, 2, 2]
        y = DATA.train.y.clone()
        hidden = torch.ones(TRAIN, dtype=torch.bool)
        for x in made.kept_x[:-1]:
            hidden &= (DATA.train.x != x).flatten(1).any(1)
        if other == 0:
            y[hidden] = y[hidden][torch.randperm(int(hidden.sum()), generator=draws())]
        elif other == -1:
            y[hidden] = -1
        assert other is None or (y != DATA.train.y).any()
        for _ in range(4):
            made.step(everything(y))
        states.append(made.state_dict())
    for state in states[1:]:
        assert all(torch.equal(state[key], states[0][key]) for key in state)


def test_labels_alone_are_learned_from_as_by_any_classifier() -> None:
    """Without the game it is the cross-entropy, step after step of Adam."""
    made = learner(labels_per_class=0, unlabelled_weight=0.0, **NOISELESS)
    plain = made.new_classifier()
    plain.load_state_dict(made.discriminator.state_dict())
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for _ in range(5):
        made.step(everything())
        optimizer.zero_grad()
        F.cross_entropy(plain(DATA.train.x), DATA.train.y).backward()
        optimizer.step()
    for a, b in zip(plain.parameters(), made.discriminator.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_where_mean_features_agree_the_generator_has_no_gradient() -> None:
    made, batch = learner(**NOISELESS), everything()
    samples = batch.x.flip(0).clone().requires_grad_()  # the same mean, in another order
    (slope,) = torch.autograd.grad(made._distance(batch.x, samples), samples)
    assert slope.abs().max() < 1e-6
    (away,) = torch.autograd.grad(made._distance(batch.x, samples * 0.5), samples)
    assert away.abs().max() > 1e-4


def test_noise_is_where_it_was_asked_for_and_classes_are_told_without_it() -> None:
    made, x = learner(), DATA.valid.x
    classifier = made.discriminator
    assert torch.equal(classifier(x), classifier(x))
    one, other = (classifier.while_learning(x, draws(seed)) for seed in (0, 1))
    assert not torch.equal(one, other)
    assert torch.equal(one, classifier.while_learning(x, draws(0)))
    quiet = learner(**NOISELESS).discriminator
    torch.testing.assert_close(quiet.while_learning(x), quiet(x))
    zeros = torch.zeros(20_000, 1, 3, 3)
    spoilt = classifier._spoilt(zeros, 0, draws())
    assert spoilt.std() == pytest.approx(0.6, rel=0.02)  # 0.3 of values in 0…1, which it sees in -1…1


def test_classes_are_told_by_the_average_and_improve() -> None:
    made = learner(labels_per_class=4, classifier_average=0.9)
    assert isinstance(made, Classifies)
    assert isinstance(made, HasDiscriminator)
    before = made.held_out(everything(), draws())["error"]
    for _ in range(150):
        made.step(everything())
    after = made.held_out(everything(), draws())
    assert after["error"] < min(before, torch.tensor(0.1))
    said = made.class_log_prob(DATA.train.x)
    torch.testing.assert_close(said, made.steady(DATA.train.x).log_softmax(1))
    assert (said.argmax(1) != DATA.train.y).float().mean() == pytest.approx(after["error"].item())
    x, y = made.labelled()
    assert len(x) == 12
    assert torch.bincount(y).tolist() == [4, 4, 4]
    latest = learner(labels_per_class=4, classifier_average=0.0)
    latest.step(everything())
    assert torch.equal(latest.steady.head.weight, latest.discriminator.head.weight)


def test_samples_that_leave_out_data_are_told_with_what_can_be_done_here() -> None:
    made = learner()
    made.settled = lambda: True  # type: ignore[method-assign]
    made.average.decode = lambda z: torch.zeros(len(z), 1, 3, 3)
    many = Batch(DATA.train.x.repeat(10, 1, 1, 1), DATA.train.y.repeat(10), torch.arange(TRAIN).repeat(10))
    found = made.diagnose(many, draws())
    assert found is not None
    assert "classifier" in found.remedy
    for change in found.changes.values():
        assert set(change) <= set(type(made.settings).model_fields)
    assert found.changes
    made = learner(goal="non-saturating")
    assert not made.against_collapse()


def test_data_without_classes_are_refused_before_training() -> None:
    spec = DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match="choose data with labels"):
        Recipe.read("semi-supervised-gan", "semi-supervised", {}, {}).check(spec)
