"""Wasserstein learning on the ring of eight Gaussians: clipped weights against a gradient penalty, and a plain game
beside them, over five seeds. Same generator, critic, batch and number of generator steps; rates and bounds are the best
of a few that were tried with seed 0. Modes and good samples are of 2500 draws of the averaged generator. The critic's
estimate and the exact distance are of the same 1000 draws of the playing generator and 1000 fresh ones of the data.

    ./run bench wasserstein
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Generator, Tensor

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.estimation.coverage import coverage
from models.estimation.transport import dual_bound, wasserstein_distance
from models.spec import Batch

STEPS, BATCH, SEEDS, DRAWN = 1000, 128, range(5), 1000
MODEL = {"latent": 2, "hidden": 128}
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("non-saturating", "non-saturating", {"discriminator_rate": 0.001}),
    ("non-saturating, 5 steps", "non-saturating", {"discriminator_rate": 0.001, "discriminator_steps": 5}),
    (
        "clipping, c = 0.05",
        "wasserstein",
        {"constraint": "clipping", "clip": 0.05, "discriminator_rate": 2e-4, "generator_rate": 2e-4},
    ),
    ("penalty, λ = 1", "wasserstein", {"penalty": 1.0, "discriminator_rate": 0.002}),
)


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = load(DataChoice(source="ring"))
    density: Any = data.density
    print("case, seed: modes, good samples, W₁ of the playing generator; critic's estimate, slope, estimate / slope")
    for name, rule, learning in CASES:
        found = []
        for seed in SEEDS:
            row = _trained(data, rule, learning, seed)
            found.append(row)
            modes, good, exact, said, slope, bound, seconds = row
            print(
                f"{name}, {seed}: {modes:.0f}, {good:.2%}, {exact:.4f}; {said:.4f}, {slope:.3f}, {bound:.4f}; "
                f"{seconds:.0f} s",
                flush=True,
            )
        rows = torch.tensor(found, dtype=torch.float64)
        mean, deviation = rows.mean(0).tolist(), rows.std(0).tolist()
        print(f"{name}: " + ", ".join(f"{m:.4g} ± {s:.2g}" for m, s in zip(mean, deviation, strict=True)))
    g = Generator().manual_seed(7)
    perfect, others = (density.sample(DRAWN, g) for _ in range(2))
    modes, good = (m.value for m in (coverage(density, density, g).modes, coverage(density, density, g).quality))
    print(f"perfect sampler: {modes:.0f} modes, {good:.2%}, W₁ {wasserstein_distance(perfect, others):.4f}")
    torch.set_num_threads(threads)


def _trained(data: Dataset, rule: str, learning: dict[str, Any], seed: int) -> tuple[float, ...]:
    torch.manual_seed(seed)
    x, density = data.train.x, data.density
    learner: Any = Recipe.read("gan", rule, MODEL, learning).build(data.spec, len(x))
    learner.begin()
    begin = time.thread_time()
    for _ in range(STEPS):
        index = torch.randint(len(x), (BATCH * learner.minibatches,))
        learner.step(Batch(x[index], torch.full_like(index, -1), index))
    seconds = time.thread_time() - begin
    learner.eval()
    g = Generator().manual_seed(100 + seed)
    with torch.no_grad():
        found = coverage(learner.sampler(), density, g)  # type: ignore[arg-type]
        samples: Tensor = learner.model.sample(DRAWN, g)
        fresh = density.sample(DRAWN, g).float()  # type: ignore[union-attr]
        exact = wasserstein_distance(samples, fresh)
        said, slope, bound = float("nan"), float("nan"), float("nan")
        if hasattr(learner, "criticise"):
            f, h = learner.criticise(fresh), learner.criticise(samples)
            said = (f.mean() - h.mean()).item()
            slope, bound = dual_bound(f, h, fresh, samples)
    return found.modes.value, found.quality.value, exact, said, slope, bound, seconds


if __name__ == "__main__":
    main()
