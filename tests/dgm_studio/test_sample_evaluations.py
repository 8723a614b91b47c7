"""Fidelity, copies, sharpness and transport as evaluations: their rows, what they are measured on, what they say."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import copies, fidelity, judged, sharpness, transport
from dgm_studio.evaluations.base import Evaluation
from dgm_studio.reports import Curves, Note, Pictures, Report, Table
from dgm_studio.subject import Subject
from models.capabilities import ShownAs
from models.estimation.frechet import frechet_distance
from models.estimation.ranking import above
from models.estimation.transport import wasserstein_distance
from models.spec import DataSpec, Layout, Support

N = 60
SHAPE = (1, 4, 4)


def dataset(shape: tuple[int, ...] = SHAPE, layout: Layout = Layout.IMAGE, classes: int = 0) -> Dataset:
    g = Generator().manual_seed(0)
    x = torch.rand(6 * N, *shape, generator=g)
    y = torch.randint(2, (6 * N,), generator=g) if classes else torch.full((6 * N,), -1)
    if classes:
        x.flatten(1)[:, 0] = y.float()
    sizes = (4 * N, N, N)
    splits = [Split(part.contiguous(), label) for part, label in zip(x.split(sizes), y.split(sizes), strict=True)]
    support = Support.UNIT if layout is Layout.IMAGE else Support.REALS
    names = ("a", "b")[:classes]
    return Dataset(DataSpec(shape, support, layout, class_names=names), *splits, Provenance("tiny"))


class Sampler(nn.Module):
    """Draws what it is given, in order."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x, self.at = x, 0

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        places = (self.at + torch.arange(n)) % len(self.x)
        self.at += n
        return self.x[places]


class Smoothing(Sampler):
    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return torch.full((n, *self.x.shape[1:]), 0.5)


