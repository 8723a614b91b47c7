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
from models import catalog
from models.catalog import Recipe
from widgets.data_cache import DataCache, while_wanted
from widgets.measuring import How, Job


def job(project: Project, run: Run, evaluation: Evaluation, how: How, data: DataCache, step: int | None = None) -> Job:
    """To measure `run` in this way as it was at `step`, or at its newest kept state. The run must have
    settings that this studio knows, and such a state. Its data and its state are read when it is this job's turn."""
    steps = run.checkpoint_steps()
    chosen = steps[-1] if step is None else step
    how = effective(run, evaluation, how)
    return Job(project, run, evaluation, how, partial(_prepare, run, data, chosen), chosen)


def effective(run: Run, evaluation: Evaluation, how: How) -> How:
    """`how` without what has no effect on this run, whose settings must be known."""
    assert run.config is not None
    return how.without(evaluation.without_effect(catalog.family(run.config.family).model))


def newest_step(run: Run, evaluation: Evaluation, how: How) -> int:
    """The latest step of `run` that was measured just so, by whatever seed; -1 when none was."""
    hidden = evaluation.without_effect(catalog.family(run.config.family).model) if run.config is not None else ()
    wanted = How({**evaluation.settings().model_dump(mode="json"), **how.settings}).without(hidden)
    kept = (one for one in run.evaluations if one.key == evaluation.key)
    return max(
        (one.step for one in kept if How(dict(one.tree.get("settings", {}))).without(hidden) == wanted), default=-1
    )


def _prepare(run: Run, data: DataCache, step: int) -> tuple[Recipe, Dataset, Snapshot, torch.device]:
    config = run.config
    assert config is not None
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    try:
        device = devices.resolve(config.training.device)
    except devices.NoSuchDevice:
        device = devices.resolve("auto")
    weights = Snapshot(step, learner_tensors(run.checkpoint(step, only=WEIGHTS)))
    return recipe, data.load(config.data, while_wanted), weights, device
