"""Expectations by the chain: of machines that forget at once, and of one that does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import expectations
from dgm_studio.evaluations.expectations import ExpectationsSettings
from dgm_studio.reports import Table
from dgm_studio.subject import Subject
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.gan import Gan
from models.nade import Nade
from models.rbm import Rbm, RbmSettings
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((4,), Support.BITS, Layout.VECTOR)
CHAINS, TRANSITIONS = 4000, 20


def rows_of(model: nn.Module) -> list[tuple[Any, ...]]:
    split = Split(torch.zeros(4, 4), torch.full((4,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    subject = Subject(learner, Dataset(SPEC, split, split, split, Provenance("off")), 0, Generator().manual_seed(0))
    settings = ExpectationsSettings(chains=CHAINS, transitions=TRANSITIONS)
    with torch.no_grad():
        *_, table, _ = (part for part in expectations.EVALUATION.run(subject, settings) if not isinstance(part, float))
    assert isinstance(table, Table)
    return list(table.rows)


def test_independent_units_are_as_good_as_exact_draws_after_one_transition() -> None:
    torch.manual_seed(0)
    machine = Rbm(RbmSettings(hidden=2), SPEC)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.zero_()
        machine.visible_bias.copy_(torch.tensor([2.0, 1.0, 0.0, -1.0]))
    start, *after = rows_of(machine)
    p = machine.visible_bias.detach().sigmoid()
    m = (p[:, None] * p + (p * (1 - p)).diag())[*torch.triu_indices(4, 4)]
    for row in (start, *after):
        assert row[2] == pytest.approx((m * (1 - m) / CHAINS).mean().sqrt().item(), rel=1e-4)
    assert start[3] > 10
    assert all(row[3] < 2.5 for row in after)


def test_a_machine_with_two_far_modes_keeps_its_start() -> None:
    """All bits alike, all on a little more probable: from other starts single bits hardly ever cross."""
    torch.manual_seed(0)
    machine: Any = Boltzmann(BoltzmannSettings(hidden=1, hidden_connections=False), SPEC)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.zero_()
        machine.visible_weight.copy_(torch.full_like(machine.visible_weight, 4.0))
        machine.visible_bias.fill_(-5.5)
    rows = rows_of(machine)
    assert rows[-1][0] == f"{TRANSITIONS} transitions"
    assert rows[-1][3] > 5


def test_it_is_for_chains_over_few_bits_whose_states_have_probabilities() -> None:
    admits = expectations.EVALUATION.admits
    assert admits(Rbm, nn.Module, SPEC)
    assert not admits(Rbm, nn.Module, DataSpec((64,), Support.BITS, Layout.VECTOR))
    assert not admits(Nade, nn.Module, SPEC)
    assert not admits(Gan, nn.Module, SPEC)
