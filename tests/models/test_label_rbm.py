"""A restricted Boltzmann machine with label units, against enumeration."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from models.estimation.annealing import annealed_log_partition
from models.estimation.enumeration import all_states
from models.estimation.progress import finish
from models.label_rbm import LabelRbm, one_hot_draw

BITS, CLASSES = 4, 3


def make(hidden: int = 3, scale: float = 0.8) -> LabelRbm:
    torch.manual_seed(1)
    model = LabelRbm(BITS, CLASSES, hidden).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
    return model


def joint(model: LabelRbm) -> tuple[Tensor, Tensor, Tensor]:
    """All v, all h, and -E(v, y, h) for every v, y and h: (V, Y, H)."""
    v = torch.cat(list(all_states(BITS, model.weight)))
    h = torch.cat(list(all_states(model.hidden, model.weight)))
    y = torch.eye(CLASSES, dtype=torch.float64)
    b, d = model.visible_bias[:BITS], model.visible_bias[BITS:]
    weight, labels = model.weight[:BITS], model.weight[BITS:]
    biases = (v @ b)[:, None, None] + (y @ d)[:, None] + h @ model.hidden_bias
    return v, h, biases + (v @ weight @ h.t())[:, None] + y @ labels @ h.t()


def frequencies(x: Tensor) -> Tensor:
    numbers = (x @ (2.0 ** torch.arange(x.shape[1] - 1, -1, -1, dtype=x.dtype))).long()
    return torch.bincount(numbers, minlength=2 ** x.shape[1]) / len(x)


@pytest.mark.parametrize("hidden", [3, 4, 6])  # fewer, as many, more than bits
def test_log_partition_is_the_sum_over_all_states_with_one_label_on(hidden: int) -> None:
    model = make(hidden)
    v, _, weights = joint(model)
    assert model.log_partition().item() == pytest.approx(weights.flatten().logsumexp(0).item(), abs=1e-9)
    torch.testing.assert_close(-model.free_energy(v), weights.flatten(1).logsumexp(1))


def test_labels_and_bits_have_the_conditionals_of_the_joint() -> None:
    model = make()
    v, h, weights = joint(model)
    torch.testing.assert_close(model.label_log_weights(v).softmax(1), weights.logsumexp(2).softmax(1))
    mean = model.visible_mean(h)
    torch.testing.assert_close(mean[:, :BITS], weights.logsumexp(1).softmax(0).t() @ v)
    torch.testing.assert_close(mean[:, BITS:], weights.logsumexp(0).softmax(0).t())
    both = torch.cat([v, torch.eye(CLASSES, dtype=torch.float64)[1].expand(len(v), -1)], 1)
    torch.testing.assert_close(model.hidden_mean(both), weights[:, 1].softmax(1) @ h)
    torch.testing.assert_close(-model.free_energy(both), weights[:, 1].logsumexp(1))


def test_one_label_is_drawn_with_its_probability() -> None:
    p = torch.tensor([0.5, 0.3, 0.2])
    drawn = one_hot_draw(p.log().expand(20_000, -1), Generator().manual_seed(0))
    assert torch.equal(drawn.sum(1), torch.ones(20_000))
    assert (drawn.mean(0) - p).abs().max() < 0.015
    drawn = make().start_chain(50, Generator().manual_seed(0)).x[:, BITS:]
    assert torch.equal(drawn.sum(1), torch.ones(50).double())


def test_the_annealed_path_goes_from_its_base_to_the_machine_with_labels_summed_out() -> None:
    model = make()
    v, _, _ = joint(model)
    base = model.annealed_base(v[:10])
    start = model.annealed_log_prob(v, 0.0, base)
    assert start.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item())
    torch.testing.assert_close(model.annealed_log_prob(v, 1.0, base), -model.free_energy(v))
    drawn = model.annealed_sample_base(40_000, base, Generator().manual_seed(0))
    assert (frequencies(drawn) - start.softmax(0)).abs().sum() < 0.04


def test_annealed_transitions_leave_their_own_distribution_unchanged() -> None:
    model = make()
    v, _, _ = joint(model)
    base = model.annealed_base(v[:10])
    p = model.annealed_log_prob(v, 0.6, base).softmax(0)
    generator = Generator().manual_seed(0)
    x = v[torch.multinomial(p, 40_000, replacement=True, generator=generator)]
    after = model.annealed_transition(x, 0.6, base, generator)
    assert (frequencies(after) - p).abs().sum() < 0.04


def test_annealed_importance_sampling_finds_log_z() -> None:
    model = make(6)
    v, _, _ = joint(model)
    found = finish(annealed_log_partition(model, v, 200, 200, Generator().manual_seed(0)))
    assert found.low - 0.02 < model.log_partition().item() < found.high + 0.02
