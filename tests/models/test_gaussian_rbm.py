"""The Gaussian restricted Boltzmann machine, against the mixture of 2^H Gaussians that it is."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import (
    Anneals,
    HasFilters,
    HasFreeEnergy,
    HasHiddenLayers,
    LearnsInPhases,
    RunsChain,
    Samples,
    SamplesMeans,
    ScalesSteps,
    ScoresExactly,
    StartsFromData,
    SumsExactly,
    TooLarge,
)
from models.estimation.annealing import annealed_log_partition, reverse_log_prob
from models.estimation.enumeration import all_states
from models.estimation.progress import finish
from models.gaussian_rbm import GaussianRbm, GaussianRbmSettings
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SPEC = DataSpec((2,), Support.REALS, Layout.POINTS)


def make(hidden: int = 3, spec: DataSpec = SPEC, scale: float = 1.0) -> GaussianRbm:
    torch.manual_seed(1)
    model = GaussianRbm(GaussianRbmSettings(hidden=hidden), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
        model.log_variance.mul_(0.5).sub_(1)
        model.least_variance.fill_(0.1)
    return model


def mixture(model: GaussianRbm, temperature: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (2^H,), means (2^H, D) and variances (D,) of the mixture, from the definition of the energy: the weight
    of a hidden state is ∫ exp(-E(v, h) / T) dv, by completing the square at the mean."""
    h = torch.cat(list(all_states(model.hidden, model.weight)))
    variance = model.variance()
    means = model.visible_bias + h @ model.weight.t()
    at_mean = model.energy(means, h)  # where E is smallest in v
    log_weight = -at_mean / temperature + 0.5 * (2 * torch.pi * temperature * variance).log().sum()
    return log_weight, means, variance * temperature


def mixture_log_prob(model: GaussianRbm, x: Tensor) -> Tensor:
    log_weight, means, variance = mixture(model)
    gaussians = torch.distributions.Independent(torch.distributions.Normal(means, variance.sqrt().expand_as(means)), 1)
    return (log_weight.log_softmax(0) + gaussians.log_prob(x[:, None])).logsumexp(1)


def grid(half: float = 9.0, n: int = 180) -> tuple[Tensor, float]:
    at = torch.linspace(-half, half, n, dtype=torch.float64)
    return torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2), (2 * half / (n - 1)) ** 2


def moments(log_weight: Tensor, means: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    weights = log_weight.softmax(0)
    mean = weights @ means
    return mean, torch.einsum("k,kd,ke->de", weights, means, means) - mean.outer(mean) + variance.diag()


def assert_moments(x: Tensor, log_weight: Tensor, means: Tensor, variance: Tensor) -> None:
    mean, covariance = moments(log_weight, means, variance)
    error = (covariance.diag() / len(x)).sqrt()
    assert ((x.mean(0) - mean).abs() < 5 * error).all()
    assert ((torch.cov(x.t()) - covariance).abs() < 8 * error.outer(error) * len(x) ** 0.5).all()


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        Anneals, HasFilters, HasFreeEnergy, HasHiddenLayers, LearnsInPhases, RunsChain, Samples, SamplesMeans,
        ScalesSteps, ScoresExactly, StartsFromData, SumsExactly,
    ):  # fmt: skip
        assert issubclass(GaussianRbm, capability)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        (DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE), r"cannot model bits: .*real numbers.*binarisation: none"),
        (DataSpec((6, 2), Support.REALS, Layout.SEQUENCE), "choose points in a plane or vectors or images"),
        (DataSpec((1, 2, 3), Support.LEVELS, Layout.IMAGE, 4), r"binarisation: none"),
    ],
)
def test_bits_levels_and_sequences_are_refused_with_what_fits(spec: DataSpec, advice: str) -> None:
    with pytest.raises(UnsuitableData, match=advice):
        GaussianRbm.check(GaussianRbmSettings(), spec)


def test_its_density_is_the_mixture_and_integrates_to_one() -> None:
    model = make()
    x, cell = grid()
    with torch.no_grad():
        found = model.log_prob(x)
        torch.testing.assert_close(found, mixture_log_prob(model, x))
        assert found.exp().sum().item() * cell == pytest.approx(1, abs=1e-6)


def test_the_free_energy_sums_out_the_hidden_units() -> None:
    model = make()
    h = torch.cat(list(all_states(3, model.weight)))
    for x in torch.randn(5, 1, 2, dtype=torch.float64):
        summed = -(-model.energy(x.expand(len(h), 2), h)).logsumexp(0)
        assert model.free_energy(x).item() == pytest.approx(summed.item(), abs=1e-9)


def test_too_many_hidden_units_are_refused_with_the_limit() -> None:
    with pytest.raises(TooLarge, match=r"21 hidden units is a sum over 2²¹.*at most 20 hidden"):
        make(21).log_partition()


