"""Few labels on MNIST: a semi-supervised adversarial network against its classifier alone.

    python tests/benchmarks/semi_supervised.py --data FOLDER [--device cuda] [--minutes 5] [--labels 2 5 10 100]

FOLDER holds MNIST's four files as published; values in 0…1. For each number of labels of a class, and each seed: the
network with its generator for the minutes, normalised as published, then the same classifier without it (the game has
no weight), from the same start, on the same labelled examples, for the same steps of its own, fewer where it has
learned them. The test error is of all 10 000 test examples. Published: 0.93 % with 100 labels in all, remembered
(Salimans et al., 2016; 10 runs of 300 epochs, layers of 1000, 500 and three times 250, averages with 0.9999). Without
the folder nothing is trained. The exit code is 1 where the target for 10 labels of a class was missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
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
from models.catalog import Recipe

TARGETS = {"cpu": 6.0, "cuda": 1.8}  # % with 10 labels of a class
STEPS = 10_000_000  # until the minutes end
ALONE = 1000  # steps, after which few labelled examples have long been learned
WIDTHS = {"cpu": (400, 2), "cuda": (500, 5)}  # units and layers of the classifier


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--device", default="cpu", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=4, help="of training with the game, for each row")
    parser.add_argument("--labels", type=int, nargs="+", default=[10], help="of each class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rate", type=float, default=3e-3, help="of both players")
    parser.add_argument("--widths", type=int, nargs=2, help="units and layers of the classifier")
    parser.add_argument("--average", type=float, default=0.999, help="of the classifier")
    parser.add_argument("--goal", default="feature matching")
    parser.add_argument("--normalised", default="all", choices=("all", "generator", "none"))
    given = parser.parse_args(arguments)
    if given.data is None or not given.data.is_dir():
        print("Skipped: name a folder with --data FOLDER.", file=sys.stderr)
        return 0
    device = devices.resolve(given.device)
    hidden, layers = given.widths or WIDTHS[device.type]
    dataset = load(DataChoice(source="idx", settings={"path": str(given.data)}))
    model = {"latent": 100, "prior": "uniform", "hidden": 500, "activation": "softplus"}
    model["normalisation"] = "none" if given.normalised == "none" else "batch"
    rule = {
        "hidden": hidden,
        "layers": layers,
        "generator_rate": given.rate,
        "discriminator_rate": given.rate,
        "weight_normalisation": given.normalised == "all",
        "classifier_average": given.average,
        "goal": given.goal,
    }
    print(f"{devices.title(device)}, torch {torch.__version__}, batches of 100; {model} by {rule}")
    print("labels of a class | seed | with the game, % | 95 % interval | labels alone, % | 95 % interval | steps, time")
    at_10 = []
    for labels in given.labels:
        for seed in given.seeds:
            few = rule | {"labels_per_class": labels}
            game, steps, taken = _error(model, few, STEPS, given.minutes, dataset, given, seed)
            alone, _, _ = _error(model, few | {"unlabelled_weight": 0.0}, ALONE, None, dataset, given, seed)
            both = " | ".join(f"{error:.2f} | [{low:.2f}, {high:.2f}]" for error, (low, high) in (game, alone))
            print(f"{labels} | {seed} | {both} | {steps:,} steps, {taken}", flush=True)
            at_10 += [game[0]] if labels == 10 else []
    target = TARGETS[device.type]
    print(f"Published: 0.93 %, remembered. Target with 10 labels of a class: ≤ {target} %.")
    return 0 if all(error <= target for error in at_10) else 1


Error = tuple[float, tuple[float, float]]  # in percent, and the ends of its 95 % interval


def _error(
    model: Mapping[str, Any],
    rule: Mapping[str, Any],
    steps: int,
    minutes: float | None,
    dataset: Dataset,
    given: argparse.Namespace,
    seed: int,
) -> tuple[Error, int, str]:
    """The test error after training, the steps, and how long they took."""
    recipe = Recipe.read("semi-supervised-gan", "semi-supervised", model, rule)
    config = RunConfig(
        family="semi-supervised-gan",
        learner="semi-supervised",
        model=recipe.model.model_dump(),
        learning=recipe.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=100, seed=seed, device=given.device),
    )
    begin, used = time.perf_counter(), time.process_time()
    state = published.trained("semi-supervised", config, dataset, minutes)
    taken = f"{time.perf_counter() - begin:.0f} s ({time.process_time() - used:.0f} s of one core)"
    for event in evaluate(recipe, dataset, state, ["classification"], devices.resolve(given.device), seed):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            table = next(report for report in event.result.reports if isinstance(report, Table))
            _, _, error, interval, *_ = table.rows[0]
            assert isinstance(error, float)
            assert isinstance(interval, tuple)
            return (error, interval), int(state["step"]), taken
    raise RuntimeError("Nothing was measured.")


if __name__ == "__main__":
    raise SystemExit(main())
