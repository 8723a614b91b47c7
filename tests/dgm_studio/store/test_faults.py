"""Files that are no whole project are refused with a code and a sentence, quickly, and are left as they were."""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from stored_project import everything

from dgm_studio.store import Project, ProjectError, check
from dgm_studio.store import format as fmt

QUICK = 1.0  # seconds

Change = Callable[[h5py.File, Path], None]


def refused(path: Path, *codes: str, use: Callable[[Path], object] = Project.open) -> str:
    """Assert that `use` refuses the file with one of these codes, and return the sentence."""
    before = sorted(os.listdir(path.parent))
    regular = path.is_file()
    content, status = (path.read_bytes(), path.stat()) if regular else (b"", None)
    started = time.perf_counter()
    with pytest.raises(ProjectError) as caught:
        use(path)
    assert time.perf_counter() - started < QUICK
    assert caught.value.code in codes, caught.value
    assert str(caught.value).startswith(f"{path.name}: ")
    assert str(caught.value).endswith(".")
    assert sorted(os.listdir(path.parent)) == before
    if status is not None:
        assert path.read_bytes() == content
        assert path.stat().st_mtime_ns == status.st_mtime_ns
    return str(caught.value)


def read_all(path: Path) -> dict[str, Any]:
    with Project.open(path) as project:
        return everything(project)


# Other files.


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"# notes\n", "foreign"),
        (b"PK\x03\x04" + bytes(100), "foreign"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(4096), "damaged"),
        (b"\x89HDF", "foreign"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, code: str):
    path = tmp_path / "a.dgm"
    path.write_bytes(content)
    refused(path, code)


def test_a_missing_file_names_its_folder(tmp_path: Path):
    assert str(tmp_path) in refused(tmp_path / "a.dgm", "missing")


def test_a_folder(tmp_path: Path):
    (tmp_path / "a.dgm").mkdir()
    refused(tmp_path / "a.dgm", "special")


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path):
    os.mkfifo(tmp_path / "a.dgm")
    refused(tmp_path / "a.dgm", "special")


def test_a_device():
    with pytest.raises(ProjectError) as caught:
        Project.open(Path("/dev/zero"))
    assert caught.value.code == "special"


def test_a_loop_of_links(tmp_path: Path):
    (tmp_path / "a.dgm").symlink_to(tmp_path / "b.dgm")
    (tmp_path / "b.dgm").symlink_to(tmp_path / "a.dgm")
    refused(tmp_path / "a.dgm", "special")


def test_a_project_behind_other_bytes(project_path: Path):
    project_path.write_bytes(bytes(512) + project_path.read_bytes())
    refused(project_path, "foreign")


def test_hdf5_of_somebody_else(tmp_path: Path):
    with h5py.File(tmp_path / "a.dgm", "w") as file:
        file["data"] = np.zeros(3)
    refused(tmp_path / "a.dgm", "foreign")


def test_a_part_of_a_work_folder_is_no_project(project_path: Path):
    edit(project_path, lambda file, _: file.attrs.create("format", np.bytes_("dgm-studio work")))
    refused(project_path, "foreign")


def test_a_file_that_may_not_be_read(project_path: Path):
    project_path.chmod(0o000)
    parents = [p for p in project_path.parents if p.stat().st_uid == os.getuid() and p != Path("/")]
    modes = [(p, p.stat().st_mode) for p in parents]
    root = os.geteuid() == 0
    for parent in parents:
        parent.chmod(0o755)
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ProjectError) as caught:
            Project.open(project_path)
    finally:
        if root:
            os.seteuid(0)
        for parent, mode in modes:
            parent.chmod(mode & 0o7777)
    assert caught.value.code == "unreadable"


# The root's attributes and the manifest.


def edit(path: Path, change: Change) -> None:
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        change(file, path)


def set_attribute(name: str, value: Any) -> Change:
    def change(file: h5py.File, _: Path) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change