def test_conditionals_follow_from_the_energy() -> None:
    model, v = make(), torch.randn(4, 2, dtype=torch.float64)
    h = torch.cat(list(all_states(3, model.weight)))
    joint = torch.stack([-model.energy(row.expand(len(h), 2), h) for row in v])
    torch.testing.assert_close(model.hidden_mean(v), joint.softmax(1) @ h)
    torch.testing.assert_close(model.hidden_mean(v, 2.5), (joint / 2.5).softmax(1) @ h)
    # the energy is smallest in v at the conditional mean, and its curvature there is the precision
    mean = model.visible_mean(h).requires_grad_()
    (slope,) = torch.autograd.grad(model.energy(mean, h).sum(), mean, create_graph=True)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    (curvature,) = torch.autograd.grad(slope.sum(), mean)
    torch.testing.assert_close(curvature, (1 / model.variance()).expand_as(curvature))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@torch.no_grad()
def test_the_chain_leaves_the_mixture_as_it_is_and_temperature_widens_it(temperature: float) -> None:
    model = make(scale=0.7)
    log_weight, means, variance = mixture(model, temperature)
    generator, n = Generator().manual_seed(0), 40_000
    chosen = torch.multinomial(log_weight.softmax(0), n, replacement=True, generator=generator)
    noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    x = means[chosen] + noise * variance.sqrt()
    for _ in range(3):
        x = model.transition(x, temperature=temperature, generator=generator).x
    assert_moments(x, log_weight, means, variance)


@torch.no_grad()
def test_samples_have_the_mixtures_moments() -> None:
    model = make(scale=0.5)
    assert_moments(model.sample(20_000, Generator().manual_seed(0)), *mixture(model))


@torch.no_grad()
def test_statistics_of_an_endless_chain_are_the_likelihoods_gradient() -> None:
    model, x = make(), torch.randn(20, 2, dtype=torch.float64)
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.add_statistics(sums, x, model.hidden_mean(x), 1 / len(x))
    points, cell = grid()
    p = model.log_prob(points).exp() * cell
    for name, value in _expected(model, points, p).items():
        sums[name] -= value
    with torch.enable_grad():
        gradients = torch.autograd.grad(model.log_prob(x).mean(), list(model.parameters()))
    for (name, found), gradient in zip(sums.items(), gradients, strict=True):
        torch.testing.assert_close(found, gradient, atol=1e-6, rtol=1e-6, msg=name)


def _expected(model: GaussianRbm, points: Tensor, p: Tensor) -> dict[str, Tensor]:
    """Σ p(v) E[-∂E/∂θ | v], by automatic differentiation of the energy."""
    with torch.enable_grad():
        energy = (p * -model.energy(points, model.hidden_mean(points).detach())).sum()
        gradients = torch.autograd.grad(energy, list(model.parameters()))
    return dict(zip((name for name, _ in model.named_parameters()), gradients, strict=True))


@torch.no_grad()
def test_annealing_begins_at_the_datas_gaussian_and_ends_at_the_machine() -> None:
    model = make()
    data = torch.randn(500, 2, dtype=torch.float64) * torch.tensor([0.5, 2.0]) + 1
    base = model.annealed_base(data)
    x, cell = grid(12.0)
    first = model.annealed_log_prob(x, 0.0, base)
    assert (first.logsumexp(0) + torch.tensor(cell).log()).item() == pytest.approx(
        model.annealed_log_partition_base(base).item(), abs=1e-6
    )
    p = first.softmax(0)
    torch.testing.assert_close(p @ x, data.mean(0), atol=1e-6, rtol=0)
    torch.testing.assert_close(p @ (x - p @ x).square(), data.var(0, correction=0), atol=1e-5, rtol=0)
    torch.testing.assert_close(model.annealed_log_prob(x, 1.0, base), -model.free_energy(x))
    drawn = model.annealed_sample_base(20_000, base, Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), data.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(drawn.std(0), data.std(0), rtol=0.05, atol=0)


@torch.no_grad()
def test_annealed_transitions_leave_their_own_distribution_unchanged() -> None:
    model = make()
    base = model.annealed_base(torch.randn(500, 2, dtype=torch.float64))
    points, _ = grid()
    p = model.annealed_log_prob(points, 0.4, base).softmax(0)
    generator, n = Generator().manual_seed(0), 40_000
    x = points[torch.multinomial(p, n, replacement=True, generator=generator)]
    after = model.annealed_transition(x, 0.4, base, generator)
    mean, spread = p @ points, (p @ (points - p @ points).square()).sqrt()
    assert ((after.mean(0) - mean).abs() < 5 * spread / n**0.5).all()
    assert ((after.std(0) / spread - 1).abs() < 0.03).all()


@torch.no_grad()
def test_annealed_intervals_hold_the_exact_value_and_the_reverse_bound_is_near() -> None:
    model = make(6, DataSpec((5,), Support.REALS, Layout.VECTOR), scale=0.6).float()
    data = model.sample(2000, Generator().manual_seed(5))
    exact, hits = model.log_partition().item(), 0
    for seed in range(60):
        found = finish(annealed_log_partition(model, data, 40, 100, Generator().manual_seed(seed)))
        hits += found.low <= exact <= found.high
    assert hits >= 54  # of 60; 57 are expected
    bound = finish(reverse_log_prob(model, data[:300], data, 200, 5, Generator().manual_seed(0))).mean().item()
    value = model.log_prob(data[:300]).mean().item()
    assert value - 0.15 < bound < value + 0.05


