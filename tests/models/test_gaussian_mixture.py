"""The Bayesian mixture of Gaussians against closed forms, quadrature and scikit-learn."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.conjugate import dirichlet_kl, expected_log_determinant, features, moments, quadratic, wishart_kl
from models.gaussian_mixture import GaussianMixture, GaussianMixtureSettings
from models.learning.conjugate_vi import CoordinateAscent, StochasticVi, StochasticViSettings
from models.learning.frames import FrameStore
from models.settings import NoSettings, SettingsError, read_settings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData


def clusters(n: int = 600, dimensions: int = 2, seed: int = 0) -> Tensor:
    """Three Gaussians of different shapes, away from the origin."""
    generator = Generator().manual_seed(seed)
    which = torch.arange(n) % 3
    roots = 0.4 * torch.randn(3, dimensions, dimensions, generator=generator)
    places = 3 * torch.randn(3, dimensions, generator=generator) + 5
    noise = torch.randn(n, dimensions, 1, generator=generator)
    return places[which] + (roots[which] @ noise).squeeze(-1) + 0.1 * noise.squeeze(-1)


def mixture(x: Tensor, **settings: Any) -> GaussianMixture:
    torch.manual_seed(0)
    spec = DataSpec((x.shape[1],), Support.REALS, Layout.VECTOR)
    return GaussianMixture(GaussianMixtureSettings(**settings), spec).double()


def whole(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index * 0 - 1, index)


def ascend(model: GaussianMixture, x: Tensor, steps: int, begun: bool = False) -> list[float]:
    """The bound at each step; from where the model is when `begun`."""
    learner = CoordinateAscent(model, NoSettings(), DataSpec((x.shape[1],), Support.REALS, Layout.VECTOR), len(x))
    learner.steps += begun
    return [learner.step(whole(x))["elbo"].item() for _ in range(steps)]


def bound(model: GaussianMixture, x: Tensor) -> float:
    return model.evidence_bound(model.local_statistics(x)["local_bound"]).item()


def test_one_component_has_the_exact_posterior_so_that_the_bound_is_the_evidence() -> None:
    """log p(X) under a Normal-Wishart prior: Murphy (2007), "Conjugate Bayesian analysis of the Gaussian"."""
    x = clusters(50, 3).double()
    model = mixture(x, components=1, mean_strength=0.7, covariance_strength=2.5)
    ascend(model, x, 2)
    n, d = x.shape
    kappa, nu, scatter = model.settings.mean_strength, model.prior_degrees, model.prior_variance.diag()
    centre = x - x.mean(0)
    away = (x.mean(0) - model.prior_mean)[:, None]
    posterior = scatter + centre.T @ centre + kappa * n / (kappa + n) * away @ away.T
    gammas = torch.mvlgamma(torch.tensor([nu / 2, (nu + n) / 2], dtype=torch.float64), d)
    evidence = (
        -n * d / 2 * math.log(math.pi)
        + d / 2 * math.log(kappa / (kappa + n))
        + nu / 2 * scatter.logdet()
        - (nu + n) / 2 * posterior.logdet()
        + gammas[1]
        - gammas[0]
    )
    assert bound(model, x) == pytest.approx(evidence.item(), abs=1e-7)


def test_coordinate_ascent_never_lowers_the_bound() -> None:
    x = clusters(300).double()
    values = ascend(mixture(x, components=6), x, 150)
    assert values[-1] > values[0]
    assert min(b - a for a, b in pairwise(values)) >= -1e-12


def test_in_single_precision_the_bound_falls_by_no_more_than_rounding() -> None:
    x = clusters(300)
    values = ascend(mixture(x, components=6).float(), x, 150)
    assert min(b - a for a, b in pairwise(values)) >= -1e-6


@pytest.mark.filterwarnings("ignore:Singular sample")
def test_the_bound_is_what_sampling_from_the_factors_gives() -> None:
    """ELBO = E_q[log p(X, z, π, μ, Λ) - log q] with the examples' z summed as q(z) does, by draws of π, μ and Λ."""
    x = clusters(30).double()
    model = mixture(x, components=2, mean_strength=0.5)
    ascend(model, x, 3)
    torch.manual_seed(1)
    k, draws = 2, 4000
    dist = torch.distributions
    p = {name: value.detach() for name, value in model.named_parameters()}
    w = torch.cholesky_inverse(p["factor"])
    q_precision = dist.Wishart(p["degrees"], covariance_matrix=w)
    prior_precision = dist.Wishart(
        torch.tensor(model.prior_degrees).double(), covariance_matrix=(1 / model.prior_variance).diag()
    )
    q_pi, prior_pi = dist.Dirichlet(p["concentration"]), dist.Dirichlet(torch.full((k,), 0.1).double())
    pi, precision = q_pi.sample((draws,)), q_precision.sample((draws,))
    q_mean = dist.MultivariateNormal(p["mean"], precision_matrix=p["strength"][:, None, None] * precision)
    mean = q_mean.sample()
    prior = dist.MultivariateNormal(model.prior_mean, precision_matrix=0.5 * precision)
    global_terms = prior_pi.log_prob(pi) - q_pi.log_prob(pi)
    global_terms += (prior.log_prob(mean) - q_mean.log_prob(mean)).sum(1)
    global_terms += (prior_precision.log_prob(precision) - q_precision.log_prob(precision)).sum(1)
    of_each = dist.MultivariateNormal(mean[:, None], precision_matrix=precision[:, None]).log_prob(x[None, :, None])
    joint = of_each + pi.log()[:, None]
    expected = joint.mean(0)
    r = expected.softmax(1)
    local = (r * (joint - r.log())).sum((1, 2))
    total = local + global_terms
    error = total.std().item() / draws**0.5
    assert bound(model, x) == pytest.approx(total.mean().item(), abs=5 * error)
    assert error < 0.2