def many_attributes(file: h5py.File, _: Path) -> None:
    for i in range(20_000):
        h5py.h5a.create(file.id, b"a%d" % i, h5py.h5t.STD_I8LE, h5py.h5s.create(h5py.h5s.SCALAR))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_attribute("format", None), "foreign"),
        (set_attribute("format", "other"), "foreign"),
        (set_attribute("format", 3), "foreign"),
        (set_attribute("schema", None), "schema"),
        (set_attribute("schema", "1"), "schema"),
        (set_attribute("schema", -1), "schema"),
        (set_attribute("schema", 0), "schema"),
        (set_attribute("schema", 1.0), "schema"),
        (set_attribute("schema", [1, 1]), "schema"),
        (set_attribute("schema", fmt.SCHEMA + 1), "newer"),
        (set_attribute("schema", 2**40), "newer"),
        (set_attribute("complete", None), "incomplete"),
        (set_attribute("complete", 0), "incomplete"),
        (set_attribute("manifest_sha256", None), "manifest"),
        (set_attribute("manifest_sha256", np.bytes_("0" * 64)), "manifest"),
        (set_attribute("manifest_sha256", "0" * 64), "manifest"),
        (lambda file, _: file.attrs.create("more", 1), "manifest"),
        (many_attributes, "manifest"),
        (lambda file, _: file.pop("manifest"), "manifest"),
        (lambda file, _: file.move("manifest", "elsewhere"), "manifest"),
        (lambda file, _: (file.pop("manifest"), file.create_group("manifest")), "manifest"),
        (lambda file, _: file["manifest"].write_direct(np.zeros(file["manifest"].shape, np.uint8)), "manifest"),
    ],
)
def test_the_root(project_path: Path, change: Change, code: str):
    edit(project_path, change)
    refused(project_path, code)


def test_a_newer_file_is_left_alone_and_the_sentence_says_what_to_do(project_path: Path):
    edit(project_path, set_attribute("schema", 7))
    sentence = refused(project_path, "newer")
    assert "format 7" in sentence
    assert "update the studio" in sentence


