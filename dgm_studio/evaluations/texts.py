"""Texts that the model writes beside what of them stands in the training data word for word."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe
from dgm_studio.overlap import longest_overlap
from dgm_studio.questions.arrays import array
from dgm_studio.questions.texts import training_text
from dgm_studio.reports import Column, Note, Report, Table
from dgm_studio.subject import Subject
from dgm_studio.written import is_text, written
from models.capabilities import Completes, CompletesAtTemperature, Samples, ScoresExactly
from models.settings import Settings, setting
from models.spec import DataSpec

SEARCHED = 20_000_000  # characters of the training data at most
REFERENCE = 50  # held-out examples that are searched for as well
CHECKED = 1000  # draws that are held to a density that is known


class TextsSettings(Settings):
    count: int = setting(12, title="Samples", help="How many texts are drawn, shown and searched for.", ge=1, le=200)
    temperature: float = setting(
        1.0,
        title="Temperature",
        help="Below 1 more probable characters are drawn more often. Other models have none.",
        ge=0.05,
        le=5,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return is_text(spec.symbols) and issubclass(model, Samples)


def _without_effect(model: type) -> tuple[str, ...]:
    return () if issubclass(model, CompletesAtTemperature) else ("temperature",)


def _run(subject: Subject, settings: TextsSettings) -> Iterator[float | Report]:
    spec = subject.spec
    drawn = _draw(subject, settings.count, settings.temperature)
    yield 0.2
    within = training_text(subject)[:SEARCHED]
    test = subject.dataset.test.x[:REFERENCE]
    # what only fills examples up is not compared
    texts, held = ([text.rstrip() for text in written(array(x), spec.symbols)] for x in (drawn, test))
    found: list[tuple[int, int]] = []
    for text in texts:
        found.append(longest_overlap(text, within))
        yield 0.2 + 0.3 * len(found) / len(texts)
    theirs: list[int] = []
    for text in held:
        theirs.append(longest_overlap(text, within)[1])
        yield 0.5 + 0.3 * len(theirs) / len(held)
    yield _table(subject, drawn, texts, found, settings.temperature)
    yield _memorised([length for _, length in found], theirs, describe(subject.dataset, subject.dataset.test))
    if subject.dataset.density is not None:
        x = _draw(subject, CHECKED, settings.temperature).cpu()
        possible = subject.dataset.density.log_prob(x).isfinite()
        yield _possible(int(possible.sum()), len(x))


def _draw(subject: Subject, n: int, temperature: float) -> Tensor:
    model = subject.model
    if isinstance(model, Completes) and isinstance(model, CompletesAtTemperature):
        x = torch.zeros(n, *subject.spec.event_shape, device=subject.device)
        return model.complete_at_temperature(x, x.bool(), temperature, subject.generator).x
    drawn: Tensor = model.sample(n, subject.generator)
    return drawn


def _table(
    subject: Subject, drawn: Tensor, texts: list[str], found: list[tuple[int, int]], temperature: float
) -> Table:
    model, size = subject.model, subject.spec.dimensions
    bits = [math.nan] * len(texts)
    if isinstance(model, ScoresExactly):
        bits = (-model.log_prob(drawn) / (size * math.log(2))).tolist()
    columns = (
        Column("Sample"),
        Column("Longest part in training", "number", "characters", 0),
        Column("Code length", "number", "bits per character"),
        Column("Text", "detail"),
        Column("That part", "detail"),
    )
    rows = tuple(
        (f"{k + 1}", float(length), cost, text, f"In training: “{text[begin : begin + length]}”")
        for k, (text, (begin, length), cost) in enumerate(zip(texts, found, bits, strict=True))
    )
    how = f" at temperature {temperature:g}" if isinstance(model, CompletesAtTemperature) else ""
    return Table("Samples and what of them stands in the training data", columns, rows, f"Drawn{how}.")


def _memorised(ours: list[int], theirs: list[int], where: str) -> Note:
    """Compares how much of the samples and of held-out examples stands in the training data."""
    text = (
        f"Median length of the longest part that stands in the training data: {median(ours):g} characters in samples, "
        f"{median(theirs):g} in held-out examples ({where}, the first {len(theirs)})."
    )
    if median(ours) >= 2 * median(theirs):
        return Note("Memorisation", f"{text} The model repeats what it has learned by heart.", "bad")
    if median(ours) > 1.25 * median(theirs):
        return Note("Memorisation", f"{text} Samples repeat somewhat more than new text does.")
    return Note("Memorisation", f"{text} Samples repeat no more than new text does.", "good")


def _possible(possible: int, n: int) -> Note:
    """How many draws are sentences of the density that the data were drawn from."""
    share = possible / n
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    text = (
        f"{possible} of {n} draws have a probability above 0 under the density that the data come from: "
        f"{100 * share:.1f} ± {100 * half:.1f} %."
    )
    return Note("Possible texts", text, "good" if share >= 0.95 else "warn" if share >= 0.5 else "bad")


EVALUATION = Evaluation(
    "texts",
    "Texts and what they repeat",
    "What the model writes, and how much of it stands word for word in the training data.",
    TextsSettings,
    _admits,
    _run,
    _without_effect,
)
