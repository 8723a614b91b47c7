"""Mean field in models with conjugate structure: coordinate ascent, and its stochastic version."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import HasConjugatePosterior, ScoresExactly
from models.learning.base import Feed, Learning, Quantity, means
from models.learning.closed_form import ClosedForm
from models.settings import NoSettings, Settings, setting
from models.spec import Batch, DataSpec


class _ConjugateVi(ClosedForm):
    """A step towards the maximum of the evidence bound. The bound that is reported is that before the step, divided by
    the number of examples."""

    needs = (HasConjugatePosterior, ScoresExactly)
    quantities = (
        Quantity("elbo", "Evidence bound", "nats per example", goal="higher"),
        Quantity("log_prob", "Log-likelihood log p(x)", goal="higher"),
    )

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.start(batch.x)
        scale, rate = self.examples / len(batch.x), self.rate()
        statistics = self.model.local_statistics(batch.x)
        elbo = self.model.evidence_bound(scale * statistics["local_bound"]) / self.examples
        self.record(elbo)
        self.model.update_posterior(statistics, scale, rate)
        return means(elbo=elbo)

    def rate(self) -> Tensor | float:
        """How much of the posterior a step replaces."""
        raise NotImplementedError

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return means(log_prob=self.model.log_prob(batch.x))


class CoordinateAscent(_ConjugateVi):
    """Sets q of each example's latent variables, then q of the parameters, to what maximises the evidence bound given
    the other (CAVI: Blei, Kucukelbir & McAuliffe, 2017, algorithm 1). One step goes once through all data; the bound
    never falls. Reported is the bound with the examples' factors at their best, before the parameters' move."""

    feed = Feed.WHOLE_SET

    def __init__(self, model: nn.Module, settings: NoSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)

    def rate(self) -> float:
        return 1.0


class StochasticViSettings(Settings):
    forgetting: float = setting(
        0.7,
        title="Forgetting rate κ",
        help="The step size is (t + τ)^-κ at step t. Larger values slow down sooner.",
        reference="Hoffman et al. (2013), equation 26, κ",
        gt=0.5,
        le=1,
    )
    delay: float = setting(
        1.0,
        title="Delay τ",
        help="Holds back the first steps, which would otherwise follow the first minibatches too far.",
        unit="steps",
        reference="Hoffman et al. (2013), equation 26, τ",
        ge=0,
        le=1e6,
    )


class StochasticVi(_ConjugateVi):
    """Natural gradient ascent on the evidence bound, with gradients from minibatches as if each stood for all data and
    with step sizes of Robbins & Monro (1951): Hoffman, Blei, Wang & Paisley (2013), figure 4. The bound that is
    reported is an estimate from the minibatch."""

    def __init__(self, model: nn.Module, settings: StochasticViSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings

    def rate(self) -> Tensor:
        return (self.steps + 1 + self.settings.delay) ** -self.settings.forgetting


LEARNING = Learning(
    "coordinate-ascent",
    "Mean field by coordinate ascent",
    "Exact inference and mean field",
    CoordinateAscent,
    NoSettings,
)


STOCHASTIC_LEARNING = Learning(
    "stochastic-vi",
    "Stochastic variational inference",
    "Exact inference and mean field",
    StochasticVi,
    StochasticViSettings,
)
