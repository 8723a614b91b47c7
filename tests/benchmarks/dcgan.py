"""A DCGAN on colour images of 64×64 pixels: how fast it steps, and how its samples come nearer to the data.

    python -m tests.benchmarks.dcgan --device cuda --minutes 2 --out FOLDER
    python -m tests.benchmarks.dcgan --device cuda --cifar FOLDER --out FOLDER    # enlarged CIFAR-10

Without data of its own it draws coloured sprites. The Fréchet distance is in a space that is always at hand: the
images at 8×8 pixels by averaging, 192 numbers in 0…1; beside it stands that of as many other training examples.
Prints steps a second taken one by one and replayed from a recording (CUDA only), and writes samples-N.png.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.capture import CapturedSteps
from dgm_studio.commands.pictures import grid
from dgm_studio.datasets.sprites import SpriteSettings, sprites
from models.catalog import Recipe
from models.estimation.frechet import frechet_distance
from models.learning.base import Learner
from models.spec import Batch, DataSpec, Layout, Support

SIDE, COUNTED = 64, 2000
TIMED = 100  # steps


def drawn(n: int) -> Tensor:
    return sprites(SpriteSettings(side=SIDE, colour=True, examples=n)).draw(SIDE)


def cifar(folder: Path) -> Tensor:
    """Images of CIFAR-10 (N, 3, 64, 64), from sheets cifar10_batch_K.png with an image of 32×32 pixels in each row."""
    parts = []
    for file in sorted(folder.glob("cifar10_batch_*.png")):
        rows = np.asarray(Image.open(file).convert("RGB"))
        parts.append(torch.from_numpy(rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2).copy()))
    small = torch.cat(parts).float() / 255
    return F.interpolate(small, scale_factor=2, mode="bilinear").clamp(0, 1)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--minutes", type=float, default=2.0)
    ask.add_argument("--steps", type=int, default=1_000_000, help="at most")
    ask.add_argument("--examples", type=int, default=20_000)
    ask.add_argument("--channels", type=int, default=64)
    ask.add_argument("--batch", type=int, default=128)
    ask.add_argument("--learner", default="non-saturating")
    ask.add_argument("--cifar", type=Path)
    ask.add_argument("--out", type=Path, default=Path())
    ask.add_argument("--seed", type=int, default=0)
    given = ask.parse_args()
    device = torch.device(given.device)
    begun = time.perf_counter()
    x = (cifar(given.cifar)[: given.examples] if given.cifar else drawn(given.examples)).to(device)
    print(f"{len(x):,} images, {time.perf_counter() - begun:.0f} s to make them", flush=True)
    counted = min(COUNTED, len(x) // 3)
    train, held, other = x[: -2 * counted], x[-2 * counted : -counted], x[-counted:]
    spec = DataSpec((3, SIDE, SIDE), Support.UNIT, Layout.IMAGE)
    model = {"channels": given.channels, "convolutions": 4, "latent": 100}
    learning = {"channels": given.channels, "layers": 4, "generator_rate": 2e-4, "discriminator_rate": 2e-4}
    learning |= {"average": 0.999}
    torch.manual_seed(given.seed)
    learner = Recipe.read("dcgan", given.learner, model, learning).build(spec, len(train)).to(device)
    learner.begin()
    size = min(given.batch, len(train)) * learner.minibatches

    def batch() -> Batch:
        index = torch.randint(len(train), (size,), device=device)
        return Batch(train[index], index.new_full((size,), -1), index)

    print(f"perfect sampler: {distance(other, held):.3f}", flush=True)
    show(learner, held, 0, given.out)
    step: Callable[[Batch], dict[str, Tensor]] = learner.step
    rate(step, batch, device, "one by one", min(TIMED, given.steps))
    if device.type == "cuda" and learner.capturable:
        step = CapturedSteps(learner, device)
        rate(step, batch, device, "replayed", min(TIMED, given.steps))
    done, begun = 0, time.perf_counter()
    while done < given.steps and time.perf_counter() - begun < 60 * given.minutes:
        reported = step(batch())
        done += 1
        if done % 50 == 0 and device.type == "cuda":
            torch.cuda.synchronize()  # or minutes of steps would be queued
    shown = ", ".join(f"{key} {value.item():.3f}" for key, value in reported.items())
    print(f"{done:,} more steps in {time.perf_counter() - begun:.0f} s: {shown}", flush=True)
    show(learner, held, done, given.out)


def rate(
    step: Callable[[Batch], dict[str, Tensor]], batch: Callable[[], Batch], device: torch.device, how: str, steps: int
) -> None:
    for _ in range(5 if device.type == "cuda" else 0):  # in which it is recorded
        step(batch())
    wait(device)
    begin = time.perf_counter()
    for _ in range(steps):
        step(batch())
    wait(device)
    print(f"{steps / (time.perf_counter() - begin):.1f} steps a second {how}", flush=True)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def distance(samples: Tensor, data: Tensor) -> float:
    small = (F.avg_pool2d(x, SIDE // 8).flatten(1) for x in (samples, data))
    return frechet_distance(*small, "8×8 pixels").value


@torch.no_grad()
def show(learner: Learner, held: Tensor, done: int, out: Path) -> None:
    """The Fréchet distance of samples, and 64 of them as a picture."""
    learner.eval()
    generator = torch.Generator(held.device).manual_seed(0)
    model = learner.sampler()
    parts = [model.sample(min(500, len(held) - k), generator) for k in range(0, len(held), 500)]  # type: ignore[operator]
    samples = torch.cat(parts)
    print(f"Fréchet distance after {done:,} steps: {distance(samples, held):.3f}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    grid(samples[:64].cpu().numpy(), 8, 1).save(out / f"samples-{done}.png")
    learner.train()


if __name__ == "__main__":
    main()