@pytest.mark.filterwarnings("ignore:Singular sample")
def test_the_divergences_are_those_of_torch() -> None:
    a, b = torch.tensor([0.3, 2.0, 5.0]).double(), torch.tensor([1.0, 0.5, 0.2]).double()
    dist = torch.distributions
    expected = dist.kl_divergence(dist.Dirichlet(a), dist.Dirichlet(b))
    assert dirichlet_kl(a, b).item() == pytest.approx(expected.item(), abs=1e-10)
    generator = Generator().manual_seed(0)
    factors = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64).tril() + 3 * torch.eye(3).double()
    degrees = torch.tensor([4.5, 7.0]).double()
    q, p = (dist.Wishart(v, precision_matrix=f @ f.T) for v, f in zip(degrees, factors, strict=True))
    found = wishart_kl(degrees[:1], factors[:1], degrees[1:], factors[1:])
    assert found.item() == pytest.approx(dist.kl_divergence(q, p).item(), abs=1e-9)
    torch.manual_seed(0)
    drawn = q.sample((20_000,)).logdet()
    expectation = expected_log_determinant(degrees[:1], factors[:1]).item()
    assert expectation == pytest.approx(drawn.mean().item(), abs=5 * drawn.std().item() / 20_000**0.5)


def test_quadratic_functions_are_products_with_the_features() -> None:
    generator = Generator().manual_seed(0)
    x, b = (torch.randn(n, 3, generator=generator, dtype=torch.float64) for n in (7, 2))
    a = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    a, c = a + a.mT, torch.tensor([0.5, -1.0]).double()
    direct = c[:, None] + b @ x.T + torch.einsum("ni,kij,nj->kn", x, a, x)
    assert torch.allclose(quadratic(c, b, a) @ features(x), direct)
    count, first, second = moments(torch.ones(1, 7).double() @ features(x).T)
    assert count.item() == 7
    assert torch.allclose(first[0], x.sum(0))
    assert torch.allclose(second[0], x.T @ x)


