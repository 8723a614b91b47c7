"""Maximum likelihood: what it follows, how its rate falls, and how long its gradient may be."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Generator, Tensor, nn

from models.distributions import bernoulli_log_prob
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.spec import Batch, DataSpec, Layout, Support

SPEC = DataSpec((2,), Support.REALS, Layout.VECTOR, class_names=("a", "b"))


class Shift(nn.Module):
    """log p(x) = -½‖x - μ‖², up to a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * (x - self.mean).square().sum(1)


class OfClass(Shift):
    """The same with a mean for each class."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.classes = classes
        self.mean = nn.Parameter(torch.zeros(2, 2))

    def log_prob(self, x: Tensor) -> Tensor:
        raise AssertionError("costs as many passes as there are classes")

    def conditional_classes(self) -> int:
        return self.classes

    def log_prob_of_class(self, x: Tensor, y: Tensor) -> Tensor:
        return -0.5 * (x - self.mean[y]).square().sum(1)

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        return self.mean[y]


class Estimated(Shift):
    def learns_from_estimate(self) -> bool:
        return True

    def log_prob_estimate(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        return self.log_prob(x) - 1


def batch(x: list[list[float]], y: list[int] | None = None) -> Batch:
    labels = torch.tensor(y or [-1] * len(x))
    return Batch(torch.tensor(x), labels, torch.arange(len(x)))


def learner(model: nn.Module, **settings: float) -> MaximumLikelihood:
    made = MaximumLikelihood(model, MaximumLikelihoodSettings(**settings), SPEC, 100)
    made.begin()
    return made


def test_it_reports_what_it_follows_by_a_name_of_its_own() -> None:
    one = batch([[1.0, 0.0]], [0])
    assert learner(Shift()).step(one) == {"log_prob": torch.tensor(-0.5)}
    assert learner(Estimated()).step(one) == {"log_prob_estimate": torch.tensor(-1.5)}
    assert learner(OfClass()).step(one) == {"log_prob_of_class": torch.tensor(-0.5)}


def test_examples_without_a_label_say_nothing_about_a_class() -> None:
    made = learner(OfClass())
    some = batch([[1.0, 0.0], [0.0, 2.0], [50.0, 50.0]], [0, 1, -1])
    assert made.held_out(some, Generator())["log_prob_of_class"].item() == pytest.approx((-0.5 - 2.0) / 2)
    none = batch([[50.0, 50.0]])
    assert made.step(none)["log_prob_of_class"].item() == 0
    assert torch.equal(made.model.mean, torch.zeros(2, 2))


def test_the_rate_falls_along_half_a_cosine_and_stays_at_its_end() -> None:
    made = learner(Shift(), learning_rate=0.1, decay=4)
    far = batch([[1e6, 1e6]])
    before, moves = made.model.mean.detach().clone(), []
    for _ in range(6):
        made.step(far)
        moves.append((made.model.mean - before)[0].item())
        before = made.model.mean.detach().clone()
    # with a constant gradient every step of Adam is as long as its rate
    expected = [0.1 * (0.02 + 0.49 * (1 + math.cos(math.pi * min(t / 4, 1)))) for t in range(6)]
    assert moves == pytest.approx(expected, abs=1e-5)


def test_without_decay_nothing_but_the_model_is_kept() -> None:
    assert set(learner(Shift()).state_dict()) == {"model.mean"}


def test_long_gradients_are_cut_to_the_given_norm() -> None:
    made = learner(Shift(), clip=1.0)
    made.step(batch([[30.0, 40.0]]))
    assert made.model.mean.grad is not None
    assert made.model.mean.grad.norm().item() == pytest.approx(1, abs=1e-4)


class Logistic(nn.Module):
    """The first of two bits given the second, u: log-odds are w·(u, 1 - u) + b."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -0.3]]))
        self.bias = nn.Parameter(torch.tensor([0.2]))

    def log_prob(self, x: Tensor) -> Tensor:
        inputs = torch.stack([x[:, 1], 1 - x[:, 1]], 1)
        return bernoulli_log_prob(x[:, 0], inputs @ self.weight[0] + self.bias)


def test_a_penalty_on_weights_adds_its_sign_to_their_gradient_and_leaves_biases_and_the_report() -> None:
    free, held, some = learner(Logistic()), learner(Logistic(), weight_penalty=0.25), batch([[1.0, 0.0], [0.0, 1.0]])
    assert free.step(some) == held.step(some)
    plain, penalised = free.model, held.model
    assert torch.equal(penalised.bias.grad, plain.bias.grad)
    expected = plain.weight.grad + 0.25 * torch.tensor([[1.0, -1.0]])
    torch.testing.assert_close(penalised.weight.grad, expected)


def test_the_rate_goes_on_falling_after_a_resume() -> None:
    far, made, again = batch([[1e6, 1e6]]), learner(Shift(), decay=6), learner(Shift(), decay=6)
    for _ in range(3):
        made.step(far)
    again.load_state_dict(made.state_dict())
    kept, own = copy.deepcopy(made.optimizers["model"].state_dict()), again.optimizers["model"].state_dict()
    again.optimizers["model"].load_state_dict({"state": kept["state"], "param_groups": own["param_groups"]})
    for _ in range(3):
        made.step(far)
        again.step(far)
    assert torch.equal(made.model.mean, again.model.mean)
