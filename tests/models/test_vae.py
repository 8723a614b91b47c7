"""The variational auto-encoder against probabilistic PCA, whose evidence and posterior are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from models import auto_encoder
from models.capabilities import BoundsEvidence, Decodes, Encodes, Samples, SamplesMeans, WeighsEvidence
from models.distributions import LOG_2PI
from models.estimation.likelihood import log_mean_weight
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.posteriors import POSTERIORS
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData
from models.vae import Vae, VaeSettings

BITS = DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE)
UNIT = DataSpec((1, 2, 3), Support.UNIT, Layout.IMAGE)
REALS = DataSpec((5,), Support.REALS, Layout.VECTOR)
LEVELS = DataSpec((1, 1, 3), Support.LEVELS, Layout.IMAGE, 4)


def correlated(n: int) -> Tensor:
    """Five coordinates that two hidden causes drive, in double precision."""
    generator = Generator().manual_seed(0)
    causes = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    mixing = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    return causes @ mixing + 0.3 * torch.randn(n, 5, generator=generator, dtype=torch.float64) + 1


def pca_solution(x: Tensor, latent: int) -> tuple[Tensor, Tensor, float]:
    """Maximum-likelihood mean, W (D, latent) and σ of probabilistic PCA (Tipping & Bishop, 1999, equations 7 and 8)."""
    values, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    values, vectors = values.flip(0), vectors.flip(1)
    variance = values[latent:].mean()
    weight = vectors[:, :latent] * (values[:latent] - variance).sqrt()
    return x.mean(0), weight, variance.sqrt().item()


def evidence(x: Tensor, mean: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """log N(x; mean, W Wᵀ + σ² I)."""
    covariance = weight @ weight.T + sigma**2 * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


def linear_vae(x: Tensor) -> tuple[Vae, Tensor]:
    """A linear VAE set to the pPCA solution with its exact posterior, and the evidence of each example.

    The posterior N(M⁻¹ Wᵀ (x - μ), σ² M⁻¹), M = Wᵀ W + σ² I, is factorial because the columns of W are orthogonal."""
    mean, weight, sigma = pca_solution(x, 2)
    model = Vae(VaeSettings(latent=2, layers=0, likelihood="Gaussian", learn_scale=False, scale=sigma), REALS).double()
    precision = weight.T @ weight + sigma**2 * torch.eye(2, dtype=x.dtype)
    towards = torch.linalg.solve(precision, weight.T)
    with torch.no_grad():
        model.likelihood.log_scale.fill_(math.log(sigma))
        model.decoder[0].weight.copy_(weight)
        model.decoder[0].bias.copy_(mean)
        model.encoder[0].weight.copy_(torch.cat([towards, torch.zeros_like(towards)]))
        log_scale = 0.5 * (sigma**2 / precision.diagonal()).log()
        model.encoder[0].bias.copy_(torch.cat([-towards @ mean, log_scale]))
    return model, evidence(x, mean, weight, sigma)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (BoundsEvidence, Decodes, Encodes, Samples, SamplesMeans, WeighsEvidence):
        assert issubclass(Vae, capability)


@torch.no_grad()
def test_the_bound_of_a_linear_model_with_its_posterior_is_the_evidence() -> None:
    x = correlated(50)
    model, exact = linear_vae(x)
    generator = Generator().manual_seed(0)
    bounds = torch.stack([model.elbo(x, generator).value for _ in range(4000)])
    error = bounds.std(0) / math.sqrt(4000)
    assert ((bounds.mean(0) - exact).abs() < 5 * error).all()
    # the KL closes in on the reconstruction's noise: averaged over examples too, nothing is left
    assert bounds.mean().item() == pytest.approx(exact.mean().item(), abs=0.005)


@pytest.mark.parametrize("k", [1, 2, 30])
@torch.no_grad()
def test_every_weight_is_the_evidence_when_q_is_the_posterior(k: int) -> None:
    x = correlated(50)
    model, exact = linear_vae(x)
    torch.testing.assert_close(log_mean_weight(model, x, k, Generator().manual_seed(0)), exact)


def test_the_closed_form_is_a_stationary_point_of_the_bound() -> None:
    """Gradients vanish there up to the noise of the draws, and do not beside it."""
    x = correlated(200)
    model, _ = linear_vae(x)
    torch.manual_seed(0)

    def gradient() -> tuple[Tensor, Tensor]:
        repeats = []
        for _ in range(40):
            bound = model.elbo(x.repeat(20, 1)).value.mean()
            grads = torch.autograd.grad(bound, [p for p in model.parameters() if p.requires_grad])
            repeats.append(torch.cat([g.flatten() for g in grads]))
        stacked = torch.stack(repeats)
        return stacked.mean(0), stacked.std(0) / math.sqrt(len(repeats))

    mean, error = gradient()
    assert (mean.abs() < 5 * error + 1e-9).all()
    with torch.no_grad():
        model.decoder[0].weight *= 1.1
    mean, error = gradient()
    assert (mean.abs() > 20 * error).any()


def test_learning_reaches_the_evidence_of_the_closed_form() -> None:
    torch.manual_seed(0)
    x = correlated(500).float()
    settings = VaeSettings(latent=2, layers=0, likelihood="Gaussian", scale=1.0)
    learner = ReparameterizedElbo(Vae(settings, REALS), ReparameterizedElboSettings(learning_rate=0.02), REALS, 500)
    learner.begin()
    batch = Batch(x, torch.zeros(500), torch.arange(500))
    for _ in range(1500):
        learner.step(batch)
    mean, weight, sigma = pca_solution(x.double(), 2)
    best = evidence(x.double(), mean, weight, sigma).mean().item()
    with torch.no_grad():
        reached = torch.stack(
            [learner.model.elbo(x, Generator().manual_seed(i)).value.mean() for i in range(50)]
        ).mean()
    assert reached.item() < best + 0.02
    assert reached.item() == pytest.approx(best, abs=0.15)
    assert learner.model.likelihood.log_scale.exp().item() == pytest.approx(sigma, rel=0.1)


WAYS = [("automatic", name) for name in POSTERIORS] + [("categorical", "Gaussian"), ("discretised logistic", "Laplace")]


@pytest.mark.parametrize(("likelihood", "posterior"), WAYS)
def test_weights_average_to_probabilities_of_all_examples_with_every_posterior(likelihood: str, posterior: str) -> None:
    """They sum to 1, and the bound is the mean log weight."""
    spec = BITS if likelihood == "automatic" else LEVELS
    torch.manual_seed(0)
    model = Vae(VaeSettings(hidden=6, layers=1, likelihood=likelihood, posterior=posterior), spec).double()
    values = torch.arange(spec.categories or 2, dtype=torch.float64)
    x = torch.cartesian_prod(*[values] * spec.dimensions).reshape(-1, *spec.event_shape)
    with torch.no_grad():
        weights = model.log_weights(x, 1500, Generator().manual_seed(0))
        assert weights.exp().mean(0).sum().item() == pytest.approx(1, abs=0.02)
        terms = model.elbo(x.repeat(500, *[1] * (x.ndim - 1)), Generator().manual_seed(1))
    bound = terms.value.reshape(500, -1)
    error = (bound.var(0) / 500 + weights.var(0) / 1500).sqrt()
    assert ((bound.mean(0) - weights.mean(0)).abs() < 5 * error).all()
    assert terms.kl_per_dimension.shape == (len(terms.kl), 2)


def test_weights_are_the_same_however_many_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = Vae(VaeSettings(hidden=4), BITS).double(), torch.ones(3, 1, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        together = model.log_weights(x, 7, Generator().manual_seed(0))
        monkeypatch.setattr(auto_encoder, "AT_ONCE", 2 * x.numel())
        torch.testing.assert_close(model.log_weights(x, 7, Generator().manual_seed(0)), together)


def test_the_encoder_reads_levels_between_0_and_1() -> None:
    model = Vae(VaeSettings(hidden=4), LEVELS)
    read: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    model.encode(torch.tensor([[[[0.0, 1.0, 3.0]]]]))
    torch.testing.assert_close(read[0], torch.tensor([[0, 1 / 3, 1]]))


@pytest.mark.parametrize("spec", [BITS, UNIT, REALS])
def test_samples_lie_where_the_data_lie(spec: DataSpec) -> None:
    model = Vae(VaeSettings(hidden=4), spec)
    x = model.sample(50, Generator().manual_seed(0))
    assert x.shape == (50, *spec.event_shape)
    if spec.support is Support.BITS:
        assert set(x.unique().tolist()) == {0.0, 1.0}
    if spec.support is Support.UNIT:
        assert 0 <= x.min() <= x.max() <= 1
    assert model.sample_mean(5, Generator().manual_seed(0)).shape == (5, *spec.event_shape)


def test_a_gaussian_sample_scatters_by_its_scale() -> None:
    model = Vae(VaeSettings(hidden=4, scale=2.0, learn_scale=False), REALS)
    x = model.sample(20_000, Generator().manual_seed(0))
    means = model.sample_mean(20_000, Generator().manual_seed(0))  # the same codes: they are drawn first
    assert (x - means).std().item() == pytest.approx(2, rel=0.02)


def test_likelihoods_follow_the_data_and_refuse_what_they_cannot_model() -> None:
    x = torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0]])
    model = Vae(VaeSettings(hidden=4, scale=0.5, learn_scale=False), REALS)
    z = torch.zeros(1, 2)
    mean = model.decode(z)
    expected = (-0.5 * ((x - mean) / 0.5) ** 2 - math.log(0.5) - 0.5 * LOG_2PI).sum()
    assert model.log_likelihood(x, z).item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(UnsuitableData, match="Bernoulli"):
        Vae.check(VaeSettings(likelihood="Bernoulli"), REALS)
    bits = Vae(VaeSettings(hidden=4), BITS)
    b = torch.ones(1, 1, 2, 3)
    assert bits.log_likelihood(b, z).item() == pytest.approx(bits.decode(z).log().sum().item(), rel=1e-5)


def test_weights_have_one_row_per_draw_and_the_bound_is_their_mean() -> None:
    torch.manual_seed(0)
    model = Vae(VaeSettings(hidden=6), BITS).double()
    x = torch.ones(3, 1, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        weights = model.log_weights(x, 20_000, Generator().manual_seed(0))
        elbo = model.elbo(x.repeat(20_000, 1, 1, 1), Generator().manual_seed(1)).value.reshape(20_000, 3)
    assert weights.shape == (20_000, 3)
    torch.testing.assert_close(weights.mean(0), elbo.mean(0), atol=0.03, rtol=0)


def make_learner(**settings: float) -> ReparameterizedElbo:
    torch.manual_seed(0)
    learner = ReparameterizedElbo(Vae(VaeSettings(hidden=16), BITS), ReparameterizedElboSettings(**settings), BITS, 100)
    learner.begin()
    return learner


def some_bits(n: int = 100) -> Batch:
    x = torch.zeros(n, 1, 2, 3)
    x[torch.arange(n), 0, torch.arange(n) % 2] = 1
    return Batch(x, torch.zeros(n), torch.arange(n))


def test_learning_raises_the_bound_and_reports_its_terms() -> None:
    learner = make_learner(learning_rate=0.01)
    first = learner.step(some_bits())
    for _ in range(300):
        last = learner.step(some_bits())
    assert set(last) == {"elbo", "reconstruction", "kl"}
    assert last["elbo"].item() == pytest.approx((last["reconstruction"] - last["kl"]).item(), abs=1e-5)
    assert all(not value.requires_grad and value.ndim == 0 for value in last.values())
    assert first["elbo"].item() < -3.5
    assert last["elbo"].item() > -1.5  # one bit of information is 0.69 nats


def test_the_weight_of_the_kl_grows_to_its_end_and_is_remembered() -> None:
    learner = make_learner(kl_weight=2.0, kl_annealing=4)
    weights = []
    for _ in range(6):
        weights.append(float(learner.kl_weight()))
        learner.step(some_bits())
    assert weights == [0, 0.5, 1, 1.5, 2, 2]
    assert learner.state_dict()["steps"].item() == 6


def test_a_large_weight_of_the_kl_empties_the_code() -> None:
    learner = make_learner(kl_weight=50.0, learning_rate=0.01)
    for _ in range(200):
        last = learner.step(some_bits())
    assert last["kl"].item() < 0.05


def test_held_out_terms_depend_on_their_own_generator_alone() -> None:
    learner = make_learner()
    state = torch.get_rng_state()
    with torch.no_grad():
        a, b = (learner.held_out(some_bits(), Generator().manual_seed(1)) for _ in range(2))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert torch.equal(state, torch.get_rng_state())
