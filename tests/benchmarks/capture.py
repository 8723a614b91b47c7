"""Steps of learners on a GPU, replayed from a recording against taken one by one. Skipped where there is none."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.capture import EAGER, CapturedSteps
from models.catalog import Recipe
from models.spec import Batch, DataSpec, Layout, Support

CASES = (  # family, learner, model's settings, data, batch size, steps in a round
    ("vae", "reparameterized-elbo", {"hidden": 400, "layers": 1, "latent": 20}, Support.BITS, 100, 200),
    ("rbm", "persistent-cd", {"hidden": 500}, Support.BITS, 100, 200),
    ("gan", "non-saturating", {}, Support.UNIT, 100, 200),
    ("nade", "maximum-likelihood", {"hidden": 500}, Support.BITS, 100, 3),
)
ROUNDS = 7


def main() -> None:
    if not torch.cuda.is_available():
        print("Skipped: there is no GPU with CUDA.")
        return
    device = torch.device("cuda:0")
    print(torch.cuda.get_device_name(device))
    for family, learner, model, support, size, steps in CASES:
        spec = DataSpec((1, 28, 28), support, Layout.IMAGE)
        recipe = Recipe.read(family, learner, model, {})
        plain, replayed = recipe.build(spec, 1000).to(device), recipe.build(spec, 1000).to(device)
        for made in (plain, replayed):
            made.begin()
        works = {"plain": plain.step, "replayed": CapturedSteps(replayed, device)}
        x = torch.rand(size, 1, 28, 28, device=device).lt(0.3).float()
        index = torch.arange(size, device=device)
        batch = Batch(x, index, index)
        times: dict[str, list[float]] = {name: [] for name in works}
        for work in works.values():
            for _ in range(EAGER + 1):
                work(batch)
        for _ in range(ROUNDS):
            for name, work in works.items():
                torch.cuda.synchronize()
                begin = time.perf_counter()
                for _ in range(steps):
                    work(batch)
                torch.cuda.synchronize()
                times[name].append((time.perf_counter() - begin) / steps)
        ratio = median(a / b for a, b in zip(times["plain"], times["replayed"], strict=True))
        shown = ", ".join(f"{name} {1e3 * median(spent):.3f} ms" for name, spent in times.items())
        print(f"{family} 28×28, batch {size}: {ratio:.2f} × faster replayed ({shown} a step)")


if __name__ == "__main__":
    main()
