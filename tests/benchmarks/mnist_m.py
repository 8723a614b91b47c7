"""MNIST → MNIST-M: accuracy on MNIST-M with the gradient reversal layer and without, for a bounded time. Both sets are
read by the studio's own imports of IDX and NumPy files, as a person would choose them; nothing is downloaded.

    python -m tests.benchmarks.mnist_m MNIST MNIST_M.npz --device cuda --minutes 2 --seeds 2 [--normalisation none]

MNIST: a folder with the four IDX files. MNIST_M.npz: train_images, train_labels, test_images and test_labels, bytes
(N, 32, 32, 3). Published with 59 000 images of the target (Ganin et al., 2016, table 2): source only 52.25 %, adapted
76.66 %, trained on the target 95.96 %. Fewer images of it make another protocol.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.capture import CapturedSteps
from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.feeds import Feeder
from models.catalog import Recipe

BATCH, CHECK_EVERY = 64, 500  # so many of each domain
MODEL = {"network": "pooled", "channels": 32, "classifier_layers": 2, "hidden": 100}  # as published, but for layers
LEARNING = {"discriminator_hidden": 100, "beta1": 0.5}


@torch.no_grad()
def accuracy(learner: Any, x: Tensor, y: Tensor) -> float:
    learner.eval()
    said = torch.cat([learner.model.class_log_prob(part).argmax(1) for part in x.split(1000)])
    learner.train()
    return (said == y).double().mean().item()


def run(data: Dataset, seed: int, given: argparse.Namespace, learning: dict[str, Any]) -> None:
    """Train once and say what came of it."""
    device = torch.device(given.device)
    torch.manual_seed(seed)
    chosen = {"layers": given.layers, "normalisation": given.normalisation}
    recipe = Recipe.read("domain-adversarial", "domain-adversarial", MODEL | chosen, LEARNING | learning)
    learner: Any = recipe.build(data.spec, len(data.train)).to(device)
    learner.begin()
    feeder = Feeder(data, learner, BATCH, device)
    take = CapturedSteps(learner, device) if device.type == "cuda" else learner.step
    (x, y), (other_x, other_y) = [(d.test.x.to(device), d.test.y.to(device)) for d in data.domains]
    begin, looks, reported = time.perf_counter(), [], {}
    for step in range(1, given.steps + 1):
        reported = take(feeder.next())
        if step % CHECK_EVERY == 0:
            looks.append(accuracy(learner, other_x, other_y))
            if time.perf_counter() - begin > 60 * given.minutes:
                break
    target = accuracy(learner, other_x, other_y)
    late = looks[-max(1, len(looks) // 5) :] or [target]
    print(
        f"λ = {learning['reversal']:g}, seed {seed}: target {target:.2%}, mean of the last fifth "
        f"{sum(late) / len(late):.2%}; source {accuracy(learner, x, y):.2%}; domain accuracy in training "
        f"{reported['domain_accuracy'].item():.2f}, λ there {reported['reversal'].item():.2f}; {step} steps in "
        f"{time.perf_counter() - begin:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mnist", type=Path, nargs="?", help="a folder with the IDX files")
    parser.add_argument("mnist_m", type=Path, nargs="?", help="an .npz file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=2.0, help="of each run, at most")
    parser.add_argument("--steps", type=int, default=10_000, help="of each run, at most; rates fall over them")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--reversal", type=float, nargs="*", default=[0.0, 1.0])
    parser.add_argument("--growth", type=float, default=0.25, help="the part of the steps over which λ grows")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--discriminator-rate", type=float, default=3e-4)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--normalisation", default="batch", choices=("batch", "none"))
    given = parser.parse_args()
    if given.mnist is None or given.mnist_m is None:
        print("Left out: name the folder of MNIST's files and the .npz file of MNIST-M.")
        return
    second = DataChoice(source="numpy", settings={"path": str(given.mnist_m)})
    data = load(DataChoice(source="idx", settings={"path": str(given.mnist)}, other=second))
    sizes = [f"{d.provenance.title}: {len(d.train)} to train, {len(d.test)} to test" for d in data.domains]
    rates = {"learning_rate": given.rate, "discriminator_rate": given.discriminator_rate, "decay": given.steps}
    print(f"{'; '.join(sizes)}; {given.layers} layers, normalisation: {given.normalisation}; {rates}", flush=True)
    for reversal in given.reversal:
        for seed in range(given.seeds):
            growth = round(given.growth * given.steps)
            run(data, seed, given, rates | {"reversal": reversal, "growth_steps": growth})


if __name__ == "__main__":
    main()
