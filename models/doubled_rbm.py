"""Restricted Boltzmann machines of which a deep one is put together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import ChainState
from models.distributions import bernoulli
from models.harmonium import Harmonium
from models.networks import flat
from models.rbm import probability

COUPLING = 2  # what the weight between the mean of all copies below and the mean of all copies above is multiplied by


class DoubledRbm(Harmonium):
    """One machine of the stack that becomes a deep Boltzmann machine (Salakhutdinov & Hinton, 2009, section 3.1).

    In the deep machine a layer between two others hears of both; here it hears of one, so that one counts twice. The
    lowest machine has two copies of its visible layer with the same weights, the topmost two copies of its hidden
    layer, and one between them has all its weights doubled instead:
    P(h_j = 1 | v) = σ(c_j + u (v - a)·W_j), P(v_i = 1 | h) = σ(b_i + d W_i·(h - g)), with u = 2 but for the topmost and
    d = 2 but for the lowest; a and g are the centres. v and h are means over the copies, so that ½ may stand in them.

    The deep machine takes the mean of what two machines say of a layer they share. So b is here twice the layer's bias
    there, less c of the machine below (`below`), and each bias has one parameter.
    """

    def __init__(
        self,
        weight: nn.Parameter,
        visible_bias: nn.Parameter,
        hidden_bias: nn.Parameter,
        centres: tuple[Tensor, Tensor],
        event_shape: tuple[int, ...],
        below: Tensor | None,
        topmost: bool,
        centred: bool,
    ) -> None:
        """`weight` (D, H), and biases and centres, belong to the deep machine. `below`: (D,), the hidden bias of the
        machine below; None for the lowest."""
        super().__init__()
        self.weight, self.visible_bias, self.hidden_bias = weight, visible_bias, hidden_bias
        self.centres, self.centred, self.below = centres, centred, below
        self.event_shape, self.hidden_shape = event_shape, tuple(hidden_bias.shape)
        self.visible_copies = 2 if below is None else 1
        self.hidden_copies = 2 if topmost else 1

    def start_from(self, x: Tensor, examples: int) -> None:
        """The lowest machine begins with the visible biases of independent bits with the data's means, and with these
        as centres where units are centred."""
        if self.below is None:
            mean = (flat(x).sum(0) + 1) / (len(x) + 2)
            with torch.no_grad():
                self.visible_bias.copy_(mean.logit())
                if self.centred:
                    self.centres[0].copy_(mean)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E of all copies in nats, where the copies have the means v and h: (B, *event), (B, H) -> (B,)."""
        v = flat(v)
        linear = self.visible_copies * (v @ self._visible_bias()) + self.hidden_copies * (h @ self.hidden_bias)
        return -linear - COUPLING * (((v - self.centres[0]) @ self.weight) * (h - self.centres[1])).sum(-1)

    def free_energy(self, x: Tensor) -> Tensor:
        """F of all copies at x, in nats, the hidden units summed out."""
        v = flat(x)
        linear = self.visible_copies * (v @ self._visible_bias())
        centred = COUPLING * ((v - self.centres[0]) @ self.weight @ self.centres[1])
        return centred - linear - self.hidden_copies * F.softplus(self._hidden_logits(v)).sum(-1)

    def hidden_mean(self, v: Tensor, temperature: float = 1.0) -> Tensor:
        return probability(self._hidden_logits(flat(v)), temperature)

    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        strength = COUPLING / self.visible_copies
        logits = torch.addmm(self._visible_bias(), h - self.centres[1], self.weight.t(), alpha=strength)
        return probability(logits, temperature).reshape(-1, *self.event_shape)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        return _mean_of_draws(mean, self.hidden_copies, generator)

    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        return _mean_of_draws(mean, self.visible_copies, generator)

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        v = flat(v)
        ones = v.new_ones(len(v))
        twice = 1 if self.below is None else 2  # of the deep machine's bias, in b
        off = v - self.centres[0], h - self.centres[1]
        sums["weight"].addmm_(off[0].t(), off[1], beta=keep, alpha=COUPLING * scale)
        sums["visible_bias"].addmv_(v.t(), ones, beta=keep, alpha=self.visible_copies * twice * scale)
        sums["hidden_bias"].addmv_(h.t(), ones, beta=keep, alpha=self.hidden_copies * scale)

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Every visible unit from a fair coin."""
        half = torch.full((n, *self.event_shape), 0.5, device=self.weight.device, dtype=self.weight.dtype)
        return ChainState(self.draw_visible(half, generator), half)

    def _visible_bias(self) -> Tensor:
        return self.visible_bias if self.below is None else 2 * self.visible_bias - self.below

    def _hidden_logits(self, v: Tensor) -> Tensor:
        strength = COUPLING / self.hidden_copies
        return torch.addmm(self.hidden_bias, v - self.centres[0], self.weight, alpha=strength)


def _mean_of_draws(mean: Tensor, copies: int, generator: Generator | None) -> Tensor:
    return torch.stack([bernoulli(mean, generator) for _ in range(copies)]).mean(0)
