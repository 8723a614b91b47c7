"""Stochastic gradient ascent on the evidence lower bound by reparameterisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from models.capabilities import BoundsEvidence, Decodes, Elbo, Encodes, RefinesPosterior, WeighsEvidence
from models.learning.auxiliary import AuxiliaryDecoder
from models.learning.base import Learning, Quantity, Symptom
from models.learning.bound import (
    ELBO,
    EVIDENCE,
    GRADIENT_VARIANCE,
    KL,
    RECONSTRUCTION,
    BoundAscent,
    BoundSettings,
    terms_of,
)
from models.learning.kl_weight import KlSettings, annealing_steps, charged_kl, kl_weight
from models.learning.refinement import refine
from models.settings import setting
from models.spec import Batch, DataSpec

Parts = tuple[Tensor, dict[str, Tensor]]  # what is to descend, and what is reported


class ReparameterizedElboSettings(KlSettings, BoundSettings):
    importance_samples: int = setting(
        1,
        title="Importance samples k",
        help="Draws of z for each example. 1 ascends the evidence bound, more the importance-weighted one, which is "
        "tighter. It has no KL term: with more than 1, KL weight, annealing, free bits and refinement have no effect.",
        reference="Burda et al. (2016), k, equation (8)",
        ge=1,
        le=5000,
    )
    auxiliary: float = setting(
        0.0,
        title="Auxiliary loss",
        help="Weight of the log-likelihood of a second, simple decoder, which knows x through z alone, so that z "
        "cannot stay empty, however strong the model's own decoder is. 0 does without.",
        reference="Goyal et al. (2017), section 3; Lucas & Verbeek (2018), λ",
        zero="off",
        ge=0,
        le=100,
    )
    auxiliary_hidden: int = setting(
        128,
        title="Units of the auxiliary decoder",
        help="Width of its one hidden layer. No effect without the auxiliary loss.",
        ge=1,
        le=4096,
    )
    refinement: int = setting(
        0,
        title="Refinement of q",
        help="Gradient steps that q(z|x) of each example takes from where the encoder puts it, before the decoder "
        "learns from it: the encoder's error costs the decoder less. A step of learning costs about this many more. 0 "
        "takes the encoder's word.",
        unit="steps",
        reference="Kim et al. (2018), K; Hjelm et al. (2016)",
        zero="off",
        ge=0,
        le=1000,
    )
    refinement_rate: float = setting(
        0.01,
        title="Refinement rate",
        help="Size of these steps, in the parameters that the encoder says. Too large, and the refined bound is below "
        "the encoder's: see what is gained by refinement. No effect without refinement.",
        reference="Kim et al. (2018), α",
        gt=0,
        le=10,
        log=True,
    )


class ReparameterizedElbo(BoundAscent):
    """Maximises E_q[log p(x|z)] - w KL(q||p), with z = μ + σε so that gradients flow through the sample.

    Kingma & Welling (2014), algorithm 1. Reported terms are unweighted; `elbo` is the true bound, whatever w is.

    With k > 1 importance samples it maximises E[log (1/k) Σ p(x, z_k) / q(z_k | x)] (Burda et al., 2016) instead.

    With refinement the decoder learns from q as it is after some steps of its own, and the encoder as ever, by the
    gradient of the bound at what it says (Krishnan et al., 2018), which the first of these steps has found already.
    """

    capturable = True
    needs = (BoundsEvidence,)
    against_collapse: ClassVar = {
        "free bits": {"free_bits": 0.5},
        "a smaller KL weight": {"kl_weight": 0.1},
    }  # what a state that has collapsed can go on with; annealing would have had to come before
    quantities = (
        ELBO,
        RECONSTRUCTION,
        KL,
        Quantity("importance_weighted", "Importance-weighted bound", goal="higher"),
        Quantity("auxiliary", "Auxiliary log p(x|z)", goal="higher"),
        Quantity("refined", "Gained by refinement", goal="higher"),
        GRADIENT_VARIANCE,
        EVIDENCE,
    )

    def __init__(self, model: nn.Module, settings: ReparameterizedElboSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.auxiliary: AuxiliaryDecoder | None = None
        if settings.auxiliary:
            latent = self.model.prior().mean.numel()
            self.auxiliary = AuxiliaryDecoder(latent, settings.auxiliary_hidden, spec)

    @staticmethod
    def out_of_reach(model: type) -> Mapping[str, str]:
        found = dict(BoundAscent.out_of_reach(model))
        if not issubclass(model, WeighsEvidence):
            found["importance_samples"] = "this model does not weigh draws of its posterior"
        if not (issubclass(model, Encodes) and issubclass(model, Decodes)):
            why = "this model has no code that a second decoder could read"
            found |= {"auxiliary": why, "auxiliary_hidden": why}
        if not issubclass(model, RefinesPosterior):
            why = "the posterior of this model has no parameters of each example that could take steps of their own"
            found |= {"refinement": why, "refinement_rate": why}
        return found

    def kl_weight(self) -> Tensor | float:
        return kl_weight(self.settings, self.steps)

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        if self.steps < annealing_steps(self.settings):
            return None
        return super().diagnose(batch, generator)

    def surrogate(self, x: Tensor, generator: Generator | None = None) -> Parts:
        if self.settings.importance_samples > 1:
            loss, reported = self._importance_weighted(x, generator)
        elif self.settings.refinement:
            loss, reported = self._refined(x, generator)
        else:
            terms = self.model.elbo(x, generator)
            loss, reported = self._plain(terms), terms_of(terms)
        if self.auxiliary is not None:
            z = self.model.encode(x).sample(1, generator).squeeze(0)
            reported["auxiliary"] = self.auxiliary.log_likelihood(x, z).mean()
            loss = loss - self.settings.auxiliary * reported["auxiliary"]
        return loss, reported

    def _plain(self, terms: Elbo) -> Tensor:
        return self.kl_weight() * charged_kl(self.settings, terms.kl_per_dimension) - terms.reconstruction.mean()

    def _importance_weighted(self, x: Tensor, generator: Generator | None) -> Parts:
        """The terms that are reported are those of one more draw."""
        k = self.settings.importance_samples
        bound = (self.model.log_weights(x, k, generator).logsumexp(0) - math.log(k)).mean()
        with torch.no_grad():
            reported = terms_of(self.model.elbo(x, generator))
        return -bound, {**reported, "importance_weighted": bound}

    def _refined(self, x: Tensor, generator: Generator | None) -> Parts:
        said = self.model.posterior_parameters(x)
        steps, rate = self.settings.refinement, self.settings.refinement_rate
        found = refine(self.model, x, said, steps, rate, self.kl_weight(), generator)
        terms = self.model.elbo_of(x, found.parameters, generator)
        # of the decoder, then of the encoder: the product's gradient is that of the bound where the encoder put q
        loss = self._plain(terms) - (said * found.gradient).sum(-1).mean()
        return loss, {**terms_of(terms), "refined": (terms.value - found.bound).mean()}


LEARNING = Learning(
    "reparameterized-elbo",
    "Reparameterised bound",
    "Variational auto-encoders",
    ReparameterizedElbo,
    ReparameterizedElboSettings,
)
