"""Domain-adversarial training: features by which classes can be told apart and domains cannot."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Classifies, ExtractsFeatures
from models.learning.ascent import DecaySettings, begin_decay, decay
from models.learning.base import Feed, Learner, Learning, Quantity, Symptom, adam
from models.networks import Activation, mlp
from models.normalisation import held
from models.settings import setting
from models.spec import Batch, DataSpec, UnsuitableData

STEEPNESS = 10.0  # γ of the schedule
TOLD_APART = 0.95  # of held-out examples, whose domain the discriminator knows


class DomainAdversarialSettings(DecaySettings):
    reversal: float = setting(
        1.0,
        title="Reversal λ",
        help="Weight of the reversed gradient, once it has grown. 0 learns from the source alone: what adaptation is "
        "compared with.",
        reference="Ganin et al. (2016), λ",
        zero="off",
        ge=0,
        le=100,
    )
    growth_steps: int = setting(
        1000,
        title="Steps of growth",
        help="λ grows from 0 to its value over these steps, so that the features first learn the classes; 0 begins "
        "with all of it.",
        unit="steps",
        reference="Ganin et al. (2016), section 5.2.2",
        zero="off",
        ge=0,
        le=10_000_000,
    )
    discriminator_rate: float = setting(
        5e-4,
        title="Discriminator learning rate",
        help="Step size of the domain discriminator's Adam. Slower than the network's lets the features keep up.",
        gt=0,
        le=1,
        log=True,
    )
    beta1: float = setting(
        0.9,
        title="Momentum β₁",
        help="Adam's average of gradients, for both players. High values let the game oscillate.",
        reference="Kingma & Ba (2015), β₁; Radford et al. (2016)",
        ge=0,
        lt=1,
    )
    discriminator_hidden: int = setting(
        64, title="Discriminator units", help="Width of the domain discriminator's hidden layers.", ge=1, le=4096
    )
    discriminator_layers: int = setting(
        1,
        title="Discriminator layers",
        help="Hidden layers of the domain discriminator; 0 makes it linear.",
        reference="Ganin et al. (2016), figure 1, G_d",
        ge=0,
        le=8,
    )
    discriminator_activation: Activation = setting(
        "relu", title="Discriminator activation", help="Non-linearity of the discriminator's hidden layers."
    )


class _Reversal(torch.autograd.Function):
    # typed as torch calls it
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: Tensor) -> Tensor:
        ctx.save_for_backward(strength)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (strength,) = ctx.saved_tensors
        return -strength * gradient, None


def reverse_gradient(x: Tensor, strength: Tensor) -> Tensor:
    """x itself; the gradient that comes back is multiplied by -strength (0-d) (Ganin et al., 2016, equations 16, 17).
    No gradient reaches `strength`."""
    reversed_: Tensor = _Reversal.apply(x, strength)
    return reversed_


class DomainAdversarial(Learner):
    """Minimises the classes' cross-entropy on the source, less λ times that of the domains for the features, which the
    discriminator minimises (Ganin et al., 2016, equations 13 to 15, by one backward pass through a gradient reversal
    layer).

    Where the model normalises by its batches, the running statistics are those of the target (Li et al., 2018).

    Source labels only: those of the target are looked at in `held_out` and nowhere else. λ follows the paper's
    2 / (1 + exp(-10 p)) - 1 with p the part of the steps of growth that is done. With λ = 0 the features get a gradient
    of 0 from the discriminator, and training is that of the classifier on the source, bit for bit.
    """

    capturable = True
    feed = Feed.TWO_DOMAINS
    needs = (ExtractsFeatures, Classifies)
    quantities = (
        Quantity("class_loss", "Class loss, source", goal="lower"),  # cross-entropies
        Quantity("domain_loss", "Domain loss"),  # log 2 = 0.69 where domains are alike
        Quantity("source_accuracy", "Source accuracy", unit="share", goal="higher"),
        Quantity("target_accuracy", "Target accuracy", unit="share", goal="higher"),  # held out only
        Quantity("domain_accuracy", "Domain accuracy", unit="share"),  # ½ where domains are alike
        Quantity("reversal", "Reversal λ", unit=""),
    )
    done: Tensor  # 0-d: how many steps were taken

    @staticmethod
    def check(settings: DomainAdversarialSettings, spec: DataSpec) -> None:
        if spec.other is None:
            raise UnsuitableData("Domain-adversarial training needs two domains: choose a second data set.")

    def __init__(self, model: nn.Module, settings: DomainAdversarialSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.check(settings, spec)
        self.settings = settings
        widths = [settings.discriminator_hidden] * settings.discriminator_layers
        self.discriminator = mlp([self.model.feature_count(), *widths, 1], settings.discriminator_activation)
        self.register_buffer("done", torch.zeros(()))

    def begin(self) -> None:
        betas = (self.settings.beta1, 0.999)
        self.optimizers = {
            "network": adam(self.model, self.settings.learning_rate, betas),
            "discriminator": adam(self.discriminator, self.settings.discriminator_rate, betas),
        }
        if self.settings.decay:  # of both players, which otherwise circle for good
            for name, rate in self._rates():
                begin_decay(self.optimizers[name], rate, self.done)

    def _rates(self) -> tuple[tuple[str, float], ...]:
        return ("network", self.settings.learning_rate), ("discriminator", self.settings.discriminator_rate)

    def strength(self) -> Tensor:
        """λ at this step: 0-d."""
        if not self.settings.growth_steps:
            return torch.full_like(self.done, self.settings.reversal)
        part = (self.done / self.settings.growth_steps).clamp(max=1)
        return self.settings.reversal * (2 * torch.sigmoid(STEEPNESS * part) - 1)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        strength = self.strength()
        loss, reported = self._losses(batch, strength)
        if self.settings.decay:
            for name, rate in self._rates():
                decay(self.optimizers[name], rate, self.settings.decay, self.done)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.done += 1
        return {**{key: value.detach() for key, value in reported.items()}, "reversal": strength}

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        _, reported = self._losses(batch, self.strength())
        target = _other(batch)
        if self.spec.other is not None and self.spec.other.classes:
            logits = self.model.classify(self.model.features(target.x))
            reported["target_accuracy"] = _accuracy(logits, target.y)
        return reported

    def target_probability(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self._domain(self.model.features(x)))

    watches = ("domains told apart",)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        """Features that tell the domains apart although λ has grown."""
        settings = self.settings
        if not settings.reversal or self.done < settings.growth_steps:
            return None
        _, reported = self._losses(batch, self.strength())
        if reported["domain_accuracy"] < TOLD_APART:
            return None
        stronger, slower = min(100.0, 3 * settings.reversal), settings.discriminator_rate / 3
        return Symptom(
            "domains told apart",
            "The features still tell the domains apart: the discriminator is ahead of them.",
            f"The discriminator knows the domain of at least {TOLD_APART:.0%} of held-out examples, λ fully grown.",
            "Go on with a stronger reversal, or a slower discriminator.",
            {
                f"λ = {stronger:g}": {"reversal": stronger},
                "a slower discriminator": {"discriminator_rate": slower},
                "λ = 0 for comparison": {"reversal": 0.0},
            },
        )

    def _losses(self, batch: Batch, strength: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimised, with the gradient reversed on its way to the features, and what is reported of it."""
        # one pass for each domain: with λ = 0 the source's is then that of a classifier alone, to the last bit
        with held(self.model):  # statistics of batches are followed in the domain that the network is for
            source = self.model.features(batch.x)
        target = self.model.features(_other(batch).x)
        logits, known = self.model.classify(source), batch.y >= 0
        surprise = F.cross_entropy(logits, batch.y.clamp(min=0), reduction="none") * known
        class_loss = surprise.sum() / known.sum().clamp(min=1)
        of_source = self._domain(reverse_gradient(source, strength))
        of_target = self._domain(reverse_gradient(target, strength))
        # both domains count the same, however many examples of each there are
        domain_loss = (F.softplus(of_source).mean() + F.softplus(-of_target).mean()) / 2
        right = ((of_source < 0).float().mean() + (of_target >= 0).float().mean()) / 2
        reported = {
            "class_loss": class_loss,
            "domain_loss": domain_loss,
            "source_accuracy": _accuracy(logits, batch.y),
            "domain_accuracy": right,
        }
        return class_loss + domain_loss, reported

    def _domain(self, features: Tensor) -> Tensor:
        """The logit of P(target | features): (B, F) -> (B,)."""
        logit: Tensor = self.discriminator(features).squeeze(-1)
        return logit


def _accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """The part of the examples with a label that are classified right; 0 where none has one."""
    known = y >= 0
    return ((logits.argmax(1) == y) & known).sum() / known.sum().clamp(min=1)


def _other(batch: Batch) -> Batch:
    assert batch.other is not None, "a learner of two domains is fed both"
    return batch.other


LEARNING = Learning(
    "domain-adversarial",
    "Domain-adversarial training",
    "Generative adversarial networks",
    DomainAdversarial,
    DomainAdversarialSettings,
)
