"""Estimators of the bound's gradient: their variances and means against closed forms and sums over all states."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from models.capabilities import Elbo, PosteriorDraw, TooLarge
from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.distributions import LOG_2PI, Normal
from models.estimation.gradients import (
    INPUT_DEPENDENT,
    NO_BASELINE,
    PATH_CUT,
    REPARAMETERISED,
    Estimator,
    Spread,
    estimators,
    exact_gradient,
    recognition_parameters,
    relaxed_name,
    spread,
    squared_distance,
    squared_norm,
)
from models.estimation.progress import finish
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

SHAPE = (1, 2, 3)
B = 50  # examples that are all alike
BITS = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)


class Squares(nn.Module):
    """q = N(μ, 1) and log p(x, z) = z² + log q, with μ held in the latter: the learning signal is z². The
    mean over B examples, which are all alike, varies B times less."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.location = nn.Parameter(torch.tensor([[mean]]))

    def _posterior(self, location: Tensor) -> Normal:
        return Normal(location, torch.zeros_like(location))

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        q = self._posterior(self.location.expand(len(x), 1))
        z = q.sample(samples, generator).detach()
        joint = z.square().sum(-1) + self._posterior(self.location.detach()).log_prob(z)
        return PosteriorDraw(joint, q.log_prob(z))

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        z = self._posterior(self.location.expand(len(x), 1)).sample(1, generator).squeeze(0)
        nothing = torch.zeros_like(z)
        return Elbo(z.square().sum(-1), nothing.sum(-1), nothing)


def seen(model: nn.Module, name: str, x: Tensor, draws: int, strength: float = 1.0) -> Spread:
    generator = Generator().manual_seed(0)
    found = {one.name: one for one in estimators(model, x, strength, generator)}
    return finish(spread(found[name], recognition_parameters(model, x, generator), x, draws, generator))


def bits(n: int = 3) -> Tensor:
    return torch.rand(n, *SHAPE, generator=Generator().manual_seed(1)).round()


@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_variances_of_the_square_are_the_closed_forms(mean: float) -> None:
    """z² under N(μ, 1): 4 by reparameterisation, μ⁴ + 14 μ² + 15 by the score function."""
    model, x = Squares(mean), torch.zeros(B, 1)
    variance, low, high = seen(model, REPARAMETERISED, x, 800).variance()
    assert low < 4 / B < high
    assert variance == pytest.approx(4 / B, rel=0.15)
    of_score, low, high = seen(model, NO_BASELINE, x, 800).variance()
    expected = (mean**4 + 14 * mean**2 + 15) / B
    assert low < expected < high
    assert of_score == pytest.approx(expected, rel=0.2)


def test_means_are_the_gradient_and_a_cut_path_has_none() -> None:
    model, x = Squares(1.5), torch.zeros(B, 1)
    gradient = torch.tensor([3.0])  # 2 μ
    for name in (NO_BASELINE, INPUT_DEPENDENT, REPARAMETERISED):
        bias, low, high = squared_distance(seen(model, name, x, 200), gradient)
        assert low < 0.02 * 9, name
        assert abs(bias) < 0.02 * 9, name
        assert high < 0.2 * 9, name
    bias, low, high = squared_distance(seen(model, PATH_CUT, x, 200), gradient)
    assert bias == pytest.approx(9, rel=0.05)
    assert low > 8
    assert high < 10


def test_a_baseline_of_strength_0_is_none() -> None:
    model, x = Squares(1.5), torch.zeros(B, 1)
    plain, off = (seen(model, name, x, 400, strength=0.0).variance()[0] for name in (NO_BASELINE, INPUT_DEPENDENT))
    on = seen(model, INPUT_DEPENDENT, x, 400).variance()[0]
    assert off == pytest.approx(plain, rel=0.25)
    assert on < 0.75 * plain  # μ⁴ + 14 μ² + 15 less (2 μ² + 6) b - b², at b = E z² = μ² + 1


def test_the_squared_distance_is_unbiased_where_there_is_no_distance() -> None:
    generator = Generator().manual_seed(0)
    values = []
    for _ in range(300):
        means = torch.randn(20, 5, generator=generator, dtype=torch.float64)
        values.append(squared_distance(Spread(means, torch.ones(20)), torch.zeros(5, dtype=torch.float64))[0])
    found = torch.tensor(values)
    assert abs(found.mean().item()) < 3 * found.std().item() / math.sqrt(len(found))
    assert (found < 0).any()


