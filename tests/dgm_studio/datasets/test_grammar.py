"""The grammar is a distribution: what it draws, scores and lists agree."""

import math

import pytest
import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.grammar import RULES, grammar, sentences
from dgm_studio.datasets.sources import load


def test_rules_and_sentences_are_distributions():
    for name, expansions in RULES.items():
        assert math.fsum(p for p, _ in expansions) == pytest.approx(1, abs=1e-12), name
    known = sentences()
    assert math.fsum(known.values()) == pytest.approx(1, abs=1e-9)
    # one derivation each: (15 + 60) singular and (10 + 40) plural subjects; 3 verbs alone, 4 with each of 125 objects
    assert len(known) == 125 * (3 + 4 * 125)


def test_probability_of_a_sentence_is_the_product_of_its_choices():
    p = grammar()
    x = p.encoded(["the cat sleeps.", "many small birds follow every king.", "the cat sleep.", "cat"])
    wanted = [0.5 * 0.6 * 0.5 * 0.3 * 0.4 * 0.5]
    wanted += [0.5 * (0.4 * 0.5 * 0.4 * 0.2) * 0.6 * 0.1 * 0.5 * (0.6 * 0.2 * 0.15)]
    assert p.log_prob(x)[:2].exp().tolist() == pytest.approx(wanted, rel=1e-5)
    assert p.log_prob(x)[2:].tolist() == [-math.inf, -math.inf]
    x[0, -1] = 3  # something behind the full stop
    assert p.log_prob(x)[0] == -math.inf


def test_draws_follow_the_probabilities_and_the_entropy():
    p = grammar()
    log_p = p.log_prob(p.sample(20_000, torch.Generator().manual_seed(0))).double()
    assert log_p.isfinite().all()
    assert abs(log_p.mean() + p.entropy) < 5 * log_p.std() / len(log_p) ** 0.5
    assert torch.equal(p.sample(5, torch.Generator().manual_seed(1)), p.sample(5, torch.Generator().manual_seed(1)))


def test_the_source_gives_sentences_and_the_density():
    data = load(DataChoice(source="grammar", settings={"examples": 200}))
    assert data.density is not None
    assert data.density.log_prob(data.test.x).isfinite().all()
    assert data.spec.symbols == grammar().symbols
    assert "8.707 nats a sentence" in " ".join(data.provenance.steps)


def test_short_sentences_are_a_language_of_their_own():
    known = sentences("short")
    assert math.fsum(known.values()) == pytest.approx(1, abs=1e-12)
    assert len(known) == (3 + 2) * 5 * 3
    assert not set(known) - set(sentences())  # and a part of the other
    data = load(DataChoice(source="grammar", settings={"kind": "short", "examples": 100}))
    assert data.spec.event_shape == (len("every queen sleeps."),)
    assert data.density is not None
    p = grammar("short").encoded(["every king sings.", "many birds sings."])
    assert data.density.log_prob(p).tolist() == pytest.approx([math.log(0.5 * 0.2 * 0.15 * 0.3), -math.inf], rel=1e-5)