def rewrite_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its checksum right again, as someone who means harm would."""
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        value = json.loads(file["manifest"][()].tobytes())
        change(value)
        replace_manifest(file, json.dumps(value).encode())


def replace_manifest(file: h5py.File, text: bytes) -> None:
    del file["manifest"], file.attrs["manifest_sha256"]
    file["manifest"] = np.frombuffer(text, np.uint8)
    file.attrs["manifest_sha256"] = np.bytes_(sha256(text).hexdigest())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"datasets":[],"versions":{}}',
        b"{" * 50_000,
        b'{"datasets":{"a":NaN}}',
        b"\xff",
    ],
)
def test_a_manifest_that_makes_no_sense(project_path: Path, text: bytes):
    edit(project_path, lambda file, _: replace_manifest(file, text))
    refused(project_path, "manifest", "damaged", "truncated")


@pytest.mark.parametrize(
    "name",
    ["", "..", "a/../b", "/etc/passwd", "a//b", "a\x00b", "ä", "a" * 300, "/".join("a" * 40), "project/x", "manifest"],
)
def test_hostile_names(project_path: Path, name: str):
    rewrite_manifest(project_path, lambda m: m["datasets"].update({name: m["datasets"]["project"]}))
    refused(project_path, "unsafe", "manifest")


def first(manifest: dict[str, Any], ending: str) -> dict[str, Any]:
    return next(entry for path, entry in manifest["datasets"].items() if path.endswith(ending))


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": "object"},
        {"dtype": "complex64"},
        {"dtype": ["float32"]},
        {"shape": [2**40]},
        {"shape": [2**40] * 8},
        {"shape": [-1]},
        {"shape": [1.5]},
        {"shape": [True]},
        {"shape": None},
        {"shape": [1] * 32},
        {"sha256": "0"},
        {"sha256": None},
        {"more": 1},
    ],
)
def test_entries_that_no_project_has(project_path: Path, wrong: dict[str, Any]):
    rewrite_manifest(project_path, lambda m: first(m, "value/elbo").update(wrong))
    refused(project_path, "unsafe", "manifest")


# What stands in the place of a dataset. The link is checked when the file is opened; the dataset's own header too where
# opening reads it (a run's config), otherwise when it is first used.


def run_of(file: h5py.File) -> h5py.Group:
    return next(iter(file["runs"].values()))


def external_link(group: h5py.Group, name: str, path: Path) -> None:
    group[name] = h5py.ExternalLink("/etc/passwd", "/")


def link_to_a_copy(group: h5py.Group, name: str, path: Path) -> None:
    group[name] = h5py.ExternalLink(str(path), f"{group.name}/{name}")


def soft_link(group: h5py.Group, name: str, path: Path) -> None:
    group[name] = h5py.SoftLink("/project")


def cyclic_link(group: h5py.Group, name: str, path: Path) -> None:
    group[name] = h5py.SoftLink(f"{group.name}/{name}")


def nothing(group: h5py.Group, name: str, path: Path) -> None:
    pass


def many_links(group: h5py.Group, name: str, path: Path) -> None:
    for i in range(20_000):
        group.id.links.create_soft(b"l%d" % i, b"/project")


@pytest.mark.parametrize("fault", [external_link, link_to_a_copy, soft_link, cyclic_link, nothing, many_links])
@pytest.mark.parametrize("place", ["config", "metrics/value/elbo", "checkpoints/10/model/encoder.0.weight"])
def test_links_to_elsewhere_are_refused_when_opening(project_path: Path, fault: Any, place: str):
    def change(file: h5py.File, path: Path) -> None:
        group_name, _, name = f"/{place}".rpartition("/")
        group = run_of(file)[group_name.strip("/")] if group_name else run_of(file)
        del group[name]
        fault(group, name, path)

    edit(project_path, change)
    refused(project_path, "unsafe")


def test_a_group_linked_into_itself(project_path: Path):
    def change(file: h5py.File, _: Path) -> None:
        run_of(file)["loop"] = run_of(file)

    edit(project_path, change)
    refused(project_path, "unsafe")


def test_deep_nesting(project_path: Path):
    edit(project_path, lambda file, _: run_of(file)["metrics"].create_group("/".join(["g"] * 2000)))
    refused(project_path, "unsafe")


def test_a_dataset_in_the_place_of_a_group(project_path: Path):
    def change(file: h5py.File, _: Path) -> None:
        del run_of(file)["metrics"]
        run_of(file)["metrics"] = np.zeros(3)

    edit(project_path, change)
    refused(project_path, "unsafe")


def a_group(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_group(name)


def external_storage(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, like.dtype, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    layout = h5py.VirtualLayout(like.shape, like.dtype)
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "secret", like.shape)
    group.create_virtual_dataset(name, layout)


def chunked(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=like, chunks=like.shape)


def huge_and_chunked(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, (2**40,), like.dtype, chunks=(2**20,), fillvalue=1)


def huge_and_empty(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, (2**40,), like.dtype, fillvalue=1)


def never_written(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, like.dtype)


def compressed(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=like, compression="gzip")


def text_of_any_length(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, h5py.string_dtype())


def lists_of_any_length(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, h5py.vlen_dtype(np.float32))


def references(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, h5py.ref_dtype)


def opaque(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=np.zeros(like.shape, f"V{like.dtype.itemsize}"))


def big_endian(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=like.astype(f">f{like.dtype.itemsize}" if like.dtype.kind == "f" else ">u2"))


def compound(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, like.shape, [("a", like.dtype)])


def odd_float(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    space = h5py.h5s.create_simple(like.shape)
    h5py.h5d.create(group.id, name.encode(), kind, space)


def other_shape(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=like.reshape(-1, 1))


def no_shape(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    group.create_dataset(name, data=h5py.Empty(like.dtype))


def thirty_two_dimensions(group: h5py.Group, name: str, like: np.ndarray, path: Path) -> None:
    space = h5py.h5s.create_simple((1,) * 31 + like.shape[:1])
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(like.dtype), space)


HEADERS = [
    a_group,
    external_storage,
    virtual,
    chunked,
    huge_and_chunked,
    huge_and_empty,
    never_written,
    compressed,
    text_of_any_length,
    lists_of_any_length,
    references,
    opaque,
    big_endian,
    compound,
    odd_float,
    other_shape,
    no_shape,
    thirty_two_dimensions,
]


@pytest.mark.parametrize("fault", HEADERS)
@pytest.mark.parametrize("place", ["project", "config", "metrics/value/elbo", "checkpoints/10/model/encoder.0.weight"])
def test_other_kinds_of_datasets_are_never_read(project_path: Path, fault: Any, place: str):
    def change(file: h5py.File, path: Path) -> None:
        parent = file if place == "project" else run_of(file)
        group_name, _, name = place.rpartition("/")
        group = parent[group_name] if group_name else parent
        like = group[name][()]
        del group[name]
        fault(group, name, like, path)

    edit(project_path, change)
    use = Project.open if place in ("project", "config") else read_all
    sentence = refused(project_path, "unsafe", "damaged", use=use)
    assert place in sentence
    refused(project_path, "unsafe", "damaged", use=check)


def test_a_dataset_within_its_header_is_the_same_numbers(project_path: Path):
    before = read_all(project_path)

    def change(file: h5py.File, _: Path) -> None:
        group = run_of(file)["metrics/value"]
        values = group["elbo"][()]
        del group["elbo"]
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        dataset = h5py.h5d.create(group.id, b"elbo", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(values.shape), compact)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)

    edit(project_path, change)
    assert read_all(project_path) == before


# Records.


def rewrite_record(path: Path, place: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON text within the file and make every checksum right again."""
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        full = place if place == "project" else f"{run_of(file).name.strip('/')}/{place}"
        value = json.loads(file[full][()].tobytes())
        change(value)
        data = np.frombuffer(json.dumps(value).encode(), np.uint8)
        del file[full]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        file[full] = data
        manifest = json.loads(file["manifest"][()].tobytes())
        manifest["datasets"][full].update(shape=[len(data)], sha256=sha256(data.tobytes()).hexdigest())
        replace_manifest(file, json.dumps(manifest).encode())


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("project", lambda r: r.update(order=[])),
        ("project", lambda r: r.update(order=["nobody"])),
        ("project", lambda r: r["order"].append(r["order"][0])),
        ("project", lambda r: r.update(saves="many")),
        ("project", lambda r: r.pop("id")),
        ("config", lambda r: r.update(status="exploded")),
        ("config", lambda r: r.update(name=3)),
        ("config", lambda r: r.pop("config")),
        ("config", lambda r: r.update(parent=["x"])),
        ("config", lambda r: r.update(extra=1)),
    ],
)
def test_records_with_wrong_entries(project_path: Path, place: str, change: Callable[[dict[str, Any]], object]):
    rewrite_record(project_path, place, change)
    refused(project_path, "damaged")


