"""What coordinates cost and how calibrated they are, of models whose conditionals are known."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations.conditionals import EVALUATION, Answers, binned, calibration_error
from dgm_studio.reports import Curves, HeatMap, Note, Report, Table
from dgm_studio.subject import Subject
from models.spec import DataSpec, Layout, Support

N = 2000


class Chain(nn.Module):
    """Symbols of `values` kinds: the first uniform, each further one as that before it with probability `stay` (true
    of the data) or `believed`, and otherwise any of the others."""

    def __init__(self, values: int, believed: float) -> None:
        super().__init__()
        self.values, self.believed = values, believed

    def log_conditionals(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        same = flat[:, 1:] == flat[:, :-1]
        later = torch.where(same, math.log(self.believed), math.log((1 - self.believed) / (self.values - 1)))
        first = torch.full((len(x), 1), -math.log(self.values))
        return torch.cat([first, later], 1).reshape(x.shape)


def chain(spec: DataSpec, values: int, stay: float) -> Dataset:
    generator = Generator().manual_seed(0)
    columns = [torch.randint(values, (N,), generator=generator)]
    for _ in range(spec.dimensions - 1):
        stays = torch.rand(N, generator=generator) < stay
        moved = (columns[-1] + torch.randint(1, values, (N,), generator=generator)) % values
        columns.append(torch.where(stays, columns[-1], moved))
    x = torch.stack(columns, 1).float().reshape(N, *spec.event_shape)
    parts = [Split(x[a:b], torch.full((b - a,), -1)) for a, b in pairwise((0, 10, 20, N))]
    return Dataset(spec, *parts, Provenance("chain"))


def measured(model: nn.Module, dataset: Dataset, **settings: Any) -> list[Report]:
    learner = nn.Module()
    learner.model, learner.sampler = model, lambda: model  # type: ignore[assignment]
    subject = Subject(learner, dataset, 1, Generator().manual_seed(0))  # type: ignore[arg-type]
    with torch.no_grad():
        items = list(EVALUATION.run(subject, EVALUATION.settings(**settings)))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1 + 1e-9
    return [item for item in items if not isinstance(item, float)]


BITS = DataSpec((1, 2, 3), Support.BITS, Layout.IMAGE)
SYMBOLS = DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 4)
COLOURS = DataSpec((3, 1, 2), Support.LEVELS, Layout.IMAGE, 4)


def test_only_models_with_conditionals_over_discrete_values_are_admitted() -> None:
    reals = DataSpec((2,), Support.REALS, Layout.POINTS)
    assert EVALUATION.admits(Chain, nn.Module, BITS)
    assert not EVALUATION.admits(Chain, nn.Module, reals)
    assert not EVALUATION.admits(nn.Module, nn.Module, BITS)


def test_contributions_are_the_mean_costs_and_sum_to_the_negative_log_likelihood() -> None:
    dataset, model = chain(BITS, 2, 0.8), Chain(2, 0.8)
    heat = measured(model, dataset)[0]
    assert isinstance(heat, HeatMap)
    scored = -model.log_conditionals(dataset.test.x).double()
    assert heat.values == pytest.approx(scored.mean(0)[0].numpy(), abs=1e-6)
    total = scored.flatten(1).sum(1).mean().item()
    assert heat.values.sum() == pytest.approx(total, abs=1e-5)
    assert f"{total:.2f} nats per example" in heat.note
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    assert heat.values.flat[0] == pytest.approx(math.log(2), abs=1e-6)  # a fair bit
    assert heat.values.flat[1:] == pytest.approx([entropy] * 5, abs=0.03)


def test_channels_are_summed_and_sequences_are_a_curve() -> None:
    dataset, model = chain(COLOURS, 4, 0.7), Chain(4, 0.7)
    heat = measured(model, dataset, questions=50)[0]
    assert isinstance(heat, HeatMap)
    assert heat.values.shape == (1, 2)
    total = -model.log_conditionals(dataset.test.x).flatten(1).sum(1).mean().item()
    assert heat.values.sum() == pytest.approx(total, abs=1e-4)
    curve = measured(model, chain(SYMBOLS, 4, 0.7), questions=50)[0]
    assert isinstance(curve, Curves)
    assert curve.series[0].x.tolist() == [1, 2, 3, 4, 5]
    assert curve.series[0].y[0] == pytest.approx(math.log(4), abs=1e-6)


def test_predicted_and_observed_shares_of_bits_are_those_of_the_chain() -> None:
    _, curves, table, note = measured(Chain(2, 0.9), chain(BITS, 2, 0.75))
    assert isinstance(curves, Curves)
    assert isinstance(table, Table)
    assert isinstance(note, Note)
    predicted, observed = curves.series[0].x, curves.series[0].y
    assert predicted == pytest.approx([0.1, 0.5, 0.9], abs=1e-6)
    assert observed == pytest.approx([0.25, 0.5, 0.75], abs=0.02)
    for _, p, share, (low, high), count in table.rows:
        assert low < share < high
        true = {0.1: 0.25, 0.5: 0.5, 0.9: 0.75}[round(float(p), 1)]
        assert low - 0.005 < true < high + 0.005
        assert count >= 1000
    error = 5 / 6 * 0.15  # five of six coordinates are off by 0.15
    assert float(table.note.split("error ")[1].split(":")[0]) == pytest.approx(error, abs=0.01)
    assert note.title == "The model is too sure"


def test_a_calibrated_model_is_called_so_and_scores_about_what_one_would() -> None:
    _, _, table, note = measured(Chain(2, 0.75), chain(BITS, 2, 0.75))
    assert isinstance(table, Table)
    assert isinstance(note, Note)
    assert note.title == "Calibrated"
    found = float(table.note.split("error ")[1].split(":")[0])
    reference = float(table.note.split("would score ")[1].split(" ")[0])
    assert 0 < reference < 0.02
    assert found < 3 * reference


def test_a_model_that_believes_too_little_is_not_sure_enough() -> None:
    note = measured(Chain(2, 0.6), chain(BITS, 2, 0.9))[-1]
    assert isinstance(note, Note)
    assert note.title == "The model is not sure enough"


@pytest.mark.parametrize(("believed", "title"), [(0.7, "Calibrated"), (0.95, "The model is too sure")])
def test_the_most_probable_value_is_right_as_often_as_the_chain_stays(believed: float, title: str) -> None:
    reports = measured(Chain(4, believed), chain(SYMBOLS, 4, 0.7), questions=1500)
    table, note = reports[2:]
    assert isinstance(table, Table)
    assert isinstance(note, Note)
    assert note.title == title
    first, later = table.rows
    assert first[1] == pytest.approx(0.25)  # any value is as probable as the others
    assert later[1] == pytest.approx(believed, abs=1e-6)
    assert later[2] == pytest.approx(0.7, abs=0.04)
    assert first[4] + later[4] == 1500


def test_a_small_test_set_is_asked_several_coordinates_of_each_example() -> None:
    dataset = chain(SYMBOLS, 4, 0.7)
    few = replace(dataset, test=Split(dataset.test.x[:100], dataset.test.y[:100]))
    for questions, expected in ((60, 60), (250, 300), (100_000, 500)):
        table = measured(Chain(4, 0.7), few, questions=questions)[2]
        assert isinstance(table, Table)
        assert sum(float(str(row[4])) for row in table.rows) == expected  # at most all five coordinates of each


def test_intervals_hold_for_events_that_hang_together_within_examples() -> None:
    """All 50 events of an example are the same coin: there are as many independent ones as examples."""
    generator, inside = Generator().manual_seed(0), 0
    for _ in range(200):
        came = (torch.rand(80, 1, generator=generator) < 0.3).double().expand(80, 50)
        (one,) = binned(Answers(torch.full((80, 50), 0.35).double(), came))
        inside += one.interval[0] <= 0.3 <= one.interval[1]
    assert inside >= 180  # of 95 %, 190 expected


def test_events_that_never_came_have_an_interval_too() -> None:
    (one,) = binned(Answers(torch.full((30, 1), 0.05).double(), torch.zeros(30, 1).double()))
    assert one.interval[0] == 0
    assert 0.05 < one.interval[1] < 0.2


def test_the_calibration_error_is_weighted_by_counts() -> None:
    p = torch.tensor([[0.15, 0.15, 0.85, 0.85]]).double()
    came = torch.tensor([[0.0, 1, 1, 1]]).double()
    assert calibration_error(binned(Answers(p, came))) == pytest.approx(0.5 * 0.35 + 0.5 * 0.15)
