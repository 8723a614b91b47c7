"""Neural autoregressive distribution estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.autoregressive import OrderedBits, Turns
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require, require_at_most

LARGEST = 65_536  # coordinates: some seconds for each pass
TOGETHER = 48  # coordinates in a chunk, at most: its products cost as many operations for each hidden value
HELD = 1 << 23  # hidden values in a chunk, at most


class NadeSettings(Settings):
    hidden: int = setting(
        128,
        title="Hidden units",
        help="Width of the hidden layer that all conditionals share.",
        reference="Larochelle & Murray (2011), H",
        ge=1,
        le=8192,
    )


class Nade(OrderedBits):
    """p(x) = Π_d p(x_d | x_<d) over bits, in raster order (Larochelle & Murray, 2011).

    h_d = σ(c + Σ_{i<d} x_i W_i) and p(x_d = 1 | x_<d) = σ(b_d + V_d·h_d): one hidden layer per coordinate, all with
    the same weights. Since c + Σ_{i<d} x_i W_i grows by one term per coordinate, all conditionals of an example cost
    O(DH), as much as one conditional would alone (their section 3).

    x: (B, *event). Takes bits only: the probability of a grey value is not defined here.
    """

    def __init__(self, settings: NadeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec)
        width = settings.hidden
        # pre-activations are sums of up to D terms, logits of H terms: both start with about unit variance or less
        self.weight_in = nn.Parameter(torch.randn(spec.dimensions, width) * spec.dimensions**-0.5)
        self.weight_out = nn.Parameter(torch.randn(spec.dimensions, width) * width**-0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(width))
        self.visible_bias = nn.Parameter(torch.zeros(spec.dimensions))

    @staticmethod
    def check(settings: NadeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of more than can be gone through in turn."""
        require(spec, Support.BITS, model="NADE")
        require_at_most(spec, LARGEST, model="NADE")

    def conditionals(self, x: Tensor) -> Tensor:
        # a GPU would wait for its launches most of the time, and a graph has each step of a loop in it
        recursion = in_chunks if x.is_cuda or torch.compiler.is_exporting() else one_by_one
        logits = recursion(flat(x), self.weight_in, self.hidden_bias, self.weight_out)
        return (logits + self.visible_bias).reshape(x.shape)

    def turns(self, n: int) -> Turns:
        sums = self.hidden_bias.repeat(n, 1)
        for d in range(self.dimensions):
            bit = yield sums.sigmoid() @ self.weight_out[d] + self.visible_bias[d]
            sums = torch.addcmul(sums, bit.unsqueeze(-1), self.weight_in[d])


def one_by_one(x: Tensor, w: Tensor, c: Tensor, v: Tensor) -> Tensor:
    """x (B, D), W (D, H), c (H), V (D, H) -> V_d·σ(c + Σ_{i<d} x_i W_i): (B, D), coordinate after coordinate."""
    logits: Tensor = _Recursion.apply(x, w, c, v)
    return logits