@pytest.mark.parametrize(
    "settings", [{"family": 3}, {"model": {"hidden": 10**9}}, {"model": {"a": {"b": {}}}}, {"seed": 1}]
)
def test_settings_that_do_not_hold_leave_a_history(project_path: Path, settings: dict[str, Any]):
    rewrite_record(project_path, "config", lambda r: r["config"].update(settings))
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        assert run.config is None
        assert run.history_only
        assert len(run.metrics["elbo"][0]) == 20


def test_a_record_with_nan_is_damage(project_path: Path):
    rewrite_record(project_path, "config", lambda r: r["config"].update(model={"scale": float("nan")}))
    assert "NaN" in refused(project_path, "damaged")


# Damage.


def test_truncation_at_any_place(project_path: Path, project_bytes: bytes):
    for part in range(50):
        project_path.write_bytes(project_bytes[: len(project_bytes) * part // 50])
        refused(project_path, "empty", "truncated", "damaged", "foreign")


def test_appended_bytes_change_nothing(project_path: Path):
    before = read_all(project_path)
    project_path.write_bytes(project_path.read_bytes() + b"junk" * 1000)
    assert read_all(project_path) == before


def test_zeroed_sectors_are_refused_or_change_nothing(project_path: Path, project_bytes: bytes):
    before = read_all(project_path)
    refusals = 0
    for start in range(0, len(project_bytes), 512):
        project_path.write_bytes(project_bytes[:start] + bytes(512) + project_bytes[start + 512 :])
        refusals += not same_or_refused(project_path, before)
    assert refusals > len(project_bytes) // 512 * 0.9


def test_a_flipped_byte_is_refused_or_changes_nothing(project_path: Path, project_bytes: bytes):
    before = read_all(project_path)
    rng = np.random.default_rng(0)
    refusals = 0
    for place in rng.integers(len(project_bytes), size=200):
        data = bytearray(project_bytes)
        data[place] ^= int(rng.integers(1, 256))
        project_path.write_bytes(data)
        refusals += not same_or_refused(project_path, before)
    assert refusals > 100


def same_or_refused(path: Path, expected: dict[str, Any]) -> bool:
    """Whether all of it was read, and then it must be what was written."""
    try:
        found = read_all(path)
    except ProjectError:
        return False
    assert found == expected
    return True


def test_a_file_that_claims_more_than_it_holds_allocates_nothing(project_path: Path, project_bytes: bytes):
    end_of_file = project_bytes.index(struct.pack("<Q", len(project_bytes)))
    data = bytearray(project_bytes)
    data[end_of_file : end_of_file + 8] = struct.pack("<Q", 2**50)
    project_path.write_bytes(data)
    refused(project_path, "truncated", "damaged")
