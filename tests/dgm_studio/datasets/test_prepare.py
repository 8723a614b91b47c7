"""Splits, binarisation and scaling: what happens between a source and a run."""

import hashlib

import numpy as np
import pytest
import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData, Provenance, RawData, prepare
from dgm_studio.datasets.sources import load
from models.spec import Layout, Support


def raw(n=200, support=Support.UNIT, layout=Layout.VECTOR, **other):
    x = np.random.default_rng(0).random((n, 6), dtype=np.float32)
    return RawData(x, None, support, layout, Provenance("Numbers"), **other)


def digest(tensor):
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()[:16]


def test_split_is_fixed_by_its_seed():
    a, b, other = (prepare(raw(), "none", seed) for seed in (3, 3, 4))
    assert torch.equal(a.test.x, b.test.x)
    assert not torch.equal(a.test.x, other.test.x)


def test_split_of_the_digits_is_the_stored_one():
    # runs in project files are resumed on these very examples: this value must never change
    data = load(DataChoice(source="digits"))
    assert data.test.y[:12].tolist() == [0, 1, 6, 7, 6, 5, 2, 9, 6, 5, 2, 7]
    digests = [digest(split.x) for split in (data.train, data.valid, data.test)]
    assert digests == [
        "10b2c003619114a8",
        "a0682cc5aa9aeb33",
        "2a2d0ed08855cbb1",
    ]


def test_parts_are_disjoint_and_complete():
    data = prepare(raw(105), "none", 0)
    assert [len(data.train), len(data.valid), len(data.test)] == [85, 10, 10]
    together = torch.cat([data.train.x, data.valid.x, data.test.x])
    assert len(torch.unique(together, dim=0)) == 105


def test_given_split_is_respected():
    split = np.repeat([0, 1, 2], [150, 20, 30])
    data = prepare(raw(split=split), "none", 0)
    x = torch.from_numpy(raw().x)
    assert torch.equal(data.train.x, x[:150])
    assert torch.equal(data.valid.x, x[150:170])
    assert torch.equal(data.test.x, x[170:])


@pytest.mark.parametrize(("given", "sizes"), [((0, 2), (135, 15, 50)), ((0, 1), (135, 50, 15))])
def test_missing_part_of_a_given_split_is_drawn_from_training(given, sizes):
    data = prepare(raw(split=np.repeat(given, [150, 50])), "none", 0)
    assert (len(data.train), len(data.valid), len(data.test)) == sizes
    kept = data.test if given[1] == 2 else data.valid
    assert torch.equal(kept.x, torch.from_numpy(raw().x)[150:])
    assert "drawn from training" in data.provenance.steps[-1]


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_examples_are_refused(n):
    with pytest.raises(BadData, match=f"Numbers has too few examples \\({n}\\)"):
        prepare(raw(n), "none", 0)


def test_split_without_training_part_is_refused():
    with pytest.raises(BadData, match="training part would be empty"):
        prepare(raw(split=np.full(200, 2)), "none", 0)


def test_threshold_needs_no_random_number():
    a, b = (prepare(raw(split=np.repeat([0, 1, 2], [150, 20, 30])), "threshold", seed) for seed in (0, 1))
    assert torch.equal(a.train.x, (torch.from_numpy(raw().x)[:150] > 0.5).float())
    assert torch.equal(a.train.x, b.train.x)
    assert a.spec.support is Support.BITS
    assert a.spec.protocol == "bits: value > 0.5"


def test_fixed_bits_are_drawn_once_with_their_probability():
    x = np.full((20_000, 5), 0.3, np.float32)
    data = prepare(RawData(x, None, Support.UNIT, Layout.VECTOR, Provenance("p")), "fixed", 7)
    again = prepare(RawData(x, None, Support.UNIT, Layout.VECTOR, Provenance("p")), "fixed", 7)
    assert torch.equal(data.train.x, again.train.x)
    assert set(data.train.x.unique().tolist()) == {0.0, 1.0}
    assert data.train.x.mean() == pytest.approx(0.3, abs=5 * (0.21 / 80_000) ** 0.5)
    assert not data.draws_bits
    assert data.spec.protocol == "bits drawn once with the split's seed"


def test_dynamic_keeps_probabilities_for_training_and_bits_for_measuring():
    plain, fixed, dynamic = (prepare(raw(), way, 7) for way in ("none", "fixed", "dynamic"))
    assert dynamic.draws_bits
    assert torch.equal(dynamic.train.x, plain.train.x)
    for name in ("valid", "test"):
        assert torch.equal(getattr(dynamic, name).x, getattr(fixed, name).x)
    assert dynamic.spec.support is Support.BITS
    assert dynamic.spec.protocol.startswith("bits drawn anew at each visit")


