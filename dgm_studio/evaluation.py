"""The evaluations of the studio, and how a run is put through them, from the window, the command line or a test.

An evaluation reads a twin of the learner with stored weights and draws from a generator of its own, so that measuring a
run can neither change it nor be changed by it: the same weights, settings and seed give the same figures.
"""

from __future__ import annotations

import platform
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator

from dgm_studio import __version__
from dgm_studio import device as devices
from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluations import (
    aggregated,
    amortisation,
    best_discriminator,
    bound_identity,
    canvases,
    class_agreement,
    classification,
    conditionals,
    copies,
    coverage,
    decoys,
    disentanglement,
    diversity,
    domains,
    evidence,
    expectations,
    fidelity,
    forward,
    free_energy,
    gradients,
    judged,
    label_efficiency,
    layers,
    likelihood,
    mixing,
    neighbours,
    objective,
    parameters,
    partition,
    parzen,
    plane,
    posterior,
    rate_distortion,
    reconstruction,
    samples,
    sharpness,
    states,
    stationary,
    texts,
    translation,
    transport,
    two_fits,
)
from dgm_studio.evaluations.base import Evaluation
from dgm_studio.events import Snapshot
from dgm_studio.reports import NOT_MEASURED, Note, Report, Tree, from_tree, to_tree
from dgm_studio.state import load_tensors
from dgm_studio.subject import Subject
from models.capabilities import TooLarge
from models.catalog import Recipe, UnknownKey
from models.settings import read_settings
from models.spec import DataSpec

EVALUATIONS: tuple[Evaluation, ...] = (
    likelihood.EVALUATION,
    states.EVALUATION,
    parameters.EVALUATION,
    conditionals.EVALUATION,
    evidence.EVALUATION,
    samples.EVALUATION,
    copies.EVALUATION,
    plane.EVALUATION,
    canvases.EVALUATION,
    judged.EVALUATION,
    sharpness.EVALUATION,
    fidelity.EVALUATION,
    class_agreement.EVALUATION,
    texts.EVALUATION,
    diversity.EVALUATION,
    rate_distortion.EVALUATION,
    aggregated.EVALUATION,
    reconstruction.EVALUATION,
    neighbours.EVALUATION,
    disentanglement.EVALUATION,
    posterior.EVALUATION,
    amortisation.EVALUATION,
    gradients.EVALUATION,
    forward.EVALUATION,
    bound_identity.EVALUATION,
    objective.EVALUATION,
    layers.EVALUATION,
    free_energy.EVALUATION,
    partition.EVALUATION,
    mixing.EVALUATION,
    stationary.EVALUATION,
    expectations.EVALUATION,
    coverage.EVALUATION,
    transport.EVALUATION,
    decoys.EVALUATION,
    best_discriminator.EVALUATION,
    two_fits.EVALUATION,
    parzen.EVALUATION,
    classification.EVALUATION,
    domains.EVALUATION,
    label_efficiency.EVALUATION,
    translation.EVALUATION,
)


@dataclass(frozen=True)
class Result:
    """What one evaluation found, with all that made it. `tree()` is what the project file keeps."""

    key: str
    step: int  # of the weights
    settings: dict[str, Any]
    seed: int
    seconds: float
    made_with: str  # device and versions
    reports: tuple[Report, ...]
    data: str = ""  # on which it was measured, with a checksum; not in results of older studios

    def tree(self) -> Tree:
        return {
            "settings": self.settings,
            "seed": self.seed,
            "seconds": self.seconds,
            "made_with": self.made_with,
            "data": self.data,
            "reports": [to_tree(report) for report in self.reports],
        }

    @classmethod
    def read(cls, key: str, step: int, tree: Tree) -> Result:
        """The result of a stored tree; a report that cannot be read becomes a note."""
        reports = tuple(from_tree(item) for item in tree.get("reports", []))
        settings, seed = dict(tree.get("settings", {})), int(tree.get("seed", 0))
        seconds, made_with, data = float(tree.get("seconds", 0.0)), str(tree.get("made_with", "")), tree.get("data", "")
        return cls(key, step, settings, seed, seconds, made_with, reports, str(data))


@dataclass(frozen=True)
class Fraction:
    """`fraction` of the evaluation `key` is done; `remaining` seconds are left, estimated (infinite at first)."""

    key: str
    fraction: float
    remaining: float


@dataclass(frozen=True)
class Reported:
    """A report that is ready while its evaluation still goes on."""

    key: str
    report: Report


@dataclass(frozen=True)
class Measured:
    """An evaluation is done."""

    result: Result


@dataclass(frozen=True)
class Unmeasured:
    """An evaluation failed; `text` says why and what to do. Those after it still run."""

    key: str
    text: str
    details: str = field(default="", repr=False)


EvaluationEvent = Fraction | Reported | Measured | Unmeasured


