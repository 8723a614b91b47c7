"""Published figures on fixed-binarised MNIST, trained again: one row of FIGURES.md for each.

    python tests/benchmarks/published.py ROW [ROW ...] --data FOLDER [--device cuda] [--seed 0] [--minutes M]
    python tests/benchmarks/published.py --list

FOLDER holds binarized_mnist.npz: Larochelle & Murray's bits, packed with numpy.packbits along each row, in train, valid
and test (50 000 / 10 000 / 10 000 examples). Without the folder nothing is trained. Figures are of the whole test set,
of the weights after the last step; the validation part only shows how training goes (on standard error).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio import device as devices
from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.evaluation import Measured, Unmeasured, evaluate
from dgm_studio.events import CLOSING, Checkpoint, Finished, Progress, Tree
from dgm_studio.reports import Table
from dgm_studio.training import TrainingSession
from models.catalog import Recipe
from models.spec import DataSpec, Layout, Support

FILE = "binarized_mnist.npz"
FOLDER = "DGM_BENCHMARK_DATA"  # the environment's name for --data
REPORTED = 10.0  # seconds between two lines on standard error


@dataclass(frozen=True)
class Row:
    """One figure: what is trained, on which part of the pictures, what was published and what is aimed at."""

    family: str
    model: dict[str, Any]
    learning: dict[str, Any]
    steps: int  # over which the learning rate falls to 0
    batch_size: int
    published: str  # with its source; "remembered" where nobody has looked it up
    target: float  # nats per example, from above
    crop: int = 28  # the central crop × crop pixels
    learner: str = "maximum-likelihood"
    note: str = field(default="")


ROWS: dict[str, Row] = {
    "nade-14": Row(
        "nade",
        model={"hidden": 50},
        learning={"learning_rate": 3e-3},
        steps=10_000,
        batch_size=100,
        published="none for this crop",
        target=60,
        crop=14,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line of a Markdown table for each row; the exit code is 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="which rows; all those for the CPU if none is named")
    parser.add_argument("--list", action="store_true", help="print what there is, and train nothing")
    parser.add_argument("--data", type=Path, default=os.environ.get(FOLDER), help=f"a folder with {FILE}")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, help="end the training after this long")
    parser.add_argument(
        "--steps", type=int, help="instead of the row's own; the learning rate falls to 0 over all of them"
    )
    given = parser.parse_args(arguments)
    if given.list:
        for key, row in ROWS.items():
            print(f"{key:24} {row.family}, ≤ {row.target:g} nats, published {row.published}")
        return 0
    if given.data is None or not (Path(given.data) / FILE).is_file():
        print(f"Skipped: --data FOLDER (or {FOLDER}) must name a folder with {FILE}.", file=sys.stderr)
        return 0
    unknown = [key for key in given.rows if key not in ROWS]
    if unknown:
        parser.error(f"there is no row named {', '.join(unknown)}; there are: {', '.join(ROWS)}")
    reached = True
    print("| row | settings | published | target | test, nats per example | training | made with |")
    print("|---|---|---|---:|---:|---|---|", flush=True)
    for key in given.rows or [key for key in ROWS if not key.endswith("-gpu")]:
        line, value = _figure(key, ROWS[key], given)
        print(line, flush=True)
        reached = reached and value <= ROWS[key].target
    return 0 if reached else 1


def _figure(key: str, row: Row, given: argparse.Namespace) -> tuple[str, float]:
    config = _config(row, given)
    dataset = load(Path(given.data) / FILE, row.crop)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    recipe.check(dataset.spec)
    begin = time.perf_counter()
    state = _train(key, config, dataset, given.minutes)
    seconds = time.perf_counter() - begin
    device = devices.resolve(given.device)
    table = None
    for event in evaluate(recipe, dataset, state, ["likelihood"], device, given.seed):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            table = next(report for report in event.result.reports if isinstance(report, Table))
    assert table is not None
    titles = [column.title for column in table.columns]
    rows = [dict(zip(titles, cells, strict=True)) for cells in table.rows]
    texts, best = [], float("inf")
    for found in rows:
        low, high = found["95 % interval"]
        texts.append(f"{-found['Value']:.2f} [{-high:.2f}, {-low:.2f}] {found['Kind']}: {found['Measure']}")
        best = min(best, -found["Value"])
    settings = json.dumps(row.model | config.learning, ensure_ascii=False).strip("{}").replace('"', "")
    made = f"{devices.title(device)}, torch {torch.__version__}, seed {given.seed}"
    training = f"{state['step']} steps of {row.batch_size}, {seconds:.0f} s"
    cells = (key, settings, row.published, f"≤ {row.target:g}", "; ".join(texts), training, made)
    return "| " + " | ".join(cells) + " |", best


def _config(row: Row, given: argparse.Namespace) -> RunConfig:
    steps = given.steps or row.steps
    learning = row.learning | {"decay": steps}
    recipe = Recipe.read(row.family, row.learner, row.model, learning)
    return RunConfig(
        family=row.family,
        learner=row.learner,
        model=recipe.model.model_dump(),
        learning=learning,
        training=TrainingSettings(steps=steps, batch_size=row.batch_size, seed=given.seed, device=given.device),
    )


def load(file: Path, crop: int) -> Dataset:
    """The fixed bits, or the central `crop` × `crop` pixels of them."""
    edge = (28 - crop) // 2
    parts = []
    with np.load(file) as arrays:
        for name in ("train", "valid", "test"):
            bits = np.unpackbits(arrays[name], axis=1).reshape(-1, 1, 28, 28)
            bits = bits[:, :, edge : edge + crop, edge : edge + crop]
            x = torch.from_numpy(np.ascontiguousarray(bits)).float()
            parts.append(Split(x, torch.full((len(x),), -1)))
    what = "" if crop == 28 else f", the central {crop}×{crop} pixels"
    spec = DataSpec(
        (1, crop, crop), Support.BITS, Layout.IMAGE, protocol=f"fixed bits of Larochelle & Murray (2011){what}"
    )
    return Dataset(spec, *parts, Provenance("binarised MNIST"))


def _train(key: str, config: RunConfig, dataset: Dataset, minutes: float | None) -> Tree:
    state: Tree = {}
    last = time.perf_counter()
    for event in TrainingSession(config, dataset, minutes=minutes).events():
        if isinstance(event, Checkpoint):
            state = event.state
        if isinstance(event, Progress) and time.perf_counter() - last > REPORTED:
            last = time.perf_counter()
            said = {name: float(values[-1]) for name, (_, values) in event.metrics.items()}
            figures = ", ".join(f"{name} {value:.2f}" for name, value in said.items())
            print(
                f"{key}: step {event.step}, {event.steps_per_second:.1f} steps/s, {figures}",
                file=sys.stderr,
                flush=True,
            )
        if isinstance(event, CLOSING) and not isinstance(event, Finished):
            raise RuntimeError(str(event))
    return state


if __name__ == "__main__":
    raise SystemExit(main())
