"""What the recurrent models of images share: first and last layers, and generation (van den Oord et al., 2016)."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from models.pixel_layers import AtPixel, Head, HeadAtPixel, RowsAbove, RowSoFar, colour_mask
from models.pixels import CONDITION, MARGIN, PixelByPixel, check_pixels
from models.settings import Settings, setting
from models.spec import DataSpec


class PixelRnnSettings(Settings):
    hidden: int = setting(
        16,
        title="Hidden units",
        help="Units of an LSTM at every pixel. Between the layers, a pixel has twice as many features.",
        reference="van den Oord, Kalchbrenner & Kavukcuoglu (2016), h",
        ge=1,
        le=512,
    )
    layers: int = setting(3, title="LSTM layers", help="Each adds to what it was given.", ge=1, le=32)
    units: int = setting(
        64,
        title="Output units",
        help="Width of the hidden layer between the last LSTM and the probabilities.",
        ge=1,
        le=2048,
    )
    condition: bool = CONDITION


class LayerAtPixel(Protocol):
    """A layer that is computed pixel by pixel, and keeps the states that later pixels need."""

    def start_row(self, row: int) -> None:
        """All rows above `row` are complete."""
        ...

    def look(self, column: int, u: Tensor) -> Tensor:
        """Its output at a pixel of the present row, given its input there: (n, 2h) -> (n, 2h)."""
        ...


class RecurrentLayer(nn.Module):
    """u ← u + up(h) for the states h of one or more LSTMs, each of which hears the features u."""

    lstms: ClassVar[int] = 1
    taps: ClassVar[tuple[int, ...]]  # places in the line before, relative to its own, whose states a state hears

    def __init__(self, hidden: int, colours: int, classes: int) -> None:
        super().__init__()
        bound = (len(self.taps) * hidden) ** -0.5
        states = torch.empty(self.lstms, len(self.taps) * hidden, 4 * hidden).uniform_(-bound, bound)
        self.state_to_state = nn.Parameter(states)
        self.up = RowSoFar(hidden, 2 * hidden, 0, colour_mask(2 * hidden, hidden, colours))
        self.of_class = nn.Parameter(torch.zeros(classes, self.lstms, 4 * hidden)) if classes else None

    def told(self, y: Tensor | None) -> Tensor | None:
        """What the class adds to the gates of each LSTM: (lstms, B, 4h)."""
        return None if self.of_class is None or y is None else self.of_class[y].transpose(0, 1)

    def bias(self, heard: RowSoFar, lstm: int, y: Tensor | None) -> Tensor:
        """Bias of what an LSTM hears of its pixel, and what the class adds to it: (4h,), or (B, 1, 4h)."""
        told = self.told(y)
        return heard.bias if told is None else (heard.bias + told[lstm]).unsqueeze(1)

    @abstractmethod
    def forward(self, u: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        """(B, 2h, H, W), the scaled image (B, colours, H, W), (B,) -> (B, 2h, H, W)."""
        raise NotImplementedError

    @abstractmethod
    def at_pixel(self, canvas: Tensor, y: Tensor | None) -> LayerAtPixel:
        """The same for images that are drawn pixel by pixel, on a canvas (PixelByPixel.painter)."""
        raise NotImplementedError


class PixelRnn(PixelByPixel):
    """A 7 × 7 window on what came before (mask A), residual layers of LSTMs, and masked 1 × 1 convolutions (mask B)."""

    layer: ClassVar[type[RecurrentLayer]]
    title: ClassVar[str]  # as sentences begin with it

    def __init__(self, settings: PixelRnnSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec, settings.condition)
        colours, features = self.colours, 2 * settings.hidden
        self.first_above = RowsAbove(colours, features, MARGIN, own_row=False)
        self.first_row = RowSoFar(colours, features, MARGIN, colour_mask(features, colours, colours, strict=True))
        self.layers = nn.ModuleList(self.layer(settings.hidden, colours, self.classes) for _ in range(settings.layers))
        self.head = Head(features, settings.units, colours, self.outputs)

    @classmethod
    def check(cls, settings: PixelRnnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data are small images of bits or levels."""
        check_pixels(spec, settings.condition, model=cls.title)

    def predict(self, x: Tensor, y: Tensor | None) -> Tensor:
        u = self.first_above(x) + self.first_row(x)
        for layer in self.layers:
            u = layer(u, x, y)
        return self.head(u)

    def painter(self, canvas: Tensor, y: Tensor | None) -> _Painter:
        return _Painter(self, canvas, y)


class _Painter:
    """What comes from the rows above is computed once for each row, everything else once for each pixel and colour."""

    def __init__(self, model: PixelRnn, canvas: Tensor, y: Tensor | None) -> None:
        self.canvas, self.first_above = canvas, model.first_above
        self.first_row, self.head = AtPixel(model.first_row), HeadAtPixel(model.head)
        layers: list[RecurrentLayer] = list(model.layers)  # type: ignore[arg-type]
        self.layers = [layer.at_pixel(canvas, y) for layer in layers]
        self.above = canvas

    def start_row(self, row: int) -> None:
        above = self.first_above.of_rows(self.canvas[:, row : row + MARGIN, MARGIN:].permute(0, 3, 1, 2))
        self.above = (above.squeeze(2) + self.first_row.bias[:, None]).transpose(1, 2).contiguous()  # (n, W, 2h)
        for layer in self.layers:
            layer.start_row(row)

    def look(self, row: int, column: int) -> Tensor:
        u = self.first_row(self.canvas[:, row + MARGIN, column : column + MARGIN + 1], self.above[:, column])
        for layer in self.layers:
            u = layer.look(column, u)
        return self.head(u)
