"""The way of a model's components through learning, in tensors of constant shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.capabilities import Components, Frames

MOST, FEWEST = 128, 8  # frames; where not even the fewest fit, none are kept
NUMBERS = 2**18  # that all frames together may hold, so that a kept state stays small


class FrameStore(nn.Module):
    """Keeps the components of a model (`HasComponents`) at evenly spaced steps.

    While there is room, every step is kept. When there is none, the distance between kept steps doubles, and those
    that no longer fit give up their places one by one. So half of the places at least hold the way from the first step
    on; one more always holds the newest. Nothing here waits for the device or depends on how often it was resumed.
    """

    steps: Tensor  # (F + 1,) int64: which step each place holds, -1 for none; the last place holds the newest
    stride: Tensor
    values: Tensor
    weights: Tensor
    means: Tensor
    covariances: Tensor
    mean_covariances: Tensor

    def __init__(self, components: int, dimensions: int) -> None:
        super().__init__()
        k, d = components, dimensions
        most = NUMBERS // (k * (1 + d + 2 * d * d))
        places = min(MOST, most) + 1 if most >= FEWEST else 0
        self.register_buffer("steps", torch.full((places,), -1))
        self.register_buffer("stride", torch.ones((), dtype=torch.int64))
        self.register_buffer("values", torch.zeros(places))
        self.register_buffer("weights", torch.zeros(places, k))
        self.register_buffer("means", torch.zeros(places, k, d))
        self.register_buffer("covariances", torch.zeros(places, k, d, d))
        self.register_buffer("mean_covariances", torch.zeros(places, k, d, d))

    @torch.no_grad()
    def record(self, step: Tensor, value: Tensor, components: Components) -> None:
        """Keep this step, counted from 0; `value` is 0-d. There must be places."""
        free = self._free(self.stride)
        self.stride.copy_(torch.where(free.any(), self.stride, 2 * self.stride))
        free = self._free(self.stride)
        newest = len(self.steps) - 1
        place = torch.where(step % self.stride == 0, free.byte().argmax(), newest)
        places = torch.stack([place, torch.full_like(place, newest)])
        for store, now in (
            (self.steps, step),
            (self.values, value),
            (self.weights, components.weights),
            (self.means, components.means),
            (self.covariances, components.covariances),
            (self.mean_covariances, components.mean_covariances),
        ):
            store.index_copy_(0, places, now.to(store.dtype).expand(2, *now.shape))

    def _free(self, stride: Tensor) -> Tensor:
        """Places (F,) that hold nothing, or a step that is kept no longer."""
        steps = self.steps[:-1]
        return (steps < 0) | (steps % stride != 0)

    def frames(self) -> Frames:
        """Those that belong to the present spacing, in the order of their steps."""
        ours = (self.steps >= 0) & (self.steps % self.stride == 0)
        ours[-1:] = self.steps[-1:] >= 0
        order = ours.nonzero().squeeze(1)
        order = order[self.steps[order].argsort()]
        steps = self.steps[order]
        order = order[torch.cat([steps[:-1] != steps[1:], steps.new_ones(min(1, len(steps)), dtype=torch.bool)])]
        parts = (self.weights, self.means, self.covariances, self.mean_covariances)
        return Frames(self.steps[order], self.values[order], Components(*(part[order] for part in parts)))
