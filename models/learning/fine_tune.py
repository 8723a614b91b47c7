"""Discriminative fine-tuning: recognition weights as the start of a classifier."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from models.capabilities import HasRecognition, StacksMachines
from models.learning.base import Learner, Learning, Quantity, adam, means
from models.learning.contrastive_divergence import ContrastiveDivergence
from models.learning.label_budget import KeepsLabels, LabelBudgetSettings, of_labelled
from models.learning.layerwise import GreedyLayers, GreedyStartSettings
from models.perceptron import Perceptron, perceptron_for
from models.settings import setting
from models.spec import Batch, DataSpec, UnsuitableData


class FineTuneSettings(LabelBudgetSettings, GreedyStartSettings):
    learning_rate: float = setting(
        1e-3,
        title="Learning rate",
        help="Step size of Adam, once the classifier learns.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )


class FineTune(KeepsLabels, Learner):
    """A stack learns greedily, without labels; then its recognition weights become a multilayer perceptron with a
    softmax on top, which learns by backpropagation (Hinton & Salakhutdinov, 2006; Bengio et al., 2007).

    The classifier is the learner's own: the model stays as it was before, and still draws samples. Only examples that
    have a label count. With a number of labels per class, the first of each class that come are kept, in a buffer, and
    learned from again and again.
    """

    needs = (HasRecognition,)
    quantities = (
        Quantity("cross_entropy", "Cross-entropy of the class", goal="lower"),
        Quantity("error", "Classification error", unit="share of examples", goal="lower"),
        *ContrastiveDivergence.quantities,
    )

    @staticmethod
    def check(settings: FineTuneSettings, spec: DataSpec) -> None:
        if not spec.classes:
            raise UnsuitableData("Fine-tuning learns classes, and these data have none: choose data with labels.")

    def __init__(self, model: nn.Module, settings: FineTuneSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.check(settings, spec)
        self.settings = settings
        self.greedy: GreedyLayers | None = None
        if isinstance(model, StacksMachines):
            self.greedy = GreedyLayers(model, settings.rule(), settings.layer_steps, True, spec, examples)
        self.network = perceptron_for(model, spec)
        self.make_room(settings.labels_per_class, spec, examples)

    def begin(self) -> None:
        if self.greedy is not None:
            self.greedy.begin(self.model)
        self.optimizers = {"classifier": adam(self.network, self.settings.learning_rate)}

    @property
    def phase(self) -> str:
        return "fine-tuning" if self.greedy is None or self.greedy.done else self.greedy.phase

    def step(self, batch: Batch) -> dict[str, Tensor]:
        greedy = self.greedy
        if greedy is not None and not greedy.done:
            self.keep(batch)
            reported = greedy.step(self.model, batch)
            if greedy.taken == greedy.in_all:
                self.network.unroll(self.model.recognition_layers())
            return reported
        x, y = self.known(batch)
        found = of_labelled(self.network(x), y)
        self.optimizers["classifier"].zero_grad()
        found["cross_entropy"].backward()
        self.optimizers["classifier"].step()
        return means(**found)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        if self.greedy is not None and not self.greedy.done:
            return self.greedy.held_out(self.model, batch, generator)
        return means(**of_labelled(self.network(batch.x), batch.y))

    def new_classifier(self) -> Perceptron:
        return perceptron_for(self.model, self.spec)

    def class_log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = self.network(x).log_softmax(1)
        return log_prob


LEARNING = Learning(
    "fine-tune",
    "Fine-tuned classifier",
    "Boltzmann machines",
    FineTune,
    FineTuneSettings,
)
