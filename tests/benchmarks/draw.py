"""DRAW on the central 14×14 pixels of fixed-binarised MNIST, with attention and without.

    python tests/benchmarks/draw.py --data FOLDER [--only attention|without] [--steps N] [--seed 0]

FOLDER holds binarized_mnist.npz (`tests/benchmarks/published.py` says what that is). T = 8 steps; the evidence bound
and the importance-weighted one of the whole test set, of the weights after the last step. Without the folder nothing is
trained. No figure was published for this crop: of 28×28 pixels they are ≤ 80.97 with attention (Gregor et al., 2015,
table 2) and ≤ 87.40 without, remembered, both with T = 64 and LSTMs of 256.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import published

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.base import Split
from dgm_studio.evaluation import Measured, Unmeasured, evaluate
from dgm_studio.reports import Table, to_markdown
from models.catalog import Recipe

CROP, BATCH, SAMPLES = 14, 100, 50
STEPS = 12_000  # some ten minutes of one core each
SHARED: dict[str, Any] = {"glimpses": 8, "latent": 8, "hidden": 128}
KINDS: dict[str, dict[str, Any]] = {
    "attention": {"attention": True, "read_size": 5, "write_size": 5},
    "without": {"attention": False},
}
LEARNING = {"learning_rate": 2e-3, "gradient_variance": False}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training; the learning rate falls over them")
    parser.add_argument("--examples", type=int, help="of the test set, to try it; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.data is None or not (given.data / published.FILE).is_file():
        print(f"Skipped: --data FOLDER must name a folder with {published.FILE}.", file=sys.stderr)
        return 0
    for kind in [given.only] if given.only else KINDS:
        _figure(kind, given)
    return 0


def _figure(kind: str, given: argparse.Namespace) -> None:
    """Train and measure, and print what was found."""
    learning = LEARNING | {"decay": given.steps}
    recipe = Recipe.read("draw", "reparameterized-elbo", SHARED | KINDS[kind], learning)
    config = RunConfig(
        family="draw",
        learner="reparameterized-elbo",
        model=recipe.model.model_dump(),
        learning=recipe.learner.model_dump(),
        training=TrainingSettings(steps=given.steps, batch_size=BATCH, seed=given.seed, device="cpu"),
    )
    dataset = published.load(given.data / published.FILE, CROP)
    begin, worked = time.perf_counter(), time.process_time()
    state = published.trained(kind, config, dataset, None)
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    if given.examples:
        some = Split(dataset.test.x[: given.examples], dataset.test.y[: given.examples])
        dataset = replace(dataset, test=some)
    print(
        f"\n{kind}, {SHARED | KINDS[kind] | learning}: {state['step']} steps of {BATCH}, seed {given.seed}, "
        f"{seconds:.0f} s ({worked:.0f} s of one core), torch {torch.__version__}\n"
    )
    settings = {"likelihood": {"importance_samples": SAMPLES, "code_examples": 0}}
    for event in evaluate(recipe, dataset, state, ["likelihood"], torch.device("cpu"), given.seed, settings):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            for report in event.result.reports:
                if isinstance(report, Table):
                    print(to_markdown(report), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
