"""Boltzmann machines of the same number of hidden units, deep and not, on the 8×8 digits: one line of FIGURES.md each.

python tests/benchmarks/deep.py [ROW ...] [--seed 0] [--threads 1]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import Measured, Unmeasured, evaluate
from dgm_studio.events import CLOSING, Checkpoint, Finished
from dgm_studio.reports import Table
from dgm_studio.training import TrainingSession
from models.catalog import Recipe

DEEP = {"first": 128, "second": 64}
RATE = {"learning_rate": 0.1, "decay": 8000, "weight_decay": 2e-4}
# family, learner, model, learning, steps of 100 examples
ROWS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], int]] = {
    "rbm-192": ("rbm", "persistent-cd", {"hidden": 192}, RATE, 8000),
    "dbn-128-64": ("dbn", "layerwise", DEEP, {"layer_steps": 4000, "decay": 4000}, 8000),
    "dbm-128-64": ("dbm", "mean-field-pcd", DEEP, RATE, 8000),
    "dbm-128-64, greedy start": ("dbm", "mean-field-pcd", DEEP, RATE | {"layer_steps": 1500}, 11_000),
    "dbm-128-64, not centred": ("dbm", "mean-field-pcd", DEEP | {"centred": False}, RATE, 8000),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"which of {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    print("| row | test, nats per example | training | made with |")
    print("|---|---|---|---|", flush=True)
    for key in given.rows or ROWS:
        print(_line(key, *ROWS[key], given.seed), flush=True)
    return 0


def _line(
    key: str, family: str, learner: str, model: dict[str, Any], learning: dict[str, Any], steps: int, seed: int
) -> str:
    choice = DataChoice(source="digits", binarization="threshold")
    dataset, recipe = load(choice), Recipe.read(family, learner, model, learning)
    config = RunConfig(
        family=family,
        learner=learner,
        data=choice,
        model=recipe.model.model_dump(),
        learning=recipe.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=100, seed=seed, device="cpu"),
    )
    begin, last = time.perf_counter(), None
    for event in TrainingSession(config, dataset).events():
        if isinstance(event, Checkpoint):
            last = event
        if isinstance(event, CLOSING) and not isinstance(event, Finished):
            raise RuntimeError(str(event))
    assert last is not None
    seconds = time.perf_counter() - begin
    texts = []
    for found in evaluate(recipe, dataset, last.state, ["likelihood"], torch.device("cpu"), seed):
        if isinstance(found, Unmeasured):
            raise RuntimeError(found.text)
        if isinstance(found, Measured):
            table = next(report for report in found.result.reports if isinstance(report, Table))
            titles = [column.title for column in table.columns]
            for cells in table.rows:
                row = dict(zip(titles, cells, strict=True))
                low, high = row["95 % interval"]
                texts.append(f"{-row['Value']:.2f} [{-high:.2f}, {-low:.2f}] {row['Kind']}: {row['Measure']}")
    made = f"torch {torch.__version__}, {torch.get_num_threads()} thread, seed {seed}"
    return f"| {key} | {'; '.join(texts)} | {steps} steps, {seconds:.0f} s | {made} |"


if __name__ == "__main__":
    sys.exit(main())
