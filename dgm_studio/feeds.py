"""How a training set is fed to a learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dgm_studio.datasets.base import Dataset
from models.distributions import bernoulli
from models.learning.base import Feed, Learner
from models.spec import Batch


class Feeder:
    """Serves batches from tensors that stay on the device. Order and bits come from the process-wide generator. Of two
    domains each has an order of its own, and each batch as many examples of one as of the other."""

    def __init__(self, dataset: Dataset, learner: Learner, batch_size: int, device: torch.device) -> None:
        """`batch_size` counts examples per minibatch, of which `learner` may take several in one step."""
        examples = [len(domain.train) for domain in dataset.domains]
        wanted = max(examples) if learner.feed is Feed.WHOLE_SET else batch_size * learner.minibatches
        self.batch_size = min(wanted, *examples)
        self._domains = [_Domain(domain, learner, self.batch_size, device) for domain in dataset.domains]

    def next(self) -> Batch:
        """The next batch; every one is full, so that shapes never change (the rest of an epoch is left out)."""
        first, *second = [domain.next() for domain in self._domains]  # draws for the first domain come first
        return replace(first, other=second[0]) if second else first

    def state(self) -> dict[str, Any]:
        first, *second = [domain.state() for domain in self._domains]
        return {**first, "other": second[0]} if second else first

    def load_state(self, state: dict[str, Any]) -> None:
        """Raises ValueError when it is no place in an order of these examples."""
        states, other = [state], state.get("other")
        if len(self._domains) > 1:
            if not isinstance(other, dict):
                raise ValueError("The kept state does not say where in the second set of data it was.")
            states.append(other)
        for domain, kept in zip(self._domains, states, strict=True):
            domain.load_state(kept)


class _Domain:
    """Serves the examples of one domain, `batch_size` at a time."""

    def __init__(self, dataset: Dataset, learner: Learner, batch_size: int, device: torch.device) -> None:
        self._x = dataset.train.x.to(device)
        self._y = dataset.train.y.to(device)
        self._draws_bits = dataset.draws_bits
        self.batch_size = batch_size
        examples = len(self._x)
        # several minibatches of one step are told apart by order, so that even all examples are shuffled then
        self._whole = self.batch_size == examples and learner.minibatches == 1
        self._order = torch.arange(examples, device=device)
        self._position = examples  # so that the first batch draws a permutation

    def next(self) -> Batch:
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

    def state(self) -> dict[str, Any]:
        return {"order": self._order.cpu().clone(), "position": self._position}

    def load_state(self, state: dict[str, Any]) -> None:
        order, position, examples = state.get("order"), state.get("position"), len(self._order)
        if not isinstance(order, Tensor) or not isinstance(position, int) or not 0 <= position <= examples:
            raise ValueError("The kept state does not say where in the data it was.")
        if len(order) != examples:
            raise ValueError(f"The saved order is of {len(order)} examples; this data has {examples}.")
        if order.dtype != torch.int64 or not torch.equal(order.cpu().sort().values, torch.arange(examples)):
            raise ValueError("The saved order does not hold every example once.")
        self._order, self._position = order.to(self._order.device), position
