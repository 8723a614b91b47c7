"""An adversarial game over discrete samples in which the discriminator's verdict is a reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Completes, FacesDiscriminator, ScoredDraws, ScoresDraws, ScoresExactly
from models.learning.base import Learning, Quantity, Symptom, adam, means
from models.learning.discrete_game import DiscreteGame, DiscreteGameSettings
from models.learning.game import Game
from models.settings import setting
from models.spec import Batch, DataSpec

Reward = Literal["logit", "log D", "D"]
Baseline = Literal["none", "running mean", "other draws"]


class ReinforceGanSettings(DiscreteGameSettings):
    reward: Reward = setting(
        "logit",
        title="Reward",
        help="What a sample is worth: log D − log(1 − D), with which the best discriminator makes the generator lower "
        "KL(model ‖ data); log D, as in the non-saturating game; or D itself, which fades where D is sure.",
        reference="Yu et al. (2017), equation (2): D",
    )
    baseline: Baseline = setting(
        "other draws",
        title="Baseline",
        help="What is taken from the reward, which leaves the mean of the gradient as it is and makes its variance "
        "smaller: nothing, the reward's running mean, or the mean of the minibatch's other samples.",
        reference="Williams (1992), b",
    )
    memory: float = setting(
        0.9,
        title="Memory of the running mean",
        help="How much of the reward's running mean is kept from step to step.",
        ge=0,
        lt=1,
    )
    rollouts: int = setting(
        0,
        title="Rollouts",
        help="How often each beginning of a sample is completed to find what it is worth, so that every symbol has a "
        "reward of its own: what it changed. Costs T samples each; 0 gives all symbols that of the whole sample.",
        reference="Yu et al. (2017), equation (4), N",
        zero="none",
        ge=0,
        le=100,
    )
    likelihood_steps: int = setting(
        0,
        title="Maximum likelihood first",
        help="Before the game begins, the generator learns by maximum likelihood for so many steps. Random symbols "
        "have nearly the same reward, so that from the start there is little to learn from.",
        unit="steps",
        reference="Yu et al. (2017), algorithm 1",
        zero="none",
        ge=0,
        le=100_000_000,
    )
    likelihood_rate: float = setting(
        1e-2,
        title="Learning rate of it",
        help="Step size of Adam while the generator learns by maximum likelihood.",
        gt=0,
        le=1,
        log=True,
    )


class ReinforceGan(DiscreteGame):
    """The generator raises the expected reward E[R(x)] of its samples by the score function (Williams, 1992; SeqGAN, Yu
    et al., 2017):

    ∇E[R(x)] = E[Σ_t A_t ∇log p(x_t | x_<t)], A_t = R(x) - b,

    for any b that does not depend on x. With rollouts A_t = Q_t - Q_{t-1}, where Q_t is the mean reward of completions
    of x_1…x_t: completions of x_<t know nothing of x_t, so that the mean of the gradient stays as it is.

    `signal` is the root mean square of A. No gradient passes through the discriminator: it need not be differentiable.
    """

    needs = (FacesDiscriminator, ScoresDraws)
    quantities = (
        *DiscreteGame.quantities,
        Quantity("reward", "Reward of samples", unit=""),
        Quantity("signal", "Learning signal", unit=""),
    )
    usual: Tensor  # 0-d, the running mean of the reward
    steps: Tensor  # 0-d, int64

    def __init__(self, model: nn.Module, settings: ReinforceGanSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.capturable = not settings.likelihood_steps
        self.register_buffer("usual", torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._taken: int | None = None  # the same in plain numbers, so that no step waits for the device
        self.register_load_state_dict_post_hook(_forget_count)

    @staticmethod
    def out_of_reach(model: type) -> Mapping[str, str]:
        unfit = {}
        if not issubclass(model, Completes):
            unfit["rollouts"] = "the model does not draw one value after the other, so a beginning has no completions"
        if not issubclass(model, ScoresExactly):
            unfit["likelihood_steps"] = "the model gives no likelihood"
        return unfit

    @property
    def phase(self) -> str:
        if not self.settings.likelihood_steps:
            return ""
        return "maximum likelihood" if self._learns_likelihood() else "adversarial game"

    def begin(self) -> None:
        super().begin()
        if self.settings.likelihood_steps:
            self.optimizers["likelihood"] = adam(self.model, self.settings.likelihood_rate)
        self._taken = None

    def step(self, batch: Batch) -> dict[str, Tensor]:
        reported = self._likelihood_step(batch) if self._learns_likelihood() else super().step(batch)
        self.steps.add_(1)
        if self._taken is not None:
            self._taken += 1
        return reported

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, reported, reward = self.surrogate(len(batch.x))
        with torch.no_grad():
            self.usual.lerp_(reward.mean(), 1 - self.settings.memory)
        return loss, reported

    watches = ("mode collapse",)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        """No gradient of the discriminator is needed, so none can vanish."""
        return Game.diagnose(self, batch, generator) or self.repeats(batch, generator)

    def surrogate(self, n: int, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """What has the estimate of -∇E[R(x)] by n draws as its gradient, 0-d; what is reported; rewards (n,)."""
        drawn: ScoredDraws = self.model.draw_scored(n, generator)
        with torch.no_grad():
            logits = self._judged(drawn.x)
            reward = self._worth(logits)
            if self.settings.rollouts:
                away = self._changes(drawn.x, reward, generator)
            else:
                away = (reward - self._baseline(reward)).reshape(-1, *[1] * (drawn.x.dim() - 1))
        loss = -(away * drawn.log_prob).flatten(1).sum(1).mean()
        reported = {"generator": self.objective.loss(logits), "reward": reward, "signal": away.square().mean().sqrt()}
        return loss, reported, reward

    def _judged(self, x: Tensor) -> Tensor:
        """The discriminator's logits on samples: (n, *event) -> (n,)."""
        number = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        logits: Tensor = self.discriminator(self.model.show_data(Batch(x, number, number)))
        return logits

    def _worth(self, logits: Tensor) -> Tensor:
        if self.settings.reward == "logit":
            return logits
        return logits.sigmoid() if self.settings.reward == "D" else F.logsigmoid(logits)

    def _baseline(self, reward: Tensor) -> Tensor:
        """b, of the shape of the reward (n,) or 0-d: it depends on no draw that it is taken from."""
        if self.settings.baseline == "none" or (self.settings.baseline == "other draws" and len(reward) == 1):
            return torch.zeros_like(reward)
        if self.settings.baseline == "running mean":
            return self.usual
        return (reward.sum() - reward) / (len(reward) - 1)

    def _changes(self, x: Tensor, reward: Tensor, generator: Generator | None) -> Tensor:
        """Q_t - Q_{t-1} of every symbol t of samples (n, T) with their rewards (n,): (n, T)."""
        n, length = x.shape
        known = (torch.arange(length, device=x.device) < torch.arange(length, device=x.device)[:, None]).repeat(n, 1)
        begun, worth = x.repeat_interleave(length, 0), reward.new_zeros(n, length)  # of beginnings of 0…T-1 symbols
        for _ in range(self.settings.rollouts):
            completed = self.model.complete(begun, known, generator).x
            worth += self._worth(self._judged(completed)).reshape(n, length) / self.settings.rollouts
        return torch.cat([worth, reward[:, None]], 1).diff(dim=1)

    def _learns_likelihood(self) -> bool:
        if not self.settings.likelihood_steps:
            return False
        if self._taken is None:
            self._taken = int(self.steps)
        return self._taken < self.settings.likelihood_steps

    def _likelihood_step(self, batch: Batch) -> dict[str, Tensor]:
        log_prob = self.model.log_prob(batch.x)
        self.optimizers["likelihood"].zero_grad()
        (-log_prob.mean()).backward()
        self.optimizers["likelihood"].step()
        self._average()
        return means(log_prob=log_prob)


def _forget_count(module: nn.Module, incompatible: object) -> None:
    assert isinstance(module, ReinforceGan)
    module._taken = None


LEARNING = Learning(
    "reinforce-gan",
    "Adversarial, REINFORCE",
    "Generative adversarial networks",
    ReinforceGan,
    ReinforceGanSettings,
)
