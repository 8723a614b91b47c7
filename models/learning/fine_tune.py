"""Discriminative fine-tuning: recognition weights as the start of a classifier."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import HasRecognition, StacksMachines
from models.learning.base import Learner, Quantity, adam, means
from models.learning.contrastive_divergence import ContrastiveDivergence
from models.learning.layerwise import GreedyLayers, GreedyStartSettings
from models.perceptron import perceptron_for
from models.settings import setting
from models.spec import Batch, DataSpec, UnsuitableData


class FineTuneSettings(GreedyStartSettings):
    learning_rate: float = setting(
        1e-3,
        title="Learning rate",
        help="Step size of Adam, once the classifier learns.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )
    labels_per_class: int = setting(
        0,
        title="Labels per class",
        help="How many labelled examples of each class the classifier may learn from; 0 takes all. They are the first "
        "that the run comes across, so that the seed decides, and a smaller number takes a part of a larger one.",
        unit="examples",
        ge=0,
        le=1000,
    )


class FineTune(Learner):
    """A stack learns greedily, without labels; then its recognition weights become a multilayer perceptron with a
    softmax on top, which learns by backpropagation (Hinton & Salakhutdinov, 2006; Bengio et al., 2007).

    The classifier is the learner's own: the model stays as it was before, and still draws samples. Only examples that
    have a label count. With a number of labels per class, the first of each class that come are kept, in a buffer, and
    learned from again and again.
    """

    needs = (HasRecognition,)
    quantities = (
        Quantity("cross_entropy", "Cross-entropy of the class", goal="lower"),
        Quantity("error", "Classification error", unit="part of examples", goal="lower"),
        *ContrastiveDivergence.quantities,
    )
    seen: Tensor  # (examples,) bool: asked for its label
    kept: Tensor  # (classes,) int64: how many examples of each class are kept
    kept_x: Tensor  # (classes · labels per class + 1, *event); the last place takes what is not kept
    kept_y: Tensor

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
        if settings.labels_per_class:
            places = spec.classes * settings.labels_per_class + 1
            self.register_buffer("seen", torch.zeros(examples, dtype=torch.bool))
            self.register_buffer("kept", torch.zeros(spec.classes, dtype=torch.int64))
            self.register_buffer("kept_x", torch.zeros(places, *spec.event_shape))
            self.register_buffer("kept_y", torch.full((places,), -1, dtype=torch.int64))

    def begin(self) -> None:
        if self.greedy is not None:
            self.greedy.begin(self.model)
        self.optimizers = {"classifier": adam(self.network, self.settings.learning_rate)}

    @property
    def phase(self) -> str:
        return "fine-tuning" if self.greedy is None or self.greedy.done else self.greedy.phase

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.settings.labels_per_class:
            self._keep(batch)
        greedy = self.greedy
        if greedy is not None and not greedy.done:
            reported = greedy.step(self.model, batch)
            if greedy.taken == greedy.in_all:
                self.network.unroll(self.model.recognition_layers())
            return reported
        x, y = self._drawn(len(batch.x)) if self.settings.labels_per_class else (batch.x, batch.y)
        found = self._scores(x, y)
        self.optimizers["classifier"].zero_grad()
        found["cross_entropy"].backward()
        self.optimizers["classifier"].step()
        return means(**found)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        if self.greedy is not None and not self.greedy.done:
            return self.greedy.held_out(self.model, batch, generator)
        return means(**self._scores(batch.x, batch.y))

    def class_log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = self.network(x).log_softmax(1)
        return log_prob

    def _scores(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Means over the examples that have a label; 0 where none has."""
        logits, known = self.network(x), y >= 0
        share = known / known.sum().clamp(min=1)
        wrong = (logits.argmax(1) != y) * share
        return {
            "cross_entropy": (F.cross_entropy(logits, y.clamp(min=0), reduction="none") * share).sum(),
            "error": wrong.sum(),
        }

    @torch.no_grad()
    def _keep(self, batch: Batch) -> None:
        """Put examples aside as long as there is room for their class. Shapes and calls are the same at every step."""
        room, classes = self.settings.labels_per_class, len(self.kept)
        new = (batch.y >= 0) & ~self.seen[batch.index]
        self.seen[batch.index] = True
        y = batch.y.clamp(min=0)
        counted = F.one_hot(y, classes) * new.unsqueeze(1)
        place = self.kept[y] + counted.cumsum(0).gather(1, y.unsqueeze(1)).squeeze(1) - 1
        fits = new & (place < room)
        where = torch.where(fits, y * room + place, classes * room)
        self.kept_x[where] = batch.x
        self.kept_y[where] = batch.y
        self.kept_y[-1] = -1
        self.kept.add_((counted * fits.unsqueeze(1)).sum(0))

    def _drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """n of the examples that are kept, drawn with replacement; none has a label before there are any."""
        filled = (self.kept_y >= 0).float()
        filled[-1] = filled.sum() == 0
        chosen = torch.multinomial(filled, n, replacement=True)
        return self.kept_x[chosen], self.kept_y[chosen]
