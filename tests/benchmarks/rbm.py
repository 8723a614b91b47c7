"""Training a restricted Boltzmann machine, against scikit-learn's and learnergy's, and against the matrix products it
cannot do without: how long an epoch takes, and what is learned in as many epochs at the same settings.

scikit-learn's BernoulliRBM learns by persistent CD-1 with as many chains as a batch has examples, learnergy's RBM by
CD-1; so does the learner here each time, with no momentum and no penalties. All by one thread, in turn, timed by the
processor time of that thread, so that other programs count for less. scikit-learn computes in the precision of the data
it is given: float32 is ours, float64 is what it turns anything else into. learnergy shuffles and measures a
pseudo-likelihood in each step, which cannot be switched off; the learner here measures a reconstruction error, and
scikit-learn nothing.

learnergy is no dependency of the studio. Without it its rows are left out:

    pip install --no-deps --target FOLDER learnergy
    PYTHONPATH=FOLDER ./run bench rbm
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits
from torch import Generator, Tensor
from torch.utils.data import TensorDataset

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import load
from models.estimation.annealing import annealed_log_likelihood
from models.estimation.likelihood import free_energy_gap
from models.estimation.progress import finish
from models.learning.base import Learner
from models.learning.contrastive_divergence import (
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.rbm import Rbm, RbmSettings
from models.spec import Batch, DataSpec, Layout, Support

BATCH = 100
SIZES = ((784, 500, 15), (64, 128, 60))  # visible, hidden, rounds
BATCHES = 10  # in an epoch that is timed
RATE = 0.05
EPOCHS = 200  # over the digits, for what is learned in them
PLAIN = {"learning_rate": RATE, "decay": 0, "momentum": 0.0, "weight_decay": 0.0}

try:
    learnergy: Any = importlib.import_module("learnergy.models.bernoulli.rbm")
    logging.disable(logging.CRITICAL)  # it writes a file of every epoch
except ImportError:
    learnergy = None


def _seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _spec(visible: int) -> DataSpec:
    return DataSpec((visible,), Support.BITS, Layout.VECTOR)


def _ours(visible: int, hidden: int, persistent: bool) -> Learner:
    spec, model = _spec(visible), Rbm(RbmSettings(hidden=hidden), _spec(visible))
    learner: Learner
    if persistent:
        learner = PersistentContrastiveDivergence(model, PersistentCdSettings(chains=BATCH, **PLAIN), spec, BATCH)
    else:
        learner = ContrastiveDivergence(model, ContrastiveDivergenceSettings(**PLAIN), spec, BATCH)
    learner.begin()
    return learner


def _epoch(learner: Learner, x: Tensor) -> None:
    index = torch.arange(BATCH)
    for part in x.split(BATCH):
        learner.step(Batch(part, index, index))


def _sklearn(hidden: int, epochs: int) -> BernoulliRBM:
    return BernoulliRBM(hidden, learning_rate=RATE, batch_size=BATCH, n_iter=epochs, random_state=0)


def _learnergy(visible: int, hidden: int, x: Tensor) -> tuple[Any, Callable[[int], object]]:
    model, data = learnergy.RBM(visible, hidden, learning_rate=RATE), TensorDataset(x, torch.zeros(len(x)))
    return model, lambda epochs: model.fit(data, BATCH, epochs)


def _products(visible: int, hidden: int, x: Tensor) -> None:
    """Up for the data, down and up for the chain, and the two correlations."""
    weight, sums = torch.randn(visible, hidden), torch.zeros(visible, hidden)
    h = torch.rand(BATCH, hidden).round()
    for part in x.split(BATCH):
        part @ weight
        h @ weight.t()
        part @ weight
        sums.addmm_(part.t(), h, beta=0)
        sums.addmm_(part.t(), h, beta=0)


def _speed(visible: int, hidden: int, rounds: int) -> None:
    x = torch.rand(BATCH * BATCHES, visible).lt(0.3).float()
    pcd, cd = _ours(visible, hidden, True), _ours(visible, hidden, False)
    single, double = x.numpy(), x.double().numpy()
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: _epoch(pcd, x),
        "ours, CD": lambda: _epoch(cd, x),
        "float32": lambda: _sklearn(hidden, 1).fit(single),
        "float64": lambda: _sklearn(hidden, 1).fit(double),
        "products": lambda: _products(visible, hidden, x),
    }
    if learnergy is not None:
        _, fit = _learnergy(visible, hidden, x)
        works["learnergy"] = lambda: fit(1)
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(_seconds(work))

    def ratio(other: str, own: str = "ours") -> float:
        return median(a / b for a, b in zip(times[other], times[own], strict=True))

    beside = f"{ratio('learnergy', 'ours, CD'):.1f} × learnergy (goal ≥ 2); " if learnergy is not None else ""
    products = ratio("products")
    print(
        f"rbm epoch, {visible}×{hidden}, batch {BATCH}: {ratio('float32'):.2f} × faster than scikit-learn in float32, "
        f"{ratio('float64'):.2f} × in float64 (goal ≥ 2.5); {beside}{1 / products:.2f} × its matrix products (goal ≤ "
        f"1.5), with which alone it would be {ratio('float32') / products:.2f} × faster in float32; "
        f"{1e3 * min(times['ours']) / BATCHES:.2f} ms a step at best"
    )


@dataclass(frozen=True)
class _Learned:
    name: str
    seconds: float
    weight: Tensor  # (visible, hidden)
    visible_bias: Tensor
    hidden_bias: Tensor


def _quality(hidden: int) -> None:
    """The test likelihood and the free-energy gap of each after as many epochs over the digits."""
    dataset = load(DataChoice(source="digits", binarization="threshold"))
    train, test = dataset.train.x.flatten(1), dataset.test.x.flatten(1)
    x = train[: len(train) // BATCH * BATCH]
    visible = x.shape[1]
    for one in _trained(visible, hidden, x):
        model = Rbm(RbmSettings(hidden=hidden), _spec(visible))
        with torch.no_grad():
            model.weight.copy_(one.weight)
            model.visible_bias.copy_(one.visible_bias)
            model.hidden_bias.copy_(one.hidden_bias)
            work = annealed_log_likelihood(model, test, "", x, 3000, 100, Generator().manual_seed(0))
            found = finish(work)
            gap = finish(free_energy_gap(model, x, test, "", ""))
        print(
            f"{one.name}, digits, {visible}×{hidden}, {EPOCHS} epochs of {len(x)} examples in {one.seconds:.1f} s: "
            f"test log p(x) {found.value:.2f} [{found.low:.2f}, {found.high:.2f}] by AIS, free-energy gap "
            f"{gap.value:.2f} [{gap.low:.2f}, {gap.high:.2f}] nats. {found.doubt}".rstrip()
        )


def _trained(visible: int, hidden: int, x: Tensor) -> list[_Learned]:
    found = []
    for name, persistent in (("ours, PCD-1", True), ("ours, CD-1", False)):
        learner = _ours(visible, hidden, persistent)
        seconds = _seconds(lambda made=learner: [_epoch(made, x) for _ in range(EPOCHS)])  # type: ignore[misc]
        m = learner.model
        found.append(_Learned(name, seconds, m.weight.detach(), m.visible_bias.detach(), m.hidden_bias.detach()))
    for name, data in (("float32", x.numpy()), ("float64", x.double().numpy())):
        rival = _sklearn(hidden, EPOCHS)
        seconds = _seconds(lambda rival=rival, data=data: rival.fit(data))  # type: ignore[misc]
        weight, biases = rival.components_.T, (rival.intercept_visible_, rival.intercept_hidden_)
        tensors = [torch.from_numpy(np.ascontiguousarray(a)).float() for a in (weight, *biases)]
        found.append(_Learned(f"scikit-learn, PCD-1, {name}", seconds, *tensors))
    if learnergy is not None:
        other, fit = _learnergy(visible, hidden, x)
        seconds = _seconds(lambda: fit(EPOCHS))
        found.append(_Learned("learnergy, CD-1", seconds, other.W.detach(), other.a.detach(), other.b.detach()))
    return found


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if learnergy is None:
        print(
            "learnergy is not here: pip install --no-deps --target FOLDER learnergy; PYTHONPATH=FOLDER ./run bench rbm"
        )
    with threadpool_limits(1):
        for size in SIZES:
            _speed(*size)
        _quality(SIZES[-1][1])
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
