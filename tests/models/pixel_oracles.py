"""What the tests of models of images pixel by pixel share: an independent view of orders, masks and sampling."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Generator, Tensor

from models.pixels import MARGIN, PixelByPixel
from models.settings import Settings
from models.spec import DataSpec, Layout, Support

Pixel = tuple[int, int, int]  # colour, row, column


def images(shape: tuple[int, int, int], categories: int, classes: int = 0) -> DataSpec:
    names = tuple(str(k) for k in range(classes))
    if categories == 2:
        return DataSpec(shape, Support.BITS, Layout.IMAGE, class_names=names)
    return DataSpec(shape, Support.LEVELS, Layout.IMAGE, categories, class_names=names)


def make(model: type[Any], settings: Settings, spec: DataSpec, seed: int = 0) -> Any:
    """In double precision, with weights so large that nothing is nearly independent of anything."""
    torch.manual_seed(seed)
    made = model(settings, spec).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 1.5 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.3)
    return made


def some(spec: DataSpec, n: int, seed: int = 0) -> Tensor:
    categories = 2 if spec.support is Support.BITS else spec.categories
    generator = Generator().manual_seed(seed)
    return torch.randint(categories, (n, *spec.event_shape), generator=generator).double()


def every(spec: DataSpec) -> Tensor:
    """Every example there is: (K^D, *event)."""
    categories = 2 if spec.support is Support.BITS else spec.categories
    states = list(product(range(categories), repeat=spec.dimensions))
    return torch.tensor(states, dtype=torch.float64).reshape(-1, *spec.event_shape)


def place(pixel: Pixel) -> Pixel:
    """When a coordinate's turn comes, to compare: row, column, colour."""
    colour, row, column = pixel
    return row, column, colour


def pixels(spec: DataSpec) -> list[Pixel]:
    colours, height, width = spec.event_shape
    return list(product(range(colours), range(height), range(width)))


def outputs(model: PixelByPixel, x: Tensor, y: Tensor | None = None) -> Tensor:
    """All the net says: (B, colours, outputs, H, W)."""
    return model.predict(model._scaled(x), y).unflatten(1, (model.colours, model.outputs))


def changed_by(model: PixelByPixel, spec: DataSpec, pixel: Pixel) -> set[Pixel]:
    """The coordinates whose outputs change, in any of some images, when one coordinate is changed."""
    x = some(spec, 8)
    categories = 2 if spec.support is Support.BITS else spec.categories
    other = x.clone()
    other[:, *pixel] = (other[:, *pixel] + 1) % categories
    with torch.no_grad():
        differs = (outputs(model, x) - outputs(model, other)).abs().amax((0, 2)) > 1e-12
    return {found for found in pixels(spec) if differs[found]}


def heard_by(model: PixelByPixel, spec: DataSpec, pixel: Pixel) -> set[Pixel]:
    """The coordinates that the outputs of one depend on: the support of their Jacobian over some images."""
    x = some(spec, 32).requires_grad_()  # so many that no ReLU is shut for all
    colour, row, column = pixel
    said = outputs(model, x)[:, colour, :, row, column]
    weights = torch.randn(said.shape, generator=Generator().manual_seed(1), dtype=said.dtype)
    (gradient,) = torch.autograd.grad((said * weights).sum(), x)
    seen = gradient.abs().amax(0) > 0
    return {found for found in pixels(spec) if seen[found]}


class FromScratch:
    """A painter that computes the whole image anew for every pixel."""

    def __init__(self, model: PixelByPixel, canvas: Tensor, y: Tensor | None) -> None:
        self.model, self.canvas, self.y = model, canvas, y

    def start_row(self, row: int) -> None:
        pass

    def look(self, row: int, column: int) -> Tensor:
        return self.model.predict(self.canvas[:, MARGIN:, MARGIN:].permute(0, 3, 1, 2), self.y)[:, :, row, column]
