"""Published figures on fixed-binarised MNIST, trained again: one row of FIGURES.md for each.

    python tests/benchmarks/published.py ROW [ROW ...] --data FOLDER [--device cuda] [--seed 0] [--minutes M]
    python tests/benchmarks/published.py --list

FOLDER holds binarized_mnist.npz: Larochelle & Murray's bits, packed with numpy.packbits along each row, in train, valid
and test (50 000 / 10 000 / 10 000 examples). Without the folder nothing is trained. Figures are of the whole test set,
of the weights after the last step; the validation part only shows how training goes (on standard error). Where log Z
is an estimate, by annealed importance sampling, the reverse bound stands beside it, and a warning where the weights say
that it cannot be trusted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from dgm_studio.reports import Note, Table
from dgm_studio.training import TrainingSession
from models import catalog
from models.catalog import Recipe
from models.spec import DataSpec, Layout, Support

FILE = "binarized_mnist.npz"
FOLDER = "DGM_BENCHMARK_DATA"  # the environment's name for --data
REPORTED = 10.0  # seconds between two lines on standard error
TRIAL = 20.0  # seconds that the speed is measured on
IMPORTANCE = "importance-weighted"
LATE = 1.25  # times the minutes that were given: when a training ends that became slower than it was measured to be


@dataclass(frozen=True)
class Row:
    """One figure: what is trained, on which part of the pictures, what was published and what is aimed at."""

    family: str
    model: dict[str, Any]
    learning: dict[str, Any]
    steps: int  # over which the learning rate falls, where the learner lets it
    batch_size: int
    published: str  # with its source; "remembered" where nobody has looked it up
    target: float | None = None  # nats per example, from above
    crop: int = 28  # the central crop × crop pixels
    learner: str = "maximum-likelihood"
    draws: int = 500  # of z, for the importance-weighted bound of all test examples
    annealed: int = 20  # test examples whose codes are annealed
    importance: tuple[int, int] = (0, 0)  # so many draws of z for so many of the test examples, beside the rest


FVBN = "97.45, remembered"
NADE = "88.86, Larochelle & Murray (2011), H = 500"
EONADE = "87.71 one layer, 85.10 two layers and 128 orders, remembered (Uria et al., 2014)"
MADE = "88.40 with 8000 units, remembered; 88.04 with 32 masks, Germain et al. (2015)"
PIXELCNN = "81.30, van den Oord et al. (2016)"
ROW_LSTM = "80.54, remembered (van den Oord et al., 2016)"
BILSTM = "79.20 with 7 layers of 16, van den Oord et al. (2016)"
RBM = "86.34, Salakhutdinov & Murray (2008), CD-25, by annealing, on other bits of MNIST"
BELIEF = "113.1 by the score function, 116.3 by wake-sleep, remembered (Mnih & Gregor, 2014), 200 units"
VAE = "88.71 with k = 5000, Burda et al. (2016), batches of 20, 3280 epochs"
IWAE = "k = 1 / 5 / 50: 86.76 / 85.54 / 84.78 with k = 5000, Burda et al. (2016), bits drawn at each visit, 3280 epochs"
CONV = "none with this network"
DRAW = "≤ 80.97 with attention, Gregor et al. (2015), table 2; ≤ 87.40 without, remembered; T = 64, LSTMs of 256"
CROP = "none for this crop"

GLIMPSES: dict[str, Any] = {"glimpses": 8, "latent": 8, "hidden": 128}
WINDOWS = {"attention": True, "read_size": 5, "write_size": 5}
LOOKS: dict[str, Any] = {"learner": "reparameterized-elbo", "draws": 50, "annealed": 0}
WIDTHS = {"latent": 50, "hidden": 200, "layers": 2}  # 784-200-200-50, as published

ROWS: dict[str, Row] = {
    # minutes on two cores
    "fvbn": Row("fvbn", {}, {"learning_rate": 2e-3}, 10_000, 250, FVBN, 99.5),
    "made": Row("made", {"hidden": 500}, {"learning_rate": 1e-3}, 20_000, 100, MADE, 103),
    "nade-50": Row("nade", {"hidden": 50}, {"learning_rate": 3e-3}, 4_000, 100, NADE),
    "pixelcnn-14": Row("pixelcnn", {"channels": 16, "layers": 6}, {"learning_rate": 5e-3}, 1_500, 100, CROP, crop=14),
    "row-lstm-14": Row("row-lstm", {"hidden": 16, "layers": 3}, {"learning_rate": 5e-3}, 1_500, 100, CROP, crop=14),
    "diagonal-bilstm-14": Row(
        "diagonal-bilstm", {"hidden": 16, "layers": 2}, {"learning_rate": 5e-3}, 1_000, 100, CROP, crop=14
    ),
    "rbm": Row(
        "rbm",
        {"hidden": 500},
        {"learning_rate": 0.1, "weight_decay": 1e-4},
        25_000,
        100,
        RBM,
        105,
        learner="persistent-cd",
    ),
    "belief-score": Row(
        "sigmoid-belief", {"first": 200}, {"learning_rate": 2e-3}, 60_000, 100, BELIEF, 125, learner="score-function"
    ),
    "belief-wake-sleep": Row(
        "sigmoid-belief", {"first": 200}, {"learning_rate": 2e-3}, 60_000, 100, BELIEF, 125, learner="wake-sleep"
    ),
    "belief-gumbel": Row(
        "sigmoid-belief",
        {"first": 200},
        {"learning_rate": 2e-3, "cooling_steps": 30_000},
        60_000,
        100,
        BELIEF,
        125,
        learner="gumbel-softmax",
    ),
    "vae": Row("vae", WIDTHS, {}, 30_000, 100, VAE, 100, learner="reparameterized-elbo", importance=(5000, 1000)),
    "conv-vae": Row(
        "conv-vae", {"latent": 40}, {}, 10_000, 100, CONV, learner="reparameterized-elbo", importance=(5000, 1000)
    ),
    **{
        f"iwae-{k}": Row(
            "vae",
            WIDTHS,
            {"importance_samples": k},
            20_000,
            20,
            IWAE,
            learner="reparameterized-elbo",
            importance=(5000, 1000),
        )
        for k in (1, 5, 50)
    },
    "draw-14": Row("draw", GLIMPSES | WINDOWS, {"learning_rate": 2e-3}, 12_000, 100, CROP, crop=14, **LOOKS),
    "draw-14-without": Row(
        "draw", GLIMPSES | {"attention": False}, {"learning_rate": 2e-3}, 12_000, 100, CROP, crop=14, **LOOKS
    ),
    # minutes on a GPU
    "draw-gpu": Row(
        "draw",
        {"glimpses": 16, "latent": 16, "hidden": 256} | WINDOWS,
        {"learning_rate": 1.5e-3},
        12_000,
        400,
        DRAW,
        95,
        **LOOKS,
    ),
    "fvbn-gpu": Row("fvbn", {}, {"learning_rate": 1e-2, "weight_penalty": 1e-4}, 20_000, 250, FVBN, 97.5),
    "nade-gpu": Row("nade", {"hidden": 500}, {"learning_rate": 1.5e-3}, 12_000, 200, NADE, 90),
    "eonade-gpu": Row(
        "eonade", {"hidden": 2000, "layers": 2, "orders": 8}, {"learning_rate": 1e-3}, 100_000, 200, EONADE, 90
    ),
    "made-gpu": Row("made", {"hidden": 8000, "masks": 16}, {"learning_rate": 5e-4}, 30_000, 100, MADE, 89.5),
    "pixelcnn-gpu": Row(
        "pixelcnn",
        {"layers": 15, "channels": 32, "hidden": 128},
        {"learning_rate": 2e-3, "clip": 1},
        12_000,
        256,
        PIXELCNN,
        83,
    ),
    "row-lstm-gpu": Row(
        "row-lstm",
        {"hidden": 32, "layers": 5, "units": 128},
        {"learning_rate": 3e-3, "clip": 1},
        8_000,
        256,
        ROW_LSTM,
        86,
    ),
    "diagonal-bilstm-gpu": Row(
        "diagonal-bilstm",
        {"hidden": 24, "layers": 4, "units": 128},
        {"learning_rate": 3e-3, "clip": 1},
        6_000,
        256,
        BILSTM,
        86,
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
    parser.add_argument("--minutes", type=float, help="as many steps as take about this long, measured first")
    parser.add_argument("--steps", type=int, help="instead of the row's own; the learning rate falls over all of them")
    given = parser.parse_args(arguments)
    if given.list:
        for key, row in ROWS.items():
            print(f"{key:24} {row.family}, {_aim(row)}, published: {row.published}")
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
        reached = reached and value <= (ROWS[key].target or value)
    return 0 if reached else 1


def _figure(key: str, row: Row, given: argparse.Namespace) -> tuple[str, float]:
    dataset = load(Path(given.data) / FILE, row.crop)
    steps = given.steps or row.steps
    if given.minutes:
        steps = max(1, round(60 * given.minutes * _steps_per_second(_config(row, steps, given), dataset)))
    config = _config(row, steps, given)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    recipe.check(dataset.spec)
    begin, worked = time.perf_counter(), time.process_time()
    state = trained(key, config, dataset, LATE * given.minutes if given.minutes else None)
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    device = devices.resolve(given.device)
    found, texts = _measured(recipe, dataset, state, device, given.seed, row.draws, row.annealed)
    k, some = row.importance
    if k:
        apart = len(dataset.test) // some  # spread out, because neighbours in the file are alike
        test = Split(dataset.test.x[::apart], dataset.test.y[::apart])
        closer, _ = _measured(recipe, replace(dataset, test=test), state, device, given.seed, k, annealed=0)
        how = f", k = {k}, every {apart}th of them"
        texts += [_text(line, how) for line in closer if IMPORTANCE in line["Measure"]]
    settings = json.dumps(row.model | row.learning, ensure_ascii=False).strip("{}").replace('"', "")
    made = f"{devices.title(device)}, torch {torch.__version__}, seed {given.seed}"
    training = f"{state['step']} steps of {row.batch_size}, {seconds:.0f} s ({worked:.0f} s of one core)"
    cells = (key, settings, row.published, _aim(row), "; ".join(texts), training, made)
    return "| " + " | ".join(cells) + " |", -found[0]["Value"]  # of the model, not of the best of its members


def _measured(
    recipe: Recipe, dataset: Dataset, state: Tree, device: torch.device, seed: int, k: int, annealed: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the likelihood table, and all there is to say of them."""
    table, warnings = None, []
    settings = {"likelihood": {"importance_samples": k, "code_examples": annealed}}
    for event in evaluate(recipe, dataset, state, ["likelihood"], device, seed, settings):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            table = next(report for report in event.result.reports if isinstance(report, Table))
            warnings = [one.text for one in event.result.reports if isinstance(one, Note) and one.tone == "warn"]
    assert table is not None
    titles = [column.title for column in table.columns]
    rows = [dict(zip(titles, cells, strict=True)) for cells in table.rows]
    return rows, [_text(row, f", k = {k}" if IMPORTANCE in row["Measure"] else "") for row in rows] + warnings


