"""The recurrent network over symbols, against enumeration and against itself in another order of computing."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.config import DataChoice
from dgm_studio.datasets.grammar import GrammarDensity
from dgm_studio.datasets.sources import load
from models.char_rnn import CharRnn, CharRnnSettings
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData, require

KINDS: tuple[dict[str, Any], ...] = ({"cell": "lstm"}, {"cell": "gru"}, {"cell": "lstm", "layers": 2, "embedding": 3})
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def made(kind: dict[str, Any], length: int = 6, categories: int = 3) -> CharRnn:
    torch.manual_seed(0)
    spec = DataSpec((length,), Support.SYMBOLS, Layout.SEQUENCE, categories)
    model = CharRnn(CharRnnSettings(hidden=8, **kind), spec).double()
    with torch.no_grad():  # far from uniform, so that what is wrong shows
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


def all_sequences(length: int, categories: int) -> Tensor:
    return torch.tensor(list(product(range(categories), repeat=length))).double()


@every_kind
@torch.no_grad()
def test_probabilities_of_all_sequences_sum_to_one(kind: dict[str, Any]) -> None:
    log_p = made(kind).log_prob(all_sequences(6, 3))
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert log_p.std() > 0.3


@every_kind
@torch.no_grad()
def test_samples_follow_the_enumerated_probabilities(kind: dict[str, Any]) -> None:
    model, every, n = made(kind, length=3), all_sequences(3, 3), 20_000
    p = model.log_prob(every).exp()
    drawn = model.sample(n, Generator().manual_seed(0)) @ torch.tensor([9.0, 3.0, 1.0]).double()
    found = torch.bincount(drawn.long(), minlength=27) / n
    assert ((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 1e-9).all()


@every_kind
@torch.no_grad()
def test_a_symbol_changes_what_comes_after_it_and_nothing_before(kind: dict[str, Any]) -> None:
    model = made(kind, length=7)
    x = torch.randint(3, (20, 7), generator=Generator().manual_seed(0)).double()
    before = model.log_predictions(x)
    for t in range(7):
        changed = x.clone()
        changed[:, t] = (x[:, t] + 1) % 3
        after = model.log_predictions(changed)
        assert torch.equal(after[:, : t + 1], before[:, : t + 1])
        assert (after[:, t + 1 :] != before[:, t + 1 :]).any(-1).all()


@every_kind
@torch.no_grad()
def test_step_by_step_is_the_same_as_all_at_once(kind: dict[str, Any]) -> None:
    model = made(kind, length=30)
    x = torch.randint(3, (4, 30), generator=Generator().manual_seed(0)).double()
    known = torch.arange(30) < 10
    done = model.complete(x, known, Generator().manual_seed(1))
    assert torch.equal(done.x[:, :10], x[:, :10])
    assert not torch.equal(done.x, x)
    assert torch.allclose(done.log_prob, model.log_conditionals(done.x), atol=1e-10)


@torch.no_grad()
def test_generation_reads_each_symbol_once() -> None:
    model, read = made({}, length=40), []
    model.recurrent.register_forward_hook(lambda module, given, _: read.append(given[0].shape[1]))
    model.sample(2, Generator().manual_seed(0))
    assert read == [1] * 40


@torch.no_grad()
def test_temperature_sharpens_the_conditionals() -> None:
    model, n = made({}, length=1), 20_000
    p = model.log_predictions(torch.zeros(1, 1).double())[0, 0].exp()
    for temperature in (0.5, 2.0):
        x = torch.zeros(n, 1).double()
        drawn = model.complete_at_temperature(x, x.bool(), temperature, Generator().manual_seed(0)).x
        wanted = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
        found = torch.bincount(drawn.flatten().long(), minlength=3) / n
        assert ((found - wanted).abs() <= 5 * (wanted * (1 - wanted) / n).sqrt()).all()


def test_on_sentences_of_a_grammar_its_cross_entropy_comes_near_the_grammars_entropy() -> None:
    data = load(DataChoice(source="grammar"))
    density = data.density
    assert isinstance(density, GrammarDensity)
    torch.manual_seed(0)
    model = CharRnn(CharRnnSettings(hidden=64), data.spec)
    rule = MaximumLikelihood(model, MaximumLikelihoodSettings(learning_rate=0.03, decay=300), data.spec, 8000)
    rule.begin()
    generator = Generator().manual_seed(0)
    for _ in range(300):
        index = torch.randint(len(data.train), (32,), generator=generator)
        rule.step(Batch(data.train.x[index], data.train.y[index], index))
    with torch.no_grad():
        excess = density.log_prob(data.test.x) - model.log_prob(data.test.x)  # its mean is KL(grammar ‖ model)
        valid = density.log_prob(model.sample(500, generator)).isfinite().float().mean()
    assert 8.70 < density.entropy < 8.71
    # by no more than chance better than the truth, and worse by a few percent of its entropy
    assert -3 * excess.std() / len(excess) ** 0.5 <= excess.mean() <= 0.35
    assert valid >= 0.7


def test_a_model_of_pixels_says_what_would_fit_instead_of_text() -> None:
    text = DataSpec((6,), Support.SYMBOLS, Layout.SEQUENCE, 4, symbols=tuple("abcd"))
    for support, advice in (
        (Support.BITS, "choose images and a binarisation"),
        (Support.UNIT, "choose images and values scaled to 0…1"),
        (Support.LEVELS, "choose images and a number of grey levels"),
    ):
        with pytest.raises(UnsuitableData, match=f"A model cannot model symbols: {advice}"):
            require(text, support, model="A model")


def test_what_it_cannot_read_is_refused_with_what_would_fit() -> None:
    for spec, text in (
        (DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE), "choose a sequence of symbols, such as text"),
        (DataSpec((1, 3, 3), Support.SYMBOLS, Layout.IMAGE, 4), "choose sequences"),
        (DataSpec((6, 2), Support.SYMBOLS, Layout.SEQUENCE, 4), "choose sequences of single symbols"),
    ):
        with pytest.raises(UnsuitableData, match=text):
            CharRnn.check(CharRnnSettings(), spec)
