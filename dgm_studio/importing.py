"""Weights from a file into a new run, with a report of what fits and what does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dgm_studio.circumstances import circumstances
from dgm_studio.config import RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.exporting.weights import CONFIG
from dgm_studio.exporting.whole import REPORT
from dgm_studio.feeds import Feeder
from dgm_studio.state import preview, state_of
from dgm_studio.store import Project, Run
from dgm_studio.store.described import WEIGHTS_FROM
from dgm_studio.store.trees import flatten
from models.catalog import Recipe
from models.settings import SettingsError, read_settings

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth")
NAMED = 8  # tensors of a kind that a report names; the others are counted


class BadWeights(ValueError):
    """A file whose weights cannot be taken; the sentence says why, and that nothing changed."""


class DoesNotFit(BadWeights):
    """Weights of another model, or of this one with other settings."""

    def __init__(self, name: str, fit: Fit) -> None:
        super().__init__(f"{name} does not fit this model. {'; '.join(fit.lines())}. Nothing was changed.")
        self.fit = fit


@dataclass(frozen=True)
class Fit:
    """How the tensors of a file go with those of a model, by name. `reshaped` and `retyped` say what is there and what
    is wanted."""

    fitted: tuple[str, ...]
    missing: tuple[str, ...]  # the model has it, the file does not
    surplus: tuple[str, ...]  # the other way round
    reshaped: tuple[str, ...]
    retyped: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the model gets everything from the file, and the file gives nothing else."""
        return not (self.missing or self.surplus or self.reshaped or self.retyped)

    def lines(self) -> list[str]:
        """A line for each kind: how many there are, and their names."""
        return [f"{len(names)} {kind}{_listed(names)}" for kind, names in self._kinds().items()]

    def summary(self) -> str:
        """How many there are of each kind."""
        return ", ".join(f"{len(names)} {kind}" for kind, names in self._kinds().items())

    def _kinds(self) -> dict[str, tuple[str, ...]]:
        kinds = {
            "fitted": self.fitted,
            "missing in the file": self.missing,
            "in the file alone": self.surplus,
            "of another shape": self.reshaped,
            "of another type": self.retyped,
        }
        return {kind: names for kind, names in kinds.items() if names or kind == "fitted"}


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f": {', '.join(names[:NAMED])}{more}" if names else ""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Of a pickle (.pt) only tensors are read, never code. Raises BadWeights."""
    if path.suffix not in SUFFIXES:
        raise BadWeights(f"{path.name} is no file of weights: its name ends with none of {', '.join(SUFFIXES)}.")
    try:
        if not path.stat().st_size:
            raise BadWeights(f"{path.name} is empty. Nothing was changed.")
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        return _state_dict(torch.load(path, map_location="cpu", weights_only=True), path)
    except BadWeights:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes its reader raise
        reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
        raise BadWeights(
            f"{path.name} cannot be read as weights ({reason.rstrip('.')}): it is cut off, damaged or of another kind. "
            "Nothing was changed."
        ) from None


def _require_untouched(path: Path) -> None:
    """Raise BadWeights when an export's report beside the file lists it with another checksum: a flipped bit is a
    number like any other, and nothing else would tell."""
    report = path.with_name(REPORT)
    try:
        listed = json.loads(report.read_text(encoding="utf-8"))["files"][path.name]
    except (OSError, ValueError, KeyError, TypeError):
        return  # none is there, or it says nothing of this file
    if hashlib.sha256(path.read_bytes()).hexdigest() != listed:
        raise BadWeights(
            f"{path.name} is not the file that was exported: its checksum differs from that in {report.name} beside "
            "it, so it is damaged or edited. Nothing was changed. Where it was meant to be, move it to another "
            f"folder, with {CONFIG}."
        )


def _state_dict(value: Any, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):  # what training scripts wrap it in
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping) or not all(isinstance(one, Tensor) for one in value.values()):
        raise BadWeights(f"{path.name} holds no state dict: a mapping from names to tensors.")
    return {str(name): one for name, one in value.items()}


def compare(model: nn.Module, given: Mapping[str, Tensor]) -> Fit:
    """How `given` goes with the tensors of `model`. A tensor that the model has under two names may come under one."""
    own = model.state_dict(keep_vars=True)
    present = {own[name].data_ptr() for name in given if name in own}
    missing = [name for name, one in own.items() if name not in given and one.data_ptr() not in present]
    both = [name for name in own if name in given]
    other = [name for name in both if given[name].shape != own[name].shape]
    retyped = [name for name in both if name not in other and given[name].dtype != own[name].dtype]
    return Fit(
        tuple(name for name in both if name not in other and name not in retyped),
        tuple(missing),
        tuple(name for name in given if name not in own),
        tuple(f"{name} {_shape(given[name])}, wanted {_shape(own[name])}" for name in other),
        tuple(f"{name} {_type(given[name])}, wanted {_type(own[name])}" for name in retyped),
    )


def _shape(tensor: Tensor) -> str:
    return "×".join(str(size) for size in tensor.shape) or "a number"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def config_beside(path: Path) -> RunConfig | None:
    """The configuration in an export's config.json beside the weights; None where there is none. Raises BadWeights."""
    beside = path.with_name(CONFIG)
    if not beside.is_file():
        return None
    try:
        return read_settings(RunConfig, json.loads(beside.read_text(encoding="utf-8"))["config"], "config", beside.name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, SettingsError):
            raise
        raise BadWeights(f"{beside.name} beside {path.name} is no export's: {error}.") from None


def import_weights(
    project: Project, config: RunConfig, dataset: Dataset, path: Path, partly: bool = False, name: str = ""
) -> tuple[Run, Fit]:
    """Add a run of this configuration that begins, at step 0, with the weights of a file. Unless `partly`, all of them
    have to fit; what the file lacks then is as the run's seed makes it. Draws from the process-wide generator and puts
    it back, so that no training may go on meanwhile.

    Raises BadWeights, SettingsError, UnknownKey or UnsuitableData before anything changes."""
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    recipe.check(dataset.spec)
    given = read_weights(path)
    _require_untouched(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        learner = recipe.build(dataset.spec, len(dataset.train))
        fit = compare(learner.model, given)
        if not fit.fitted or not (partly or fit.whole):
            raise DoesNotFit(path.name, fit)
        fitting = {key: given[key] for key in fit.fitted}
        own = learner.model.state_dict()
        broken = tuple(key for key, one in fitting.items() if not one.isfinite().all() and own[key].isfinite().all())
        if broken:
            raise BadWeights(
                f"{path.name} holds values that are no finite numbers, in {len(broken)} of its {len(given)} "
                f"tensors{_listed(broken)}. Nothing was changed."
            )
        for model in {id(one): one for one in (learner.model, learner.sampler())}.values():
            model.load_state_dict(fitting, strict=False)
        learner.begin()
        state = state_of(learner, Feeder(dataset, learner, config.training.batch_size, torch.device("cpu")), 0)
        try:
            shown = preview(learner, dataset, 0)
        except FloatingPointError:
            raise BadWeights(f"{path.name} makes samples that are no finite numbers. Nothing was changed.") from None
    run = project.new_run(config, name)
    run.keep_checkpoint(0, flatten(state))
    run.keep_frame(0, shown.samples, shown.means)
    run.provenance = {
        "data": json.loads(json.dumps(asdict(dataset.provenance))),
        **circumstances("cpu"),
        WEIGHTS_FROM: {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            **{key: list(names) for key, names in asdict(fit).items()},
        },
    }
    run.conclude("stopped", f"Its weights come from {path.name}.")
    return run, fit
