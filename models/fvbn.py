"""Fully visible Bayes net."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.autoregressive import OrderedBits, Turns
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require, require_at_most

LARGEST = 4096  # coordinates: 16.8 million weights, of which half are used


class FvbnSettings(Settings):
    start: float = setting(
        0.01,
        title="Initial weights",
        help="Standard deviation of the weights before learning. log p(x) is concave in them, so that little depends "
        "on it.",
        ge=0,
        le=10,
    )
    hidden: int = setting(
        0,
        title="Hidden units of each net",
        help="0 makes every conditional a logistic regression. Otherwise each has a net of its own with so many hidden "
        "units, and shares nothing with the others: what NADE does away with.",
        reference="Bengio & Bengio (2000)",
        zero="none",
        ge=0,
        le=1024,
    )


class Fvbn(OrderedBits):
    """p(x) = Π_d p(x_d | x_<d) over bits, each conditional with weights of its own for all coordinates before it.

    p(x_d = 1 | x_<d) = σ(b_d + Σ_{i<d} W_di x_i): a belief net without hidden units, in which every coordinate has all
    earlier ones as parents (Neal, 1992; Frey, 1998). One product with the strictly lower triangle of W
    gives all conditionals. D (D - 1) / 2 weights and D biases; log p(x) is concave in them.

    With hidden units, h_d = σ(c_d + W_d x_<d) and p(x_d = 1 | x_<d) = σ(b_d + V_d·h_d), with W_d (hidden, d), c_d and
    V_d of every coordinate's own: about D² hidden / 2 weights, and nothing concave any more. NADE is the same with one
    W and one c for all.
    """

    def __init__(self, settings: FvbnSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec)
        d, m = spec.dimensions, settings.hidden
        self.hidden = m
        if m:
            # as NADE's: inputs are up to D, logits sums of H terms, and both start with unit variance or less
            self.weight_in = nn.Parameter(torch.randn(d, m, d) * d**-0.5)
            self.weight_out = nn.Parameter(torch.randn(d, m) * m**-0.5)
            self.hidden_bias = nn.Parameter(torch.zeros(d, m))
        else:
            self.weight = nn.Parameter((torch.randn(d, d) * settings.start).tril(-1))
        self.bias = nn.Parameter(torch.zeros(d))

    @staticmethod
    def check(settings: FvbnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of so many that D² weights do not fit, or D² for
        each hidden unit."""
        require(spec, Support.BITS, model="A fully visible Bayes net")
        limit = math.isqrt(LARGEST**2 // max(1, settings.hidden))
        nets = f" with nets of {settings.hidden} hidden units" if settings.hidden else ""
        require_at_most(spec, limit, model=f"A fully visible Bayes net{nets}")

    def conditionals(self, x: Tensor) -> Tensor:
        if not self.hidden:
            return F.linear(flat(x), self.weight.tril(-1), self.bias).reshape(x.shape)
        before = torch.ones_like(self.weight_in[:, 0]).tril(-1)[:, None]  # (D, 1, D): bit i speaks to nets d > i
        h = F.linear(flat(x), (self.weight_in * before).flatten(0, 1), self.hidden_bias.flatten()).sigmoid()
        return ((h.reshape(-1, *self.weight_out.shape) * self.weight_out).sum(-1) + self.bias).reshape(x.shape)

    def turns(self, n: int) -> Turns:
        before = self.bias.new_zeros(n, self.dimensions)
        for d in range(self.dimensions):
            if self.hidden:
                h = torch.addmm(self.hidden_bias[d], before[:, :d], self.weight_in[d, :, :d].t()).sigmoid()
                logit = h @ self.weight_out[d] + self.bias[d]
            else:
                logit = before[:, :d] @ self.weight[d, :d] + self.bias[d]
            before[:, d] = yield logit


FAMILY = Family(
    key="fvbn",
    title="Fully visible Bayes net",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="The plainest autoregressive model: each pixel is a logistic regression on all pixels before it, "
    "without a hidden unit.",
    look_for="Learning is a concave problem, so every start ends at the same value. Samples have the right strokes "
    "from pixel to pixel, but few are whole digits: what a hidden layer (NADE, MADE) adds.",
    model=Fvbn,
    settings=FvbnSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
