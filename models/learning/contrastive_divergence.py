"""Contrastive divergence, and its persistent form: the gradient of an energy model by short Gibbs chains."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import (
    BoundsFreeEnergy,
    HasFreeEnergy,
    LearnsInPhases,
    RunsChain,
    ScalesSteps,
    StartsFromData,
    TooLarge,
)
from models.estimation.likelihood import pseudo_log_likelihood
from models.learning.base import ANEW, Learner, Learning, Quantity, Symptom, Ways, means
from models.learning.chain_symptoms import SETTLED, unmixed
from models.settings import Settings, setting
from models.spec import Batch, DataSpec, Support
from models.tempering import ladder, tempered_sweep

RECENT = 500  # examples: the newest that were monitored stand for the training set in the free-energy gap
FINAL_RATE = 0.02  # where the decay of the learning rate ends, as a part of its start
MONITORED = 10  # examples of each batch on which a step's figures are measured, and that are kept for the gap
ACTIVITY_RATE = 0.05  # of the running mean of each hidden unit's activity


class ContrastiveDivergenceSettings(Settings):
    learning_rate: float = setting(
        0.2,
        title="Learning rate",
        help="Step size, of the gradient averaged over the batch.",
        reference="Hinton (2012), section 7",
        gt=0,
        le=10,
        log=True,
    )
    decay: int = setting(
        4000,
        title="Learning-rate decay",
        help="The learning rate falls linearly to a fiftieth over this many steps, and stays there; 0 keeps it.",
        unit="steps",
        reference="Tieleman (2008), section 3",
        zero="off",
        ge=0,
        le=100_000_000,
    )
    k: int = setting(
        1,
        title="Gibbs transitions k",
        help="Transitions of the chain in each step; more are slower and nearer to the likelihood's gradient.",
        reference="Hinton (2002), CD-k",
        ge=1,
        le=1000,
    )
    momentum: float = setting(
        0.5,
        title="Momentum",
        help="Part of the last update that is kept.",
        reference="Hinton (2012), section 9",
        ge=0,
        lt=1,
    )
    weight_decay: float = setting(
        1e-3,
        title="Weight decay",
        help="Pulls weights (not biases) towards zero.",
        reference="Hinton (2012), section 10",
        zero="off",
        ge=0,
        le=1,
        log=True,
    )
    sparsity_cost: float = setting(
        0.0,
        title="Sparsity cost",
        help="How strongly the activity of hidden units is pulled towards the sparsity target; 0 leaves them alone.",
        reference="Hinton (2012), section 11",
        zero="off",
        ge=0,
        le=100,
    )
    sparsity_target: float = setting(
        0.1,
        title="Sparsity target",
        help="Wanted mean activity of a hidden unit, when the sparsity cost is not 0.",
        reference="Hinton (2012), section 11; Lee, Ekanadham & Ng (2008)",
        gt=0,
        lt=1,
    )

    def plain(self, **changed: Any) -> ContrastiveDivergenceSettings:
        """What is set here for contrastive divergence alone, but for what is `changed`."""
        return ContrastiveDivergenceSettings(
            **self.model_dump(include=set(ContrastiveDivergenceSettings.model_fields)) | changed
        )


class PersistentCdSettings(ContrastiveDivergenceSettings):
    chains: int = setting(
        100,
        title="Chains",
        help="Markov chains that live through the whole training.",
        reference="Tieleman (2008), section 3",
        ge=1,
        le=100_000,
    )
    temperatures: int = setting(
        1,
        title="Temperatures",
        help="Each chain has replicas at so many temperatures, which exchange their states so that the one at 1 mixes "
        "better; 1 is plain, others cost that many times as much.",
        reference="Desjardins et al. (2010); Cho, Raiko & Ilin (2010)",
        ge=1,
        le=200,
    )
    hottest: float = setting(
        5.0,
        title="Hottest temperature",
        help="Where there is more than one temperature: the highest. Their inverses are evenly spaced.",
        reference="Desjardins et al. (2010)",
        gt=1,
        le=1000,
    )


class _TwoPhases(Learner):
    """Ascends ⟨-∂E/∂θ⟩ under the data minus ⟨-∂E/∂θ⟩ under a chain.

    With the chain at its stationary distribution this is the gradient of the log-likelihood. Both terms are written
    down from sufficient statistics: no graph is recorded. Where hidden units are independent given the visible ones,
    they enter by their probabilities, which have less variance than draws; the chain itself is drawn (Hinton, 2012,
    section 3).
    """

    capturable = True
    needs: ClassVar[tuple[type, ...]] = (LearnsInPhases, RunsChain)
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("reconstruction", "Squared error", unit="mean", goal="lower"),
        Quantity("activity", "Hidden activity", unit="mean"),
        # held out less training; short, so that titles stand whole beside three values
        Quantity("free_energy_gap", "Free-energy gap"),
        Quantity("free_energy_bound_gap", "Free-energy bound gap"),
        Quantity("pseudo_likelihood", "Pseudo-log-likelihood", goal="higher"),
    )
    steps: Tensor
    mean_activity: Tensor
    recent: Tensor  # a ring of the newest examples that were monitored
    fed: Tensor  # how many of them there were so far

    def __init__(
        self, model: nn.Module, settings: ContrastiveDivergenceSettings, spec: DataSpec, examples: int
    ) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        for name, parameter in model.named_parameters():
            self.register_buffer(_velocity_name(name), torch.zeros_like(parameter))
        self.register_buffer("steps", torch.zeros(()))
        one = torch.zeros(1, *spec.event_shape)
        with torch.no_grad():
            shape = self.model.hidden_given(one).shape[1:]
        self.register_buffer("mean_activity", torch.full(shape, settings.sparsity_target))
        self.register_buffer("recent", torch.zeros(min(RECENT, examples), *spec.event_shape))
        self.register_buffer("fed", torch.zeros((), dtype=torch.int64))

    def begin(self) -> None:
        self._parameters_by_name = dict(self.model.named_parameters())
        self._velocities: dict[str, Tensor] = {n: getattr(self, _velocity_name(n)) for n in self._parameters_by_name}
        self._start_rate = torch.full_like(self.steps, self.settings.learning_rate)
        self._places = torch.arange(len(self.recent), device=self.fed.device)

    def learning_rate(self) -> Tensor:
        """The rate now, as a tensor, so that nothing waits for the device."""
        if not self.settings.decay:
            return self._start_rate
        return self._start_rate * (1 - self.steps * ((1 - FINAL_RATE) / self.settings.decay)).clamp(min=FINAL_RATE)

    def positive_phase(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """What stands for the hidden units given the data."""
        hidden: Tensor = self.model.hidden_given(x, generator)
        return hidden

    def of_chains(self) -> dict[str, Tensor]:
        """What is reported of the last negative phase."""
        return {}

    @abstractmethod
    def negative_phase(self, x: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Chains' visible states, and what stands for the hidden units given them."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.is_first(self.steps) and isinstance(self.model, StartsFromData):
            self.model.start_from(batch.x, self.examples)
        settings, velocities = self.settings, self._velocities
        positive = self.positive_phase(batch.x)
        few = slice(0, MONITORED)
        reported = {"reconstruction": self._error(batch.x[few], positive[few])}
        if positive.numel():  # there may be no hidden unit
            reported["activity"] = positive[few].mean()
        visible, negative = self.negative_phase(batch.x, positive)
        wanted = self._made_sparse(positive)
        self.model.add_statistics(velocities, batch.x, wanted, 1 / len(batch.x), keep=settings.momentum)
        self.model.add_statistics(velocities, visible, negative, -1 / len(visible))
        rate = self.learning_rate()
        scales = self.model.step_scales() if isinstance(self.model, ScalesSteps) else {}
        for name, parameter in self._parameters_by_name.items():
            if settings.weight_decay and parameter.ndim > 1:
                velocities[name].sub_(parameter, alpha=settings.weight_decay)
            parameter.addcmul_(velocities[name], rate * scales[name] if name in scales else rate)
        self.steps.add_(1)
        self._remember(batch.x[few])
        return reported | self.of_chains()

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        positive = self.positive_phase(batch.x, generator)
        found = {"reconstruction": self._error(batch.x, positive), "activity": positive}
        if isinstance(self.model, HasFreeEnergy):
            with suppress(TooLarge):  # a machine may have a free energy that cannot be summed
                found |= self._energies(self.model, batch.x, generator)
        elif isinstance(self.model, BoundsFreeEnergy) and (held := self._held()):
            bound = self.model.free_energy_bound
            found["free_energy_bound_gap"] = (
                bound(batch.x, generator).mean() - bound(self.recent[:held], generator).mean()
            )
        return means(**{key: value for key, value in found.items() if value.numel()})

    watches: ClassVar[tuple[str, ...]] = ("chains do not mix",)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        if self.steps < SETTLED:
            return None
        return unmixed(self.model, batch.x, self.against_sticking(), generator)

    def against_sticking(self) -> Ways:
        """What may help, and is not done yet."""
        more = min(4 * self.settings.k, 100)
        return {f"{more} sweeps a step": {"k": more}}

    def _energies(self, model: HasFreeEnergy, x: Tensor, generator: Generator) -> dict[str, Tensor]:
        found, energy = {}, model.free_energy(x)
        if held := self._held():
            found["free_energy_gap"] = energy.mean() - model.free_energy(self.recent[:held]).mean()
        if self.spec.support is Support.BITS:
            found["pseudo_likelihood"] = pseudo_log_likelihood(model, x, generator)
        return found

    def _held(self) -> int:
        """How many of the newest examples there are."""
        return min(int(self.fed), len(self.recent))

    def _remember(self, x: Tensor) -> None:
        newest = x[-len(self.recent) :]
        self.recent.index_copy_(0, (self._places[: len(newest)] + self.fed) % len(self.recent), newest)
        self.fed.add_(len(newest))

    def _gibbs(self, v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """k sweeps from v and h: the visible state reached, and what stands for the hidden units given it."""
        for _ in range(self.settings.k - 1):
            v, mean = self.model.sweep(v, h)
            h = self.model.draw_hidden(mean)
        reached: tuple[Tensor, Tensor] = self.model.sweep(v, h)
        return reached

    def _made_sparse(self, positive: Tensor) -> Tensor:
        """The hidden means moved towards the target: the penalty's gradient joins that of the data this way."""
        if not self.settings.sparsity_cost:
            return positive
        self.mean_activity.lerp_(positive.mean(0), ACTIVITY_RATE)
        return positive + self.settings.sparsity_cost * (self.settings.sparsity_target - self.mean_activity)

    def _error(self, x: Tensor, positive: Tensor) -> Tensor:
        return F.mse_loss(self.model.reconstruct(x, positive), x)


