"""Parzen windows on MNIST for models without a likelihood, trained again: one block of FIGURES.md for each.

    python tests/benchmarks/parzen.py [ROW ...] --data FOLDER [--device cuda] [--seed 0] [--minutes M]

FOLDER holds MNIST's four files as published (train-images-idx3-ubyte.gz and so on). Grey values in 0…1; a tenth of the
60 000 examples is for validation, where each row's σ is chosen; figures are of the whole test set and 10 000 samples,
with those of the data themselves and of k-means beside them. Without the folder nothing is trained.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import published

from dgm_studio import device as devices
from dgm_studio.config import DataChoice, RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import Measured, Unmeasured, evaluate
from dgm_studio.reports import Table
from models import catalog
from models.catalog import Recipe

FOLDER = "DGM_BENCHMARK_MNIST"  # the environment's name for --data


@dataclass(frozen=True)
class Row:
    """What is trained, what was published and what is aimed at, in nats per example."""

    family: str
    learner: str
    model: dict[str, Any]
    learning: dict[str, Any]
    steps: int
    published: str  # with its source
    target: float
    batch_size: int = 100


GSN = "214 ± 1.1, Bengio et al. (2014): two layers of 1500"

GAN = "225 ± 2, Goodfellow et al. (2014), table 1"

ROWS = {
    "gsn": Row(
        "gsn",
        "walkback",
        {"layers": 2, "hidden": 500, "corruption": 0.4, "noise": 2.0, "sweeps": 30},
        {"walkbacks": 4, "learning_rate": 1e-3},
        2500,
        GSN,
        100,
    ),
    "gan": Row(
        "gan",
        "non-saturating",
        {"latent": 100, "hidden": 512},
        {"hidden": 256, "generator_rate": 1e-3, "discriminator_rate": 2e-4, "average": 0.999},
        30_000,
        GAN,
        150,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table for each row; the exit code is 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"which rows; all if none is named: {', '.join(ROWS)}")
    parser.add_argument("--data", type=Path, default=os.environ.get(FOLDER), help="a folder with MNIST's four files")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="instead of the row's own; the learning rate falls over all of them")
    parser.add_argument("--minutes", type=float, help="end after this time at the latest")
    given = parser.parse_args(arguments)
    if given.data is None or not Path(given.data).is_dir():
        print(f"Skipped: --data FOLDER (or {FOLDER}) must name a folder with MNIST's files.", file=sys.stderr)
        return 0
    unknown = [key for key in given.rows if key not in ROWS]
    if unknown:
        parser.error(f"there is no row named {', '.join(unknown)}; there are: {', '.join(ROWS)}")
    dataset = load(DataChoice(source="idx", settings={"path": str(given.data)}))
    reached = True
    for key in given.rows or ROWS:
        reached = _figure(key, ROWS[key], dataset, given) >= ROWS[key].target and reached
    return 0 if reached else 1


def _figure(key: str, row: Row, dataset: Dataset, given: argparse.Namespace) -> float:
    steps = given.steps or row.steps
    rate_falls = "decay" in catalog.learning(row.learner).settings.model_fields
    recipe = Recipe.read(row.family, row.learner, row.model, row.learning | ({"decay": steps} if rate_falls else {}))
    config = RunConfig(
        family=row.family,
        learner=row.learner,
        model=recipe.model.model_dump(),
        learning=recipe.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=row.batch_size, seed=given.seed, device=given.device),
    )
    begin, cpu = time.perf_counter(), time.process_time()
    state = published.trained(key, config, dataset, given.minutes)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    device = devices.resolve(given.device)
    table = None
    for event in evaluate(recipe, dataset, state, ["parzen"], device, given.seed):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            table = next(report for report in event.result.reports if isinstance(report, Table))
    assert table is not None
    settings = json.dumps(row.model | row.learning, ensure_ascii=False).strip("{}").replace('"', "")
    print(f"{key}: {settings}; {state['step']} steps of {row.batch_size}, {seconds:.0f} s ({cpu:.0f} s of processors),")
    print(f"{devices.title(device)}, torch {torch.__version__}, seed {given.seed}; published: {row.published}\n")
    print("| Gaussians at | test, nats per example | σ | protocol |")
    print("|---|---:|---:|---|")
    for name, value, (low, high), _, sigma, protocol in table.rows:  # type: ignore[misc]
        print(f"| {name} | {value:.1f} [{low:.1f}, {high:.1f}] | {sigma:.3f} | {protocol} |", flush=True)
    return float(table.rows[0][1])  # type: ignore[arg-type]


if __name__ == "__main__":
    raise SystemExit(main())
