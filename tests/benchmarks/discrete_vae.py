"""Discrete auto-encoders on fixed-binarised MNIST, each row so many minutes of one core; the whole test set.

    python tests/benchmarks/discrete_vae.py [ROW ...] --data FOLDER [--minutes 10] [--seed 0]

FOLDER holds binarized_mnist.npz (see published.py). How many steps the minutes allow is measured first, and the
temperature falls over the first half of them. Minutes are those of the processor, so that other work on the machine
costs steps nothing. Without the folder nothing is trained. The published figures, -ELBO by Jang, Gu & Poole (2017), are
remembered: 101.5 by Gumbel-softmax with 30 units of 10 values, 110.6 by the score function with a baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from models.catalog import Recipe
from models.estimation.likelihood import evidence_lower_bound
from models.estimation.measure import Measure
from models.estimation.progress import finish
from models.learning.base import Learner
from models.spec import Batch
from tests.benchmarks.published import FILE, FOLDER, load

BATCH = 100
TRIAL = 100  # steps that the speed is measured on
DRAWS = 5  # of the code for each test example
SAID = 30.0  # seconds between two lines on standard error

CATEGORIES = {"units": 30, "values": 10, "hidden": 512, "layers": 1}
BITS = {"units": 200, "values": 2, "hidden": 512, "layers": 1}
# learner, model, learning
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gumbel": ("gumbel-softmax", CATEGORIES, {}),
    "straight-through": ("gumbel-softmax", CATEGORIES, {"straight_through": True}),
    "score": ("score-function", CATEGORIES, {}),
    "score-draws": ("score-function", CATEGORIES, {"baseline": "other draws", "draws": 4}),
    "bits": ("gumbel-softmax", BITS, {}),
}
TARGET = {"gumbel": 125.0}  # nats of -ELBO


def batches(x: Tensor, generator: Generator) -> Iterator[Batch]:
    while True:
        for index in torch.randperm(len(x), generator=generator).split(BATCH):
            if len(index) == BATCH:
                yield Batch(x[index], torch.full((BATCH,), -1), index)


def made(row: str, data: Any, steps: int, seed: int) -> Learner:
    learner, model, learning = ROWS[row]
    if learner == "gumbel-softmax":
        learning = learning | {"cooling_steps": steps // 2}
    torch.manual_seed(seed)
    built = Recipe.read("discrete-vae", learner, model, learning).build(data.spec, len(data.train))
    built.begin()
    return built


def trained(row: str, data: Any, minutes: float, seed: int) -> tuple[Learner, int, float]:
    """The learner, its steps and their seconds of processor time."""
    trial, feed = made(row, data, 1, seed), batches(data.train.x, Generator().manual_seed(seed))
    begin = time.thread_time()
    for _ in range(TRIAL):
        trial.step(next(feed))
    steps = max(1, round(60 * minutes * TRIAL / (time.thread_time() - begin)))
    learner, feed = made(row, data, steps, seed), batches(data.train.x, Generator().manual_seed(seed))
    begin, said = time.thread_time(), time.perf_counter()
    for done in range(1, steps + 1):
        reported = learner.step(next(feed))
        if time.perf_counter() - said > SAID:
            said = time.perf_counter()
            figures = ", ".join(f"{key} {value.item():.2f}" for key, value in reported.items())
            print(f"{row}: step {done} of {steps}, {figures}", file=sys.stderr, flush=True)
    return learner, steps, time.thread_time() - begin


def main() -> int:
    """Print a Markdown table; the exit code is 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"which: {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--data", type=Path, default=os.environ.get(FOLDER), help=f"a folder with {FILE}")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.data is None or not (Path(given.data) / FILE).is_file():
        print(f"Skipped: --data FOLDER (or {FOLDER}) must name a folder with {FILE}.", file=sys.stderr)
        return 0
    torch.set_num_threads(1)
    data, reached = load(Path(given.data) / FILE, 28), True
    print("| row | settings | -ELBO, test | reconstruction | KL | -ELBO, training | training | made with |")
    print("|---|---|---:|---:|---:|---:|---|---|", flush=True)
    for row in given.rows or ROWS:
        learner, steps, seconds = trained(row, data, given.minutes, given.seed)
        model, generator = learner.model.requires_grad_(False).eval(), Generator().manual_seed(given.seed)
        test = finish(evidence_lower_bound(model, data.test.x, "test", DRAWS, generator))
        train = finish(evidence_lower_bound(model, data.train.x[: len(data.test.x)], "training", DRAWS, generator))
        settings = json.dumps(ROWS[row][1] | ROWS[row][2]).strip("{}").replace('"', "")
        how = f"{steps} steps of {BATCH}, {seconds:.0f} s of one core"
        figures = [_negative(test.elbo), _negative(test.reconstruction), f"{test.kl.value:.2f}", _negative(train.elbo)]
        cells = [row, settings, *figures, how, f"torch {torch.__version__}, seed {given.seed}"]
        print("| " + " | ".join(cells) + " |", flush=True)
        reached = reached and -test.elbo.value <= TARGET.get(row, -test.elbo.value)
    return 0 if reached else 1


def _negative(measure: Measure) -> str:
    return f"{-measure.value:.2f} [{-measure.high:.2f}, {-measure.low:.2f}]"


if __name__ == "__main__":
    raise SystemExit(main())
