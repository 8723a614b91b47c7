"""PixelRNN with Diagonal BiLSTMs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.family import Family
from models.pixel_layers import AtPixel, RowSoFar, colour_mask
from models.pixel_rnn import LayerAtPixel, PixelRnn, PixelRnnSettings, RecurrentLayer
from models.pixels import MARGIN
from models.recurrence import lstm_cell, recur


class DiagonalBiLstmSettings(PixelRnnSettings):
    pass


def skew(x: Tensor) -> Tensor:
    """The diagonals of a map as lines: (G, H, W, ...) -> (G, H + W - 1, H, ...), 0 where a diagonal is outside.

    Place r of line t is what stands in row r and column t - r: each row moves one further to the right than the row
    above, and a diagonal, whose places depend on nothing in each other, becomes a column.
    """
    return _Skew.apply(x)


def unskew(x: Tensor) -> Tensor:
    """What `skew` moved, back in its place: (G, H + W - 1, H, ...) -> (G, H, W, ...)."""
    return _Unskew.apply(x)


class _Skew(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        groups, height, width, *rest = x.shape
        lines = x.new_zeros(groups, height + width - 1, height, *rest)
        _map(lines).copy_(x)
        return lines

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return unskew(grad)


class _Unskew(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _map(x).clone(memory_format=torch.contiguous_format)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return skew(grad)


def _map(lines: Tensor) -> Tensor:
    """The map in its lines, in the same memory: row r and column c are place r of line c + r."""
    groups, diagonals, height, *rest = lines.shape
    by_group, by_line, by_place, *others = lines.stride()
    shape = (groups, height, diagonals - height + 1, *rest)
    return lines.as_strided(shape, (by_group, by_line + by_place, by_line, *others), lines.storage_offset())


def inside(height: int, width: int) -> list[tuple[int, int]]:
    """Of each line that `skew` makes, the places that were in the map: from, until."""
    return [(max(0, t - width + 1), min(height, t + 1)) for t in range(height + width - 1)]


class _Layer(RecurrentLayer):
    """Two LSTMs along diagonals (van den Oord, Kalchbrenner & Kavukcuoglu, 2016, section 3.2), one from the upper left
    corner and one from the upper right: a state hears the features of its pixel, the state above it and the one beside
    it. The states of the second are moved down a row, for those beside a pixel on its right are of its future."""

    lstms = 2
    taps = (-1, 0)

    def __init__(self, hidden: int, colours: int, classes: int) -> None:
        super().__init__(hidden, colours, classes)
        self.from_left = RowSoFar(2 * hidden, 4 * hidden, 0, colour_mask(4 * hidden, 2 * hidden, colours, parts=4))
        # these are heard of one row further down only, where all of their pixel is known
        self.from_right = RowSoFar(2 * hidden, 4 * hidden, 0, torch.ones(4 * hidden, 2 * hidden))
        self.image = RowSoFar(colours, 4 * hidden, 0, torch.ones(4 * hidden, colours))

    def forward(self, u: Tensor, x: Tensor, y: Tensor | None) -> Tensor:
        from_right = self.from_right(u) + self.image(x)
        heard = torch.stack((self.from_left(u), from_right.flip(3)))  # (2, B, 4h, H, W)
        told = self.told(y)
        if told is not None:
            heard = heard + told[..., None, None]
        lines = skew(heard.permute(0, 3, 4, 1, 2))  # (2, diagonals, H, B, 4h)
        states = recur(lines, self.state_to_state, self.taps, inside(*u.shape[2:]))
        left, right = unskew(states)  # (H, W, B, h)
        both = left + F.pad(right.flip(1)[:-1], (0, 0, 0, 0, 0, 0, 1, 0))
        return u + self.up(both.permute(2, 3, 0, 1))

    def at_pixel(self, canvas: Tensor, y: Tensor | None) -> LayerAtPixel:
        return _AtPixel(self, canvas, y)


class _AtPixel:
    """The LSTM from the left takes a step with every pixel. The one from the right goes through a whole row when the
    next one begins: nothing hears of its states before."""

    def __init__(self, layer: _Layer, canvas: Tensor, y: Tensor | None) -> None:
        self.canvas = canvas
        self.from_left, self.from_right = AtPixel(layer.from_left), AtPixel(layer.from_right)
        self.image, self.up = AtPixel(layer.image), AtPixel(layer.up)
        self.left_bias, self.right_bias = (
            layer.bias(layer.from_left, 0, y),
            layer.bias(layer.from_right, 1, y) + layer.image.bias,
        )
        # what a state does with the one above it, and with the one beside it: (lstms, h, 4h)
        self.above, self.beside = layer.state_to_state.chunk(2, 1)
        size, n, width = layer.up.weight.shape[1], len(canvas), canvas.shape[2] - MARGIN
        zeros = canvas.new_zeros
        self.inputs, self.right = zeros(n, width, 2 * size), zeros(n, width, size)
        self.left, self.cells = zeros(n, 1 + width, size), zeros(n, 1 + width, size)  # the first is outside the image
        self.heard = self.left

    def start_row(self, row: int) -> None:
        if row:
            self._go_from_right(row - 1)
        self.heard = self.left[:, 1:] @ self.above[0] + self.left_bias  # (n, W, 4h)

    def _go_from_right(self, row: int) -> None:
        """Through a complete row, from the right to the left."""
        pixels = self.canvas[:, MARGIN + row, MARGIN:]
        own = self.inputs @ self.from_right.matrix + pixels @ self.image.matrix + self.right_bias
        heard = self.right @ self.above[1] + own  # (n, W, 4h)
        state = cell = self.right.new_zeros(len(heard), self.right.shape[2])
        for column in reversed(range(heard.shape[1])):
            state, cell = lstm_cell(torch.addmm(heard[:, column], state, self.beside[1]), cell)
            self.right[:, column] = state

    def look(self, column: int, u: Tensor) -> Tensor:
        self.inputs[:, column] = u
        heard = torch.addmm(self.from_left(u, self.heard[:, column]), self.left[:, column], self.beside[0])
        state, self.cells[:, column + 1] = lstm_cell(heard, self.cells[:, column])
        self.left[:, column + 1] = state
        return self.up(state + self.right[:, column], u + self.up.bias)


class DiagonalBiLstm(PixelRnn):
    """Diagonal BiLSTM (van den Oord, Kalchbrenner & Kavukcuoglu, 2016, "Pixel recurrent neural networks", section 3.2).

    Every pixel hears of the whole image so far, through states that come to it along both diagonals, in as many steps
    as the image has diagonals: height + width - 1.
    """

    layer = _Layer
    title = "A Diagonal BiLSTM"


FAMILY = Family(
    key="diagonal-bilstm",
    title="PixelRNN: Diagonal BiLSTM",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="Recurrent nets that go along both diagonals of the image, so that every pixel hears of all before it "
    "already in the first layer; the likelihood is exact.",
    look_for="Slow steps that teach much each. With one layer it knows the whole image so far, for which a "
    "convolutional net needs many.",
    model=DiagonalBiLstm,
    settings=DiagonalBiLstmSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
