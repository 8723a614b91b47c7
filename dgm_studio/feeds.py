"""How a training set is fed to a learner."""

from __future__ import annotations

import torch
from torch import Tensor

from dgm_studio.datasets.base import Dataset
from models.distributions import bernoulli
from models.learning.base import Feed
from models.spec import Batch


class Feeder:
    """Serves batches from tensors that stay on the device. Order and bits come from the process-wide generator."""

    def __init__(self, dataset: Dataset, feed: Feed, batch_size: int, device: torch.device) -> None:
        self._x = dataset.train.x.to(device)
        self._y = dataset.train.y.to(device)
        self._draws_bits = dataset.draws_bits
        examples = len(self._x)
        self.batch_size = examples if feed is Feed.WHOLE_SET else min(batch_size, examples)
        self._whole = self.batch_size == examples
        self._order = torch.arange(examples, device=device)
        self._position = examples  # so that the first batch draws a permutation

    def next(self) -> Batch:
        """The next batch; every one is full, so that shapes never change (the rest of an epoch is left out)."""
        if self._whole:
            index = self._order
        else:
            if self._position + self.batch_size > len(self._order):
                # drawn on the CPU, so that the order is the same on every device
                self._order = torch.randperm(len(self._order)).to(self._order.device)
                self._position = 0
            index = self._order[self._position : self._position + self.batch_size]
            self._position += self.batch_size
        x = self._x if self._whole else self._x[index]
        return Batch(bernoulli(x) if self._draws_bits else x, self._y[index], index)

    def state(self) -> dict[str, Tensor | int]:
        return {"order": self._order.cpu().clone(), "position": self._position}

    def load_state(self, state: dict[str, Tensor | int]) -> None:
        order, position = state["order"], state["position"]
        assert isinstance(order, Tensor) and isinstance(position, int)
        if len(order) != len(self._order):
            raise ValueError(f"The saved order is of {len(order)} examples; this data has {len(self._order)}.")
        self._order, self._position = order.to(self._order.device), position
