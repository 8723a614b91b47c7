"""Windows of attention on images: N×N Gaussian filters on a grid, read from and written through (Gregor et al., 2015).

Inside, images have their rows first: (B, height, channels, width). Both filters are then batched matrix products
without a copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PARAMETERS = 5  # numbers that place a window
LARGEST = 10.0  # log 1/σ, log δ̃ and log γ at most: filters of σ = 0.00005 pixels, from where squares would overflow
OVERLAP = 3  # strides are so many σ in a window that tiles its image


@dataclass(frozen=True)
class Window:
    """A grid of side × side Gaussian filters for each image. Lengths are in pixels, places from the middle of the upper
    left pixel, so that the middle of an image of width A is at (A - 1) / 2."""

    centre: Tensor  # (B, 2)  x and y
    stride: Tensor  # (B,)  δ, from one filter to the next
    precision: Tensor  # (B,)  1/σ of each filter
    gain: Tensor  # (B,)  γ
    side: int  # N

    def places(self) -> Tensor:
        """Centre x, centre y, stride, σ: (B, 4)."""
        return torch.cat([self.centre, self.stride[:, None], 1 / self.precision[:, None]], -1)


def middle(height: int, width: int) -> Tensor:
    """x and y of the middle of an image: (2,)."""
    return torch.tensor([(width - 1) / 2, (height - 1) / 2])


def window(parameters: Tensor, side: int, middle: Tensor, longer: int) -> Window:
    """The window that (g̃_X, g̃_Y, log 1/σ, log δ̃, log γ), (B, 5), stand for, on images with this middle whose longer
    side has `longer` pixels (equations 21 to 24).

    At 0 it is in the middle and spans the longer side. The paper counts pixels from 1.
    """
    centre, shape = parameters.split((2, PARAMETERS - 2), -1)
    precision, stride, gain = shape.clamp(max=LARGEST).exp().unbind(-1)
    return Window(torch.addcmul(middle, middle + 1, centre), _spread(side, longer) * stride, precision, gain, side)


def tile(parameters: Tensor, side: int, longer: int, gain: float) -> None:
    """Sets the parameters (5,) of a window, in place, to one at rest whose filters tile the image: they overlap a
    little. Of images smaller than the paper's, σ = 1 would see, and write, nothing but blur."""
    with torch.no_grad():
        parameters.zero_()
        parameters[2] = math.log(OVERLAP / _spread(side, longer))
        parameters[4] = math.log(gain)


def area(side: int, longer: int) -> float:
    """Pixels that a filter of a tiling window has to itself."""
    return _spread(side, longer) ** 2


def _spread(side: int, longer: int) -> float:
    """From one filter to the next in a window that spans the longer side of an image."""
    return max(longer - 1, 1) / max(side - 1, 1)


def filters(window: Window, height: int, width: int) -> tuple[Tensor, Tensor]:
    """F_Y (B, side, height) and F_X (B, side, width).

    F[i, a] = exp(-(a - μ_i)² / 2σ²) / Z with μ_i = centre + (i - N/2 - 1/2) δ, i = 1 … N (equations 19, 20, 25, 26).
    Rows sum to 1 exactly: a softmax needs no small number that keeps Z from 0. A filter outside the image therefore
    rests on the pixels at the border.
    """
    like = window.centre
    offsets = torch.arange(window.side, device=like.device, dtype=like.dtype) - (window.side - 1) / 2
    pixels = torch.arange(max(height, width), device=like.device, dtype=like.dtype)
    means = torch.addcmul(like[:, :, None], window.stride[:, None, None], offsets)
    # both axes together, pixels before filters: a softmax over the last axis is the slower one
    away = (pixels[:, None] - means[:, :, None, :]) * window.precision[:, None, None, None]
    of_x, of_y = (-0.5 * away.square()).unbind(1)
    return of_y[:, :height].softmax(1).mT, of_x[:, :width].softmax(1).mT


def read(images: Tensor, window: Window) -> Tensor:
    """γ F_Y x F_Xᵀ of each channel (equation 27): (B, height, channels, width) -> (B, side, channels, side)."""
    batch, height, channels, width = images.shape
    of_y, of_x = filters(window, height, width)
    rows = of_y @ images.reshape(batch, height, channels * width)
    columns = rows.reshape(batch, window.side * channels, width) @ of_x.mT
    return (window.gain[:, None, None] * columns).reshape(batch, window.side, channels, window.side)


def write(patch: Tensor, window: Window, height: int, width: int) -> Tensor:
    """(1/γ) F_Yᵀ w F_X of each channel (equation 29): (B, side, channels, side) -> (B, height, channels, width).

    But for the gain it is the transpose of reading: γ² ⟨write(w), x⟩ = ⟨w, read(x)⟩."""
    batch, side, channels, _ = patch.shape
    patch = patch.reshape(batch, side * channels, side) / window.gain[:, None, None]
    of_y, of_x = filters(window, height, width)
    columns = patch @ of_x
    rows = of_y.mT @ columns.reshape(batch, side, channels * width)
    return rows.reshape(batch, height, channels, width)
