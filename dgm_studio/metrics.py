"""Collecting what a learner reports without waiting for the device at each step."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset
from dgm_studio.doctor import SETTLED, Doctor
from dgm_studio.modes import ModeCounter
from dgm_studio.overfitting import Overfitting
from dgm_studio.state import looking
from models.learning.base import Learner
from models.spec import Batch

HELD_OUT_EXAMPLES = 500  # of each domain


class Allowance:
    """Lets side work happen when it is due, as long as it has cost no more than `share` of the time that passed."""

    def __init__(self, share: float, at_least_every: float = 0.0) -> None:
        self._share, self._pause = share, at_least_every
        self._begin = time.perf_counter()
        self._spent = 0.0
        self._last = -float("inf")

    def due(self) -> bool:
        return time.perf_counter() - self._last >= self._pause and self.affordable()

    def affordable(self) -> bool:
        """Whether there is time for it, however short the pause since it was done last."""
        return self._spent <= self._share * (time.perf_counter() - self._begin)

    def charge(self, started: float, times: float = 1.0) -> None:
        """Book the work that began at `started` (time.perf_counter) and ended now; `times` as much where it leads to
        more of it elsewhere."""
        self._last = time.perf_counter()
        self._spent += times * (self._last - started)


def _held_out_batch(dataset: Dataset, device: torch.device) -> Batch:
    """Validation examples, of two domains as many of one as of the other."""
    n = min(HELD_OUT_EXAMPLES, *(len(domain.valid) for domain in dataset.domains))

    def of(domain: Dataset) -> Batch:
        index = torch.randperm(len(domain.valid), generator=Generator().manual_seed(0))[:n]
        return Batch(domain.valid.x[index].to(device), domain.valid.y[index].to(device), index.to(device))

    first, *second = [of(domain) for domain in dataset.domains]
    return replace(first, other=second[0]) if second else first


class Metrics:
    """Keeps reported tensors as they are, and reads them together when asked to."""

    def __init__(self, learner: Learner, dataset: Dataset, device: torch.device) -> None:
        self._learner, self._device = learner, device
        self._limits = {prefix + q.key: q.limit for q in learner.quantities for prefix in ("", "valid/")}
        self._rows: list[tuple[int, str, Tensor]] = []
        self._due = Allowance(share=0.03, at_least_every=0.5)
        self._looks = Allowance(share=0.01, at_least_every=0.5)
        self._modes = ModeCounter(learner, dataset, device)
        self._modes_due = Allowance(share=0.02, at_least_every=0.5)
        self.doctor = Doctor()
        self._overfitting = Overfitting(learner.quantities, getattr(learner, "settings", None))
        # the same examples each time, from all over the split: files are often sorted by class
        self._valid = _held_out_batch(dataset, device)

    def add(self, step: int, values: dict[str, Tensor], prefix: str = "") -> None:
        self._rows += [(step, prefix + key, value) for key, value in values.items()]

    def hold_out(self, step: int, force: bool = False) -> None:
        """Measure on held-out data if that is due."""
        if not (force or self._due.due()):
            return
        started = time.perf_counter()
        with looking(self._learner):
            values = self._learner.held_out(self._valid, Generator(self._device).manual_seed(0))
        self.add(step, values, "valid/")
        self._due.charge(started)

    def count_modes(self, step: int, force: bool = False) -> None:
        """Count the modes that samples find, where they are known, if that is due."""
        if self._modes.possible and (force or self._modes_due.due()):
            started = time.perf_counter()
            self._rows += [(step, key, value) for key, value in self._modes.measure()]
            self._modes_due.charge(started)

    def diagnose(self, steps: int) -> None:
        """Let the doctor hear what ails the model after `steps` of this session, if it is time to: more often than
        held-out values are measured, as it costs less."""
        if steps < SETTLED or not self._looks.due():
            return
        started = time.perf_counter()
        with looking(self._learner):
            self.doctor.hear(self._learner.diagnose(self._valid, Generator(self._device).manual_seed(0)))
        self._looks.charge(started)

    def take(self) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], str]:
        """Steps and values by key since the last call, up to the first step with a value that is not finite or beyond
        its quantity's limit, and what that was ("not a finite number (elbo at step 12)"; empty if there is none)."""
        if not self._rows:
            return {}, ""
        rows, self._rows = self._rows, []
        values = torch.stack([value for _, _, value in rows]).float().cpu().numpy()
        steps = np.array([step for step, _, _ in rows], dtype=np.int64)
        limits = np.array([self._limits.get(key, np.inf) for _, key, _ in rows])
        broken = np.flatnonzero(~np.isfinite(values) | (np.abs(values) > limits))
        first = min(broken, key=lambda place: steps[place], default=None)
        places: dict[str, list[int]] = {}
        for place, (step, key, _) in enumerate(rows):
            if first is None or step < steps[first]:
                places.setdefault(key, []).append(place)
        what = "" if first is None else _broken(rows[first][1], int(steps[first]), float(values[first]), limits[first])
        found = {key: (steps[index], values[index]) for key, index in places.items()}
        if self._overfitting.hear(found):
            self.doctor.hear(self._overfitting.seen(), "what is held out")
        return found, what


def _broken(key: str, step: int, value: float, limit: float) -> str:
    what = f"{value:.3g}, beyond {limit:.3g}" if np.isfinite(value) else "not a finite number"
    return f"{what} ({key} at step {step})"
