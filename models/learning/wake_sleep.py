"""The wake-sleep algorithm: generative and recognition parameters learn from each other's draws."""

from __future__ import annotations

from torch import Generator, Tensor

from models.capabilities import DrawsPosterior, Dreams
from models.learning.base import Learning, Quantity
from models.learning.bound import ELBO, EVIDENCE, GRADIENT_VARIANCE, BoundAscent, BoundSettings
from models.settings import setting


class WakeSleepSettings(BoundSettings):
    draws: int = setting(
        1,
        title="Draws when awake",
        help="Draws of q(h|x) for each example. More of them make the gradient of the generative parameters quieter.",
        reference="Hinton, Dayan, Frey & Neal (1995)",
        ge=1,
        le=1000,
    )
    dreams: int = setting(
        1,
        title="Dreams",
        help="Pairs of x and h that the model draws for each example of a step, from which recognition learns.",
        reference="Hinton, Dayan, Frey & Neal (1995)",
        ge=1,
        le=1000,
    )


class WakeSleep(BoundAscent):
    """Wake: draw h ~ q(h | x) from data and ascend log p(x, h) in the generative parameters. Sleep: dream (x, h) ~ p
    and ascend log q(h | x) in the parameters of recognition (Hinton, Dayan, Frey & Neal, 1995).

    The wake phase follows the gradient of the bound; where q is exact, that of log p(x) itself. The sleep phase lowers
    KL(p‖q) over dreams and not KL(q‖p) over data, so that no single objective rises, and the bound may fall. No
    gradient flows through a draw: latent variables of any kind will do, and a phase's noise is small.
    """

    capturable = True
    needs = (DrawsPosterior, Dreams)
    quantities = (
        ELBO,
        Quantity("wake", "Awake: log p(x, h)", goal="higher"),
        Quantity("sleep", "Asleep: log q(h | x)"),
        GRADIENT_VARIANCE,
        EVIDENCE,
    )

    def surrogate(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.model.draw_posterior(x, self.settings.draws, generator)
        wake = drawn.log_joint.mean()
        sleep = self.model.score_dreams(self.settings.dreams * len(x), generator).mean()
        return -(wake + sleep), {"elbo": wake - drawn.log_posterior.mean(), "wake": wake, "sleep": sleep}


LEARNING = Learning(
    "wake-sleep",
    "Wake and sleep",
    "Variational auto-encoders",
    WakeSleep,
    WakeSleepSettings,
)
