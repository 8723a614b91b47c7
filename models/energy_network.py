"""Energy network: a neural network that says how improbable an example is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import ChainState
from models.distributions import LOG_2PI, require_temperature
from models.family import Family
from models.langevin import Energy, Walk, adjusted_step, spread, walled
from models.networks import Activation, convolutions, flat, mlp
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require

Network = Literal["convolutional", "fully connected"]


class EnergyNetworkSettings(Settings):
    network: Network = setting(
        "convolutional",
        title="Network",
        help="How the energy sees images; convolutions that halve the image from the second on. Other data are always "
        "seen by a fully connected network.",
        reference="Xie et al. (2016)",
    )
    width: int = setting(
        128, title="Width", help="Hidden units of each layer, or its channels if it is convolutional.", ge=1, le=4096
    )
    layers: int = setting(3, title="Hidden layers", help="Layers before the energy is read off.", ge=1, le=8)
    activation: Activation = setting(
        "tanh",
        title="Activation",
        help="Non-linearity of the hidden layers. A smooth one (silu, softplus, tanh) gives chains a gradient that "
        "changes little over a step.",
        reference="Du & Mordatch (2019)",
    )
    step_size: float = setting(
        0.1,
        title="Chain step size",
        help="Of the chain that is watched and that samples are taken from. Its moves are tested, so that any size is "
        "right: larger ones go further, but are refused more often.",
        unit="σ of the data",
        reference="Roberts & Rosenthal (1998)",
        gt=0,
        le=10,
        log=True,
    )
    jumps: float = setting(
        0.1,
        title="Chain jump probability",
        help="How often a move is a jump as far as the data are spread, instead of a step. In the plane that is how "
        "chains come from one mode to another; in many dimensions hardly a jump is accepted.",
        reference="Metropolis et al. (1953)",
        ge=0,
        le=1,
    )
    steps: int = setting(
        200,
        title="Steps per sample",
        help="Of the chain, from noise, before its state counts as a sample.",
        unit="steps",
        reference="Nijkamp et al. (2020)",
        ge=1,
        le=100_000,
    )


class EnergyNetwork(nn.Module):
    """p(x) = exp(-E(x)) / Z with E(x) = f(u) + ½|u|², u = (x - m) / s and a network f: a deep energy model, written as
    the tilting of a Gaussian N(m, s²) by exp(-f) (Xie, Lu, Zhu & Wu, 2016).

    m and s are the mean and spread of the data that are seen first, so that no unit matters; f grows at most in
    proportion to |u|, so that Z is finite whatever the weights. Where data lie in 0…1, so does p, and its chain is
    reflected at both ends. There are no latent units: the free energy is E itself, in nats up to the constant log Z.

    **The chain** is Metropolis-adjusted Langevin (models/langevin.py): exactly invariant and reversible, so that
    annealed importance sampling and its reverse hold along the path from N(m', s²) to p. Learning may use faster,
    unadjusted steps (models/learning/langevin_ml.py).

    x: (B, *event), real or in 0…1; takes no bits, in which there is no gradient to follow.
    """

    centre: Tensor  # m (*event)
    scale: Tensor  # s (*event)

    def __init__(self, settings: EnergyNetworkSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.spec, self.event_shape = spec, spec.event_shape
        self.walls = walled(spec)
        self.step_size, self.jumps, self.steps = settings.step_size, settings.jumps, settings.steps
        middle = 0.5 if self.walls else 0.0
        self.register_buffer("centre", torch.full(spec.event_shape, middle))
        self.register_buffer("scale", torch.full(spec.event_shape, middle or 1.0))
        hidden = [settings.width] * settings.layers
        self.network: nn.Module
        if settings.network == "convolutional" and spec.layout is Layout.IMAGE:
            self.network = convolutions(spec.event_shape, hidden, settings.activation)
        else:
            self.network = nn.Sequential(nn.Flatten(), mlp([spec.dimensions, *hidden, 1], settings.activation))

    @staticmethod
    def check(settings: EnergyNetworkSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData unless the data is continuous: Langevin dynamics follows a gradient in x."""
        if spec.support is Support.BITS:
            raise UnsuitableData(
                "An energy network cannot model bits: its chain follows the gradient of the energy with respect to the "
                "example, and a bit cannot move a little. Choose binarisation: none, so that values stay in 0…1, or a "
                "Boltzmann machine."
            )
        require(spec, Support.UNIT, Support.REALS, model="An energy network")

    def start_from(self, x: Tensor, examples: int) -> None:
        """Take m and s from data (B, *event)."""
        self.centre.copy_(x.mean(0))
        self.scale.copy_(spread(x, self.spec))

    def free_energy(self, x: Tensor) -> Tensor:
        u = (x - self.centre) / self.scale
        energy: Tensor = self.network(u).squeeze(-1) + 0.5 * flat(u).square().sum(-1)
        return energy

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Noise: draws of the Gaussian that the network tilts."""
        x = self.annealed_sample_base(n, self.centre.flatten(), generator)
        return ChainState(x, x)

    def transition(
        self,
        x: Tensor,
        clamp: Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        """One Metropolis-adjusted Langevin step at exp(-E / `temperature`); `mean` is the state itself."""
        require_temperature(temperature)
        clamp = None if clamp is None else clamp.expand_as(x)
        moved = self._move(lambda y: self.free_energy(y) / temperature, x, clamp, generator)
        return ChainState(moved, moved)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """States of n chains after `steps` transitions from noise: samples as far as the chain has mixed."""
        return self._move(self.free_energy, self.start_chain(n, generator).x, None, generator, self.steps)

    def _move(self, energy: Energy, x: Tensor, clamp: Tensor | None, generator: Generator | None, n: int = 1) -> Tensor:
        walk, step = Walk.at(energy, x), self.step_size * self.scale
        for _ in range(n):
            walk = adjusted_step(energy, walk, step, self.walls, clamp, generator, self.jumps, self.scale)
        return walk.x

    # The path from a Gaussian to the model: p_β ∝ N(x; base, s²)^(1 - β) exp(-β E(x)) (Neal, 2001).

    def annealed_base(self, data: Tensor) -> Tensor:
        """The means of independent Gaussians that match the data; their spread is the model's s."""
        return data.mean(0).flatten().to(self.scale)

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return -beta * self.free_energy(x) - (1 - beta) * 0.5 * self._standard(x, base).square().sum(-1)

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        s = self.scale.flatten()
        log_z = s.log() + 0.5 * LOG_2PI
        if self.walls:
            low, high = self._wall_probabilities(base)
            log_z = log_z + (high - low).log()
        return log_z.sum()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        s, shape = self.scale.flatten(), (n, len(base))
        if self.walls:
            low, high = self._wall_probabilities(base)
            u = torch.rand(shape, generator=generator, device=s.device, dtype=s.dtype)
            x = (base + s * torch.special.ndtri(low + u * (high - low))).clamp(0, 1)
        else:
            x = base + s * torch.randn(shape, generator=generator, device=s.device, dtype=s.dtype)
        return x.reshape(n, *self.event_shape)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        return self._move(lambda y: -self.annealed_log_prob(y, beta, base), x, None, generator)

    def _standard(self, x: Tensor, base: Tensor) -> Tensor:
        return (flat(x) - base) / self.scale.flatten()

    def _wall_probabilities(self, base: Tensor) -> tuple[Tensor, Tensor]:
        """Φ at the walls of 0 and 1, for the Gaussians of the base."""
        s = self.scale.flatten()
        return torch.special.ndtr(-base / s), torch.special.ndtr((1 - base) / s)


FAMILY = Family(
    key="energy-network",
    title="Energy network",
    group="energy",
    lecture="Boltzmann machines",
    summary="A network gives each example an energy, and e to the minus energy is its probability, up to a "
    "constant. Samples roll down the energy under noise (Langevin dynamics).",
    look_for="The energies of chains and of data stay together; when they part for good, the chains are too slow "
    "or their steps too large. The denoised share says how good the landscape is.",
    model=EnergyNetwork,
    settings=EnergyNetworkSettings,
    learners=("langevin-ml", "noise-contrastive"),
    data="ring",
)
