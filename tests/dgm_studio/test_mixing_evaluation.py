"""The evaluation of chains: known memories are found, and chains that do not mix are said not to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import mixing
from dgm_studio.reports import Curves, Note, Report, Table
from dgm_studio.subject import Subject
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.capabilities import ChainState
from models.rbm import Rbm
from models.spec import DataSpec, Layout, Support
from models.vae import Vae

SPEC = DataSpec((6,), Support.BITS, Layout.VECTOR)


class _Forgetful(nn.Module):
    """Each bit is drawn anew by a fair coin with probability 1 - `kept`: correlations fall by `kept` a transition."""

    def __init__(self, kept: float) -> None:
        super().__init__()
        self.kept = kept

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        x = torch.zeros(n, 6)
        return ChainState(x, x)

    def transition(
        self, x: Tensor, clamp: Tensor | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        coin, new = torch.rand(2, *x.shape, generator=generator)
        x = torch.where(coin < self.kept, x, (new < 0.5).float())
        return ChainState(x, x)


class _Exploding(_Forgetful):
    def transition(self, x: Tensor, *args: Any, **kwargs: Any) -> ChainState:
        return ChainState(x * torch.inf, x)


def dataset() -> Dataset:
    x = (torch.rand(40, 6, generator=Generator().manual_seed(0)) < 0.5).float()
    x[:, 0] = x[:, 1]  # the first principal component
    split = Split(x, torch.full((40,), -1))
    return Dataset(SPEC, split, split, split, Provenance("coins"))


def reports(model: nn.Module, **settings: Any) -> list[Report]:
    learner: Any = nn.Module()
    learner.model = model
    learner.sampler = lambda: model
    subject = Subject(learner, dataset(), 0, Generator().manual_seed(0))
    with torch.no_grad():
        found = list(mixing.EVALUATION.run(subject, mixing.MixingSettings(**settings)))
    fractions = [item for item in found if isinstance(item, float)]
    assert fractions == sorted(fractions)
    return [item for item in found if not isinstance(item, float)]


def two_modes() -> Boltzmann:
    """Units that want to be alike: all off or all on."""
    torch.manual_seed(0)
    model = Boltzmann(BoltzmannSettings(hidden=0), SPEC)
    assert model.visible_weight is not None
    with torch.no_grad():
        model.visible_weight.fill_(4.0).triu_(1)
        model.visible_bias.fill_(-10.0)
    return model


def test_only_models_that_run_a_chain_are_measured_and_tempering_needs_an_energy() -> None:
    admits, hidden = mixing.EVALUATION.admits, mixing.EVALUATION.without_effect
    assert admits(Rbm, nn.Module, SPEC)
    assert not admits(Vae, nn.Module, SPEC)
    assert hidden(Rbm) == ()
    assert hidden(_Forgetful) == ("temperatures", "hottest")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.8])
def test_a_known_memory_is_found(kept: float) -> None:
    table, *others = reports(_Forgetful(kept), chains=40, transitions=1000)
    assert isinstance(table, Table)
    known = (1 + kept) / (1 - kept)
    assert [row[:2] for row in table.rows] == [("plain", "mean activity"), ("plain", "first principal component")]
    for row in table.rows:
        assert row[2] == pytest.approx(known, rel=0.15)
        assert row[3] == pytest.approx(40_000 / known, rel=0.15)
        assert row[5] == pytest.approx(1, abs=0.01)
    curves = [report for report in others if isinstance(report, Curves)]
    assert len(curves) == 2
    assert curves[0].series[0].y[:4] == pytest.approx([1, kept, kept**2, kept**3], abs=0.05)
    assert others[-1].tone == "good"  # type: ignore[union-attr]


def test_a_chain_that_is_short_for_its_memory_is_told_how_long_it_should_be() -> None:
    note = reports(_Forgetful(0.85), chains=60, transitions=500)[-1]
    assert isinstance(note, Note)
    assert "roughly" in note.text
    assert note.tone == "plain"


@pytest.mark.parametrize("start", ["half and half", "noise"])
def test_chains_that_stay_where_they_begin_are_said_not_to_mix(start: str) -> None:
    """Plain chains of a machine with two far modes; with replicas at other temperatures they cross."""
    settings = {"chains": 60, "transitions": 250, "temperatures": 8, "hottest": 8.0, "start": start}
    table, *others = reports(two_modes(), **settings)
    assert isinstance(table, Table)
    assert {row[0] for row in table.rows} == {"plain", "tempered"}
    assert "8 temperatures up to 8" in table.note
    notes = {note.title: note for note in others if isinstance(note, Note)}
    assert notes["Chains: plain"].tone == "warn"
    assert "do not mix" in notes["Chains: plain"].text
    assert notes["Chains: tempered"].tone != "warn"
    assert "costs 8 sweeps" in notes["Parallel tempering"].text


def test_chains_that_leave_all_bounds_or_stand_still_are_named() -> None:
    assert reports(_Exploding(0.5), transitions=20)[-1].tone == "bad"  # type: ignore[union-attr]
    still = reports(_Forgetful(1.0), transitions=20, start="noise")
    assert len(still) == 2
    assert isinstance(still[1], Note)
    assert "ever changed" in still[1].text
