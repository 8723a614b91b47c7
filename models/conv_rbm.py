"""Convolutional restricted Boltzmann machine with probabilistic max-pooling."""

from __future__ import annotations

from collections.abc import Generator as Yields
from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import ChainState
from models.distributions import bernoulli
from models.estimation.enumeration import log_sum_in_parts, require_enumerable
from models.estimation.progress import finish
from models.family import Family
from models.harmonium import ChainSettings, Harmonium
from models.networks import flat
from models.rbm import probability
from models.settings import setting
from models.spec import DataSpec, Layout, Support, require, require_layout

NAME = "The convolutional restricted Boltzmann machine"


class ConvRbmSettings(ChainSettings):
    filters: int = setting(
        32,
        title="Filters",
        help="Maps of hidden units. All units of a map look for the same pattern, each at its own place.",
        reference="Lee et al. (2009), K",
        ge=1,
        le=4096,
    )
    size: int = setting(
        5,
        title="Filter size",
        help="Height and width of the patch that a hidden unit sees.",
        unit="px",
        reference="Lee et al. (2009), N_W",
        ge=1,
        le=64,
    )
    pooling: int = setting(
        2,
        title="Pooling block",
        help="Height and width of the blocks into which each map is cut. At most one unit of a block is on; 1 makes "
        "all units independent.",
        unit="units",
        reference="Lee et al. (2009), C",
        ge=1,
        le=32,
    )


