"""PixelRNN with Row LSTMs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.family import Family
from models.pixel_layers import AtPixel, RowSoFar, colour_mask
from models.pixel_rnn import LayerAtPixel, PixelRnn, PixelRnnSettings, RecurrentLayer
from models.pixels import MARGIN
from models.recurrence import lstm_cell, recur

REACH = 1  # of the input-to-state convolution, to the left


class RowLstmSettings(PixelRnnSettings):
    pass


class _Layer(RecurrentLayer):
    """An LSTM down the rows (van den Oord, Kalchbrenner & Kavukcuoglu, 2016, section 3.1): a state hears the features
    of its pixel and the one to the left, and the three states nearest to it in the row above."""

    taps = (-1, 0, 1)

    def __init__(self, hidden: int, colours: int, classes: int) -> None:
        super().__init__(hidden, colours, classes)
        self.input_to_state = RowSoFar(
            2 * hidden, 4 * hidden, REACH, colour_mask(4 * hidden, 2 * hidden, colours, parts=4)
        )

    def forward(self, u: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        heard = self.input_to_state(u)
        told = self.told(y)
        if told is not None:
            heard = heard + told[0][..., None, None]
        lines = heard.permute(2, 3, 0, 1).unsqueeze(0)  # (1, H, W, B, 4h)
        states = recur(lines, self.state_to_state, self.taps)
        return u + self.up(states[0].permute(2, 3, 0, 1))

    def at_pixel(self, canvas: Tensor, y: Tensor | None) -> LayerAtPixel:
        return _AtPixel(self, canvas, y)


class _AtPixel:
    def __init__(self, layer: _Layer, canvas: Tensor, y: Tensor | None) -> None:
        self.layer, self.input_to_state, self.up = layer, AtPixel(layer.input_to_state), AtPixel(layer.up)
        self.bias = layer.bias(layer.input_to_state, 0, y)
        size, n, width = layer.up.weight.shape[1], len(canvas), canvas.shape[2] - MARGIN
        zeros = canvas.new_zeros
        self.inputs = zeros(n, REACH + width, 2 * size)
        self.hidden, self.cells = zeros(n, width, size), zeros(n, width, size)
        self.heard, self.cells_above = self.bias, self.cells

    def start_row(self, row: int) -> None:
        around = F.pad(self.hidden, (0, 0, 1, 1))
        near = torch.cat((around[:, :-2], self.hidden, around[:, 2:]), 2)
        self.heard = near @ self.layer.state_to_state[0] + self.bias  # (n, W, 4h)
        self.cells_above = self.cells.clone()

    def look(self, column: int, u: Tensor) -> Tensor:
        self.inputs[:, column + REACH] = u
        before = self.input_to_state(self.inputs[:, column : column + REACH + 1], self.heard[:, column])
        hidden, self.cells[:, column] = lstm_cell(before, self.cells_above[:, column])
        self.hidden[:, column] = hidden
        return self.up(hidden, u + self.up.bias)


class RowLstm(PixelRnn):
    """Row LSTM (van den Oord, Kalchbrenner & Kavukcuoglu, 2016, "Pixel recurrent neural networks", section 3.1).

    LSTMs go down the image, all pixels of a row at once: fast, since there are only as many steps as rows, but a
    pixel hears of a triangle above it, and not of the whole image so far. Several layers widen it to the left.
    """

    layer = _Layer
    title = "A Row LSTM"


FAMILY = Family(
    key="row-lstm",
    title="PixelRNN: Row LSTM",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="Recurrent nets that go down the image, all pixels of a row at once. What a pixel hears of is a "
    "triangle above it; the likelihood is exact.",
    look_for="Held-out log p(x) rises with fewer weights than a PixelCNN needs. Strokes go on over many rows.",
    model=RowLstm,
    settings=RowLstmSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
