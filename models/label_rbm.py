"""A restricted Boltzmann machine with label units beside its bits."""

from __future__ import annotations

from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.distributions import bernoulli
from models.estimation.enumeration import LIMIT, log_sum_in_parts, require_enumerable
from models.rbm import Rbm, RbmSettings, probability
from models.spec import DataSpec, Layout, Support


class LabelRbm(Rbm):
    """P(v, y, h) = exp(b·v + d·y + c·h + v·W h + y·U h) / Z over D bits v, K label units y of which one is on, and
    hidden bits h (Hinton, Osindero & Teh, 2006, section 5; Larochelle & Bengio, 2008).

    Its visible state is v with y beside it, (B, D + K). Given h the label is a softmax over d + U h; given v and y the
    hidden units are independent. Annealing and log Z are those of v with labels summed out: states (B, D).
    """

    def __init__(self, bits: int, classes: int, hidden: int) -> None:
        super().__init__(RbmSettings(hidden=hidden), DataSpec((bits + classes,), Support.BITS, Layout.VECTOR))
        self.bits, self.classes = bits, classes

    def free_energy(self, x: Tensor) -> Tensor:
        """F of v and y (B, D + K), or of v with labels summed out (B, D): -> (B,)."""
        return -self.label_log_weights(x).logsumexp(1) if x.shape[1] == self.bits else super().free_energy(x)

    def label_log_weights(self, v: Tensor) -> Tensor:
        """log Σ_h exp(-E(v, y, h)) for each label y, of which log P(y | v) is the log-softmax: (B, D) -> (B, K)."""
        return self._annealed_label_log_weights(v, 1.0, self.visible_bias[: self.bits])

    def draw_label(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """y ~ P(y | v): (B, D) -> (B, K)."""
        return one_hot_draw(self.label_log_weights(v), generator)

    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        logits = self._visible_logits(h)
        labels = (logits[:, self.bits :] / temperature).softmax(1)
        return torch.cat([probability(logits[:, : self.bits].clone(), temperature), labels], 1)

    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        bits = bernoulli(mean[:, : self.bits], generator)
        return torch.cat([bits, one_hot_draw(mean[:, self.bits :].log(), generator)], 1)

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the hidden layer or over v, whichever is smaller. Raises TooLarge."""
        smaller = min(self.bits, self.hidden)
        require_enumerable(
            smaller,
            f"log Z of {self.bits} bits with {self.classes} label units and {self.hidden} hidden units",
            f"Use at most {LIMIT} hidden units, or annealed importance sampling.",
        )
        if self.hidden < self.bits:
            return (yield from log_sum_in_parts(self.hidden, self._hidden_log_weight, self.weight))
        return (yield from log_sum_in_parts(self.bits, lambda v: -self.free_energy(v), self.weight))

    def _hidden_log_weight(self, h: Tensor) -> Tensor:
        logits = self._visible_logits(h)
        labels = logits[:, self.bits :].logsumexp(1)
        return h @ self.hidden_bias + F.softplus(logits[:, : self.bits]).sum(-1) + labels

    # The annealed path: labels' biases and weights are scaled by β as all others are.

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return self._annealed_label_log_weights(x, beta, self._annealed_bias(beta, base)).logsumexp(1)

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return super().annealed_log_partition_base(base) + base.new_tensor(self.classes).log()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return bernoulli(base.sigmoid().expand(n, -1), generator)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        """y and then h given v, and v given h."""
        bias = self._annealed_bias(beta, base)
        y = one_hot_draw(self._annealed_label_log_weights(x, beta, bias), generator)
        h = bernoulli((beta * self._hidden_logits(torch.cat([x, y], 1))).sigmoid_(), generator)
        return bernoulli(torch.addmm(bias, h, self.weight[: self.bits].t(), alpha=beta).sigmoid_(), generator)

    def _annealed_bias(self, beta: float, base: Tensor) -> Tensor:
        return torch.lerp(base, self.visible_bias[: self.bits], beta)

    def _annealed_label_log_weights(self, v: Tensor, beta: float, bias: Tensor) -> Tensor:
        """(B, D) -> (B, K), one label after the other, so that the memory is that of one."""
        shared = torch.addmm(self.hidden_bias, v, self.weight[: self.bits])  # (B, hidden)
        of_each = [F.softplus(beta * (shared + row)).sum(-1) for row in self.weight[self.bits :]]
        return (v @ bias).unsqueeze(1) + beta * self.visible_bias[self.bits :] + torch.stack(of_each, 1)


def one_hot_draw(log_weights: Tensor, generator: Generator | None = None) -> Tensor:
    """One unit on in each row, with probabilities softmax(log_weights): (B, K) -> (B, K), by Gumbel's maximum."""
    noise = torch.empty_like(log_weights).exponential_(generator=generator).log()
    return torch.zeros_like(log_weights).scatter_(1, (log_weights - noise).argmax(1, keepdim=True), 1.0)
