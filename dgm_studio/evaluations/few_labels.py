"""What evaluations of few labels share: which examples they are, and classifiers that learn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import torch
from torch import Tensor

from dgm_studio.datasets.base import Split
from dgm_studio.evaluations.base import CHUNK, chunks, stage
from dgm_studio.subject import Subject
from models.perceptron import fit, start_anew
from models.settings import Settings, setting


class LabelEfficiencySettings(Settings):
    fewest: int = setting(
        10, title="Fewest labels", help="Labelled examples of each class that the curve begins at.", ge=1, le=1000
    )
    most: int = setting(
        0,
        title="Most labels",
        help="Labelled examples of each class that the curve ends at; 0 takes all of the smallest class.",
        zero="all",
        ge=0,
        le=1_000_000,
    )
    repeats: int = setting(
        5,
        title="Repeats",
        help="How often labelled examples are drawn at each number of labels, and both classifiers trained on them.",
        ge=3,
        le=100,
    )
    enough: float = setting(
        0.01,
        title="Learned below",
        help="A classifier has learned its examples when their cross-entropy is below this, and stops.",
        unit="nats",
        gt=0,
        le=10,
        log=True,
    )
    steps: int = setting(
        3000, title="Most steps", help="Updates after which a classifier stops in any case.", ge=1, le=1_000_000
    )
    batch_size: int = setting(100, title="Batch size", help="Labelled examples in each step.", ge=1, le=10_000)
    learning_rate: float = setting(
        1e-3, title="Learning rate", help="Step size of Adam, of both classifiers.", gt=0, le=1, log=True
    )


def draw(places: Tensor, count: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(places), generator=generator, device=generator.device).to(places.device)
    return places[order[:count]]


def fresh(subject: Subject, build: Callable[[], Any]) -> Any:
    """A network with random weights of the subject's generator: what builds one by itself draws from the process-wide
    one."""
    with torch.device("meta"):
        network = build()
    network = network.to_empty(device=subject.device)
    start_anew(network, subject.generator)
    return network


def error_after(
    subject: Subject, settings: LabelEfficiencySettings, network: Any, chosen: Split, held: Split
) -> Generator[float, None, tuple[float, int]]:
    """The part of held-out examples that a classifier gets wrong once it learned from `chosen`, and its steps."""
    y = chosen.y.to(subject.device)
    work = fit(
        network,
        chosen.x,
        y,
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        settings.enough,
        subject.generator,
    )
    taken = yield from stage(work, 0.0, 0.95)
    wrong = 0
    for (_, part), labels in zip(chunks(held.x, subject.device), held.y.split(CHUNK), strict=True):
        wrong += int((network(part).argmax(1).cpu() != labels).sum())
    yield 1.0
    return wrong / len(held.y), taken


def interval(values: Tensor) -> tuple[float, tuple[float, float]]:
    """The mean of shares (repeats,) in percent, and the ends of Student's 95 % interval."""
    mean, n = 100 * values.mean().item(), len(values)
    half = student(n - 1) * 100 * values.std().item() / math.sqrt(n)
    return mean, (mean - half, mean + half)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by its expansion about the normal one (Abramowitz & Stegun, 26.7.5); within 3 %
    from 2 degrees of freedom on."""
    z, n = 1.959964, freedom
    terms = (
        z,
        (z**3 + z) / 4 / n,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / n**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / n**3,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160 / n**4,
    )
    return sum(terms)
