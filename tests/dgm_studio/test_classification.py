"""Evaluations of classes and of layers: the figures are those of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import evaluate
from dgm_studio.evaluations import classification, few_labels, label_efficiency, layers
from dgm_studio.events import Snapshot
from dgm_studio.reports import Curves, Note, Pictures, Report, Table, from_tree, to_tree
from dgm_studio.subject import Subject
from models.capabilities import TooLarge
from models.catalog import Recipe
from models.dbn import Dbn, DbnSettings
from models.estimation.measure import wilson
from models.spec import Batch, DataSpec, Layout, Support

NAMES = ("a", "b", "c")
SPEC = DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE, class_names=NAMES)
CPU = torch.device("cpu")


def bars(n: int, seed: int) -> Split:
    generator = Generator().manual_seed(seed)
    y = torch.randint(3, (n,), generator=generator)
    x = torch.eye(3)[y][:, None, :, None].expand(n, 1, 3, 3)
    return Split(torch.where(torch.rand(n, 1, 3, 3, generator=generator) < 0.05, 1 - x, x), y)


DATA = Dataset(SPEC, bars(90, 0), bars(20, 1), bars(60, 2), Provenance("bars"))


class Table3(nn.Module):
    """A learner that is wrong where the first pixel is on, and then takes every class for the next."""

    def sampler(self) -> nn.Module:
        return self

    def class_log_prob(self, x: Tensor) -> Tensor:
        true = x.flatten(2).reshape(len(x), 3, 3).mean(2).argmax(1)
        said = torch.where(x[:, 0, 0, 0] == 1, (true + 1) % 3, true)
        return (nn.functional.one_hot(said, 3) * 0.7 + 0.1).log()


def reports(run: Any, learner: Any, settings: Any, dataset: Dataset = DATA, seed: int = 0) -> list[Report]:
    subject = Subject(learner, dataset, 0, Generator().manual_seed(seed))
    with torch.no_grad():
        items = list(run(subject, settings))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert not fractions or 0 < fractions[-1] <= 1
    found = [item for item in items if not isinstance(item, float)]
    assert all(to_tree(from_tree(to_tree(report)))["title"] == report.title for report in found)
    return found


def test_errors_classes_and_confusions_are_counted() -> None:
    learner, test = Table3(), DATA.test
    found = reports(classification.EVALUATION.run, learner, classification.ClassificationSettings(mistakes=4))
    said = learner.class_log_prob(test.x).argmax(1)
    wrong = (said != test.y).double().mean().item()
    whole, by_class, confusions, mistakes = found
    assert isinstance(whole, Table)
    name, n, error, interval, surprise, _, kind = whole.rows[0]
    assert (name, n, kind) == ("test", 60.0, "estimate")
    assert error == pytest.approx(100 * wrong)
    assert interval == pytest.approx([100 * end for end in wilson(wrong, 60)])
    right = (said == test.y).double().mean().item()
    assert surprise == pytest.approx(-right * np.log(0.8) - (1 - right) * np.log(0.1), abs=1e-5)
    assert isinstance(by_class, Table)
    for k, row in enumerate(by_class.rows):
        assert row[0] == NAMES[k]
        assert row[2] == pytest.approx(100 * (said != test.y)[test.y == k].double().mean().item())
    assert isinstance(confusions, Table)
    pairs = {row[0]: row[1] for row in confusions.rows}
    assert pairs["a taken for b"] == ((test.y == 0) & (said == 1)).sum()
    assert list(pairs.values()) == sorted(pairs.values(), reverse=True)
    assert sum(pairs.values()) == (said != test.y).sum()
    assert isinstance(mistakes, Pictures)
    assert len(mistakes.pictures) == 4
    assert set(mistakes.captions) <= {"a→b", "b→c", "c→a", *(f"{a}→{b}" for a in NAMES for b in NAMES if a != b)}


def test_examples_whose_label_is_hidden_are_left_out() -> None:
    y = torch.where(torch.arange(60) < 10, DATA.test.y, -1)
    some = Dataset(SPEC, DATA.train, DATA.valid, Split(DATA.test.x, y), Provenance("bars"))
    found = reports(classification.EVALUATION.run, Table3(), classification.ClassificationSettings(), some)
    assert isinstance(found[0], Table)
    assert found[0].rows[0][1] == 10
    none = Dataset(SPEC, DATA.train, DATA.valid, Split(DATA.test.x, torch.full((60,), -1)), Provenance("bars"))
    (note,) = reports(classification.EVALUATION.run, Table3(), classification.ClassificationSettings(), none)
    assert isinstance(note, Note)
    assert "No test example has a label" in note.text


def test_examples_whose_bits_are_drawn_at_each_visit_are_classified_as_bits() -> None:
    class BitsOnly(Table3):
        def class_log_prob(self, x: Tensor) -> Tensor:
            assert ((x == 0) | (x == 1)).all(), "probabilities are not what the model learns from"
            return super().class_log_prob(x)

    greys = replace(DATA, train=Split(0.1 + 0.8 * DATA.train.x, DATA.train.y), draws_bits=True)
    (whole, *_) = reports(classification.EVALUATION.run, BitsOnly(), classification.ClassificationSettings(), greys)
    assert isinstance(whole, Table)
    assert [row[0] for row in whole.rows] == ["test", "training"]


def trained(learner: str = "layerwise", steps: int = 150, **model: Any) -> tuple[Recipe, Any]:
    recipe = Recipe.read("dbn", learner, {"first": 6, "second": 12, **model}, {"layer_steps": 75, "decay": 0}
                         if learner == "layerwise" else {"layer_steps": 50})  # fmt: skip
    torch.manual_seed(0)
    made = recipe.build(SPEC, 90)
    made.begin()
    for step in range(steps):
        places = torch.arange(30) + 30 * (step % 3)
        made.step(Batch(DATA.train.x[places], DATA.train.y[places], places))
    made.eval()
    return recipe, made


def test_label_units_and_learned_classifiers_are_measured_and_models_without_either_say_so() -> None:
    _, made = trained(labels=True)
    found = reports(classification.EVALUATION.run, made, classification.ClassificationSettings())
    said = made.model.label_probabilities(DATA.test.x).argmax(1)
    assert isinstance(found[0], Table)
    assert found[0].rows[0][2] == pytest.approx(100 * (said != DATA.test.y).double().mean().item())
    assert found[0].rows[0][2] < 15
    _, made = trained("fine-tune", 200)
    found = reports(classification.EVALUATION.run, made, classification.ClassificationSettings())
    said = made.class_log_prob(DATA.test.x).argmax(1)
    assert isinstance(found[0], Table)
    assert found[0].rows[0][2] == pytest.approx(100 * (said != DATA.test.y).double().mean().item())
    (note,) = reports(classification.EVALUATION.run, trained(steps=1)[1], classification.ClassificationSettings())
    assert isinstance(note, Note)
    assert "no label units" in note.text


def test_the_bound_of_each_number_of_layers_is_that_of_the_model_with_so_many() -> None:
    _, made = trained()
    (table,) = reports(layers.EVALUATION.run, made, layers.LayersSettings())
    assert isinstance(table, Table)
    model = made.model.double()
    assert [row[0] for row in table.rows] == ["the lowest machine alone", "2 layers"]
    exact = [model.with_layers(n).log_prob(DATA.test.x.double()).mean().item() for n in (1, 2)]
    assert table.rows[0][1] == pytest.approx(exact[0], abs=1e-4)
    assert table.rows[1][1] < exact[1] + 0.1
    assert table.rows[1][3] == pytest.approx(table.rows[1][1] - table.rows[0][1])
    assert [row[4] for row in table.rows] == ["lower bound", "lower bound"]


def test_bounds_of_layers_that_cannot_be_summed_are_annealed(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = Dbn(DbnSettings(first=5, second=4), SPEC)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    learner = nn.Module()
    learner.sampler = lambda: model  # type: ignore[assignment]
    (exact,) = reports(layers.EVALUATION.run, learner, layers.LayersSettings())

    def refuse(self: Dbn) -> Any:
        raise TooLarge("too many")
        yield

    monkeypatch.setattr(Dbn, "log_partition_in_parts", refuse)
    found = reports(layers.EVALUATION.run, learner, layers.LayersSettings(temperatures=200, chains=100))
    assert isinstance(exact, Table)
    assert isinstance(found[0], Table)
    for a, b in zip(exact.rows, found[0].rows, strict=True):
        assert a[1] == pytest.approx(b[1], abs=0.25)
        assert b[4] == "estimate"


def efficient(seed: int = 0, **settings: Any) -> list[Report]:
    wanted = few_labels.LabelEfficiencySettings(**({"fewest": 2, "repeats": 3, "steps": 60} | settings))
    return reports(label_efficiency.EVALUATION.run, TRAINED[1], wanted, seed=seed)


TRAINED = trained()


def test_both_classifiers_learn_from_the_same_labels_and_the_run_stays_as_it_is() -> None:
    before = {key: value.clone() for key, value in TRAINED[1].state_dict().items()}
    state = torch.get_rng_state()
    curve, table = efficient(learning_rate=0.05, steps=400, enough=0.3)
    few, again = (efficient(fewest=10, most=10, steps=5)[1] for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in TRAINED[1].state_dict().items())
    assert isinstance(table, Table)
    assert isinstance(few, Table)
    assert isinstance(again, Table)
    assert few.rows == again.rows
    assert [row[0] for row in few.rows] == ["10"]
    smallest = int(torch.bincount(DATA.train.y).min())
    assert [row[0] for row in table.rows] == ["2", "3", "10", str(smallest)]
    assert isinstance(curve, Curves)
    assert [len(one.x) for one in curve.series] == [4, 4]
    first, last = table.rows[0], table.rows[-1]
    assert last[1] < 10  # with all labels both tell the classes apart
    assert last[1] <= first[1]
    for row in table.rows:
        assert row[5] == pytest.approx(row[3] - row[1])  # the gain
        assert row[2][0] <= row[1] <= row[2][1]


def test_classifiers_stop_when_they_have_learned_their_examples_and_those_that_have_not_are_pointed_out() -> None:
    *_, table = efficient(fewest=10, most=10, steps=400, learning_rate=0.05, enough=0.3)
    assert isinstance(table, Table)
    ours, theirs = (float(part.split()[0]) for part in str(table.rows[0][-1]).split(","))
    assert 20 <= ours < 400
    assert 20 <= theirs < 400
    *_, note = efficient(fewest=10, most=10, steps=5)
    assert isinstance(note, Note)
    assert note.tone == "warn"


def test_a_start_that_has_seen_labels_is_pointed_out_and_too_few_labels_are_refused() -> None:
    _, made = trained(steps=1, labels=True)
    wanted = few_labels.LabelEfficiencySettings(fewest=20, repeats=3, steps=2)
    *_, note = reports(label_efficiency.EVALUATION.run, made, wanted)
    assert isinstance(note, Note)
    assert "has seen" in note.text or "have seen" in note.text
    (note,) = efficient(fewest=100)
    assert isinstance(note, Note)
    assert "fewer than 100" in note.text


def test_a_run_with_few_labels_stands_against_its_classifier_with_labels_alone() -> None:
    spec = replace(SPEC, support=Support.UNIT)
    data = replace(DATA, spec=spec)
    recipe = Recipe.read("semi-supervised-gan", "semi-supervised", {"hidden": 4}, {"labels_per_class": 2, "hidden": 8})
    torch.manual_seed(0)
    made = recipe.build(spec, 90)
    made.begin()
    made.step(Batch(DATA.train.x, DATA.train.y, torch.arange(90)))
    state = torch.get_rng_state()
    wanted = few_labels.LabelEfficiencySettings(fewest=5, most=20, repeats=3, steps=200, learning_rate=0.02)
    curve, table = reports(label_efficiency.EVALUATION.run, made, wanted, data)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(table, Table)
    run, same, *others = table.rows
    wrong = (made.class_log_prob(DATA.test.x).argmax(1) != DATA.test.y).double().mean().item()
    assert run[0] == "this run: 2 labels of each class"
    assert run[1] == pytest.approx(100 * wrong)
    assert run[2] == pytest.approx([100 * end for end in wilson(wrong, 60)])
    assert same[0] == "labels alone: the same"
    assert [row[0] for row in others] == [f"labels alone: {n} of each class" for n in (5, 10, 20)]
    assert others[-1][1] < 10 < run[1]  # one step against 200
    for row in (same, *others):
        assert row[3] == pytest.approx(row[1] - run[1])
    assert isinstance(curve, Curves)
    assert curve.series[0].y == pytest.approx(100 * wrong)
    assert curve.series[1].y == pytest.approx([row[1] for row in others])


@pytest.mark.parametrize(("freedom", "known"), [(2, 4.303), (4, 2.776), (9, 2.262), (99, 1.984)])
def test_students_interval_is_that_of_the_tables(freedom: int, known: float) -> None:
    assert few_labels.student(freedom) == pytest.approx(known, rel=0.03 if freedom == 2 else 0.003)


def test_they_can_be_asked_for_of_a_stored_run() -> None:
    recipe, made = TRAINED
    weights = Snapshot(1, {key: value.clone() for key, value in made.state_dict().items()})
    settings = {"label-efficiency": {"fewest": 20, "repeats": 3, "steps": 2}}
    events = list(evaluate(recipe, DATA, weights, ["layers", "label-efficiency"], CPU, settings=settings))
    assert [type(event).__name__ for event in events].count("Measured") == 2
