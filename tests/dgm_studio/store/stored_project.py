"""A small project with everything in it, and the means to compare two."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dgm_studio.config import RunConfig
from dgm_studio.store import Project, Run
from dgm_studio.store.trees import flatten

CONFIG = RunConfig(family="vae", learner="reparameterized-elbo")


def state(step: int) -> dict[str, Any]:
    """A state such as a session gives, with an optimiser's whole-number keys."""
    generator = torch.Generator().manual_seed(step)
    weight = torch.randn(5, 3, generator=generator)
    return {
        "step": step,
        "model": {"encoder.0.weight": weight, "log_scale": torch.tensor(0.5)},
        "optimizers": {"model": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": weight * 2}}, "lr": 1e-3}},
        "rng": {"cpu": generator.get_state()},
    }


def fill(run: Run) -> None:
    """Curves, two checkpoints, two pictures and an evaluation."""
    run.keep_metrics({"elbo": (np.arange(20), np.linspace(-30, -20, 20, dtype=np.float32))})
    run.keep_metrics({"valid/elbo": (np.array([0, 10]), np.array([-31, np.nan], np.float32))})
    for step in (10, 20):
        run.keep_checkpoint(step, flatten(state(step)))
        run.keep_frame(step, np.full((4, 1, 8, 8), step, np.uint8), step == 20)
    run.add_evaluation("likelihood", 20, {"title": "Likelihood", "values": np.arange(6.0).reshape(2, 3)})
    run.conclude("finished")


def everything(project: Project) -> dict[str, Any]:
    """All that a project holds, as plain comparable values; reads every byte."""
    runs, deleted = ({run.id: content(run) for run in group.values()} for group in (project.runs, project.deleted))
    return {"notes": project.notes, "runs": runs, "deleted": deleted}


def content(run: Run) -> dict[str, Any]:
    """All that a run holds, as plain comparable values."""
    return {
        "record": run.record.model_dump(exclude={"merged"}),
        "wall": plain(run.wall),
        "metrics": {key: (steps.tobytes(), values.tobytes()) for key, (steps, values) in run.metrics.items()},
        "checkpoints": {step: plain(run.checkpoint(step)) for step in run.checkpoint_steps()},
        "frames": {step: plain(list(run.frame(step))) for step in run.frame_steps()},
        "evaluations": [(e.key, e.step, e.made, plain(e.tree)) for e in run.evaluations],
    }


def plain(value: Any) -> Any:
    """Tensors and arrays as type, shape, strides and bytes, so that == means bit for bit."""
    match value:
        case torch.Tensor():
            data = value.contiguous().reshape(-1).view(torch.uint8) if value.numel() else value.reshape(-1)
            return ("tensor", str(value.dtype), tuple(value.shape), value.stride(), bytes(data.tolist()))
        case np.ndarray():
            return ("array", value.dtype.str, value.shape, value.tobytes())
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(plain(item) for item in value)
    return (type(value).__name__, repr(value))
