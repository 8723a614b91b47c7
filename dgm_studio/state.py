"""What a run is at a step boundary: copies to keep, to go on from, and to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.optim import Optimizer

from dgm_studio.datasets.base import Dataset
from dgm_studio.events import Preview, Snapshot, Tree
from dgm_studio.feeds import Feeder
from dgm_studio.shown import shown
from models.capabilities import SamplesMeans
from models.learning.base import Learner
from models.spec import DataSpec, Layout

PREVIEW_SAMPLES = 64
PREVIEW_POINTS = 1000  # of examples that are points in a plane


class StateMismatch(ValueError):
    """A kept state that does not fit the model, the learner or the data it should be loaded into."""


def device_of(learner: Learner) -> torch.device:
    """The device of the learner's tensors."""
    return next(chain(learner.parameters(), learner.buffers())).device


@contextmanager
def looking(learner: Learner) -> Iterator[None]:
    """Evaluation mode without gradients: what modules change in training mode (batch statistics, dropout's draws from
    the process-wide generator) stays as it was."""
    learner.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        learner.train()


def state_of(learner: Learner, feeder: Feeder, step: int) -> Tree:
    """A copy on the CPU of everything a resume needs: the state of a Checkpoint, with text for every key."""
    tensors = learner.state_dict()
    device = device_of(learner)
    rng = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        rng["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        rng["mps"] = torch.mps.get_rng_state()
    state: Tree = {
        "step": step,
        "model": {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")},
        "learner": {key: value for key, value in tensors.items() if not key.startswith("model.")},
        # what they remember; hyperparameters belong to the settings
        "optimizers": {name: {"state": opt.state_dict()["state"]} for name, opt in learner.optimizers.items()},
        "rng": rng,
        "sampler": feeder.state(),
    }
    return _copied(state)


WEIGHTS = ("model", "learner")  # the parts of a state that are looked at


def learner_tensors(state: Tree) -> dict[str, Tensor]:
    """The learner's `state_dict()` in a Checkpoint's state."""
    return {**{f"model.{key}": value for key, value in state["model"].items()}, **state["learner"]}


def load_tensors(learner: Learner, state: Tree) -> None:
    """Put a Checkpoint's model and learner tensors into `learner`. Raises StateMismatch naming what does not fit."""
    if not all(isinstance(state.get(part), dict) for part in WEIGHTS):
        raise StateMismatch("The kept state holds no tensors of a model and a learner.")
    kept, own = learner_tensors(state), learner.state_dict()
    for key in {**own, **kept}:
        if key not in kept or key not in own or _form(kept[key]) != _form(own[key]):
            there = _form(kept[key]) if key in kept else "missing"
            here = _form(own[key]) if key in own else "nothing"
            raise StateMismatch(f"The kept state does not fit these settings: {key} is {there} there, {here} here.")
    learner.load_state_dict(kept)


def _form(value: Any) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else "no tensor"


def restore(state: Tree, learner: Learner, feeder: Feeder) -> None:
    """Make everything as it was when `state_of` was called, except the optimisers' hyperparameters: those belong to
    the settings, so that a branch can go on with another learning rate. Raises StateMismatch."""
    parts = ("model", "learner", "optimizers", "rng", "sampler")
    missing = ["step"] * ("step" not in state) + [part for part in parts if not isinstance(state.get(part), dict)]
    if missing:
        raise StateMismatch(f"The kept state is not complete: {', '.join(missing)} missing.")
    if not isinstance(state["step"], int) or state["step"] < 0:
        raise StateMismatch(f"The kept state is of no step: {state['step']}.")
    load_tensors(learner, state)
    kept = state["optimizers"]
    if set(kept) != set(learner.optimizers):
        raise StateMismatch(f"The kept optimisers are {sorted(kept)}; this learner has {sorted(learner.optimizers)}.")
    for name, optimizer in learner.optimizers.items():
        try:
            _restore_optimizer(optimizer, kept[name]["state"], name)
        except (AttributeError, KeyError, TypeError) as error:
            raise StateMismatch(f"The kept optimiser {name!r} makes no sense: {error}.") from None
    try:
        feeder.load_state(state["sampler"])
    except ValueError as error:
        raise StateMismatch(str(error)) from None
    _restore_generators(state["rng"], device_of(learner))


def _restore_optimizer(optimizer: Optimizer, kept: Tree, name: str) -> None:
    """`kept`: by the number of a parameter as text, what the optimiser remembers of it."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not all(str(key).isdecimal() for key in kept):
        raise StateMismatch(f"The kept optimiser {name!r} does not say which parameters it remembers.")
    moments = {int(key): value for key, value in _copied(kept).items()}
    wanted = {key for remembered in moments.values() for key in remembered}
    for number, remembered in moments.items():
        if number >= len(parameters):
            raise StateMismatch(f"The kept optimiser {name!r} has more parameters than the {len(parameters)} here.")
        fits = all(_goes_with(value, parameters[number]) for value in remembered.values())
        if not fits or set(remembered) != wanted:
            raise StateMismatch(f"The kept optimiser {name!r} remembers of parameter {number} what does not fit it.")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _goes_with(remembered: Any, parameter: Tensor) -> bool:
    """Whether an optimiser can remember this of `parameter`: a number, nothing, or something of its shape."""
    if isinstance(remembered, Tensor):
        return remembered.numel() == 1 or remembered.shape == parameter.shape
    return remembered is None or isinstance(remembered, int | float)


def _restore_generators(kept: dict[str, Tensor], device: torch.device) -> None:
    try:
        torch.set_rng_state(kept["cpu"].cpu())
        if device.type == "cuda" and "cuda" in kept:
            torch.cuda.set_rng_state(kept["cuda"].cpu(), device)
        elif device.type == "mps" and "mps" in kept:
            torch.mps.set_rng_state(kept["mps"].cpu())
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise StateMismatch(f"The kept state of the random generator does not fit: {error}.") from None


def snapshot(learner: Learner, step: int) -> Snapshot:
    """A copy of the learner's tensors, on its device. CUDA only queues the copies: `ready` says when they are done."""
    tensors = {key: value.detach().clone() for key, value in learner.state_dict().items()}
    if device_of(learner).type != "cuda":
        return Snapshot(step, tensors)
    ready = torch.cuda.Event()
    ready.record()
    return Snapshot(step, tensors, ready)


def preview(learner: Learner, dataset: Dataset, step: int) -> Preview:
    """What the run shows of itself, from fixed noise or of fixed examples, so that what changes between two previews is
    the model. Raises FloatingPointError when a sample is not a finite number."""
    generator = Generator(device_of(learner)).manual_seed(0)
    n = PREVIEW_POINTS if dataset.spec.layout is Layout.POINTS else PREVIEW_SAMPLES
    with looking(learner):
        samples, spec = shown(learner, dataset, n, dataset.spec.layout is Layout.IMAGE, generator)
    image = spec.layout is Layout.IMAGE
    array = samples.float().cpu().numpy()
    if not np.isfinite(array).all():
        raise FloatingPointError(f"a sample at step {step}")
    means = image and isinstance(learner.sampler(), SamplesMeans)
    return Preview(step, as_bytes(array, spec) if image else array, means)


def as_bytes(images: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Images of this data as bytes, 0 black and 255 white; values outside are cut."""
    return np.round((images / spec.brightest).clip(0, 1) * 255).astype(np.uint8)


def _copied(value: Any) -> Any:
    """Nested dicts and lists with text for every key and every tensor cloned to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {str(key): _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    return value
