"""Annealing of a code, against log p(x) in closed form and by quadrature."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator, Tensor

from models.estimation.decoder_annealing import (
    _forwards,
    _Path,
    annealed_code_likelihood,
    annealed_log_prob,
    bounds_on_simulated,
    inverse_temperatures,
)
from models.estimation.measure import Kind
from models.estimation.progress import finish
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

REALS = DataSpec((4,), Support.REALS, Layout.VECTOR)
BITS = DataSpec((5,), Support.BITS, Layout.VECTOR)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@cache
def linear_vae() -> Vae:
    """x = W z + b + 0.5 ε, of which p(x) is a Gaussian."""
    torch.manual_seed(1)
    model = Vae(VaeSettings(latent=2, layers=0, scale=0.5), REALS).double()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.normal_()
    return model


def exactly(model: Vae, x: Tensor) -> Tensor:
    """log N(x; b, W Wᵀ + σ² I)."""
    (layer,) = model.decoder
    covariance = layer.weight @ layer.weight.t() + 0.25 * torch.eye(4)
    found: Tensor = torch.distributions.MultivariateNormal(layer.bias, covariance).log_prob(x).detach()
    return found


def examples(model: Vae, n: int) -> Tensor:
    with torch.no_grad():
        return model.sample(n, draws(5))


def test_temperatures_go_from_the_prior_to_the_posterior() -> None:
    betas = inverse_temperatures(10)
    assert (betas[0], betas[-1], len(betas)) == (0, 1, 11)
    assert (torch.tensor(betas).diff().diff() > 0).all()
    assert inverse_temperatures(1) == [0, 1]


def test_a_linear_vaes_likelihood_is_that_of_its_gaussian() -> None:
    model = linear_vae()
    x = examples(model, 20)
    exact = exactly(model, x)
    found = finish(annealed_log_prob(model, x, 60, 8, draws()))
    assert -0.15 < (found - exact).mean() < 0.02  # below, on average
    torch.testing.assert_close(found, exact, rtol=0, atol=1.2)
    measure = finish(annealed_code_likelihood(model, x, "here", 60, 8, draws()))
    assert measure.kind is Kind.LOWER_BOUND
    assert measure.low <= exact.mean() <= measure.high
    assert abs(measure.value - exact.mean()) < 0.15
    assert measure.doubt == ""
    assert "60 temperatures" in measure.protocol


def test_the_mean_weight_is_unbiased_even_with_few_temperatures_where_its_logarithm_is_far_below() -> None:
    model = linear_vae()
    x = examples(model, 4)
    exact = exactly(model, x)
    many = finish(annealed_log_prob(model, x, 4, 4000, draws()))
    torch.testing.assert_close(many, exact, rtol=0, atol=0.15)
    path = _Path(model, x, draws())
    of_each = finish(_forwards(path, torch.full((5, 4), 0.2).double(), 4, 4000))  # (chains, B) log-weights
    torch.testing.assert_close(of_each.logsumexp(0) - math.log(4000), exact, rtol=0, atol=0.2)
    assert (of_each.mean(0) < exact - 0.3).all()


def test_forward_and_reverse_bounds_hold_the_truth_between_them_on_simulated_examples() -> None:
    model, generator = linear_vae(), draws(3)
    below, above = finish(bounds_on_simulated(model, 60, 20, 2, draws(3)))
    with torch.no_grad():  # the same examples
        simulated = model.draw_given(model.prior().sample(60, generator), generator)
    exact = exactly(model, simulated)
    assert below.mean() < exact.mean() < above.mean()
    nearer = finish(bounds_on_simulated(model, 60, 80, 2, draws(3)))
    assert (nearer[1] - nearer[0]).mean() < 0.5 * (above - below).mean()


def test_a_code_of_one_dimension_agrees_with_quadrature() -> None:
    torch.manual_seed(4)
    model = Vae(VaeSettings(latent=1, hidden=8, layers=1), BITS).double()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.normal_(0, 1.2)
        x = model.sample(20, draws())
        z = torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
        log_joint = model.log_likelihood(x, z[:, None].expand(-1, 20, -1)) + model.prior().log_prob(z)[:, None]
        exact = torch.trapezoid(log_joint.exp(), z[:, 0], dim=0).log()
    found = finish(annealed_log_prob(model, x, 40, 20, draws()))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.3)
    assert abs((found - exact).mean()) < 0.05


def test_moves_leave_each_density_of_the_path_invariant() -> None:
    """From exact draws of f_β, which is Gaussian here, moves give draws of f_β."""
    model, beta, n = linear_vae(), 0.4, 20_000
    x = examples(model, 1)
    (layer,) = model.decoder
    weight, bias = layer.weight.detach(), layer.bias.detach()
    precision = torch.eye(2) + beta * weight.t() @ weight / 0.25
    mean = torch.linalg.solve(precision, beta * weight.t() @ (x[0] - bias) / 0.25)
    factor = torch.linalg.cholesky(precision.inverse())
    path = _Path(model, x, draws())
    state = path.at(mean + torch.randn(n, 1, 2, generator=draws(1), dtype=torch.float64) @ factor.t())
    for _ in range(2):
        state, chance = path.move(state, beta, torch.tensor([0.35]).double())  # long steps: many are refused
    assert 0.2 < chance.mean() < 0.95
    z = state.z[:, 0]
    torch.testing.assert_close(z.mean(0), mean, rtol=0, atol=4 * factor.norm().item() / n**0.5)
    torch.testing.assert_close(torch.cov(z.t()), precision.inverse(), rtol=0.05, atol=0.004)


def test_too_few_temperatures_are_called_doubtful() -> None:
    torch.manual_seed(0)
    model = Vae(VaeSettings(latent=8, layers=0, scale=0.01, learn_scale=False), REALS).double()
    x = examples(model, 4)
    measure = finish(annealed_code_likelihood(model, x, "here", 3, 2, draws()))
    assert "more temperatures" in measure.doubt