class ConvRbm(Harmonium):
    """P(v, h) = exp(-E(v, h)) / Z over images of bits and maps of hidden bits (Lee, Grosse, Ranganath & Ng, 2009), with

    E(v, h) = -Σ_kij h^k_ij (b_k + Σ_crs W^k_crs v_c,i+r,j+s) - Σ_c a_c Σ_ij v_cij,

    where at most one unit is on in each block of C × C units of a map. Given v, a block is therefore a choice among its
    units and "all off": P(h_α = 1 | v) = exp(I_α) / (1 + Σ_block exp(I)), with the input I (section 3.2); given h,
    pixels are independent. Blocks sum out: F(v) = -Σ_c a_c Σ v_c - Σ_blocks log(1 + Σ_block exp(I)).

    Hidden units sit wherever a filter fits into the image. Where the number of these places is no multiple of C, the
    image gets a margin of pixels that are always 0, of up to C - 1 rows and columns, half on each side.

    v: (B, channels, height, width); h: (B, filters, rows, columns). With C = 1 this is a restricted Boltzmann machine
    with tied weights.
    """

    def __init__(self, settings: ConvRbmSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions
        self.size, self.pooling, self.sweeps = settings.size, settings.pooling, settings.sweeps
        channels, *sides = spec.event_shape
        places = [max(1, side - settings.size + 1) for side in sides]
        rows, columns = (-(-n // settings.pooling) * settings.pooling for n in places)
        self.hidden_shape = (settings.filters, rows, columns)
        self.blocks = settings.filters * rows * columns // settings.pooling**2
        margins = [n + settings.size - 1 - side for n, side in zip((rows, columns), sides, strict=True)]
        (top, left), (bottom, right) = [m // 2 for m in margins], [m - m // 2 for m in margins]
        self.margin = (left, right, top, bottom)
        self.weight = nn.Parameter(torch.randn(settings.filters, channels, settings.size, settings.size) * 0.1)
        self.visible_bias = nn.Parameter(torch.zeros(channels))
        self.hidden_bias = nn.Parameter(torch.zeros(settings.filters))

    @staticmethod
    def check(settings: ConvRbmSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are not images of bits."""
        require_layout(spec, Layout.IMAGE, model=NAME)
        require(spec, Support.BITS, model=NAME)

    def step_scales(self) -> Mapping[str, Tensor | float]:
        """A shared parameter's gradient is a sum over places that agree only in part: its steps are divided by the root
        of their number."""
        _, rows, columns = self.hidden_shape
        of_hidden = (rows * columns) ** -0.5
        return {
            "weight": of_hidden,
            "hidden_bias": of_hidden,
            "visible_bias": (self.event_shape[0] / self.dimensions) ** 0.5,
        }

    # Energies.

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, *hidden) -> (B,)."""
        return -(self._inputs(v) * h).flatten(1).sum(1) - v.sum((2, 3)) @ self.visible_bias

    def free_energy(self, x: Tensor) -> Tensor:
        return -self._log_weight(self._inputs(x)) - x.sum((2, 3)) @ self.visible_bias

    def log_partition(self) -> Tensor:
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the states of all pixels, the hidden units summed out. Raises TooLarge."""
        require_enumerable(
            self.dimensions,
            f"log Z of images of {self.dimensions} pixels",
            "Use annealed importance sampling, or smaller images.",
        )
        of_image = lambda v: -self.free_energy(v.reshape(-1, *self.event_shape))  # noqa: E731
        return (yield from log_sum_in_parts(self.dimensions, of_image, self.weight))

    def log_prob(self, x: Tensor) -> Tensor:
        """log P(x) = -F(x) - log Z. Raises TooLarge when log Z cannot be summed."""
        return -self.free_energy(x) - self.log_partition()

    # Conditionals.

    def hidden_mean(self, v: Tensor, temperature: float = 1.0) -> Tensor:
        """P(h = 1 | v): (B, *event) -> (B, *hidden)."""
        return self._choice(self._inputs(v) / temperature)

    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        """P(v = 1 | h): (B, *hidden) -> (B, *event)."""
        return probability(self._down(h) + self.visible_bias[:, None, None], temperature)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h given its conditional mean, at most one unit of each block on: (B, *hidden). A state is drawn as itself."""
        blocks = self._blocks(mean)
        ends = blocks.cumsum(-1)  # each unit has a stretch of [0, 1) as long as its probability
        at = torch.rand(ends[..., :1].shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return self._maps(((at < ends) & (at >= ends - blocks)).to(mean.dtype))

    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        """v given its conditional mean: (B, *event)."""
        return bernoulli(mean, generator)

    def hidden_mean_given_held(self, mean: Tensor, held: Tensor, h: Tensor) -> Tensor:
        """Where a unit that is held is on, the others of its block are off; where one is held off, the choice is among
        the others."""
        kept = self._blocks(held.expand_as(mean))
        off = self._blocks(mean).masked_fill(kept, 0)
        off = off / (1 - self._blocks(mean).masked_fill(~kept, 0).sum(-1, keepdim=True)).clamp(min=1e-6)
        taken = (self._blocks(h) * kept).sum(-1, keepdim=True) > 0
        return self._maps(off.masked_fill(taken, 0))

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place. h may be its conditional mean."""
        patches = F.unfold(F.pad(v, self.margin), self.size)  # (B, channels · size², places)
        of_weight = torch.bmm(h.flatten(2), patches.mT).sum(0)
        sums["weight"].mul_(keep).add_(of_weight.reshape_as(self.weight), alpha=scale)
        sums["hidden_bias"].mul_(keep).add_(h.sum((0, 2, 3)), alpha=scale)
        sums["visible_bias"].mul_(keep).add_(v.sum((0, 2, 3)), alpha=scale)

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Bits from fair coins."""
        half = torch.full((n, *self.event_shape), 0.5, device=self.weight.device, dtype=self.weight.dtype)
        return ChainState(self.draw_visible(half, generator), half)

    def filters(self) -> Tensor:
        """Each filter at one place, the middle of an image that is 0 elsewhere."""
        _, height, width = self.event_shape
        high, wide = height - self.size, width - self.size
        return F.pad(self.weight, (wide // 2, wide - wide // 2, high // 2, high - high // 2))

    def pooled(self, v: Tensor) -> Tensor:
        """P(some unit of the block is on | v), the pooling units of Lee et al. (2009, section 3.2): (B, *event) ->
        (B, filters, rows / C, columns / C)."""
        return self._blocks(self.hidden_mean(v)).sum(-1)

    # The path from independent bits to the machine: what `Rbm` does, with a base bias for each pixel.

    def annealed_base(self, data: Tensor) -> Tensor:
        return data.mean(0).flatten().to(self.weight).clamp(0.01, 0.99).logit()

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return flat(x) @ self._annealed_bias(beta, base).flatten() + self._log_weight(beta * self._inputs(x))

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return F.softplus(base).sum() + self.blocks * base.new_tensor(1 + self.pooling**2).log()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return bernoulli(base.sigmoid().expand(n, -1), generator).reshape(-1, *self.event_shape)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        h = self.draw_hidden(self._choice(beta * self._inputs(x)), generator)
        return bernoulli((beta * self._down(h) + self._annealed_bias(beta, base)).sigmoid_(), generator)

    def _annealed_bias(self, beta: float, base: Tensor) -> Tensor:
        return torch.lerp(base.reshape(self.event_shape), self.visible_bias[:, None, None], beta)

    # Maps and blocks.

    def _inputs(self, v: Tensor) -> Tensor:
        """I: (B, *event) -> (B, *hidden)."""
        return F.conv2d(F.pad(v, self.margin), self.weight, self.hidden_bias)

    def _down(self, h: Tensor) -> Tensor:
        """What hidden units send to pixels: (B, *hidden) -> (B, *event)."""
        _, height, width = self.event_shape
        left, _, top, _ = self.margin
        return F.conv_transpose2d(h, self.weight)[..., top : top + height, left : left + width]

    def _choice(self, inputs: Tensor) -> Tensor:
        """exp(I_α) / (1 + Σ_block exp(I)): (B, *hidden) -> (B, *hidden)."""
        blocks = self._blocks(inputs)
        highest = blocks.amax(-1, keepdim=True).clamp(min=0)
        weights = (blocks - highest).exp()
        return self._maps(weights / ((-highest).exp() + weights.sum(-1, keepdim=True)))

    def _log_weight(self, inputs: Tensor) -> Tensor:
        """Σ_blocks log(1 + Σ_block exp(I)): (B, *hidden) -> (B,)."""
        return F.softplus(self._blocks(inputs).logsumexp(-1)).flatten(1).sum(1)

    def _blocks(self, maps: Tensor) -> Tensor:
        """(B, K, rows, columns) -> (B, K, rows / C, columns / C, C²)."""
        n, k, rows, columns = maps.shape
        c = self.pooling
        return maps.reshape(n, k, rows // c, c, columns // c, c).transpose(3, 4).flatten(4)

    def _maps(self, blocks: Tensor) -> Tensor:
        """(B, K, rows / C, columns / C, C²) -> (B, K, rows, columns)."""
        n, k, rows, columns, _ = blocks.shape
        c = self.pooling
        return blocks.reshape(n, k, rows, columns, c, c).transpose(3, 4).reshape(n, k, rows * c, columns * c)


FAMILY = Family(
    key="conv-rbm",
    title="Convolutional RBM",
    group="energy",
    lecture="Boltzmann machines",
    summary="A restricted Boltzmann machine whose hidden units look for the same few patterns everywhere in the "
    "image. Units compete in blocks, of which at most one is on: probabilistic max-pooling.",
    look_for="Filters become strokes of all directions. Sparse units, through the sparsity cost, make them differ; "
    "a mean activity that stays at its start is a map that says nothing.",
    model=ConvRbm,
    settings=ConvRbmSettings,
    learners=(
        "persistent-cd",
        "contrastive-divergence",
        "pseudo-likelihood",
        "noise-contrastive",
        "maximum-likelihood",
    ),
    data="digits",
    binarization="threshold",
)
