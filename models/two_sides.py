"""Layers of bits in which only neighbours are connected, as two sides: exact sums, and the annealed path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator as Yields
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.distributions import bernoulli, bernoulli_log_prob
from models.estimation.enumeration import LIMIT, log_sum_in_parts, log_sum_over_states, require_enumerable
from models.estimation.progress import finish
from models.harmonium import GibbsChain
from models.networks import flat

EVEN, ODD = 0, 1  # layers 0 (the data), 2, …, and layers 1, 3, …: units of a side are independent given the other side
Units: TypeAlias = Mapping[int, Tensor] | Sequence[Tensor]  # layers of units, by their numbers
TOGETHER = 8  # examples whose hidden states are summed over at once
TINY = 1e-6  # how near to 0 and 1 a probability comes by which hidden units are drawn and weighed
BASE_EXAMPLES = 1000  # from which the annealed base takes the mean activity of hidden units


class TwoSides(GibbsChain):
    """exp(-E) with E = -Σ_l (h_l - c_l)·W_l (h_{l+1} - c_{l+1}) - Σ_l b_l·h_l over layers of bits h₀ … h_L, of which h₀
    is the data: (B, size) each.

    Given the layers of odd number those of even number are independent units, and the other way round: so either side
    can be drawn at once, and either sums out.
    """

    event_shape: tuple[int, ...]
    sizes: tuple[int, ...]  # of all layers
    weights: nn.ParameterList  # (size, size of the layer above)
    biases: nn.ParameterList
    centres: Tensor  # (Σ sizes,)

    @abstractmethod
    def mean_field(self, v: Tensor) -> Tensor:
        """The means of independent hidden units that stand for P(h | v): (B, *event) -> (B, Σ hidden sizes)."""
        raise NotImplementedError

    # Sums.

    def log_partition(self) -> Tensor:
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the states of the smaller side, the other summed out. Raises TooLarge."""
        side = self._smaller_side(visible=True)
        biases = self._plain_biases()

        def log_weight(states: Tensor) -> Tensor:
            return self._log_weight(self._of_side(states, side), side, biases)

        found = yield from log_sum_in_parts(self._units_of(side), log_weight, self.weights[0])
        return found + self._constant()

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x), all hidden states summed. Raises TooLarge."""
        log_partition = self.log_partition()  # which refuses what would be too large below as well
        side = self._smaller_side(visible=False)
        return torch.cat([self._log_score(part, side) for part in x.split(TOGETHER)]) - log_partition

    def _log_score(self, x: Tensor, side: int) -> Tensor:
        # log Σ_h exp(-E(x, h)): the hidden layers of `side` enumerated, the others summed out
        v, biases = flat(x), self._plain_biases()
        first = torch.addmm(biases[1], v, self.weights[0])  # (B, H₁)

        def log_weight(states: Tensor) -> Tensor:  # (n, bits) -> (n, B)
            units = self._of_side(states, side, visible=False)
            if side == ODD:
                total = units[1] @ first.t()
                others = range(2, len(self.sizes), 2)
            else:
                total = states.new_zeros(len(states), len(v))
                above = units[2] @ self.weights[1].t()
                total = total + F.softplus(first + above[:, None]).sum(-1)
                others = range(3, len(self.sizes), 2)
            alone = sum((units[k] @ biases[k] for k in units if k != 1), states.new_zeros(len(states)))
            for layer in others:
                alone = alone + F.softplus(self._field(layer, units, biases)).sum(-1)
            return total + alone[:, None]

        bits = self._units_of(side) - (self.sizes[0] if side == EVEN else 0)
        return log_sum_over_states(bits, log_weight, v) + v @ biases[0] + self._constant()

    # The path from independent units to the machine (Salakhutdinov & Hinton, 2009, section 4.1, with another base). Its
    # states are the odd layers side by side, the even ones summed out: the weights are scaled by β, the biases go from
    # those of independent units to the machine's.

    def annealed_base(self, data: Tensor) -> Tensor:
        """Logits of independent units with the means of the data and of their mean field: (D + H₁ + … + H_L,)."""
        data = data.to(self.centres)
        hidden = torch.cat([self.mean_field(part) for part in data[:BASE_EXAMPLES].split(100)])
        return torch.cat([flat(data).mean(0), hidden.mean(0)]).clamp(0.01, 0.99).logit()

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        """x: (B, H₁ + H₃) -> (B,)."""
        biases = self._annealed_biases(beta, base)
        return self._log_weight(self._of_side(x, ODD), ODD, biases, beta) + beta * self._constant()

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return F.softplus(base).sum()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        odd = torch.cat(base.split(self.sizes)[1::2])
        return bernoulli(odd.sigmoid().expand(n, -1), generator)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        biases, units = self._annealed_biases(beta, base), self._of_side(x, ODD)
        for layer in (*range(0, len(self.sizes), 2), *range(1, len(self.sizes), 2)):
            units[layer] = bernoulli(self._field(layer, units, biases, beta).sigmoid_(), generator)
        return torch.cat([units[layer] for layer in range(1, len(self.sizes), 2)], 1)

    def annealed_start(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """The odd layers drawn by mean field, and log q(odd | x) - log P(x | odd)."""
        means = self.mean_field(x).split(self.sizes[1:], 1)[::2]
        mean = torch.cat(means, 1).clamp(TINY, 1 - TINY)
        odd = bernoulli(mean, generator)
        log_q = torch.where(odd == 1, mean, 1 - mean).log().sum(1)
        logits = self._field(0, self._of_side(odd, ODD), self._plain_biases())
        return odd, log_q - bernoulli_log_prob(flat(x), logits).sum(1)

    def _annealed_biases(self, beta: float, base: Tensor) -> list[Tensor]:
        pairs = zip(base.split(self.sizes), self._plain_biases(), strict=True)
        return [torch.lerp(start, end, beta) for start, end in pairs]

    # Layers and sides.

    def _layers(self, v: Tensor, h: Tensor) -> list[Tensor]:
        return [flat(v), *h.split(self.sizes[1:], 1)]

    def _centres(self) -> tuple[Tensor, ...]:
        return self.centres.split(self.sizes)

    def _plain_biases(self) -> list[Tensor]:
        """The biases of the same machine written without centres."""
        found, centres = list[Tensor](self.biases), self._centres()
        for layer, weight in enumerate(self.weights):
            found[layer] = found[layer] - weight @ centres[layer + 1]
            found[layer + 1] = found[layer + 1] - centres[layer] @ weight
        return found

    def _constant(self) -> Tensor:
        """What the energies of all states are lower by than without centres: Σ_l c_l·W_l c_{l+1}."""
        centres = self._centres()
        terms = [centres[layer] @ weight @ centres[layer + 1] for layer, weight in enumerate(self.weights)]
        return torch.stack(terms).sum()

    def _field(self, layer: int, units: Units, biases: Sequence[Tensor], scale: float = 1.0) -> Tensor:
        """The logits of a layer's units given its neighbours, all weights multiplied by `scale`: (B, size)."""
        found = biases[layer]
        if layer > 0:
            found = torch.addmm(found, units[layer - 1], self.weights[layer - 1], alpha=scale)
        if layer < len(self.weights):
            found = torch.addmm(found, units[layer + 1], self.weights[layer].t(), alpha=scale)
        return found

    def _units_of(self, side: int) -> int:
        return sum(self.sizes[side::2])

    def _smaller_side(self, visible: bool) -> int:
        """The side with fewer units, with the visible ones counted or not. Raises TooLarge when all are counted and it
        cannot be summed."""
        even = self._units_of(EVEN) - (0 if visible else self.sizes[0])
        odd = self._units_of(ODD)
        if visible:
            require_enumerable(
                min(even, odd),
                f"log Z of layers of {', '.join(map(str, self.sizes))} units",
                f"Use at most {LIMIT} units in the first hidden layer, and in the third together with it, or the bound "
                "with annealed importance sampling.",
            )
        return EVEN if even < odd else ODD

    def _of_side(self, states: Tensor, side: int, visible: bool = True) -> dict[int, Tensor]:
        """Layers of a side that lie side by side, by their numbers."""
        layers = [layer for layer in range(side, len(self.sizes), 2) if layer or visible]
        parts = states.split([self.sizes[layer] for layer in layers], 1)
        return dict(zip(layers, parts, strict=True))

    def _log_weight(self, units: dict[int, Tensor], side: int, biases: Sequence[Tensor], scale: float = 1.0) -> Tensor:
        """log Σ exp(-E) over the states of the other side, but for the constant: -> (B,)."""
        total = torch.stack([unit @ biases[layer] for layer, unit in units.items()]).sum(0)
        for layer in range(1 - side, len(self.sizes), 2):
            total = total + F.softplus(self._field(layer, units, biases, scale)).sum(-1)
        return total
