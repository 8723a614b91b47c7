"""One small restricted Boltzmann machine, learned in five ways: the exact test log-likelihood under each.

Handwritten digits as bits, 12 hidden units, so that log Z is summed exactly; each learner with its default settings but
for the steps named here, over which its learning rate falls. Exact maximum likelihood shows what the others approach.
"""

from __future__ import annotations

import time
from statistics import mean

import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.spec import Batch

HIDDEN, BATCH, SEEDS = 12, 100, (0, 1, 2)
WAYS = {  # steps, and settings other than the default
    "contrastive-divergence": (8000, {"weight_decay": 0.0}),
    "persistent-cd": (8000, {"weight_decay": 0.0}),
    "pseudo-likelihood": (4000, {"learning_rate": 0.01}),
    "noise-contrastive": (4000, {"learning_rate": 0.01}),
    "maximum-likelihood": (2000, {"learning_rate": 0.02}),
}


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset = load(DataChoice(source="digits", binarization="threshold"))
    x, test = dataset.train.x, dataset.test.x
    print(f"log p(x), nats, of {len(test)} test digits, exact; {HIDDEN} hidden units; seeds {SEEDS}, means of them")
    for way, (steps, changed) in WAYS.items():
        found, learned, seconds = [], [], []
        for seed in SEEDS:
            torch.manual_seed(seed)
            recipe = Recipe.read("rbm", way, {"hidden": HIDDEN}, {"decay": steps} | changed)
            learner = recipe.build(dataset.spec, len(x))
            learner.begin()
            begin = time.thread_time()
            for _ in range(steps):
                index = torch.randint(len(x), (BATCH,))
                learner.step(Batch(x[index], index, index))
            seconds.append(time.thread_time() - begin)
            with torch.no_grad():
                found.append(learner.model.log_prob(test).mean().item())
                learned.append(learner.model.log_prob(x).mean().item())
        each = ", ".join(f"{value:.2f}" for value in found)
        print(
            f"{way}: test {mean(found):.2f} ({each}), training {mean(learned):.2f}; {steps} steps in "
            f"{mean(seconds):.1f} s",
            flush=True,
        )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
