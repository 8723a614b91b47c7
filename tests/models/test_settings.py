"""Settings that are declared once and checked everywhere."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import pytest
from annotated_types import Ge

from models import catalog
from models.settings import (
    Names,
    NoSettings,
    Settings,
    SettingsError,
    name_of,
    names_of,
    read_settings,
    setting,
    unit_of,
)

EVERY = sorted(
    {entry.settings for entry in (*catalog.FAMILIES, *catalog.LEARNINGS)} - {NoSettings}, key=lambda cls: cls.__name__
)


class Example(Settings):
    size: int = setting(3, title="Size", help="How many.", unit="units", reference="Someone (2000)", ge=1, le=10)
    rate: float = setting(0.1, title="Rate", help="How fast.", gt=0, log=True)


def test_values_are_read_and_defaults_kept() -> None:
    assert read_settings(Example, {"size": 4}, "model") == Example(size=4, rate=0.1)


def test_unknown_settings_are_named_with_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"model\.sice: unknown setting \(there are: size, rate\)"):
        read_settings(Example, {"sice": 4}, "model")


def test_every_value_out_of_bounds_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(Example, {"size": 0, "rate": float("nan")}, "learner")
    assert [field for field, _ in caught.value.problems] == ["size", "rate"]
    assert "it was 0" in str(caught.value)


def test_settings_cannot_be_changed_after_the_check() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Example().size = 20  # type: ignore[misc]


def test_the_declaration_carries_what_a_form_shows() -> None:
    field = Example.model_fields["size"]
    assert (field.title, field.description) == ("Size", "How many.")
    assert field.json_schema_extra == {"unit": "units", "reference": "Someone (2000)", "log": False, "zero": ""}
    assert unit_of(field) == "units"


def test_values_have_names_where_they_are_declared_to() -> None:
    class Named(Settings):
        layer: Annotated[Literal["relu", "tanh"], Names({"relu": "ReLU"})] = setting(
            "relu", title="Layer", help="What."
        )
        cost: float = setting(0.0, title="Cost", help="How much.", zero="off", ge=0)
        count: int = setting(0, title="Count", help="How many.", ge=0)

    layer, cost, count = Named.model_fields.values()
    assert [name_of(layer, value) for value in ("relu", "tanh")] == ["ReLU", None]
    assert [name_of(cost, value) for value in (0.0, 0.5)] == ["off", None]
    assert name_of(count, 0) is None
    assert Named(layer="relu").model_dump() == {"layer": "relu", "cost": 0.0, "count": 0}  # files hold values


@pytest.mark.parametrize("settings", EVERY, ids=lambda cls: cls.__name__)
def test_names_are_of_values_that_can_be_chosen(settings: type[Settings]) -> None:
    for field, info in settings.model_fields.items():
        for value in names_of(info):
            if value == 0:
                assert [rule.ge for rule in info.metadata if isinstance(rule, Ge)] == [0], field  # what a form calls it
            else:
                assert value in get_args(info.annotation), field


@pytest.mark.parametrize("settings", EVERY, ids=lambda cls: cls.__name__)
def test_settings_of_the_catalogue_say_what_they_are(settings: type[Settings]) -> None:
    for name, field in settings.model_fields.items():
        assert field.title, name
        assert field.title[0].isupper(), name
        assert field.description, name
        assert field.description.endswith("."), name
    settings()  # the defaults hold their own bounds
    for name, field in settings.model_fields.items():
        assert read_settings(settings, {name: field.default}, "model") == settings()