def evaluation(key: str) -> Evaluation:
    """The evaluation named `key`. Raises UnknownKey that lists those there are."""
    for entry in EVALUATIONS:
        if entry.key == key:
            return entry
    raise UnknownKey(f"There is no evaluation named {key!r}. There are: {', '.join(e.key for e in EVALUATIONS)}.")


def admitted(recipe: Recipe, spec: DataSpec) -> tuple[Evaluation, ...]:
    """The evaluations that a model of this recipe can be put through on such data."""
    model, learner = recipe.family.model, recipe.learning.learner
    return tuple(entry for entry in EVALUATIONS if entry.admits(model, learner, spec))


def subject_from(
    recipe: Recipe, dataset: Dataset, weights: Snapshot | Tree, device: torch.device, seed: int
) -> Subject:
    """A twin of the learner with `weights`: a Snapshot, or the tree of a Checkpoint. Draws no random number.

    Raises RuntimeError that names the tensors which do not fit.
    """
    learner = recipe.build_empty(dataset.spec, len(dataset.train), device)
    if isinstance(weights, Snapshot):
        if weights.ready is not None:
            weights.ready.wait()
        learner.load_state_dict(weights.tensors)
        step = weights.step
    else:
        load_tensors(learner, weights)
        step = int(weights["step"])
    learner.eval()
    return Subject(learner, dataset, step, Generator(device).manual_seed(seed))


def evaluate(
    recipe: Recipe,
    dataset: Dataset,
    weights: Snapshot | Tree,
    keys: Sequence[str],
    device: torch.device,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[EvaluationEvent]:
    """Put a run through the evaluations `keys`, each ending in one Measured or Unmeasured.

    `settings` holds, by key, values that differ from the defaults. Abandon the iterator to cancel. Each evaluation
    starts from `seed` anew, so that its figures do not depend on which others ran. Raises UnknownKey or SettingsError
    before anything is measured.
    """
    chosen = [evaluation(key) for key in keys]
    given = settings or {}
    ready = [(entry, read_settings(entry.settings, given.get(entry.key, {}), entry.key)) for entry in chosen]
    return _evaluate(recipe, dataset, weights, ready, device, seed)


def _evaluate(
    recipe: Recipe,
    dataset: Dataset,
    weights: Snapshot | Tree,
    ready: Sequence[tuple[Evaluation, Any]],
    device: torch.device,
    seed: int,
) -> Iterator[EvaluationEvent]:
    for entry, settings in ready:
        if entry not in admitted(recipe, dataset.spec):
            text = (
                f"{entry.title} cannot be measured of a {recipe.family.title} on this data: it lacks what that needs."
            )
            yield Unmeasured(entry.key, text)
            continue
        begin = time.perf_counter()
        reports: list[Report] = []
        try:
            subject = subject_from(recipe, dataset, weights, device, seed)
            work = entry.run(subject, settings)
            while True:
                with torch.no_grad():  # entered for each item alone: it must not hold in the caller between two
                    item = next(work, None)
                if item is None:
                    break
                if isinstance(item, int | float):
                    passed = time.perf_counter() - begin
                    yield Fraction(entry.key, float(item), passed * (1 - item) / item if item > 0 else float("inf"))
                else:
                    reports.append(item)
                    yield Reported(entry.key, item)
        except TooLarge as error:  # no failure: it is known, and will be so each time
            reports.append(Note(NOT_MEASURED, str(error)))
            yield Reported(entry.key, reports[-1])
        except Exception as error:
            yield Unmeasured(entry.key, _sentence(entry, error), "".join(traceback.format_exception(error)))
            continue
        seconds = time.perf_counter() - begin
        kept = settings.model_dump(mode="json")
        made_with, data = _made_with(device), " and ".join(map(_named, dataset.domains))
        yield Measured(Result(entry.key, subject.step, kept, seed, seconds, made_with, tuple(reports), data))


def _named(dataset: Dataset) -> str:
    """What identifies the data, as far as a person wants to read it."""
    protocol = f", {dataset.spec.protocol}" if dataset.spec.protocol else ""
    fingerprint = dataset.provenance.fingerprint
    return f"{dataset.provenance.title}{protocol}" + (f" ({fingerprint[:12]})" if fingerprint else "")


def _sentence(entry: Evaluation, error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return f"{entry.title} ran out of memory. The run is untouched; choose smaller settings or measure on the CPU."
    what = (str(error) or type(error).__name__).splitlines()[0].rstrip(" .:")
    return f"{entry.title} stopped: {what}. The run and its earlier results are untouched."


def _made_with(device: torch.device) -> str:
    n = torch.get_num_threads()
    threads = f", {n} thread{'s' if n > 1 else ''}" if device.type == "cpu" else ""
    versions = f"torch {torch.__version__}, Python {platform.python_version()}, studio {__version__}"
    return f"{devices.title(device)}{threads}, {versions}"
