"""The up-down algorithm: wake and sleep below an undirected machine at the top."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import LearnsUpAndDown, StacksMachines
from models.learning.base import Learner, Learning, Quantity, means
from models.learning.contrastive_divergence import (
    FINAL_RATE,
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
)
from models.learning.layerwise import GreedyLayers, GreedyStartSettings
from models.settings import setting
from models.spec import Batch, DataSpec, Layout, Support


class UpDownSettings(GreedyStartSettings):
    learning_rate: float = setting(
        0.05,
        title="Learning rate",
        help="Step size of the wake and the sleep phase, and of the machine at the top.",
        reference="Hinton, Osindero & Teh (2006), appendix B, r",
        gt=0,
        le=10,
        log=True,
    )
    decay: int = setting(
        4000,
        title="Learning-rate decay",
        help="The learning rate falls linearly to a fiftieth over this many steps after the greedy ones, and stays "
        "there; 0 keeps it.",
        unit="steps",
        zero="off",
        ge=0,
        le=100_000_000,
    )
    k: int = setting(
        3,
        title="Gibbs transitions k",
        help="Transitions of the machine at the top, between what it is given when awake and what it dreams from.",
        reference="Hinton, Osindero & Teh (2006), appendix B: 3, later 6 and 10",
        ge=1,
        le=1000,
    )


class UpDown(Learner):
    """Wake: draw upwards from data by recognition, and raise the log-probability that the generative parameters give to
    what was drawn. The machine at the top learns by contrastive divergence from what is recognised. Sleep: dream
    downwards from where its chains end, and raise the log-probability of the dream's causes under recognition (Hinton,
    Osindero & Teh, 2006, appendix B). Each is a delta rule, local to a layer; the stack first learns greedily.

    Sleep follows KL(p‖q) and not KL(q‖p), so that the bound on log p(x) may fall.
    """

    needs = (StacksMachines, LearnsUpAndDown)
    quantities = (
        Quantity("wake", "Awake: log p(below | above)"),  # falls where more is said above
        Quantity("sleep", "Asleep: log q(above | below)", goal="higher"),
        *ContrastiveDivergence.quantities,
    )
    steps: Tensor  # after the greedy ones

    def __init__(self, model: nn.Module, settings: UpDownSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        self.register_buffer("steps", torch.zeros(()))
        self.greedy = GreedyLayers(model, settings.rule(), settings.layer_steps, True, spec, examples)
        rule = ContrastiveDivergenceSettings(
            learning_rate=settings.learning_rate,
            decay=settings.decay,
            k=settings.k,
            momentum=0.0,
            weight_decay=settings.weight_decay,
        )
        machine = self.model.top_machine()
        seen = DataSpec(tuple(machine.event_shape), Support.BITS, Layout.VECTOR)
        self.top = _TopMachine(machine, rule, seen, examples)
        del self.top.model  # the state has it once, in the model

    def begin(self) -> None:
        self.greedy.begin(self.model)
        self._top().begin()
        of_top = {id(p) for p in self.model.top_machine().parameters()}
        self._directed = [p for p in self.model.parameters() if id(p) not in of_top]
        self._start_rate = torch.full_like(self.steps, self.settings.learning_rate)

    @property
    def phase(self) -> str:
        return "up and down" if self.greedy.done else self.greedy.phase

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if not self.greedy.done:
            return self.greedy.step(self.model, batch)
        log_p, seen = self.model.wake(batch.x, batch.y)
        reported = self._top().step(Batch(seen, batch.y, batch.index))
        log_q = self.model.sleep(self.top.reached)
        gradients = torch.autograd.grad(log_p.mean() + log_q.mean(), self._directed)
        rate = self.learning_rate()
        with torch.no_grad():
            for parameter, gradient in zip(self._directed, gradients, strict=True):
                parameter.addcmul_(gradient, rate)
            self.steps.add_(1)
        return {**means(wake=log_p, sleep=log_q), **reported}

    def learning_rate(self) -> Tensor:
        """The rate now, as a tensor, so that nothing waits for the device."""
        if not self.settings.decay:
            return self._start_rate
        return self._start_rate * (1 - self.steps * ((1 - FINAL_RATE) / self.settings.decay)).clamp(min=FINAL_RATE)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        if not self.greedy.done:
            return self.greedy.held_out(self.model, batch, generator)
        log_p, _ = self.model.wake(batch.x, batch.y, generator)
        return means(wake=log_p, sleep=self.model.sleep(self.model.draw_top(len(batch.x), generator), generator))

    def _top(self) -> _TopMachine:
        object.__setattr__(self.top, "model", self.model.top_machine())  # lent: no module of the rule
        return self.top


class _TopMachine(ContrastiveDivergence):
    """Remembers, until the next step, the visible states that its chains reached."""

    reached: Tensor

    def negative_phase(self, x: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        self.reached, negative = super().negative_phase(x, positive)
        return self.reached, negative


LEARNING = Learning(
    "up-down",
    "Wake and sleep, up and down",
    "Boltzmann machines",
    UpDown,
    UpDownSettings,
)
