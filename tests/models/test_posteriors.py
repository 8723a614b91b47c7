"""Families of posteriors against torch.distributions, quadrature and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch import distributions as reference

from models.distributions import Distribution, FullNormal, Logistic, Normal
from models.posteriors import LARGEST, POSTERIORS, PosteriorFamily

SIZE = 2
UNIVARIATE = [name for name in POSTERIORS if name != "full Gaussian"]
every_family = pytest.mark.parametrize("name", POSTERIORS)
every_univariate = pytest.mark.parametrize("name", UNIVARIATE)


def said(name: str, size: int = SIZE) -> Tensor:
    """What an encoder might say, in double precision."""
    outputs = POSTERIORS[name].outputs(size)
    return (0.6 * torch.sin(3 * torch.arange(outputs) + 1)).double()


def as_reference(name: str, output: Tensor) -> reference.Distribution:
    if name == "exponential":
        return reference.Exponential((-output).exp())
    if name == "full Gaussian":
        factor = torch.tensor([[output[2].exp(), 0.0], [output[4], output[3].exp()]], dtype=output.dtype)
        return reference.MultivariateNormal(output[:2], scale_tril=factor)
    location, scale = output[:SIZE], output[SIZE:].exp()
    if name == "logistic":
        uniform = reference.Uniform(torch.zeros_like(location), torch.ones_like(location))
        return reference.TransformedDistribution(
            uniform, [reference.SigmoidTransform().inv, reference.AffineTransform(location, scale)]
        )
    return {"Gaussian": reference.Normal, "log-normal": reference.LogNormal, "Laplace": reference.Laplace}[name](
        location, scale
    )


def summed(log_prob: Tensor, name: str) -> Tensor:
    return log_prob if name == "full Gaussian" else log_prob.sum(-1)


@every_family
def test_densities_are_those_of_the_named_distribution_also_of_several_draws(name: str) -> None:
    family, output = POSTERIORS[name], torch.stack([said(name), -said(name)])
    q = family.read(output)
    z = q.sample(4, Generator().manual_seed(0))
    assert z.shape == (4, 2, SIZE)
    for i in range(2):
        expected = summed(as_reference(name, output[i]).log_prob(z[:, i]), name)
        torch.testing.assert_close(q.log_prob(z)[:, i], expected)
        torch.testing.assert_close(q.log_prob(z[0])[i], expected[0])
    for one in z.flatten(0, 1):
        prior = as_reference(name, torch.zeros_like(output[0])).log_prob(one)
        torch.testing.assert_close(family.prior(SIZE, output).log_prob(one), summed(prior, name))


@every_family
def test_draws_have_the_mean_and_the_distribution_that_is_said(name: str) -> None:
    q = POSTERIORS[name].read(said(name))
    n = 40_000
    z = q.sample(n, Generator().manual_seed(0))
    error = z.std(0) / math.sqrt(n)
    assert ((z.mean(0) - q.mean).abs() < 5 * error).all()
    if isinstance(q, FullNormal):
        torch.testing.assert_close(z.T.cov(), q.covariance, atol=0.03, rtol=0)
        return
    of_each = as_reference(name, said(name)).cdf(z)  # uniform, if z is drawn from it
    for power in (1, 2, 3):
        assert of_each.pow(power).mean(0).tolist() == pytest.approx([1 / (power + 1)] * SIZE, abs=5 * 0.3 / n**0.5)


def integral(q: Distribution, p: Distribution, positive: bool) -> float:
    """KL(q ‖ p) of one dimension, by summing over e^t or t."""
    t = torch.linspace(-60, 60, 100_001, dtype=torch.float64)[:, None]
    z = t.clamp(max=40).exp() if positive else t
    log_q, volume = q.log_prob(z), (z.squeeze(1) if positive else 1) * (t[1, 0] - t[0, 0])
    integrand = log_q.exp() * (log_q - p.log_prob(z)) * volume
    return float(integrand.nan_to_num(0).sum())


@every_univariate
def test_divergences_from_the_prior_are_the_integral(name: str) -> None:
    family, positive = POSTERIORS[name], name in ("log-normal", "exponential")
    for output in (said(name, 1), -2 * said(name, 1), torch.zeros_like(said(name, 1))):
        q = family.read(output)
        expected = integral(q, family.prior(1, output), positive)
        z = q.sample(20_000, Generator().manual_seed(0))
        of_each = family.kl(q, z)
        if isinstance(q, Logistic):
            error = of_each.std().item() / math.sqrt(len(z))
            assert of_each.mean().item() == pytest.approx(expected, abs=5 * error + 1e-12)
        else:
            assert of_each.item() == pytest.approx(expected, abs=1e-6)
            assert of_each.item() >= 0


def test_the_divergence_of_a_full_gaussian_is_split_over_dimensions_by_the_chain_rule() -> None:
    family, output = POSTERIORS["full Gaussian"], said("full Gaussian", 3)
    q = family.read(output)
    of_each = family.kl(q, q.mean)
    expected = reference.kl_divergence(
        reference.MultivariateNormal(q.mean, q.covariance),
        reference.MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double()),
    )
    assert of_each.shape == (3,)
    assert of_each.sum().item() == pytest.approx(expected.item())


def moment(name: str, output: Tensor) -> Tensor:
    """E[z₀² + z₁²], or E[z₀ + z₁] of the log-normal, in closed form."""
    if name == "exponential":
        return (2 * (2 * output).exp()).sum()
    if name == "full Gaussian":
        return output[:2].square().sum() + (2 * output[2:4]).exp().sum() + output[4].square()
    location, scale = output[:SIZE], output[SIZE:].exp()
    if name == "log-normal":
        return (location + scale.square() / 2).exp().sum()
    factor = {"Gaussian": 1.0, "Laplace": 2.0, "logistic": math.pi**2 / 3}[name]
    return (location.square() + factor * scale.square()).sum()


@every_family
def test_reparameterised_gradients_average_to_that_of_the_expectation(name: str) -> None:
    output = said(name).requires_grad_()
    (expected,) = torch.autograd.grad(moment(name, output), output)
    n = 20_000
    repeated = output.detach().expand(n, -1).clone().requires_grad_()
    z = POSTERIORS[name].read(repeated).sample(1, Generator().manual_seed(0))
    value = z.sum() if name == "log-normal" else z.square().sum()
    (of_each,) = torch.autograd.grad(value, repeated)
    error = of_each.std(0) / math.sqrt(n)
    assert ((of_each.mean(0) - expected).abs() < 5 * error + 1e-9).all()


def test_the_reparameterised_gradient_of_a_square_has_the_variance_of_the_closed_form() -> None:
    """q = N(μ, 1), f = z²: the gradient 2 z has variance 4, whatever μ is."""
    n = 40_000
    for mean in (0.0, 3.0):
        location = torch.full((n, 1), mean, dtype=torch.float64, requires_grad=True)
        z = Normal(location, torch.zeros(n, 1, dtype=torch.float64)).sample(1, Generator().manual_seed(0))
        (of_each,) = torch.autograd.grad(z.square().sum(), location)
        assert of_each.mean().item() == pytest.approx(2 * mean, abs=0.05)
        assert of_each.var().item() == pytest.approx(4, rel=0.03)


@every_family
@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_what_a_network_says_may_explode(name: str, value: float) -> None:
    family = POSTERIORS[name]
    output = torch.full((3, family.outputs(SIZE)), value, requires_grad=True)
    q = family.read(output)
    z = q.sample(5, Generator().manual_seed(0))
    kl = family.kl(q, z)
    for found in (z, kl, q.log_prob(z), family.prior(SIZE, output).log_prob(z)):
        assert found.isfinite().all()
    (gradient,) = torch.autograd.grad(kl.sum(), output)
    assert gradient.isfinite().all()
    if name == "exponential":  # back towards the prior
        assert (gradient * value > 0).all()


def test_limits_leave_what_is_within_them_as_it_is() -> None:
    output = torch.tensor([[0.1, LARGEST - 0.1]])
    assert torch.equal(POSTERIORS["exponential"].read(output).mean, output.exp())


@every_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_of_the_uniform_generator_give_finite_codes(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    family: PosteriorFamily = POSTERIORS[name]
    for u in (0.0, 1 - torch.finfo(dtype).eps / 2):
        monkeypatch.setattr(torch, "rand", lambda shape, u=u, **kw: torch.full(shape, u, dtype=kw["dtype"]))
        prior = family.prior(SIZE, torch.zeros((), dtype=dtype))
        z = prior.sample(2)
        assert z.isfinite().all()
        assert prior.log_prob(z).isfinite().all()
