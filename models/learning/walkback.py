"""Walkback: a chain learns to undo its own wandering."""

from __future__ import annotations

from torch import Generator, Tensor

from models.capabilities import WalksBack
from models.learning.ascent import AscentSettings, GradientAscent
from models.learning.base import Learning, Quantity, means
from models.settings import setting
from models.spec import Batch


class WalkbackSettings(AscentSettings):
    walkbacks: int = setting(
        2,
        title="Walkbacks",
        help="Transitions of the chain from each example that learn to lead back to it. With 1, the model learns to "
        "undo a single corruption. A deep model takes at least as many as it has layers.",
        reference="Bengio, Yao, Alain & Vincent (2013)",
        ge=1,
        le=100,
    )


class Walkback(GradientAscent):
    """Maximises the mean over t of log P(x | h_t), h_t being what a chain that began at x has come to at transition t.

    What the chain draws by mistake, a spurious mode, it thereby learns to leave towards data (Bengio, Yao, Alain &
    Vincent, 2013). Here the number of transitions is set instead of geometric, as in Bengio et al. (2014), and
    gradients flow from transition to transition through hidden layers, not through what is drawn of x. What is reported
    is the log-likelihood of the reconstruction, not that of the model.
    """

    needs = (WalksBack,)
    quantities = (
        Quantity("reconstruction", "Reconstruction", goal="higher"),
        Quantity("first", "First walkback", goal="higher"),
        Quantity("last", "Last walkback", goal="higher"),
    )
    settings: WalkbackSettings

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.start(batch.x)
        found = self.model.walk_back(batch.x, self.settings.walkbacks)
        self.ascend(found.mean())
        return _reported(found)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return _reported(self.model.walk_back(batch.x, self.settings.walkbacks, generator))


def _reported(found: Tensor) -> dict[str, Tensor]:
    return means(reconstruction=found, first=found[0], last=found[-1])


LEARNING = Learning(
    "walkback",
    "Walkback",
    "Generative stochastic networks",
    Walkback,
    WalkbackSettings,
)
