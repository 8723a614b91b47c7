"""The temperature of relaxed draws, and how it falls while a model learns."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from models.settings import Settings, setting


class TemperatureSettings(Settings):
    """For learners that draw relaxed states (models/concrete.py)."""

    straight_through: bool = setting(
        False,
        title="Straight-through",
        help="Draw states, and take only the gradient from the relaxed draw. Otherwise the model sees the relaxed draw "
        "itself while it learns.",
        reference="Jang, Gu & Poole (2017), section 2.2",
    )
    temperature: float = setting(
        1.0,
        title="Temperature τ at the start",
        help="How far relaxed draws are from states. When it is low, gradients have little bias and a large variance.",
        reference="Jang, Gu & Poole (2017), τ",
        ge=0.01,
        le=100,
        log=True,
    )
    final_temperature: float = setting(
        0.5,
        title="Temperature τ at the end",
        help="Where the temperature comes to, and stays.",
        reference="Jang, Gu & Poole (2017), section 4.2: 0.5",
        ge=0.01,
        le=100,
        log=True,
    )
    cooling: Literal["exponential", "linear"] = setting(
        "exponential", title="Cooling", help="How the temperature goes from the one to the other."
    )
    cooling_steps: int = setting(
        5000,
        title="Cooling steps",
        help="Over how many steps it does; 0 keeps the temperature of the start.",
        unit="steps",
        zero="off",
        ge=0,
        le=100_000_000,
    )


def temperature_at(settings: TemperatureSettings, steps: Tensor) -> Tensor | float:
    """τ after so many steps, 0-d: a tensor while it falls, so that nothing waits for the device."""
    first, last = float(settings.temperature), float(settings.final_temperature)
    if not settings.cooling_steps:
        return first
    done = (steps / settings.cooling_steps).clamp(max=1)
    if settings.cooling == "linear":
        return first + (last - first) * done
    return first * (last / first) ** done