class Learned(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def sampler(self) -> nn.Module:
        return self.model


def reports(entry: Evaluation, data: Dataset, model: nn.Module, **settings: Any) -> list[Report]:
    subject = Subject(Learned(model), data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]
    with torch.no_grad():
        items = list(entry.run(subject, entry.settings(**settings)))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1 + 1e-9
    return [item for item in items if not isinstance(item, float)]


def rows(report: Report) -> dict[str, tuple[Any, ...]]:
    assert isinstance(report, Table)
    return {str(row[0]): row for row in report.rows}


def fresh(seed: int = 9) -> Tensor:
    return torch.rand(2 * N, *SHAPE, generator=Generator().manual_seed(seed))


def held_out(data: Dataset) -> Tensor:
    return torch.cat([data.valid.x, data.test.x])


def test_held_out_examples_as_samples_are_perfect_and_stand_beside_training_examples() -> None:
    data = dataset()
    (table,) = reports(fidelity.EVALUATION, data, Sampler(held_out(data)))
    found = rows(table)
    # in the ball of an example lie its 5 neighbours and itself
    assert [row[1] for row in found.values()] == pytest.approx([1.0, 1.0, 1.2, 1.0, 0.0], abs=1e-6)
    for row in found.values():
        assert row[4] == "estimate"
        assert "60 test and 60 validation examples" in row[5]
        assert row[3] != row[1]
    assert isinstance(table, Table)
    assert "pixels" in table.title


def test_the_perfect_samplers_row_is_of_training_examples_at_the_same_number() -> None:
    data = dataset()
    (table,) = reports(fidelity.EVALUATION, data, Sampler(fresh()), samples=10_000)
    found = rows(table)
    half = data.train.x[torch.randperm(4 * N, generator=Generator().manual_seed(0))[: 2 * N]]
    expected = frechet_distance(half.flatten(1), held_out(data).flatten(1), "")
    assert found["Fréchet distance, squared"][3] == pytest.approx(expected.value)
    assert f"{2 * N} samples against {2 * N} examples" in found["Fréchet distance, squared"][5]


def test_where_data_have_classes_features_of_a_classifier_are_a_second_space() -> None:
    data = dataset(classes=2)
    values, features = reports(fidelity.EVALUATION, data, Sampler(fresh()), steps=30)
    assert isinstance(values, Table)
    assert isinstance(features, Table)
    assert "features of a classifier" in features.title
    assert "for another class" in features.note
    # samples with any value in the pixel that tells the class are not like data, which only features see
    assert rows(values)["Precision: samples among the data"][1] > 0.5
    only = reports(fidelity.EVALUATION, data, Sampler(fresh()), space="classifier", steps=30)
    assert [report for report in only if isinstance(report, Table)] == [features]
    (note,) = reports(fidelity.EVALUATION, dataset(), Sampler(fresh()), space="classifier")
    assert isinstance(note, Note)
    assert "no classes" in note.text


@pytest.mark.parametrize("entry", [fidelity.EVALUATION, copies.EVALUATION, sharpness.EVALUATION])
def test_samples_that_are_not_numbers_are_said_and_not_measured(entry: Evaluation) -> None:
    x = fresh()
    x[3, 0, 0, 0] = torch.nan
    (note,) = reports(entry, dataset(), Sampler(x), samples=50)
    assert isinstance(note, Note)
    assert "1 of 50" in note.text
    assert note.tone == "bad"


def test_copies_are_found_and_shown_beside_their_originals() -> None:
    data = dataset()
    table, note, curves, pictures = reports(copies.EVALUATION, data, Sampler(data.train.x), samples=40, shown=3)
    first, second = rows(table).values()
    assert first[1] == second[1] == 100.0
    assert 30 < first[3] < 70  # validation examples in place of samples
    assert isinstance(note, Note)
    assert note.tone == "bad"
    assert isinstance(curves, Curves)
    assert [series.name for series in curves.series] == ["samples", "test examples", "validation examples"]
    assert isinstance(pictures, Pictures)
    assert pictures.pictures.shape == (12, 1, 4, 4)
    assert (pictures.pictures[0::4] == pictures.pictures[1::4]).all()
    assert pictures.captions[1] == "0.00"


def test_new_samples_are_not_called_copies_and_a_few_copies_among_them_are_noticed() -> None:
    data = dataset()
    _, note, *_ = reports(copies.EVALUATION, data, Sampler(fresh()), samples=100)
    assert isinstance(note, Note)
    assert note.tone == "good"
    mixed = torch.cat([fresh()[:80], data.train.x[:20]])
    _, note, *_ = reports(copies.EVALUATION, data, Sampler(mixed), samples=100)
    assert isinstance(note, Note)
    assert note.tone == "warn"


def test_means_of_grey_values_are_measured_unless_draws_are_asked_for() -> None:
    data, model = dataset(), Smoothing(fresh())
    for means in (True, False):
        table, *_ = reports(copies.EVALUATION, data, model, samples=40, means=means)
        assert isinstance(table, Table)
        assert ("as means" in table.note) is means
    table, first, second, curves = reports(sharpness.EVALUATION, data, model, samples=120)
    found = rows(table)
    assert found["Samples, as means"][1] == 0.0
    assert found["Samples"][3] == pytest.approx(1.0, abs=0.15)
    assert found["Test examples"][3] == 1.0
    assert isinstance(first, Note)
    assert isinstance(second, Note)
    assert (first.tone, second.tone) == ("good", "warn")
    assert "blurred" in second.title
    assert isinstance(curves, Curves)
    assert len(curves.series) == 3


def test_the_distance_is_that_of_the_assignment_and_a_perfect_samplers_stands_below() -> None:
    data = dataset((2,), Layout.POINTS)
    data = replace(data, train=Split(data.train.x[: 2 * N], data.train.y[: 2 * N]))
    moved = held_out(data) + 3
    table, *_ = reports(transport.EVALUATION, data, Sampler(moved), repeats=2)
    model, perfect = rows(table).values()
    assert model[1] == pytest.approx(wasserstein_distance(moved, held_out(data)))
    assert perfect[1] == pytest.approx(wasserstein_distance(data.train.x, held_out(data)))
    assert perfect[1] < 0.3 < 3 < model[1]


def test_a_critics_estimate_stands_beside_the_exact_distance_and_its_bound_is_below() -> None:
    class Critic(Learned):
        def criticise(self, x: Tensor) -> Tensor:
            return -2 * x[:, 0]

    class Faced(Sampler):
        beside = 0

        def shown_as(self) -> ShownAs:
            return ShownAs((2,), self.beside)

        show_data = show_samples = Sampler.sample

    data = dataset((2,), Layout.POINTS)
    held = held_out(data)
    model = Faced(held + torch.tensor([3.0, 0.0]))
    subject = Subject(Critic(model), data, 7, Generator().manual_seed(0))  # type: ignore[arg-type]
    exact, critic = (
        r for r in transport.EVALUATION.run(subject, transport.TransportSettings(repeats=2)) if isinstance(r, Table)
    )
    said, slope, bound, distance = (row[1] for row in critic.rows)
    assert distance == exact.rows[0][1] == pytest.approx(3.0, rel=0.01)
    assert said == pytest.approx(6.0, rel=1e-4)  # with a slope of 2
    assert slope == pytest.approx(2.0, abs=0.01)
    assert bound == pytest.approx(3.0, rel=0.01)
    assert bound <= distance
    assert critic.rows[2][3] == "lower bound"
    model.beside = 1
    again = transport.EVALUATION.run(subject, transport.TransportSettings(repeats=2))
    assert len([r for r in again if isinstance(r, Table)]) == 1


def test_they_are_admitted_where_there_is_a_distance() -> None:
    points, image = DataSpec((2,), Support.REALS, Layout.POINTS), DataSpec(SHAPE, Support.BITS, Layout.IMAGE)
    symbols, long = DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 3), DataSpec((50,), Support.REALS, Layout.VECTOR)
    for entry, admitted in (
        (fidelity.EVALUATION, (True, True, False, True)),
        (copies.EVALUATION, (True, True, False, True)),
        (sharpness.EVALUATION, (False, True, False, False)),
        (transport.EVALUATION, (True, False, False, False)),
    ):
        assert tuple(entry.admits(Sampler, Learned, spec) for spec in (points, image, symbols, long)) == admitted
        assert not entry.admits(Learned, Learned, points)


