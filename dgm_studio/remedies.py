"""What would fit, where a model cannot learn from the data that is chosen: other preparations of it, or other data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dgm_studio.config import BINARIZATION_TEXT, DataChoice, RunConfig, default_data
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import Dataset
from models import catalog
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError
from models.spec import DataSpec, Layout, Support, UnsuitableData

LEVELS = 16  # that are offered: few enough to learn quickly, enough to look grey
SMALLEST = 4  # px, of a side
AT_MOST = 3


@dataclass(frozen=True)
class Remedy:
    """A choice of data that the model can learn from, and what a button says that makes it."""

    text: str
    data: DataChoice


def remedies(config: RunConfig, given: DataSpec) -> tuple[Remedy, ...]:
    """Choices that the model of `config` takes, most like the present one first. `given` describes the data as its
    source has it, before values become bits or levels. What the model takes is asked of the model itself."""
    try:
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    except (SettingsError, UnknownKey):
        return ()  # something else is wrong, and is said elsewhere
    found = []
    for shape, text, settings in _sizes(config.data, given):
        for spec, preparation, change in _preparations(replace(given, event_shape=shape)):
            data = config.data.model_copy(update={**change, "settings": settings})
            if data != config.data and _takes(recipe, spec):
                parts = [part for part in (text, preparation if _changes(config.data, change) else "") if part]
                found.append(Remedy(f"Use {' and '.join(parts)}", data))
        if found:
            break
    family = catalog.family(config.family)
    if not found and family.data != config.data.source:
        own = default_data(family)
        found.append(Remedy(f"Use {sources.source(own.source).title}", own))
    return tuple(found[:AT_MOST])


def as_given(dataset: Dataset, choice: DataChoice) -> DataSpec:
    """The data as its source has it, before `choice` made its values bits or levels."""
    spec = dataset.spec
    made_bits = spec.support is Support.BITS and spec.protocol == BINARIZATION_TEXT[choice.binarization]
    if made_bits or spec.support is Support.LEVELS:
        return replace(spec, support=Support.UNIT, categories=0)
    return spec


def _takes(recipe: Recipe, spec: DataSpec) -> bool:
    try:
        recipe.check(spec)
    except UnsuitableData:
        return False
    return True


def _changes(choice: DataChoice, change: dict[str, object]) -> bool:
    return any(getattr(choice, field) != value for field, value in change.items())


def _preparations(given: DataSpec) -> Iterator[tuple[DataSpec, str, dict[str, object]]]:
    """What the values can become: a description, what it is called, and the fields of the choice that make it so."""
    if given.support is Support.UNIT:
        yield replace(given, support=Support.BITS), "a threshold", {"binarization": "threshold", "levels": 0}
        levels: dict[str, object] = {"binarization": "none", "levels": LEVELS}
        yield replace(given, support=Support.LEVELS, categories=LEVELS), f"{LEVELS} levels", levels
    yield given, "values as they are", {"binarization": "none", "levels": 0}


def _sizes(choice: DataChoice, given: DataSpec) -> Iterator[tuple[tuple[int, ...], str, dict[str, object]]]:
    """The present size, then, where the source scales pictures to a height and a width, smaller and smaller ones."""
    yield given.event_shape, "", choice.settings
    fields = sources.source(choice.source).settings.model_fields
    if given.layout is not Layout.IMAGE or not {"height", "width"} <= fields.keys():
        return
    channels, height, width = given.event_shape
    while min(height, width) // 2 >= SMALLEST:
        height, width = height // 2, width // 2
        smaller = {**choice.settings, "height": height, "width": width}
        yield (channels, height, width), f"{height}×{width} pixels", smaller
