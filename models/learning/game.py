"""What adversarial learners share: two players that move in turn, each with a step size of its own."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Collection
from contextlib import nullcontext
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.capabilities import FacesDiscriminator, Samples, SamplesOfClass
from models.learning.base import ANEW, Learner, Symptom, Ways, adam, means
from models.learning.critics import Critic, CriticSettings
from models.learning.game_symptoms import SAMPLES, SETTLED, mode_collapse
from models.normalisation import held
from models.settings import Settings, setting
from models.spec import Batch, DataSpec, Support

Player = Literal["discriminator", "generator"]
PLAYERS: tuple[Player, ...] = ("discriminator", "generator")  # in the order of their turns


class PlayerSettings(Settings):
    """How the two players move."""

    generator_rate: float = setting(
        1e-3, title="Generator learning rate", help="Step size of the generator's Adam.", gt=0, le=1, log=True
    )
    discriminator_rate: float = setting(
        2e-4,
        title="Discriminator learning rate",
        help="Step size of the discriminator's Adam. Slower than the generator's keeps it from being sure too early on "
        "images; on points in the plane equal rates find more modes.",
        reference="Heusel et al. (2017), two time scales",
        gt=0,
        le=1,
        log=True,
    )
    beta1: float = setting(
        0.5,
        title="Momentum β₁",
        help="Adam's average of gradients, for both players. High values let the game oscillate.",
        reference="Radford et al. (2016)",
        ge=0,
        lt=1,
    )
    discriminator_steps: int = setting(
        1,
        title="Discriminator steps",
        help="Discriminator updates before each generator update, each on a minibatch of its own.",
        reference="Goodfellow et al. (2014), algorithm 1, k",
        ge=1,
        le=100,
    )
    average: float = setting(
        0.99,
        title="Generator average",
        help="Samples are shown from a moving average of the generator's weights with this decay; 0 shows the "
        "generator itself. The game circles its solution, and the average lies nearer to it.",
        reference="Yazıcı et al. (2019), β",
        zero="off",
        ge=0,
        lt=1,
    )


class GameSettings(PlayerSettings, CriticSettings):
    """And what the discriminator is."""


class Game(Learner):
    """Alternating Adam steps of a discriminator and a generator (Goodfellow et al., 2014, algorithm 1).

    A subclass says what each player lowers. What is reported of a turn is from before its step.
    """

    capturable = True
    needs: ClassVar[tuple[type, ...]] = (FacesDiscriminator,)
    moves: frozenset[Player] = frozenset(PLAYERS)  # who changes at a step; the others' turns are only reported

    def __init__(self, model: nn.Module, settings: PlayerSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings: Any = settings
        self.minibatches = settings.discriminator_steps
        self.discriminator = self.make_discriminator()
        # kept also with a decay of 0, when it equals the generator, so that there is one way to save and to show
        self.average = copy.deepcopy(model).requires_grad_(False)
        self._follow = get_ema_multi_avg_fn(settings.average)

    @staticmethod
    def check(settings: GameSettings, spec: DataSpec) -> None:
        Critic.check(settings, spec)

    def make_discriminator(self) -> nn.Module:
        return Critic(self.settings, self.model.shown_as(), self.spec)

    def begin(self) -> None:
        settings = self.settings
        betas = (settings.beta1, 0.999)
        self.optimizers = {
            "generator": adam(self.model, settings.generator_rate, betas),
            "discriminator": adam(self.discriminator, settings.discriminator_rate, betas),
        }

    def sampler(self) -> nn.Module:
        return self.average

    def scores(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """What the discriminator says of examples, (B, *event) -> (1, B): of class y (B,), where the model is told
        classes. Without y they are then taken for one of each class in turn: (classes, B)."""
        told = isinstance(self.model, SamplesOfClass) and self.model.conditional_classes()
        generator = Generator(x.device).manual_seed(0)  # looking draws nothing from the session's
        index = torch.arange(len(x), device=x.device)
        judge: Any = self.discriminator
        scores = []
        labels = [torch.full_like(index, label) for label in range(told)] if told else [torch.full_like(index, -1)]
        for each in labels if y is None or not told else [y]:
            scores.append(judge.alone(self.model.show_data(Batch(x, each, index), generator)))
        return torch.stack(scores)

    @abstractmethod
    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What the discriminator lowers, 0-d, and what is reported of it."""
        raise NotImplementedError

    @abstractmethod
    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What the generator lowers, 0-d, and what is reported of it."""
        raise NotImplementedError

    def players(self) -> dict[str, nn.Module]:
        return {"discriminator": self.discriminator, "generator": self.model}

    def let_move(self, players: Collection[str]) -> None:
        self.moves = frozenset(player for player in PLAYERS if player in players)

    def moved(self, player: Player) -> None:
        """A player's parameters have just changed."""

    def step(self, batch: Batch) -> dict[str, Tensor]:
        for part in batch.chunk(self.minibatches):
            reported = self._turn("discriminator", part)
        return {**reported, **self._turn("generator", part)}

    def _turn(self, player: Player, batch: Batch) -> dict[str, Tensor]:
        only_looked_at = player == "generator" and player not in self.moves
        if only_looked_at:  # running statistics stay as they are
            self.model.eval()
        learns = player == "discriminator" and player in self.moves
        with nullcontext() if learns else held(self.discriminator):
            loss, reported = (self.discriminator_loss if player == "discriminator" else self.generator_loss)(batch)
        if only_looked_at:
            self.model.train()
        if player in self.moves:
            optimizer = self.optimizers[player]
            optimizer.zero_grad()
            # a generator's gradients pass through the discriminator, but are kept for the generator only
            loss.backward(inputs=list(self.players()[player].parameters()))
            optimizer.step()
            if player == "generator":
                self._average()
            self.moved(player)
        return means(**reported)

    # What ails it.

    watches: ClassVar[tuple[str, ...]] = ("mode collapse",)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        model = self.sampler()
        if not (self.settled() and isinstance(model, Samples)) or self.spec.support is Support.SYMBOLS:
            return None
        samples = model.sample(max(len(batch.x), SAMPLES), generator)
        return mode_collapse(batch.x, samples, self.against_collapse(), generator)

    def settled(self) -> bool:
        """Whether the generator has taken enough steps to be judged by. Asks the device."""
        known = next(iter(self.optimizers["generator"].state.values()), None)
        return known is not None and int(known["step"]) >= SETTLED

    def against_collapse(self) -> Ways:
        """What may help, and is not done yet."""
        ways: Ways = {}
        if isinstance(self.discriminator, Critic):
            if self.settings.packing == 1:
                ways["packing of 2"] = {"packing": 2, ANEW: True}
            if not self.settings.minibatch_features:
                ways["minibatch features"] = {"minibatch_features": 8, ANEW: True}
        return ways

    @torch.no_grad()
    def _average(self) -> None:
        """Running statistics are averaged as weights are: those of the latest weights would not suit their average."""
        self._follow(list(self.average.parameters()), list(self.model.parameters()), None)
        for kept, latest in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if kept.is_floating_point():
                self._follow([kept], [latest], None)
            else:
                kept.copy_(latest)
