"""Fully visible Bayes net."""

from __future__ import annotations

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


class Fvbn(OrderedBits):
    """p(x) = Π_d p(x_d | x_<d) over bits, each conditional a logistic regression on all coordinates before it.

    p(x_d = 1 | x_<d) = σ(b_d + Σ_{i<d} W_di x_i): a belief net without hidden units, in which every coordinate has all
    earlier ones as parents (Neal, 1992; Frey, 1998). One product with the strictly lower triangle of W
    gives all conditionals. D (D - 1) / 2 weights and D biases; log p(x) is concave in them.
    """

    def __init__(self, settings: FvbnSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec)
        self.weight = nn.Parameter((torch.randn(spec.dimensions, spec.dimensions) * settings.start).tril(-1))
        self.bias = nn.Parameter(torch.zeros(spec.dimensions))

    @staticmethod
    def check(settings: FvbnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of so many that D² weights do not fit."""
        require(spec, Support.BITS, model="A fully visible Bayes net")
        require_at_most(spec, LARGEST, model="A fully visible Bayes net")

    def conditionals(self, x: Tensor) -> Tensor:
        return F.linear(flat(x), self.weight.tril(-1), self.bias).reshape(x.shape)

    def turns(self, n: int) -> Turns:
        before = self.weight.new_zeros(n, self.dimensions)
        for d in range(self.dimensions):
            before[:, d] = yield before[:, :d] @ self.weight[d, :d] + self.bias[d]


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