@pytest.mark.parametrize("values", [2, 3])
def test_the_summed_bound_is_the_mean_of_draws_and_below_the_evidence(values: int) -> None:
    torch.manual_seed(0)
    model, x = DiscreteVae(DiscreteVaeSettings(units=2, values=values, hidden=8), BITS), bits()
    with torch.no_grad():
        summed, log_p = model.summed_elbo(x), model.log_prob(x)
        drawn = model.log_weights(x, 20_000, Generator().manual_seed(0))
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert ((summed - drawn.mean(0)).abs() < 4 * error).all()
    assert (summed < log_p).all()
    big = DiscreteVae(DiscreteVaeSettings(units=30, values=values, hidden=8), BITS)
    with pytest.raises(TooLarge, match="states of the code"):
        big.summed_elbo(x)


def test_the_relaxed_gradient_is_biased_and_less_so_at_low_temperature_and_the_score_is_not() -> None:
    torch.manual_seed(0)
    model, x = DiscreteVae(DiscreteVaeSettings(units=2, values=3, hidden=8), BITS), bits()
    for p in model.parameters():
        p.data.mul_(3)
    generator = Generator().manual_seed(0)
    parameters = recognition_parameters(model, x, generator)
    assert {id(p) for p in parameters} == {id(p) for p in model.encoder.parameters()}
    exact = exact_gradient(model, parameters, x, generator)
    assert exact is not None
    gradient, how = exact
    assert "sum" in how
    norm = squared_norm(gradient)
    assert abs(squared_distance(seen(model, INPUT_DEPENDENT, x, 400), gradient)[0]) < 0.03 * norm
    hot, cold = (squared_distance(seen(model, relaxed_name(t), x, 400), gradient)[0] / norm for t in (2.0, 0.1))
    assert hot > 0.02
    assert cold < 0.5 * hot


@pytest.mark.parametrize("posterior", ["Gaussian", "log-normal", "exponential", "logistic", "Laplace"])
def test_reparameterised_and_integrated_gradients_agree_in_every_family(posterior: str) -> None:
    torch.manual_seed(0)
    settings = VaeSettings.model_validate({"latent": 1, "hidden": 8, "layers": 1, "posterior": posterior})
    model, x = Vae(settings, BITS), bits()
    for p in model.parameters():
        p.data.mul_(2)
    generator = Generator().manual_seed(0)
    parameters = recognition_parameters(model, x, generator)
    exact = exact_gradient(model, parameters, x, generator)
    assert exact is not None
    norm = squared_norm(exact[0])
    bias, low, _ = squared_distance(seen(model, REPARAMETERISED, x, 300), exact[0])
    assert abs(bias) < 0.05 * norm
    assert low < 0.01 * norm
    assert squared_distance(seen(model, PATH_CUT, x, 100), exact[0])[0] > 0.5 * norm


def test_integrated_gradients_are_those_of_the_closed_form_of_a_linear_decoder() -> None:
    """log p(x | z) is then quadratic in z: its mean is that of z and its variance."""
    torch.manual_seed(0)
    given = {"latent": 1, "layers": 0, "likelihood": "Gaussian", "learn_scale": False, "scale": 1.0}
    model = Vae(VaeSettings.model_validate(given), DataSpec((3,), Support.REALS, Layout.VECTOR))
    x = torch.randn(4, 3, generator=Generator().manual_seed(0))
    generator = Generator().manual_seed(0)
    parameters = recognition_parameters(model, x, generator)
    mean, log_scale = model.posterior_parameters(x).chunk(2, -1)
    weight, bias = model.decoder.parameters()
    away = (x - mean @ weight.t() - bias).square().sum(1) + (2 * log_scale.squeeze(1)).exp() * weight.square().sum()
    bound = -0.5 * away - 1.5 * LOG_2PI - Normal(mean, log_scale).kl_from_standard().squeeze(1)
    found = torch.autograd.grad(bound.mean(), parameters)
    exact = exact_gradient(model, parameters, x, generator)
    assert exact is not None
    torch.testing.assert_close(exact[0].float(), torch.cat([g.flatten() for g in found]), rtol=1e-3, atol=1e-4)


def test_an_estimator_that_does_not_vary_has_no_variance() -> None:
    parameter = nn.Parameter(torch.ones(2))
    one = Estimator("", "", lambda x, generator: parameter.sum())
    found = finish(spread(one, [parameter], torch.zeros(1), 40, Generator()))
    assert found.variance() == (0.0, 0.0, 0.0)
    assert squared_norm(found) == pytest.approx(2)
