"""CycleGAN: two generators between two sets of examples of which no pairs are known."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from models.capabilities import ShownAs
from models.family import Family
from models.implicit import require_movable
from models.networks import Activation
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require_layout
from models.translators import DenseTranslator, ResidualTranslator

Network = Literal["dense", "convolutional"]


class CycleGanSettings(Settings):
    network: Network = setting(
        "dense",
        title="Generator network",
        help="Dense: every value to every unit, between examples of any two shapes. Convolutional: residual blocks, "
        "between images of one size.",
        reference="Zhu et al. (2017), appendix 7.2",
    )
    hidden: int = setting(128, title="Hidden units", help="Width of a dense generator's hidden layers.", ge=1, le=4096)
    layers: int = setting(
        3, title="Hidden layers", help="Hidden layers of a dense generator; 0 makes it linear.", ge=0, le=8
    )
    channels: int = setting(
        32, title="Channels", help="Channels of a convolutional generator's first layer.", ge=1, le=512
    )
    blocks: int = setting(
        3,
        title="Residual blocks",
        help="Pairs of convolutions whose result is added to what they were given. For convolutional generators.",
        reference="Zhu et al. (2017): 6 for 128×128, 9 for 256×256",
        ge=0,
        le=16,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    skip: bool = setting(
        False,
        title="Change of the example",
        help="A generator says by how much an example changes, so that it begins near leaving it as it is. Of the many "
        "translations that lose nothing it then finds a near one. For domains of one shape.",
    )


class CycleGan(nn.Module):
    """G: A → B and F: B → A, each without noise, so that an example has one translation (Zhu et al., 2017).

    Nothing in them says that F undoes G: that is what the learner asks of them (models/learning/cycle_consistency.py).
    Examples of either domain are in 0…1, by a sigmoid, or real numbers, as the data are.
    """

    def __init__(self, settings: CycleGanSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        first, second = _domains(spec)
        self.shapes = (first.event_shape, second.event_shape)
        self.are_unit = (first.support is Support.UNIT, second.support is Support.UNIT)
        self.network: Network = settings.network
        self.skip = settings.skip
        self.there, self.back = (_generator(settings, *ends) for ends in (self.shapes, self.shapes[::-1]))

    @staticmethod
    def check(settings: CycleGanSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless both domains are continuous, and convolutional generators have images of one
        size."""
        for domain in _domains(spec):
            require_movable(domain, "A CycleGAN")
            require_layout(domain, Layout.IMAGE, Layout.POINTS, Layout.VECTOR, model="A CycleGAN")
        first, second = _domains(spec)
        if settings.skip and (first.event_shape, first.support) != (second.event_shape, second.support):
            raise UnsuitableData(
                "A change of the example needs domains whose examples have one shape and kind of values: choose such "
                "data, or generators that make examples anew."
            )
        if settings.network == "convolutional":
            images = first.layout is second.layout is Layout.IMAGE
            if not images or first.event_shape[1:] != second.event_shape[1:]:
                raise UnsuitableData(
                    "Convolutional generators translate between images of one height and width: choose such images "
                    "for both domains, or dense generators."
                )

    def domains(self) -> tuple[ShownAs, ShownAs]:
        return ShownAs(self.shapes[0], network=self.network), ShownAs(self.shapes[1], network=self.network)

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        # values in 0…1 are centred, as an image that is mostly black has little to say otherwise
        centred = 2 * x - 1 if self.are_unit[back] else x
        output: Tensor = self.back(centred) if back else self.there(centred)
        if self.skip:
            # of values in 0…1, 0.05 and 0.95 at first where the example has 0 and 1
            output = output + (3 * centred if self.are_unit[not back] else centred)
        return output.sigmoid() if self.are_unit[not back] else output


def _domains(spec: DataSpec) -> tuple[DataSpec, DataSpec]:
    if spec.other is None:
        raise UnsuitableData("A CycleGAN translates between two sets of data: choose a second one.")
    return spec, spec.other


def _generator(settings: CycleGanSettings, before: tuple[int, ...], after: tuple[int, ...]) -> nn.Module:
    if settings.network == "convolutional":
        return ResidualTranslator(before, after, settings.channels, settings.blocks, settings.activation)
    return DenseTranslator(before, after, settings.hidden, settings.layers, settings.activation)


FAMILY = Family(
    key="cyclegan",
    title="CycleGAN",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="Two generators translate between two sets of examples of which no pairs are known. What comes back "
    "from there and back shall be what it was.",
    look_for="The cycle error falls soon: it says that nothing is lost. Whether the translation is the right one "
    "it does not say, so look at the translations.",
    model=CycleGan,
    settings=CycleGanSettings,
    learners=("cycle-consistency",),
    data="digit-styles",
    other={"source": "digit-styles", "settings": {"style": "inverse", "part": "second half"}},
)
