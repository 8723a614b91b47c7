"""Mean field for the data, persistent chains for the model: how deep Boltzmann machines learn."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from models.capabilities import HasMeanField, LearnsInPhases, RunsChain, StacksMachines
from models.learning.base import Learning
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.learning.layerwise import GreedyLayers
from models.settings import setting
from models.spec import Batch, DataSpec


class MeanFieldPcdSettings(PersistentCdSettings):
    layer_steps: int = setting(
        0,
        title="Greedy steps per layer",
        help="Where the model is a stack of layers, each learns alone for so many steps, the lowest first, before all "
        "learn together; 0 begins with small random weights.",
        unit="steps",
        reference="Salakhutdinov & Hinton (2009), section 3.1",
        zero="none",
        ge=0,
        le=100_000_000,
    )


class MeanFieldPcd(PersistentContrastiveDivergence):
    """PCD whose positive phase takes independent hidden units in place of P(h | v): ascends a lower bound on log p(v)
    as far as the chains mix (Salakhutdinov & Hinton, 2009, section 2). It may follow greedy learning of the layers, by
    contrastive divergence with the same settings but a quarter of the learning rate, which falls over the steps of each
    layer."""

    needs = (LearnsInPhases, HasMeanField, RunsChain)

    def __init__(self, model: nn.Module, settings: MeanFieldPcdSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.greedy: GreedyLayers | None = None
        if settings.layer_steps and isinstance(model, StacksMachines):
            # a quarter: a change of doubled weights acts twice, and the gradient counts it twice
            alone = settings.plain(decay=settings.layer_steps, learning_rate=settings.learning_rate / 4)
            self.greedy = GreedyLayers(model, alone, settings.layer_steps, True, spec, examples)
            self.capturable = False  # its steps differ

    def begin(self) -> None:
        super().begin()
        if self.greedy is not None:
            self.greedy.begin(self.model)
            self._under_way = True  # the lowest machine has started from the data

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.greedy is not None and not self.greedy.done:
            return self.greedy.step(self.model, batch)
        return super().step(batch)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        if self.greedy is not None and not self.greedy.done:
            return self.greedy.held_out(self.model, batch, generator)
        return super().held_out(batch, generator)

    def positive_phase(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        hidden: Tensor = self.model.mean_field(x)
        return hidden

    @property
    def phase(self) -> str:
        if self.greedy is None:
            return ""
        return "all layers" if self.greedy.done else self.greedy.phase


LEARNING = Learning(
    "mean-field-pcd",
    "Mean field and persistent chains",
    "Boltzmann machines",
    MeanFieldPcd,
    MeanFieldPcdSettings,
)
