"""The evaluation of parameters: those in use are counted by what masks leave."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import parameters
from dgm_studio.reports import Table
from dgm_studio.subject import Subject
from models.capabilities import TooLarge
from models.dbn import Dbn, DbnSettings
from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.fvbn import Fvbn, FvbnSettings
from models.nade import Nade, NadeSettings
from models.rbm import Rbm, RbmSettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae

D = 6
SPEC = DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE)
LARGE = DataSpec((25,), Support.BITS, Layout.VECTOR)


def of_all(model: nn.Module, spec: DataSpec = SPEC) -> tuple[Any, ...]:
    split = Split(torch.zeros(4, *spec.event_shape), torch.full((4,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    subject = Subject(learner, Dataset(spec, split, split, split, Provenance("off")), 0, Generator().manual_seed(0))
    with torch.no_grad():
        *_, table = parameters.EVALUATION.run(subject, parameters.ParametersSettings())
    assert isinstance(table, Table)
    assert all(parameter.grad is None for parameter in model.parameters())
    return table.rows[-1][:4]


@pytest.mark.parametrize(
    ("model", "stored", "used"),
    [
        (lambda: Fvbn(FvbnSettings(), SPEC), D * D + D, D * (D - 1) // 2 + D),
        # of each net D bits, of which d are heard; its first has only biases
        (
            lambda: Fvbn(FvbnSettings(hidden=3), SPEC),
            3 * D * D + 2 * 3 * D + D,
            3 * D * (D - 1) // 2 + 2 * 3 * D + D,
        ),
        # the last bit speaks to no one
        (lambda: Nade(NadeSettings(hidden=4), SPEC), 2 * 4 * D + 4 + D, 2 * 4 * D + D),
        (lambda: Rbm(RbmSettings(hidden=3), SPEC), 3 * D + D + 3, 3 * D + D + 3),
    ],
)
def test_parameters_in_use_are_those_that_masks_leave(model: Any, stored: int, used: int) -> None:
    torch.manual_seed(0)
    assert of_all(model()) == ("all", "", stored, used)


def test_of_a_sum_over_latent_states_a_few_examples_show_all_that_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as two hundred do; of the encoder nothing."""
    looked_at: list[int] = []
    log_prob = DiscreteVae.log_prob
    monkeypatch.setattr(DiscreteVae, "log_prob", lambda model, x: (looked_at.append(len(x)), log_prob(model, x))[1])
    for seed in range(5):
        torch.manual_seed(seed)
        model = DiscreteVae(DiscreteVaeSettings(units=3, values=3, hidden=5), SPEC)
        looked_at.clear()
        few = of_all(model)
        assert sum(looked_at) == parameters.FEW
        with monkeypatch.context() as patched:
            patched.setattr(parameters, "FEW", 200)
            assert of_all(model) == few
        generates = sum(value.numel() for value in model.decoder.parameters())
        assert 0 < few[3] <= generates < few[2]


def test_a_free_energy_is_enough_where_its_normaliser_cannot_be_summed() -> None:
    many = 64 * 25 + 25 + 64
    assert of_all(Rbm(RbmSettings(hidden=64), LARGE), LARGE) == ("all", "", many, many)


def test_a_sum_over_too_many_states_is_refused_with_what_to_do() -> None:
    with pytest.raises(TooLarge, match=r"2³⁰ states.* Use at most 20 units below the top"):
        of_all(Dbn(DbnSettings(first=30, second=4), SPEC))


def test_it_is_for_exact_likelihoods_of_bits() -> None:
    assert parameters.EVALUATION.admits(Nade, nn.Module, SPEC)
    assert not parameters.EVALUATION.admits(Vae, nn.Module, SPEC)
    assert not parameters.EVALUATION.admits(Nade, nn.Module, DataSpec((4,), Support.UNIT, Layout.VECTOR))