def in_chunks(x: Tensor, w: Tensor, c: Tensor, v: Tensor, together: int = TOGETHER) -> Tensor:
    """The same, `together` coordinates at a time: a few large products for each chunk instead of a few small ones for
    each coordinate. Holds one (together, B, H) layer, or a smaller one where batches are large, never that of all
    coordinates."""
    if not torch.compiler.is_exporting():  # a graph is for any number of examples
        together = max(1, min(together, HELD // max(1, len(x) * len(c))))
    sums = c.expand(x.shape[0], -1)
    logits = []
    for x_k, w_k, v_k in zip(x.split(together, 1), w.split(together), v.split(together), strict=True):
        logits.append(_Chunk.apply(x_k, sums, w_k, v_k))
        sums = torch.addmm(sums, x_k, w_k)
    return torch.cat(logits, 1)


class _Chunk(torch.autograd.Function):
    """x (B, K), sums before them (B, H), W (K, H), V (K, H) -> V_k·σ(sums + Σ_{i<k} x_i W_i): (B, K).

    The hidden layers (K, B, H) are computed again on the way back instead of being remembered.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, sums: Tensor, w: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(x, sums, w, v)
        h = _hidden(_before(x), sums, w)
        return torch.bmm(h, v.unsqueeze(-1)).squeeze(-1).t()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        x, sums, w, v = ctx.saved_tensors
        before, grads = _before(x), grad.t().contiguous()  # (K, B)
        h = _hidden(before, sums, w)
        grad_v = torch.bmm(grads.unsqueeze(1), h).squeeze(1)
        back = torch.ops.aten.sigmoid_backward(grads.unsqueeze(-1) * v.unsqueeze(1), h)  # to each layer's own sums
        grad_w = before.flatten(0, 1).t() @ back.flatten(0, 1)
        # x_i is heard by the layers after it: Σ_{k>i} back_k·W_i
        grad_x = (back @ w.t()).mul_(_earlier(x).unsqueeze(1)).sum(0) if ctx.needs_input_grad[0] else None
        return grad_x, back.sum(0), grad_w, grad_v


def _earlier(x: Tensor) -> Tensor:
    """1 where the column's coordinate comes before the row's: (K, K) for x (B, K)."""
    return torch.ones(x.shape[1], x.shape[1], dtype=x.dtype, device=x.device).tril(-1)


def _before(x: Tensor) -> Tensor:
    """x (B, K) as each of its coordinates hears it, with 0 from itself on: (K, B, K)."""
    return x * _earlier(x).unsqueeze(1)


def _hidden(before: Tensor, sums: Tensor, w: Tensor) -> Tensor:
    """(K, B, K), (B, H), (K, H) -> (K, B, H)."""
    return torch.baddbmm(sums, before, w.expand(len(before), -1, -1)).sigmoid_()


class _Recursion(torch.autograd.Function):
    """Forward and backward hold one (B, H) layer, never the (B, D, H) of all: the way back takes the sums apart again,
    coordinate by coordinate, instead of remembering them. One coordinate's layer fits the processor's cache, which
    makes this loop over coordinates faster on the CPU than cumulative sums over chunks of them, and three times as
    fast as the same loop recorded by autograd (tests/benchmarks/nade.py).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, c: Tensor, v: Tensor) -> Tensor:
        columns = x.t().contiguous().unsqueeze(-1)  # (D, B, 1)
        sums = c.repeat(len(x), 1)
        h = torch.empty_like(sums)
        logits = x.new_empty(x.shape[1], x.shape[0])
        for x_d, w_d, v_d, out in zip(*_rows(columns, w, v, logits), strict=True):
            torch.sigmoid(sums, out=h)
            torch.mv(h, v_d, out=out)
            sums.addcmul_(x_d, w_d)
        ctx.save_for_backward(columns, w, v, sums)
        return logits.t()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        columns, w, v, sums = ctx.saved_tensors
        sums = sums.clone()
        grads = grad.t().contiguous()  # (D, B)
        h, back = torch.empty_like(sums), torch.empty_like(sums)
        grad_sums = torch.zeros_like(sums)  # of all coordinates after the current one
        grad_w, grad_v = torch.empty_like(w), torch.empty_like(v)
        grad_x = torch.empty_like(grads) if ctx.needs_input_grad[0] else None
        grad_x_rows = (None,) * len(grads) if grad_x is None else grad_x.unbind()
        rows = _rows(columns, columns.squeeze(-1), w, v, grads, grads.unsqueeze(-1), grad_w, grad_v)
        steps = reversed(list(zip(*rows, grad_x_rows, strict=True)))
        for x_d, x_row, w_d, v_d, g_row, g_d, grad_w_d, grad_v_d, grad_x_d in steps:
            torch.mv(grad_sums.t(), x_row, out=grad_w_d)
            if grad_x_d is not None:
                torch.mv(grad_sums, w_d, out=grad_x_d)
            sums.addcmul_(x_d, w_d, value=-1)
            torch.sigmoid(sums, out=h)
            torch.mv(h.t(), g_row, out=grad_v_d)
            torch.mul(g_d, v_d, out=back)
            grad_sums += torch.ops.aten.sigmoid_backward.grad_input(back, h, grad_input=back)
        return None if grad_x is None else grad_x.t(), grad_w, grad_sums.sum(0), grad_v


def _rows(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The rows of each, as views."""
    return [tensor.unbind() for tensor in tensors]


FAMILY = Family(
    key="nade",
    title="Neural auto-regressive density estimator",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="Pixel after pixel, each with a probability given all before it: the likelihood is exact, and so is "
    "every sample. All pixels share one set of weights (NADE).",
    look_for="log p(x) on training and held-out data rise together; where held-out data stay behind, it begins to "
    "learn by heart. Samples turn from noise into strokes, most certain towards their last rows.",
    model=Nade,
    settings=NadeSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
