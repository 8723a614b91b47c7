"""Generative stochastic network: a learned Markov chain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import NOTHING_HELD, ChainState, Held, TooLarge
from models.distributions import bernoulli, bernoulli_log_prob, gaussian_log_prob, require_temperature
from models.family import Family
from models.harmonium import ChainSettings, GibbsChain
from models.networks import flat
from models.settings import setting
from models.spec import DataSpec, Support, require


class GsnSettings(ChainSettings):
    hidden: int = setting(
        256,
        title="Hidden units",
        help="Width of each hidden layer.",
        reference="Bengio et al. (2014)",
        ge=1,
        le=8192,
    )
    layers: int = setting(
        1,
        title="Hidden layers",
        help="With one, the chain is that of a denoising auto-encoder; more have a state of their own that moves with "
        "the chain.",
        reference="Bengio et al. (2014)",
        ge=1,
        le=5,
    )
    corruption: float = setting(
        0.2,
        title="Salt and pepper",
        help="Share of the coordinates that are replaced by 0 or 1 at random before each step of the chain, in bits "
        "and grey values. More mixes faster and is harder to undo; 0.4 suits larger pictures.",
        reference="Bengio et al. (2014)",
        gt=0,
        le=1,
    )
    corruption_scale: float = setting(
        0.3,
        title="Gaussian corruption",
        help="Deviation of the noise that is added before each step of the chain, for real numbers.",
        reference="Alain & Bengio (2014), σ",
        gt=0,
        le=100,
        log=True,
    )
    first_noise: float = setting(
        0.0,
        title="Noise, first layer",
        help="Deviation of the Gaussian noise before and after the tanh of the first hidden layer, which already hears "
        "a corrupted example.",
        reference="Bengio et al. (2014)",
        ge=0,
        le=10,
    )
    noise: float = setting(
        1.0,
        title="Noise, higher layers",
        help="Deviation of the Gaussian noise before and after the tanh of every other hidden layer; 2 suits wide "
        "layers.",
        reference="Bengio et al. (2014)",
        ge=0,
        le=10,
    )


class Gsn(GibbsChain):
    """The stationary distribution of a chain that corrupts an example, encodes it with noise, and draws it anew.

    Bengio, Thibodeau-Laufer, Alain & Yosinski (2014): the network of their experiments. With x the example, h_1 … h_K
    hidden layers, x̃ ~ C(x̃ | x) a corruption, η Gaussian noise, and weights that are shared by both directions:
    h_k = η' + tanh(η + b_k + h_{k-1} W_k + h_{k+1} W_{k+1}ᵀ), where h_0 is x̃, and x ~ P(x | h_1), which is factorial:
    Bernoulli with logits b_0 + h_1 W_1ᵀ, or Gaussian around them. A transition moves the odd layers given the even
    ones, then the even ones, x among them, given the odd ones. Odd layers are forgotten, so that (x, h_2, h_4, …) is
    the state; one layer is the chain of a denoising auto-encoder (Bengio, Yao, Alain & Vincent, 2013).

    If P(x | h) is right, the stationary distribution is that of the data, as they prove; there is no energy and no
    likelihood. x: (B, *event); h_k: (B, hidden). Grey values are drawn as bits, as in the paper: their means are what
    to look at.
    """

    def __init__(self, settings: GsnSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.sweeps, self.settings = spec.event_shape, settings.sweeps, settings
        self.is_bernoulli = spec.support is not Support.REALS
        self.noise = (settings.first_noise, *[settings.noise] * (settings.layers - 1))
        sizes = [spec.dimensions, *[settings.hidden] * settings.layers]
        self.weights = nn.ParameterList(
            nn.init.xavier_uniform_(torch.empty(sizes[k], sizes[k + 1])) for k in range(settings.layers)
        )
        self.biases = nn.ParameterList(torch.zeros(size) for size in sizes)  # of x, then of each hidden layer
        if not self.is_bernoulli:
            self.log_scale = nn.Parameter(torch.full((), settings.corruption_scale).log())  # of P(x | h_1)

    @staticmethod
    def check(settings: GsnSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is neither bits, values in 0…1 nor real numbers."""
        require(spec, Support.BITS, Support.UNIT, Support.REALS, model="The generative stochastic network")

    # One transition, in parts.

    def corrupt(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """x̃ ~ C(x̃ | x): each coordinate replaced by a fair bit with probability `corruption`; Gaussian noise added
        where the data are real numbers. (B, *event) -> the same."""
        if not self.is_bernoulli:
            return x + self.settings.corruption_scale * _normal(x, generator)
        u = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        p = self.settings.corruption
        return torch.where(u < p, (u < p / 2).to(x), x)

    def encode_odd(
        self, corrupted: Tensor, hidden: Sequence[Tensor], generator: Generator | None = None
    ) -> list[Tensor]:
        """The hidden layers, with h_1, h_3, … drawn anew given x̃ (B, *event) and the others."""
        return self._moved(0, hidden, generator, flat(corrupted))

    def encode_even(self, hidden: Sequence[Tensor], generator: Generator | None = None) -> list[Tensor]:
        """The hidden layers, with h_2, h_4, … drawn anew given the others."""
        return self._moved(1, hidden, generator)

    def output(self, first: Tensor) -> Tensor:
        """The parameters of P(x | h_1): logits or means, (B, hidden) -> (B, D)."""
        return torch.addmm(self.biases[0], first, self.weights[0].t())

    def log_reconstruction(self, x: Tensor, output: Tensor) -> Tensor:
        """log P(x | h_1) in nats, `output` being that of h_1: (B, *event), (B, D) -> (B,)."""
        if self.is_bernoulli:
            return bernoulli_log_prob(flat(x), output).sum(-1)
        return gaussian_log_prob(flat(x), output, self.log_scale).sum(-1)

    def draw(self, output: Tensor, temperature: float = 1.0, generator: Generator | None = None) -> ChainState:
        """x ~ P(x | h_1) to the power of 1 / `temperature`, normalised, with its mean. No gradient flows through x."""
        mean = self.mean(output / temperature if self.is_bernoulli else output)
        if self.is_bernoulli:
            return ChainState(bernoulli(mean, generator), mean)
        scale = self.log_scale.detach().exp() * temperature**0.5
        return ChainState(mean.detach() + scale * _normal(mean, generator), mean)

    def mean(self, output: Tensor) -> Tensor:
        """E[x | h_1], `output` being that of h_1: (B, D) -> (B, *event)."""
        return (output.sigmoid() if self.is_bernoulli else output).reshape(-1, *self.event_shape)

    # Learning.

    def start_from(self, x: Tensor, examples: int) -> None:
        """P(x | h_1 = 0) is that of independent coordinates with the means of x: a tanh has no side of its own, and
        this keeps the chain on the side of the data."""
        mean = flat(x).mean(0)
        with torch.no_grad():
            self.biases[0].copy_(mean.clamp(0.01, 0.99).logit() if self.is_bernoulli else mean)

    def walk_back(self, x: Tensor, steps: int, generator: Generator | None = None) -> Tensor:
        hidden: Sequence[Tensor] = self._rest(len(x))
        steps = max(steps, self.settings.layers)  # fewer would leave the top layer unused
        found, now = [], x
        for step in range(steps):
            hidden = self.encode_odd(self.corrupt(now, generator), hidden, generator)
            output = self.output(hidden[0])
            found.append(self.log_reconstruction(x, output))
            if step < steps - 1:
                now = self.draw(output, generator=generator).x
                hidden = self.encode_even(hidden, generator)
        return torch.stack(found)

    # The chain.

    def transition_probabilities(self, states: Tensor) -> Tensor:
        """Σ_x̃ C(x̃ | x) P(x' | h_1(x̃)). Raises TooLarge with more than one hidden layer, or noise in it: then a sum over
        x̃ is not all there is."""
        if self.settings.layers > 1 or self.noise[0] or not self.is_bernoulli:
            raise TooLarge("Transitions are summed of bits with one hidden layer that has no noise of its own.")
        x = flat(states)
        flipped, half = torch.cdist(x, x, p=1).round(), self.settings.corruption / 2
        corruption = half**flipped * (1 - half) ** (x.shape[1] - flipped)  # (S, S)
        logits = self.output(self.encode_odd(x, self._rest(len(x)))[0])
        repair = torch.addmm(-F.softplus(logits).sum(1, keepdim=True), logits, x.t()).exp()  # P(x' | x̃)
        return corruption @ repair

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """x ~ P(x | h_1 = 0). Fair coins would not do: a chain that starts far from all data may stay there."""
        return self.draw(self.biases[0].expand(n, -1), generator=generator)

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.settings.hidden,),) * self.settings.layers

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Where the hidden layers are after as many transitions from rest as there are layers, x being kept."""
        hidden: Sequence[Tensor] = self._rest(len(x))
        for _ in range(self.settings.layers):
            hidden = self.encode_even(self.encode_odd(self.corrupt(x, generator), hidden, generator), generator)
        return tuple(hidden)

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """One transition of x and all hidden layers. The temperature is that of P(x | h_1); what is held of x is
        corrupted as well on its way to h_1, as in learning."""
        require_temperature(temperature)
        before = state.hidden or self.infer(state.x, generator)
        hidden = self.encode_odd(self.corrupt(state.x, generator), before, generator)
        hidden = _keep(held.hidden, before, hidden)
        drawn = self.draw(self.output(hidden[0]), temperature, generator)
        hidden = _keep(held.hidden, before, self.encode_even(hidden, generator))
        x, mean = drawn.x, drawn.mean
        if held.x is not None:
            x, mean = torch.where(held.x, state.x, x), torch.where(held.x, state.x, mean)
        return ChainState(x, mean, tuple(hidden))

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        for k in range(layer, 0, -1):
            h = torch.addmm(self.biases[k], h, self.weights[k].t()).tanh()
        return self.mean(self.output(h))

    def filters(self) -> Tensor:
        return self.weights[0].t().reshape(-1, *self.event_shape)

    def _rest(self, n: int) -> list[Tensor]:
        """Hidden layers before they have heard of an example."""
        return [bias.new_zeros(n, len(bias)) for bias in list(self.biases)[1:]]

    def _moved(
        self, first: int, hidden: Sequence[Tensor], generator: Generator | None, x: Tensor | None = None
    ) -> list[Tensor]:
        """`hidden` with every second layer from `first` on drawn given its neighbours; x (B, D) lies under layer 0."""
        moved = list(hidden)
        for k in range(first, len(moved), 2):
            below = moved[k - 1] if k or x is None else x
            heard = torch.addmm(self.biases[k + 1], below, self.weights[k])
            if k + 1 < len(moved):
                heard = torch.addmm(heard, moved[k + 1], self.weights[k + 1].t())
            moved[k] = self._noisy(self._noisy(heard, k, generator).tanh(), k, generator)
        return moved

    def _noisy(self, h: Tensor, k: int, generator: Generator | None) -> Tensor:
        return h + self.noise[k] * _normal(h, generator) if self.noise[k] else h


def _keep(held: Sequence[Tensor | None], before: Sequence[Tensor], after: list[Tensor]) -> list[Tensor]:
    """`after`, where a unit is held as it was `before`."""
    for k, mask in enumerate(held):
        if mask is not None:
            after[k] = torch.where(mask, before[k], after[k])
    return after


def _normal(like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


FAMILY = Family(
    key="gsn",
    title="Generative stochastic network",
    group="energy",
    lecture="Generative stochastic networks",
    summary="A chain that spoils an example and repairs it, over and over; what it learns is to repair. The model "
    "is where the chain comes to rest.",
    look_for="Samples are whole digits early, because one repair is easy to learn. The last walkback is repaired "
    "worse than the first: how much of an example its chain has forgotten by then.",
    model=Gsn,
    settings=GsnSettings,
    learners=("walkback",),
    data="digits",
    binarization="threshold",
)
