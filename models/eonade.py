"""Orderless neural autoregressive density estimator."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.autoregressive import BitsInOrders, Turns, in_turn, logits_in_turn
from models.capabilities import Completion
from models.distributions import bernoulli_log_prob
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require, require_at_most

LARGEST = 16_384  # coordinates


class EoNadeSettings(Settings):
    hidden: int = setting(
        500,
        title="Hidden units",
        help="Width of each hidden layer.",
        reference="Uria, Murray & Larochelle (2014), H",
        ge=1,
        le=8192,
    )
    layers: int = setting(
        1,
        title="Hidden layers",
        help="One layer grows by a term for each coordinate, so that log p(x) costs O(DH) in each order; further ones "
        "are computed anew for each coordinate, O(DH²).",
        ge=1,
        le=4,
    )
    orders: int = setting(
        4,
        title="Orders",
        help="How many fixed orders p(x) is the mean over: the first row by row, the others random. Learning does not "
        "depend on it; log p(x) takes as many passes.",
        reference="Uria, Murray & Larochelle (2014), EoNADE-K",
        ge=1,
        le=256,
    )


class OrderlessNade(BitsInOrders):
    """p_o(x) = Π_d p(x_{o_d} | x_{o_<d}) over bits for every order o, with one network (Uria, Murray & Larochelle,
    2014).

    The network sees the known coordinates, x ⊙ m, and which they are, m: h = relu(c + W (x ⊙ m) + U m), then further
    layers, then a logit for every coordinate. It learns from random beginnings of random orders: with d coordinates
    known,

        D / (D - d) Σ_{i unknown} log p(x_i | known),    d uniform in 0 … D-1,

    has the mean over all orders of log p_o(x) as its mean. Orders need not agree with each other, so that K of them are
    a mixture, p(x) = (1 / K) Σ_k p_{o_k}(x), of whole examples (EoNADE-K). x: (B, *event).
    """

    orders: Tensor

    def __init__(self, settings: EoNadeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec)
        width = settings.hidden
        self.weight_in = nn.Parameter(torch.randn(spec.dimensions, width) * spec.dimensions**-0.5)  # Wᵀ
        self.mask_in = nn.Parameter(torch.randn(spec.dimensions, width) * spec.dimensions**-0.5)  # Uᵀ
        self.bias_in = nn.Parameter(torch.zeros(width))
        further = [(nn.Linear(width, width), nn.ReLU()) for _ in range(settings.layers - 1)]
        self.between = nn.Sequential(*(module for pair in further for module in pair))
        self.output = nn.Linear(width, spec.dimensions)
        first = torch.arange(spec.dimensions)[None]
        others = torch.rand(settings.orders - 1, spec.dimensions).argsort(-1)
        self.register_buffer("orders", torch.cat([first, others]))  # (K, D), indices of coordinates

    @staticmethod
    def check(settings: EoNadeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of too many."""
        require(spec, Support.BITS, model="An orderless NADE")
        require_at_most(spec, LARGEST, model="An orderless NADE")

    def logits(self, x: Tensor, known: Tensor) -> Tensor:
        """The logit of p(x_i = 1 | the known) for every coordinate, of use where `known` is 0: (B, D), twice -> (B, D).

        Coordinates of x that are not known are not seen."""
        return self.output(self.between(((x * known) @ self.weight_in + known @ self.mask_in + self.bias_in).relu()))

    def learns_from_estimate(self) -> bool:
        return True

    def log_prob_estimate(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """The estimate above, of one random order and beginning for each example. Its mean is the mean of log p_o(x)
        over all D! orders, a lower bound on the log of their mean probability."""
        x = flat(x)
        n, dimensions = x.shape
        rank = torch.rand(x.shape, generator=generator, device=x.device).argsort(1)
        count = torch.randint(dimensions, (n, 1), generator=generator, device=x.device)
        return self.estimate_of(x, (rank < count).to(x.dtype))

    def estimate_of(self, x: Tensor, known: Tensor) -> Tensor:
        """The estimate where the first coordinates of the order are the `known` ones: (B, D), (B, D) 0 or 1 -> (B,)."""
        unknown = 1 - known
        scale = x.shape[1] / unknown.sum(1)
        return scale * (unknown * bernoulli_log_prob(x, self.logits(x, known))).sum(1)

    def members(self) -> int:
        return len(self.orders)

    def member_log_prob(self, x: Tensor, member: int) -> Tensor:
        return self.log_prob_in_order(x, self.orders[member])

    def log_prob_in_order(self, x: Tensor, order: Tensor) -> Tensor:
        """log p_o(x) in nats: (B, *event), (D,) int64 -> (B,)."""
        logits = logits_in_turn(self._turns(len(x), order), x, order.tolist())
        return flat(bernoulli_log_prob(x, logits)).sum(-1)

    def member_complete(self, x: Tensor, known: Tensor, member: int, generator: Generator | None = None) -> Completion:
        return self.complete_in_order(x, known, self.orders[member], generator)

    def order(self) -> Tensor:
        """The first of the K orders: row by row."""
        return self.orders[0]

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """In the first order, row by row: known coordinates do not speak to those before them."""
        return self.complete_in_order(x, known, self.order(), generator)

    def complete_in_order(
        self, x: Tensor, known: Tensor, order: Tensor, generator: Generator | None = None
    ) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it in `order`.

        An exact draw from p_o(unknown | known) where `order` has the known coordinates first, whichever they are."""
        return in_turn(self._turns(len(x), order), x, known, generator, order.tolist())

    def _turns(self, n: int, order: Tensor) -> Turns:
        """The first layer grows by one term for each coordinate, as NADE's does."""
        sums = self.bias_in.repeat(n, 1)
        for d in order.tolist():
            h = self.between(sums.relu())
            bit = yield h @ self.output.weight[d] + self.output.bias[d]
            sums = torch.addcmul(sums + self.mask_in[d], bit.unsqueeze(-1), self.weight_in[d])


FAMILY = Family(
    key="eonade",
    title="Orderless NADE",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="One network for every order of the pixels, trained on random beginnings of random orders; the mean "
    "over several orders is a better model than each (EoNADE).",
    look_for="The estimate of the bound is noisy, because every example shows another beginning. What is known of "
    "a digit can come first, wherever it lies, and the completion then takes all of it into account.",
    model=OrderlessNade,
    settings=EoNadeSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
