"""A small model with two discrete hidden layers that make known pictures."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.settings import NoSettings
from models.spec import DataSpec


class Panes(nn.Module):
    """Images 8×8. Bit j of the first layer (4,) lights columns 2j and 2j + 1; value k of unit u of the second (4, 2)
    lights row 2u + k; as bright as the weight, whatever the seed lies between a half and 1."""

    def __init__(self, settings: NoSettings, spec: DataSpec) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + 0.5 * torch.rand(1))

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((4,), (4, 2))

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        lit = (x[:, 0, 2:6].mean(1) > 0.5).float()  # columns
        return lit[:, ::2], F.one_hot(torch.zeros(len(x), 4, dtype=torch.int64), 2).float()

    def draw_hidden_layers(self, n: int, generator: Generator | None = None) -> tuple[Tensor, ...]:
        values = torch.randint(2, (n, 4), generator=generator)
        return torch.rand(n, 4, generator=generator).round(), F.one_hot(values, 2).float()

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        if layer == 0:
            return (self.weight * h.repeat_interleave(2, 1))[:, None, None].expand(-1, 1, 8, 8)
        return (self.weight * h.flatten(1))[:, None, :, None].expand(-1, 1, 8, 8)
