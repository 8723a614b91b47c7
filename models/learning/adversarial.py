"""Adversarial learning: a generator learns from a discriminator that tries to tell its samples from the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Shown
from models.learning.base import LEARNER, Learning, Quantity, Symptom, Ways, means
from models.learning.critics import feature_distance, judge
from models.learning.game import Game, GameSettings
from models.learning.game_symptoms import saturation
from models.settings import setting
from models.spec import Batch, DataSpec


@dataclass(frozen=True)
class Objective:
    """What the two players want, as functions of the discriminator's logits on data and on samples, all (B,)."""

    value: Callable[[Tensor, Tensor], Tensor]  # (data, samples) -> V, which the discriminator raises
    # samples -> what the generator lowers. Where data have a part that the model says, a code, it lowers the same of
    # their logits turned round: what it wants to be taken for samples.
    loss: Callable[[Tensor], Tensor]


def _cross_entropy(data: Tensor, samples: Tensor) -> Tensor:
    """log D(x) + log(1 - D(G(z))), equation (1); at most -log 4 on average once samples and data are alike."""
    return F.logsigmoid(data) + F.logsigmoid(-samples)


# The generator lowers the value itself: exact, but its gradient fades where the discriminator is sure (D(G(z)) -> 0).
MINIMAX = Objective(_cross_entropy, lambda samples: F.logsigmoid(-samples))
# The generator raises log D(G(z)): the same fixed point, strong gradients early (Goodfellow et al., 2014, section 3).
NON_SATURATING = Objective(_cross_entropy, lambda samples: -F.logsigmoid(samples))


class ProbabilitySettings(GameSettings):
    """For games whose discriminator gives probabilities."""

    label_smoothing: float = setting(
        0.0,
        title="Label smoothing",
        help="The discriminator shall be no surer of data than one minus this; of samples it may be. A sure "
        "discriminator has no gradient left. 0 lets it be sure of both.",
        reference="Salimans et al. (2016), section 3.4, one-sided; 1 − α",
        zero="off",
        ge=0,
        le=0.5,
    )


class AdversarialSettings(ProbabilitySettings):
    feature_matching: bool = setting(
        False,
        title="Feature matching",
        help="The generator's samples shall have the discriminator's features of data on average, and need not be "
        "taken for data one by one.",
        reference="Salimans et al. (2016), section 3.1",
    )


