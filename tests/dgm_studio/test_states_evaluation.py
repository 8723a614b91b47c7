"""The evaluation of all states: sums and divergences against ones written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.datasets.mass_function import MassFunction, drawn
from dgm_studio.evaluations import states
from dgm_studio.reports import Curves, Report, Table
from dgm_studio.subject import Subject
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.nade import Nade, NadeSettings
from models.rbm import Rbm, RbmSettings
from models.settings import NoSettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae

BITS = 4
SPEC = DataSpec((BITS,), Support.BITS, Layout.VECTOR)
TARGET = drawn(BITS, 0.7, 1)


def reports(model: nn.Module, density: MassFunction | None = TARGET) -> dict[str, Report]:
    split = Split(TARGET.sample(60, Generator().manual_seed(0)), torch.full((60,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    data = Dataset(SPEC, split, split, split, Provenance("mass"), density=density)
    with torch.no_grad():
        found = list(states.EVALUATION.run(Subject(learner, data, 0, Generator().manual_seed(0)), NoSettings()))
    return {item.title: item for item in found if not isinstance(item, float)}


def cells(report: Report, row: str) -> Sequence[Any]:
    assert isinstance(report, Table)
    return next(cells for cells in report.rows if cells[0] == row)


def machine(hidden: int = 6) -> Rbm:
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=hidden), SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1)
    return model


class _Tabulated(nn.Module):
    """Gives the probabilities of a mass function."""

    def log_prob(self, x: Tensor) -> Tensor:
        return TARGET.log_prob(x)


def test_it_is_for_few_bits_that_are_scored_exactly() -> None:
    admits = states.EVALUATION.admits
    assert admits(Nade, nn.Module, SPEC)
    assert admits(Rbm, nn.Module, SPEC)
    assert not admits(Vae, nn.Module, SPEC)
    assert not admits(Rbm, nn.Module, DataSpec((64,), Support.BITS, Layout.VECTOR))
    assert not admits(Rbm, nn.Module, DataSpec((4,), Support.UNIT, Layout.VECTOR))


@pytest.mark.parametrize("hidden", [3, 6])
def test_an_energy_sums_to_z_and_the_probabilities_to_one(hidden: int) -> None:
    """exp(-E) over all states of both layers, written out; with fewer hidden units than visible ones log Z is a sum
    over those, and with more over these."""
    model = machine(hidden)
    table = reports(model)["Sums over all states"]
    v = torch.tensor(list(product([0.0, 1.0], repeat=BITS)))
    h = torch.tensor(list(product([0.0, 1.0], repeat=hidden)))
    with torch.no_grad():
        of_each = torch.stack([model.energy(v, one.expand(len(v), -1)) for one in h]).double()
    z = (-of_each).exp().sum().item()
    assert cells(table, "P(x)")[1] == pytest.approx(1, abs=1e-5)
    assert cells(table, "exp(−F(x))")[1] == pytest.approx(z, rel=1e-5)
    p = (-of_each).exp().sum(0) / z
    product_of_conditionals = 0.0
    for x, probability in zip(v, p, strict=True):
        others = [p[(v == torch.where(torch.arange(BITS) == i, 1 - x, x)).all(1)] for i in range(BITS)]
        product_of_conditionals += math.prod((probability / (probability + other)).item() for other in others)
    assert cells(table, "Π P(x_i | all other bits)")[1] == pytest.approx(product_of_conditionals, rel=1e-5)


def test_conditionals_in_order_sum_to_one_and_conditionals_given_all_others_do_not() -> None:
    torch.manual_seed(1)
    table = reports(Nade(NadeSettings(hidden=5), SPEC))["Sums over all states"]
    assert cells(table, "P(x)")[1] == pytest.approx(1, abs=1e-5)
    assert abs(cells(table, "Π P(x_i | all other bits)")[1] - 1) > 1e-3


def test_independent_bits_have_the_same_conditionals_in_any_order() -> None:
    torch.manual_seed(0)
    model = Boltzmann(BoltzmannSettings(hidden=0, visible_connections=False), SPEC)
    nn.init.normal_(model.visible_bias)
    table = reports(model)["Sums over all states"]
    assert cells(table, "Π P(x_i | all other bits)")[1] == pytest.approx(1, abs=1e-5)


def test_divergences_are_those_of_the_mass_functions() -> None:
    model = machine()
    found = reports(model)["Divergence from the data, over all states"]
    with torch.no_grad():
        log_q = model.log_prob(torch.tensor(list(product([0.0, 1.0], repeat=BITS)))).double()
    p, q = torch.distributions.Categorical(logits=TARGET.log_p), torch.distributions.Categorical(logits=log_q)
    kl = torch.distributions.kl_divergence
    row = cells(found, "the data's distribution")
    assert row[1:6] == pytest.approx(
        (
            kl(p, q).item(),
            kl(q, p).item(),
            (p.probs - q.probs).abs().sum().item() / 2,
            p.entropy().item(),
            q.entropy().item(),
        ),
        abs=1e-5,
    )
    of_examples = cells(found, "training examples")
    assert of_examples[2] == math.inf  # some states do not occur among 60 examples
    assert math.isfinite(of_examples[1])


def test_a_model_that_knows_the_data_has_no_divergence_from_it() -> None:
    found = reports(_Tabulated())
    assert cells(found["Divergence from the data, over all states"], "the data's distribution")[1:4] == pytest.approx(
        (0, 0, 0), abs=1e-6
    )
    curve = found["Probability of each state"]
    assert isinstance(curve, Curves)
    data, model = curve.series
    assert data.y.tolist() == sorted(TARGET.log_p.exp().tolist(), reverse=True)
    assert model.y == pytest.approx(data.y)


def test_without_the_datas_distribution_there_are_its_frequencies() -> None:
    found = reports(machine(), None)["Divergence from the data, over all states"]
    assert isinstance(found, Table)
    assert [row[0] for row in found.rows] == ["training examples"]
