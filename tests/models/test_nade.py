"""NADE against enumeration and against the recursion written out term by term."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from models import nade
from models.capabilities import Completes, Samples, ScoresExactly
from models.distributions import bernoulli_log_prob
from models.estimation.enumeration import all_states, log_probabilities
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.nade import Nade, NadeSettings, in_chunks, one_by_one
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 5)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)


def make(hidden: int = 7, spec: DataSpec = SPEC) -> Nade:
    torch.manual_seed(2)
    model = Nade(NadeSettings(hidden=hidden), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1)
    return model


def some_bits(n: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return (torch.rand(n, *shape, generator=Generator().manual_seed(0)) < 0.4).double()


def naive_conditionals(model: Nade, x: Tensor) -> Tensor:
    """Every hidden layer from its own sum over all coordinates before it: O(D² H)."""
    x = x.flatten(1)
    logits = []
    for d in range(x.shape[1]):
        total = model.hidden_bias.expand(len(x), -1)
        for i in range(d):
            total = total + x[:, i, None] * model.weight_in[i]
        logits.append(total.sigmoid() @ model.weight_out[d] + model.visible_bias[d])
    return torch.stack(logits, 1)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (Samples, ScoresExactly, Completes):
        assert issubclass(Nade, capability)


def test_grey_values_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Nade.check(NadeSettings(), DataSpec(SHAPE, Support.UNIT, Layout.IMAGE))


def test_too_many_coordinates_are_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match=r"up to 65,536 values; these have 3,000,000: choose a smaller size"):
        Nade.check(NadeSettings(), DataSpec((3, 1000, 1000), Support.BITS, Layout.IMAGE))


def test_stored_runs_find_their_tensors() -> None:
    """Names and shapes of the parameters are in project files."""
    shapes = {name: tuple(tensor.shape) for name, tensor in make(hidden=7).state_dict().items()}
    assert shapes == {"weight_in": (10, 7), "weight_out": (10, 7), "hidden_bias": (7,), "visible_bias": (10,)}


def test_the_probabilities_of_all_states_sum_to_one() -> None:
    model = make()
    total = log_probabilities(model.log_prob, SHAPE, model.weight_in).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-10)


def test_the_recursion_is_the_sum_written_out() -> None:
    model, x = make(), some_bits(20)
    torch.testing.assert_close(model.conditionals(x).flatten(1), naive_conditionals(model, x))


def test_gradients_are_those_of_the_sum_written_out() -> None:
    model, x = make(), some_bits(20)
    weights = torch.randn(20, 10, dtype=torch.float64)  # so that no two coordinates or examples count alike
    parameters = list(model.parameters())
    found = torch.autograd.grad((model.conditionals(x).flatten(1) * weights).sum(), parameters)
    expected = torch.autograd.grad((naive_conditionals(model, x) * weights).sum(), parameters)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_for_the_coordinates_are_those_of_the_sum_written_out() -> None:
    model = make()
    x = some_bits(20).requires_grad_()
    weights = torch.randn(20, 10, dtype=torch.float64)
    (found,) = torch.autograd.grad((model.conditionals(x).flatten(1) * weights).sum(), x)
    (expected,) = torch.autograd.grad((naive_conditionals(model, x) * weights).sum(), x)
    torch.testing.assert_close(found, expected)
    assert found.flatten(1)[:, :-1].abs().min() > 0
    assert (found.flatten(1)[:, -1] == 0).all()  # nothing comes after it


@pytest.mark.parametrize("together", [1, 3, 5, 64])  # of 10 coordinates: the last chunk may be a smaller one
def test_in_chunks_the_recursion_and_its_gradients_are_those_of_the_sum_written_out(together: int) -> None:
    model, x = make(), some_bits(20).flatten(1).requires_grad_()
    with torch.no_grad():
        model.visible_bias.zero_()
    inputs = [x, model.weight_in, model.hidden_bias, model.weight_out]
    found, expected = in_chunks(*inputs, together=together), naive_conditionals(model, x)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(20, 10, dtype=torch.float64)
    wanted = torch.autograd.grad((expected * weights).sum(), inputs)
    for a, b in zip(torch.autograd.grad((found * weights).sum(), inputs), wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_chunks_are_smaller_where_a_layer_of_many_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make(), some_bits(20).flatten(1)
    sizes = []
    hidden = nade._hidden

    def watched(before: Tensor, sums: Tensor, w: Tensor) -> Tensor:
        sizes.append(len(before))
        return hidden(before, sums, w)

    monkeypatch.setattr(nade, "_hidden", watched)
    for held in (20 * 7 * 4, 1):
        monkeypatch.setattr(nade, "HELD", held)
        found = in_chunks(x, model.weight_in, model.hidden_bias, model.weight_out) + model.visible_bias
        torch.testing.assert_close(found, naive_conditionals(model, x))
    assert sizes == [4, 4, 2] + [1] * 10


@pytest.mark.parametrize("recursion", [one_by_one, in_chunks])
def test_gradients_of_many_coordinates_in_single_precision_stay_accurate(
    recursion: Callable[..., Tensor],
) -> None:
    spec = DataSpec((784,), Support.BITS, Layout.VECTOR)
    torch.manual_seed(0)
    model = Nade(NadeSettings(hidden=16), spec)
    x = some_bits(8, (784,)).float()

    def gradients() -> tuple[Tensor, ...]:
        inputs = [parameter.to(x.dtype) for parameter in (model.weight_in, model.hidden_bias, model.weight_out)]
        return torch.autograd.grad(bernoulli_log_prob(x, recursion(x, *inputs)).sum(), inputs)

    single = gradients()
    x = x.double()
    for a, b in zip(single, gradients(), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-3 * b.abs().max().item())


def test_a_coordinate_changes_only_the_conditionals_after_it() -> None:
    model, x = make(), some_bits(5)
    before = model.conditionals(x).flatten(1)
    for d in range(10):
        changed = x.flatten(1).clone()
        changed[:, d] = 1 - changed[:, d]
        after = model.conditionals(changed.reshape(x.shape)).flatten(1)
        assert torch.equal(after[:, : d + 1], before[:, : d + 1])
        if d < 9:
            assert (after[:, d + 1 :] != before[:, d + 1 :]).all()


def test_samples_have_the_models_distribution() -> None:
    spec = DataSpec((6,), Support.BITS, Layout.VECTOR)
    model, n = make(spec=spec), 50_000
    x = model.sample(n, Generator().manual_seed(0))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    numbers = (x @ (2.0 ** torch.arange(5, -1, -1, dtype=torch.float64))).long()
    p = log_probabilities(model.log_prob, (6,), model.weight_in).exp()
    assert (torch.bincount(numbers, minlength=64) / n - p).abs().sum() < 0.03


def test_completion_keeps_what_is_known_and_reports_the_conditionals() -> None:
    model, x = make(), some_bits(30)
    known = torch.rand(SHAPE, generator=Generator().manual_seed(1)) < 0.5
    found = model.complete(x, known.expand(x.shape), Generator().manual_seed(0))
    assert torch.equal(found.x[:, known], x[:, known])
    assert not torch.equal(found.x[:, ~known], x[:, ~known])
    torch.testing.assert_close(found.mean, model.conditionals(found.x).sigmoid())


def test_completion_after_a_known_beginning_is_the_exact_conditional() -> None:
    spec = DataSpec((6,), Support.BITS, Layout.VECTOR)
    model, n = make(spec=spec), 40_000
    beginning = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    x = torch.cat([beginning, torch.zeros(3, dtype=torch.float64)]).expand(n, 6)
    known = torch.arange(6) < 3
    drawn = model.complete(x, known.expand(n, 6), Generator().manual_seed(0)).x
    ends = torch.cat(list(all_states(3, beginning)))
    p = model.log_prob(torch.cat([beginning.expand(8, 3), ends], 1)).softmax(0)
    numbers = (drawn[:, 3:] @ torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64)).long()
    assert (torch.bincount(numbers, minlength=8) / n - p).abs().sum() < 0.02


def test_the_order_visits_every_coordinate_once() -> None:
    assert make().order().tolist() == list(range(10))


def test_the_same_generator_state_gives_the_same_samples() -> None:
    model = make()
    state = torch.get_rng_state()
    a, b = (model.sample(4, Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(state, torch.get_rng_state())


def test_learning_raises_the_likelihood_and_reports_it() -> None:
    torch.manual_seed(0)
    model = Nade(NadeSettings(hidden=16), SPEC)
    x = (torch.rand(300, *SHAPE) < 0.5).float()
    x[:, :, 1] = x[:, :, 0]  # the second row repeats the first: 5 bits of entropy, not 10
    learner = MaximumLikelihood(model, MaximumLikelihoodSettings(learning_rate=0.02), SPEC, 300)
    learner.begin()
    batch = Batch(x, torch.zeros(300), torch.arange(300))
    first = learner.step(batch)["log_prob"].item()
    for _ in range(300):
        last = learner.step(batch)["log_prob"]
    assert not last.requires_grad
    assert first < -6.5
    assert last.item() > -3.9  # 5 bits are 3.47 nats
    held = learner.held_out(batch, Generator())
    assert held["log_prob"].item() == pytest.approx(last.item(), abs=0.05)
