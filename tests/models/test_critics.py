"""Critics that judge examples among others, and what keeps a discriminator from being sure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_game import PLANE, Gaussian, batch, game
from torch import Generator, Tensor

from models.capabilities import Shown, ShownAs
from models.learning.critics import KERNEL, Critic, CriticSettings, judge
from models.spec import DataSpec, Layout, Support, UnsuitableData

IMAGE = DataSpec((1, 4, 4), Support.UNIT, Layout.IMAGE)


def critic(**settings: Any) -> Critic:
    torch.manual_seed(0)
    return Critic(CriticSettings(**{"hidden": 6, "layers": 1, **settings}), ShownAs((2,)), PLANE)


def points(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=Generator().manual_seed(seed))


def test_a_pack_holds_an_example_and_those_after_it_and_the_batch_stays_full() -> None:
    packed = critic(packing=3, layers=0)
    weight = packed.head.weight.reshape(3, 2)
    for n in (7, 2, 1):
        x = points(n)
        expected = torch.stack(
            [sum(weight[j] @ x[(i + j) % n] for j in range(3)) + packed.head.bias[0] for i in range(n)]
        )
        assert torch.allclose(packed(Shown(x)), expected, atol=1e-6)


def test_codes_are_packed_with_their_examples() -> None:
    torch.manual_seed(0)
    packed = Critic(CriticSettings(packing=2, layers=0), ShownAs((2,), beside=3), PLANE)
    x, beside = points(5), torch.randn(5, 3)
    weight, bias = packed.head.weight[0], packed.head.bias[0]
    for i in range(5):
        j = (i + 1) % 5
        inputs = torch.cat([x[i], x[j], beside[i], beside[j]])
        assert torch.allclose(packed(Shown(x, beside))[i], weight @ inputs + bias, atol=1e-6)


def test_images_are_packed_as_channels() -> None:
    torch.manual_seed(0)
    settings = CriticSettings(packing=2, network="convolutional", channels=4, layers=2, hidden=6)
    packed = Critic(settings, ShownAs((1, 4, 4)), IMAGE)
    x = torch.rand(6, 1, 4, 4)
    alike = Shown(x[:1].expand(6, -1, -1, -1))
    assert torch.allclose(packed(alike), 2 * packed.alone(alike), atol=1e-6)
    assert not torch.allclose(packed(Shown(x)), 2 * packed.alone(Shown(x)), atol=1e-4)


def test_the_best_packed_critic_of_two_gaussians_says_alone_what_the_best_plain_one_says() -> None:
    # p = N((1, 0), I), q = N(0, I): log p/q = x₁ - ½, and of two independent examples the sum of both
    packed = critic(packing=2, layers=0)
    with torch.no_grad():
        packed.head.weight.copy_(torch.tensor([[1.0, 0.0, 1.0, 0.0]]))
        packed.head.bias.fill_(-1.0)
    x = points(20)
    assert torch.allclose(packed.alone(Shown(x)), x[:, 0] - 0.5, atol=1e-6)


def test_minibatch_features_are_mean_distances_to_the_others() -> None:
    near = critic(minibatch_features=3).closeness
    assert near is not None
    features = torch.randn(5, 6)
    found = near(features)
    compared = (features @ near.compare.weight.T).reshape(5, 3, KERNEL)
    for i in range(5):
        for k in range(3):
            others = [(-(compared[i, k] - compared[j, k]).abs().sum()).exp() for j in range(5) if j != i]
            assert torch.allclose(found[i, k], torch.stack(others).mean(), atol=1e-6)
    assert torch.allclose(near(features[:1].expand(4, -1)), torch.ones(4, 3)), "all alike"
    assert torch.equal(near(features[:1]), torch.zeros(1, 3)), "there are no others"


def test_minibatch_features_can_be_differentiated_twice() -> None:
    near = critic(minibatch_features=2).double().closeness
    assert near is not None
    features = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(near, features)
    assert torch.autograd.gradgradcheck(near, features)


@pytest.mark.parametrize("settings", [{"packing": 2}, {"minibatch_features": 2}, {}])
def test_data_are_judged_among_data_and_samples_among_samples(settings: dict[str, Any]) -> None:
    judging = critic(**settings)
    data, samples, others = Shown(points(6)), Shown(points(6, 1)), Shown(points(6, 2))
    on_data, on_samples = judge(judging, data, samples)
    again, on_others = judge(judging, data, others)
    assert torch.equal(on_data, again)
    assert torch.equal(on_samples, judge(judging, others, samples)[1])
    assert not torch.equal(on_samples, on_others)
    # and among its own kind an example is judged by the others, where there is something to see them by
    moved = Shown(torch.cat([data.x[:3], others.x[:3]]))
    assert torch.equal(on_data[:2], judge(judging, moved, samples)[0][:2]) == (settings != {"minibatch_features": 2})
    assert torch.equal(on_data[2], judge(judging, moved, samples)[0][2]) == (not settings)


def test_alone_an_example_is_judged_the_same_whatever_stands_beside_it() -> None:
    for settings in ({}, {"packing": 2}, {"minibatch_features": 2}):
        judging = critic(**settings)
        for i in range(300):
            judging(Shown(points(16, i)))
        judging.eval()
        x = points(8)
        assert torch.allclose(judging.alone(Shown(x))[:1], judging.alone(Shown(x[:1])), atol=1e-6)
        if not settings:
            assert torch.equal(judging(Shown(x)), judging.alone(Shown(x)))
        if judging.closeness is not None:
            features = judging.features(Shown(points(200)))
            usual = judging.closeness.usual.clone()
            assert torch.allclose(usual, judging.closeness(features).mean(0), rtol=0.15)
            assert torch.equal(usual, judging.closeness.usual), "looking changes nothing"


def test_with_one_sided_smoothing_the_best_discriminator_is_a_part_of_p_over_p_plus_q() -> None:
    learner = game(Gaussian(0.0), hidden=4, label_smoothing=0.2)
    p, q = torch.tensor([0.1, 0.5, 2.0]), torch.tensor([0.4, 0.5, 0.3])
    for smoothing, part in ((0.2, 0.8), (0.0, 1.0)):
        learner.settings = learner.settings.model_copy(update={"label_smoothing": smoothing})
        logit = torch.logit(part * p / (p + q)).requires_grad_()
        # the integrand of what it raises, at one place each: stationary there, and concave
        none = torch.zeros(3)
        raised = p * learner.raised(logit, none) + q * learner.raised(none, logit)
        (slope,) = torch.autograd.grad(raised.sum(), logit)
        assert torch.allclose(slope, none, atol=1e-6)


def test_smoothing_changes_what_is_learned_and_not_what_is_reported() -> None:
    reports, losses = [], []
    for smoothing in (0.0, 0.2):
        torch.manual_seed(0)
        learner = game(Gaussian(0.0), hidden=4, label_smoothing=smoothing)
        loss, reported = learner.discriminator_loss(batch(points(16) + 3))
        losses.append(loss)
        reports.append(reported["value"])
    assert torch.equal(*reports)
    assert not torch.equal(*losses)


def test_matched_features_pull_at_nothing_once_their_means_agree() -> None:
    torch.manual_seed(0)
    learner = game(Gaussian(0.0), hidden=8, feature_matching=True)
    x = points(32)
    for samples, still in ((x.flip(0), True), (x + 1, False)):
        samples = samples.clone().requires_grad_()
        loss, reported = learner.lowered(Shown(x), Shown(samples))
        (slope,) = torch.autograd.grad(loss, samples)
        found = loss.item()
        assert (slope.abs().max().item() < 1e-6) == still
        features = [learner.discriminator.features(Shown(each)).mean(0) for each in (x, samples)]
        expected = (features[0] - features[1]).square().sum().detach()
        assert found == reported["features"].item() == pytest.approx(expected.item(), abs=1e-9)
    assert "features" not in game(Gaussian(0.0), hidden=8).step(batch(x))


def test_a_recurrent_critic_is_torchs_lstm_and_can_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    sequences = DataSpec((5, 3), Support.REALS, Layout.SEQUENCE)
    made = Critic(CriticSettings(network="recurrent", hidden=4, layers=2), ShownAs((5, 3)), sequences).double()
    torchs = torch.nn.LSTM(3, 4, 2, batch_first=True).double()
    order = torch.cat([torch.arange(i, i + 4) for i in (8, 4, 12, 0)])  # theirs are i, f, g, o; ours o, f, i, g
    with torch.no_grad():
        for layer in range(2):
            getattr(torchs, f"weight_ih_l{layer}").copy_(made.body.inputs[layer].weight[order])
            getattr(torchs, f"bias_ih_l{layer}").copy_(made.body.inputs[layer].bias[order])
            getattr(torchs, f"weight_hh_l{layer}").copy_(made.body.before[layer].weight[order])
            getattr(torchs, f"bias_hh_l{layer}").zero_()
    x = torch.randn(6, 5, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(made.features(Shown(x)), torchs(x)[0][:, -1])
    assert torch.autograd.gradgradcheck(lambda x: made(Shown(x)), x[:2].detach().requires_grad_())
    rows = Critic(CriticSettings(network="recurrent", hidden=4), ShownAs((2, 5, 3)), IMAGE)
    image = torch.rand(2, 2, 5, 3)
    assert rows.body.inputs[0].in_features == 6
    assert not torch.allclose(rows(Shown(image)), rows(Shown(image.flip(2))))  # the order of rows tells
    with pytest.raises(UnsuitableData, match="A recurrent discriminator judges images and sequences"):
        Critic.check(CriticSettings(network="recurrent"), PLANE)