class Judging(Learned):
    """Believes what is bright."""

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x.flatten(1).mean(1)


def test_samples_stand_in_the_order_in_which_they_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "Learned", Judging)
    data = dataset()
    dark = data.test.x.repeat(2, 1, 1, 1) * torch.linspace(0.2, 0.6, 2 * N).reshape(-1, 1, 1, 1)
    means, ranks, pictures, curves = reports(judged.EVALUATION, data, Sampler(dark), samples=2 * N, shown=5)
    brightness = dark.flatten(1).mean(1)
    assert rows(means)["Samples"][1] == pytest.approx(brightness.mean().item(), rel=1e-5)
    assert isinstance(pictures, Pictures)
    ordered = brightness.sort(descending=True).values.tolist()
    assert [float(c) for c in pictures.captions[::3]] == pytest.approx(ordered[:5], abs=6e-3)
    assert [float(c) for c in pictures.captions[2::3]] == pytest.approx(ordered[-5:], abs=6e-3)
    of_test = data.test.x.flatten(1).mean(1)
    won = (of_test[:, None] > brightness[None]).double().mean().item()
    _, share, (low, high), *_ = rows(ranks)["A test example above a sample"]
    assert share == pytest.approx(won)
    assert low < share <= high
    _, share, (low, high), *_ = rows(ranks)["A training example above a test one"]
    assert low < 0.5 < high
    assert isinstance(curves, Curves)
    data.train.x[:] = data.train.x + 0.5
    noted = [r for r in reports(judged.EVALUATION, data, Sampler(dark), samples=50) if isinstance(r, Note)]
    assert ["remembered" in note.title for note in noted] == [True]


def test_how_often_one_lies_above_the_other_counts_ties_half() -> None:
    a, b = torch.tensor([1.0, 2.0, 2.0]), torch.tensor([2.0, 0.0])
    assert above(a, b, "", "").value == pytest.approx((0.5 + 0.75 + 0.75) / 3)
    noise = Generator().manual_seed(0)
    inside = [
        above(torch.randn(60, generator=noise) + 0.5, torch.randn(40, generator=noise), "", "") for _ in range(200)
    ]
    truth = 0.5 * (1 + math.erf(0.25))
    assert 180 <= sum(m.low <= truth <= m.high for m in inside) <= 198
