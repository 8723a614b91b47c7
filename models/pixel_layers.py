"""Convolutions that see only pixels that were generated before, for models of images pixel by pixel.

Pixels follow each other row by row, and within a pixel the colours in order: red, green given red, blue given both
(van den Oord, Kalchbrenner & Kavukcuoglu, 2016, section 3). For that, the features of every layer are divided among the
colours: those of a colour's group may know of the pixel they stand at only the colours before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def colour_mask(out_features: int, in_features: int, colours: int, strict: bool = False, parts: int = 1) -> Tensor:
    """Which input features an output feature may read at its own pixel: (out_features, in_features), 0 or 1.

    `strict` (mask A) is for the first layer, whose inputs are the colours themselves: a colour's group reads those
    before it. The others (mask B) also read their own group. Both divide features evenly, in order; the outputs are
    `parts` such divisions, one behind the other, as gates and what they let through are.
    """
    size = out_features // parts
    group_out = torch.tensor([f % size * colours // size for f in range(out_features)], device="cpu")
    group_in = torch.tensor([f * colours // in_features for f in range(in_features)], device="cpu")
    if strict:
        return (group_in < group_out[:, None]).float()
    return (group_in <= group_out[:, None]).float()


class RowSoFar(nn.Module):
    """A convolution along the row: `reach` pixels to the left, and the pixel itself as far as `mask` (out, in) allows.

    (B, in, H, W) -> (B, out, H, W). With reach 0 it is a masked 1 × 1 convolution.
    """

    mask: Tensor

    def __init__(self, in_features: int, out_features: int, reach: int, mask: Tensor) -> None:
        super().__init__()
        self.reach = reach
        bound = (in_features * (reach + 1)) ** -0.5  # as torch's convolutions begin
        self.weight = nn.Parameter(torch.empty(out_features, in_features, 1, reach + 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))
        whole = torch.ones(out_features, in_features, 1, reach + 1)
        whole[..., -1] = mask.unsqueeze(-1).to(whole.device)
        self.register_buffer("mask", whole)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (self.reach, 0)) if self.reach else x, self.weight * self.mask, self.bias)


class RowsAbove(nn.Module):
    """A convolution over `reach` rows above, `reach` pixels to both sides; with `own_row`, over its own row as well.

    (B, in, H, W) -> (B, out, H, W). A stack whose first layer has not its own row and whose other layers have it knows
    the rows above and nothing else, so it needs no mask: neither pixels nor colours of its row are in it.
    """

    def __init__(self, in_features: int, out_features: int, reach: int, own_row: bool) -> None:
        super().__init__()
        self.reach, self.own_row = reach, own_row
        self.rows = reach + own_row  # how many it reads
        self.convolution = nn.Conv2d(in_features, out_features, (self.rows, 2 * reach + 1))

    def forward(self, x: Tensor) -> Tensor:
        above = x if self.own_row else x[:, :, :-1]
        return self.of_rows(F.pad(above, (0, 0, self.reach, 0)))

    def of_rows(self, rows: Tensor) -> Tensor:
        """The same without rows that are missing above the first: (B, in, H + rows - 1, W) -> (B, out, H, W)."""
        return F.conv2d(rows, self.convolution.weight, self.convolution.bias, padding=(0, self.reach))


class Head(nn.Module):
    """From the features of a pixel to the outputs of its colours, by two masked 1 × 1 convolutions after a ReLU each.

    (B, features, H, W) -> (B, colours · outputs, H, W).
    """

    def __init__(self, features: int, hidden: int, colours: int, outputs: int) -> None:
        super().__init__()
        self.inner = RowSoFar(features, hidden, 0, colour_mask(hidden, features, colours))
        self.outer = RowSoFar(hidden, colours * outputs, 0, colour_mask(colours * outputs, hidden, colours))

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x.relu()).relu())


class AtPixel:
    """A RowSoFar with its weights laid out for one pixel after the other."""

    def __init__(self, layer: RowSoFar) -> None:
        self.reach, self.bias = layer.reach, layer.bias
        self.matrix = (layer.weight * layer.mask)[:, :, 0].permute(2, 1, 0).flatten(0, 1).contiguous()

    def __call__(self, window: Tensor, plus: Tensor | None = None) -> Tensor:
        """The window from left to right, (n, reach + 1, in) or flat -> (n, out), with `plus` (n, out) added if given;
        it then stands for the bias, too."""
        return torch.addmm(self.bias if plus is None else plus, window.flatten(1), self.matrix)


class HeadAtPixel:
    """A Head for one pixel after the other: (n, features) -> (n, colours · outputs)."""

    def __init__(self, head: Head) -> None:
        self.inner, self.outer = AtPixel(head.inner), AtPixel(head.outer)

    def __call__(self, h: Tensor) -> Tensor:
        return self.outer(self.inner(h.relu()).relu())
