"""Walkback: a chain learns to undo its own wandering."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import StartsFromData, WalksBack
from models.learning.ascent import AscentSettings, GradientAscent
from models.learning.base import Quantity, means
from models.settings import setting
from models.spec import Batch, DataSpec


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
    Vincent, 2013). Here the number of transitions is set instead of geometric, as in
    Bengio et al. (2014), and gradients flow from transition to transition through hidden layers, not through what is
    drawn of x. What is reported is the log-likelihood of the reconstruction, not that of the model.
    """

    needs = (WalksBack,)
    quantities = (
        Quantity("reconstruction", "Reconstruction", goal="higher"),
        Quantity("first", "First walkback", goal="higher"),
        Quantity("last", "Last walkback", goal="higher"),
    )
    settings: WalkbackSettings
    begun: Tensor  # whether there was a step

    def __init__(self, model: nn.Module, settings: WalkbackSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.register_buffer("begun", torch.zeros(()))
        self._under_way = False  # a step was done, or it is known that there were some

    def step(self, batch: Batch) -> dict[str, Tensor]:
        self._start(batch.x)
        found = self.model.walk_back(batch.x, self.settings.walkbacks)
        self.ascend(found.mean())
        return _reported(found)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return _reported(self.model.walk_back(batch.x, self.settings.walkbacks, generator))

    def _start(self, x: Tensor) -> None:
        """Where the model starts from data, and this is the first batch, do so. Asks the device once in a session."""
        if not self._under_way and isinstance(self.model, StartsFromData) and not self.begun:
            self.model.start_from(x, self.examples)
            self.begun.fill_(1)
        self._under_way = True


def _reported(found: Tensor) -> dict[str, Tensor]:
    return means(reconstruction=found, first=found[0], last=found[-1])
