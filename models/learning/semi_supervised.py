"""Semi-supervised adversarial learning: the discriminator tells classes apart, of which few examples have a label."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from models.learning.base import Learning, Quantity, Symptom, Ways, means
from models.learning.game import Game, Player, PlayerSettings
from models.learning.label_budget import KeepsLabels, LabelBudgetSettings, of_labelled
from models.networks import Activation, activation_layer, flat
from models.normalisation import WeightNormalised
from models.settings import setting
from models.spec import Batch, DataSpec, Support, UnsuitableData

Goal = Literal["feature matching", "non-saturating"]
BESIDE_DATA = (
    "The classifier can be good all the same, as its error tells: it needs samples beside the data, not among them. "
    "Where samples matter themselves, they can be asked to be taken for data."
)


class SemiSupervisedSettings(LabelBudgetSettings, PlayerSettings):
    labels_per_class: int = setting(
        10,
        title="Labels per class",
        help="How many labelled examples of each class the classifier may learn from; 0 takes all. They are the first "
        "that the run comes across, so that the seed decides. Of all other examples only the values are used.",
        unit="examples",
        reference="Salimans et al. (2016), section 6.1",
        zero="all",
        ge=0,
        le=1000,
    )
    unlabelled_weight: float = setting(
        0.5,
        title="Weight of the game",
        help="How much it counts that data are told from samples, beside classes from each other. With 0 only labels "
        "are learned from.",
        reference="Salimans et al. (2016), L_unsupervised; ½ in their code",
        zero="off",
        ge=0,
        le=100,
    )
    goal: Goal = setting(
        "feature matching",
        title="Generator's goal",
        help="Feature matching: samples have the classifier's features of data on average, which makes better "
        "classifiers. Non-saturating: samples are taken for data, which makes better samples.",
        reference="Salimans et al. (2016), section 3.1",
    )
    generator_rate: float = setting(
        1e-3, title="Generator learning rate", help="Step size of the generator's Adam.", gt=0, le=1, log=True
    )
    discriminator_rate: float = setting(
        1e-3, title="Classifier learning rate", help="Step size of the classifier's Adam.", gt=0, le=1, log=True
    )
    hidden: int = setting(256, title="Classifier units", help="Width of the classifier's hidden layers.", ge=1, le=4096)
    layers: int = setting(
        2, title="Classifier layers", help="Hidden layers of the classifier; 0 makes it linear.", ge=0, le=8
    )
    activation: Activation = setting(
        "relu", title="Classifier activation", help="Non-linearity of the classifier's hidden layers."
    )
    weight_normalisation: bool = setting(
        False,
        title="Weight normalisation",
        help="Of the classifier's weights only directions are learned; how long they are the first minibatch sets, "
        "so that every layer is of the size that the noise on it is meant for. More than two layers need it.",
        reference="Salimans & Kingma (2016); in the code of Salimans et al. (2016)",
    )
    input_noise: float = setting(
        0.3,
        title="Noise on examples",
        help="Standard deviation of what is added to examples and samples while the classifier learns.",
        reference="Salimans et al. (2016), in their code",
        zero="off",
        ge=0,
        le=10,
    )
    hidden_noise: float = setting(
        0.5,
        title="Noise on hidden layers",
        help="Standard deviation of what is added to each hidden layer while the classifier learns.",
        reference="Salimans et al. (2016), in their code",
        zero="off",
        ge=0,
        le=10,
    )
    classifier_average: float = setting(
        0.99,
        title="Classifier average",
        help="Classes are told by a moving average of the classifier's weights with this decay; 0 takes the latest.",
        reference="0.9999 in the code of Salimans et al. (2016)",
        zero="off",
        ge=0,
        lt=1,
    )


class NoisyClassifier(nn.Module):
    """A multilayer perceptron that learns under noise: (B, *event) -> logits (B, classes)."""

    def __init__(self, settings: SemiSupervisedSettings, spec: DataSpec) -> None:
        super().__init__()
        self.is_unit = spec.support is Support.UNIT
        self.noise = (settings.input_noise, settings.hidden_noise)
        widths = [spec.dimensions, *[settings.hidden] * settings.layers]
        normalised = settings.weight_normalisation
        self.layers = nn.ModuleList((WeightNormalised if normalised else nn.Linear)(a, b) for a, b in pairwise(widths))
        self.activation = activation_layer(settings.activation)
        head = (widths[-1], spec.classes)
        self.head: Any = WeightNormalised(*head, scale_learns=True) if normalised else nn.Linear(*head)

    @property
    def started(self) -> Tensor:
        """Whether weights that are normalised were given their lengths: 0-d."""
        started: Tensor = self.head.started
        return started

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """With weight normalisation: choose how long weights are by examples (B, *event), each layer after those below
        it. The noise that it will have counts, as rows of length 1 pass its variance on."""
        h = self._centred(x)
        for below, layer in enumerate([*self.layers, self.head]):
            if isinstance(layer, WeightNormalised):
                layer.start_from(h, self._spread(below) ** 2)
            h = self.activation(layer(h))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self._last(x, False, None))
        return logits

    def while_learning(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """The same under noise."""
        last = self._last(x, True, generator)
        logits: Tensor = self.head(self._spoilt(last, len(self.layers), generator))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer, under the noise of those below: (B, hidden)."""
        return self._last(x, True, None)

    def _last(self, x: Tensor, noisy: bool, generator: Generator | None) -> Tensor:
        h = self._centred(x)
        for below, layer in enumerate(self.layers):
            h = self._spoilt(h, below, generator) if noisy else h
            h = self.activation(layer(h))
        return h

    def _spoilt(self, h: Tensor, below: int, generator: Generator | None) -> Tensor:
        """With noise, for a layer that has `below` layers under it."""
        spread = self._spread(below)
        if not spread:
            return h
        return h + spread * torch.randn(h.shape, generator=generator, device=h.device, dtype=h.dtype)

    def _spread(self, below: int) -> float:
        """Of the noise there: examples in 0…1 lie in -1…1 here."""
        return self.noise[min(below, 1)] * (2 if below == 0 and self.is_unit else 1)

    def _centred(self, x: Tensor) -> Tensor:
        return flat(2 * x - 1 if self.is_unit else x)


