"""What is said of samples of a grammar, and of bits with known patterns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.evaluations.diversity import EVALUATION, DiversitySettings
from dgm_studio.reports import Note, Table
from dgm_studio.subject import Subject
from models.discrete_gan import DiscreteGan
from models.gan import Gan
from models.learning.discrete_game import GumbelGan
from models.sequence_gan import SequenceGan
from models.spec import DataSpec, Layout, Support


class Repeats(nn.Module):
    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.register_buffer("x", x)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        x: Tensor = self.get_buffer("x")
        return x[torch.arange(n) % len(x)]


def measured(sampled: Tensor, dataset: Dataset, n: int = 200) -> tuple[dict[str, dict[str, Any]], Note]:
    """Rows of the table by name, each with its cells by the titles of columns; and the note."""
    learner: Any = nn.Module()
    learner.sampler = lambda: Repeats(sampled)
    subject = Subject(learner, dataset, 7, Generator().manual_seed(0))
    table, note = (r for r in EVALUATION.run(subject, DiversitySettings(samples=n)) if not isinstance(r, float))
    assert isinstance(table, Table)
    assert isinstance(note, Note)
    titles = [column.title for column in table.columns]
    return {str(row[0]): dict(zip(titles, row, strict=True)) for row in table.rows}, note


def test_a_sampler_that_knows_one_sentence_is_possible_and_collapsed() -> None:
    data = load(DataChoice(source="grammar", settings={"kind": "short", "examples": 1000}))
    rows, note = measured(data.train.x[:1], data)
    assert rows["Model"]["Possible"] == 100
    assert rows["Model"]["Different possible ones"] == 1
    assert rows["Model"]["Total variation"] > 0.9
    assert rows["Model"]["Entropy of shares"] == 0
    assert rows["Training data"]["Different possible ones"] > 40
    assert rows["Perfect sampler"]["Total variation"] < 0.3
    assert rows["Uniformly random"]["Possible"] == 0
    assert rows["Uniformly random"]["Runs of 4"] > 0.6 > 0.1 > rows["Training data"]["Runs of 4"]
    assert note.tone == "bad"
    assert "1 different ones among 200" in note.text


def test_the_data_themselves_are_diverse() -> None:
    data = load(DataChoice(source="bars", binarization="threshold"))
    rows, note = measured(data.train.x[:200], data)
    assert rows["Model"] | {"Drawn from": ""} == rows["Training data"] | {"Drawn from": ""}
    assert rows["Model"]["Possible"] == 100
    assert rows["Uniformly random"]["Possible"] < 5
    assert "Runs of 2" not in rows["Model"]
    assert note.tone == "good"


def test_without_a_density_only_differences_are_counted() -> None:
    data = load(DataChoice(source="digits", binarization="threshold"))
    rows, _ = measured(data.train.x[:10], data, 50)
    assert set(rows) == {"Model", "Training data", "Uniformly random"}
    assert rows["Model"]["Different"] == 20
    assert "Possible" not in rows["Model"]


def test_it_is_for_discrete_values() -> None:
    text = DataSpec((6,), Support.SYMBOLS, Layout.SEQUENCE, 3)
    bits, grey = (DataSpec((1, 3, 3), s, Layout.IMAGE) for s in (Support.BITS, Support.UNIT))
    assert EVALUATION.admits(SequenceGan, GumbelGan, text)
    assert EVALUATION.admits(DiscreteGan, GumbelGan, bits)
    assert not EVALUATION.admits(Gan, GumbelGan, grey)
    assert not EVALUATION.admits(nn.Module, GumbelGan, bits)
