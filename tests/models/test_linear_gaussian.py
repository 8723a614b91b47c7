"""The linear Gaussian model against closed forms: evidence, posterior, and probabilistic PCA by eigenvectors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from models.distributions import FullNormal, Normal
from models.learning.conjugate_vi import CoordinateAscent, StochasticVi, StochasticViSettings
from models.learning.expectation_maximization import ExpectationMaximization, ExpectationMaximizationSettings
from models.linear_gaussian import LinearGaussian, LinearGaussianSettings
from models.settings import NoSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

pytestmark = pytest.mark.usefixtures("no_gradients")
D, L = 5, 2
SPEC = DataSpec((D,), Support.REALS, Layout.VECTOR)


@pytest.fixture
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def correlated(n: int = 400, causes: int = L) -> Tensor:
    """Five coordinates that hidden causes drive."""
    generator = Generator().manual_seed(0)
    mixing = torch.randn(causes, D, generator=generator, dtype=torch.float64)
    drawn = torch.randn(n, causes, generator=generator, dtype=torch.float64)
    return drawn @ mixing + 0.3 * torch.randn(n, D, generator=generator, dtype=torch.float64) + 20


def noisy(n: int) -> Tensor:
    """With as much noise again, so that learning takes fewer rounds."""
    return correlated(n) + torch.randn(n, D, generator=Generator().manual_seed(1), dtype=torch.float64)


def model(**settings: Any) -> LinearGaussian:
    torch.manual_seed(1)
    made = LinearGaussian(LinearGaussianSettings(**settings), SPEC).double()
    made.mean += 20
    made.weight[:, 1] += made.weight[:, 0]  # what z does is correlated
    made.log_noise.copy_(torch.randn(made.log_noise.shape).double())
    return made


def evidence(made: LinearGaussian) -> torch.distributions.MultivariateNormal:
    covariance = made.weight @ made.weight.T + made.log_noise.exp().expand(D).diag()
    return torch.distributions.MultivariateNormal(made.mean, covariance)


def posterior(made: LinearGaussian, x: Tensor) -> tuple[Tensor, Tensor]:
    """By conditioning the joint Gaussian of (z, x), with no identity."""
    gain = made.weight.T @ evidence(made).covariance_matrix.inverse()
    return (x - made.mean) @ gain.T, torch.eye(made.latent).double() - gain @ made.weight


def learn(made: LinearGaussian, x: Tensor, steps: int) -> list[float]:
    learner = ExpectationMaximization(made, ExpectationMaximizationSettings(), SPEC, len(x))
    index = torch.arange(len(x))
    return [learner.step(Batch(x, index, index))["log_prob"].item() for _ in range(steps)]


every_noise = pytest.mark.parametrize("noise", ["isotropic", "diagonal"])


@every_noise
def test_the_evidence_is_that_of_the_joint_gaussian(noise: str) -> None:
    x, made = correlated(20), model(noise=noise)
    assert torch.allclose(made.log_prob(x), evidence(made).log_prob(x), atol=1e-9)


@every_noise
def test_the_exact_posterior_leaves_no_gap(noise: str) -> None:
    x, made = correlated(20), model(noise=noise)
    mean, covariance = posterior(made, x)
    found = made.encode(x)
    assert isinstance(found, FullNormal)
    assert torch.allclose(found.mean, mean, atol=1e-9)
    assert torch.allclose(found.covariance, covariance, atol=1e-9)
    assert torch.allclose(made.elbo(x).value, made.log_prob(x), atol=1e-9)
    weights = made.log_weights(x, 3, Generator().manual_seed(0))
    assert torch.allclose(weights, made.log_prob(x).expand(3, -1), atol=1e-9)


@every_noise
def test_the_gap_of_a_factorised_posterior_is_its_divergence_from_the_true_one(noise: str) -> None:
    x, made = correlated(20), model(noise=noise, posterior="factorised")
    mean, covariance = posterior(made, x)
    q = made.encode(x)
    assert isinstance(q, Normal)
    true = torch.distributions.MultivariateNormal(mean, covariance)
    mine = torch.distributions.MultivariateNormal(q.mean, scale_tril=q.log_scale.exp().diag_embed())
    gap = torch.distributions.kl_divergence(mine, true)
    assert gap.min() > 0.01
    assert torch.allclose(made.log_prob(x) - made.elbo(x).value, gap, atol=1e-9)


def test_no_factorised_posterior_has_a_higher_bound_and_its_variances_are_too_small() -> None:
    x, made = correlated(1), model(posterior="factorised")
    q, (mean, covariance) = made.encode(x), posterior(made, x)
    variances = (2 * q.log_scale[0]).exp()
    ratio = variances / covariance.diagonal()
    # with two latent dimensions both ratios are 1 - ρ², ρ the true correlation (Bishop, 2006, section 10.1.2)
    rho = covariance[0, 1] / (covariance[0, 0] * covariance[1, 1]).sqrt()
    assert torch.allclose(ratio, (1 - rho**2).expand(2), atol=1e-9)
    assert rho.abs() > 0.1
    true = torch.distributions.MultivariateNormal(mean, covariance)

    def divergence(shift: Tensor, factors: Tensor) -> float:
        other = torch.distributions.MultivariateNormal(mean + shift, (variances * factors).diag())
        return torch.distributions.kl_divergence(other, true).item()

    best = divergence(torch.zeros(2).double(), torch.ones(2).double())
    generator = Generator().manual_seed(0)
    for _ in range(20):
        shift = 0.1 * torch.randn(2, generator=generator, dtype=torch.float64)
        factors = (0.1 * torch.randn(2, generator=generator, dtype=torch.float64)).exp()
        assert divergence(shift, factors) > best


def test_expectation_maximisation_never_falls_and_reaches_the_eigenvectors() -> None:
    """Tipping & Bishop (1999), equations 7 and 8: the maximum-likelihood σ² and W Wᵀ."""
    x = correlated()
    made = LinearGaussian(LinearGaussianSettings(), SPEC).double()
    values = learn(made, x, 1000)
    assert min(b - a for a, b in pairwise(values)) >= -1e-12
    values_, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    noise = values_[:-L].mean()
    top = vectors[:, -L:]
    product = top @ (values_[-L:] - noise).diag() @ top.T
    assert made.log_noise.exp().item() == pytest.approx(noise.item(), rel=1e-6)
    assert torch.allclose(made.weight @ made.weight.T, product, atol=1e-6)
    assert torch.allclose(made.mean, x.mean(0), atol=1e-8)
    best = torch.distributions.MultivariateNormal(x.mean(0), product + noise * torch.eye(D).double())
    assert values[-1] == pytest.approx(best.log_prob(x).mean().item(), abs=1e-9)


def test_factor_analysis_is_scikit_learns() -> None:
    from sklearn.decomposition import FactorAnalysis

    torch.manual_seed(0)
    x = correlated(causes=1)
    x += torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]).double() * torch.randn(x.shape, dtype=x.dtype)
    made = LinearGaussian(LinearGaussianSettings(latent=1, noise="diagonal"), SPEC).double()
    values = learn(made, x, 300)
    assert min(b - a for a, b in pairwise(values)) >= -1e-12
    theirs = FactorAnalysis(1, tol=1e-6, svd_method="lapack").fit(x.numpy())
    assert values[-1] == pytest.approx(theirs.score(x.numpy()), abs=1e-5)
    assert np.allclose(made.components().covariances[0], theirs.get_covariance(), rtol=1e-3, atol=1e-3)


def test_mean_field_learning_never_lowers_the_bound_and_turns_the_axes_to_the_principal_ones() -> None:
    """Where Wᵀ W is diagonal nothing is lost by factorising, so that mean field ends at principal axes."""
    x = correlated()
    made = LinearGaussian(LinearGaussianSettings(posterior="factorised"), SPEC).double()
    torch.manual_seed(0)
    made.start_from(x, len(x))
    bounds = []
    for _ in range(600):
        bounds.append(made.elbo(x).value.mean().item())
        made.maximize(made.expected_statistics(x))
    assert min(b - a for a, b in pairwise(bounds)) >= -1e-12
    assert made.log_prob(x).mean().item() - bounds[0] > 0.01
    assert made.log_prob(x).mean().item() == pytest.approx(bounds[-1], abs=1e-4)
    gram = made.weight.T @ made.weight
    assert gram[0, 1].abs() < 0.02 * gram.diagonal().min()


def ascend(made: LinearGaussian, x: Tensor, steps: int, begun: bool = False) -> list[float]:
    """The bound on the evidence of all examples at each step of coordinate ascent."""
    learner = CoordinateAscent(made, NoSettings(), SPEC, len(x))
    learner.steps += begun
    index = torch.arange(len(x))
    return [learner.step(Batch(x, index, index))["elbo"].item() * len(x) for _ in range(steps)]


def bayesian(noise: str = "isotropic", posterior: str = "exact", latent: int = L) -> LinearGaussian:
    torch.manual_seed(2)
    settings = LinearGaussianSettings(latent=latent, noise=noise, posterior=posterior, strength=0.3)
    return LinearGaussian(settings, SPEC).double()


@every_noise
@pytest.mark.parametrize("posterior", ["exact", "factorised"])
def test_coordinate_ascent_over_parameters_too_never_lowers_the_bound(noise: str, posterior: str) -> None:
    values = ascend(bayesian(noise, posterior), correlated(100), 150)
    assert min(b - a for a, b in pairwise(values)) >= -1e-9
    assert values[-1] > values[0] + 1


@every_noise
@pytest.mark.parametrize("posterior", ["exact", "factorised"])
def test_the_bound_is_what_draws_of_all_variables_give(noise: str, posterior: str) -> None:
    """E_q[log p(X, Z, w̃, τ) - log q(Z, w̃, τ)] by draws, with distributions of torch."""
    x, made, draws = correlated(12), bayesian(noise, posterior), 20_000
    ascend(made, x, 3)
    statistics = made.local_statistics(x)
    found = made.evidence_bound(statistics["local_bound"]).item()
    dist = torch.distributions
    torch.manual_seed(0)
    # q(z): its precision and means by their definition, as expectations over q(w̃, τ)
    shared = made.isotropic
    rate = made.shape * made.log_noise.exp()
    q_tau, p_tau = dist.Gamma(made.shape, rate), dist.Gamma(0.5, 0.5 * made.prior_noise)
    means = torch.cat([made.weight, (made.mean - made.prior_mean)[:, None]], 1)
    covariance = made.precision.inverse()
    expected_tau = (1 / made.log_noise.exp()).expand(D)
    second = torch.einsum("d,di,dj->ij", expected_tau, means, means) + D * covariance
    precision = torch.eye(L).double() + second[:L, :L]
    centred = x - made.prior_mean
    towards = (centred * expected_tau) @ means[:, :L] - second[:L, L]
    z_mean = torch.linalg.solve(precision, towards.T).T
    z_covariance = (1 / precision.diagonal()).diag() if made.factorised else precision.inverse()
    q_z = dist.MultivariateNormal(z_mean, z_covariance)
    tau = q_tau.sample((draws,))
    each = tau.expand(draws, D)
    q_w = dist.MultivariateNormal(means, covariance_matrix=covariance / each[..., None, None])
    w = q_w.sample()
    p_w = dist.MultivariateNormal(
        torch.zeros(L + 1).double(), torch.eye(L + 1).double() / (0.3 * each[..., None, None])
    )
    z = q_z.sample((draws,))
    codes = torch.cat([z, torch.ones(draws, len(x), 1).double()], 2)
    likelihood = dist.Normal(codes @ w.mT, each[:, None].rsqrt()).log_prob(centred).sum((1, 2))
    total = likelihood + dist.Normal(0.0, 1.0).log_prob(z).sum((1, 2)) - q_z.log_prob(z).sum(1)
    total += (p_tau.log_prob(tau) - q_tau.log_prob(tau)).sum(1) + (p_w.log_prob(w) - q_w.log_prob(w)).sum(1)
    assert shared == (tau.shape[1] == 1)
    error = total.std().item() / draws**0.5
    assert error < 0.1
    assert found == pytest.approx(total.mean().item(), abs=5 * error)


def test_the_evidence_prefers_the_number_of_causes_that_the_data_have() -> None:
    bounds = [ascend(bayesian(latent=latent), correlated(200), 300)[-1] for latent in (1, 2, 3)]
    assert bounds[1] > bounds[0] + 5
    assert bounds[1] > bounds[2] + 1


def test_stochastic_inference_reaches_the_bound_of_coordinate_ascent() -> None:
    x, made, stochastic = noisy(300), bayesian(), bayesian()
    made.start_from(x, len(x))
    stochastic.load_state_dict(made.state_dict())
    reached = ascend(made, x, 300, begun=True)[-1]
    learner = StochasticVi(stochastic, StochasticViSettings(forgetting=0.8, delay=5), SPEC, len(x))
    learner.steps += 1  # not to start from its first batch
    order = Generator().manual_seed(0)
    for _ in range(800):
        index = torch.randperm(len(x), generator=order)[:60]
        learner.step(Batch(x[index], index, index))
    bound = stochastic.evidence_bound(stochastic.local_statistics(x)["local_bound"]).item()
    assert bound == pytest.approx(reached, abs=2.0)


def test_with_many_examples_the_expectations_are_the_maximum_likelihood_solution() -> None:
    x = noisy(5000)
    made, plain = bayesian(), bayesian()
    ascend(made, x, 200)
    learn(plain, x, 200)
    assert torch.allclose(made.components().covariances, plain.components().covariances, rtol=0.01, atol=0.01)


def test_samples_have_the_covariance_of_the_evidence() -> None:
    made = model(noise="diagonal")
    drawn = made.sample(50_000, Generator().manual_seed(0))
    expected = evidence(made).covariance_matrix
    assert torch.allclose(drawn.T.cov(), expected, rtol=0.05, atol=0.05)
    assert torch.allclose(made.components().covariances[0], expected)
    assert torch.allclose(drawn.mean(0), made.mean, atol=0.05)


def test_the_divergence_of_a_full_normal_is_shared_out_by_the_chain_rule() -> None:
    generator = Generator().manual_seed(0)
    factor = torch.randn(3, 3, generator=generator, dtype=torch.float64).tril() + 2 * torch.eye(3).double()
    mean = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    q = FullNormal(mean, factor)
    mine = torch.distributions.MultivariateNormal(mean, scale_tril=factor)
    standard = torch.distributions.MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double())
    assert torch.allclose(q.kl_from_standard().sum(-1), torch.distributions.kl_divergence(mine, standard))
    assert (q.kl_from_standard() >= 0).all()
    z = q.sample(1000, generator)
    assert z.shape == (1000, 4, 3)
    assert torch.allclose(q.log_prob(z), mine.log_prob(z))
    assert torch.allclose(z.mean(0), mean, atol=0.5)


def test_bits_are_refused() -> None:
    with pytest.raises(UnsuitableData, match="choose values scaled to"):
        LinearGaussian(LinearGaussianSettings(), DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE))
