"""What the gradient reversal layer is worth: accuracy on the target with it and without (λ = 0), everything else the
same, over seeds. The presets domain-moons and domain-digits as they are, for some of their steps. Figures are of the
target's test set: the last value, and the mean over the last third of training, which says more of a game that goes on
circling.

    ./run bench domain                  both, 5 seeds
    python -m tests.benchmarks.domain --seeds 2 --only moons --steps 1500
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

import torch
from torch import Generator

from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.feeds import Feeder
from dgm_studio.presets import preset
from models.catalog import Recipe
from models.spec import Batch

CPU = torch.device("cpu")
PRESETS = {"moons": "domain-moons", "digits": "domain-digits"}
LOOKS = 12  # over the last third


def accuracies(key: str, data: Dataset, seed: int, reversal: float | None, most: int) -> tuple[float, float, float]:
    """Source accuracy, target accuracy, and the latter's mean over the last third of a preset's training."""
    config = preset(key).config
    learning: dict[str, Any] = dict(config.learning) | ({} if reversal is None else {"reversal": reversal})
    torch.manual_seed(seed)
    learner = Recipe.read(config.family, config.learner, config.model, learning).build(data.spec, len(data.train))
    learner.begin()
    feeder = Feeder(data, learner, config.training.batch_size, CPU)
    steps, looks = min(config.training.steps, most), []
    for step in range(1, steps + 1):
        learner.step(feeder.next())
        if step > 2 * steps // 3 and (steps - step) % (steps // (3 * LOOKS)) == 0:
            looks.append(held_out(learner, data))
    source, target = looks[-1]
    return source, target, mean(at for _, at in looks)


@torch.no_grad()
def held_out(learner: Any, data: Dataset) -> tuple[float, float]:
    """Accuracy on the test sets of source and target."""
    batches = []
    for domain in data.domains:
        index = torch.arange(len(domain.test))
        batches.append(Batch(domain.test.x, domain.test.y, index))
    learner.eval()
    found = learner.held_out(replace(batches[0], other=batches[1]), Generator())
    learner.train()
    return found["source_accuracy"].item(), found["target_accuracy"].item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=tuple(PRESETS))
    parser.add_argument("--steps", type=int, default=1_000_000, help="at most; all of the preset's by default")
    chosen = parser.parse_args()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, key in PRESETS.items():
        if chosen.only not in (None, name):
            continue
        data = load(preset(key).config.data)
        for title, reversal in (("with reversal", None), ("without, λ = 0", 0.0)):
            begin = time.thread_time()
            found = [accuracies(key, data, seed, reversal, chosen.steps) for seed in range(chosen.seeds)]
            seconds = (time.thread_time() - begin) / chosen.seeds
            parts = []
            for what, values in zip(("source", "target", "target, last third"), zip(*found, strict=True), strict=True):
                spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
                each = ", ".join(f"{100 * value:.1f}" for value in values)
                parts.append(f"{what} {100 * mean(values):.1f}{spread} ({each})")
            print(f"{name}, {title}: {'; '.join(parts)} %; {seconds:.0f} s of processor time each", flush=True)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
