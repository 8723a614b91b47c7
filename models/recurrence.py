"""A convolutional LSTM over the rows, or the diagonals, of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Bands = Sequence[tuple[int, int]]  # for each line, the places (from, until) that are inside the image


def lstm_cell(before: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 4h) pre-activations of o, f, i and g, and the cells (..., h) so far -> hidden state and cells (..., h).

    c ← σ(f) ⊙ c + σ(i) ⊙ tanh(g) and h = σ(o) ⊙ tanh(c) (van den Oord et al., 2016, equation 3).
    """
    size = cell.shape[-1]
    gates, content = before.split((3 * size, size), -1)  # whose gradient is one tensor, other than that of slices
    output, forget, enter = gates.sigmoid().chunk(3, -1)
    cell = forget * cell + enter * content.tanh()
    return output * cell.tanh(), cell


def recur(inputs: Tensor, weight: Tensor, taps: tuple[int, ...], bands: Bands | None = None) -> Tensor:
    """The hidden states of LSTMs that go through a map line by line, all places of a line at once.

    Pre-activations of line t at place p are inputs[:, t, p] + Σ_k h[t - 1, p + taps[k]] W_k. States outside the map,
    and outside the `bands` of their lines, are 0. `inputs` (G, T, P, B, 4h) for G independent LSTMs and T lines of P
    places; `weight` (G, taps · h, 4h); the result is (G, T, P, B, h). The taps follow each other without a gap, and 0
    is one of them. Each place is in the bands of consecutive lines,
    and only there are inputs read.
    """
    return _Recurrence.apply(inputs.contiguous(), weight, taps, bands or [(0, inputs.shape[2])] * inputs.shape[1])


class _Recurrence(torch.autograd.Function):
    """Written out in both directions, since a graph recorded line by line costs more than the arithmetic where maps are
    small. Places lie outside examples in memory, so that the states that a tap reaches are a slice and need no copy.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, taps: tuple[int, ...], bands: Bands) -> Tensor:
        groups, lines, places, batch, four = inputs.shape
        size, left = four // 4, -taps[0]
        gates = torch.empty_like(inputs)
        cells = inputs.new_zeros(groups, lines, places, batch, size)
        padded = inputs.new_zeros(groups, lines, places + len(taps) - 1, batch, size)
        weights = weight.chunk(len(taps), 1)
        for t, (a, b) in enumerate(bands):
            before = inputs[:, t, a:b].flatten(1, 2)
            if t:
                for k, matrix in enumerate(weights):
                    before = torch.baddbmm(before, padded[:, t - 1, a + k : b + k].flatten(1, 2), matrix)
            before = before.unflatten(1, (b - a, batch))
            gate, cell = gates[:, t, a:b], cells[:, t, a:b]
            torch.sigmoid(before[..., : 3 * size], out=gate[..., : 3 * size])
            torch.tanh(before[..., 3 * size :], out=gate[..., 3 * size :])
            output, forget, enter, content = gate.chunk(4, -1)
            torch.mul(enter, content, out=cell)
            if t:
                cell.addcmul_(forget, cells[:, t - 1, a:b])
            torch.mul(output, cell.tanh(), out=padded[:, t, left + a : left + b])
        ctx.save_for_backward(gates, cells, padded, weight)
        ctx.taps, ctx.bands = taps, bands
        return padded[:, :, left : left + places].contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        gates, cells, padded, weight = ctx.saved_tensors
        taps: tuple[int, ...] = ctx.taps
        size, left = cells.shape[-1], -taps[0]
        turned = weight.transpose(1, 2).chunk(len(taps), 2)
        grads = torch.empty_like(gates)  # of the pre-activations
        of_taps = [torch.zeros_like(matrix) for matrix in weight.chunk(len(taps), 1)]
        from_next = torch.zeros_like(padded[:, 0])  # to the hidden states, by way of the next line
        to_cells = torch.zeros_like(cells[:, 0])
        for t, (a, b) in reversed(list(enumerate(ctx.bands))):
            gate, line = gates[:, t, a:b], grads[:, t, a:b]
            grads[:, t, :a].zero_()
            grads[:, t, b:].zero_()
            output, forget, enter, content = gate.chunk(4, -1)
            to_output, to_forget, to_enter, to_content = line.chunk(4, -1)
            to_hidden, shown = grad[:, t, a:b] + from_next[:, left + a : left + b], cells[:, t, a:b].tanh()
            to_cell = to_cells[:, a:b]
            to_cell += torch.ops.aten.tanh_backward(to_hidden * output, shown)
            torch.mul(to_hidden, shown, out=to_output)
            if t:
                torch.mul(to_cell, cells[:, t - 1, a:b], out=to_forget)
            else:
                to_forget.zero_()
            torch.mul(to_cell, content, out=to_enter)
            torch.mul(to_cell, enter, out=to_content)
            opened = gate[..., : 3 * size]
            line[..., : 3 * size] *= torch.addcmul(opened, opened, opened, value=-1)
            to_content.addcmul_(to_content, content.square(), value=-1)
            to_cell *= forget
            if t:
                from_next.zero_()
                heard = line.flatten(1, 2)
                for k, (matrix, of_tap) in enumerate(zip(turned, of_taps, strict=True)):
                    from_next[:, a + k : b + k] += torch.bmm(heard, matrix).unflatten(1, (b - a, -1))
                    of_tap.baddbmm_(padded[:, t - 1, a + k : b + k].flatten(1, 2).transpose(1, 2), heard)
        return grads, torch.cat(of_taps, 1), None, None
