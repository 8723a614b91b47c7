"""The discrete variational auto-encoder, against sums over all states of its code."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.autograd.graph import saved_tensors_hooks

from models import discrete_vae
from models.capabilities import Decodes, Encodes, TooLarge
from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from tests.models.small_code import SPEC, X, enumerated_bound, small


@pytest.mark.parametrize(("units", "values"), [(2, 3), (4, 2)])
def test_likelihood_and_bound_are_the_sums_over_all_states(units: int, values: int) -> None:
    model, generator = small(units, values), Generator().manual_seed(0)
    with torch.no_grad():
        bound, evidence = enumerated_bound(model, X)
        assert torch.allclose(model.log_prob(X), evidence)
        many = X.repeat_interleave(5000, 0)
        drawn = model.bound_terms(many, generator).value.reshape(2, 5000)
        assert ((drawn.mean(1) - bound).abs() < 5 * drawn.std(1) / 5000**0.5).all()
        weights = model.log_weights(X, 5000, generator).exp()
        assert ((weights.mean(0) - evidence.exp()).abs() < 5 * weights.std(0) / 5000**0.5).all()


def test_a_gradient_of_the_likelihood_holds_no_more_the_more_states_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is that of the sum over all states at once."""
    held: list[int] = []

    def hold(value: Tensor) -> Tensor:
        held.append(value.numel())
        return value

    model = small(units=8, values=2)
    gradients = []
    for cells in (2**8 * X.numel(), 2**4 * X.numel()):  # at once, and in 16 parts
        monkeypatch.setattr(discrete_vae, "CELLS", cells)
        held.clear()
        with saved_tensors_hooks(hold, lambda value: value):
            evidence = model.log_prob(X).sum()
        gradients.append(torch.autograd.grad(evidence, list(model.decoder.parameters())))
        assert sum(held) < 2**8 * X.numel() / 4  # less than one number for each state and coordinate
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))


def test_two_values_make_bits_and_more_make_rows_with_one_value_on() -> None:
    assert small(4, 2).hidden_shapes() == ((4,),)
    assert small(2, 3).hidden_shapes() == ((2, 3),)


def test_a_learned_prior_is_what_codes_are_drawn_from() -> None:
    model = small(2, 3, learn_prior=True)
    assert "prior_logits" in dict(model.named_parameters())
    (h,) = model.draw_hidden_layers(20_000, Generator().manual_seed(0))
    expected = model.prior_logits.softmax(-1)
    assert ((h.mean(0) - expected).abs() < 5 * (expected * (1 - expected) / 20_000).sqrt()).all()
    assert "prior_logits" not in dict(small().named_parameters())


def test_a_code_that_is_too_large_to_sum_says_how_large_it_is() -> None:
    model = DiscreteVae(DiscreteVaeSettings(units=21, values=2), SPEC)
    with pytest.raises(TooLarge, match=r"2²¹ states of the code; up to 2²⁰.*fewer units"):
        model.log_prob(X.float())


def test_a_discrete_code_is_no_plane_to_drag_through() -> None:
    assert not issubclass(DiscreteVae, Decodes)
    assert not issubclass(DiscreteVae, Encodes)
