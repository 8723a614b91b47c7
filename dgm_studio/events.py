"""What a training session tells whoever drives it: the window's thread, the command line or a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

Tree = dict[str, Any]  # nested dicts and lists of tensors, numbers, strings and None


@dataclass(frozen=True)
class Started:
    step: int
    steps: int
    device: str  # as a person knows it
    parameters: int


@dataclass(frozen=True)
class Progress:
    """At most 10 a second. `metrics` holds what is new since the last one: key -> (steps, values)."""

    step: int
    steps: int
    seconds: float  # of training so far, in this session
    steps_per_second: float
    remaining: float  # seconds, estimated
    phase: str
    memory: int  # bytes
    metrics: dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Snapshot:
    """A copy of the learner's `state_dict()` at a step boundary, taken when the session was asked for one."""

    step: int
    tensors: dict[str, Tensor]
    ready: torch.cuda.Event | None = None  # on CUDA: when the copies are complete


@dataclass(frozen=True)
class Preview:
    """What the run shows of itself at `step`, to be kept: samples from fixed noise, or what dgm_studio/shown.py says,
    (64, *event) uint8 for images, float32 otherwise. Points with a third value carry the number of a class in it."""

    step: int
    samples: np.ndarray
    means: bool  # conditional means instead of draws


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on exactly from `step`: {step, model, learner, optimizers, rng, sampler}. `demanded`:
    somebody asked for it."""

    step: int
    state: Tree
    demanded: bool = False


@dataclass(frozen=True)
class Finding:
    """Something noticed in the run: what, how it was measured, and what may help.

    `changes` names ways to go on from the run, each in a few words with what it changes (`models.learning.base.Ways`).
    """

    kind: str
    text: str
    measured: str
    remedy: str = ""
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """What a single step did of a learner that takes turns. Measured on the step's own batch, and with the same noise
    before and after it, by the keys of the learner's quantities."""

    step: int  # that was done
    moved: tuple[str, ...]  # the players that did
    before: dict[str, float]
    after: dict[str, float]
    gradients: dict[str, float]  # by player that moved: the norm of what it followed


@dataclass(frozen=True)
class Paused:
    step: int


@dataclass(frozen=True)
class Finished:
    step: int
    stopped: bool  # by request, before all steps were done


@dataclass(frozen=True)
class Cancelled:
    step: int


@dataclass(frozen=True)
class Failed:
    kind: Literal["bad input", "memory", "diverged", "error"]
    text: str  # what happened, what was kept, what to do
    step: int
    details: str = field(default="", repr=False)


Event = Started | Progress | Snapshot | Preview | Checkpoint | Finding | Turn | Paused | Finished | Cancelled | Failed
CLOSING = (Finished, Cancelled, Failed)
