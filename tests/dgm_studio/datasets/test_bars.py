"""Bars and stripes: the distribution that is scored is the one that is drawn from."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.config import DataChoice
from dgm_studio.datasets.bars import BarsAndStripes
from dgm_studio.datasets.sources import load
from models.spec import Layout, Support


def every(side: int) -> Tensor:
    places = torch.arange(side**2 - 1, -1, -1)
    return ((torch.arange(2**side**2)[:, None] >> places) & 1).double().reshape(-1, 1, side, side)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_probabilities_sum_to_one_and_draws_follow_them(noise: float) -> None:
    p = BarsAndStripes(3, noise)
    x, n = every(3), 50_000
    probability = p.log_prob(x).exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-9)
    drawn = p.sample(n, Generator().manual_seed(0)).flatten(1)
    counts = torch.bincount((drawn @ 2.0 ** torch.arange(8, -1, -1)).long(), minlength=512)
    error = (probability * (1 - probability) / n).sqrt()
    assert ((counts / n - probability).abs() <= 5 * error + 1e-9).all()


def test_without_noise_there_are_only_bars_and_stripes() -> None:
    p = BarsAndStripes(4)
    log_prob = p.log_prob(every(4))
    possible = log_prob > -math.inf
    assert possible.sum() == 30
    assert torch.allclose(log_prob[possible].exp().sort().values[:28], torch.tensor(1 / 32).double())
    assert log_prob[0].item() == pytest.approx(math.log(2 / 32))  # all off is a bar as well as a stripe


def test_the_data_set_has_bits_classes_and_its_distribution() -> None:
    dataset = load(DataChoice(source="bars", settings={"side": 3, "examples": 200}))
    assert dataset.spec.event_shape == (1, 3, 3)
    assert (dataset.spec.support, dataset.spec.layout) == (Support.BITS, Layout.IMAGE)
    assert dataset.spec.class_names == ("stripes", "bars")
    assert dataset.density is not None
    for x, y in zip(dataset.train.x, dataset.train.y, strict=True):
        lines = x[0].t() if y else x[0]
        assert all(len(line.unique()) == 1 for line in lines)
    again = load(DataChoice(source="bars", settings={"side": 3, "examples": 200}))
    assert torch.equal(dataset.train.x, again.train.x)
