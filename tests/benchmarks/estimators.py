"""One model, many learners: the evidence bound that each estimator of its gradient reaches in the same number of steps.

8×8 digits as bits; a variational auto-encoder, and a Helmholtz machine of two stochastic layers. Every learner begins
at the same weights and sees the same examples in the same order, at the same learning rate.
"""

from __future__ import annotations

import argparse
import time
from statistics import mean
from typing import Any

import torch
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.estimation.likelihood import evidence_lower_bound, log_mean_weight
from models.estimation.progress import finish
from models.spec import Batch

MODELS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 2, "hidden": 64, "layers": 1},
    "helmholtz": {"latent": 2, "units": 8, "hidden": 64, "layers": 1},
}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "reparameterised": ("reparameterized-elbo", {}),
    "score function, no baseline": ("score-function", {"baseline": "none"}),
    "score function, running mean": ("score-function", {"baseline": "running mean"}),
    "score function, input-dependent": ("score-function", {"baseline": "input-dependent"}),
    "wake-sleep": ("wake-sleep", {}),
}
BATCH, DRAWS = 100, 20
IMPORTANCE = 500  # draws of z behind the estimate of log p(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate of Adam")
    given, threads = parser.parse_args(), torch.get_num_threads()
    torch.set_num_threads(1)
    print(f"nats per example, means of {given.seeds} seeds; {given.steps} steps of {BATCH}, rate {given.rate:g}")
    print("| model | learner | test ELBO | seeds | KL | weighted bound | gap | gradient variance | seconds |")
    print("|---|---|---:|---|---:|---:|---:|---:|---:|", flush=True)
    for family in MODELS:
        for way in WAYS:
            rows = [_measured(family, *WAYS[way], given.steps, given.rate, seed) for seed in range(given.seeds)]
            elbo, kl, tight, variance, seconds = (mean(column) for column in zip(*rows, strict=True))
            each = ", ".join(f"{row[0]:.2f}" for row in rows)
            print(
                f"| {family} | {way} | {elbo:.2f} | {each} | {kl:.2f} | {tight:.2f} | {tight - elbo:.2f} | "
                f"{variance:.3g} | {seconds:.1f} |",
                flush=True,
            )
    torch.set_num_threads(threads)


def _measured(
    family: str, learner_key: str, settings: dict[str, Any], steps: int, rate: float, seed: int
) -> tuple[float, float, float, float, float]:
    """Test ELBO, its KL, the importance-weighted bound, the variance of the gradient where it ended, and seconds."""
    dataset = load(DataChoice(source="digits", binarization="threshold"))
    x, test = dataset.train.x, dataset.test.x
    torch.manual_seed(seed)  # the model is built first: its weights do not depend on the learner
    recipe = Recipe.read(family, learner_key, MODELS[family], {"learning_rate": rate} | settings)
    learner: Any = recipe.build(dataset.spec, len(x))
    learner.begin()
    order = Generator().manual_seed(seed)
    begin = time.thread_time()
    for _ in range(steps):
        index = torch.randint(len(x), (BATCH,), generator=order)
        learner.step(Batch(x[index], index, index))
    seconds = time.thread_time() - begin
    generator = Generator().manual_seed(seed)
    variance = learner.variance_of_gradient(test[:50], generator, DRAWS).item()
    with torch.no_grad():
        bound = finish(evidence_lower_bound(learner.model, test, "test", DRAWS, generator))
        tight = log_mean_weight(learner.model, test, IMPORTANCE, generator).mean().item()
    return bound.elbo.value, bound.kl.value, tight, variance, seconds


if __name__ == "__main__":
    main()
