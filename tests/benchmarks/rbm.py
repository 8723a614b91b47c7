"""Training a restricted Boltzmann machine, against scikit-learn's and against the matrix products it cannot do without.

scikit-learn's BernoulliRBM learns by persistent CD-1 with as many chains as a batch has examples; so does the learner
here. Both in float32, on the same data, by one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support

BATCH = 100
SIZES = ((784, 500, 10), (64, 128, 50))  # visible, hidden, batches in an epoch
ROUNDS = 15


def _seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _ours(visible: int, hidden: int, batches: list[Batch]) -> Callable[[], None]:
    spec = DataSpec((visible,), Support.BITS, Layout.VECTOR)
    settings = PersistentCdSettings(learning_rate=0.01, momentum=0, chains=BATCH)
    learner = PersistentContrastiveDivergence(Rbm(RbmSettings(hidden=hidden), spec), settings, spec, BATCH)
    learner.begin()

    def epoch() -> None:
        for batch in batches:
            learner.step(batch)

    return epoch


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
        for visible, hidden, count in SIZES:
            data = torch.rand(BATCH * count, visible).lt(0.3).float()
            index = torch.arange(BATCH)
            batches = [Batch(x, index, index) for x in data.split(BATCH)]
            theirs = BernoulliRBM(hidden, learning_rate=0.01, batch_size=BATCH, n_iter=1, random_state=0)
            numpy_data = data.numpy()
            works = {
                "ours": _ours(visible, hidden, batches),
                "scikit-learn": lambda model=theirs, x=numpy_data: model.fit(x),
                "products": _products(visible, hidden, batches),
            }
            times: dict[str, list[float]] = {name: [] for name in works}
            for _ in range(ROUNDS):
                for name, work in works.items():
                    times[name].append(_seconds(work))
            ours, sklearn, products = (median(times[name]) for name in works)
            print(
                f"rbm epoch, {visible}×{hidden}, batch {BATCH}, PCD-1: {sklearn / ours:.2f} × faster than scikit-learn "
                f"(goal ≥ 2.5), {ours / products:.2f} × its matrix products (goal ≤ 1.5); "
                f"{1e3 * ours / count:.2f} ms a step"
            )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
