"""A convolutional LSTM over the rows, or the diagonals, of an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def lstm_cell(before: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 4h) pre-activations of o, f, i and g, and the cells (..., h) so far -> hidden state and cells (..., h).

    c ← σ(f) ⊙ c + σ(i) ⊙ tanh(g) and h = σ(o) ⊙ tanh(c) (van den Oord et al., 2016, equation 3).
    """
    size = cell.shape[-1]
    output, forget, enter = before[..., : 3 * size].sigmoid().chunk(3, -1)
    cell = forget * cell + enter * before[..., 3 * size :].tanh()
    return output * cell.tanh(), cell


def recur(inputs: Tensor, weight: Tensor, taps: tuple[int, ...]) -> Tensor:
    """The hidden states of LSTMs that go through a map line by line, all places of a line at once.

    Pre-activations of line t at place p are inputs[:, t, :, p] + Σ_k h[t - 1, p + taps[k]] W_k, with 0 for what is
    outside. `inputs` (G, T, B, P, 4h) for G independent LSTMs, T lines of P places; `weight` (G, taps · h, 4h); the
    result is (G, T, B, P, h). The taps follow each other without a gap, and 0 is one of them.
    """
    return _Recurrence.apply(inputs.contiguous(), weight, taps)


class _Recurrence(torch.autograd.Function):
    """Written out in both directions: the gradient of the weights is one product over all lines at the end, and no
    graph is recorded line by line, which costs more than the arithmetic where maps are small."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, taps: tuple[int, ...]) -> Tensor:
        groups, lines, batch, places, four = inputs.shape
        size = four // 4
        gates = torch.empty_like(inputs)
        cells = inputs.new_empty(groups, lines, batch, places, size)
        hidden = torch.empty_like(cells)
        for t in range(lines):
            gate, cell = gates[:, t], cells[:, t]
            before = inputs[:, t]
            if t:
                near = states_near(hidden[:, t - 1], taps).flatten(1, 2)
                before = torch.baddbmm(before.flatten(1, 2), near, weight).reshape(before.shape)
            torch.sigmoid(before[..., : 3 * size], out=gate[..., : 3 * size])
            torch.tanh(before[..., 3 * size :], out=gate[..., 3 * size :])
            output, forget, enter, content = gate.chunk(4, -1)
            torch.mul(enter, content, out=cell)
            if t:
                cell.addcmul_(forget, cells[:, t - 1])
            torch.mul(output, cell.tanh(), out=hidden[:, t])
        ctx.save_for_backward(gates, cells, hidden, weight)
        ctx.taps = taps
        return hidden

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        gates, cells, hidden, weight = ctx.saved_tensors
        taps: tuple[int, ...] = ctx.taps
        size = cells.shape[-1]
        turned = weight.transpose(1, 2)
        grads = torch.empty_like(gates)  # of the pre-activations
        from_next = torch.zeros_like(cells[:, 0])  # to the hidden state, by way of the next line
        to_cell = torch.zeros_like(from_next)
        for t in reversed(range(cells.shape[1])):
            output, forget, enter, content = gates[:, t].chunk(4, -1)
            to_output, to_forget, to_enter, to_content = grads[:, t].chunk(4, -1)
            to_hidden, shown = grad[:, t] + from_next, cells[:, t].tanh()
            torch.mul(to_hidden, shown, out=to_output)
            to_cell = to_cell + torch.ops.aten.tanh_backward(to_hidden * output, shown)
            if t:
                torch.mul(to_cell, cells[:, t - 1], out=to_forget)
            else:
                to_forget.zero_()
            torch.mul(to_cell, content, out=to_enter)
            torch.mul(to_cell, enter, out=to_content)
            opened = gates[:, t, ..., : 3 * size]
            grads[:, t, ..., : 3 * size].mul_(opened - opened.square())
            to_content.mul_(1 - content.square())
            to_cell = to_cell * forget
            if t:
                near = torch.bmm(grads[:, t].flatten(1, 2), turned).unflatten(1, cells.shape[2:4])
                from_next = _fold(near, taps)
        grad_weight = torch.zeros_like(weight)
        if cells.shape[1] > 1:
            near = states_near(hidden[:, :-1].flatten(1, 2), taps).flatten(1, 2)
            grad_weight = torch.bmm(near.transpose(1, 2), grads[:, 1:].flatten(1, 3))
        return grads, grad_weight, None


def states_near(hidden: Tensor, taps: tuple[int, ...]) -> Tensor:
    """(G, B, P, h) -> (G, B, P, taps · h): at every place, the states at the places that the taps say, seen from it."""
    places = hidden.shape[2]
    around = F.pad(hidden, (0, 0, -taps[0], taps[-1]))
    return torch.cat([around[:, :, k : k + places] for k in range(len(taps))], -1)


def _fold(near: Tensor, taps: tuple[int, ...]) -> Tensor:
    """The transpose of `states_near`."""
    places = near.shape[2]
    total = near.new_zeros(*near.shape[:2], places + len(taps) - 1, near.shape[3] // len(taps))
    for k, part in enumerate(near.chunk(len(taps), -1)):
        total[:, :, k : k + places] += part
    return total[:, :, -taps[0] : places - taps[0]]
