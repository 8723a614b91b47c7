"""Bounds of codes of every kind, over data of whole levels: what evaluations say of them is what the model does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import Measured, evaluate
from dgm_studio.events import Snapshot
from dgm_studio.reports import Table
from models.catalog import Recipe
from models.spec import DataSpec, Layout, Support


def levels() -> Dataset:
    x = torch.randint(4, (24, 1, 2, 2), generator=Generator().manual_seed(0)).float()
    parts = [Split(x[a : a + 8], torch.full((8,), -1)) for a in (0, 8, 16)]
    return Dataset(DataSpec((1, 2, 2), Support.LEVELS, Layout.IMAGE, 4), *parts, Provenance("levels"))


@pytest.mark.parametrize("posterior", ["full Gaussian", "exponential", "logistic"])
def test_the_bounds_terms_and_its_bits_are_those_of_the_model(posterior: str) -> None:
    dataset = levels()
    settings = {"hidden": 4, "layers": 1, "posterior": posterior}
    recipe = Recipe.read("vae", "reparameterized-elbo", settings, {})
    torch.manual_seed(0)
    learner = recipe.build(dataset.spec, 8)
    weights = Snapshot(1, {key: value.clone() for key, value in learner.state_dict().items()})
    given = {
        "rate-distortion": {"draws": 200},
        "likelihood": {"importance_samples": 200, "code_temperatures": 20, "code_chains": 2, "code_examples": 2},
    }
    found = {}
    for event in evaluate(recipe, dataset, weights, list(given), torch.device("cpu"), 0, given):
        assert isinstance(event, Measured) or not hasattr(event, "text"), event
        if isinstance(event, Measured):
            table = next(report for report in event.result.reports if isinstance(report, Table))
            found |= {row[0]: dict(zip([c.title for c in table.columns], row, strict=True)) for row in table.rows}
    bound = found["importance-weighted bound"]
    x = dataset.test.x.repeat(2000, 1, 1, 1)
    with torch.no_grad():
        terms = learner.model.elbo(x, Generator().manual_seed(1))
    assert found["KL(q‖p)"]["Mean"] == pytest.approx(terms.kl.mean().item(), abs=0.05)
    assert found["reconstruction E[log p(x|z)]"]["Mean"] == pytest.approx(terms.reconstruction.mean().item(), abs=0.05)
    assert bound["Value"] > terms.value.mean().item()
    assert bound["Code length"] == pytest.approx(-bound["Value"] / 4 / math.log(2))
    assert bound["Code length"] < 2.6  # 2 bits are all there is in a level
