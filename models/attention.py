"""Windows of attention on images: N×N Gaussian filters on a grid, read from and written through (Gregor et al., 2015).

Inside, images have their rows first: (B, height, channels, width). Both filters are then batched matrix products
without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PARAMETERS = 5  # numbers that place a window
LARGEST = 10.0  # log 1/σ, log δ̃ and log γ at most: filters of σ = 0.00005 pixels, from where squares would overflow


@dataclass(frozen=True)
class Window:
    """A grid of side × side Gaussian filters for each image. Lengths are in pixels, places from the middle of the upper
    left pixel, so that the middle of an image of width A is at (A - 1) / 2."""

    x: Tensor  # (B,)  the centre
    y: Tensor  # (B,)
    stride: Tensor  # (B,)  δ, from one filter to the next
    precision: Tensor  # (B,)  1/σ of each filter
    gain: Tensor  # (B,)  γ
    side: int  # N

    def places(self) -> Tensor:
        """Centre x, centre y, stride, σ: (B, 4)."""
        return torch.stack([self.x, self.y, self.stride, 1 / self.precision], -1)


def window(parameters: Tensor, side: int, height: int, width: int) -> Window:
    """The window that (g̃_X, g̃_Y, log 1/σ, log δ̃, log γ), (B, 5), stand for (equations 21 to 24).

    At 0 it is in the middle and spans the longer side of the image. The paper counts pixels from 1.
    """
    centre, shape = parameters.split((2, PARAMETERS - 2), -1)
    x, y = centre.unbind(-1)
    precision, stride, gain = shape.clamp(max=LARGEST).exp().unbind(-1)
    spread = (max(height, width) - 1) / max(side - 1, 1)
    return Window(
        (width + 1) / 2 * x + (width - 1) / 2,
        (height + 1) / 2 * y + (height - 1) / 2,
        spread * stride,
        precision,
        gain,
        side,
    )


def filters(centre: Tensor, window: Window, length: int) -> Tensor:
    """F_X or F_Y for windows centred at `centre` (B,) on an axis of `length` pixels: (B, side, length).

    F[i, a] = exp(-(a - μ_i)² / 2σ²) / Z with μ_i = centre + (i - N/2 - 1/2) δ, i = 1 … N (equations 19, 20, 25, 26).
    Rows sum to 1 exactly: a softmax needs no small number that keeps Z from 0. A filter outside the image therefore
    rests on the pixels at the border.
    """
    offsets = torch.arange(window.side, device=centre.device, dtype=centre.dtype) - (window.side - 1) / 2
    pixels = torch.arange(length, device=centre.device, dtype=centre.dtype)
    means = torch.addcmul(centre[:, None], window.stride[:, None], offsets)
    away = (pixels[:, None] - means[:, None, :]) * window.precision[:, None, None]
    return (-0.5 * away.square()).softmax(1).mT  # over the middle axis, which is faster than over the last


def read(images: Tensor, window: Window) -> Tensor:
    """γ F_Y x F_Xᵀ of each channel (equation 27): (B, height, channels, width) -> (B, side, channels, side)."""
    batch, height, channels, width = images.shape
    rows = filters(window.y, window, height) @ images.reshape(batch, height, channels * width)
    columns = rows.reshape(batch, -1, width) @ filters(window.x, window, width).mT
    return (window.gain[:, None, None] * columns).reshape(batch, window.side, channels, window.side)


def write(patch: Tensor, window: Window, height: int, width: int) -> Tensor:
    """(1/γ) F_Yᵀ w F_X of each channel (equation 29): (B, side, channels, side) -> (B, height, channels, width).

    But for the gain it is the transpose of reading: γ² ⟨write(w), x⟩ = ⟨w, read(x)⟩."""
    batch, side, channels, _ = patch.shape
    patch = patch.reshape(batch, side * channels, side) / window.gain[:, None, None]
    columns = patch @ filters(window.x, window, width)
    rows = filters(window.y, window, height).mT @ columns.reshape(batch, side, channels * width)
    return rows.reshape(batch, height, channels, width)
