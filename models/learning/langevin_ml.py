"""Maximum likelihood of an energy model, whose expectations under the model are taken from Langevin chains."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import HasFreeEnergy, RunsChain, StartsFromData
from models.langevin import Walk, add_noise, adjusted_step, slope, spread, unadjusted_step, walled
from models.learning.ascent import AscentSettings, GradientAscent, require_free_energy
from models.learning.base import Learning, Quantity, means
from models.settings import setting
from models.spec import Batch, DataSpec

MONITORED = 64  # examples of each batch on which the denoised share is measured


class LangevinMlSettings(AscentSettings):
    clip: float = setting(
        1.0,
        title="Largest gradient norm",
        help="Longer gradients are scaled down to this norm; 0 leaves them.",
        reference="Pascanu, Mikolov & Bengio (2013), algorithm 1",
        zero="off",
        ge=0,
        le=1e6,
    )
    transitions: int = setting(
        20,
        title="Langevin steps k",
        help="Steps of each chain before the weights change; more are slower and nearer to the likelihood's gradient.",
        reference="Du & Mordatch (2019), K",
        ge=1,
        le=10_000,
    )
    step_size: float = setting(
        0.1,
        title="Step size",
        help="Of Langevin dynamics while learning. Too large a step cannot follow narrow valleys of the energy: its "
        "moves are refused, or, where they are not tested, diverge. Half of them accepted is a good number.",
        unit="σ of the data",
        reference="Nijkamp et al. (2019), ε",
        gt=0,
        le=10,
        log=True,
    )
    noise: float = setting(
        1.0,
        title="Chain noise",
        help="Of moves that are not tested: 1 is Langevin dynamics of the model. Less lets chains run to the bottom of "
        "valleys, which gives sharp samples and energies that are no log-probabilities.",
        reference="Nijkamp et al. (2020)",
        ge=0,
        le=10,
    )
    adjusted: bool = setting(
        True,
        title="Metropolis test",
        help="Accept or refuse each move of a chain so that it is exactly one of the model, whatever the step size; "
        "with noise 1 only. Without, chains are Langevin dynamics as it stands, which may diverge.",
        reference="Roberts & Tweedie (1996)",
    )
    jumps: float = setting(
        0.1,
        title="Jump probability",
        help="How often a tested move is a jump as far as the data are spread, instead of a step. In the plane that is "
        "how chains come from one mode to another; in many dimensions hardly a jump is accepted.",
        reference="Metropolis et al. (1953)",
        ge=0,
        le=1,
    )
    chains: int = setting(
        5000,
        title="Replay buffer",
        help="Chains that are kept. Each step goes on with as many of them as it has examples, all in turn.",
        reference="Du & Mordatch (2019), algorithm 1",
        ge=1,
        le=1_000_000,
    )
    fresh: float = setting(
        0.05,
        title="Fresh chains",
        help="The probability that a chain begins anew from noise when its turn comes.",
        reference="Du & Mordatch (2019), algorithm 1",
        ge=0,
        le=1,
    )
    data_noise: float = setting(
        0.1,
        title="Noise on data",
        help="Added to the examples, so that the density to be learned is nowhere infinitely steep.",
        unit="σ of the data",
        reference="Nijkamp et al. (2020)",
        gt=0,
        le=1,
        log=True,
    )
    regularization: float = setting(
        1e-3,
        title="Energy regularisation",
        help="Weight of the squared energies of data and chains, which keeps them near 0.",
        reference="Du & Mordatch (2019), α",
        zero="off",
        ge=0,
        le=100,
        log=True,
    )


class LangevinMl(GradientAscent):
    """Descends ⟨E⟩ over data minus ⟨E⟩ over chains: with the chains at exp(-E)/Z, that is the gradient of the mean
    -log p (Xie, Lu, Zhu & Wu, 2016). The chains go on from a replay buffer (Du & Mordatch, 2019, algorithm
    1; the idea is Tieleman's of 2008), a small part of them from noise again.

    No quantity here is the likelihood. The gap of energies hovers about 0 as long as chains keep up. The denoised share
    says how good the energy's gradient is: a step of -σ²∇E from an example with noise σ should lead to where the
    example was. It needs no log Z, and is highest for the density of the noisy data itself, which is what is learned
    (Vincent, 2011).
    """

    needs = (HasFreeEnergy, RunsChain)
    quantities = (
        Quantity("denoised", "Denoised share", unit="of the noise", goal="higher"),
        Quantity("energy_gap", "Energy, chains − data"),
        Quantity("energy", "Energy of data", limit=1e6),
        Quantity("accepted", "Accepted moves", unit="probability"),
        Quantity("chain_spread", "Spread of chains", unit="of the data's", limit=20.0),
    )
    remedies = (
        "a smaller step size of the chains, a smaller learning rate, more Langevin steps, or stronger energy "
        "regularisation"
    )
    replay: Tensor  # (chains, *event)
    place: Tensor  # 0-d int64: the chain whose turn it is
    scale: Tensor  # (*event)  standard deviations of the first batch
    centre: Tensor  # (*event)  its mean
    begun: Tensor  # 0-d int64: 1 once a step was done
    settings: LangevinMlSettings

    def __init__(self, model: nn.Module, settings: LangevinMlSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings, self.walls = settings, walled(spec)
        self.register_buffer("replay", self.model.start_chain(settings.chains).x)
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))
        self.register_buffer("scale", torch.ones(spec.event_shape))
        self.register_buffer("centre", torch.zeros(spec.event_shape))
        self.register_buffer("begun", torch.zeros((), dtype=torch.int64))

    def begin(self) -> None:
        require_free_energy(self.model, self.spec)
        super().begin()

    def chains(self) -> Tensor:
        return self.replay

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.is_first(self.begun):
            self._start(batch.x)
        x = add_noise(batch.x, self._sigma(), self.walls)
        chains, moved = self._advance(min(len(x), len(self.replay)))
        of_data, of_chains = self.model.free_energy(torch.cat([x, chains])).split([len(x), len(chains)])
        self.ascend(-self.loss(of_data, of_chains))
        few = slice(0, MONITORED)
        return {
            **means(denoised=self._denoised(batch.x[few], x[few])),
            **self._report(of_data, of_chains, chains),
            **moved,
        }

    def loss(self, of_data: Tensor, of_chains: Tensor) -> Tensor:
        """What is lowered, of the energies of examples and of chains, each (n,): a 0-d tensor."""
        gap = of_data.mean() - of_chains.mean()
        return gap + self.settings.regularization * (of_data.square().mean() + of_chains.square().mean())

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        x = add_noise(batch.x, self._sigma(), self.walls, generator)
        chains = self.replay[: len(x)]
        report = self._report(self.model.free_energy(x), self.model.free_energy(chains), chains)
        del report["chain_spread"]  # which says nothing about the data
        return {**means(denoised=self._denoised(batch.x, x)), **report}

    def _start(self, x: Tensor) -> None:
        """Before the very first step, take scales from its batch and fill the buffer."""
        if isinstance(self.model, StartsFromData):
            self.model.start_from(x, self.examples)
        self.centre.copy_(x.mean(0))
        self.scale.copy_(spread(x, self.spec))
        self.replay.copy_(self.model.start_chain(len(self.replay)).x)
        self.begun.fill_(1)

    def _advance(self, n: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The next n chains of the buffer, some of them begun anew, k steps later: (n, *event), and what is reported of
        their moves."""
        settings, size = self.settings, len(self.replay)
        places = (self.place + torch.arange(n, device=self.place.device)) % size
        fresh = torch.rand(n, device=self.replay.device) < settings.fresh
        shape = (-1, *[1] * (self.replay.ndim - 1))
        x = torch.where(fresh.reshape(shape), self.model.start_chain(n).x, self.replay[places])
        x, moved = self._moved(x)
        self.replay.index_copy_(0, places, x)
        self.place.add_(n).remainder_(size)
        return x, moved

    def _moved(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        settings, energy, step = self.settings, self.model.free_energy, self.settings.step_size * self.scale
        if settings.adjusted:
            walk, accepted = Walk.at(energy, x), x.new_zeros(len(x))
            for _ in range(settings.transitions):
                walk = adjusted_step(energy, walk, step, self.walls, jumps=settings.jumps, reach=self.scale)
                accepted += walk.accepted
            return walk.x, means(accepted=accepted / settings.transitions)
        for _ in range(settings.transitions):
            x = unadjusted_step(energy, x, step, settings.noise, self.walls)
        return x, {}

    def _sigma(self) -> Tensor:
        return self.settings.data_noise * self.scale

    def _denoised(self, x: Tensor, noisy: Tensor) -> Tensor:
        """What the step -σ²∇E takes from the mean of |towards|², as a part of σ² in each coordinate: (B,). Written
        without |towards|² itself, which does not depend on the model and is most of the scatter."""
        sigma = self._sigma()
        _, gradient = slope(self.model.free_energy, noisy)
        towards = self._towards(x, noisy, sigma)
        return -(sigma.square() * gradient.square() + 2 * gradient * towards).flatten(1).mean(1)

    def _towards(self, x: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """σ²∇ log q(noisy | x): to x itself, or, between walls, also to what the walls reflect of it."""
        if not self.walls:
            return x - noisy
        images = torch.stack([x, -x, 2 - x]) - noisy
        shares = (-0.5 * (images / sigma).square()).softmax(0)
        return (shares * images).sum(0)

    def _report(self, of_data: Tensor, of_chains: Tensor, chains: Tensor) -> dict[str, Tensor]:
        away = ((chains - self.centre) / self.scale).square().mean().sqrt()
        return means(energy_gap=of_chains.mean() - of_data.mean(), energy=of_data, chain_spread=away)


LEARNING = Learning(
    "langevin-ml",
    "Langevin dynamics",
    "Boltzmann machines",
    LangevinMl,
    LangevinMlSettings,
)
