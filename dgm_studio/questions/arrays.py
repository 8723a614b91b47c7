"""Between the arrays of a view and the tensors of a model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.subject import Subject

Bounds = tuple[float, float, float, float]  # of a part of a plane: left, bottom, right, top


def tensor(subject: Subject, array: np.ndarray) -> Tensor:
    """`array` on the subject's device: bool stays bool, everything else becomes float32."""
    if array.dtype != np.bool_:
        array = array.astype(np.float32, copy=False)
    return torch.from_numpy(np.ascontiguousarray(array)).to(subject.device)


def array(value: Tensor) -> np.ndarray:
    """A copy on the CPU: bool, integers as int64, everything else float32."""
    value = value.detach()
    if value.dtype is torch.bool:
        return value.cpu().numpy().copy()
    dtype = torch.float32 if value.is_floating_point() else torch.int64
    return value.to("cpu", dtype, copy=True).numpy()


def cell_centres(bounds: Bounds, columns: int, rows: int) -> np.ndarray:
    """Centres of rows × columns cells over `bounds`, row by row from the lower edge: (rows * columns, 2)."""
    left, bottom, right, top = bounds
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def seeded(subject: Subject, seed: int) -> Generator:
    """Randomness that is the same at each asking."""
    return Generator(subject.device).manual_seed(seed)
