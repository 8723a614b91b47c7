"""The wake-sleep algorithm against enumeration: what each phase follows, and what it does not."""

from __future__ import annotations

import math

import pytest
import torch
from contract import draws, states
from torch import Generator, Tensor, nn

from models.capabilities import DrawsPosterior, Dreams, PosteriorDraw
from models.catalog import Recipe
from models.distributions import bernoulli, bernoulli_log_prob
from models.learning.wake_sleep import WakeSleep, WakeSleepSettings
from models.settings import SettingsError
from models.spec import Batch, DataSpec, Layout, Support

H, X = states(2).double(), states(3).double()  # all hidden and all visible states
SPEC = DataSpec((3,), Support.BITS, Layout.VECTOR)


class Tables(nn.Module):
    """Two hidden and three visible bits: p(h) and q(h_j | x) are tables, p(x | h) is logistic."""

    def __init__(self, spread: float = 1.0) -> None:
        super().__init__()
        made = Generator().manual_seed(0)

        def numbers(*shape: int) -> nn.Parameter:
            return nn.Parameter(spread * torch.randn(shape, generator=made, dtype=torch.float64))

        self.prior, self.weight, self.bias = numbers(4), numbers(2, 3), numbers(3)
        self.recognition = numbers(8, 2)  # logits of each hidden bit, for each x

    def log_joint(self, x: Tensor, h: Tensor) -> Tensor:
        prior = self.prior.log_softmax(0)[place(h)]
        logits = h @ self.weight + self.bias
        return prior + bernoulli_log_prob(x.expand_as(logits), logits).sum(-1)

    def log_q(self, x: Tensor, h: Tensor) -> Tensor:
        return bernoulli_log_prob(h, self.recognition[place(x)].expand_as(h)).sum(-1)

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        h = bernoulli(self.recognition[place(x)].sigmoid().expand(samples, -1, -1), generator)
        return PosteriorDraw(self.log_joint(x, h), self.log_q(x, h))

    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        h = H[self.prior.softmax(0).multinomial(n, replacement=True, generator=generator)]
        return self.log_q(bernoulli((h @ self.weight + self.bias).sigmoid(), generator), h)

    # By enumeration: (x, h) over (len(x), 4).

    def joint_of(self, x: Tensor) -> Tensor:
        return torch.stack([self.log_joint(x, h.expand(len(x), -1)) for h in H], 1)

    def q_of(self, x: Tensor) -> Tensor:
        return torch.stack([self.log_q(x, h.expand(len(x), -1)) for h in H], 1)

    def evidence(self, x: Tensor) -> Tensor:
        return self.joint_of(x).logsumexp(1)

    def bound(self, x: Tensor) -> Tensor:
        log_q = self.q_of(x)
        return (log_q.exp() * (self.joint_of(x) - log_q)).sum(1)

    def generative(self) -> list[nn.Parameter]:
        return [self.prior, self.weight, self.bias]


def place(bits: Tensor) -> Tensor:
    return (bits @ (2.0 ** torch.arange(bits.shape[-1] - 1, -1, -1, dtype=bits.dtype))).long()


def mean_gradient(model: Tables, x: Tensor, estimates: int = 400) -> tuple[Tensor, Tensor]:
    """Of the learner's surrogate, the sign turned to ascent: its mean over draws and the standard error of that."""
    learner = WakeSleep(model, WakeSleepSettings(draws=20, dreams=20), SPEC, len(x))
    generator = draws()
    found = []
    for _ in range(estimates):
        loss, _ = learner.surrogate(x, generator)
        found.append(flat(torch.autograd.grad(-loss, list(model.parameters()))))
    each = torch.stack(found)
    return each.mean(0), each.std(0) / estimates**0.5


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients])


DATA = X[[0, 3, 5, 5, 6, 7]]


def test_each_phase_follows_on_average_the_gradient_that_enumeration_gives() -> None:
    model = Tables()
    assert isinstance(model, DrawsPosterior)
    assert isinstance(model, Dreams)
    wake = (model.q_of(DATA).exp().detach() * model.joint_of(DATA)).sum(1).mean()
    sleep = (model.joint_of(X).exp().detach() * model.q_of(X)).sum()
    wanted = flat(torch.autograd.grad(wake + sleep, list(model.parameters())))
    mean, error = mean_gradient(model, DATA)
    assert ((mean - wanted).abs() <= 5 * error + 1e-9).all()
    assert (error < 0.02 * wanted.norm()).all()  # tight enough to tell
    # awake it is the gradient of the bound; asleep it is not
    bound = torch.autograd.grad(model.bound(DATA).mean(), list(model.parameters()))
    assert ((mean - flat(bound)).abs()[:-16] <= 5 * error[:-16] + 1e-9).all()
    assert (mean - flat(bound))[-16:].norm() > 10 * error[-16:].norm()


