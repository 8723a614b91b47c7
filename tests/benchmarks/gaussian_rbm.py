"""The Gaussian RBM on 8×8 patches of photographs, beside a Gaussian with full covariance.

    python tests/benchmarks/gaussian_rbm.py --data FOLDER [--seed 0]

FOLDER holds PNG files in which every row is one 32×32 colour image (CIFAR-10). Their grey values are cut into patches
at random places, 30 000 from the first three quarters of the images and 5000 test patches from the others, and whitened
by the training patches' mean and covariance: a linear map, which changes all log p(x) by one constant and leaves the
Gaussian as good as it was. One machine is small enough for an exact log Z and learned by maximum likelihood; one by
PCD, measured by annealed importance sampling and its reverse bound. What is printed of machines is by how much their
log p(x) is above the Gaussian's on the same patches. Without the folder nothing is trained.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from models.estimation.annealing import annealed_log_partition, reverse_log_prob
from models.estimation.measure import Kind, Measure, mean_measure
from models.estimation.progress import finish
from models.gaussian_rbm import GaussianRbm, GaussianRbmSettings
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.spec import Batch, DataSpec, Layout, Support

FOLDER = "DGM_BENCHMARK_PHOTOS"  # the environment's name for --data
SIDE, TRAIN, TEST = 8, 30_000, 5000
SPEC = DataSpec((SIDE * SIDE,), Support.REALS, Layout.VECTOR)
TEMPERATURES, REVERSED = 2000, 1000


def patches(folder: Path, seed: int) -> tuple[Tensor, Tensor]:
    """Whitened patches (TRAIN, 64) and (TEST, 64)."""
    rows = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))]
    grey = np.concatenate([r.reshape(-1, 32, 32, 3) for r in rows]).mean(-1) / 255
    generator, border = np.random.default_rng(seed), len(grey) * 3 // 4

    def cut(images: np.ndarray, n: int) -> Tensor:
        which, top, left = (generator.integers(high, size=n) for high in (len(images), 33 - SIDE, 33 - SIDE))
        found = [images[i, r : r + SIDE, c : c + SIDE] for i, r, c in zip(which, top, left, strict=True)]
        return torch.from_numpy(np.stack(found)).reshape(n, -1)

    train, test = cut(grey[:border], TRAIN), cut(grey[border:], TEST)
    mean = train.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(train.t()))
    whiten = vectors * values.rsqrt() @ vectors.t()
    return ((train - mean) @ whiten).float(), ((test - mean) @ whiten).float()


def trained(learner: MaximumLikelihood | PersistentContrastiveDivergence, x: Tensor, steps: int) -> GaussianRbm:
    learner.begin()
    for _ in range(steps):
        index = torch.randint(len(x), (100,))
        learner.step(Batch(x[index], index, index))
    model: GaussianRbm = learner.model.requires_grad_(False)
    return model


def measured(x: Tensor, test: Tensor, seed: int) -> list[Measure]:
    """The Gaussian's log p(x), then by how much each machine is above it."""
    gaussian = torch.distributions.MultivariateNormal(x.double().mean(0), torch.cov(x.double().t()))
    base = gaussian.log_prob(test.double())
    found = [mean_measure("full covariance", base, Kind.EXACT, f"{TEST} test patches")]
    torch.manual_seed(seed)
    few = GaussianRbm(GaussianRbmSettings(hidden=12), SPEC)
    by_likelihood = MaximumLikelihoodSettings(learning_rate=0.01, decay=1500)
    model = trained(MaximumLikelihood(few, by_likelihood, SPEC, TRAIN), x, 1500)
    found.append(mean_measure("12 hidden units", model.log_prob(test) - base, Kind.EXACT, "paired, log Z summed"))
    many = GaussianRbm(GaussianRbmSettings(hidden=64), SPEC)
    by_chains = PersistentCdSettings(learning_rate=0.1, decay=6000, weight_decay=0)
    model = trained(PersistentContrastiveDivergence(many, by_chains, SPEC, TRAIN), x, 6000)
    draws, name = torch.Generator().manual_seed(seed), "64 hidden units"
    partition = finish(annealed_log_partition(model, x, TEMPERATURES, 100, draws))
    log_p = -model.free_energy(test).double() - partition.value
    found.append(mean_measure(name, log_p - base, Kind.ESTIMATE, f"paired; {partition.protocol}"))
    some = test[:REVERSED]
    bound = finish(reverse_log_prob(model, some, x, TEMPERATURES, 1, draws))
    protocol = f"paired, {REVERSED} patches; reverse annealing, {TEMPERATURES} temperatures"
    found.append(mean_measure(name, bound - base[:REVERSED], Kind.LOWER_BOUND, protocol))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get(FOLDER, ""))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if not asked.data:
        print(f"Nothing was trained: name a folder with photographs by --data or {FOLDER}.")
        return 0
    torch.set_num_threads(1)
    begin = time.process_time()
    rows = measured(*patches(Path(asked.data), asked.seed), asked.seed)
    for m in rows:
        print(f"{m.name}: {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] nats per patch, {m.kind}; {m.protocol}")
    print(f"{time.process_time() - begin:.0f} s of processor time, seed {asked.seed}")
    return int(any(m.low <= 0 for m in rows[1:]))


if __name__ == "__main__":
    sys.exit(main())
