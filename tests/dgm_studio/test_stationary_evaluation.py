"""Stationary distributions: transitions are those that the chain makes, and a Gibbs chain rests at its machine's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.datasets.mass_function import drawn
from dgm_studio.evaluations import stationary
from dgm_studio.reports import Report, Table
from dgm_studio.subject import Subject
from models.capabilities import TooLarge
from models.estimation.enumeration import all_states
from models.gsn import Gsn, GsnSettings
from models.nade import Nade
from models.rbm import Rbm, RbmSettings
from models.spec import DataSpec, Layout, Support

BITS = 4
SPEC = DataSpec((BITS,), Support.BITS, Layout.VECTOR)
TARGET = drawn(BITS, 1.0, 0)


def states() -> Tensor:
    return torch.cat(list(all_states(BITS, torch.empty(0))))


def rbm() -> Rbm:
    torch.manual_seed(0)
    return _spread(Rbm(RbmSettings(hidden=3), SPEC))


def gsn(**settings: Any) -> Gsn:
    torch.manual_seed(1)
    return _spread(Gsn(GsnSettings(hidden=5, **settings), SPEC))


def _spread(model: Any) -> Any:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1.5)
    return model


def reports(model: nn.Module, **settings: Any) -> list[Report]:
    split = Split(TARGET.sample(50, Generator().manual_seed(0)), torch.full((50,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    data = Dataset(SPEC, split, split, split, Provenance("mass"), density=TARGET)
    subject = Subject(learner, data, 0, Generator().manual_seed(0))
    with torch.no_grad():
        found = list(stationary.EVALUATION.run(subject, stationary.StationarySettings(**settings)))
    return [item for item in found if not isinstance(item, float)]


@pytest.mark.parametrize("model", [rbm, gsn])
def test_transitions_are_as_probable_as_the_chain_makes_them(model: Any) -> None:
    model, n = model(), 20_000
    with torch.no_grad():
        known = model.transition_probabilities(states())
        assert known.sum(1) == pytest.approx(torch.ones(16), abs=1e-5)
        for number in (0, 6, 15):
            x = states()[number].expand(n, -1)
            after = model.transition(x, generator=Generator().manual_seed(number)).x
            found = torch.bincount((after @ 2.0 ** torch.arange(3, -1, -1)).long(), minlength=16) / n
            p = known[number]
            assert ((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 1e-6).all()


def test_a_gibbs_chain_rests_at_the_machines_own_distribution() -> None:
    table = reports(rbm(), chains=10, transitions=1)[0]
    assert isinstance(table, Table)
    own = next(row for row in table.rows if row[0] == "the model's own P(x)")
    assert own[1] == pytest.approx(0, abs=1e-5)
    data = next(row for row in table.rows if row[0] == "the data's distribution")
    assert float(data[1]) > 0.1  # type: ignore[arg-type]


def test_chains_come_to_where_the_matrix_says_they_rest() -> None:
    table = reports(gsn(corruption=0.4), chains=20_000, transitions=60)[0]
    assert isinstance(table, Table)
    rows = {row[0]: row for row in table.rows}
    first, last = rows["chains after 1"], rows["chains after 60"]
    assert float(first[1]) > 5 * float(last[1])  # type: ignore[arg-type]
    assert float(last[1]) < 2 * float(last[2])  # type: ignore[arg-type]


def test_a_chain_that_forgets_everything_rests_at_once() -> None:
    with torch.no_grad():
        known = gsn(corruption=1.0).transition_probabilities(states()).double()
    torch.testing.assert_close(known, known[:1].expand_as(known))
    torch.testing.assert_close(stationary.stationary(known), known[0], atol=1e-6, rtol=1e-4)


def test_what_cannot_be_summed_is_said() -> None:
    for settings in ({"layers": 2}, {"first_noise": 0.5}):
        with pytest.raises(TooLarge, match="one hidden layer"):
            gsn(**settings).transition_probabilities(states())
    with pytest.raises(TooLarge, match="one hidden layer"):
        reports(gsn(layers=2))
    admits = stationary.EVALUATION.admits
    assert admits(Gsn, nn.Module, SPEC)
    assert not admits(Gsn, nn.Module, DataSpec((16,), Support.BITS, Layout.VECTOR))
    assert not admits(Nade, nn.Module, SPEC)
