"""Pooled features of a convolutional RBM on MNIST under a linear SVM, beside the same SVM on raw pixels.

    python tests/benchmarks/conv_rbm.py --data FOLDER [--steps N] [--seed 0]

FOLDER holds the four IDX files of MNIST, as .gz. The machine sees all 60 000 training images as bits (threshold 0.5)
and no label; the SVM all their labels; the error is that on all 10 000 test images. One thread. Without the folder
nothing is trained. Published: 0.82 % with two layers (Lee, Grosse, Ranganath & Ng, 2009; remembered).
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from models.conv_rbm import ConvRbm, ConvRbmSettings
from models.learning.contrastive_divergence import ContrastiveDivergence, ContrastiveDivergenceSettings
from models.spec import Batch, DataSpec, Layout, Support

FOLDER = "DGM_BENCHMARK_MNIST"  # the environment's name for --data
GOAL = 3.5  # % error
MODEL = ConvRbmSettings(filters=32, size=9, pooling=4)
BATCH = 25
LEARNING = {"learning_rate": 0.2, "weight_decay": 1e-3, "sparsity_cost": 0.5, "sparsity_target": 0.02}
COST = 0.05  # C of the SVM, the same for features and for pixels
SPEC = DataSpec((1, 28, 28), Support.BITS, Layout.IMAGE)


def read(folder: Path, part: str) -> tuple[Tensor, np.ndarray]:
    """Images as bits (N, 1, 28, 28), and labels (N,)."""
    pixels, labels = (
        np.frombuffer(gzip.decompress((folder / f"{part}-{what}-ubyte.gz").read_bytes()), np.uint8, offset=head)
        for what, head in (("images-idx3", 16), ("labels-idx1", 8))
    )
    return torch.from_numpy((pixels > 127).astype(np.float32)).reshape(-1, 1, 28, 28), labels


def trained(x: Tensor, steps: int, seed: int) -> ConvRbm:
    torch.manual_seed(seed)
    model = ConvRbm(MODEL, SPEC)
    learner = ContrastiveDivergence(model, ContrastiveDivergenceSettings(decay=steps, **LEARNING), SPEC, len(x))
    learner.begin()
    for step in range(steps):
        index = torch.randint(len(x), (BATCH,))
        reported = learner.step(Batch(x[index], index, index))
        if step % 100 == 0:
            shown = ", ".join(f"{key} {value:.4f}" for key, value in reported.items())
            print(f"step {step}: {shown}", file=sys.stderr, flush=True)
    return model


@torch.no_grad()
def features(model: ConvRbm, x: Tensor) -> np.ndarray:
    return torch.cat([model.pooled(part).flatten(1) for part in x.split(500)]).numpy()


def error(train: np.ndarray, y: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> float:
    """% of the test set that a linear SVM gets wrong."""
    svm = LinearSVC(C=COST, dual=True, tol=1e-2, max_iter=60, random_state=0).fit(train, y)
    return float(100 * (svm.predict(test) != wanted).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get(FOLDER, ""))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=60_000, help="labelled ones, for a trial")
    asked = parser.parse_args()
    if not asked.data:
        print(f"Nothing was trained: name a folder with MNIST by --data or {FOLDER}.")
        return 0
    torch.set_num_threads(1)
    begin = time.process_time()
    x, y = read(Path(asked.data), "train")
    test, wanted = read(Path(asked.data), "t10k")
    model = trained(x, asked.steps, asked.seed)
    learned = time.process_time()
    x, y = x[: asked.examples], y[: asked.examples]
    found = error(features(model, x), y, features(model, test), wanted)
    ended = time.process_time()
    raw = error(x.flatten(1).numpy(), y, test.flatten(1).numpy(), wanted)
    print(
        f"conv-rbm on MNIST, {MODEL.filters} filters of {MODEL.size}×{MODEL.size}, pooling {MODEL.pooling}, "
        f"{asked.steps} steps of {BATCH} by CD-1, seed {asked.seed}: {found:.2f} % of {len(test)} test images wrong "
        f"(goal ≤ {GOAL} %) with a linear SVM on pooled features of {len(x)} images; {raw:.2f} % on raw bits; "
        f"{learned - begin:.0f} s for the machine, {ended - learned:.0f} s for features and SVM, of processor time"
    )
    return int(found > GOAL)


if __name__ == "__main__":
    sys.exit(main())
