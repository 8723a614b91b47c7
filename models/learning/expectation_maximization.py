"""Expectation maximisation: closed-form steps that never make the likelihood of the training set smaller."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import MaximizesExpectation, ScoresExactly, Statistics
from models.learning.base import Feed, Learning, Quantity, means
from models.learning.closed_form import ClosedForm
from models.settings import Settings, setting
from models.spec import Batch, DataSpec


class ExpectationMaximizationSettings(Settings):
    examples_at_once: int = setting(
        0,
        title="Examples at once",
        help="The E-step goes through the training set in parts of this many examples, which bounds its memory and "
        "changes nothing but the last bits; 0 takes all together.",
        zero="all",
        ge=0,
        le=100_000_000,
    )


class ExpectationMaximization(ClosedForm):
    """Alternates the E-step, expected sufficient statistics of the whole training set given the present parameters,
    with the M-step, the parameters at which the expected complete log-likelihood is largest (Dempster, Laird & Rubin,
    1977). log p(training set) never falls from one step to the next.

    One step is one E-step and one M-step. What it reports is the likelihood before the M-step, which the E-step gives.
    """

    feed = Feed.WHOLE_SET
    needs = (MaximizesExpectation, ScoresExactly)
    quantities = (Quantity("log_prob", "Log-likelihood log p(x)", goal="higher"),)

    def __init__(
        self, model: nn.Module, settings: ExpectationMaximizationSettings, spec: DataSpec, examples: int
    ) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings = settings

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, Tensor]:
        self.start(batch.x)
        statistics = self._expected(batch.x)
        log_prob = statistics["log_prob"] / len(batch.x)
        self.record(log_prob)
        self.model.maximize(statistics)
        return means(log_prob=log_prob)

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        return means(log_prob=self.model.log_prob(batch.x))

    def _expected(self, x: Tensor) -> Statistics:
        parts = x.split(self.settings.examples_at_once or len(x))
        statistics: Statistics = self.model.expected_statistics(parts[0])
        for part in parts[1:]:
            for name, value in self.model.expected_statistics(part).items():
                statistics[name] += value
        return statistics


LEARNING = Learning(
    "em",
    "Expectation maximisation",
    "Exact inference and mean field",
    ExpectationMaximization,
    ExpectationMaximizationSettings,
)
