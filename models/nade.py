"""Neural autoregressive distribution estimator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Completion
from models.distributions import bernoulli, bernoulli_log_prob
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require


class NadeSettings(Settings):
    hidden: int = setting(
        128,
        title="Hidden units",
        help="Width of the hidden layer that all conditionals share.",
        reference="Larochelle & Murray (2011), H",
        ge=1,
        le=8192,
    )


class Nade(nn.Module):
    """p(x) = Π_d p(x_d | x_<d) over bits, in raster order (Larochelle & Murray, 2011).

    h_d = σ(c + Σ_{i<d} x_i W_i) and p(x_d = 1 | x_<d) = σ(b_d + V_d·h_d): one hidden layer per coordinate, all with
    the same weights. Since c + Σ_{i<d} x_i W_i grows by one term per coordinate, all conditionals of an example cost
    O(DH), as much as one conditional would alone (their section 3).

    x: (B, *event). Takes bits only: the probability of a grey value is not defined here.
    """

    def __init__(self, settings: NadeSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions
        width = settings.hidden
        # pre-activations are sums of up to D terms, logits of H terms: both start with about unit variance or less
        self.weight_in = nn.Parameter(torch.randn(spec.dimensions, width) * spec.dimensions**-0.5)
        self.weight_out = nn.Parameter(torch.randn(spec.dimensions, width) * width**-0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(width))
        self.visible_bias = nn.Parameter(torch.zeros(spec.dimensions))

    @staticmethod
    def check(settings: NadeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits."""
        require(spec, Support.BITS, model="NADE")

    def conditionals(self, x: Tensor) -> Tensor:
        """The logit of p(x_d = 1 | x_<d) for every coordinate: (B, *event) -> (B, *event)."""
        logits = _Recursion.apply(flat(x), self.weight_in, self.hidden_bias, self.weight_out)
        return (logits + self.visible_bias).reshape(x.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        return flat(self.log_conditionals(x)).sum(-1)

    def log_conditionals(self, x: Tensor) -> Tensor:
        return bernoulli_log_prob(x, self.conditionals(x))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws, in D steps."""
        return self._generate(*self._nothing_known(n), generator).x

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """The probabilities with which the bits of n exact draws were drawn."""
        return self._generate(*self._nothing_known(n), generator).mean

    def order(self) -> Tensor:
        """Row by row, from the first coordinate to the last."""
        return torch.arange(self.dimensions, device=self.weight_in.device)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it, kept or drawn.

        A known coordinate speaks only to those after it: what comes before it is drawn without looking ahead. So this
        is a draw from p(unknown | known) when the known coordinates come first in the order, and otherwise not: the
        part of a picture above the known part ignores it.
        """
        return self._generate(x, known, generator)

    def _nothing_known(self, n: int) -> tuple[Tensor, Tensor]:
        x = torch.zeros(n, *self.event_shape, device=self.weight_in.device, dtype=self.weight_in.dtype)
        return x, x.bool()

    def _generate(self, x: Tensor, known: Tensor, generator: Generator | None) -> Completion:
        given = flat(x).t()
        keep = flat(known.expand_as(x)).t()
        bits, logits = torch.empty_like(given), torch.empty_like(given)
        sums = self.hidden_bias.repeat(len(x), 1)
        for d in range(self.dimensions):
            logits[d] = sums.sigmoid() @ self.weight_out[d] + self.visible_bias[d]
            bits[d] = torch.where(keep[d], given[d], bernoulli(logits[d].sigmoid(), generator))
            sums = torch.addcmul(sums, bits[d].unsqueeze(-1), self.weight_in[d])
        found = (bits, logits.sigmoid(), bernoulli_log_prob(bits, logits))
        return Completion(*(tensor.t().reshape(x.shape) for tensor in found))


class _Recursion(torch.autograd.Function):
    """x (B, D), W (D, H), c (H), V (D, H) -> V_d·σ(c + Σ_{i<d} x_i W_i): (B, D).

    Forward and backward hold one (B, H) layer, never the (B, D, H) of all: the way back takes the sums apart again,
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
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        columns, w, v, sums = ctx.saved_tensors
        sums = sums.clone()
        grads = grad.t().contiguous()  # (D, B)
        h, back = torch.empty_like(sums), torch.empty_like(sums)
        grad_sums = torch.zeros_like(sums)  # of all coordinates after the current one
        grad_w, grad_v = torch.empty_like(w), torch.empty_like(v)
        rows = _rows(columns, columns.squeeze(-1), w, v, grads, grads.unsqueeze(-1), grad_w, grad_v)
        for x_d, x_row, w_d, v_d, g_row, g_d, grad_w_d, grad_v_d in reversed(list(zip(*rows, strict=True))):
            torch.mv(grad_sums.t(), x_row, out=grad_w_d)
            sums.addcmul_(x_d, w_d, value=-1)
            torch.sigmoid(sums, out=h)
            torch.mv(h.t(), g_row, out=grad_v_d)
            torch.mul(g_d, v_d, out=back)
            grad_sums += torch.ops.aten.sigmoid_backward.grad_input(back, h, grad_input=back)
        return None, grad_w, grad_sums.sum(0), grad_v


def _rows(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The rows of each, as views."""
    return [tensor.unbind() for tensor in tensors]
