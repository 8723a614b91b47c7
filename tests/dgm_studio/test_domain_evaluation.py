"""The evaluation of adaptation: its figures are those of the model, and its baselines learn what they are said to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split, joined
from dgm_studio.evaluation import admitted
from dgm_studio.evaluations import domains
from dgm_studio.evaluations.domains import DomainSettings
from dgm_studio.reports import Note, Report, Table
from dgm_studio.subject import Subject
from models.catalog import Recipe
from models.domain_network import DomainNetwork, DomainNetworkSettings
from models.estimation.measure import wilson
from models.learning.domain_adversarial import DomainAdversarial, DomainAdversarialSettings
from models.spec import DataSpec, Layout, Support

NAMES = ("low", "high")


def domain(turned: bool, labels: bool = True) -> Dataset:
    """The sign of a coordinate is the class: in the second domain of the other one, which lies far away."""

    def part(n: int, seed: int) -> Split:
        x = torch.randn(n, 2, generator=Generator().manual_seed(seed + 10 * turned))
        y = (x[:, 1 if turned else 0] > 0).long()
        x[:, 0] += 6.0 * turned
        return Split(x, y if labels else torch.full_like(y, -1))

    spec = DataSpec((2,), Support.REALS, Layout.POINTS, class_names=NAMES if labels else ())
    return Dataset(spec, part(300, 0), part(30, 1), part(120, 2), Provenance("halves"))


def subject(data: Dataset) -> Subject:
    torch.manual_seed(0)
    model = DomainNetwork(DomainNetworkSettings(hidden=16, features=8, layers=1), data.spec)
    learner = DomainAdversarial(model, DomainAdversarialSettings(discriminator_hidden=4), data.spec, 300)
    return Subject(learner.eval(), data, 7, Generator().manual_seed(0))


def measured(data: Dataset, **settings: Any) -> tuple[Subject, list[Report]]:
    asked = subject(data)
    with torch.no_grad():
        said = list(domains.EVALUATION.run(asked, DomainSettings(**settings)))
    fractions = [item for item in said if isinstance(item, int | float)]
    assert fractions == sorted(fractions)
    return asked, [item for item in said if not isinstance(item, int | float)]


def rows(report: Report) -> dict[tuple[str, str], tuple[Any, ...]]:
    assert isinstance(report, Table)
    return {(row[0], row[1]): row[2:] for row in report.rows}


def test_accuracies_are_those_of_the_run_with_wilsons_interval() -> None:
    asked, (table, *_) = measured(joined(domain(False), domain(True)), steps=0)
    found = rows(table)
    with torch.no_grad():
        for name, part in zip(("source", "target"), asked.dataset.domains, strict=True):
            right = (asked.model.class_log_prob(part.test.x).argmax(1) == part.test.y).double().mean().item()
            low, high = wilson(right, 120)
            n, accuracy, interval, *_ = found["this run", f"{name} accuracy"]
            assert (n, accuracy) == (120.0, pytest.approx(100 * right))
            assert interval == pytest.approx((100 * low, 100 * high))
        told = [
            (asked.learner.target_probability(d.test.x) > 0.5).double().mean().item() for d in asked.dataset.domains
        ]
    assert found["this run", "domain accuracy"][1] == pytest.approx(50 * (1 - told[0] + told[1]))
    assert len(found) == 3


def test_networks_without_adaptation_learn_from_the_labels_they_are_said_to() -> None:
    asked, (table, distances, *_) = measured(joined(domain(False), domain(True)), steps=150, learning_rate=0.02)
    before = {key: value.clone() for key, value in subject(asked.dataset).learner.state_dict().items()}
    found = rows(table)
    source, target = "no reversal: source labels alone", "target labels, which adaptation lacks"
    assert found[source, "source accuracy"][1] > 90
    assert found[source, "target accuracy"][1] < 75
    assert found[target, "target accuracy"][1] > 90
    assert isinstance(distances, Table)
    assert [row[0] for row in distances.rows] == ["this run", source, target]
    assert all(torch.equal(value, before[key]) for key, value in asked.learner.state_dict().items()), "the run changed"


def test_features_of_domains_that_lie_apart_are_at_distance_2_and_of_the_same_one_near_0() -> None:
    _, (_, apart) = measured(joined(domain(False), domain(True)), steps=0)
    _, (_, same) = measured(joined(domain(False), domain(False)), steps=0)
    assert isinstance(apart, Table)
    assert isinstance(same, Table)
    assert apart.rows[0][1] > 1.9
    assert abs(same.rows[0][1]) < 0.1


def test_a_target_without_labels_is_said_to_be_unmeasured() -> None:
    _, reports = measured(joined(domain(False), domain(True, labels=False)), steps=20)
    found = rows(reports[0])
    assert not any(title == "target accuracy" for _, title in found)
    assert not any(name.startswith("target labels") for name, _ in found)
    assert isinstance(reports[-1], Note)


def test_it_is_offered_for_two_domains_only() -> None:
    recipe = Recipe.read("domain-adversarial", "domain-adversarial", {}, {})
    both, one = joined(domain(False), domain(True)).spec, domain(False).spec
    assert domains.EVALUATION in admitted(recipe, both)
    assert domains.EVALUATION not in admitted(recipe, one)