def test_the_density_integrates_to_one_and_samples_follow_it() -> None:
    x = clusters(300).double()
    x += 0.2 * torch.randn(x.shape, generator=Generator().manual_seed(1), dtype=x.dtype)  # no very narrow component
    model = mixture(x, components=4)
    ascend(model, x, 20)
    # rectangles: exact to rounding for smooth densities that vanish at the border
    low, high = (x.amin(0) - 8).tolist(), (x.amax(0) + 8).tolist()
    axes = [torch.linspace(a, b, 900, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    grid = torch.cartesian_prod(*axes)
    p = model.log_prob(grid).exp()
    area = math.prod((axis[1] - axis[0]).item() for axis in axes)
    assert p.sum().item() * area == pytest.approx(1, abs=1e-6)
    drawn = model.sample(20_000, Generator().manual_seed(0))
    for f in (lambda v: v, lambda v: v**2, lambda v: v[:, :1] * v[:, 1:]):
        expected, found = (f(grid) * p[:, None]).sum(0) * area, f(drawn)
        assert ((found.mean(0) - expected).abs() <= 5 * found.std(0) / 20_000**0.5).all()


def sklearn_pair(x: Tensor, k: int) -> tuple[GaussianMixture, Any]:
    """Ours and scikit-learn's with the same priors and the same first responsibilities, 40 rounds each."""
    from sklearn.mixture import BayesianGaussianMixture

    class Given(BayesianGaussianMixture):
        def _initialize_parameters(self, data: np.ndarray, random_state: object, **_: object) -> None:
            self._initialize(data, first.numpy())

    d = x.shape[1]
    first = torch.rand(len(x), k, generator=Generator().manual_seed(3), dtype=torch.float64).pow(4)
    first /= first.sum(1, keepdim=True)
    model = mixture(x, components=k, concentration=0.4, mean_strength=0.3, covariance_strength=1.5)
    model.prior_mean.copy_(x.mean(0))
    model.prior_variance.copy_(0.2 * x.var(0))
    sums = first.T @ features(x - model.prior_mean).T
    model.update_posterior({"moments": sums})
    theirs = Given(
        n_components=k,
        covariance_type="full",
        reg_covar=0,
        tol=0,
        max_iter=40,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=0.4,
        mean_precision_prior=0.3,
        mean_prior=x.mean(0).numpy(),
        degrees_of_freedom_prior=d + 2.5,
        covariance_prior=(0.2 * x.var(0)).diag().numpy(),
    )
    return model, theirs


@pytest.mark.parametrize("single", [True, False])
def test_coordinate_ascent_ends_where_scikit_learn_does(single: bool) -> None:
    x = clusters(500, 3).double()
    model, theirs = sklearn_pair(x, 4)
    with pytest.warns(Warning, match="converge"):
        theirs.fit(x.numpy())
    model = model.float() if single else model
    for _ in range(40):
        model.update_posterior(model.local_statistics(x.to(model.mean)))
    found = {
        "weight_concentration_": model.concentration,
        "mean_precision_": model.strength,
        "degrees_of_freedom_": model.degrees,
        "means_": model.mean,
        "covariances_": model.components().covariances,
    }
    for name, value in found.items():
        expected = torch.from_numpy(getattr(theirs, name))
        assert torch.allclose(value.double(), expected, rtol=1e-4, atol=1e-4), name


def test_expectation_maximisation_is_scikit_learns_and_never_lowers_the_likelihood() -> None:
    from sklearn.mixture import GaussianMixture as Theirs

    x = clusters(500, 3).double()
    x /= x.std(0, correction=0)  # so that a share of the variances is what scikit-learn adds to all
    model = mixture(x, components=3)
    torch.manual_seed(0)
    model.start_from(x, len(x))
    now = model.components()
    theirs = Theirs(
        3,
        reg_covar=1e-6,
        tol=0,
        max_iter=30,
        weights_init=now.weights.numpy(),
        means_init=now.means.numpy(),
        precisions_init=now.covariances.inverse().numpy(),
    )
    values = []
    for _ in range(30):
        statistics = model.expected_statistics(x)
        values.append(statistics["log_prob"].item())
        model.maximize(statistics)
    with pytest.warns(Warning, match="converge"):
        theirs.fit(x.numpy())
    found = model.components()
    assert np.allclose(found.weights, theirs.weights_, atol=1e-6)
    assert np.allclose(found.means, theirs.means_, atol=1e-6)
    assert np.allclose(found.covariances, theirs.covariances_, atol=1e-6)
    assert np.allclose(model.log_prob(x), theirs.score_samples(x.numpy()), atol=1e-6)
    # the ridge on the variances may cost a little of what a round gains
    assert min(b - a for a, b in pairwise(values)) >= -1e-3
    assert values[-1] > values[0]


def maximise(x: Tensor, steps: int, **settings: Any) -> tuple[GaussianMixture, list[float]]:
    """A mixture after expectation maximisation, and log p(x) of an example before each step."""
    model, values = mixture(x, **settings), []
    torch.manual_seed(0)
    model.start_from(x, len(x))
    for _ in range(steps):
        statistics = model.expected_statistics(x)
        values.append(statistics["log_prob"].item() / len(x))
        model.maximize(statistics)
    return model, values


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("again", [0, 5])
def test_a_component_on_a_single_point_stops_at_a_thousandth_of_the_datas_width(scale: float, again: int) -> None:
    x = torch.randn(12, 2, generator=Generator().manual_seed(0)).double()
    x = scale * torch.cat([x, x[:1].expand(again, -1)])
    model, values = maximise(x, 100, components=10)
    width = (model.components().covariances.diagonal(dim1=1, dim2=2) / x.var(0, correction=0)).sqrt()
    assert width.min() == pytest.approx(1e-3, rel=1e-3)
    assert values[-1] == pytest.approx(values[-20], abs=1e-6)  # it has come to rest
    assert values[-1] < -(1e-3 * x.std(0, correction=0)).log().sum()  # no density is above that of such a component
    assert min(b - a for a, b in pairwise(values)) >= -1e-3  # units do not matter
    unseen = scale * torch.randn(1000, 2, generator=Generator().manual_seed(1)).double()
    assert model.log_prob(unseen).mean() + 2 * math.log(scale) < -1e4  # where the harm is seen


def test_the_bound_does_not_reward_a_component_on_a_single_point() -> None:
    x = torch.randn(12, 2, generator=Generator().manual_seed(0)).double()
    x = torch.cat([x, x[:1].expand(5, -1)])
    reached, widths = [], []
    for spread in (0.2, 0.02, 0.002):
        model = mixture(x, components=10, spread=spread)
        reached.append(ascend(model, x, 50)[-1])
        widths.append(model.components().covariances.diagonal(dim1=1, dim2=2).min().sqrt().item())
    assert reached == sorted(reached, reverse=True)  # the narrower the prior, the lower
    assert widths[0] > 0.05
    assert widths == sorted(widths, reverse=True)


def test_an_empty_component_stays_and_does_no_harm() -> None:
    x = clusters(100).double()
    model = mixture(x, components=3)
    model.start_from(x, len(x))
    model.mean[0] = 1e4
    before = model.components()
    model.maximize(model.expected_statistics(x))
    after = model.components()
    assert torch.allclose(after.means[0], before.means[0])
    assert torch.allclose(after.covariances[0], before.covariances[0])
    assert after.weights[0] < 1e-6
    assert model.log_prob(x).isfinite().all()


def test_stochastic_inference_reaches_the_optimum_of_coordinate_ascent() -> None:
    x = clusters(600).double()
    model = mixture(x, components=3)
    spec = DataSpec((2,), Support.REALS, Layout.VECTOR)
    stochastic = mixture(x, components=3)
    learner = StochasticVi(stochastic, StochasticViSettings(forgetting=0.9, delay=2), spec, len(x))
    model.start_from(x, len(x))
    stochastic.load_state_dict(model.state_dict())
    learner.steps += 1  # not to start from its first batch
    reached = ascend(model, x, 60, begun=True)[-1] * len(x)
    order = Generator().manual_seed(0)
    for _ in range(400):
        learner.step(whole(x[torch.randperm(len(x), generator=order)[:100]]))
    assert bound(stochastic, x) == pytest.approx(reached, abs=0.5)
    assert torch.allclose(stochastic.mean, model.mean, atol=0.05)


def test_a_stochastic_step_over_all_data_at_full_rate_is_one_of_coordinate_ascent() -> None:
    x = clusters(100).double()
    a, b = mixture(x, components=3), mixture(x, components=3)
    a.start_from(x, len(x))
    b.load_state_dict(a.state_dict())
    a.update_posterior(a.local_statistics(x))
    b.update_posterior(b.local_statistics(x[::2]), scale=2.0, rate=torch.tensor(0.25))
    half = b.local_statistics(x[::2])
    assert not torch.allclose(a.mean, b.mean)
    fresh = mixture(x, components=3)
    fresh.load_state_dict(b.state_dict())
    b.update_posterior(half, 2.0, 1.0)
    fresh.update_posterior({key: 2 * value for key, value in half.items()})
    assert torch.allclose(b.factor, fresh.factor)


@pytest.mark.parametrize("batch", [100, 600])
def test_the_weakest_priors_leave_empty_components_numbers_in_single_precision(batch: int) -> None:
    lowest = {"concentration": 1e-12, "mean_strength": 1e-12, "covariance_strength": 1e-3, "spread": 1e-4}
    for field, value in lowest.items():
        with pytest.raises(SettingsError, match="greater than or equal"):
            read_settings(GaussianMixtureSettings, {field: 0.9 * value}, "model")
    x = clusters()
    model = mixture(x, components=40, **lowest).float()
    spec, generator = DataSpec((2,), Support.REALS, Layout.VECTOR), Generator().manual_seed(0)
    learner = StochasticVi(model, StochasticViSettings(), spec, len(x))
    for _ in range(80):
        index = torch.randperm(len(x), generator=generator)[:batch]
        elbo = learner.step(Batch(x[index], index * 0 - 1, index))["elbo"]
        learner.steps += 1
        assert elbo.isfinite()
    assert model.sample(50, generator).isfinite().all()
    assert model.log_prob(x).isfinite().all()


def test_units_do_not_matter() -> None:
    x = clusters(300).double()
    scale, shift = torch.tensor([1e3, 1e-3]).double(), torch.tensor([-50.0, 2.0]).double()
    moved = x * scale + shift
    a, b = mixture(x, components=4), mixture(moved, components=4)
    torch.manual_seed(5)
    first = ascend(a, x, 20)
    torch.manual_seed(5)
    second = ascend(b, moved, 20)
    assert np.allclose(np.array(first) - math.log(scale.prod().item()), second, atol=1e-6)
    assert torch.allclose(a.mean * scale + shift, b.mean, rtol=1e-6)


def test_superfluous_components_fade_away() -> None:
    x = clusters(600).double()
    model = mixture(x, components=8, concentration=0.01)
    ascend(model, x, 200)
    assert (model.components().weights > 0.02).sum() == 3


def test_images_are_taken_and_bits_are_not() -> None:
    settings = GaussianMixtureSettings(components=2)
    model = GaussianMixture(settings, DataSpec((1, 2, 3), Support.UNIT, Layout.IMAGE))
    x = torch.rand(20, 1, 2, 3)
    model.start_from(x, 20)
    assert model.sample(4).shape == model.sample_mean(4).shape == (4, 1, 2, 3)
    assert model.log_prob(x).shape == (20,)
    with pytest.raises(UnsuitableData, match="choose a data set of real numbers"):
        GaussianMixture(settings, DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE))
    with pytest.raises(UnsuitableData, match="up to 256 values"):
        GaussianMixture(settings, DataSpec((1, 28, 28), Support.UNIT, Layout.IMAGE))


def test_frames_hold_the_way_evenly_and_the_newest_step_last() -> None:
    model = mixture(clusters(10), components=2).float()
    store = FrameStore(2, 2)
    now = model.components()
    for step in range(1000):
        store.record(torch.tensor(step), torch.tensor(float(step)), now)
        if step in (0, 1, 100, 127, 128, 130, 255, 256, 517, 999):
            steps = store.frames().steps.tolist()
            stride = int(store.stride)
            assert steps == sorted({*range(0, step + 1, stride), step})
            assert len(steps) >= min(step + 1, 64)
    assert torch.equal(store.frames().values, store.frames().steps.float())
    assert F.mse_loss(store.frames().components.means[-1], now.means) == 0