def test_split_is_the_same_under_every_binarisation():
    ways = [prepare(raw(), way, 5) for way in ("none", "threshold", "dynamic")]
    assert torch.equal((ways[0].valid.x > 0.5).float(), ways[1].valid.x)
    assert torch.equal(ways[0].train.x, ways[2].train.x)


def test_bits_stay_bits_whatever_is_chosen():
    bits = RawData(np.eye(40, dtype=np.float32), None, Support.BITS, Layout.VECTOR, Provenance("Bits"))
    for way in ("none", "threshold", "fixed", "dynamic"):
        data = prepare(bits, way, 0)
        assert torch.equal(data.train.x.sum(1), torch.ones(32))
        assert data.spec.protocol == "bits as they are in the data"
        assert not data.draws_bits


def test_reals_cannot_be_made_bits():
    with pytest.raises(BadData, match=r"Numbers holds reals; only values in 0…1 can be made bits"):
        prepare(raw(support=Support.REALS), "fixed", 0)


def test_standardised_by_the_training_part_alone():
    values = raw(support=Support.REALS, standardise=True)
    values.x[:] = values.x * 7 + 3
    values.x[:, 2] = 5.0
    data = prepare(values, "none", 0)
    varied = [0, 1, 3, 4, 5]
    assert data.train.x[:, varied].mean(0) == pytest.approx(torch.zeros(5), abs=1e-5)
    assert data.train.x[:, varied].std(0, correction=0) == pytest.approx(torch.ones(5), abs=1e-5)
    assert data.train.x[:, 2].abs().max() == 0
    assert data.test.x[:, 0].mean().abs() > 1e-3
    assert data.spec.support is Support.REALS
    assert data.spec.protocol == "standardised values"
    assert any("standardised" in step for step in data.provenance.steps)


def test_images_are_standardised_by_channel():
    x = np.random.default_rng(0).random((50, 3, 4, 4), dtype=np.float32) * np.array([1, 5, 9]).reshape(1, 3, 1, 1)
    given = RawData(x, None, Support.REALS, Layout.IMAGE, Provenance("p"), standardise=True)
    train = prepare(given, "none", 0).train.x
    assert train.mean((0, 2, 3)) == pytest.approx(torch.zeros(3), abs=1e-5)
    assert train.std((0, 2, 3), correction=0) == pytest.approx(torch.ones(3), abs=1e-5)


def test_missing_class_is_a_warning_that_names_it():
    values = raw(split=np.repeat([0, 1, 2], [150, 20, 30]))
    y = np.arange(200) % 3
    y[150:170] = 0
    data = prepare(RawData(**{**values.__dict__, "y": y, "class_names": ("a", "b", "c")}), "none", 0)
    assert data.warnings == ("The classes 'b', 'c' do not occur in the validation part.",)


def test_values_become_whole_levels_and_the_nearest_ones():
    raw = RawData(
        np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 1, 4, 4), None, Support.UNIT, Layout.IMAGE, Provenance("t")
    )
    fine, coarse = prepare(raw, "none", 0, levels=256), prepare(raw, "none", 0, levels=3)
    assert fine.spec.support is Support.LEVELS
    assert (fine.spec.categories, fine.spec.brightest) == (256, 255)
    values = torch.cat([split.x for split in (fine.train, fine.valid, fine.test)]).flatten().sort().values
    assert values.tolist() == list(range(256)), "bytes keep their value"
    three = torch.cat([split.x for split in (coarse.train, coarse.valid, coarse.test)]).flatten()
    assert three.unique(return_counts=True)[1].tolist() == [64, 128, 64]
    assert coarse.spec.protocol == "values rounded to 3 levels"


@pytest.mark.parametrize(
    ("support", "binarization", "levels", "sentence"),
    [
        (Support.UNIT, "threshold", 4, "either bits or levels"),
        (Support.UNIT, "none", 1, "all examples would be alike"),
        (Support.REALS, "none", 4, "holds reals; only values in 0…1 can be rounded to levels"),
    ],
)
def test_levels_that_cannot_be_made_are_refused(support, binarization, levels, sentence):
    raw = RawData(np.zeros((16, 1, 4, 4), np.float32), None, support, Layout.IMAGE, Provenance("t"))
    with pytest.raises(BadData, match=sentence):
        prepare(raw, binarization, 0, levels)
