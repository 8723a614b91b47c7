"""What keeps a generator from collapsing onto few modes: every remedy beside the same game without it, on the same
seeds. Ring of 8 Gaussians (radius 1, σ = 0.01) and grid of 25 (spacing 2, σ = 0.05); after the last step 2500 samples,
of high quality within 3σ of a mode (Srivastava et al., 2017; Lin et al., 2018).

    ./run bench remedies
    python tests/benchmarks/remedies.py [--data ring grid] [--seeds 0 1 2 3 4] [--steps N] [--remedies NAME ...]
        [--results FILE]

Cases are chosen by what their names begin with. With FILE, a line of JSON is added to it after every run, and runs
that it has are not made again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.estimation.coverage import coverage, coverage_of
from models.spec import Batch

DATA = {
    "ring": DataChoice(source="ring", settings={"radius": 1.0, "sigma": 0.01, "examples": 50_000}),
    "grid": DataChoice(source="grid", settings={"spacing": 2.0, "sigma": 0.05, "examples": 50_000}),
}
BATCH = 128
MODEL = {"latent": 8, "hidden": 64, "layers": 2}
GAME = {"hidden": 64, "layers": 2, "activation": "relu", "average": 0, "generator_rate": 1e-3, "beta1": 0.5}
GAME |= {"discriminator_rate": 3e-4}  # a generator that outruns its discriminator, and so collapses
FIVE = {"discriminator_steps": 5}
# name, the case without it, learner, what its settings have beside GAME
CASES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("plain", "", "non-saturating", {}),
    ("plain minimax", "", "minimax", {}),
    ("plain, 5 discriminator steps", "plain", "non-saturating", FIVE),
    ("discriminator as fast", "plain", "non-saturating", {"discriminator_rate": 1e-3}),
    ("minibatch features", "plain", "non-saturating", {"minibatch_features": 8}),
    ("packing 2", "plain", "non-saturating", {"packing": 2}),
    ("packing 4", "plain", "non-saturating", {"packing": 4}),
    ("feature matching", "plain", "non-saturating", {"feature_matching": True}),
    ("label smoothing", "plain", "non-saturating", {"label_smoothing": 0.1}),
    ("averaged generator", "plain", "non-saturating", {"average": 0.999}),
    ("spectral normalisation", "plain", "non-saturating", {"spectral": True}),
    ("wasserstein, gradient penalty", "plain, 5 discriminator steps", "wasserstein", FIVE),
    ("unrolled 1", "plain minimax", "unrolled", {"unrolled": 1}),
    ("unrolled 5", "plain minimax", "unrolled", {"unrolled": 5}),
    ("unrolled 5 without its gradient", "plain minimax", "unrolled", {"unrolled": 5, "through": False}),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=["ring"])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--remedies", nargs="*", default=[""])
    parser.add_argument("--results", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    done = _read(given.results)
    for source in given.data:
        data = load(DATA[source])
        print("| data | remedy | without it | modes | high quality, % | modes by seed | one core |")
        _perfect(source, data)
        for name, without, learner, changes in CASES:
            if not any(name.startswith(asked) for asked in given.remedies):
                continue
            found = []
            for seed in given.seeds:
                key = f"{source}, {name}, {given.steps} steps, seed {seed}"
                if key not in done:
                    done[key] = _run(data, learner, {**GAME, **changes}, given.steps, seed)
                    if given.results is not None:
                        with given.results.open("a") as file:
                            file.write(json.dumps({"key": key, **done[key]}) + "\n")
                found.append(done[key])
            print(f"| {source} | {name} | {without} | {_spread(found)} |", flush=True)


def _read(path: Path | None) -> dict[str, dict[str, float]]:
    if path is None or not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row.pop("key"): row for row in rows}


def _run(data: Dataset, learner: str, settings: dict[str, Any], steps: int, seed: int) -> dict[str, float]:
    torch.manual_seed(seed)
    game = Recipe.read("gan", learner, MODEL, settings).build(data.spec, len(data.train))
    game.begin()
    x, y = data.train.x, data.train.y
    begin = time.thread_time()
    for _ in range(steps):
        index = torch.randint(len(x), (BATCH * game.minibatches,))
        game.step(Batch(x[index], y[index], index))
    seconds = time.thread_time() - begin
    assert data.density is not None
    found = coverage(game.sampler(), data.density, Generator().manual_seed(0))  # type: ignore[arg-type]
    return {"modes": found.modes.value, "quality": 100 * found.quality.value, "seconds": seconds}


def _perfect(source: str, data: Dataset) -> None:
    assert data.density is not None
    found = [coverage_of(data.density.sample(2500, Generator().manual_seed(seed)), data.density) for seed in range(5)]  # type: ignore[arg-type]
    rows = [{"modes": c.modes.value, "quality": 100 * c.quality.value, "seconds": 0.0} for c in found]
    print(f"| {source} | perfect sampler | | {_spread(rows)} |", flush=True)


def _spread(rows: list[dict[str, float]]) -> str:
    """Mean ± standard deviation over seeds, and the range of modes."""
    cells = []
    for key in ("modes", "quality"):
        values = [row[key] for row in rows]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        cells.append(f"{statistics.fmean(values):.1f} ± {deviation:.1f}")
    modes = [int(row["modes"]) for row in rows]
    cells += [" ".join(map(str, modes)), f"{statistics.fmean(row['seconds'] for row in rows):.0f} s"]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
