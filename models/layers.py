"""What deep machines and belief nets are set by: the widths of their hidden layers."""

from __future__ import annotations

from models.harmonium import ChainSettings
from models.settings import Settings, setting


class HiddenWidths(Settings):
    """Up to three hidden layers of bits, the lowest first; a width of 0 leaves a layer out."""

    first: int
    second: int
    third: int

    def widths(self) -> tuple[int, ...]:
        """How many units each hidden layer has."""
        return tuple(width for width in (self.first, self.second, self.third) if width)


class LayerSettings(HiddenWidths, ChainSettings):
    """Two or three hidden layers of bits, the lowest first."""

    first: int = setting(
        128,
        title="First hidden layer",
        help="Binary units next to the data.",
        unit="units",
        reference="Hinton, Osindero & Teh (2006); Salakhutdinov & Hinton (2009)",
        ge=1,
        le=8192,
    )
    second: int = setting(
        128,
        title="Second hidden layer",
        help="Binary units above the first layer.",
        unit="units",
        reference="Hinton, Osindero & Teh (2006); Salakhutdinov & Hinton (2009)",
        ge=1,
        le=8192,
    )
    third: int = setting(
        0,
        title="Third hidden layer",
        help="Binary units above the second layer; 0 leaves this layer out.",
        unit="units",
        reference="Hinton, Osindero & Teh (2006); Salakhutdinov & Hinton (2009)",
        zero="none",
        ge=0,
        le=8192,
    )


class BeliefSettings(HiddenWidths):
    """One to three hidden layers of bits in a directed net, the lowest first."""

    first: int = setting(
        200,
        title="First hidden layer",
        help="Binary units next to the data.",
        unit="units",
        reference="Mnih & Gregor (2014), section 4.2",
        ge=1,
        le=8192,
    )
    second: int = setting(
        0,
        title="Second hidden layer",
        help="Binary units above the first layer; 0 leaves this layer out.",
        unit="units",
        reference="Mnih & Gregor (2014), section 4.2",
        zero="none",
        ge=0,
        le=8192,
    )
    third: int = setting(
        0,
        title="Third hidden layer",
        help="Binary units above the second layer; 0 leaves this layer out.",
        unit="units",
        reference="Mnih & Gregor (2014), section 4.2",
        zero="none",
        ge=0,
        le=8192,
    )
