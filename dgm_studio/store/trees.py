"""Nested dicts and lists of tensors, arrays, numbers and text as datasets with a JSON skeleton, and back, exactly.

The skeleton writes plain values as themselves and everything else as an object with one key that says what it is:
{"dict": [[key, value], …]} (keys are text or whole numbers, in order), {"tuple": […]}, {"float": "nan"},
{"tensor": dtype, …} and {"array": dtype, …}. A tensor or array with at most one element stands in the skeleton as
"hex"; a larger one is the dataset "at". `bool` is stored as bytes and `bfloat16` as its bits in int16; "strides" names
the order of dimensions in memory where it is not the usual one (channels last), because a resumed run must have it.

A packed tree has one dataset for each key of its outermost dict instead, "in" which the arrays below that key stand one
behind the other, each from a multiple of 64 bytes on: a project with a hundred runs and fifty states of each would have
hundreds of thousands of datasets otherwise.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgm_studio.store import format as fmt
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.reading import Stored, locate_together
from dgm_studio.store.saving import Item

SKELETON = "tree.json"
ALIGNED = 64  # bytes

_PLAIN = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)
_STORED_AS = {**{d: d for d in _PLAIN}, torch.bool: torch.uint8, torch.bfloat16: torch.int16}
_TORCH = {str(dtype).removeprefix("torch."): dtype for dtype in _STORED_AS}


def flatten(tree: Any, packed: bool = False) -> dict[str, Item]:
    """The datasets that stand for `tree`: "tree.json" and one for each larger tensor or array, or one for each part
    of the tree if it is to be packed.

    Raises TypeError that names the place of anything that cannot be stored.
    """
    arrays: _Arrays = _Packs() if packed else _Datasets()
    skeleton = _node(tree, (), arrays)
    return {**arrays.datasets(), SKELETON: fmt.document(skeleton)}


class _Arrays(ABC):
    """The larger arrays of a tree, as they are found."""

    @abstractmethod
    def add(self, array: np.ndarray, place: tuple[str, ...]) -> dict[str, Any]:
        """Take one, and return what the skeleton says of it."""

    @abstractmethod
    def datasets(self) -> dict[str, Item]:
        """What they are stored as."""


class _Datasets(_Arrays):
    def __init__(self) -> None:
        self._found: dict[str, Item] = {SKELETON: np.zeros(0, np.uint8)}

    def add(self, array: np.ndarray, place: tuple[str, ...]) -> dict[str, Any]:
        found = self._found
        group, rest = fmt.escaped(place[0] if place else "value"), ".".join(place[1:])
        name = group if not rest else f"{group}/{_short(fmt.escaped(rest))}"
        while name in found or (not rest and any(other.startswith(f"{name}/") for other in found)):
            name += "~"
        found[name] = array
        return {"at": name}

    def datasets(self) -> dict[str, Item]:
        return self._found


class _Packs(_Arrays):
    def __init__(self) -> None:
        self._found: dict[str, list[np.ndarray]] = {}

    def add(self, array: np.ndarray, place: tuple[str, ...]) -> dict[str, Any]:
        name = fmt.escaped(place[0] if place else "value")
        name = f"{name}~" if name == SKELETON else name
        padding = np.zeros(-array.nbytes % ALIGNED, np.uint8)
        self._found.setdefault(name, []).extend((array.reshape(-1).view(np.uint8), padding))
        return {"in": name, "shape": list(array.shape)}

    def datasets(self) -> dict[str, Item]:
        return {name: np.concatenate(parts) for name, parts in self._found.items()}


class _Pack:
    """A stored pack, from which arrays are taken in the order in which they were put in."""

    def __init__(self, item: Item) -> None:
        self._bytes = array_of(item)
        self._at = 0
        if self._bytes.dtype != np.uint8:
            raise TypeError("a pack of arrays that is not made of bytes")

    @property
    def empty(self) -> bool:
        return self._at == len(self._bytes)

    def take(self, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray:
        count = math.prod(shape)
        size = count * dtype.itemsize
        if len(shape) > fmt.MAX_RANK or min(shape, default=0) < 0 or size > len(self._bytes) - self._at:
            raise ValueError(f"an array of shape {shape} where there are {len(self._bytes) - self._at} bytes")
        array = self._bytes[self._at : self._at + size].view(dtype).reshape(shape).copy()
        self._at += size + -size % ALIGNED
        return array


def restore(items: Mapping[str, Item], file: Path, only: Collection[str] = ()) -> Any:
    """The tree again, every byte checked; with `only`, what these keys of a dict lead to, and nothing else is read.
    Raises ProjectError("damaged")."""
    if SKELETON not in items:
        raise ProjectError("damaged", file, f"a {SKELETON} is missing.")
    skeleton = document_of(items[SKELETON], file, SKELETON)
    left: dict[str, Item | _Pack] = {place: item for place, item in items.items() if place != SKELETON}
    if only:
        left = {place: item for place, item in left.items() if place.partition("/")[0] in map(fmt.escaped, only)}
    locate_together(item for item in left.values() if isinstance(item, Stored))
    try:
        if only:
            skeleton = {"dict": [[key, node] for key, node in skeleton["dict"] if key in only]}
        value = _value(skeleton, left)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, ArithmeticError) as error:
        reason = str(error).partition("\n")[0]
        raise ProjectError("damaged", file, f"a {SKELETON} does not fit its data ({reason:.200}).") from None
    left = {place: item for place, item in left.items() if not (isinstance(item, _Pack) and item.empty)}
    if left:
        raise ProjectError("damaged", file, f"a {SKELETON} does not say what {next(iter(left))} is.")
    return value


def array_of(item: Item) -> np.ndarray:
    return item.read() if isinstance(item, Stored) else item


def document_of(item: Item, file: Path, place: str) -> Any:
    """The JSON value in a dataset, whose size is looked at before it is read. Raises ProjectError."""
    if isinstance(item, Stored) and item.entry.nbytes > fmt.MAX_DOCUMENT:
        raise ProjectError("unsafe", file, f"{place} is larger than any text of a project.")
    return fmt.parsed(fmt.raw(array_of(item)), file, place)


def _node(value: Any, place: tuple[str, ...], arrays: _Arrays) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case list():
            return [_node(item, (*place, str(i)), arrays) for i, item in enumerate(value)]
        case tuple():
            return {"tuple": [_node(item, (*place, str(i)), arrays) for i, item in enumerate(value)]}
        case dict():
            if any(type(key) not in (str, int) for key in value):
                raise TypeError(f"{_said(place)} has keys that are neither text nor whole numbers.")
            return {"dict": [[key, _node(item, (*place, str(key)), arrays)] for key, item in value.items()]}
        case Tensor():
            return _tensor_node(value.detach().cpu(), place, arrays)
        case np.ndarray() if value.dtype == bool or value.dtype.name in fmt.DTYPES:
            data = value.view(np.uint8) if value.dtype == bool else value.astype(value.dtype.newbyteorder("="))
            return {"array": value.dtype.name, **_data(np.ascontiguousarray(data).reshape(value.shape), place, arrays)}
    kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"{_said(place)} is of type {kind}, which a project cannot hold.")


def _tensor_node(tensor: Tensor, place: tuple[str, ...], arrays: _Arrays) -> Any:
    if tensor.dtype not in _STORED_AS or tensor.layout is not torch.strided:
        raise TypeError(f"{_said(place)} is a tensor of type {tensor.dtype}, which a project cannot hold.")
    node: dict[str, Any] = {"tensor": str(tensor.dtype).removeprefix("torch.")}
    dense = torch.empty_like(tensor).stride() == tensor.stride()
    if dense and not tensor.is_contiguous():
        node["strides"] = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    data = tensor.contiguous().view(_STORED_AS[tensor.dtype]).numpy()
    return {**node, **_data(data, place, arrays)}


def _data(array: np.ndarray, place: tuple[str, ...], arrays: _Arrays) -> dict[str, Any]:
    if array.size <= 1:
        return {"shape": list(array.shape), "hex": array.tobytes().hex()}
    if array.ndim > fmt.MAX_RANK:
        raise TypeError(f"{_said(place)} has {array.ndim} dimensions; a project holds up to {fmt.MAX_RANK}.")
    return arrays.add(array, place)


def _short(name: str) -> str:
    return name if len(name) <= 200 else name[:200]


def _said(place: tuple[str, ...]) -> str:
    return "/".join(place) or "The value"


def _value(node: Any, items: dict[str, Item | _Pack]) -> Any:
    """What `node` stands for. Each of `items` is taken once: a tensor named a thousand times would fill the memory."""
    if isinstance(node, list):
        return [_value(item, items) for item in node]
    if not isinstance(node, dict):
        return node
    if "dict" in node:
        return {key: _value(item, items) for key, item in node["dict"]}
    if "tuple" in node:
        return tuple(_value(item, items) for item in node["tuple"])
    if "float" in node:
        return float(node["float"])
    if "tensor" in node:
        return _tensor_value(node, items)
    if node["array"] == "bool":
        return _read(node, np.dtype(np.uint8), items) != 0
    if node["array"] not in fmt.DTYPES:
        raise ValueError(f"an array of type {node['array']!r:.80}")
    return _read(node, np.dtype(node["array"]), items)


def _tensor_value(node: dict[str, Any], items: dict[str, Item | _Pack]) -> Tensor:
    dtype = _TORCH[node["tensor"]]
    stored = torch.empty((), dtype=_STORED_AS[dtype]).numpy().dtype
    data = torch.from_numpy(_read(node, stored, items))
    tensor = data != 0 if dtype is torch.bool else data.view(dtype)
    if "strides" not in node:
        return tensor
    return torch.empty_permuted(tensor.shape, node["strides"], dtype=dtype).copy_(tensor)


def _read(node: dict[str, Any], dtype: np.dtype[Any], items: dict[str, Item | _Pack]) -> np.ndarray:
    """A fresh array, so that what is made of it may be changed in place."""
    if "hex" in node:
        return np.frombuffer(bytearray.fromhex(node["hex"]), dtype).reshape(node["shape"])
    if "in" in node:
        pack = items[node["in"]]
        if not isinstance(pack, _Pack):
            pack = items[node["in"]] = _Pack(pack)
        return pack.take(dtype, node["shape"])
    item = items.pop(node["at"])
    if isinstance(item, _Pack):
        raise TypeError(f"{node['at']} holds a pack of arrays")
    array = item.read() if isinstance(item, Stored) else item.copy()
    if array.dtype != dtype:
        raise TypeError(f"{node['at']} holds {array.dtype}, not {dtype}")
    return array