# Learning.


def of_known_variance(n: int) -> Tensor:
    """Two places, with standard deviations 0.3 and 0.6 around them."""
    generator = Generator().manual_seed(0)
    place = torch.randint(2, (n, 1), generator=generator) * torch.tensor([[1.5, 0.0]]) + 10
    return place + torch.randn(n, 2, generator=generator) * torch.tensor([0.3, 0.6])


@pytest.mark.parametrize("kind", ["ml", "pcd"])
def test_variances_are_learned(kind: str) -> None:
    torch.manual_seed(0)
    x, model = of_known_variance(2000), GaussianRbm(GaussianRbmSettings(hidden=1), SPEC)
    learner = (
        MaximumLikelihood(model, MaximumLikelihoodSettings(learning_rate=0.03, decay=300), SPEC, len(x))
        if kind == "ml"
        else PersistentContrastiveDivergence(
            model, PersistentCdSettings(learning_rate=0.5, decay=300, weight_decay=0), SPEC, len(x)
        )
    )
    learner.begin()
    learner.step(batch_of(x))
    with torch.no_grad():  # the two places, so that only how wide they are is left to learn
        model.weight.copy_(torch.tensor([[1.5], [0.0]]))
        model.visible_bias.fill_(10)
    assert model.variance().sqrt()[0] > 0.6
    for _ in range(300):
        learner.step(batch_of(x))
    deviation = model.variance().sqrt()
    torch.testing.assert_close(deviation, torch.tensor([0.3, 0.6]), rtol=0.1, atol=0)


def test_learning_does_not_depend_on_the_datas_origin_and_scale() -> None:
    """Far away and in other units, the same learner finds the same density but for the change of variables."""
    found = []
    for scale, shift in ((1.0, 0.0), (100.0, 5000.0)):
        torch.manual_seed(0)
        x, model = (of_known_variance(500) - 10) * scale + shift, GaussianRbm(GaussianRbmSettings(hidden=4), SPEC)
        learner = PersistentContrastiveDivergence(model, PersistentCdSettings(weight_decay=0), SPEC, len(x))
        learner.begin()
        for _ in range(300):
            learner.step(batch_of(x))
        found.append(model.log_prob(x).mean().item() + 2 * torch.tensor(scale).log().item())
    assert found[0] == pytest.approx(found[1], abs=0.02)


def test_a_coordinate_that_never_changes_leaves_everything_finite() -> None:
    torch.manual_seed(0)
    x = torch.cat([of_known_variance(200), torch.full((200, 1), 7.0)], 1)
    spec = DataSpec((3,), Support.REALS, Layout.VECTOR)
    model = GaussianRbm(GaussianRbmSettings(hidden=4), spec)
    learner = PersistentContrastiveDivergence(model, PersistentCdSettings(decay=0), spec, len(x))
    learner.begin()
    for _ in range(300):
        learner.step(batch_of(x))
    assert all(tensor.isfinite().all() for tensor in learner.state_dict().values())
    assert model.sample(10, Generator().manual_seed(0))[:, 2].sub(7).abs().max() < 0.25


def test_a_value_that_no_example_had_so_far_costs_a_bounded_number_of_nats() -> None:
    """A pixel that is black in the first batch, as at the border of digits, and then is not."""
    torch.manual_seed(0)
    black = torch.cat([of_known_variance(100) - 10, torch.zeros(100, 1)], 1)
    bright = black + torch.tensor([0, 0, 0.75])
    spec = DataSpec((3,), Support.REALS, Layout.VECTOR)
    model = GaussianRbm(GaussianRbmSettings(hidden=4, narrowest=0.1), spec)
    learner = PersistentContrastiveDivergence(model, PersistentCdSettings(), spec, len(black))
    learner.begin()
    usual = black.var(0, correction=0).mean()
    for _ in range(100):
        learner.step(batch_of(black))
        assert (model.variance() >= 0.99 * 0.1**2 * usual).all()
    rise = (model.free_energy(bright) - model.free_energy(black)).max()
    assert rise < 1.5 * (0.75 / 0.1) ** 2 / (2 * usual)  # without a limit of σ: 100 times as much
    learner.step(batch_of(bright))
    assert 0.1 * usual.sqrt() < model.variance()[2].sqrt() < 0.75


def test_chains_are_near_the_data_from_the_first_step() -> None:
    torch.manual_seed(0)
    x, model = of_known_variance(200), GaussianRbm(GaussianRbmSettings(hidden=4), SPEC)
    learner = PersistentContrastiveDivergence(model, PersistentCdSettings(learning_rate=1e-6), SPEC, 200)
    learner.begin()
    learner.step(batch_of(x))
    assert (learner.chains().mean(0) - x.mean(0)).abs().max() < 2
    before = model.visible_bias.clone()
    learner.step(batch_of(x + 50))  # only the first batch is started from
    torch.testing.assert_close(model.visible_bias, before, atol=1e-3, rtol=0)