def _text(row: dict[str, Any], how: str = "") -> str:
    value, (low, high) = row["Value"], row["95 % interval"]
    if not math.isnan(row["Code length"]):  # of likelihoods, the negative is shown
        value, low, high = -value, -high, -low
    return f"{value:.2f} [{low:.2f}, {high:.2f}] {row['Kind']}: {row['Measure']}{how}"


def _aim(row: Row) -> str:
    return "–" if row.target is None else f"≤ {row.target:g}"


def _config(row: Row, steps: int, given: argparse.Namespace) -> RunConfig:
    rate_falls = "decay" in catalog.learning(row.learner).settings.model_fields
    learning = row.learning | ({"decay": steps} if rate_falls else {})
    recipe = Recipe.read(row.family, row.learner, row.model, learning)
    return RunConfig(
        family=row.family,
        learner=row.learner,
        model=recipe.model.model_dump(),
        learning=recipe.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=row.batch_size, seed=given.seed, device=given.device),
    )


def _steps_per_second(config: RunConfig, dataset: Dataset) -> float:
    """Measured on the second half of a short training: the first steps set much up, and draw samples to look at."""
    seen = [
        (event.seconds, event.step)
        for event in TrainingSession(config, dataset, minutes=TRIAL / 60).events()
        if isinstance(event, Progress)
    ]
    late = [(seconds, step) for seconds, step in seen if seconds >= seen[-1][0] / 2]
    (begin, first), (end, last) = late[0], late[-1]
    return (last - first) / max(end - begin, 1e-3) or seen[-1][1] / TRIAL


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


def trained(key: str, config: RunConfig, dataset: Dataset, minutes: float | None) -> Tree:
    """The state after the last step; how it goes is said on standard error."""
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
