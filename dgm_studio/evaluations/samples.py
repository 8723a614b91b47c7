"""Samples beside the training examples nearest to them: what the model makes, and whether it only remembers."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe, stage, training_examples
from dgm_studio.reports import Note, Pictures, Report
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from models.capabilities import Decodes, HasHiddenLayers, LearnsInPhases, RunsChain, Samples, SamplesMeans
from models.distributions import bernoulli
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support
from models.tempering import ladder, tempered_sweep

REFERENCE = 500  # held-out examples whose distance to the training set the samples' is compared with


class SamplesSettings(Settings):
    count: int = setting(24, title="Samples", help="How many examples are drawn and shown.", ge=1, le=400)
    neighbours: int = setting(
        3,
        title="Neighbours",
        help="Nearest training examples shown beside each sample; 0 shows samples alone.",
        zero="none",
        ge=0,
        le=8,
    )
    temperature: float = setting(
        1.0,
        title="Temperature",
        help="Scales z about its prior mean where the model decodes a code, and the energy where it runs a chain "
        "(below 1: closer to the modes). Other models have none.",
        ge=0.05,
        le=5,
    )
    transitions: int = setting(
        1000,
        title="Transitions",
        help="Steps of the chain before it is read, where the model runs one.",
        ge=1,
        le=1_000_000,
    )
    replicas: int = setting(
        1,
        title="Parallel tempering",
        help="Each chain has replicas at so many temperatures, which exchange their states so that it moves between "
        "modes; 1 is a plain chain. For machines that learn in two phases.",
        unit="temperatures",
        reference="Geyer (1991); Desjardins et al. (2010)",
        ge=1,
        le=200,
    )
    hottest: float = setting(
        5.0,
        title="Hottest temperature",
        help="With parallel tempering: the highest temperature, as a multiple of the lowest.",
        reference="Desjardins et al. (2010)",
        gt=1,
        le=1000,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return spec.layout is Layout.IMAGE and issubclass(model, Samples)


def _without_effect(model: type) -> tuple[str, ...]:
    tempering = ("replicas", "hottest")
    if issubclass(model, Decodes):
        return ("transitions", *tempering)
    if issubclass(model, RunsChain):
        return () if issubclass(model, LearnsInPhases) else tempering
    return ("temperature", "transitions", *tempering)


def _run(subject: Subject, settings: SamplesSettings) -> Iterator[float | Report]:
    shown, how = yield from stage(_draw(subject, settings), 0.0, 0.8)
    train = training_examples(subject.dataset, subject)
    if settings.neighbours == 0:
        yield Pictures("Samples", _bytes(shown, subject.spec), note=how)
        return
    distance, index = _nearest(shown, train, settings.neighbours, subject.spec)
    yield 0.9
    yield beside_nearest("Samples", shown, train[index], distance, how, subject.spec)
    yield _memorised(subject, shown, train)


def beside_nearest(
    title: str, samples: Tensor, nearest: Tensor, distances: Tensor, how: str, spec: DataSpec
) -> Pictures:
    """Samples (n, *event), each beside the examples (n, k, *event) nearest to it, at these distances (n, k)."""
    groups = torch.cat([samples.unsqueeze(1), nearest], dim=1)
    captions = tuple(text for row in distances.tolist() for text in ("", *(f"{d:.2f}" for d in row)))
    endings = {2: "nd", 3: "rd"}
    names = ("nearest" if i == 1 else f"{i}{endings.get(i, 'th')}" for i in range(1, nearest.shape[1] + 1))
    note = f"{how} Captions are Euclidean distances, with white at 1."
    return Pictures(title, _bytes(groups.flatten(0, 1), spec), ("sample", *names), captions, note)


def _draw(subject: Subject, settings: SamplesSettings) -> Generator[float, None, tuple[Tensor, str]]:
    """Pictures to show (means where the model has them), and a sentence that says how they were drawn."""
    model, n, t = subject.model, settings.count, settings.temperature
    if isinstance(model, Decodes):
        prior = model.prior()
        z = prior.mean + t * (prior.sample(n, subject.generator) - prior.mean)
        x = model.decode(z)
        if t == 1 and isinstance(model, SamplesMeans):  # which may draw more than the code
            x = model.sample_mean(n, subject.generator)
        yield 1.0
        return x, f"Decoded from {n} draws of the prior at temperature {t:g}."
    if isinstance(model, RunsChain):
        if settings.replicas > 1 and isinstance(model, LearnsInPhases):
            return (yield from _draw_tempered(subject, settings))
        state = model.start_chain(n, subject.generator)
        for i in range(settings.transitions):
            if isinstance(model, HasHiddenLayers):  # which the chain remembers
                state = model.move(state, temperature=t, generator=subject.generator)
            else:
                state = model.transition(state.x, temperature=t, generator=subject.generator)
            if i % 20 == 0:
                yield i / settings.transitions
        return state.mean, f"{n} chains, read as means after {settings.transitions} transitions at temperature {t:g}."
    means = isinstance(model, SamplesMeans)
    x = model.sample_mean(n, subject.generator) if means else model.sample(n, subject.generator)
    yield 1.0
    return x, f"{n} draws of the model{', shown as means' if means else ''}; it has no temperature."


def _draw_tempered(subject: Subject, settings: SamplesSettings) -> Generator[float, None, tuple[Tensor, str]]:
    """As `_draw` from a chain, the lowest of several temperatures that exchange their states."""
    model, n, generator = subject.model, settings.count, subject.generator
    temperatures = [settings.temperature * t for t in ladder(settings.replicas, settings.hottest)]
    v = torch.stack([model.start_chain(n, generator).x for _ in temperatures])
    h = torch.stack([model.draw_hidden(model.hidden_given(x, generator), generator) for x in v])
    for i in range(settings.transitions):
        reached = tempered_sweep(model, v, h, temperatures, generator)
        v, h = reached.v, reached.h
        if i % 20 == 0:
            yield i / settings.transitions
    return model.reconstruct(v[0], reached.hidden), (
        f"{n} chains, read as means after {settings.transitions} rounds of parallel tempering at {settings.replicas} "
        f"temperatures from {temperatures[0]:g} to {temperatures[-1]:g}."
    )


def _nearest(x: Tensor, train: Tensor, k: int, spec: DataSpec) -> tuple[Tensor, Tensor]:
    """Distances to, and indices of, the k nearest training examples in Euclidean distance, black being 0 and white 1:
    both (len(x), k)."""
    found = torch.cdist(x.flatten(1), train.flatten(1)).topk(min(k, len(train)), largest=False)
    return found.values / spec.brightest, found.indices


def _memorised(subject: Subject, shown: Tensor, train: Tensor) -> Note:
    """Compares how far samples and held-out examples lie from the training set. Where means are shown of what is drawn
    value by value, draws are compared; where the data are bits, bits: a grey mean lies nearer to every bit picture than
    any bit picture does."""
    spec, model = subject.spec, subject.model
    samples, which = shown, "the samples"
    if isinstance(model, SamplesMeans) and isinstance(model, Samples) and not isinstance(model, Decodes | RunsChain):
        samples, which = model.sample(len(shown), subject.generator), "draws of the model"
    elif spec.support is Support.BITS:
        samples, which = bernoulli(shown, subject.generator), "bits drawn from the samples"
    test = subject.dataset.test.x[:REFERENCE].to(subject.device)
    ours = _nearest(samples, train, 1, spec)[0].median().item()
    theirs = _nearest(test, train, 1, spec)[0].median().item()
    text = (
        f"Median distance to the nearest training example: {ours:.2f} for {which}, "
        f"{theirs:.2f} for held-out examples ({describe(subject.dataset, subject.dataset.test)})."
    )
    if ours < 0.5 * theirs:
        return Note("Memorisation", f"{text} Samples this near to the training set are copies of it.", "bad")
    if ours < 0.9 * theirs:
        return Note("Memorisation", f"{text} Smooth pictures lie nearer than sharp ones: look at the neighbours.")
    return Note("Memorisation", f"{text} Samples are no closer to it than new data would be.", "good")


def _bytes(x: Tensor, spec: DataSpec) -> np.ndarray:
    """Examples (N, C, H, W) as uint8 pictures."""
    return as_bytes(x.float().cpu().numpy(), spec)


EVALUATION = Evaluation(
    "samples",
    "Samples and their neighbours",
    "What the model draws, beside the training examples nearest to each sample: does it make new examples?",
    SamplesSettings,
    _admits,
    _run,
    _without_effect,
)
