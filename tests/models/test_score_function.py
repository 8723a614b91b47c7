"""The score-function estimator against gradients of sums over all states, and variances in closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from test_sigmoid_belief import STATES, joint, net
from torch import Generator, Tensor, nn

from models.capabilities import Elbo, PosteriorDraw
from models.learning.bound import BoundAscent
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.learning.score_function import ScoreFunction, ScoreFunctionSettings
from models.sigmoid_belief import SigmoidBelief, SigmoidBeliefSettings
from models.spec import Batch, DataSpec, Layout, Support

SPEC = DataSpec((2, 2), Support.BITS, Layout.VECTOR)
BASELINES = ("none", "running mean", "input-dependent", "other draws")


def learner_of(model: nn.Module, spec: DataSpec = SPEC, **settings: Any) -> ScoreFunction:
    torch.manual_seed(0)
    made = ScoreFunction(model, ScoreFunctionSettings(**settings), spec, 100)
    made.begin()
    return made


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("widths", [(3, 0, 0), (2, 2, 0)], ids=str)
def test_the_mean_of_the_estimate_is_the_enumerated_gradient(widths: tuple[int, ...], baseline: str) -> None:
    model, x = net(widths), STATES[[1, 6, 11]]
    made = learner_of(model, baseline=baseline, draws=200).double()
    made.steps.fill_(1)
    made.signal_mean.fill_(-3.0)
    made.signal_variance.fill_(4.0)
    parameters = list(model.parameters())
    log_p, log_q = joint(model, x)
    bound = (log_q.exp() * (log_p - log_q)).sum(0).mean()
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(-bound, parameters)])
    generator, found = Generator().manual_seed(1), []
    for _ in range(60):
        loss, _ = made.surrogate(x, generator)
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    estimates = torch.stack(found)
    error = estimates.std(0) / math.sqrt(len(estimates))
    assert ((estimates.mean(0) - exact).abs() <= 5 * error + 1e-12).all()
    assert (exact.abs() > 5 * error).float().mean() > 0.5  # precise enough to tell


class Square(nn.Module):
    """q = N(μ, 1) and a signal f(z) = z², in as many copies as there are examples."""

    def __init__(self, mean: float, copies: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full((copies,), mean, dtype=torch.float64))

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        noise = torch.randn(samples, len(x), generator=generator, dtype=torch.float64)
        z = (self.mean + noise).detach()
        log_q = -0.5 * (z - self.mean).square()
        return PosteriorDraw(z.square() + log_q.detach(), log_q)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        z = self.mean + torch.randn(len(x), generator=generator, dtype=torch.float64)
        nothing = torch.zeros_like(x)
        return Elbo(z.square(), nothing[:, 0], nothing)


@pytest.mark.parametrize("mean", [0.0, 1.0, 2.0])
def test_the_variance_that_learners_measure_is_the_one_in_closed_form(mean: float) -> None:
    """With b = E[f] = μ² + 1 the signal's part (f - b)(z - μ) has the second moment 12 μ² + 10."""
    copies, spec = 100_000, DataSpec((1,), Support.REALS, Layout.VECTOR)
    model, x = Square(mean, copies), torch.zeros(copies, 1, dtype=torch.float64)

    def measured(made: BoundAscent) -> float:
        """Of one example's gradient: that of the mean over all copies is as many times less."""
        return copies * made.variance_of_gradient(x, Generator().manual_seed(0)).item()

    plain, with_mean = learner_of(model, spec, baseline="none"), learner_of(model, spec, baseline="running mean")
    with_mean.steps.fill_(1)
    with_mean.signal_mean.fill_(mean**2 + 1)
    pathwise = ReparameterizedElbo(model, ReparameterizedElboSettings(), spec, copies)
    assert measured(plain) == pytest.approx(mean**4 + 14 * mean**2 + 15, rel=0.03)
    assert measured(with_mean) == pytest.approx(8 * mean**2 + 10, rel=0.03)
    assert measured(pathwise) == pytest.approx(4, rel=0.03)


def test_every_baseline_is_worth_something_where_some_examples_are_hard() -> None:
    """Half the examples are fair coins, which cost far more than the other half that are all zeros."""
    generator = Generator().manual_seed(0)
    x = torch.rand(100, 12, generator=generator).lt(0.5).float()
    x[::2] = 0
    spec = DataSpec((12,), Support.BITS, Layout.VECTOR)
    torch.manual_seed(3)
    model = SigmoidBelief(SigmoidBeliefSettings(first=4), spec)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    variance = {}
    for baseline in BASELINES:
        made = learner_of(model, spec, baseline=baseline, learning_rate=0.01, draws=2)
        for _ in range(120):
            made.step(batch_of(x))
            model.load_state_dict(start)  # one model for all, to which only the baseline adapts
        variance[baseline] = made.variance_of_gradient(x, Generator().manual_seed(1), 50).item()
    assert variance["running mean"] < 0.5 * variance["none"]
    assert variance["input-dependent"] < 0.7 * variance["running mean"]
    assert variance["other draws"] < variance["running mean"]


def test_the_signal_is_remembered_as_it_was_before_the_step() -> None:
    model, x = net((3, 0, 0)).float(), STATES.float()
    made = learner_of(model, baseline="running mean", memory=0.75)
    first = made.step(batch_of(x))
    assert made.signal_mean.item() == pytest.approx(first["elbo"].item(), rel=1e-5)
    assert first["signal"].item() == pytest.approx(made.signal_variance.sqrt().item(), rel=1e-5)
    before = made.signal_mean.item()
    second = made.step(batch_of(x))
    assert made.signal_mean.item() == pytest.approx(0.75 * before + 0.25 * second["elbo"].item(), rel=1e-5)


def test_normalising_changes_the_step_and_not_the_variance_that_is_measured() -> None:
    x = STATES.float()
    grads, variances = [], []
    for normalise in (False, True):
        made = learner_of(net((3, 0, 0)).float(), baseline="running mean", normalise=normalise)
        made.steps.fill_(1)
        made.signal_variance.fill_(16.0)
        variances.append(made.variance_of_gradient(x, Generator().manual_seed(0)))
        torch.manual_seed(0)
        made.step(batch_of(x))
        grads.append((made.model.recognition[0].weight.grad, made.model.generative[0].weight.grad))
    assert torch.equal(*variances)
    assert torch.allclose(grads[0][0], 4 * grads[1][0], atol=1e-6)
    assert torch.equal(grads[0][1], grads[1][1])


def test_a_baseline_of_other_draws_takes_two_at_least() -> None:
    assert learner_of(net((3, 0, 0)), baseline="other draws").samples == 2
    assert learner_of(net((3, 0, 0)), baseline="other draws", draws=5).samples == 5
    assert learner_of(net((3, 0, 0))).samples == 1


def test_the_learning_rate_of_a_bound_falls_to_a_fiftieth_and_stays() -> None:
    made = learner_of(net((3, 0, 0)).float(), learning_rate=0.1, decay=10)
    rates = []
    for _ in range(14):
        made.step(batch_of(STATES.float()))
        rates.append(made.optimizers["model"].param_groups[0]["lr"].item())
    assert rates[0] == pytest.approx(0.1)
    assert rates[5] == pytest.approx(0.051)
    assert rates[:11] == sorted(rates[:11], reverse=True)
    assert rates[10:] == pytest.approx([0.002] * 4)
