"""Ways around discrete draws in an adversarial game, beside maximum likelihood, on data with a known distribution.

    python tests/benchmarks/discrete_gan.py [ROW ...] [--seeds 5] [--steps N]

Short sentences of the grammar (75 of them, 19 characters out of 23), and bars and stripes of 4×4 bits (30 patterns).
Every row is a number of steps that one core does in about a minute at most; each figure is the mean over the seeds, and
its standard deviation. Possible: draws with a probability above 0. Total variation: from the true distribution, 2000
draws each; a perfect sampler's row stands beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Generator, Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.estimation.diversity import distinct, total_variation
from models.learning.base import Learner
from models.spec import Batch

DRAWN, BATCH = 2000, 64
GAME = {"generator_rate": 3e-3, "average": 0.9}
Z = {"generator_rate": 1e-3, "average": 0.9}
# name: data, family, learner, model, learning, steps
ROWS: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any], int]] = {
    "text, maximum likelihood": ("text", "sequence-gan", "maximum-likelihood", {}, {"learning_rate": 0.01}, 400),
    "text, REINFORCE": ("text", "sequence-gan", "reinforce-gan", {}, GAME, 800),
    "text, REINFORCE after likelihood": (
        "text", "sequence-gan", "reinforce-gan", {}, GAME | {"likelihood_steps": 150, "generator_rate": 1e-3}, 600,
    ),
    "text, Gumbel": ("text", "sequence-gan", "gumbel-gan", {}, GAME | {"cooling_steps": 0}, 800),
    "text from noise, REINFORCE": ("text", "discrete-gan", "reinforce-gan", {}, Z, 1200),
    "text from noise, Gumbel": ("text", "discrete-gan", "gumbel-gan", {}, Z | {"cooling_steps": 0}, 1200),
    "text from noise, embedded": ("text", "discrete-gan", "embedding-gan", {}, Z, 1200),
    "bits, REINFORCE": ("bits", "discrete-gan", "reinforce-gan", {}, Z, 2000),
    "bits, Gumbel": ("bits", "discrete-gan", "gumbel-gan", {}, Z | {"cooling_steps": 0}, 2000),
    "bits, relaxed": (
        "bits", "discrete-gan", "gumbel-gan", {}, Z | {"cooling_steps": 0, "straight_through": False}, 2000,
    ),
    "bits, embedded": ("bits", "discrete-gan", "embedding-gan", {}, Z, 2000),
}  # fmt: skip


def data_of(name: str) -> Dataset:
    if name == "text":
        return load(DataChoice(source="grammar", settings={"kind": "short"}))
    return load(DataChoice(source="bars", binarization="threshold"))


def trained(row: str, data: Dataset, seed: int, steps: int) -> Learner:
    _, family, learner, model, learning, _ = ROWS[row]
    torch.manual_seed(seed)
    made = Recipe.read(family, learner, model, learning).build(data.spec, len(data.train))
    made.begin()
    generator = Generator().manual_seed(seed)
    for _ in range(steps):
        index = torch.randint(len(data.train), (BATCH * made.minibatches,), generator=generator)
        made.step(Batch(data.train.x[index], data.train.y[index], index))
    return made.eval()


@torch.no_grad()
def figures(x: Tensor, log_prob: Callable[[Tensor], Tensor]) -> list[float]:
    types, counts = distinct(x)
    possible = log_prob(types).isfinite()
    valid = counts[possible].sum().item() / len(x)
    return [100 * valid, float(possible.sum()), 100 * len(types) / len(x), total_variation(x, log_prob)]


def cell(values: list[float], decimals: int) -> str:
    spread = f" ± {stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{mean(values):.{decimals}f}{spread}"


def line(name: str, steps: str, found: list[list[float]], seconds: str) -> None:
    columns = [cell(list(column), d) for column, d in zip(zip(*found, strict=True), (1, 1, 1, 3), strict=True)]
    print("| " + " | ".join([name, steps, *columns, seconds]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help=f"which: {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="instead of the row's own")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| row | steps | possible, % | different possible ones | different, % | total variation | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in ("text", "bits"):
        data, seeds = data_of(name), range(given.seeds)
        density = data.density
        assert density is not None
        perfect = [figures(density.sample(DRAWN, Generator().manual_seed(s)), density.log_prob) for s in seeds]
        line(f"{name}, perfect sampler", "", perfect, "")
        for row in given.rows or ROWS:
            if ROWS[row][0] != name:
                continue
            found, seconds, steps = [], [], given.steps or ROWS[row][-1]
            for seed in seeds:
                begin = time.thread_time()
                made = trained(row, data, seed, steps)
                seconds.append(time.thread_time() - begin)
                with torch.no_grad():
                    x = made.sampler().sample(DRAWN, Generator().manual_seed(seed))
                found.append(figures(x, density.log_prob))
            line(row, f"{steps:,}", found, cell(seconds, 0))


if __name__ == "__main__":
    main()
