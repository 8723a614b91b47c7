"""Whether samples of a class are taken for it: against a model of which it is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluations.class_agreement import EVALUATION, ClassAgreementSettings
from dgm_studio.reports import Note, Pictures, Report, Table
from dgm_studio.subject import Subject
from models.estimation.measure import wilson
from models.spec import DataSpec, Layout, Support

NAMES = ("top", "middle", "bottom")
SPEC = DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE, class_names=NAMES)


def bars(y: Tensor, generator: Generator | None = None) -> Tensor:
    """A bright row, the class of which is its place."""
    x = torch.eye(3)[y].reshape(-1, 1, 3, 1).expand(-1, 1, 3, 3)
    return 0.8 * x + 0.2 * torch.rand(x.shape, generator=generator)


def split(n: int, hidden: int = 0) -> Split:
    y = torch.arange(n) % 3
    return Split(bars(y, Generator().manual_seed(n)), torch.where(torch.arange(n) < hidden, -1, y))


class Draws(nn.Module):
    """Examples of the class, but every fourth of the next class, as long as it knows classes at all."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.classes = classes

    def sampler(self) -> nn.Module:
        return self

    def conditional_classes(self) -> int:
        return self.classes

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        return bars(torch.where(torch.arange(len(y)) % 4 == 0, (y + 1) % 3, y), generator)


def reports(model: Any, train: Split, test: Split, **settings: Any) -> list[Report]:
    dataset = Dataset(SPEC, train, test, test, Provenance("rows"))
    subject = Subject(model, dataset, 0, Generator().manual_seed(0))
    chosen = ClassAgreementSettings(**({"samples": 40, "hidden": 16, "steps": 300, "batch_size": 30} | settings))
    with torch.no_grad():
        return [item for item in EVALUATION.run(subject, chosen) if not isinstance(item, float)]


def test_the_share_of_samples_that_are_of_their_class_is_found_with_its_interval() -> None:
    table, pictures = reports(Draws(), split(90, hidden=30), split(60, hidden=6))
    assert isinstance(table, Table)
    whole, *classes = table.rows
    assert whole[:2] == ("all classes", pytest.approx(75.0))
    assert whole[2] == pytest.approx([100 * end for end in wilson(0.75, 120)])
    assert whole[3:5] == (100.0, (pytest.approx(100 * wilson(1.0, 54)[0]), pytest.approx(100.0)))
    assert [row[0] for row in classes] == list(NAMES)
    assert [row[1] for row in classes] == pytest.approx([75.0] * 3)
    assert [row[-1] for row in classes] == [f"most often for {NAMES[(k + 1) % 3]}" for k in range(3)]
    assert isinstance(pictures, Pictures)
    assert len(pictures.pictures) == 3 * 8
    assert pictures.stacked
    assert len(pictures.group) == 8  # a row of them for each class
    assert pictures.captions[:5] == ("top→middle", "top", "top", "top", "top→middle")


def test_the_same_seed_gives_the_same_figures_and_the_session_keeps_its_numbers() -> None:
    before = torch.get_rng_state()
    first, second = (reports(Draws(), split(90), split(60), steps=20)[0] for _ in range(2))
    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert first.rows == second.rows
    assert torch.equal(torch.get_rng_state(), before)


def test_without_classes_or_labels_it_says_so() -> None:
    (note,) = reports(Draws(0), split(9), split(9))
    assert isinstance(note, Note)
    assert "does not condition" in note.text
    (note,) = reports(Draws(), split(9), split(9, hidden=9))
    assert isinstance(note, Note)
    assert "label" in note.text


def test_it_is_for_models_that_draw_of_a_class_and_data_with_classes() -> None:
    assert EVALUATION.admits(Draws, nn.Module, SPEC)
    assert not EVALUATION.admits(nn.Module, nn.Module, SPEC)
    assert not EVALUATION.admits(Draws, nn.Module, DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE))
