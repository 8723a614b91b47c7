"""States and reports survive storage bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_project import plain

from dgm_studio.store import ProjectError
from dgm_studio.store.format import escaped, unescaped
from dgm_studio.store.saving import write
from dgm_studio.store.trees import SKELETON, flatten, restore


def stored(tree: Any, folder: Path, packed: bool = False) -> Any:
    contents = write(folder / "x.dgm-part", flatten(tree, packed), "dgm-studio work")
    return restore(contents.items(), contents.path)


def assert_same(tree: Any, folder: Path) -> None:
    assert plain(stored(tree, folder)) == plain(tree)
    assert plain(stored(tree, folder, packed=True)) == plain(tree)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
    ],
)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3), (1, 2, 1, 3)])
def test_every_type_and_shape_of_tensor_comes_back_exactly(tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]):
    generator = torch.Generator().manual_seed(0)
    tensor = (torch.rand(shape, generator=generator) * 100).to(dtype)
    assert_same({"t": tensor}, tmp_path)


def test_special_values_keep_their_bits(tmp_path: Path):
    tensor = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    assert_same({"t": tensor, "scalar": -tensor[0], "double": torch.tensor(0.1, dtype=torch.float64)}, tmp_path)


def test_an_optimizer_state_keeps_whole_number_keys_order_and_scalars(tmp_path: Path):
    layer = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3, betas=(0.5, 0.999), amsgrad=True)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    tree = optimizer.state_dict()
    assert_same(tree, tmp_path)
    again = stored(tree, tmp_path)
    assert list(again["state"]) == [0, 1]
    assert again["param_groups"][0]["betas"] == (0.5, 0.999)
    fresh = torch.optim.Adam(torch.nn.Linear(4, 3).parameters(), lr=1.0)
    fresh.load_state_dict(again)
    assert fresh.param_groups[0]["lr"] == 1e-3


def test_channels_last_memory_comes_back_as_it_was(tmp_path: Path):
    tensor = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    again = stored({"t": tensor}, tmp_path)["t"]
    assert again.stride() == tensor.stride()
    assert torch.equal(again, tensor)


def test_an_expanded_tensor_comes_back_with_its_values(tmp_path: Path):
    tensor = torch.arange(3.0).expand(4, 3)
    assert torch.equal(stored({"t": tensor}, tmp_path)["t"], tensor)


def test_restored_tensors_can_be_changed_in_place(tmp_path: Path):
    again = stored({"small": torch.ones(()), "large": torch.ones(3)}, tmp_path)
    again["small"] += 1
    again["large"] += 1
    assert again["small"] == 2
    assert again["large"].tolist() == [2, 2, 2]


def test_keys_that_look_alike_as_paths_stay_apart(tmp_path: Path):
    tree = {
        "a": torch.arange(2),
        "a/b": torch.arange(3),
        "..": torch.arange(4),
        "": torch.arange(5),
        "tree.json": torch.arange(6),
        "x": {1: torch.arange(7), "1": torch.arange(8), "a.b": torch.arange(9), "a": {"b": torch.arange(10)}},
        "ä ö": {"deep": {"deeper": torch.arange(11)}},
        "long": {"n" * 400: torch.arange(12), "n" * 401: torch.arange(13)},
    }
    assert_same(tree, tmp_path)
    assert list(stored(tree, tmp_path)) == list(tree)


@pytest.mark.parametrize("value", [object(), {1.5: 1}, b"bytes", {1, 2}, np.array(["text"]), torch.ones(2).to_sparse()])
def test_what_cannot_be_stored_is_named_with_its_place(value: Any):
    with pytest.raises(TypeError, match="model/part"):
        flatten({"model": {"part": value}})


def test_numpy_scalars_become_numbers(tmp_path: Path):
    assert stored({"n": np.float32(1.5), "k": np.int64(3)}, tmp_path) == {"n": 1.5, "k": 3}


@given(st.text())
def test_a_name_survives_being_a_component_of_a_path(name: str):
    component = escaped(name)
    assert unescaped(component) == name
    assert "/" not in component
    assert component.strip(".")
    assert component.isascii()


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text()
    | st.lists(st.floats(width=32), max_size=5).map(lambda v: torch.tensor(v, dtype=torch.float32))
    | st.lists(st.integers(0, 255), max_size=5).map(lambda v: np.array(v, np.uint8))
    | st.lists(st.booleans(), max_size=5).map(lambda v: np.array(v, bool))
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(nested)
def test_any_tree_comes_back_as_it_was(tree: Any):
    again = restore(flatten(tree), Path("memory"))
    assert plain(again) == plain(tree)


@pytest.mark.parametrize(
    "skeleton",
    [
        b"",
        b"{",
        b"NaN",
        b'{"tensor":"float32","at":"nowhere"}',
        b'{"tensor":"quantum","shape":[],"hex":""}',
        b'{"tensor":"float32","shape":[5],"hex":"00"}',
        b'{"tensor":"float32","shape":[2],"at":"value"}',
        b'{"dict":[[1]]}',
        b'{"dict":[[[],1]]}',
        b'{"odd":1}',
        b"[" * 100_000,
    ],
)
def test_a_skeleton_that_makes_no_sense_is_damage(skeleton: bytes):
    items = {SKELETON: np.frombuffer(skeleton, np.uint8), "value": np.zeros(2, np.int32)}
    with pytest.raises(ProjectError) as caught:
        restore(items, Path("memory"))
    assert caught.value.code == "damaged"


# Packed trees.


def packed_state() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    halves = torch.rand(3, 5, generator=generator).to(torch.bfloat16)
    model = {"w": torch.rand(7, 3, generator=generator), "b": halves, "mask": torch.rand(9, generator=generator) > 0.5}
    return {"step": 3, "model": model, "learner": {"average": torch.rand(4, generator=generator)}, "rng": {"cpu": 1}}


def test_a_packed_tree_has_one_dataset_for_each_part_of_it():
    assert sorted(flatten(packed_state(), packed=True)) == ["learner", "model", SKELETON]


@pytest.mark.parametrize("packed", [False, True])
def test_parts_of_a_tree_are_read_alone(packed: bool):
    items = flatten(packed_state(), packed)
    read = restore({place: item for place, item in items.items() if "learner" not in place}, Path("x"), ("model",))
    assert plain(read) == plain({"model": packed_state()["model"]})


@pytest.mark.parametrize(
    "change",
    [lambda pack: pack[:-64], lambda pack: np.concatenate([pack, pack]), lambda pack: pack.view(np.float32)],
    ids=["cut off", "too long", "no bytes"],
)
def test_a_pack_that_does_not_fit_is_damaged(change: Any):
    items = flatten(packed_state(), packed=True)
    items["model"] = change(items["model"])
    with pytest.raises(ProjectError, match=SKELETON):
        restore(items, Path("x"))


def test_a_pack_is_not_read_twice():
    tree = {"model": {"w": torch.arange(64.0)}}
    items = flatten(tree, packed=True)
    text = bytes(items[SKELETON]).decode()
    node = text[text.index('["w"') : text.index("]]}") + 1]
    items[SKELETON] = np.frombuffer(text.replace(node, f"{node},{node}").encode(), np.uint8)
    with pytest.raises(ProjectError, match="does not fit"):
        restore(items, Path("x"))
