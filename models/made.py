"""Masked autoencoders for distribution estimation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.autoregressive import BitsInOrders, Turns, in_turn
from models.capabilities import Completion
from models.distributions import bernoulli_log_prob
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require, require_at_most

LARGEST, LARGEST_DIRECT = 16_384, 4096  # coordinates; direct connections are D² weights


class MadeSettings(Settings):
    hidden: int = setting(
        500,
        title="Hidden units",
        help="Width of each hidden layer.",
        reference="Germain et al. (2015), K",
        ge=1,
        le=8192,
    )
    layers: int = setting(
        1, title="Hidden layers", help="How many layers lie between the bits and their probabilities.", ge=1, le=8
    )
    masks: int = setting(
        1,
        title="Masks",
        help="How many sets of masks share the weights. Each step learns with one of them, drawn at random; p(x) is "
        "the mean over all.",
        reference="Germain et al. (2015), connectivity-agnostic training",
        ge=1,
        le=256,
    )
    direct: bool = setting(
        True,
        title="Direct connections",
        help="Also connect each bit to the probabilities of those after it, past the hidden layers.",
        reference="Germain et al. (2015), A",
    )


class OrderAgnosticMadeSettings(MadeSettings):
    masks: int = setting(
        8,
        title="Orders",
        help="How many orders, each with masks of its own, share the weights. Each step learns with one of them, drawn "
        "at random; p(x) is the mean over all.",
        reference="Germain et al. (2015), order-agnostic training",
        ge=1,
        le=256,
    )


class _Made(BitsInOrders):
    """Π_d p(x_d | those before d) over bits in one pass of a masked autoencoder (Germain et al., 2015).

    Every hidden unit k has a degree m(k) in 1 … D-1. It may see coordinates at places 1 … m(k) of the order and units
    of at most its degree; the probability of the coordinate at place t sees units of degree below t. So all D
    conditionals come out of one pass. Degrees are spread evenly over 1 … D-1 in every layer, also where a layer has
    fewer units than that: otherwise no unit would see the last coordinates.

    Several sets of masks are an equal mixture: p(x) = (1 / K) Σ_k p_k(x), of whole examples. x: (B, *event).
    """

    places: Tensor
    degrees: Tensor
    direct: nn.Parameter | None

    def __init__(self, settings: MadeSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        super().__init__(spec)
        sizes = [spec.dimensions, *[settings.hidden] * settings.layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], spec.dimensions)
        self.direct = nn.Parameter(torch.zeros(spec.dimensions, spec.dimensions)) if settings.direct else None
        # the place, 1 … D, of each coordinate in the order of each set of masks
        self.register_buffer("places", self._places(settings.masks, spec.dimensions))
        evenly = torch.linspace(1, max(1, spec.dimensions - 1), settings.hidden).round().long()
        shuffled = torch.rand(settings.masks, settings.layers, settings.hidden).argsort(-1)
        self.register_buffer("degrees", evenly[shuffled])  # (K, layers, hidden)

    @staticmethod
    def check(settings: MadeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or of too many for the weights to fit."""
        require(spec, Support.BITS, model="MADE")
        if settings.direct:
            require_at_most(spec, LARGEST_DIRECT, model="MADE with direct connections")
        require_at_most(spec, LARGEST, model="MADE")

    @staticmethod
    @abstractmethod
    def _places(masks: int, dimensions: int) -> Tensor:
        """(K, D) int64."""
        raise NotImplementedError

    def members(self) -> int:
        return len(self.degrees)

    def member_conditionals(self, x: Tensor, member: int | Tensor) -> Tensor:
        """The logit of p_k(x_d = 1 | those before d) for every coordinate: (B, *event) -> (B, *event).

        `member` may be a tensor (1,) int64, which is then not read."""
        place, degrees = self._of_member(member)
        h = bits = flat(x)
        seen = place
        for layer, degree in zip(self._layers(), degrees, strict=True):
            h = F.linear(h, layer.weight * (degree[:, None] >= seen), layer.bias).relu()
            seen = degree
        logits = F.linear(h, self.output.weight * (place[:, None] > seen), self.output.bias)
        if self.direct is not None:
            logits = logits + F.linear(bits, self.direct * (place[:, None] > place))
        return logits.reshape(x.shape)

    def member_log_prob(self, x: Tensor, member: int | Tensor) -> Tensor:
        return flat(bernoulli_log_prob(x, self.member_conditionals(x, member))).sum(-1)

    def learns_from_estimate(self) -> bool:
        return self.members() > 1

    def log_prob_estimate(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """log p_k(x) of one member, drawn at random: its mean over k is at most log of the mean of p_k(x)."""
        return self.member_log_prob(x, torch.randint(self.members(), (1,), generator=generator, device=x.device))

    def member_complete(self, x: Tensor, known: Tensor, member: int, generator: Generator | None = None) -> Completion:
        """All D steps together do the work of one pass."""
        return in_turn(self._turns(len(x), member), x, known, generator, self._member_order(member).tolist())

    def _member_order(self, member: int) -> Tensor:
        return self.places[member].argsort()

    def _layers(self) -> Iterable[nn.Linear]:
        return cast(Iterable[nn.Linear], self.hidden)

    def _of_member(self, member: int | Tensor) -> tuple[Tensor, Tensor]:
        """Its places (D,) and degrees (layers, hidden)."""
        if isinstance(member, int):
            return self.places[member], self.degrees[member]
        return self.places.index_select(0, member)[0], self.degrees.index_select(0, member)[0]

    def _turns(self, n: int, member: int) -> Turns:
        """Every hidden unit is computed once, as soon as the coordinates up to its degree are there. With units sorted
        by degree, those are a stretch of each layer, and what they see is all before its end."""
        place, degrees = self._of_member(member)
        order, sorted_degrees = place.argsort(), degrees.sort(stable=True)
        steps = torch.arange(self.dimensions + 1, device=place.device).expand(len(degrees), -1).contiguous()
        ends = torch.searchsorted(sorted_degrees.values, steps, right=True).tolist()  # units of at most degree t
        layers: list[tuple[Tensor, Tensor]] = []
        columns = order
        for layer, rows in zip(self._layers(), sorted_degrees.indices, strict=True):
            layers.append((layer.weight[rows][:, columns].t(), layer.bias[rows]))
            columns = rows
        out, bias = self.output.weight[order][:, columns], self.output.bias[order]
        direct = None if self.direct is None else self.direct[order][:, order]
        bits = out.new_zeros(n, self.dimensions)
        h = [out.new_zeros(n, len(b)) for _, b in layers]
        for t in range(self.dimensions):
            logit = h[-1][:, : ends[-1][t]] @ out[t, : ends[-1][t]] + bias[t]
            if direct is not None:
                logit = logit + bits[:, :t] @ direct[t, :t]
            bits[:, t] = yield logit
            seen = bits[:, : t + 1]
            for (weight, offset), units, end in zip(layers, h, ends, strict=True):
                a, b = end[t], end[t + 1]
                if a < b:
                    units[:, a:b] = (seen @ weight[: seen.shape[1], a:b] + offset[a:b]).relu()
                seen = units[:, :b]


class Made(_Made):
    """MADE with one order, row by row, for all its masks; they differ in which hidden unit has which degree.

    Because the order is one, the mixture has conditionals of its own: those of its members, weighted by how well each
    has predicted what came before. They are exact, sum to log p(x), and complete pictures.
    """

    @staticmethod
    def _places(masks: int, dimensions: int) -> Tensor:
        return torch.arange(1, dimensions + 1).repeat(masks, 1)

    def log_conditionals(self, x: Tensor) -> Tensor:
        each = [flat(bernoulli_log_prob(x, self.member_conditionals(x, k))) for k in range(self.members())]
        if len(each) == 1:
            return each[0].reshape(x.shape)
        log_p = torch.stack(each)  # (K, B, D)
        weight = (log_p.cumsum(-1) - log_p).log_softmax(0)  # of each member given the coordinates before
        return (weight + log_p).logsumexp(0).clamp(max=0).reshape(x.shape)

    def order(self) -> Tensor:
        """Row by row, from the first coordinate to the last."""
        return self._member_order(0)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate of the mixture given all those before it, kept or drawn.

        A draw from p(unknown | known) when the known coordinates come first in the order; what comes before a known
        coordinate ignores it.
        """
        return in_turn(self._mixture(len(x)), x, known, generator)

    def _mixture(self, n: int) -> Turns:
        """The logits of the mixture, whose members are followed together."""
        members = [self._turns(n, k) for k in range(self.members())]
        logits = torch.stack([next(turns) for turns in members])  # (K, n)
        weight = torch.zeros_like(logits).log_softmax(0)
        while True:
            one, zero = ((weight + F.logsigmoid(sign * logits)).logsumexp(0) for sign in (1, -1))
            bit = yield one - zero
            weight = (weight + bernoulli_log_prob(bit.expand_as(logits), logits)).log_softmax(0)
            logits = torch.stack([turns.send(bit) for turns in members])


class OrderAgnosticMade(_Made):
    """MADE whose masks have an order each: the first is row by row, the others are random.

    The mixture over orders has no conditionals that could be computed, so that it gives log p(x) for whole examples
    only. A completion is one by its first member, which goes row by row; a sample is one by a member chosen at random.
    """

    @staticmethod
    def _places(masks: int, dimensions: int) -> Tensor:
        first = torch.arange(1, dimensions + 1)[None]
        return torch.cat([first, 1 + torch.rand(masks - 1, dimensions).argsort(-1)])

    def order(self) -> Tensor:
        """Of the first member: row by row."""
        return self._member_order(0)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it, by the first member: a draw
        from p_1(unknown | known) when the known coordinates come first row by row."""
        return self.member_complete(x, known, 0, generator)


FAMILY = Family(
    key="made",
    title="Masked autoencoder (MADE)",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="An autoencoder whose weights are masked so that each pixel's probability sees only the pixels before "
    "it: all conditionals in one pass, and fast to train.",
    look_for="Training is several times faster than NADE's. Where held-out data stay behind training data, more "
    "masks are a remedy: each step learns with another one.",
    model=Made,
    settings=MadeSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)


ORDERS_FAMILY = Family(
    key="made-orders",
    title="Order-agnostic MADE",
    group="autoregressive",
    lecture="Deep auto-regressive models",
    summary="A masked autoencoder that learns several orders of the pixels with one set of weights; the mean of "
    "their probabilities is a better model than any of them.",
    look_for="The estimate of the bound is noisy: every step takes another order. In the likelihood table the "
    "ensemble of all orders is ahead of each single one.",
    model=OrderAgnosticMade,
    settings=OrderAgnosticMadeSettings,
    learners=("maximum-likelihood",),
    data="digits",
    binarization="threshold",
)
