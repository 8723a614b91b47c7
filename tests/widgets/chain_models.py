"""A small model with two hidden layers and label units whose chain does what is known."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from models.capabilities import NOTHING_HELD, ChainState, Held
from models.settings import Settings, setting
from models.spec import DataSpec

LABELS = 3


class StripesSettings(Settings):
    explodes: bool = setting(False, title="Explodes", help="Whether states stop being numbers.")
    signed: bool = setting(False, title="Signed", help="Whether hidden units are real numbers in -1…1.")
    scale: float = setting(1.0, title="Scale", help="The value of a pixel that is lit.")


class Stripes(nn.Module):
    """Images 8×8. Unit j of the first hidden layer (6,) lights column j; unit k of the second (2, 2, 2) would light row
    k to a half; class c lights row c of the last column. Free hidden units and classes are fair coins."""

    def __init__(self, settings: StripesSettings, spec: DataSpec) -> None:
        super().__init__()
        self.settings = settings
        self.weight = nn.Parameter(torch.rand(1))

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((6,), (2, 2, 2))

    def label_units(self) -> int:
        return LABELS

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        x = torch.rand(n, 1, 8, 8, generator=generator).round()
        return ChainState(x, x)

    def transition(
        self, x: Tensor, clamp: Tensor | None = None, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        return self.move(ChainState(x, x), Held(clamp), temperature, generator)

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        drawn = [torch.rand(len(x), *shape, generator=generator) for shape in self.hidden_shapes()]
        return tuple(2 * h - 1 if self.settings.signed else h.round() for h in drawn)

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        hidden = self.infer(state.x, generator)
        kept = held.hidden or (None, None)
        if state.hidden:
            hidden = tuple(
                h if mask is None else torch.where(mask, old, h)
                for h, old, mask in zip(hidden, state.hidden, kept, strict=True)
            )
        label = torch.randint(LABELS, (len(state.x),), generator=generator)
        if held.label is not None:
            label = torch.where(held.label < 0, label, held.label)
        x = self.top_down(0, hidden[0])
        x[torch.arange(len(x)), 0, label, 7] = self.settings.scale
        if self.settings.explodes:
            x = x / 0 * 0
        if held.x is not None:
            x = torch.where(held.x, state.x, x)
        return ChainState(x, x, hidden, nn.functional.one_hot(label, LABELS).float())

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        x = torch.zeros(len(h), 1, 8, 8)
        if layer == 0:
            x[:, 0, :, :6] = h[:, None, :]
        else:
            x[:, 0] = h.flatten(1)[:, :, None] / 2
        return x * self.settings.scale

    def label_probabilities(self, x: Tensor) -> Tensor:
        lit = x[:, 0, :LABELS, 7] + 1e-6
        return lit / lit.sum(1, keepdim=True)
