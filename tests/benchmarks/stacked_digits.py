"""Pairs of digits, one in each channel of an 8×8 image: 100 modes that a classifier counts, by an unrolled game of k
steps ahead against the plain one. A small version of Stacked MNIST (Metz et al., 2017, section 3.3.1: 1000 modes, a
discriminator much smaller than the generator).

    ./run bench stacked_digits
    python tests/benchmarks/stacked_digits.py [--unrolled 0 5] [--seeds 0 1 2 3 4] [--steps N]

Of 10 000 samples after the last step: how many of the 100 pairs are among them, and KL(samples || uniform) of pairs, in
nats. The last row is of pairs of held-out digits, for what the classifier mistakes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Split
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.networks import mlp
from models.spec import Batch, DataSpec, Layout, Support

PAIRS = DataSpec((2, 8, 8), Support.UNIT, Layout.IMAGE)
BATCH, SAMPLES = 128, 10_000
MODEL = {"latent": 32, "hidden": 128, "layers": 2}
# a discriminator a quarter as wide, and slower
GAME = {"hidden": 32, "layers": 2, "average": 0, "generator_rate": 1e-3, "discriminator_rate": 3e-4}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unrolled", type=int, nargs="+", default=[0, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=5000)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    digits = load(DataChoice(source="digits"))
    classifier = _classifier(digits.train)
    print("| k | pairs of 100 | KL to uniform, nats | pairs by seed | one core |")
    for k in given.unrolled:
        found, seconds = [], []
        for seed in given.seeds:
            begin = time.thread_time()
            samples = _trained(digits.train, k, seed, given.steps)
            seconds.append(time.thread_time() - begin)
            found.append(_counted(classifier, samples))
        print(_row(str(k), found, statistics.fmean(seconds)), flush=True)
    held_out = _pairs(digits.test, SAMPLES, Generator().manual_seed(0))
    print(_row("held-out digits", [_counted(classifier, held_out)], 0.0))


def _pairs(split: Split, n: int, generator: Generator | None = None) -> Tensor:
    first, second = torch.randint(len(split.x), (2, n), generator=generator)
    return torch.cat([split.x[first], split.x[second]], 1)


def _classifier(split: Split) -> nn.Module:
    torch.manual_seed(0)
    network = mlp([64, 128, 10])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-4)
    for _ in range(1500):
        index = torch.randint(len(split.x), (100,))
        loss = nn.functional.cross_entropy(network(split.x[index].flatten(1)), split.y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def _trained(split: Split, k: int, seed: int, steps: int) -> Tensor:
    torch.manual_seed(seed)
    game = Recipe.read("gan", "unrolled", MODEL, {**GAME, "unrolled": k}).build(PAIRS, len(split.x) ** 2)
    game.begin()
    nothing = torch.zeros(BATCH, dtype=torch.int64)
    for _ in range(steps):
        game.step(Batch(_pairs(split, BATCH), nothing, nothing))
    with torch.no_grad():
        samples: Tensor = game.model.sample(SAMPLES, Generator().manual_seed(0))
    return samples


@torch.no_grad()
def _counted(classifier: nn.Module, x: Tensor) -> tuple[int, float]:
    """How many pairs there are, and how far their frequencies are from uniform."""
    first, second = (classifier(x[:, channel].flatten(1)).argmax(1) for channel in (0, 1))
    share = torch.bincount(10 * first + second, minlength=100) / len(x)
    present = share[share > 0]
    return len(present), (present * (present.log() + math.log(100))).sum().item()


def _row(name: str, found: list[tuple[int, float]], seconds: float) -> str:
    cells = []
    for values in zip(*found, strict=True):
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        cells.append(f"{statistics.fmean(values):.1f} ± {deviation:.1f}")
    return f"| {name} | {' | '.join(cells)} | {' '.join(str(pairs) for pairs, _ in found)} | {seconds:.0f} s |"


if __name__ == "__main__":
    main()
