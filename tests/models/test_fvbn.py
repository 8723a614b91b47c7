"""The fully visible Bayes net against enumeration, its Jacobian, and logistic regressions written out."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import Completes, Samples, SamplesMeans, ScoresEach, ScoresExactly
from models.estimation.enumeration import all_states, log_probabilities
from models.fvbn import LARGEST, Fvbn, FvbnSettings
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.nade import Nade, NadeSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 5)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)


def make(spec: DataSpec = SPEC, hidden: int = 0) -> Fvbn:
    torch.manual_seed(2)
    model = Fvbn(FvbnSettings(hidden=hidden), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1)  # the upper triangle too: it must not count
    return model


def some_bits(n: int) -> Tensor:
    return (torch.rand(n, *SHAPE, generator=Generator().manual_seed(0)) < 0.4).double()


def numbers(x: Tensor) -> Tensor:
    """Rows of bits as numbers, in the order of `all_states`."""
    x = x.flatten(1)
    return (x @ (2.0 ** torch.arange(x.shape[1] - 1, -1, -1, dtype=x.dtype))).long()


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (Samples, SamplesMeans, ScoresExactly, ScoresEach, Completes):
        assert issubclass(Fvbn, capability)


def test_grey_values_and_too_many_coordinates_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Fvbn.check(FvbnSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))
    with pytest.raises(UnsuitableData, match=r"up to 4,096 values; these have 3,000,000: choose a smaller size"):
        Fvbn.check(FvbnSettings(), DataSpec((3, 1000, 1000), Support.BITS, Layout.IMAGE))
    Fvbn.check(FvbnSettings(), DataSpec((LARGEST,), Support.BITS, Layout.VECTOR))
    with pytest.raises(UnsuitableData, match=r"nets of 16 hidden units .*up to 1,024 values"):
        Fvbn.check(FvbnSettings(hidden=16), DataSpec((LARGEST,), Support.BITS, Layout.VECTOR))


@pytest.mark.parametrize("hidden", [0, 3])
def test_the_probabilities_of_all_states_sum_to_one(hidden: int) -> None:
    model = make(hidden=hidden)
    total = log_probabilities(model.log_prob, SHAPE, model.bias).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-10)


def test_every_conditional_is_a_logistic_regression_on_what_comes_before() -> None:
    model, x = make(), some_bits(20)
    bits = x.flatten(1)
    for d in range(10):
        logit = model.bias[d] + sum((model.weight[d, i] * bits[:, i] for i in range(d)), torch.zeros(20).double())
        p = 1 / (1 + (-logit).exp())
        expected = torch.where(bits[:, d] == 1, p, 1 - p).log()
        torch.testing.assert_close(model.log_conditionals(x).flatten(1)[:, d], expected)


def test_with_hidden_units_every_conditional_is_a_net_of_its_own() -> None:
    model, x = make(hidden=3), some_bits(20)
    bits = x.flatten(1)
    for d in range(10):
        h = (bits[:, :d] @ model.weight_in[d, :, :d].t() + model.hidden_bias[d]).sigmoid()
        p = (h @ model.weight_out[d] + model.bias[d]).sigmoid()
        expected = torch.where(bits[:, d] == 1, p, 1 - p).log()
        torch.testing.assert_close(model.log_conditionals(x).flatten(1)[:, d], expected)


def test_nets_that_are_all_the_same_are_nade() -> None:
    model, x = make(hidden=4), some_bits(20)
    nade = Nade(NadeSettings(hidden=4), SPEC).double()
    with torch.no_grad():
        model.weight_in.copy_(nade.weight_in.t().expand_as(model.weight_in))
        model.hidden_bias.copy_(nade.hidden_bias.normal_().expand_as(model.hidden_bias))
        model.weight_out.copy_(nade.weight_out)
        model.bias.copy_(nade.visible_bias.normal_())
        torch.testing.assert_close(model.log_prob(x), nade.log_prob(x))


@pytest.mark.parametrize("hidden", [0, 3])
def test_the_jacobian_of_the_logits_is_strictly_lower_triangular(hidden: int) -> None:
    model, x = make(hidden=hidden), some_bits(1)
    jacobian = torch.autograd.functional.jacobian(lambda bits: model.conditionals(bits).flatten(), x).reshape(10, 10)
    assert (jacobian.triu() == 0).all()
    below = torch.tril_indices(10, 10, -1)
    assert (jacobian[below[0], below[1]] != 0).all()


@pytest.mark.parametrize("hidden", [0, 3])
def test_samples_have_the_models_distribution(hidden: int) -> None:
    model, n = make(DataSpec((6,), Support.BITS, Layout.VECTOR), hidden), 50_000
    found = torch.bincount(numbers(model.sample(n, Generator().manual_seed(0))), minlength=64)
    expected = n * log_probabilities(model.log_prob, (6,), model.bias).exp()
    assert ((found - expected).square() / expected).sum() < 63 + 5 * (2 * 63) ** 0.5  # chi-squared of 63 degrees


def test_completion_after_a_known_beginning_is_the_exact_conditional() -> None:
    model, n = make(DataSpec((6,), Support.BITS, Layout.VECTOR)), 40_000
    beginning = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    x = torch.cat([beginning, torch.zeros(3, dtype=torch.float64)]).expand(n, 6)
    done = model.complete(x, torch.arange(6).expand(n, 6) < 3, Generator().manual_seed(0))
    ends = torch.cat(list(all_states(3, beginning)))
    p = model.log_prob(torch.cat([beginning.expand(8, 3), ends], 1)).softmax(0)
    assert (torch.bincount(numbers(done.x[:, 3:]), minlength=8) / n - p).abs().sum() < 0.02
    torch.testing.assert_close(done.log_prob, model.log_conditionals(done.x))


def test_learning_reaches_the_value_of_data_that_it_can_model() -> None:
    torch.manual_seed(0)
    spec = DataSpec((4,), Support.BITS, Layout.VECTOR)
    x = (torch.rand(2000, 4) < 0.3).float()
    x[:, 2] = torch.where(torch.rand(2000) < 0.9, x[:, 0], 1 - x[:, 0])
    counts = torch.bincount(numbers(x.double()), minlength=16)
    learner = MaximumLikelihood(Fvbn(FvbnSettings(), spec), MaximumLikelihoodSettings(learning_rate=0.05), spec, 2000)
    learner.begin()
    batch = Batch(x, torch.zeros(2000), torch.arange(2000))
    for _ in range(300):
        last = learner.step(batch)["log_prob"].item()
    q = counts[counts > 0] / 2000
    entropy = -(q * q.log()).sum().item()  # the best of any model on these examples
    assert -entropy - 0.01 < last <= -entropy