class ProbabilityGame(Game):
    """The game min_G max_D V(D, G) (Goodfellow et al., 2014, equation 1).

    The value reported is the discriminator's, before its step: -log 4 = -1.386 when it cannot tell samples from data,
    0 when it always can. Neither player's objective says how good the samples are: each moves with the other player.

    With one-sided label smoothing 1 - α, D(x) is asked to be α on data: it raises
    α log D(x) + (1 - α) log(1 - D(x)) + log(1 - D(G(z))), which is best at α p / (p + q). V is reported all the same.
    """

    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("value", "Value V(D, G)"),
        Quantity("generator", "Generator's loss"),
        Quantity("on_data", "D(x) on data", unit="probability"),
        Quantity("on_samples", "D(x) on samples", unit="probability"),
    )
    settings: Any
    discriminator: Any
    objective: Objective

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.scores(x, y).sigmoid().mean(0)

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """What the discriminator is shown of data while it learns."""
        shown: Shown = self.model.show_data(batch, generator)
        return shown

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """And of samples."""
        shown: Shown = self.model.show_samples(batch, generator)
        return shown

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            shown = self.show_data(batch), self.show_samples(batch)
        data, samples = judge(self.discriminator, *shown)
        return -self.raised(data, samples).mean(), self._report(data, samples)

    def raised(self, data: Tensor, samples: Tensor) -> Tensor:
        """What the discriminator raises, by its logits on data and on samples: (B,)."""
        value = self.objective.value(data, samples)
        smoothing = self.settings.label_smoothing
        # log(1 - D) = log D - logit
        return value - smoothing * data if smoothing else value

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        samples = self.show_samples(batch)
        return self.lowered(self.show_data(batch), samples)

    def lowered(self, data: Shown, samples: Shown) -> tuple[Tensor, dict[str, Tensor]]:
        """What the generator lowers, 0-d, and what is reported of it."""
        loss = self.objective.loss(self.discriminator(samples))
        if self.model.shown_as().encoded:
            loss = loss + self.objective.loss(-self.discriminator(data))
        return loss.mean(), {"generator": loss}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        data = self.discriminator(self.show_data(batch, generator))
        samples = self.discriminator(self.show_samples(batch, generator))
        loss = self.objective.loss(samples)
        loss = loss + self.objective.loss(-data) if self.model.shown_as().encoded else loss
        return means(**self._report(data, samples), generator=loss)

    watches: ClassVar[tuple[str, ...]] = ("mode collapse", "saturation")

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        if not self.settled():
            return None
        data, samples = self.show_data(batch, generator), self.show_samples(batch, generator)
        on_data, on_samples = (each.sigmoid() for each in judge(self.discriminator, data, samples))

        def loss(x: Tensor) -> Tensor:  # summed over samples
            return len(x) * self.lowered(data, Shown(x, samples.beside))[0]

        spread = (data.x - data.x.mean(0)).flatten(1).norm(dim=1).mean().item()
        ways = self.against_saturation()
        return saturation(on_data, on_samples, loss, samples.x, spread, ways) or super().diagnose(batch, generator)

    def against_saturation(self) -> Ways:
        """What may help, and is not done yet."""
        ways: Ways = {"a slower discriminator": {"discriminator_rate": self.settings.discriminator_rate / 5}}
        if not self.settings.label_smoothing:
            ways["label smoothing"] = {"label_smoothing": 0.1}
        return ways

    def against_collapse(self) -> Ways:
        return {**super().against_collapse(), "5 unrolled steps": {LEARNER: "unrolled"}}

    def _report(self, data: Tensor, samples: Tensor) -> dict[str, Tensor]:
        return {
            "value": self.objective.value(data, samples),
            "on_data": data.sigmoid(),
            "on_samples": samples.sigmoid(),
        }


class Adversarial(ProbabilityGame):
    """The generator lowers what its objective says, or, with feature matching, the distance of the mean features of its
    samples from those of data: ‖E f(x) - E f(G(z))‖², f being what the discriminator's last layer sees.
    """

    quantities = (
        *ProbabilityGame.quantities,
        Quantity("features", "Distance of features", unit=""),
    )

    def __init__(
        self, model: nn.Module, settings: AdversarialSettings, spec: DataSpec, examples: int, objective: Objective
    ) -> None:
        super().__init__(model, settings, spec, examples)
        self.objective = objective

    def against_collapse(self) -> Ways:
        matching: Ways = {} if self.settings.feature_matching else {"feature matching": {"feature_matching": True}}
        return {**matching, **super().against_collapse()}

    def against_saturation(self) -> Ways:
        ways = super().against_saturation()
        if self.objective is MINIMAX:
            ways["the non-saturating objective"] = {LEARNER: "non-saturating"}
        return ways

    def lowered(self, data: Shown, samples: Shown) -> tuple[Tensor, dict[str, Tensor]]:
        loss, reported = super().lowered(data, samples)
        if not self.settings.feature_matching:
            return loss, reported
        distance = feature_distance(self.discriminator, data, samples)
        return distance, {**reported, "features": distance}


LEARNING = Learning(
    "non-saturating",
    "Adversarial, non-saturating",
    "Generative adversarial networks",
    Adversarial,
    AdversarialSettings,
    variant={"objective": NON_SATURATING},
)


MINIMAX_LEARNING = Learning(
    "minimax",
    "Adversarial, minimax",
    "Generative adversarial networks",
    Adversarial,
    AdversarialSettings,
    variant={"objective": MINIMAX},
)
