"""The evaluation of log Z: the exact value stands first, and the errors shrink as temperatures are added."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import partition
from dgm_studio.reports import Report, Table
from dgm_studio.subject import Subject
from models.capabilities import TooLarge
from models.dbm import Dbm
from models.nade import Nade
from models.rbm import Rbm, RbmSettings
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((6,), Support.BITS, Layout.VECTOR)


def machine(hidden: int = 5, scale: float = 2.5) -> Rbm:
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=hidden), SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale)
    return model


def coins() -> Tensor:
    return (torch.rand(40, 6, generator=Generator().manual_seed(0)) < 0.5).float()


def reports(model: nn.Module, **settings: Any) -> list[Report]:
    split = Split(coins(), torch.full((40,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    subject = Subject(learner, Dataset(SPEC, split, split, split, Provenance("coins")), 0, Generator().manual_seed(0))
    with torch.no_grad():
        found = list(partition.EVALUATION.run(subject, partition.PartitionSettings(**settings)))
    fractions = [item for item in found if isinstance(item, float)]
    assert fractions == sorted(fractions)
    return [item for item in found if not isinstance(item, float)]


def test_it_is_for_machines_whose_free_energy_and_path_are_known() -> None:
    assert partition.EVALUATION.admits(Rbm, nn.Module, SPEC)
    assert not partition.EVALUATION.admits(Nade, nn.Module, SPEC)
    assert not partition.EVALUATION.admits(Dbm, nn.Module, SPEC)


def test_the_exact_value_is_the_sum_over_all_states() -> None:
    model = machine()
    states = torch.tensor(list(product([0.0, 1.0], repeat=11)))
    with torch.no_grad():
        exact = (-model.energy(states[:, :6], states[:, 6:])).double().logsumexp(0).item()
    table = reports(model, temperatures=10, chains=10, repeats=2)[0]
    assert isinstance(table, Table)
    assert table.rows[0][:2] == ("by enumeration", pytest.approx(exact, abs=1e-4))
    assert table.rows[1][3] == pytest.approx(float(table.rows[1][1]) - exact, abs=1e-4)  # type: ignore[arg-type]


def test_errors_shrink_with_temperatures_and_few_weights_deceive_only_the_naive_interval() -> None:
    _, table, _ = reports(machine(), temperatures=300, chains=50, repeats=40)
    assert isinstance(table, Table)
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["3", "10", "30", "100", "300"]
    error, held, naive, effective = ({key: float(row[k]) for key, row in rows.items()} for k in (3, 4, 5, 6))  # type: ignore[arg-type]
    assert error["300"] < 0.3 * error["3"]
    assert effective["300"] > 3 * effective["3"]
    assert min(held.values()) > 80
    assert naive["3"] < held["3"]


def test_independent_units_need_no_temperatures() -> None:
    """Without weights the base has the machine's shape: errors come from visible biases alone, and vanish with them."""
    model = machine()
    with torch.no_grad():
        model.weight.zero_()
        model.hidden_bias.zero_()
        model.visible_bias.copy_(
            model.annealed_base((torch.rand(40, 6, generator=Generator().manual_seed(0)) < 0.5) * 1.0)
        )
    _, table, _ = reports(model, temperatures=10, chains=10, repeats=3)
    assert isinstance(table, Table)
    assert all(float(row[3]) < 1e-4 for row in table.rows)  # type: ignore[arg-type]
    assert math.isclose(float(table.rows[0][6]), 10, rel_tol=1e-4)  # type: ignore[arg-type]


def test_a_sum_that_does_not_fit_is_said() -> None:
    wide = DataSpec((30,), Support.BITS, Layout.VECTOR)
    model = Rbm(RbmSettings(hidden=25), wide)
    split = Split(torch.zeros(4, 30), torch.full((4,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    subject = Subject(learner, Dataset(wide, split, split, split, Provenance("off")), 0, Generator().manual_seed(0))
    with pytest.raises(TooLarge, match=r"2²⁵ states"):
        list(partition.EVALUATION.run(subject, partition.PartitionSettings()))
