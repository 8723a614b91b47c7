"""What a project holds of a lesson. A run is one of a lesson's when it is set as that: then it is the same run, bit for
bit, whoever trained it; so a lesson keeps no books of its own, and can be stopped, closed and gone on with anywhere."""

from __future__ import annotations

from typing import Any

from dgm_studio.config import RunConfig
from dgm_studio.evaluation import Result, evaluation
from dgm_studio.store import Run
from dgm_studio.store.project import Project
from models.settings import read_settings

SEED = 0  # of every evaluation of a lesson


class Found:
    """Looks into a project, or into none."""

    def __init__(self, project: Project | None) -> None:
        self._runs: dict[str, list[Run]] = {}
        for run in project.runs.values() if project is not None else ():
            if run.config is not None:
                self._runs.setdefault(_text(run.config), []).append(run)

    def run(self, config: RunConfig) -> Run | None:
        """The run of this configuration that has come farthest."""
        runs = self._runs.get(_text(config), [])
        return max(runs, key=_step, default=None)

    def finished(self, config: RunConfig) -> Run | None:
        """The run of this configuration, if it was trained to its end."""
        run = self.run(config)
        done = run is not None and run.status != "training" and _step(run) >= config.training.steps
        return run if done else None

    def result(self, config: RunConfig, key: str, settings: dict[str, Any]) -> Result | None:
        """What the evaluation `key` found of the finished run."""
        run = self.finished(config)
        if run is None:
            return None
        kept = read_settings(evaluation(key).settings, settings, key).model_dump(mode="json")
        for stored in reversed(run.evaluations):
            if stored.key == key and stored.step == _step(run):
                result = Result.read(stored.key, stored.step, stored.tree)
                if result.seed == SEED and result.settings == kept:
                    return result
        return None


def _step(run: Run) -> int:
    """Of its newest state; -1 without one."""
    return max(run.checkpoint_steps(), default=-1)


def _text(config: RunConfig) -> str:
    """The configuration but for the device: where a run was trained makes it no other."""
    training = config.training.model_copy(update={"device": "auto"})
    return config.model_copy(update={"training": training}).model_dump_json()
