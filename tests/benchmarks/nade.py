"""Training NADE, against the same recursion as a plain loop over the coordinates that autograd records."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.nade import Nade, NadeSettings
from models.spec import Batch, DataSpec, Layout, Support

BATCH = 100
SIZES = ((784, 500, 1, 5), (64, 128, 10, 9))  # dimensions, hidden units, steps in a round, rounds


class _Loop(nn.Module):
    """The equations as they stand: one coordinate after the other, with the weights lying as in the paper (H, D)."""

    def __init__(self, dimensions: int, hidden: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(hidden, dimensions) * dimensions**-0.5)
        self.v = nn.Parameter(torch.randn(dimensions, hidden) * hidden**-0.5)
        self.b = nn.Parameter(torch.zeros(dimensions))
        self.c = nn.Parameter(torch.zeros(hidden))

    def log_prob(self, x: Tensor) -> Tensor:
        a = self.c.expand(len(x), -1)
        total = torch.zeros(len(x))
        for d in range(x.shape[1]):
            logit = torch.sigmoid(a) @ self.v[d] + self.b[d]
            total = total - F.binary_cross_entropy_with_logits(logit, x[:, d], reduction="none")
            a = a + x[:, d, None] * self.w[:, d]
        return total


def _ours(dimensions: int, hidden: int, x: Tensor) -> Callable[[], object]:
    spec = DataSpec((dimensions,), Support.BITS, Layout.VECTOR)
    learner = MaximumLikelihood(Nade(NadeSettings(hidden=hidden), spec), MaximumLikelihoodSettings(), spec, BATCH)
    learner.begin()
    index = torch.arange(BATCH)
    batch = Batch(x, index, index)
    return lambda: learner.step(batch)


def _loop(dimensions: int, hidden: int, x: Tensor) -> Callable[[], object]:
    model = _Loop(dimensions, hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        (-model.log_prob(x).mean()).backward()
        optimizer.step()

    return step


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for dimensions, hidden, steps, rounds in SIZES:
        x = torch.rand(BATCH, dimensions).lt(0.3).float()
        works = {"ours": _ours(dimensions, hidden, x), "loop": _loop(dimensions, hidden, x)}
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            spent = dict.fromkeys(works, 0.0)
            for _ in range(steps):
                for name, work in works.items():
                    begin = time.thread_time()
                    work()
                    spent[name] += time.thread_time() - begin
            for name, seconds in spent.items():
                times[name].append(seconds / steps)
        ratio = median(b / a for a, b in zip(times["ours"], times["loop"], strict=True))
        print(
            f"nade step, {dimensions} coordinates, {hidden} hidden, batch {BATCH}: {ratio:.2f} × faster than a loop "
            f"that autograd records (goal ≥ 3); {1e3 * median(times['ours']):.1f} ms a step"
        )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
