"""Training a restricted Boltzmann machine, against scikit-learn's and against the matrix products it cannot do without.

scikit-learn's BernoulliRBM learns by persistent CD-1 with as many chains as a batch has examples; so does the learner
here, with no momentum and no penalties. All by one thread, in turn, timed by the processor time of that thread, so that
other programs count for less. scikit-learn computes in the precision of the data it is given: float32 is ours, float64
is what it turns anything else into.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support

BATCH = 100
SIZES = ((784, 500, 15), (64, 128, 100))  # visible, hidden, rounds
BATCHES = 10  # in an epoch


def _seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _ours(visible: int, hidden: int, batches: list[Batch]) -> Callable[[], None]:
    spec = DataSpec((visible,), Support.BITS, Layout.VECTOR)
    settings = PersistentCdSettings(learning_rate=0.01, decay=0, momentum=0, weight_decay=0, chains=BATCH)
    learner = PersistentContrastiveDivergence(Rbm(RbmSettings(hidden=hidden), spec), settings, spec, BATCH)
    learner.begin()

    def epoch() -> None:
        for batch in batches:
            learner.step(batch)

    return epoch


def _sklearn(hidden: int, data: np.ndarray) -> Callable[[], object]:
    model = BernoulliRBM(hidden, learning_rate=0.01, batch_size=BATCH, n_iter=1, random_state=0)
    return lambda: model.fit(data)


def _products(visible: int, hidden: int, batches: list[Batch]) -> Callable[[], None]:
    """Up for the data, down and up for the chain, and the two correlations."""
    weight, sums = torch.randn(visible, hidden), torch.zeros(visible, hidden)
    h = torch.rand(BATCH, hidden).round()

    def epoch() -> None:
        for batch in batches:
            x = batch.x
            x @ weight
            h @ weight.t()
            x @ weight
            sums.addmm_(x.t(), h, beta=0)
            sums.addmm_(x.t(), h, beta=0)

    return epoch


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with threadpool_limits(1):
        for visible, hidden, rounds in SIZES:
            data = torch.rand(BATCH * BATCHES, visible).lt(0.3).float()
            index = torch.arange(BATCH)
            batches = [Batch(x, index, index) for x in data.split(BATCH)]
            works = {
                "ours": _ours(visible, hidden, batches),
                "float32": _sklearn(hidden, data.numpy()),
                "float64": _sklearn(hidden, data.double().numpy()),
                "products": _products(visible, hidden, batches),
            }
            times: dict[str, list[float]] = {name: [] for name in works}
            for _ in range(rounds):
                for name, work in works.items():
                    times[name].append(_seconds(work))
            single, double, products = (
                median(a / b for a, b in zip(times[name], times["ours"], strict=True))
                for name in ("float32", "float64", "products")
            )
            print(
                f"rbm epoch, {visible}×{hidden}, batch {BATCH}, PCD-1: {single:.2f} × faster than scikit-learn in "
                f"float32, {double:.2f} × in float64 (goal ≥ 2.5); {1 / products:.2f} × its matrix products "
                f"(goal ≤ 1.5), with which alone it would be {single / products:.2f} × faster in float32; "
                f"{1e3 * min(times['ours']) / BATCHES:.2f} ms a step at best"
            )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
