"""What keeps the code of an auto-encoder with an autoregressive decoder from falling silent: 8×8 digits as bits, the
same network, steps and rate for each remedy. Figures are of the test set after the last step: the bound, its KL, and
how many units of the code are active (Burda et al., 2016).

    ./run bench collapse
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Generator

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.estimation.active_units import active_units
from models.spec import Batch

STEPS, BATCH, RATE = 300, 100, 0.003
SEEDS = (0,)
WEAK = {"layers": 1, "reach": 1}
CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("the plain bound", {}, {}),
    ("KL annealing over 200 steps", {}, {"kl_annealing": 200}),
    ("free bits, 0.5 nats", {}, {"free_bits": 0.5}),
    ("auxiliary loss 0.2", {}, {"auxiliary": 0.2}),
    ("a decoder that sees 2 pixels far", WEAK, {}),
)


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = load(DataChoice(source="digits", binarization="threshold"))
    x, y, test = data.train.x, data.train.y, data.test.x
    for name, model, learning in CASES:
        for seed in SEEDS:
            torch.manual_seed(seed)
            recipe = Recipe.read("ar-vae", "reparameterized-elbo", model, {"learning_rate": RATE} | learning)
            learner = recipe.build(data.spec, len(x))
            learner.begin()
            begin = time.thread_time()
            for _ in range(STEPS):
                index = torch.randint(len(x), (BATCH,))
                learner.step(Batch(x[index], y[index], index))
            seconds = time.thread_time() - begin
            with torch.no_grad():
                found = learner.model.elbo(test, Generator().manual_seed(0))
                active = active_units(learner.model.encode(test).mean).sum().item()
            print(
                f"{name}, seed {seed}: bound {found.value.mean():.2f}, KL {found.kl.mean():.2f} nats, "
                f"{active} of {learner.model.latent} units active; {seconds:.0f} s",
                flush=True,
            )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
