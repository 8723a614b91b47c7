"""What the learners share that ascend a lower bound on log p(x) by a noisy gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Elbo, ScoresExactly
from models.estimation.active_units import ACTIVE, active_units, code_means
from models.learning.ascent import DecaySettings, begin_decay, decay
from models.learning.base import Learner, Quantity, Symptom, adam
from models.settings import Settings, setting
from models.spec import Batch, DataSpec

DRAWS = 5  # of the gradient, from which its variance is estimated
EXAMPLES = 50  # the same each time

ELBO = Quantity("elbo", "Evidence bound", goal="higher")
RECONSTRUCTION = Quantity("reconstruction", "Reconstruction", goal="higher")
KL = Quantity("kl", "KL(q‖p)")
EVIDENCE = Quantity("evidence", "log p(x)", goal="higher")
GRADIENT_VARIANCE = Quantity("gradient_variance", "Gradient variance", "nats²")


class BoundSettings(DecaySettings):
    gradient_variance: bool = setting(
        True,
        title="Gradient variance",
        help=f"Beside held-out values: the variance of the gradient of {EXAMPLES} held-out examples' mean, over "
        f"{DRAWS} draws of the latent variables and summed over the model's parameters, to compare estimators by.",
        reference="Mnih & Gregor (2014), section 3.3",
    )
    evidence: bool = setting(
        False,
        title="Exact evidence",
        help="Beside held-out values: log p(x) itself, which the bound is below. For models so small that it can be "
        "summed over all their latent states.",
    )


class BoundAscent(Learner):
    """Ascends by Adam. Siblings differ in `surrogate`, and what they add to a step."""

    settings: Any
    steps: Tensor  # done so far, 0-d

    def __init__(self, model: nn.Module, settings: Settings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings
        self.register_buffer("steps", torch.zeros(()))

    @staticmethod
    def out_of_reach(model: type) -> Mapping[str, str]:
        if issubclass(model, ScoresExactly):
            return {}
        return {"evidence": "log p(x) of this model is no sum that could be computed"}

    def begin(self) -> None:
        self.optimizers = {"model": adam(self, self.settings.learning_rate)}
        if self.settings.decay:
            begin_decay(self.optimizers["model"], self.settings.learning_rate, self.steps)

    @abstractmethod
    def surrogate(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """A 0-d tensor whose gradient is the estimate to descend, and what is to be reported of these examples, by the
        keys of `quantities`. Changes nothing."""

    def step(self, batch: Batch) -> dict[str, Tensor]:
        loss, reported = self.surrogate(batch.x)
        self.descend(loss)
        return {key: value.detach() for key, value in reported.items()}

    def descend(self, loss: Tensor) -> None:
        """One step of Adam, over the parameters of the model and the learner's own."""
        if self.settings.decay:
            decay(self.optimizers["model"], self.settings.learning_rate, self.settings.decay, self.steps)
        self.optimizers["model"].zero_grad()
        loss.backward()
        self.optimizers["model"].step()
        self.steps.add_(1)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        _, reported = self.surrogate(batch.x, generator)
        if self.settings.gradient_variance:
            reported["gradient_variance"] = self.variance_of_gradient(batch.x[:EXAMPLES], generator)
        if self.settings.evidence:
            reported["evidence"] = self.model.log_prob(batch.x).mean()
        return reported

    watches = ("posterior collapse",)
    against_collapse: ClassVar[dict[str, dict[str, Any]]] = {}  # settings that may help, by what they are called

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        """Posterior collapse."""
        means = code_means(self.model, batch.x)
        if means is None or active_units(means).any():
            return None
        ways = " or ".join(self.against_collapse) or "a weaker decoder"
        return Symptom(
            "posterior collapse",
            "The posterior collapsed: q(z|x) is the same for every x, and the decoder does without z.",
            "No unit of z is active on held-out examples: the variance of its posterior mean over them is at most "
            f"{ACTIVE:g} (Burda et al., 2016).",
            f"Go on with {ways}.",
            self.against_collapse,
        )

    def variance_of_gradient(self, x: Tensor, generator: Generator, draws: int = DRAWS) -> Tensor:
        """The trace of the covariance of the estimated gradient over draws of the latent variables, x being the same
        each time: unbiased, over all parameters of the model. A 0-d tensor."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        gradients = []
        with torch.enable_grad():
            for _ in range(draws):
                loss, _ = self.surrogate(x, generator)
                found = torch.autograd.grad(loss, parameters, allow_unused=True)
                gradients.append(torch.cat([g.flatten() for g in found if g is not None]))
        return torch.stack(gradients).var(0).sum()


def terms_of(bound: Elbo) -> dict[str, Tensor]:
    """The mean of a bound and of its terms, as they are reported."""
    reconstruction, kl = bound.reconstruction.mean(), bound.kl.mean()
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
