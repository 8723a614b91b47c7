"""Completions and receptive fields of every family of the catalogue that has them, of bits, levels and colours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.questions.completions import Classes, Complete, Order, ordered
from dgm_studio.questions.receptive import ReceptiveField, Way
from dgm_studio.subject import Subject
from models.capabilities import Completes, CompletesInAnyOrder, CompletesOfClass, ScoresEach
from models.catalog import FAMILIES, Family
from models.spec import DataSpec, Layout, Support, UnsuitableData


def data(shape: tuple[int, int, int], categories: int) -> Dataset:
    support = Support.BITS if categories == 2 else Support.LEVELS
    x = torch.randint(categories, (24, *shape), generator=Generator().manual_seed(0)).float()
    part = Split(x, torch.arange(24) % 2)
    spec = DataSpec(shape, support, Layout.IMAGE, 0 if categories == 2 else categories, ("a", "b"))
    return Dataset(spec, part, part, part, Provenance("noise"))


DATA = {"bits": data((1, 5, 6), 2), "levels": data((1, 5, 6), 4), "colours": data((3, 4, 5), 3)}


def takes(family: Family, spec: DataSpec) -> bool:
    try:
        family.model.check(family.settings(), spec)  # type: ignore[attr-defined]
    except UnsuitableData:
        return False
    return True


def families(*wanted: type) -> list[Any]:
    """(family, name of the data) of those with all capabilities that take the data at their default settings."""
    return [
        pytest.param(family, name, id=f"{family.key}-{name}")
        for family in FAMILIES
        if all(issubclass(family.model, capability) for capability in wanted)
        for name, dataset in DATA.items()
        if takes(family, dataset.spec)
    ]


def asked(family: Family, name: str, **settings: Any) -> Subject:
    """An untrained model of random weights, so that nothing cancels."""
    torch.manual_seed(1)
    model = family.model(family.settings(**settings), DATA[name].spec).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return Subject(SimpleNamespace(sampler=lambda: model), DATA[name], 1, Generator().manual_seed(0))  # type: ignore[arg-type]


@pytest.mark.parametrize(("family", "name"), families(Completes))
def test_what_is_known_stands_in_every_completion(family: Family, name: str) -> None:
    subject = asked(family, name)
    x = DATA[name].test.x[0].numpy()
    known = np.random.default_rng(0).random(x.shape) < 0.5
    order = ordered(Order.KNOWN_FIRST, known, 0) if issubclass(family.model, CompletesInAnyOrder) else None
    with torch.no_grad():
        found = Complete(np.where(known, x, 0), known, 3, 0, order)(subject)
    assert (found.x[:, known] == x[known]).all()
    assert (found.log_prob <= 1e-6).all()
    assert sorted(found.order.tolist()) == list(range(x.size))
    assert found.mean.min() >= 0
    assert found.mean.max() <= DATA[name].spec.brightest + 1e-6


@pytest.mark.parametrize(("family", "name"), families(CompletesOfClass))
def test_classes_are_offered_where_the_settings_let_the_model_condition(family: Family, name: str) -> None:
    assert Classes()(asked(family, name)) == 0
    subject = asked(family, name, condition=True)
    assert Classes()(subject) == 2
    x = DATA[name].test.x[0].numpy()
    known = np.ones_like(x, bool)
    scored = []
    for label in (0, 1):
        with torch.no_grad():
            found = Complete(x, known, 1, 0, label=label)(subject)
            expected = subject.model.log_prob_of_class(torch.from_numpy(x)[None], torch.tensor([label]))
        assert found.log_prob.sum() == pytest.approx(float(expected), rel=1e-4)
        scored.append(float(expected))
    assert scored[0] != scored[1]


@pytest.mark.parametrize(("family", "name"), families(ScoresEach))
def test_a_receptive_field_lies_before_its_pixel_and_holds_all_that_changes_it(family: Family, name: str) -> None:
    subject = asked(family, name)
    channels, height, width = DATA[name].spec.event_shape
    for target in ((channels - 1, height - 1, width - 2), (0, height // 2, width // 2)):
        with torch.no_grad():
            field = ReceptiveField(target, 16)(subject)
        assert field.way is Way.GRADIENT
        assert field.seen_ahead == 0
        assert field.pixels_seen > 0
        moved = changed(subject.model, DATA[name], target)
        assert not (moved & ~field.seen).any()


def changed(model: Any, dataset: Dataset, target: tuple[int, int, int]) -> np.ndarray:
    """Which coordinates of some examples change log p of the target, in double precision: (C, H, W) bool."""
    model = model.double()
    x = dataset.test.x[:4].double()
    found = np.zeros(x.shape[1:], bool)

    def score(examples: Tensor) -> Tensor:
        with torch.no_grad():
            return model.log_conditionals(examples)[(slice(None), *target)]

    base, places = score(x), [place for place in np.ndindex(*found.shape) if place != target]
    others = x.repeat(len(places), 1, 1, 1, 1)  # (places, examples, C, H, W)
    for other, place in zip(others, places, strict=True):
        other[(slice(None), *place)] = (other[(slice(None), *place)] + 1) % (dataset.spec.categories or 2)
    apart = (score(others.flatten(0, 1)).reshape(len(places), -1) - base).abs() > 1e-9
    for place, moved in zip(places, apart.any(1).tolist(), strict=True):
        found[place] = moved
    model.float()
    return found
