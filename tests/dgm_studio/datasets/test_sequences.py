"""Sequences: drawn from hidden Markov models that are known exactly, and read from files."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.markov import SOURCES, casino, health, regimes
from dgm_studio.datasets.sources import load
from models.spec import Layout, Support
from tests.dgm_studio.datasets.reading import all_x, loaded, ordered, refusal

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.key)
def test_drawn_sequences_have_their_density_and_the_size_asked_for(source) -> None:
    data = load(DataChoice(source=source.key, settings={"examples": 50, "length": 12, "seed": 3}))
    assert data.spec.event_shape == (12,)
    assert data.spec.layout is Layout.SEQUENCE
    assert (len(data.train), len(data.valid), len(data.test)) == (40, 5, 5)
    assert data.density is not None
    assert data.density.log_prob(data.test.x).isfinite().all()
    again = load(DataChoice(source=source.key, settings={"examples": 50, "length": 12, "seed": 3}))
    other = load(DataChoice(source=source.key, settings={"examples": 50, "length": 12, "seed": 4}))
    assert torch.equal(data.train.x, again.train.x)
    assert not torch.equal(data.train.x, other.train.x)
    if data.spec.support is Support.SYMBOLS:
        assert data.spec.categories == len(data.spec.symbols)
        assert data.train.x.max() == data.spec.categories - 1


@pytest.mark.parametrize("truth", [health(4), casino(3)], ids=["health", "casino"])
def test_exact_probabilities_sum_to_one_and_draws_follow_them(truth) -> None:
    assert truth.emission is not None
    every = torch.tensor(list(product(range(truth.emission.shape[1]), repeat=truth.length))).double()
    p = truth.log_prob(every).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    drawn = truth.sample(20_000, torch.Generator().manual_seed(0)).double()
    for x, share in zip(every, p.tolist(), strict=True):
        found = (drawn == x).all(1).double().mean().item()
        assert found == pytest.approx(share, abs=5 * (share * (1 - share) / 20_000) ** 0.5 + 1e-12)


def test_the_published_example_has_its_probability() -> None:
    assert health(3).log_prob(torch.tensor([[0.0, 1.0, 2.0]])).exp().item() == pytest.approx(0.03628, abs=1e-7)


def test_the_density_of_a_series_integrates_to_one() -> None:
    grid = torch.linspace(-6, 6, 481, dtype=torch.float64)
    pairs = torch.cartesian_prod(grid, grid)
    step = (grid[1] - grid[0]).item()
    assert (regimes(2).log_prob(pairs).exp().sum() * step**2).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("array", "shape", "support", "categories"),
    [
        (RANDOM.normal(size=(40, 30)), "sequence", Support.REALS, 0),
        (RANDOM.random((40, 30)), "sequence", Support.REALS, 0),
        (RANDOM.normal(size=(40, 30, 2)), "sequence", Support.REALS, 0),
        (RANDOM.integers(0, 200, (40, 30), np.uint8), "sequence", Support.REALS, 0),
        (RANDOM.integers(0, 2, (40, 30)), "sequence", Support.BITS, 0),
        (RANDOM.integers(0, 2, (40, 30, 2)), "sequence", Support.REALS, 0),
        (RANDOM.integers(0, 7, (40, 30)), "symbols", Support.SYMBOLS, 7),
        (RANDOM.integers(0, 7, (40, 30)).astype(np.float64), "symbols", Support.SYMBOLS, 7),
        (RANDOM.integers(0, 2, (40, 64)), "symbols", Support.SYMBOLS, 2),
    ],
)
def test_arrays_are_sequences_if_that_is_asked_for(tmp_path, array, shape, support, categories) -> None:
    np.savez(tmp_path / "x.npz", x=array)
    data = loaded("numpy", tmp_path / "x.npz", shape=shape)
    assert (data.spec.layout, data.spec.support, data.spec.categories) == (Layout.SEQUENCE, support, categories)
    assert data.spec.event_shape == array.shape[1:]
    assert np.array_equal(all_x(data), ordered(array.astype(np.float32)))
    if support is Support.SYMBOLS:
        assert data.spec.symbols == tuple(str(k) for k in range(categories))


def test_a_table_holds_a_sequence_in_each_row(tmp_path) -> None:
    rows = RANDOM.integers(0, 4, (30, 9))
    np.savetxt(tmp_path / "x.csv", rows, "%d", ",")
    data = loaded("csv", tmp_path / "x.csv", shape="symbols")
    assert data.spec.symbols == ("0", "1", "2", "3")
    assert loaded("csv", tmp_path / "x.csv", shape="sequence").spec.support is Support.REALS


@pytest.mark.parametrize(
    ("array", "shape", "said"),
    [
        (RANDOM.normal(size=(40, 30)), "symbols", "symbols are whole numbers from 0 to 9,999"),
        (RANDOM.integers(-1, 7, (40, 30)), "symbols", "symbols are whole numbers from 0"),
        (RANDOM.integers(0, 20_000, (40, 30)), "symbols", "Number them so, or choose the shape sequence"),
        (RANDOM.integers(0, 7, (40, 30, 2)), "symbols", "symbols needs sequences × steps."),
        (RANDOM.normal(size=(40, 3, 3, 2)), "sequence", "needs sequences × steps, or sequences × steps × values."),
    ],
)
def test_what_is_no_sequence_is_refused(tmp_path, array, shape, said) -> None:
    np.save(tmp_path / "x.npy", array)
    assert said in refusal("numpy", tmp_path / "x.npy", shape=shape)


def test_series_are_standardised_over_all_time(tmp_path) -> None:
    level = np.linspace(0, 5, 30)[None, :, None]  # changes with time, which must stay
    np.save(tmp_path / "x.npy", level + RANDOM.normal(size=(80, 30, 2)) * [1, 10])
    data = loaded("numpy", tmp_path / "x.npy", shape="sequence", standardise=True)
    flat = data.train.x.flatten(0, 1)
    assert flat.mean(0).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert flat.std(0, correction=0).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert data.train.x[:, -1, 0].mean() > data.train.x[:, 0, 0].mean() + 1


def test_symbols_are_not_standardised(tmp_path) -> None:
    np.save(tmp_path / "x.npy", RANDOM.integers(0, 7, (40, 30)))
    with pytest.raises(BadData, match="holds symbols, which have no mean"):
        loaded("numpy", tmp_path / "x.npy", shape="symbols", standardise=True)
