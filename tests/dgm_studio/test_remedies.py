"""What is offered where a model cannot learn from the data that is chosen: what the model itself says it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dgm_studio.config import DataChoice, RunConfig
from dgm_studio.datasets.base import BadPreparation, Provenance, RawData, prepare
from dgm_studio.remedies import as_given, remedies
from models.catalog import FAMILIES, family
from models.spec import DataSpec, Layout, Support, UnsuitableData

GREY = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE)
TEXT = DataSpec((32,), Support.SYMBOLS, Layout.SEQUENCE, 5, symbols=tuple("abcde"))


def run(key: str, **data: Any) -> RunConfig:
    return RunConfig(family=key, learner=family(key).learners[0], data=DataChoice(**data))


def offered(config: RunConfig, given: DataSpec) -> dict[str, DataChoice]:
    return {remedy.text: remedy.data for remedy in remedies(config, given)}


def test_grey_data_for_a_model_of_bits_gets_a_threshold() -> None:
    found = offered(run("nade"), GREY)
    assert list(found) == ["Use a threshold"]
    assert found["Use a threshold"].binarization == "threshold"
    assert found["Use a threshold"].source == "digits"


def test_grey_data_for_a_model_of_discrete_pixels_gets_a_threshold_or_levels() -> None:
    found = offered(run("pixelcnn"), GREY)
    assert list(found) == ["Use a threshold", "Use 16 levels"]
    assert (found["Use 16 levels"].binarization, found["Use 16 levels"].levels) == ("none", 16)


def test_levels_for_a_model_that_has_none_are_taken_back() -> None:
    found = offered(run("gan", levels=16), GREY)
    assert found["Use values as they are"].levels == 0


def test_sequences_for_a_model_of_images_get_the_data_of_its_family() -> None:
    found = offered(run("pixelcnn", source="grammar"), TEXT)
    assert [choice.source for choice in found.values()] == [family("pixelcnn").data]


def test_images_that_are_too_large_are_made_smaller_where_the_source_can() -> None:
    large = replace(GREY, event_shape=(3, 1024, 1024))
    sized = {"path": "photos", "height": 1024, "width": 1024}
    found = offered(run("pixelcnn", source="images", settings=sized, binarization="threshold"), large)
    assert list(found) == ["Use 64×64 pixels", "Use 64×64 pixels and 16 levels"]
    assert found["Use 64×64 pixels"].settings == {"path": "photos", "height": 64, "width": 64}
    assert [choice.source for choice in offered(run("pixelcnn", source="numpy"), large).values()] == ["digits"]


@pytest.mark.parametrize("key", [entry.key for entry in FAMILIES])
def test_every_remedy_that_keeps_the_source_is_one_that_the_model_takes(key: str) -> None:
    for given in (GREY, replace(GREY, event_shape=(3, 8, 8)), TEXT, DataSpec((2,), Support.REALS, Layout.POINTS)):
        for remedy in remedies(run(key, source="csv", levels=7), given):
            if remedy.data.source != "csv":
                continue
            if remedy.data.other is not None:  # of a second domain that is added nothing is known before it is read
                assert family(key).other is not None
                continue
            support = given.support
            if remedy.data.binarization != "none":
                support = Support.BITS
            elif remedy.data.levels:
                support = Support.LEVELS
            spec = replace(given, support=support, categories=remedy.data.levels or given.categories)
            entry = family(key)
            entry.model.check(entry.settings(), spec)  # type: ignore[attr-defined]


def test_data_is_described_as_its_source_has_it() -> None:
    x = np.random.default_rng(0).random((20, 1, 4, 4)).astype(np.float32)
    raw = RawData(x, None, Support.UNIT, Layout.IMAGE, Provenance("noise"))
    for choice in (DataChoice(), DataChoice(binarization="fixed"), DataChoice(levels=4)):
        dataset = prepare(raw, choice.binarization, 0, choice.levels)
        assert as_given(dataset, choice).support is Support.UNIT
    bits = prepare(replace(raw, x=(x > 0.5).astype(np.float32), support=Support.BITS), "threshold", 0)
    assert as_given(bits, DataChoice(binarization="threshold")).support is Support.BITS


def test_a_preparation_that_cannot_be_says_what_the_data_are() -> None:
    raw = RawData(np.zeros((20, 3), np.float32), None, Support.REALS, Layout.VECTOR, Provenance("table"))
    with pytest.raises(BadPreparation) as caught:
        prepare(raw, "threshold", 0)
    assert caught.value.given.support is Support.REALS
    assert caught.value.given.event_shape == (3,)
    with pytest.raises(UnsuitableData):
        family("nade").model.check(family("nade").settings(), caught.value.given)  # type: ignore[attr-defined]
    assert [choice.source for choice in offered(run("nade", source="csv"), caught.value.given).values()] == ["digits"]
