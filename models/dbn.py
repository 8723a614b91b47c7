"""Deep belief network."""

from __future__ import annotations

import copy
from collections.abc import Generator as Yields
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from models.belief_layers import BeliefLayers
from models.distributions import bernoulli, bernoulli_log_prob
from models.estimation.enumeration import LIMIT, all_states, log_marginal_in_parts, require_enumerable
from models.estimation.progress import finish
from models.family import Family
from models.label_rbm import LabelRbm
from models.layers import LayerSettings
from models.networks import flat
from models.rbm import Rbm, RbmSettings
from models.settings import setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require

BASE_EXAMPLES = 2000  # carried up for the base of the annealed path


class DbnSettings(LayerSettings):
    labels: bool = setting(
        False,
        title="Label units",
        help="One unit for each class beside the layer below the top: the topmost machine learns "
        "examples and labels together, classifies, and dreams of a class that is held.",
        reference="Hinton, Osindero & Teh (2006), section 5",
    )


class Dbn(BeliefLayers):
    """P(x, h¹ … hᴸ) = P(x | h¹) P(h¹ | h²) … P(hᴸ⁻¹, hᴸ): sigmoid layers that generate downwards, and at the top a
    restricted Boltzmann machine (Hinton, Osindero & Teh, 2006).

    P(v_i = 1 | h) = σ(b_i + W_i·h) from each layer to the one below. Inference goes the other way, by recognition
    weights of its own: q(h_j = 1 | v) = σ(c_j + v·R_j), which are those of the machine that the layer was learned as
    until another rule of learning unties them. The topmost machine may hold label units beside hᴸ⁻¹.

    Only the lowest `learned` machines count: after one the model is a restricted Boltzmann machine, after two a network
    of two layers, and so on, so that what is said and drawn makes sense at every moment of greedy learning. Layers
    above those are only driven from below.

    x: (B, *event), bits; hˡ: (B, width of l). Of the stack's machines, W is the weight, b the visible bias and c the
    hidden bias; `recognition` holds R, (below, above), of every machine but the topmost.
    """

    learned: Tensor

    def __init__(self, settings: DbnSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.sweeps, self.widths = spec.event_shape, settings.sweeps, settings.widths()
        self.classes = spec.classes if settings.labels else 0
        specs = [spec, *[DataSpec((width,), Support.BITS, Layout.VECTOR) for width in self.widths[:-1]]]
        stack = [Rbm(RbmSettings(hidden=w), below) for w, below in zip(self.widths, specs, strict=True)]
        if self.classes:
            stack[-1] = LabelRbm(self.widths[-2], self.classes, self.widths[-1])
        self.stack: Sequence[Rbm] = nn.ModuleList(stack)  # type: ignore[assignment]
        self.recognition = nn.ParameterList([m.weight.detach().clone() for m in stack[:-1]])
        self.register_buffer("learned", torch.full((), len(stack), dtype=torch.int64))
        self._only: int | None = None  # in place of `learned`, in a view of fewer layers

    @staticmethod
    def check(settings: DbnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of bits, or has no classes for the label units."""
        require(spec, Support.BITS, model="The deep belief network")
        if settings.labels and not spec.classes:
            raise UnsuitableData(
                "Label units need to know the classes, and these data have none: choose data with labels, or switch "
                "label units off."
            )

    # The stack.

    def machines(self) -> Sequence[nn.Module]:
        return list(self.stack)

    @torch.no_grad()
    def begin_machine(self, layer: int, like_below: bool = True) -> None:
        """Machine `layer` is the topmost that counts from now on, and the one below has learned all it will.

        With `like_below` it begins as the transpose of that one where it is wide enough, its further units
        hardly connected: P(x) stays as it was (section 3 of the paper)."""
        self.learned.fill_(layer + 1)
        if layer == 0:
            return
        below, machine = self.stack[layer - 1], self.stack[layer]
        self.recognition[layer - 1].copy_(below.weight)
        if like_below and machine.hidden >= below.dimensions:
            machine.weight[: below.hidden, : below.dimensions].copy_(below.weight.t())
            machine.visible_bias[: below.hidden].copy_(below.hidden_bias)
            machine.hidden_bias[: below.dimensions].copy_(below.visible_bias)

    def carry_up(self, layer: int, x: Tensor, y: Tensor, generator: Generator | None = None) -> Tensor:
        """Draws of what machine `layer` sees of x (B, *event) with labels y (B,). A label that is hidden (-1) is drawn
        given the rest."""
        if layer == 0:
            return x
        v = self._up(x, layer, generator, learned=len(self.stack))[-1]
        return self._beside_labels(v, y, generator) if layer == len(self.stack) - 1 else v

    def with_layers(self, layers: int) -> Dbn:
        """The model of the lowest `layers` machines alone. It shares all tensors with this one."""
        view = copy.copy(self)
        view._only = layers
        return view

    # Recognition.

    def features(self, x: Tensor) -> Tensor:
        """What the topmost machine sees, by means: (B, *event) -> (B, below the top)."""
        v = flat(x)
        for layer in range(len(self.stack) - 1):
            v = self._recognised(layer, v)
        return v

    def recognition_layers(self) -> list[tuple[Tensor, Tensor]]:
        machines, top = self.stack, self.stack[-1]
        lower = [(r.t(), m.hidden_bias) for r, m in zip(self.recognition, machines, strict=False)]
        return [*lower, (top.weight[: self.widths[-2]].t(), top.hidden_bias)]

    def label_units(self) -> int:
        return self.classes

    def label_probabilities(self, x: Tensor) -> Tensor:
        """Means are carried up to the topmost machine, whose free energies with each label are then compared."""
        top = self.stack[-1]
        assert isinstance(top, LabelRbm)
        return top.label_log_weights(self.features(x)).softmax(1)

    # Likelihood.

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """E_q[log q(h | x) - log P(x | h¹) … + F(of the topmost machine)], one draw of h for each x; the entropies of q
        are exact. With one layer it is F(x) itself."""
        total, v = x.new_zeros(len(x)), flat(x)
        for layer in range(self.layers() - 1):
            mean = self._recognised(layer, v)
            h = bernoulli(mean, generator)
            negative_entropy = torch.special.xlogy(mean, mean) + torch.special.xlogy(1 - mean, 1 - mean)
            total = total + negative_entropy.sum(1) - self._generative_log_prob(layer, v, h)
            v = h
        return total + self._topmost().free_energy(v)

    def log_partition(self) -> Tensor:
        """log Z of the topmost machine that counts. Raises TooLarge."""
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        return (yield from self._topmost().log_partition_in_parts())

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x), summed over all states of the hidden layers below the top. Raises TooLarge."""
        inner = self.widths[: self.layers() - 1]
        require_enumerable(
            sum(inner),
            f"log p(x) of a deep belief network with {' and '.join(map(str, inner))} units below the top",
            f"Use at most {LIMIT} units below the top, or the bound with annealed importance sampling.",
        )
        top = self._topmost()
        log_partition = self.log_partition()
        if not inner:
            return -top.free_energy(flat(x)) - log_partition
        states = torch.cat(list(all_states(inner[-1], like=x)))
        log_p = -top.free_energy(states) - log_partition  # of every state of the layer below the top
        for layer in range(len(inner) - 1, 0, -1):
            below = torch.cat(list(all_states(inner[layer - 1], like=x)))
            log_p, states = self._marginal(layer, below, states, log_p), below
        return self._marginal(0, flat(x), states, log_p)

    def _marginal(self, layer: int, v: Tensor, states: Tensor, log_p: Tensor) -> Tensor:
        """log Σ_h P(v | h) P(h) over `states` of h that have log-probabilities `log_p`: (B, below) -> (B,)."""
        return finish(log_marginal_in_parts(v, partial(self._generative_logits, layer), states, log_p))

    # The annealed path is that of the topmost machine: its states are those of the layer below the top.

    def annealed_base(self, data: Tensor) -> Tensor:
        v = flat(data[:BASE_EXAMPLES]).to(self.stack[0].weight)
        for layer in range(self.layers() - 1):
            v = self._recognised(layer, v)
        return self._topmost().annealed_base(v)

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return self._topmost().annealed_log_prob(x, beta, base)

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return self._topmost().annealed_log_partition_base(base)

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return self._topmost().annealed_sample_base(n, base, generator)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        return self._topmost().annealed_transition(x, beta, base, generator)

    # Wake and sleep.

    def top_machine(self) -> nn.Module:
        return self.stack[-1]

    def wake(self, x: Tensor, y: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        states = self._up(x, len(self.stack) - 1, generator, learned=len(self.stack))
        log_prob = x.new_zeros(len(x))
        for layer, (v, h) in enumerate(pairwise(states)):
            log_prob = log_prob + self._generative_log_prob(layer, v, h)
        return log_prob, self._beside_labels(states[-1], y, generator)

    def sleep(self, top: Tensor, generator: Generator | None = None) -> Tensor:
        h = top[:, : self.widths[-2]]
        log_prob = top.new_zeros(len(top))
        for layer in range(len(self.stack) - 2, -1, -1):
            v = bernoulli(self._generative_logits(layer, h).sigmoid(), generator)
            logits = torch.addmm(self.stack[layer].hidden_bias, v, self.recognition[layer])
            log_prob = log_prob + bernoulli_log_prob(h, logits).sum(1)
            h = v
        return log_prob


FAMILY = Family(
    key="dbn",
    title="Deep belief network",
    group="energy",
    lecture="Boltzmann machines",
    summary="Layers that draw each other downwards, under a restricted Boltzmann machine at the top. Learned one "
    "layer after the other, each from what those below make of the data.",
    look_for="Samples change when the next layer begins to learn, and grow more varied and whole. Figures are of "
    "the layer that learns, so that curves begin anew with each; the bound per layer says what it was worth.",
    model=Dbn,
    settings=DbnSettings,
    learners=("layerwise", "up-down", "fine-tune"),
    data="digits",
    binarization="threshold",
)
