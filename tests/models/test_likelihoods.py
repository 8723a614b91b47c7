"""Likelihoods sum or integrate to one, and their means and draws are theirs."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Generator, Tensor
from torch import distributions as reference

from models.likelihoods import Likelihood, LikelihoodSettings, check_likelihood, chosen_likelihood
from models.spec import DataSpec, Layout, Support, UnsuitableData

EVENT = (1, 1, 2)


def spec(support: Support, categories: int = 0) -> DataSpec:
    return DataSpec(EVENT, support, Layout.IMAGE, categories)


DISCRETE = [("Bernoulli", 0), ("categorical", 3), ("categorical", 256), ("discretised logistic", 2)] + [
    ("discretised logistic", categories) for categories in (4, 256)
]


def made(name: str, categories: int) -> Likelihood:
    support = Support.LEVELS if categories else Support.BITS
    return chosen_likelihood(LikelihoodSettings(likelihood=name), spec(support, categories)).double()


def output(likelihood: Likelihood, scale: float = 1.0, n: int = 1) -> Tensor:
    """What a decoder might say: (n, outputs, *event)."""
    generator = Generator().manual_seed(0)
    return scale * torch.randn(n, likelihood.outputs, *EVENT, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("name", "categories"), DISCRETE)
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_probabilities_sum_to_one_and_give_the_mean(name: str, categories: int, scale: float) -> None:
    likelihood = made(name, categories)
    said = output(likelihood, scale)
    levels = torch.arange(categories or 2, dtype=torch.float64)
    if len(levels) < 10:  # all examples of both coordinates
        x = torch.tensor(list(product(levels.tolist(), repeat=2)), dtype=torch.float64).reshape(-1, *EVENT)
        p = likelihood.log_prob(x, said.expand(len(x), *said.shape[1:])).exp()
        assert p.sum().item() == pytest.approx(1, abs=1e-9)
        torch.testing.assert_close((p.reshape(-1, 1, 1, 1) * x).sum(0), likelihood.mean(said)[0])
    x = levels.reshape(-1, 1, 1, 1).expand(-1, *EVENT)  # the same in both coordinates
    both = [said[..., i : i + 1].expand(len(x), *said.shape[1:]) for i in (0, 1)]  # and what is said of them
    one = torch.stack([likelihood.log_prob(x, part) for part in both]) / 2
    assert one.exp().sum(1).tolist() == pytest.approx([1, 1], abs=1e-9)
    torch.testing.assert_close((one.exp() * levels).sum(1), likelihood.mean(said).flatten(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "categories"), DISCRETE)
def test_draws_lie_in_the_support_and_have_the_mean(name: str, categories: int) -> None:
    likelihood, n = made(name, categories), 4000 if categories > 9 else 20_000
    said = output(likelihood)
    x = likelihood.sample(said.expand(n, *said.shape[1:]), Generator().manual_seed(0))
    assert x.shape == (n, *EVENT)
    assert ((x == x.round()) & (x >= 0) & (x < (categories or 2))).all()
    error = x.std(0) / math.sqrt(n)
    assert ((x.mean(0) - likelihood.mean(said)[0]).abs() < 5 * error + 1e-4).all()


def test_a_discretised_logistic_is_the_mass_of_a_logistic_nearest_to_each_level() -> None:
    likelihood = made("discretised logistic", 5)
    said = output(likelihood)
    m, s = 2 * (said[0, 0] + 1), 2 * said[0, 1].exp()  # in levels
    for level in range(5):
        x = torch.full((1, *EVENT), float(level), dtype=torch.float64)
        above = ((level + 0.5 - m) / s).sigmoid() if level < 4 else torch.ones_like(m)
        below = ((level - 0.5 - m) / s).sigmoid() if level > 0 else torch.zeros_like(m)
        assert likelihood.log_prob(x, said).item() == pytest.approx((above - below).log().sum().item())


@pytest.mark.parametrize("name", ["categorical", "discretised logistic"])
def test_levels_far_from_what_is_said_cost_a_finite_number_of_nats_and_have_a_gradient(name: str) -> None:
    likelihood = chosen_likelihood(LikelihoodSettings(likelihood=name), spec(Support.LEVELS, 256))
    for value in (-1e4, 1e4):
        said = torch.full((256, likelihood.outputs, *EVENT), value, requires_grad=True)
        x = torch.arange(256.0).reshape(-1, 1, 1, 1).expand(-1, *EVENT)
        log_p = likelihood.log_prob(x, said)
        (gradient,) = torch.autograd.grad(log_p.sum(), said)
        assert log_p.isfinite().all()
        assert gradient.isfinite().all()
        assert likelihood.mean(said.detach()).isfinite().all()


def test_a_gaussian_is_the_density_and_its_draws_scatter_so() -> None:
    settings = LikelihoodSettings(likelihood="Gaussian", scale=0.3, learn_scale=False)
    likelihood = chosen_likelihood(settings, spec(Support.REALS)).double()
    said = output(likelihood)
    x = said[:, 0] + 0.2
    expected = reference.Normal(said[:, 0], 0.3).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(likelihood.log_prob(x, said), expected, rtol=1e-6, atol=0)
    assert torch.equal(likelihood.mean(said), said[:, 0])
    drawn = likelihood.sample(said.expand(20_000, *said.shape[1:]), Generator().manual_seed(0))
    assert drawn.std(0).flatten().tolist() == pytest.approx([0.3, 0.3], rel=0.03)


@pytest.mark.parametrize(("name", "categories"), DISCRETE)
def test_several_draws_of_a_code_are_scored_as_one_by_one(name: str, categories: int) -> None:
    likelihood = made(name, categories)
    said = output(likelihood, n=6).reshape(3, 2, likelihood.outputs, *EVENT)
    x = torch.arange(4.0, dtype=torch.float64).reshape(2, *EVENT).clamp(max=(categories or 2) - 1)
    together = likelihood.log_prob(x, said)
    assert together.shape == (3, 2)
    torch.testing.assert_close(together, torch.stack([likelihood.log_prob(x, one) for one in said]))


def test_the_likelihood_follows_the_data_and_others_are_refused() -> None:
    wanted = {
        Support.BITS: "Bernoulli",
        Support.UNIT: "Bernoulli",
        Support.REALS: "Gaussian",
        Support.LEVELS: "DiscretisedLogistic",
    }
    for support, name in wanted.items():
        described = spec(support, 7 if support is Support.LEVELS else 0)
        check_likelihood(LikelihoodSettings(), described, "A model")
        assert type(chosen_likelihood(LikelihoodSettings(), described)).__name__ == name
    for name, support in (("Bernoulli", Support.REALS), ("Gaussian", Support.LEVELS), ("categorical", Support.BITS)):
        with pytest.raises(UnsuitableData, match=f"A {name} likelihood cannot"):
            check_likelihood(LikelihoodSettings(likelihood=name), spec(support, 4), "A model")
    with pytest.raises(UnsuitableData, match="A model cannot model symbols"):
        check_likelihood(LikelihoodSettings(), spec(Support.SYMBOLS, 4), "A model")


def test_networks_read_levels_between_0_and_1() -> None:
    x = torch.tensor([[[[0.0, 255.0]]]])
    assert made("categorical", 256).scaled(x).flatten().tolist() == [0, 1]
    assert made("Bernoulli", 0).scaled(x) is x
