"""Gated PixelCNN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.family import Family
from models.pixel_layers import AtPixel, Head, HeadAtPixel, RowsAbove, RowSoFar, colour_mask
from models.pixels import CONDITION, MARGIN, PixelByPixel, check_pixels
from models.settings import Settings, setting
from models.spec import DataSpec


class PixelCnnSettings(Settings):
    channels: int = setting(
        24,
        title="Channels",
        help="Features of every pixel in each of the two stacks. With colours, these share them.",
        reference="van den Oord et al. (2016), p",
        ge=1,
        le=512,
    )
    layers: int = setting(
        5,
        title="Gated layers",
        help="Each widens what a pixel has heard of by one pixel, or by two with a 5 × 5 window.",
        ge=1,
        le=64,
    )
    window: Literal[3, 5] = setting(3, title="Window", help="Side of the window of a gated layer.", unit="pixels")
    hidden: int = setting(
        64,
        title="Output units",
        help="Width of the hidden layer between the stacks and the probabilities.",
        ge=1,
        le=2048,
    )
    condition: bool = CONDITION


class PixelCnn(PixelByPixel):
    """Gated PixelCNN (van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu, 2016, figure 2).

    Two stacks of convolutions: the vertical one knows all rows above, the horizontal one the row so far and what the
    vertical one tells it. Both end each layer in y = tanh(W_f * x + V_f h) ⊙ σ(W_g * x + V_g h) (equations 2 and 4; h:
    the class), and the horizontal stack adds it to what it had. With one stack of masked windows, pixels above and
    to the right would stay unseen however many layers there are (their figure 1). The first layer's window is 7 × 7.
    """

    def __init__(self, settings: PixelCnnSettings, spec: DataSpec, reach: int = MARGIN) -> None:
        """`reach`: how many pixels the first layer's window reaches to each side, MARGIN at most."""
        self.check(settings, spec)
        super().__init__(spec, settings.condition)
        channels, colours = settings.channels, self.colours
        self.first_vertical = RowsAbove(colours, channels, reach, own_row=False)
        self.first_horizontal = RowSoFar(colours, channels, reach, colour_mask(channels, colours, colours, strict=True))
        self.layers = nn.ModuleList(
            _Gated(channels, colours, settings.window // 2, self.classes) for _ in range(settings.layers)
        )
        self.head = Head(channels, settings.hidden, colours, self.outputs)

    @staticmethod
    def check(settings: PixelCnnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data are small images of bits or levels."""
        check_pixels(spec, settings.condition, model="PixelCNN")

    def predict(self, x: Tensor, y: Tensor | None) -> Tensor:
        v, h = self.first_vertical(x), self.first_horizontal(x)
        told = self.told(y)
        if told is not None:
            v, h = v + told[0], h + told[1]
        for layer in self.layers:
            v, h = layer(v, h, y)
        return self.head(h)

    def painter(self, canvas: Tensor, y: Tensor | None) -> _Painter:
        return _Painter(self, canvas, y)

    def told(self, y: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """What is added to both stacks after their first layer, each (B, channels, H, W): nothing, as classes speak to
        the other layers."""
        return None


class _Gated(nn.Module):
    """One layer of both stacks. v, h: (B, channels, H, W)."""

    def __init__(self, channels: int, colours: int, reach: int, classes: int) -> None:
        super().__init__()
        self.vertical = RowsAbove(channels, 2 * channels, reach, own_row=True)
        self.horizontal = RowSoFar(channels, 2 * channels, reach, colour_mask(2 * channels, channels, colours, parts=2))
        self.down = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)  # what the vertical stack tells the other
        self.out = RowSoFar(channels, channels, 0, colour_mask(channels, channels, colours))
        self.of_class = nn.Parameter(torch.zeros(classes, 4 * channels)) if classes else None  # V h of both stacks

    def forward(self, v: Tensor, h: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        to_v = self.vertical(v)
        to_h = self.horizontal(h) + self.down(to_v)
        told = self.told(y)
        if told is not None:
            to_v, to_h = to_v + told[0], to_h + told[1]
        return gate(to_v), h + self.out(gate(to_h))

    def told(self, y: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """What the class adds for each of the stacks: (B, 2 channels, 1, 1)."""
        if self.of_class is None or y is None:
            return None
        for_v, for_h = F.embedding(y, self.of_class)[..., None, None].chunk(2, 1)
        return for_v, for_h


def gate(x: Tensor) -> Tensor:
    """tanh of the first half of the features ⊙ σ of the second."""
    signal, opening = x.chunk(2, 1)
    return signal.tanh() * opening.sigmoid()


class _Painter:
    """Computes the vertical stack once for each row, from the few rows of each layer that its windows reach, and the
    horizontal one once for each pixel, from the part of its row that was kept: together one pass over the image, and
    of the horizontal stack one more for each further colour."""

    def __init__(self, model: PixelCnn, canvas: Tensor, y: Tensor | None) -> None:
        self.model, self.canvas = model, canvas
        n, width = len(canvas), canvas.shape[2] - MARGIN
        self.first, self.head, self.told = AtPixel(model.first_horizontal), HeadAtPixel(model.head), model.told(y)
        self.layers: list[_Gated] = list(model.layers)  # type: ignore[arg-type]
        self.horizontal = [AtPixel(layer.horizontal) for layer in self.layers]
        self.out = [AtPixel(layer.out) for layer in self.layers]
        self.classes = [layer.told(y) for layer in self.layers]
        reach, channels = self.layers[0].vertical.reach, self.layers[0].out.weight.shape[0]
        self.rows = [canvas.new_zeros(n, channels, reach, width) for _ in self.layers]  # of v, those above this one
        self.row = [canvas.new_zeros(n, reach + width, channels) for _ in self.layers]  # of h
        self.from_above = list[Tensor]()  # what the vertical stack tells each layer: (n, W, 2 channels)

    def start_row(self, row: int) -> None:
        above = self.canvas[:, row + MARGIN - self.first.reach : row + MARGIN, MARGIN:]
        v = self.model.first_vertical.of_rows(above.permute(0, 3, 1, 2))
        if self.told is not None:
            v = v + self.told[0][:, :, row : row + 1]
        self.from_above = []
        for k, (layer, told) in enumerate(zip(self.layers, self.classes, strict=True)):
            window = torch.cat((self.rows[k], v), 2)
            self.rows[k] = window[:, :, 1:]
            to_v = layer.vertical.of_rows(window)
            to_h = layer.down(to_v) + layer.horizontal.bias[:, None, None]
            if told is not None:
                to_v, to_h = to_v + told[0], to_h + told[1]
            v = gate(to_v)
            self.from_above.append(to_h.squeeze(2).transpose(1, 2).contiguous())

    def look(self, row: int, column: int) -> Tensor:
        seen = self.canvas[:, row + MARGIN, column + MARGIN - self.first.reach : column + MARGIN + 1]
        h = self.first(seen)
        if self.told is not None:
            h = h + self.told[1][:, :, row, column]
        for kept, above, horizontal, out in zip(self.row, self.from_above, self.horizontal, self.out, strict=True):
            last = column + horizontal.reach
            kept[:, last] = h
            h = out(gate(horizontal(kept[:, column : last + 1], above[:, column])), h + out.bias)
        return self.head(h)


FAMILY = Family(
    key="pixelcnn",
    title="PixelCNN",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="Pixel after pixel, by convolutions that see only what lies above and to the left. All pixels of all "
    "images are learned from at once, as one convolutional net; the likelihood is exact.",
    look_for="Samples are strokes of the right width long before they are whole digits: a pixel first learns from "
    "its neighbours. Held-out log p(x) turns back where it begins to learn by heart.",
    model=PixelCnn,
    settings=PixelCnnSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
