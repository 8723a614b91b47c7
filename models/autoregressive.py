"""What autoregressive models over bits share: coordinates drawn in turn, what follows from conditionals, mixtures."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Generator as Yields
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Completion
from models.distributions import bernoulli, bernoulli_log_prob
from models.networks import flat
from models.spec import DataSpec

Turns: TypeAlias = Yields[Tensor, Tensor, None]
"""Yields the logits (n,) of one coordinate after the other, in a fixed order, and is sent the bits (n,) of each."""


def in_turn(
    turns: Turns,
    x: Tensor,
    known: Tensor,
    generator: Generator | None = None,
    order: Sequence[int] | None = None,
) -> Completion:
    """Keep `x` where `known`, draw every other bit from the logits that `turns` gives for it. Both (n, *event).

    `order` is that of `turns`, as indices into the flattened example; None is from the first to the last.
    """
    given = flat(x).t()
    keep = flat(known.expand_as(x)).t()
    bits, logits = torch.empty_like(given), torch.empty_like(given)
    places = range(len(given)) if order is None else order
    logit = next(turns)
    for i, d in enumerate(places):
        logits[d] = logit
        bits[d] = torch.where(keep[d], given[d], bernoulli(logit.sigmoid(), generator))
        if i + 1 < len(places):
            logit = turns.send(bits[d])
    turns.close()
    found = (bits, logits.sigmoid(), bernoulli_log_prob(bits, logits))
    return Completion(*(tensor.t().reshape(x.shape) for tensor in found))


def logits_in_turn(turns: Turns, x: Tensor, order: Sequence[int]) -> Tensor:
    """The logits that `turns`, whose order is `order`, gives for the bits of an x that is there: (B, *event)."""
    bits = flat(x)
    found = [bits[:, 0]] * len(order)
    logit = next(turns)
    for i, d in enumerate(order):
        found[d] = logit
        if i + 1 < len(order):
            logit = turns.send(bits[:, d])
    turns.close()
    return torch.stack(found, 1).reshape(x.shape)


def nothing_known(n: int, event_shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """(x, known) with which `in_turn` draws everything."""
    x = torch.zeros(n, *event_shape, device=like.device, dtype=like.dtype)
    return x, x.bool()


class OrderedBits(nn.Module):
    """p(x) = Π_d p(x_d | x_<d) over bits, row by row. x: (B, *event).

    A model gives its conditionals twice: all at once for an x that is there, and in turn for one that is drawn.
    """

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions

    @abstractmethod
    def conditionals(self, x: Tensor) -> Tensor:
        """The logit of p(x_d = 1 | x_<d) for every coordinate: (B, *event) -> (B, *event)."""
        raise NotImplementedError

    @abstractmethod
    def turns(self, n: int) -> Turns:
        """The same, one coordinate after the other, for n examples that are drawn meanwhile."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        return flat(self.log_conditionals(x)).sum(-1)

    def log_conditionals(self, x: Tensor) -> Tensor:
        return bernoulli_log_prob(x, self.conditionals(x))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws, in D steps."""
        return self._draw(n, generator).x

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """The probabilities with which the bits of n exact draws were drawn."""
        return self._draw(n, generator).mean

    def order(self) -> Tensor:
        """Row by row, from the first coordinate to the last."""
        return torch.arange(self.dimensions, device=next(self.parameters()).device)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it, kept or drawn.

        A known coordinate speaks only to those after it: what comes before it is drawn without looking ahead. So this
        is a draw from p(unknown | known) when the known coordinates come first in the order, and otherwise not: the
        part of a picture above the known part ignores it.
        """
        return in_turn(self.turns(len(x)), x, known, generator)

    def _draw(self, n: int, generator: Generator | None) -> Completion:
        return self.complete(*nothing_known(n, self.event_shape, next(self.parameters())), generator)


class BitsInOrders(nn.Module):
    """An equal mixture of autoregressive models over bits: p(x) = (1 / K) Σ_k p_k(x), each in its own order or with its
    own connections. Whole examples are averaged, because only that is normalised. x: (B, *event).
    """

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions

    @abstractmethod
    def members(self) -> int:
        """K."""
        raise NotImplementedError

    @abstractmethod
    def member_log_prob(self, x: Tensor, member: int) -> Tensor:
        """log p_k(x) in nats: (B, *event) -> (B,)."""
        raise NotImplementedError

    @abstractmethod
    def member_complete(self, x: Tensor, known: Tensor, member: int, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw the rest from p_k in its order. Both (n, *event)."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        each = torch.stack([self.member_log_prob(x, k) for k in range(self.members())])
        return each.logsumexp(0) - math.log(self.members())

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws, each from a member drawn for it."""
        return self._draw(n, generator).x

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """The probabilities, under the member drawn for each, with which the bits of n exact draws were drawn."""
        return self._draw(n, generator).mean

    def _draw(self, n: int, generator: Generator | None) -> Completion:
        x, known = nothing_known(n, self.event_shape, next(self.parameters()))
        drawn = Completion(x, torch.empty_like(x), torch.empty_like(x))
        chosen = torch.randint(self.members(), (n,), generator=generator, device=x.device)
        for member in range(self.members()):
            rows = (chosen == member).nonzero().squeeze(1)
            if len(rows):
                part = self.member_complete(x[rows], known[rows], member, generator)
                for name in ("x", "mean", "log_prob"):
                    getattr(drawn, name)[rows] = getattr(part, name)
        return drawn
