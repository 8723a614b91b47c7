"""The Helmholtz machine against linear Gaussian models, whose evidence and posterior are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from contract import draws
from torch import Tensor

from models.capabilities import (
    BoundsEvidence,
    Decodes,
    DrawsPosterior,
    Dreams,
    Encodes,
    HasCodeMean,
    Samples,
    SamplesMeans,
    ScoresGivenCode,
    WeighsEvidence,
)
from models.distributions import Normal, NormalMixture
from models.estimation.likelihood import log_mean_weight
from models.helmholtz import Helmholtz, HelmholtzSettings
from models.learning.wake_sleep import WakeSleep, WakeSleepSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData
from models.vae import Vae, VaeSettings

REALS = DataSpec((5,), Support.REALS, Layout.VECTOR)
BITS = DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE)
NOISE = 0.5


def linear(size: int = 2) -> tuple[Helmholtz, Tensor, Tensor]:
    """x = m + W h¹ + 0.5 ε, h¹ = d ∘ h² + c + s ∘ ε: a linear machine with its exact recognition, its mean (5,) and its
    covariance (5, 5). Columns of W are orthogonal, so that the posterior of h¹ given x is factorial; each unit of h¹
    has one of h², so that this one is too."""
    torch.manual_seed(0)
    settings = HelmholtzSettings(
        latent=size, units=size, depth=2, layers=0, likelihood="Gaussian", learn_scale=False, scale=NOISE
    )
    model = Helmholtz(settings, REALS).double()
    weight = torch.linalg.qr(torch.randn(5, size, dtype=torch.float64)).Q * torch.tensor([2.0, 1.0])
    mean = torch.randn(5, dtype=torch.float64)
    tied, offset = torch.tensor([0.8, -1.5]).double(), torch.tensor([0.3, -0.2]).double()  # of h¹ given h²
    scale = torch.tensor([0.6, 0.9]).double()

    def put(net: torch.nn.Module, weights: Tensor, biases: Tensor, log_scales: Tensor | None) -> None:
        net[0].weight.copy_(weights if log_scales is None else torch.cat([weights, torch.zeros_like(weights)]))
        net[0].bias.copy_(biases if log_scales is None else torch.cat([biases, log_scales]))

    with torch.no_grad():
        put(model.generation[0], weight, mean, None)
        put(model.generation[1], tied.diag(), offset, (scale / 2).logit())
        prior = tied**2 + scale**2  # variances of h¹
        variance = 1 / (1 / prior + (weight**2).sum(0) / NOISE**2)
        towards = variance[:, None] * weight.T / NOISE**2
        put(model.recognition[0], towards, variance * offset / prior - towards @ mean, variance.sqrt().log())
        above = 1 / (1 + tied**2 / scale**2)
        back = above * tied / scale**2
        put(model.recognition[1], back.diag(), -back * offset, (above.sqrt() / 2).logit())
    covariance = weight @ prior.diag() @ weight.T + NOISE**2 * torch.eye(5).double()
    return model, mean + weight @ offset, covariance


def evidence(x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


def some_reals() -> Tensor:
    return torch.randn(6, 5, generator=draws(3), dtype=torch.float64)


def nonlinear(depth: int = 3, spec: DataSpec = BITS) -> Helmholtz:
    torch.manual_seed(1)
    model = Helmholtz(HelmholtzSettings(latent=2, units=3, depth=depth, hidden=8), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        BoundsEvidence, Decodes, DrawsPosterior, Dreams, Encodes, HasCodeMean, Samples, SamplesMeans, WeighsEvidence,
    ):  # fmt: skip
        assert issubclass(Helmholtz, capability)
    assert not issubclass(Helmholtz, ScoresGivenCode)  # p(x | top) is an integral over what is between


def test_data_that_do_not_fit_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="Helmholtz machine"):
        Helmholtz.check(HelmholtzSettings(), DataSpec((3,), Support.SYMBOLS, Layout.SEQUENCE, 4))


@torch.no_grad()
def test_with_exact_recognition_every_weight_and_the_mean_bound_are_the_evidence() -> None:
    model, mean, covariance = linear()
    x = some_reals()
    exact = evidence(x, mean, covariance)
    weights = model.log_weights(x, 4, draws())
    torch.testing.assert_close(weights, exact.expand(4, -1))
    drawn = model.draw_posterior(x, 4, draws())
    torch.testing.assert_close(drawn.log_joint - drawn.log_posterior, exact.expand(4, -1))
    bounds = torch.stack([model.elbo(x, generator).value for generator in [draws()] for _ in range(200)])
    assert ((bounds.mean(0) - exact).abs() <= 5 * bounds.std(0) / 200**0.5).all()


@torch.no_grad()
def test_with_other_recognition_bounds_are_below_the_evidence_and_rise_with_the_number_of_draws() -> None:
    model, mean, covariance = linear()
    x = some_reals()
    exact = evidence(x, mean, covariance).mean()
    model.recognition[0][0].bias[:2] += 0.3
    model.recognition[1][0].weight[:2] *= 0.7
    one, ten, many = (
        torch.stack([log_mean_weight(model, x, k, draws(seed)).mean() for seed in range(40)]) for k in (1, 10, 200)
    )
    assert one.mean() < ten.mean() - 5 * (one.std() + ten.std()) / 40**0.5
    assert ten.mean() < many.mean()
    assert many.mean() < exact + 5 * many.std() / 40**0.5
    assert exact - many.mean() < 0.1 * (exact - one.mean())


@torch.no_grad()
def test_samples_have_the_moments_that_composed_layers_give() -> None:
    model, mean, covariance = linear()
    x = model.sample(40_000, draws())
    torch.testing.assert_close(x.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=0.15, rtol=0)
    means = model.sample_mean(40_000, draws())
    torch.testing.assert_close(means.T.cov(), covariance - NOISE**2 * torch.eye(5).double(), atol=0.15, rtol=0)
    z = torch.tensor([[1.0, -2.0]]).double()
    given = torch.stack([model._output(model._down(z, draws(seed))[0])[0, 0] for seed in range(3000)])
    torch.testing.assert_close(model.decode(z)[0], given.mean(0), atol=0.15, rtol=0)  # linear: means commute


@torch.no_grad()
def test_with_one_layer_it_is_the_variational_auto_encoder() -> None:
    machine = nonlinear(depth=1)
    vae = Vae(VaeSettings(latent=2, hidden=8, layers=1), BITS).double()
    vae.encoder.load_state_dict(machine.recognition[0].state_dict())
    vae.decoder.load_state_dict(machine.generation[0].state_dict())
    x = vae.sample(5, draws())
    ours, theirs = machine.elbo(x, draws()), vae.elbo(x, draws())
    torch.testing.assert_close(ours.value, theirs.value)
    torch.testing.assert_close(ours.kl_per_dimension, theirs.kl_per_dimension)
    torch.testing.assert_close(machine.log_weights(x, 3, draws()), vae.log_weights(x, 3, draws()))
    assert isinstance(machine.encode(x), Normal)
    torch.testing.assert_close(machine.encode(x).mean, vae.encode(x).mean)
    torch.testing.assert_close(machine.score_dreams(4, draws()), vae.score_dreams(4, draws()))


@torch.no_grad()
def test_terms_of_the_kl_are_those_of_monte_carlo_layer_by_layer() -> None:
    model = nonlinear()
    x = model.sample(2, draws(1))
    n = 20_000
    terms = model.elbo(x.repeat_interleave(n, 0), draws()).kl_per_dimension.reshape(2, n, 8)
    of_layers, states = model._up(x, n, draws(5))
    plain = []  # log q - log p at draws, of each unit
    for layer in (2, 1, 0):
        p = model.generated(layer, states[layer + 1]) if layer < 2 else Normal(torch.zeros(2), torch.zeros(2))
        q, h = of_layers[layer], states[layer]
        plain.append(normal(h, q) - normal(h, p))
    wanted = torch.cat(plain, -1)  # (n, 2, 8): the topmost layer first
    error = (terms.var(1) / n + wanted.var(0) / n).sqrt()
    assert ((terms.mean(1) - wanted.mean(0)).abs() <= 5 * error).all()
    assert (terms[:, :, :2] >= 0).all()  # closed form
    assert terms[:, :, :2].var() < wanted[:, :, :2].var()


def normal(h: Tensor, q: Normal) -> Tensor:
    scale = q.log_scale.exp()
    return -0.5 * ((h - q.mean) / scale) ** 2 - q.log_scale - 0.5 * math.log(2 * math.pi)


@torch.no_grad()
def test_the_code_is_where_draws_of_the_topmost_layer_go() -> None:
    model = nonlinear(depth=2)
    x = model.sample(4, draws(1))
    code = model.encode(x)
    assert isinstance(code, NormalMixture)
    _, states = model._up(x, 20_000, draws())
    top = states[-1]
    drawn = code.sample(20_000, draws())
    assert ((code.mean - drawn.mean(0)).abs() <= 5 * drawn.std(0) / 20_000**0.5).all()
    spread = top.std(0)
    assert ((code.mean - top.mean(0)).abs() < 0.25 * spread).all()  # of 16 ways up, each beside its opposite
    assert ((drawn.std(0) / spread - 1).abs() < 0.25).all()
    assert torch.equal(model.encode(x).mean, code.mean)  # looking is no matter of chance
    # opposite ways cancel where networks are linear, so that the mean is exact
    machine, mean, covariance = linear()
    seen = some_reals()
    weight, tied = machine.generation[0][0].weight, machine.generation[1][0].weight[:2]
    exact = torch.linalg.solve(covariance, (weight @ tied)).T @ (seen - mean).T  # E[h² | x]
    torch.testing.assert_close(machine.encode(seen).mean, exact.T)


@torch.no_grad()
def test_means_of_all_units_begin_with_the_topmost() -> None:
    machine, _, _ = linear()
    x = some_reals()
    found = machine.code_mean(x)
    assert found.shape == (6, 4)
    torch.testing.assert_close(found[:, :2], machine.encode(x).mean)
    torch.testing.assert_close(found[:, 2:], machine.recognised(0, x).mean)


@torch.no_grad()
def test_a_mixture_of_normals_is_a_density_that_its_draws_follow() -> None:
    means = torch.tensor([[-2.0], [1.0]]).double()
    mixture = NormalMixture(means, torch.tensor([[0.0], [-1.0]]).double())
    grid = torch.linspace(-12, 12, 4001).double()[:, None]
    p = mixture.log_prob(grid).exp()
    assert torch.trapezoid(p, grid[:, 0]).item() == pytest.approx(1, abs=1e-6)
    drawn = mixture.sample(50_000, draws())
    assert drawn.shape == (50_000, 1)
    below = torch.trapezoid(p * (grid[:, 0] < -1), grid[:, 0])
    assert (drawn < -1).double().mean().item() == pytest.approx(below.item(), abs=0.02)
    assert mixture.mean.item() == pytest.approx(-0.5)


def test_gradients_through_draws_are_those_of_the_evidence_where_recognition_is_exact() -> None:
    """There the bound touches log p(x), so that its gradient in generative parameters is that of log p(x)."""
    model, _, _ = linear()
    x = some_reals()
    parameter = model.generation[1][0].bias  # means, then log scales, of h¹ given h²
    found = []
    for seed in range(300):
        bound = model.elbo(x, draws(seed)).value.mean()
        found.append(torch.autograd.grad(bound, parameter)[0])
    each = torch.stack(found)
    weight, tied = model.generation[0][0].weight.detach(), model.generation[1][0].weight[:2].detach()
    variance = (2 * parameter[2:].sigmoid()).square()
    covariance = weight @ (tied @ tied.T + variance.diag()) @ weight.T + NOISE**2 * torch.eye(5).double()
    mean = model.generation[0][0].bias.detach() + weight @ parameter[:2]
    (wanted,) = torch.autograd.grad(evidence(x, mean, covariance).mean(), parameter)
    assert ((each.mean(0) - wanted).abs() <= 5 * each.std(0) / 300**0.5).all()


def test_wake_sleep_keeps_the_scale_of_a_layer_that_nothing_else_fixes() -> None:
    """With σ = e^s it drifts upwards without end, and after these steps no number is left."""
    torch.manual_seed(0)
    model = Helmholtz(HelmholtzSettings(latent=2, units=4, hidden=16), BITS)
    learner = WakeSleep(model, WakeSleepSettings(learning_rate=0.02), BITS, 100)
    learner.begin()
    x = torch.zeros(100, 1, 2, 3)
    x[torch.arange(100), 0, torch.arange(100) % 2] = 1
    batch = Batch(x, torch.zeros(100), torch.arange(100))
    for _ in range(120):
        learner.step(batch)
    with torch.no_grad():
        _, (lowest, _) = model._up(x, 20, draws())
        assert lowest.std() < 4