class SemiSupervised(KeepsLabels, Game):
    """The discriminator is a classifier with logits l_1…l_K, and a class for samples whose logit stays at 0 (Salimans
    et al., 2016, section 5):

        P(y | x) = e^{l_y} / (Z + 1) for classes,  D(x) = Z / (Z + 1),  Z = Σ_k e^{l_k},

    so that D's own logit is log Z. It lowers the cross-entropy of the class, given that x is no sample, on examples
    that have a label, and -w (log D(x) + log(1 - D(G(z)))) on data and samples. The generator lowers the distance of
    mean features, ‖E f(x) - E f(G(z))‖², f the last hidden layer, or -log D(G(z)).
    """

    quantities = (
        Quantity("cross_entropy", "Cross-entropy", goal="lower"),
        Quantity("error", "Error", unit="share of examples", goal="lower"),
        Quantity("value", "Value V(D, G)"),
        Quantity("generator", "Generator's loss", unit=""),
        Quantity("on_data", "D(x) on data", unit="probability"),
        Quantity("on_samples", "D(x) on samples", unit="probability"),
    )
    discriminator: NoisyClassifier
    settings: SemiSupervisedSettings

    @staticmethod
    def check(settings: Any, spec: DataSpec) -> None:
        if spec.classes < 2:
            raise UnsuitableData("The discriminator learns classes, and these data have none: choose data with labels.")

    def __init__(self, model: nn.Module, settings: SemiSupervisedSettings, spec: DataSpec, examples: int) -> None:
        self.check(settings, spec)
        super().__init__(model, settings, spec, examples)
        self.make_room(settings.labels_per_class, spec, examples)
        self.steady = copy.deepcopy(self.discriminator).requires_grad_(False)
        self._follow_classifier = get_ema_multi_avg_fn(settings.classifier_average)

    def make_discriminator(self) -> nn.Module:
        return NoisyClassifier(self.settings, self.spec)

    def new_classifier(self) -> NoisyClassifier:
        return NoisyClassifier(self.settings, self.spec)

    def class_log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = self.steady(x).log_softmax(1)
        return log_prob

    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return log_sum(self.discriminator(x)).sigmoid()

    def step(self, batch: Batch) -> dict[str, Tensor]:
        if self.settings.weight_normalisation and self.is_first(self.discriminator.started):
            self.discriminator.start_from(batch.x, self.examples)
            self.steady.load_state_dict(self.discriminator.state_dict())
        return super().step(batch)

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = self.known(batch)
        with torch.no_grad():
            samples = self.model.show_samples(batch).x
        labelled, data, made = self.discriminator.while_learning(torch.cat([x, batch.x, samples])).chunk(3)
        told = of_labelled(labelled, y)
        game = self._game(data, made)
        return told["cross_entropy"] - self.settings.unlabelled_weight * game["value"].mean(), {**told, **game}

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        samples = self.model.show_samples(batch).x
        if self.settings.goal == "feature matching":
            loss = self._distance(batch.x, samples)
        else:
            loss = -F.logsigmoid(log_sum(self.discriminator.while_learning(samples))).mean()
        return loss, {"generator": loss}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        samples = self.model.show_samples(batch, generator).x
        return means(
            **of_labelled(self.steady(batch.x), batch.y),
            **self._game(self.discriminator(batch.x), self.discriminator(samples)),
        )

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        found = super().diagnose(batch, generator)
        return found and replace(found, remedy=BESIDE_DATA)

    def against_collapse(self) -> Ways:
        ways: Ways = {}
        if self.settings.goal == "feature matching":
            ways["non-saturating goal"] = {"goal": "non-saturating"}
        return ways

    @torch.no_grad()
    def moved(self, player: Player) -> None:
        if player == "discriminator":
            self._follow_classifier(list(self.steady.parameters()), list(self.discriminator.parameters()), None)

    def _distance(self, data: Tensor, samples: Tensor) -> Tensor:
        of_data, of_samples = self.discriminator.features(torch.cat([data, samples])).chunk(2)
        return (of_data.mean(0) - of_samples.mean(0)).square().sum()

    @staticmethod
    def _game(data: Tensor, samples: Tensor) -> dict[str, Tensor]:
        """By class logits (B, K) of both."""
        real, made = log_sum(data), log_sum(samples)
        value = F.logsigmoid(real) + F.logsigmoid(-made)
        return {"value": value, "on_data": real.sigmoid(), "on_samples": made.sigmoid()}


def log_sum(logits: Tensor) -> Tensor:
    """log Z, the logit of D = Z / (Z + 1): (B, K) -> (B,)."""
    return logits.logsumexp(1)


LEARNING = Learning(
    "semi-supervised",
    "Adversarial, with few labels",
    "Generative adversarial networks",
    SemiSupervised,
    SemiSupervisedSettings,
)
