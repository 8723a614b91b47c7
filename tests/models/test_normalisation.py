"""Normalisation in dense networks, in discriminators and of weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from contract import DATASETS, TRAIN, draws
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from models.capabilities import Shown, ShownAs
from models.catalog import Recipe
from models.learning.base import Learner
from models.learning.critics import Critic, CriticSettings, judge
from models.normalisation import BatchNormalisation, WeightNormalised
from models.perceptron import fit, start_anew
from models.settings import SettingsError
from models.spec import Batch, DataSpec, Layout, Support

DATA = DATASETS["unit"]
PLANE = DataSpec((2,), Support.REALS, Layout.POINTS)
BATCH: dict[str, Any] = {"normalisation": "batch"}
JUDGED: dict[str, Any] = {"batch_normalisation": True}


def made(family: str, rule: str, model: dict[str, Any], learning: dict[str, Any], seed: int = 0) -> Learner:
    torch.manual_seed(seed)
    recipe = Recipe.read(family, rule, {"hidden": 8, "latent": 3} | model, {"hidden": 8, "layers": 2} | learning)
    learner = recipe.build(DATA.spec, TRAIN)
    learner.begin()
    return learner


def everything() -> Batch:
    return Batch(DATA.train.x, DATA.train.y, torch.arange(TRAIN))


def test_a_dense_network_is_normalised_as_torch_does_it() -> None:
    learner = made("gan", "non-saturating", BATCH, {})
    network, z = learner.model.generator, torch.randn(20, 3)
    first, normalised = network[0], network[1]
    assert first.bias is None  # which normalisation would take away
    assert network[-1].bias is not None
    torchs = nn.BatchNorm1d(8)
    torch.testing.assert_close(normalised(first(z)), torchs(first(z)))
    torch.testing.assert_close(normalised.variance, torchs.running_var)
    kinds = [type(layer) for layer in network]
    assert kinds == [*[nn.Linear, BatchNormalisation, nn.ReLU] * 2, nn.Linear]


@pytest.mark.parametrize("family", ["gan", "bigan"])
@torch.no_grad()
def test_what_is_shown_does_not_depend_on_what_is_shown_beside_it(family: str) -> None:
    learner = made(family, "non-saturating", BATCH, JUDGED)
    with torch.enable_grad():
        for _ in range(3):
            learner.step(everything())
    learner.eval()
    model, z = learner.sampler(), torch.randn(9, 3)
    torch.testing.assert_close(model.decode(z)[:2], model.decode(z[:2]))  # type: ignore[operator]
    x = DATA.valid.x
    torch.testing.assert_close(learner.discriminate(x)[:2], learner.discriminate(x[:2]))  # type: ignore[operator]
    if family == "bigan":
        torch.testing.assert_close(model.encode(x).mean[:2], model.encode(x[:2]).mean)  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (6, 2)])
def test_a_discriminator_judges_data_and_samples_by_their_own_statistics(shape: tuple[int, ...]) -> None:
    network = "dense" if len(shape) == 1 else "convolutional"
    settings = CriticSettings(hidden=6, layers=2, channels=4, network=network, **JUDGED)
    critic = Critic(settings, ShownAs(shape), PLANE)
    assert sum(isinstance(layer, BatchNormalisation) for layer in critic.modules()) == 1  # not the first layer
    data, samples = Shown(torch.randn(7, *shape)), Shown(3 + torch.randn(7, *shape))
    on_data, on_samples = judge(critic, data, samples)
    torch.testing.assert_close(on_data, critic(data))
    torch.testing.assert_close(on_samples, critic(samples))


def test_a_critic_with_a_bound_on_its_slope_cannot_have_it() -> None:
    with pytest.raises(SettingsError, match="leave it at False"):
        made("gan", "wasserstein", {}, JUDGED)


class TestWeightNormalised:
    def test_it_is_torchs(self) -> None:
        ours, x = WeightNormalised(3, 4, scale_learns=True), torch.randn(6, 3)
        ours.start_from(torch.randn(50, 3))
        torchs = weight_norm(nn.Linear(3, 4))
        torchs.load_state_dict(
            {
                "bias": ours.bias.data,
                "parametrizations.weight.original0": ours.scale.data.unsqueeze(1),
                "parametrizations.weight.original1": ours.direction.data,
            }
        )
        torch.testing.assert_close(ours(x), torchs(x))
        assert {name for name, _ in ours.named_parameters()} == {"direction", "bias", "scale"}
        assert {name for name, _ in WeightNormalised(3, 4).named_parameters()} == {"direction", "bias"}

    def test_data_choose_its_scale_with_the_noise_they_will_have(self) -> None:
        layer, x = WeightNormalised(5, 3).double(), 2 + torch.randn(4000, 5, generator=draws(), dtype=torch.float64)
        layer.start_from(x)
        seen = layer(x)
        torch.testing.assert_close(seen.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
        torch.testing.assert_close(seen.var(0, unbiased=False), torch.ones(3, dtype=torch.float64), atol=1e-4, rtol=0)
        layer.start_from(x, 4.0)
        seen = layer(x + 2 * torch.randn(x.shape, generator=draws(1), dtype=x.dtype))
        torch.testing.assert_close(seen.var(0), torch.ones(3, dtype=torch.float64), atol=0.08, rtol=0)

    def test_only_directions_count(self) -> None:
        layer, x = WeightNormalised(5, 3), torch.randn(4, 5)
        before = layer(x)
        with torch.no_grad():
            layer.direction.mul_(7)
        torch.testing.assert_close(layer(x), before)


NORMALISED = {"weight_normalisation": True, "labels_per_class": 2}


def test_a_classifier_takes_its_scale_from_the_first_minibatch_and_keeps_it() -> None:
    learner: Any = made("semi-supervised-gan", "semi-supervised", BATCH, NORMALISED)
    learner.step(everything())
    scales = [layer.scale.clone() for layer in learner.discriminator.layers]
    assert all((scale != 1).all() for scale in scales)
    learner.step(Batch(0.1 * DATA.train.x, DATA.train.y, torch.arange(TRAIN)))
    for layer, averaged, scale in zip(learner.discriminator.layers, learner.steady.layers, scales, strict=True):
        assert torch.equal(layer.scale, scale)
        assert torch.equal(averaged.scale, scale)
    x = DATA.train.x
    quiet: Any = made("semi-supervised-gan", "semi-supervised", {}, NORMALISED | {"input_noise": 0, "hidden_noise": 0})
    quiet.discriminator.start_from(x, TRAIN)
    torch.testing.assert_close(quiet.discriminator(x).std(0, unbiased=False), torch.ones(3), atol=0.01, rtol=0)


def test_it_goes_on_as_if_nothing_had_happened() -> None:
    """A learner made anew takes the state, and not the scale of the minibatch that comes then."""
    one, other = (made("semi-supervised-gan", "semi-supervised", BATCH, NORMALISED, seed) for seed in (0, 1))
    one.step(everything())
    other.load_state_dict(one.state_dict())
    for name, optimizer in one.optimizers.items():
        other.optimizers[name].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for learner in (one, other):
        torch.manual_seed(5)
        learner.step(Batch(0.5 * DATA.train.x, DATA.train.y, torch.arange(TRAIN)))
    left, right = one.state_dict(), other.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_classifier_of_its_own_begins_by_data_too_and_by_its_own_generator() -> None:
    learner: Any = made("semi-supervised-gan", "semi-supervised", {}, NORMALISED)
    weights: list[Tensor] = []
    for _ in range(2):
        network = learner.new_classifier()
        start_anew(network, draws())
        for _ in fit(network, DATA.train.x, DATA.train.y, 1, 8, 1e-3, 0.0, draws(1)):
            pass
        weights.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
        assert network.started == 1
    assert torch.equal(*weights)
