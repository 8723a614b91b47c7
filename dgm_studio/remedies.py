"""What would fit, where a model cannot learn from the data that is chosen: other preparations of it, or other data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dgm_studio.config import BINARIZATION_TEXT, DataChoice, RunConfig, default_data, of_domains
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import Dataset
from models import catalog
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError
from models.spec import DataSpec, Layout, Support, UnsuitableData

LEVELS = 16  # that are offered: few enough to learn quickly, enough to look grey
SMALLEST = 4  # px, of a side
AT_MOST = 3
AS_THEY_ARE: dict[str, object] = {"binarization": "none", "levels": 0}


@dataclass(frozen=True)
class Remedy:
    """A choice of data that the model can learn from, and what a button says that makes it."""

    text: str
    data: DataChoice


def remedies(config: RunConfig, given: DataSpec) -> tuple[Remedy, ...]:
    """Choices that the model of `config` takes, most like the present one first. `given` describes the data as its
    source has it, before values become bits or levels; of two domains both, or the one that could not be prepared. What
    the model takes is asked of the model itself."""
    try:
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    except (SettingsError, UnknownKey):
        return ()  # something else is wrong, and is said elsewhere
    family = catalog.family(config.family)
    domains, own = config.data.domains, default_data(family)
    specs = [given] if given.other is None else [replace(given, other=None), given.other]
    if len(specs) < len(domains):
        plain = of_domains(*(domain.model_copy(update=AS_THEY_ARE) for domain in domains))
        found = [Remedy("Use values as they are", plain)] if plain != config.data else []
    elif len(domains) != len(own.domains):
        other = own.other
        text = "Learn from one set alone" if other is None else f"Add {sources.source(other.source).title}"
        found = [Remedy(text, of_domains(*domains[:1], *([] if other is None else [other])))]
    else:
        found = _prepared(recipe, config.data, specs)
    if not found and [domain.source for domain in own.domains] != [domain.source for domain in domains]:
        titles = " and ".join(sources.source(domain.source).title for domain in own.domains)
        found.append(Remedy(f"Use {titles}", own))
    return tuple(found[:AT_MOST])


def _prepared(recipe: Recipe, choice: DataChoice, specs: list[DataSpec]) -> list[Remedy]:
    """Other preparations that fit, then smaller pictures; of two domains both are prepared alike, as far as they can
    be."""
    domains, found = choice.domains, []
    sizes = [list(_sizes(domain, spec)) for domain, spec in zip(domains, specs, strict=True)]
    for smaller in range(max(map(len, sizes))):
        chosen = [each[min(smaller, len(each) - 1)] for each in sizes]
        shaped = [replace(spec, event_shape=size[0]) for spec, size in zip(specs, chosen, strict=True)]
        for name in dict.fromkeys(name for spec in shaped for name in _preparations(spec)):
            ways = [_preparations(spec) for spec in shaped]
            ways_taken = [way.get(name) or list(way.values())[-1] for way in ways]
            changed = [
                domain.model_copy(update={**way[1], "settings": size[2]})
                for domain, way, size in zip(domains, ways_taken, chosen, strict=True)
            ]
            first, *second = [way[0] for way in ways_taken]
            spec = replace(first, other=second[0]) if second else first
            data = of_domains(*changed)
            if data != choice and _takes(recipe, spec):
                changes = any(_changes(domain, way[1]) for domain, way in zip(domains, ways_taken, strict=True))
                parts = [part for part in (chosen[0][1], name if changes else "") if part]
                found.append(Remedy(f"Use {' and '.join(parts)}", data))
        if found:
            break
    return found


def as_given(dataset: Dataset, choice: DataChoice) -> DataSpec:
    """The data as its source has it, before `choice` made its values bits or levels."""
    first, *second = [
        _as_given(domain.spec, chosen) for domain, chosen in zip(dataset.domains, choice.domains, strict=True)
    ]
    return replace(first, other=second[0]) if second else first


def _as_given(spec: DataSpec, choice: DataChoice) -> DataSpec:
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


def _preparations(given: DataSpec) -> dict[str, tuple[DataSpec, dict[str, object]]]:
    """What the values can become, by what it is called: a description, and the fields of the choice that make it so."""
    found: dict[str, tuple[DataSpec, dict[str, object]]] = {}
    if given.support is Support.UNIT:
        found["a threshold"] = replace(given, support=Support.BITS), {"binarization": "threshold", "levels": 0}
        levels: dict[str, object] = {"binarization": "none", "levels": LEVELS}
        found[f"{LEVELS} levels"] = replace(given, support=Support.LEVELS, categories=LEVELS), levels
    return {**found, "values as they are": (given, AS_THEY_ARE)}


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
