"""Encoder and search of a linear model, whose bounds are known in closed form."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations import amortisation
from dgm_studio.evaluations.amortisation import AmortisationSettings
from dgm_studio.reports import Curves
from dgm_studio.subject import Subject
from models.linear_gaussian import LinearGaussian
from models.posteriors import PosteriorName
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

STARTS = (amortisation.SEARCHED, amortisation.REFINED)
SPEC = DataSpec((4,), Support.REALS, Layout.VECTOR)
NOISE = 0.5
WEIGHT = torch.tensor([[1.0, 0.9], [-0.3, 0.2], [0.5, 0.6], [0.0, 0.4]])
PRECISION = (torch.eye(2) + WEIGHT.T @ WEIGHT / NOISE**2).double()  # of the posterior, for every x
LOST = 0.5 * (PRECISION.diag().log().sum() - PRECISION.logdet()).item()  # of the best q without correlations


def linear(posterior: PosteriorName, exact: bool) -> Vae:
    """Its encoder says the best q of its family, or the prior whatever it sees."""
    torch.manual_seed(0)
    settings = VaeSettings(
        latent=2, layers=0, likelihood="Gaussian", learn_scale=False, scale=NOISE, posterior=posterior
    )
    model: Any = Vae(settings, SPEC)
    covariance = PRECISION.inverse().float()
    with torch.no_grad():
        model.decoder[0].weight.copy_(WEIGHT)
        model.decoder[0].bias.zero_()
        encoder = model.encoder[-1]
        encoder.weight.zero_()
        encoder.bias.zero_()
        if exact:
            encoder.weight[:2] = covariance @ WEIGHT.T / NOISE**2
            encoder.bias[2:4] = -0.5 * PRECISION.diag().log()
            if posterior == "full Gaussian":
                factor = torch.linalg.cholesky(covariance)
                encoder.bias[2:] = torch.stack([factor[0, 0].log(), factor[1, 1].log(), factor[1, 0]])
    return cast(Vae, model)


def measured(model: Vae, **settings: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], Curves, Tensor]:
    """By name: rows of bounds, of gaps, of cost; the curves; and the exact evidence of each example."""
    x = torch.randn(40, 2, generator=Generator().manual_seed(1)) @ WEIGHT.T
    x = x + NOISE * torch.randn(40, 4, generator=Generator().manual_seed(2))
    split = Split(x, torch.full((40,), -1))
    learner: Any = nn.Module()
    learner.model, learner.sampler = model, lambda: model
    subject = Subject(learner, Dataset(SPEC, split, split, split, Provenance("off")), 0, Generator().manual_seed(0))
    chosen = AmortisationSettings(examples=40, **settings)
    with torch.no_grad():
        *_, table, gaps, cost, curves = (
            r for r in amortisation.EVALUATION.run(subject, chosen) if not isinstance(r, float)
        )
    assert isinstance(curves, Curves)
    assert all(parameter.grad is None for parameter in model.parameters())
    evidence: Any = torch.distributions.MultivariateNormal(torch.zeros(4), WEIGHT @ WEIGHT.T + NOISE**2 * torch.eye(4))
    named = [{str(row[0]).split(":")[0]: row for row in part.rows} for part in (table, gaps, cost)]  # type: ignore[union-attr]
    return named[0], named[1], named[2], curves, evidence.log_prob(x)


def test_the_search_ends_at_the_best_q_of_its_family_and_log_p_is_the_exact_one() -> None:
    assert LOST > 0.3
    rows, gaps, cost, curves, evidence = measured(linear("Gaussian", exact=False), steps=120)
    exact = evidence.double().mean().item()
    for name in STARTS:
        assert rows[name][1] == pytest.approx(exact - LOST, abs=0.05)
    assert rows["log p(x), by importance weights"][1] == pytest.approx(exact, abs=0.05)
    assert gaps["approximation gap"][1] == pytest.approx(LOST, abs=0.05)
    assert gaps["inference gap"][1] == pytest.approx(exact - rows["encoder"][1], abs=0.05)
    # the prior in place of the posterior: E log p(x | z) alone
    assert rows["encoder"][1] < exact - 2
    assert cost["search, all steps"][3] > cost["search, one step"][3] > cost["encoder"][3] == 1
    search, refined, encoder = curves.series
    assert search.y[0] == refined.y[0] == encoder.y[0]  # the prior is also the mean of what this encoder says
    assert 10 ** encoder.y[-1] == pytest.approx(max(rows[name][3] for name in STARTS), abs=0.02)
    assert max(search.y[-1], refined.y[-1]) < -1.5


@pytest.mark.parametrize(("posterior", "lost"), [("Gaussian", LOST), ("full Gaussian", 0.0)])
def test_an_encoder_that_says_the_best_q_has_nothing_to_gain(posterior: PosteriorName, lost: float) -> None:
    rows, gaps, cost, _, evidence = measured(linear(posterior, exact=True), steps=120)
    exact = evidence.double().mean().item()
    assert rows["encoder"][1] == pytest.approx(exact - lost, abs=0.05)
    assert gaps["amortisation gap"][1] == pytest.approx(0, abs=0.02)
    assert gaps["approximation gap"][1] == pytest.approx(lost, abs=0.05)
    assert rows[amortisation.OTHER][1] < exact - lost - 2
    assert cost["search, until it is as good as the encoder"][1] > 50 or math.isnan(
        cost["search, until it is as good as the encoder"][1]
    )


def test_a_search_of_no_use_leaves_q_where_it_was() -> None:
    rows, gaps, cost, _, _ = measured(linear("Gaussian", exact=True), steps=1, rate=1e-6)
    assert rows[amortisation.REFINED][1] == pytest.approx(rows["encoder"][1], abs=1e-3)
    assert rows[amortisation.SEARCHED][1] < rows["encoder"][1] - 1
    assert math.isnan(cost["search, until it is as good as the encoder"][1])
    assert gaps["amortisation gap"][1] == pytest.approx(0, abs=1e-3)


def test_it_is_for_models_whose_q_can_be_moved_example_by_example() -> None:
    assert amortisation.EVALUATION.admits(Vae, nn.Module, SPEC)
    assert not amortisation.EVALUATION.admits(LinearGaussian, nn.Module, SPEC)
