"""A step of the variational auto-encoder, against the same step written by hand and against its matrix products.

By hand means: what one would write in a script, without settings, capabilities, reports or a weight on the KL. The
products are those of the linear maps: one forwards, two backwards, except that nobody needs the gradient of the input.

Then the importance-weighted bound at k = 5000, against as many passes of its decoder alone, at the batch that suits the
decoder best. It is measured on a few examples with a part of the draws; both take as long for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from models.estimation.likelihood import weighted_bounds
from models.estimation.progress import finish
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.spec import Batch, DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

BATCH = 100
SIZES = ((784, 400, 20), (64, 256, 2))  # dimensions, hidden units of the two hidden layers, latent
STEPS = 20
ROUNDS = 15
DRAWS = 5000  # k, of which a tenth are timed
IMAGES = 20
PASSES = 500  # rows at which the decoder alone is fastest (of 100, 250, 500, 1000, 2000, 5000)


def _ours(dimensions: int, hidden: int, latent: int, x: torch.Tensor) -> Callable[[], object]:
    spec = DataSpec((dimensions,), Support.BITS, Layout.VECTOR)
    learner = ReparameterizedElbo(
        Vae(VaeSettings(latent=latent, hidden=hidden), spec), ReparameterizedElboSettings(), spec, BATCH
    )
    learner.begin()
    index = torch.arange(BATCH)
    batch = Batch(x, index, index)
    return lambda: learner.step(batch)


def _by_hand(dimensions: int, hidden: int, latent: int, x: torch.Tensor) -> Callable[[], object]:
    encoder = nn.Sequential(
        nn.Linear(dimensions, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent)
    )
    decoder = nn.Sequential(
        nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dimensions)
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, fused=True)

    def step() -> None:
        mean, log_scale = encoder(x).chunk(2, dim=1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        kl = 0.5 * (mean**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
        loss = (F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") + kl) / BATCH
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _products(dimensions: int, hidden: int, latent: int) -> Callable[[], object]:
    sizes = [dimensions, hidden, hidden, 2 * latent, latent, hidden, hidden, dimensions]
    maps = [pair for i, pair in enumerate(pairwise(sizes)) if i != 3]
    tensors = [(torch.rand(BATCH, a), torch.rand(BATCH, b), torch.rand(b, a)) for a, b in maps]

    def step() -> None:
        for i, (into, out, weight) in enumerate(tensors):
            into @ weight.t()
            out.t() @ into
            if i > 0:
                out @ weight

    return step


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for size in SIZES:
        x = torch.rand(BATCH, size[0]).lt(0.3).float()
        works = {"ours": _ours(*size, x), "by hand": _by_hand(*size, x), "products": _products(*size)}
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            # steps of the three in turn, so that a burst of other work falls on all of them
            spent = dict.fromkeys(works, 0.0)
            for _ in range(STEPS):
                for name, work in works.items():
                    begin = time.thread_time()
                    work()
                    spent[name] += time.thread_time() - begin
            for name, seconds in spent.items():
                times[name].append(seconds / STEPS)
        hand = median(a / b for a, b in zip(times["ours"], times["by hand"], strict=True))
        products = median(a / b for a, b in zip(times["ours"], times["products"], strict=True))
        print(
            f"vae step, {size[0]} dimensions, {size[1]} hidden, latent {size[2]}, batch {BATCH}: "
            f"{hand:.2f} × the step by hand (goal ≤ 1.05), {products:.2f} × its matrix products; "
            f"{1e3 * median(times['ours']):.2f} ms a step"
        )
    _bound()
    torch.set_num_threads(threads)


@torch.no_grad()
def _bound() -> None:
    """784-200-200-50, in images a second."""
    model = Vae(VaeSettings(latent=50, hidden=200), DataSpec((784,), Support.BITS, Layout.VECTOR))
    x, codes, k = torch.rand(IMAGES, 784).lt(0.15).float(), torch.randn(PASSES, 50), DRAWS // 10
    speeds: dict[str, list[float]] = {"bound": [], "decoder": []}
    for _ in range(ROUNDS):
        begin = time.thread_time()
        finish(weighted_bounds(model, x, "", k))
        middle = time.thread_time()
        for _ in range(IMAGES * k // PASSES):
            model.decoder(codes)
        end = time.thread_time()
        speeds["bound"].append(IMAGES * k / DRAWS / (middle - begin))
        speeds["decoder"].append(IMAGES * k / DRAWS / (end - middle))
    part = median(a / b for a, b in zip(speeds["bound"], speeds["decoder"], strict=True))
    print(
        f"importance-weighted bound, k = {DRAWS}, 784-200-200-50: {median(speeds['bound']):.1f} images a second, "
        f"{part:.2f} of what its decoder alone makes ({median(speeds['decoder']):.1f}); "
        f"10 000 images in {10_000 / median(speeds['bound']) / 60:.1f} minutes"
    )


if __name__ == "__main__":
    main()