def test_with_exact_recognition_the_wake_phase_ascends_the_likelihood() -> None:
    model = Tables()
    with torch.no_grad():
        model.weight[0] = 0  # then h_0 says nothing of x, and is independent of h_1 if the prior says so
        model.prior.copy_((H * torch.tensor([0.7, -0.4])).sum(1))
        posterior = model.joint_of(X).softmax(1)
        marginals = posterior @ H
        model.recognition.copy_(marginals.logit())
        torch.testing.assert_close(model.q_of(X).exp(), posterior)  # factorial, and exact
    wanted = flat(torch.autograd.grad(model.evidence(DATA).mean(), model.generative()))
    at_rest = torch.zeros(model.recognition.numel(), dtype=torch.float64)  # recognition can become no better
    mean, error = mean_gradient(model, DATA)
    assert ((mean - torch.cat([wanted, at_rest])).abs() <= 5 * error + 1e-9).all()


def test_sleep_comes_to_rest_where_the_bound_does_not() -> None:
    """Posterior marginals minimise KL(p‖q) over factorial q, and not KL(q‖p): the bound could be better."""
    model = Tables(spread=2.0)
    with torch.no_grad():
        model.recognition.copy_((model.joint_of(X).softmax(1) @ H).logit())
    mean, error = mean_gradient(model, X)
    assert (mean[-16:].abs() <= 5 * error[-16:] + 1e-9).all()
    (rising,) = torch.autograd.grad(model.bound(X).mean(), [model.recognition])
    with torch.no_grad():
        before = model.bound(X).mean()
        model.recognition.add_(rising)
        assert model.bound(X).mean() > before + 0.005


def test_what_is_reported_is_the_bound_and_its_two_phases() -> None:
    model = Tables()
    learner = WakeSleep(model, WakeSleepSettings(draws=1000, dreams=1000), SPEC, len(DATA))
    with torch.no_grad():
        reported = learner.held_out(Batch(DATA, torch.zeros(6), torch.arange(6)), draws())
        assert reported["elbo"].item() == pytest.approx(model.bound(DATA).mean().item(), abs=0.05)
        assert reported["elbo"] < model.evidence(DATA).mean()
        wake = (model.q_of(DATA).exp() * model.joint_of(DATA)).sum(1).mean()
        assert reported["wake"].item() == pytest.approx(wake.item(), abs=0.05)
        sleep = (model.joint_of(X).exp() * model.q_of(X)).sum()
        assert reported["sleep"].item() == pytest.approx(sleep.item(), abs=0.05)


def test_more_draws_and_more_dreams_make_the_gradient_less_noisy() -> None:
    found = {}
    for draws_and_dreams in (1, 16):
        settings = WakeSleepSettings(draws=draws_and_dreams, dreams=draws_and_dreams)
        learner = WakeSleep(Tables(), settings, SPEC, len(DATA))
        found[draws_and_dreams] = learner.variance_of_gradient(DATA, draws(), 200).item()
    assert found[1] / found[16] == pytest.approx(16, rel=0.3)


def test_the_exact_evidence_is_reported_beside_the_bound_where_it_is_asked_for() -> None:
    x, n = states(3).float(), 500
    recipe = Recipe.read("sigmoid-belief", "wake-sleep", {"first": 2}, {"evidence": True})
    torch.manual_seed(0)
    learner = recipe.build(SPEC, len(x))
    batch = Batch(x.repeat(n, 1), torch.full((8 * n,), -1), torch.arange(8 * n))
    with torch.no_grad():
        told = learner.held_out(batch, draws())
        weights = learner.model.log_weights(x, 20_000, draws(1))
    assert told["evidence"].item() == pytest.approx((weights.logsumexp(0) - math.log(20_000)).mean().item(), abs=0.02)
    assert told["elbo"] < told["evidence"]
    with pytest.raises(SettingsError, match="no sum"):
        Recipe.read("vae", "wake-sleep", {}, {"evidence": True})
