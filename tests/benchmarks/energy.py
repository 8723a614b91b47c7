"""The energy network of the preset of eight modes: how far its density is from the data's own, and what a step costs.

The divergence is between cells of a grid, with the model's log Z summed over another (quadrature), without a sampler;
annealed importance sampling stands beside that log Z. The cost of a step is compared with the passes through the
network that it cannot do without: the energy and its gradient in x for each move of the chains and at their start, and
the energy with its gradient in the weights for examples and chains together. One thread, timed by its own processor
time.

    python tests/benchmarks/energy.py [SEEDS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.presets import preset
from models.catalog import Recipe
from models.estimation.annealing import annealed_log_partition
from models.estimation.coverage import Mixture, coverage
from models.estimation.divergence import Grid, kullback_leibler
from models.estimation.progress import finish
from models.estimation.quadrature import normalised
from models.langevin import slope
from models.learning.base import Learner
from models.spec import Batch

PRESET, OF_IMAGES = "energy-ring", "energy-digits"
REPORTS = 5
TEMPERATURES, CHAINS = 1000, 100
REPEATS = 30


def _batches(data: Dataset, size: int, seed: int) -> Callable[[], Batch]:
    generator = torch.Generator().manual_seed(seed)

    def draw() -> Batch:
        index = torch.randint(len(data.train), (size,), generator=generator)
        return Batch(data.train.x[index], data.train.y[index], index)

    return draw


def _divergence(learner: Learner, data: Dataset) -> tuple[float, float]:
    """KL(data ‖ model) between the cells of a grid, and log Z."""
    assert data.density is not None
    grid = Grid.around(data.train.x)
    with torch.no_grad():
        density, _ = finish(normalised(learner.model, data.train.x))
        return kullback_leibler(grid.log_mass(data.density), grid.log_mass(density)), density.log_partition


def _begun(key: str, seed: int) -> tuple[Learner, Dataset, Callable[[], Batch], int]:
    """What a preset learns with, its data, their batches, and how many steps it takes."""
    config = preset(key).config
    data = load(config.data)
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    torch.manual_seed(seed)
    learner = recipe.build(data.spec, len(data.train))
    learner.begin()
    return learner, data, _batches(data, config.training.batch_size, seed), config.training.steps


def _learn(seed: int) -> None:
    learner, data, draw, steps = _begun(PRESET, seed)
    spent = 0.0
    for part in range(REPORTS):
        divergence, _ = _divergence(learner, data)
        print(f"seed {seed}, {part * steps // REPORTS} steps, {spent:.0f} s: KL = {divergence:.3f} nats", flush=True)
        begin = time.thread_time()
        for _ in range(steps // REPORTS):
            learner.step(draw())
        spent += time.thread_time() - begin
    divergence, exact = _divergence(learner, data)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        found = finish(annealed_log_partition(learner.model, data.train.x, TEMPERATURES, CHAINS, generator))
    density: Any = data.density
    mixture: Mixture = density
    seen = coverage(learner.model, mixture, generator)
    print(
        f"seed {seed}, {steps} steps, {spent:.0f} s: KL(data ‖ model) = {divergence:.3f} nats; log Z = {exact:.3f} by "
        f"quadrature, {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] by annealing ({TEMPERATURES} "
        f"temperatures, {CHAINS} chains); {seen.modes.value:.0f} modes, {seen.quality.value:.2%} of samples within 3σ"
    )


def _seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _cost(key: str) -> None:
    learner, _, draw, _ = _begun(key, 0)
    settings: Any = learner.settings
    batch = draw()
    learner.step(batch)
    both = torch.cat([batch.x, batch.x])

    def passes() -> None:
        for _ in range(settings.transitions + 1):
            slope(learner.model.free_energy, batch.x)
        energies: Tensor = learner.model.free_energy(both)
        energies.mean().backward()

    pairs = [(_seconds(lambda: learner.step(batch)), _seconds(passes)) for _ in range(REPEATS)]
    ratio = median(step / least for step, least in pairs)
    print(
        f"{key}, a step of {len(batch.x)} examples and chains, {settings.transitions} moves: "
        f"{1e3 * median(step for step, _ in pairs):.1f} ms, {ratio:.2f} × its passes through the network"
    )


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        _learn(seed)
    for key in (PRESET, OF_IMAGES):
        _cost(key)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
