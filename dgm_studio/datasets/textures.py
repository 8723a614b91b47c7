"""The 8×8 digits on coloured textures, a second domain beside the digits that needs no download. MNIST-M puts those of
MNIST on photographs in the same way (Ganin et al., 2016, section 5.2.4)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dgm_studio.datasets import digits
from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from models.settings import NoSettings, Settings, setting
from models.spec import Layout, Support

WAVES = 3  # of which a texture is the sum
KNOTS = 4  # places along a side at which its uneven ground is drawn
TITLE = "Digits on textures"


class TexturesSettings(Settings):
    side: int = setting(
        16,
        title="Side",
        help="Height and width of the pictures; digits are enlarged to it.",
        unit="pixels",
        ge=8,
        le=64,
    )
    strength: float = setting(
        0.7, title="Strength", help="How bright the textures are; 0 leaves white digits on black.", ge=0, le=1
    )
    seed: int = setting(0, title="Seed", help="Decides the textures.", ge=0, le=2**31 - 1)


def textures(n: int, side: int, generator: Generator | None = None) -> Tensor:
    """n coloured textures with values in 0…1: an uneven ground and a few waves, each of a colour and direction of its
    own: (n, 3, side, side)."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator)

    ground = F.interpolate(uniform(3, KNOTS, KNOTS), (side, side), mode="bicubic", align_corners=True)
    line = torch.linspace(0, 1, side)
    angle, waves = math.pi * uniform(WAVES), 0.5 + 2.5 * uniform(WAVES)  # periods over a side
    along = angle.cos()[..., None, None] * line + angle.sin()[..., None, None] * line[:, None]
    wave = torch.cos(2 * math.pi * (waves[..., None, None] * along + uniform(WAVES)[..., None, None]))
    colour = uniform(3, WAVES) - 0.5
    made: Tensor = ground + 0.5 * torch.einsum("nck,nkhw->nchw", colour, wave)
    return made.clamp(0, 1)


def blend(grey: Tensor, ground: Tensor) -> Tensor:
    """|ground − digit| in each channel, which turns the colours round where the digit is: (N, 1, H, W), (N, 3, H, W)
    -> (N, 3, H, W)."""
    return (ground - grey).abs()


def _load(settings: TexturesSettings, report: Report) -> RawData:
    report(0.0, "Drawing textures")
    plain = digits.SOURCE.load(NoSettings(), report)
    small = torch.from_numpy(plain.x)
    size = (settings.side, settings.side)
    grey = F.interpolate(small, size, mode="bilinear", align_corners=False)
    ground = settings.strength * textures(len(small), settings.side, Generator().manual_seed(settings.seed))
    made = (
        f"enlarged to {settings.side}×{settings.side}",
        f"|texture − digit| on textures of strength {settings.strength:g}, seed {settings.seed}",
    )
    return RawData(
        x=blend(grey, ground).numpy(),
        y=plain.y,
        support=Support.UNIT,
        layout=Layout.IMAGE,
        class_names=plain.class_names,
        provenance=Provenance(
            TITLE, plain.provenance.files, (*plain.provenance.steps, *made), plain.provenance.licence
        ),
    )


SOURCE = Source(
    "digits-textures",
    TITLE,
    "The 8×8 digits, enlarged, on coloured textures: a second domain beside the digits. With the same split seed the "
    "same digits are held out in both.",
    TexturesSettings,
    _load,
)
