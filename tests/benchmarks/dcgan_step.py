"""A step of a DCGAN by the studio's learner against the same step written by hand in plain torch: the same networks,
losses, optimisers and average of the generator, on one thread, taken in turn. Medians over rounds.

    ./run bench dcgan_step
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

from models.catalog import Recipe
from models.spec import Batch, DataSpec, Layout, Support

LATENT, RATE, BETAS, DECAY = 32, 1e-3, (0.5, 0.999), 0.99
CASES = (  # shape, channels, convolutions, batch, steps in a round
    ((1, 8, 8), 32, 2, 100, 12),
    ((1, 28, 28), 32, 3, 100, 3),
    ((3, 64, 64), 32, 4, 64, 1),
)
ROUNDS = 15


class _Reshape(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.shape)


def networks(shape: tuple[int, int, int], channels: int, layers: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Generator and discriminator as anybody would write them, channels last in memory."""
    widths = [channels << i for i in range(layers)]
    sides = [shape[1]]
    for _ in range(layers):
        sides.append(sides[-1] // 2 if sides[-1] >= 4 else sides[-1])
    up: list[nn.Module] = [nn.Linear(LATENT, widths[-1] * sides[-1] ** 2, bias=False)]
    up += [_Reshape(widths[-1], sides[-1], sides[-1]), nn.BatchNorm2d(widths[-1]), nn.ReLU()]
    for i in range(layers - 1, 0, -1):
        odd = sides[i] - 2 * sides[i + 1]
        up += [nn.ConvTranspose2d(widths[i], widths[i - 1], 4, 2, 1, odd, bias=False)]
        up += [nn.BatchNorm2d(widths[i - 1]), nn.ReLU()]
    up += [nn.ConvTranspose2d(widths[0], shape[0], 4, 2, 1, sides[0] - 2 * sides[1]), nn.Sigmoid()]
    down: list[nn.Module] = []
    for before, after in zip([shape[0], *widths], widths, strict=False):
        down += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU()]
    down += [nn.Flatten(), nn.Linear(widths[-1] * sides[-1] ** 2, 1)]
    generator, discriminator = nn.Sequential(*up), nn.Sequential(*down)
    return generator.to(memory_format=torch.channels_last), discriminator.to(memory_format=torch.channels_last)


def by_hand(shape: tuple[int, int, int], channels: int, layers: int) -> Callable[[Tensor], None]:
    generator, discriminator = networks(shape, channels, layers)
    average = copy.deepcopy(generator).requires_grad_(False)
    of_g = torch.optim.Adam(generator.parameters(), RATE, BETAS, fused=True)
    of_d = torch.optim.Adam(discriminator.parameters(), RATE, BETAS, fused=True)
    pairs = list(average.parameters()), list(generator.parameters())
    stats = [[b for b in net.buffers() if b.is_floating_point()] for net in (average, generator)]

    def step(x: Tensor) -> None:
        n = len(x)
        with torch.no_grad():
            made = generator(torch.randn(n, LATENT))
        both = (2 * torch.cat([x, made]) - 1).contiguous(memory_format=torch.channels_last)
        data, samples = discriminator(both).squeeze(1).chunk(2)
        of_d.zero_grad()
        (-(F.logsigmoid(data) + F.logsigmoid(-samples)).mean()).backward()
        of_d.step()
        made = generator(torch.randn(n, LATENT))
        loss = -F.logsigmoid(discriminator(2 * made - 1).squeeze(1)).mean()
        of_g.zero_grad()
        loss.backward(inputs=pairs[1])
        of_g.step()
        with torch.no_grad():
            torch._foreach_lerp_(pairs[0], pairs[1], 1 - DECAY)
            torch._foreach_lerp_(stats[0], stats[1], 1 - DECAY)

    return step


def of_the_studio(shape: tuple[int, int, int], channels: int, layers: int) -> Callable[[Tensor], None]:
    spec = DataSpec(shape, Support.UNIT, Layout.IMAGE)
    learning = {"discriminator_rate": RATE, "generator_rate": RATE, "layers": layers, "channels": channels}
    model = {"channels": channels, "convolutions": layers, "latent": LATENT}
    learner = Recipe.read("dcgan", "non-saturating", model, learning | {"average": DECAY}).build(spec, 1000)
    learner.begin()

    def step(x: Tensor) -> None:
        index = torch.arange(len(x))
        learner.step(Batch(x, index, index))

    return step


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for shape, channels, layers, size, steps in CASES:
        torch.manual_seed(0)
        x = torch.rand(size, *shape)
        works = {"studio": of_the_studio(shape, channels, layers), "by hand": by_hand(shape, channels, layers)}
        times: dict[str, list[float]] = {name: [] for name in works}
        for round_ in range(ROUNDS + 1):
            for name in sorted(works, reverse=bool(round_ % 2)):
                begin = time.thread_time()
                for _ in range(steps):
                    works[name](x)
                if round_:
                    times[name].append((time.thread_time() - begin) / steps)
        ratio = median(a / b for a, b in zip(times["studio"], times["by hand"], strict=True))
        shown = ", ".join(f"{name} {1e3 * median(spent):.2f} ms" for name, spent in times.items())
        print(f"{shape[0]}×{shape[1]}×{shape[2]}, batch {size}: {ratio:.3f} of the time by hand ({shown} a step)")
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
