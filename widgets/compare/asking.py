"""How runs that are not selected are measured: each as it was at a kept state, when it is its turn."""

from __future__ import annotations

from functools import partial

import torch

from dgm_studio import device as devices
from dgm_studio.datasets.base import Dataset
from dgm_studio.evaluation import Evaluation
from dgm_studio.events import Snapshot
from dgm_studio.state import WEIGHTS, learner_tensors
from dgm_studio.store import Project, Run
from models.catalog import Recipe
from widgets.data_cache import DataCache
from widgets.measuring import Job


def job(project: Project, run: Run, evaluation: Evaluation, data: DataCache, step: int | None = None) -> Job:
    """To measure `run` as it was at `step`, or at its newest kept state. The run must have settings that this studio
    knows, and such a state. Its data and its state are read when it is this job's turn."""
    steps = run.checkpoint_steps()
    chosen = steps[-1] if step is None else step
    return Job(project, run, evaluation, {}, partial(_prepare, run, data, chosen), chosen)


def _prepare(run: Run, data: DataCache, step: int) -> tuple[Recipe, Dataset, Snapshot, torch.device]:
    config = run.config
    assert config is not None
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    try:
        device = devices.resolve(config.training.device)
    except devices.NoSuchDevice:
        device = devices.resolve("auto")
    weights = Snapshot(step, learner_tensors(run.checkpoint(step, only=WEIGHTS)))
    return recipe, data.load(config.data), weights, device