class ContrastiveDivergence(_TwoPhases):
    """CD-k: the chains start at the data in every step (Hinton, 2002). Not the gradient of any function, but cheap."""

    def negative_phase(self, x: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        return self._gibbs(x, self.model.draw_hidden(positive))


class PersistentContrastiveDivergence(_TwoPhases):
    """PCD-k: the chains go on from where the last step left them (Tieleman, 2008; Younes, 1989).

    While the learning rate is small, the model changes less than the chains move, and they stay near its distribution.
    """

    quantities = (
        *_TwoPhases.quantities,
        Quantity("exchanged", "Exchanges", unit="share accepted"),
    )
    visible_chains: Tensor
    hidden_chains: Tensor
    hot_visible: Tensor  # (temperatures - 1, chains, *event)  the replicas above temperature 1, where there are any
    hot_hidden: Tensor

    def __init__(self, model: nn.Module, settings: PersistentCdSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.temperatures = ladder(settings.temperatures, settings.hottest)
        self._exchanged: dict[str, Tensor] = {}
        with torch.no_grad():
            visible, hidden = self._start(settings.chains)
            self.register_buffer("visible_chains", visible)
            self.register_buffer("hidden_chains", hidden)
            if settings.temperatures > 1:
                hot = [self._start(settings.chains) for _ in self.temperatures[1:]]
                self.register_buffer("hot_visible", torch.stack([v for v, _ in hot]))
                self.register_buffer("hot_hidden", torch.stack([h for _, h in hot]))

    def chains(self) -> Tensor:
        return self.visible_chains

    @torch.no_grad()
    def begin_chains_at(self, x: Tensor) -> None:
        """Let the chains at temperature 1 go on from examples x, in turn: for a machine that does not begin anew."""
        x = x[torch.arange(len(self.visible_chains), device=x.device) % len(x)]
        self.visible_chains.copy_(x)
        self.hidden_chains.copy_(self.model.draw_hidden(self.model.hidden_given(x)))

    def of_chains(self) -> dict[str, Tensor]:
        return self._exchanged

    def against_sticking(self) -> Ways:
        if len(self.temperatures) > 1:
            return super().against_sticking()
        return {"10 temperatures": {"temperatures": 10, ANEW: True}} | super().against_sticking()

    def negative_phase(self, x: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        if len(self.temperatures) > 1:
            return self._tempered()
        visible, negative = self._gibbs(self.visible_chains, self.hidden_chains)
        self.visible_chains.copy_(visible)
        self.hidden_chains.copy_(self.model.draw_hidden(negative))
        return visible, negative

    def _tempered(self) -> tuple[Tensor, Tensor]:
        """k rounds of parallel tempering in place of k sweeps."""
        v = torch.cat([self.visible_chains[None], self.hot_visible])
        h = torch.cat([self.hidden_chains[None], self.hot_hidden])
        for _ in range(self.settings.k):
            reached = tempered_sweep(self.model, v, h, self.temperatures)
            v, h = reached.v, reached.h
        self.visible_chains.copy_(v[0])
        self.hidden_chains.copy_(h[0])
        self.hot_visible.copy_(v[1:])
        self.hot_hidden.copy_(h[1:])
        self._exchanged = {"exchanged": reached.accepted}
        return v[0], reached.hidden

    def _start(self, chains: int) -> tuple[Tensor, Tensor]:
        visible: Tensor = self.model.start_chain(chains).x
        hidden: Tensor = self.model.draw_hidden(self.model.hidden_given(visible))
        return visible, hidden


def _velocity_name(parameter: str) -> str:
    return f"velocity_{parameter.replace('.', '_')}"


LEARNING = Learning(
    "contrastive-divergence",
    "Contrastive divergence",
    "Boltzmann machines",
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
)


PERSISTENT_LEARNING = Learning(
    "persistent-cd",
    "Persistent contrastive divergence",
    "Boltzmann machines",
    PersistentContrastiveDivergence,
    PersistentCdSettings,
)
