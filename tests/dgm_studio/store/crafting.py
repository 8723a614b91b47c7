"""Files that no studio writes: damaged, foreign, and made to do harm. Each fault turns a sound project into one."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
from h5py import h5a, h5d, h5f, h5p, h5s, h5t

Make = Callable[[Path], object]
Edit = Callable[[h5py.File], object]
Substitute = Callable[[h5py.Group, str, np.ndarray], object]

WEIGHT = "checkpoints/10/model/encoder.0.weight"
CURVE = "metrics/value/elbo"


@dataclass(frozen=True)
class Fault:
    """`make` turns the sound project at a path into the fault. `codes`: those with which it may be refused; none for a
    file that must be read as what was written. `use`: what has to refuse it."""

    name: str
    make: Make
    codes: tuple[str, ...]
    use: Literal["open", "read"] = "open"
    says: str = ""  # stands in the sentence
    heavy: bool = False  # takes seconds to make

    def __str__(self) -> str:
        return self.name


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from OTHER_FILES
    yield from ROOTS
    yield from MANIFESTS
    yield from LINKS
    yield from HEADERS
    yield from RECORDS
    yield from TREES
    yield from DAMAGES
    yield from ACCEPTED


# How a project is changed.


def edit(path: Path, change: Edit) -> None:
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        change(file)


def edited(change: Edit) -> Make:
    return lambda path: edit(path, change)


def run_of(file: h5py.File) -> h5py.Group:
    return next(iter(file["runs"].values()))


def parent_of(file: h5py.File, place: str) -> tuple[h5py.Group, str]:
    """The group and the name of `place`, which is "project" or lies within the run."""
    group = file if place == "project" else run_of(file)
    above, _, name = place.rpartition("/")
    return (group[above] if above else group), name


def substituted(place: str, fault: Substitute) -> Make:
    """Put something else in the place of a dataset."""

    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        like = group[name][()]
        del group[name]
        fault(group, name, like)

    return edited(change)


def replace_manifest(file: h5py.File, text: bytes) -> None:
    del file["manifest"], file.attrs["manifest_sha256"]
    file["manifest"] = np.frombuffer(text, np.uint8)
    file.attrs["manifest_sha256"] = np.bytes_(sha256(text).hexdigest())


def rewrite_manifest(file: h5py.File, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its checksum right again, as someone who means harm would."""
    value = json.loads(file["manifest"][()].tobytes())
    change(value)
    replace_manifest(file, json.dumps(value).encode())


def relisted(change: Callable[[dict[str, Any]], object]) -> Make:
    return edited(lambda file: rewrite_manifest(file, change))


def first(manifest: dict[str, Any], ending: str) -> dict[str, Any]:
    return next(entry for path, entry in manifest["datasets"].items() if path.endswith(ending))


def replace_bytes(file: h5py.File, place: str, data: bytes) -> None:
    """Put other bytes in the place of a JSON text and make every checksum right again."""
    group, name = parent_of(file, place)
    del group[name]
    group[name] = np.frombuffer(data, np.uint8)
    entry = {"dtype": "uint8", "shape": [len(data)], "sha256": sha256(data).hexdigest()}
    rewrite_manifest(file, lambda m: first(m, place).update(entry))


def rewritten(place: str, change: Callable[[dict[str, Any]], object]) -> Make:
    """Change a JSON text within the file and make every checksum right again."""

    def apply(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        value = json.loads(group[name][()].tobytes())
        change(value)
        replace_bytes(file, place, json.dumps(value).encode())

    return edited(apply)


# Other files.


def contains(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("digits.dgm", b"project")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def loop_of_links(path: Path) -> None:
    other = path.with_name("other.dgm")
    path.unlink()
    path.symlink_to(other)
    other.symlink_to(path)


def foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)


def user_block(path: Path) -> None:
    """A whole HDF5 file whose signature is not at its beginning."""
    content = path.read_bytes()
    path.write_bytes(bytes(512) + content)


SIGNATURE = b"\x89HDF\r\n\x1a\n"

OTHER_FILES = [
    Fault("empty", contains(b""), ("empty",)),
    Fault("text", contains(b"# notes\n"), ("foreign",)),
    Fault("zip archive", zipped, ("foreign",), says="zip"),
    Fault("PyTorch file", lambda path: torch.save({"w": torch.zeros(3)}, path), ("foreign",), says="PyTorch"),
    Fault("pickle", lambda path: path.write_bytes(pickle.dumps({"a": 1})), ("foreign",)),
    Fault("gzip", lambda path: path.write_bytes(gzip.compress(path.read_bytes())), ("foreign",)),
    Fault("part of a signature", contains(SIGNATURE[:4]), ("foreign",)),
    Fault("signature only", contains(SIGNATURE), ("damaged",)),
    Fault("signature and zeros", contains(SIGNATURE + bytes(4096)), ("damaged",)),
    Fault("signature and ones", contains(SIGNATURE + b"\xff" * 4096), ("damaged",)),
    Fault("folder", folder, ("special",)),
    Fault("missing", Path.unlink, ("missing",)),
    Fault("pipe", pipe, ("special",)),
    Fault("device", device, ("special",)),
    Fault("loop of links", loop_of_links, ("special",)),
    Fault("prefixed HDF5", user_block, ("foreign",)),
    Fault("HDF5 of somebody else", foreign, ("foreign",)),
]


# The root's attributes.


def attribute(name: str, value: Any) -> Make:
    def change(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return edited(change)


def many_attributes(file: h5py.File) -> None:
    for i in range(20_000):
        h5a.create(file.id, b"a%d" % i, h5t.STD_I8LE, h5s.create(h5s.SCALAR))


def long_attribute(file: h5py.File) -> None:
    del file.attrs["format"]
    file.attrs.create("format", np.zeros(2**22))


def nested_type(levels: int) -> h5t.TypeID:
    """Lists of lists of … numbers: HDF5 calls itself for each."""
    kind = h5t.STD_I8LE
    for _ in range(levels):
        kind = h5t.vlen_create(kind)
    return kind


ROOTS = [
    Fault("format missing", attribute("format", None), ("foreign",)),
    Fault("another format", attribute("format", "other"), ("foreign",)),
    Fault("a number for the format", attribute("format", 3), ("foreign",)),
    Fault("a part of a work folder", attribute("format", np.bytes_("dgm-studio work")), ("foreign",)),
    Fault("32 MB for the format", edited(long_attribute), ("foreign",)),
    Fault("schema missing", attribute("schema", None), ("schema",)),
    Fault("schema as text", attribute("schema", "1"), ("schema",)),
    Fault("schema negative", attribute("schema", -1), ("schema",)),
    Fault("schema zero", attribute("schema", 0), ("schema",)),
    Fault("schema a fraction", attribute("schema", 1.0), ("schema",)),
    Fault("schema a list", attribute("schema", [1, 1]), ("schema",)),
    Fault("schema without a value", attribute("schema", h5py.Empty("i8")), ("schema",)),
    Fault("newer schema", attribute("schema", 7), ("newer",), says="format 7; this one reads up to"),
    Fault("far newer schema", attribute("schema", 2**40), ("newer",), says="update the studio"),
    Fault("complete missing", attribute("complete", None), ("incomplete",)),
    Fault("incomplete", attribute("complete", 0), ("incomplete",)),
    Fault("manifest's checksum missing", attribute("manifest_sha256", None), ("manifest",)),
    Fault("manifest's checksum wrong", attribute("manifest_sha256", np.bytes_("0" * 64)), ("manifest",)),
    Fault("manifest's checksum of another type", attribute("manifest_sha256", "0" * 64), ("manifest",)),
    Fault("one attribute more", edited(lambda file: file.attrs.create("more", 1)), ("manifest",)),
    Fault("20 000 attributes", edited(many_attributes), ("manifest",)),
]


# The manifest.


def manifest_text(text: bytes) -> Make:
    return edited(lambda file: replace_manifest(file, text))


def listed(name: str) -> Make:
    return relisted(lambda m: m["datasets"].update({name: m["datasets"]["project"]}))


def entry(**wrong: Any) -> Make:
    return relisted(lambda m: first(m, CURVE).update(wrong))


def compressed_manifest(file: h5py.File) -> None:
    text = file["manifest"][()]
    del file["manifest"]
    file.create_dataset("manifest", data=text, compression="gzip")


def declared_manifest(size: int) -> Make:
    """A manifest of `size` zeros that were never written."""

    def change(file: h5py.File) -> None:
        del file["manifest"]
        file.create_dataset("manifest", (size,), np.uint8)

    return edited(change)


def many_entries(file: h5py.File) -> None:
    """Nearly as many as a manifest can hold, the last of them wrong."""
    value = json.loads(file["manifest"][()].tobytes())
    line = value["datasets"]["project"]
    value["datasets"].update({f"runs/abcdef012345/checkpoints/1000/model/{i:06d}": line for i in range(100_000)})
    value["datasets"]["zz"] = {}
    replace_manifest(file, json.dumps(value, separators=(",", ":")).encode())


MANIFEST_CODES = ("manifest", "damaged", "truncated")
HOSTILE_NAMES = {
    "empty": "",
    "..": "..",
    "a path upwards": "a/../b",
    "an absolute path": "/etc/passwd",
    "an empty part": "a//b",
    "a zero byte": "a\x00b",
    "a line end": "a\n",
    "letters beyond ASCII": "ä",
    "half a surrogate": "\ud800",
    "300 letters": "a" * 300,
    "40 parts": "/".join("a" * 40),
    "100 000 parts": "/".join("a" * 100_000),
    "below a dataset": "project/x",
    "the manifest": "manifest",
    "a drive": "C:\\x",
}
WRONG_ENTRIES: dict[str, dict[str, Any]] = {
    "type object": {"dtype": "object"},
    "type complex64": {"dtype": "complex64"},
    "type a list": {"dtype": ["float32"]},
    "4 TB": {"shape": [2**40]},
    "far beyond 64 bits": {"shape": [2**40] * 8},
    "a number of 4000 digits": {"shape": [10**4000]},
    "a negative size": {"shape": [-1]},
    "a fraction": {"shape": [1.5]},
    "a truth value": {"shape": [True]},
    "no shape": {"shape": None},
    "32 dimensions": {"shape": [1] * 32},
    "a short checksum": {"sha256": "0"},
    "no checksum": {"sha256": None},
    "one thing more": {"more": 1},
}
MANIFESTS = [
    Fault("manifest missing", edited(lambda file: file.pop("manifest")), ("manifest",)),
    Fault("manifest elsewhere", edited(lambda file: file.move("manifest", "elsewhere")), ("manifest",)),
    Fault(
        "manifest a group",
        edited(lambda file: (file.pop("manifest"), file.create_group("manifest"))),
        ("manifest",),
    ),
    Fault(
        "manifest a soft link",
        edited(lambda file: (file.move("manifest", "m"), file.__setitem__("manifest", h5py.SoftLink("/m")))),
        ("manifest",),
    ),
    Fault(
        "manifest in another file",
        edited(lambda file: (file.pop("manifest"), file.__setitem__("manifest", h5py.ExternalLink("/dev/zero", "/")))),
        ("manifest",),
    ),
    Fault(
        "manifest of zeros",
        edited(lambda file: file["manifest"].write_direct(np.zeros(file["manifest"].shape, np.uint8))),
        ("manifest",),
    ),
    Fault("manifest compressed", edited(compressed_manifest), ("unsafe",)),
    Fault("manifest of 4 TB", declared_manifest(2**42), ("manifest",)),
    Fault("manifest never written", declared_manifest(2**24), ("unsafe",)),
    *(
        Fault(f"manifest {name}", manifest_text(text), (*MANIFEST_CODES, "unsafe"))
        for name, text in {
            "empty": b"",
            "a list": b"[]",
            "without datasets": b"{}",
            "with datasets as a list": b'{"datasets":[],"versions":{}}',
            "cut off": b"{" * 50_000,
            "with NaN": b'{"datasets":{"a":NaN}}',
            "no UTF-8": b"\xff",
            "UTF-16": '{"datasets":{},"versions":{}}'.encode("utf-16"),
            "of 11 million lists": b'{"versions":{},"datasets":[' + b"[]," * 11_000_000 + b"0]}",
            "of 11 million dicts": b'{"versions":{},"datasets":[' + b"{}," * 11_000_000 + b"0]}",
            "of 6 million texts": b'{"versions":{},"datasets":[' + b'"ab",' * 6_000_000 + b'""]}',
            "of lists 100 000 deep": b"[" * 100_000 + b"]" * 100_000,
            "of many deep lists": b"[" + (b"[" * 400 + b"]" * 400 + b",") * 40_000 + b"0]",
        }.items()
    ),
    Fault("a manifest of 100 000 entries", edited(many_entries), MANIFEST_CODES, heavy=True),
    *(
        Fault(f"hostile name: {name}", listed(text), ("unsafe", "manifest", "damaged"))
        for name, text in HOSTILE_NAMES.items()
    ),
    *(
        Fault(f"entry with {name}", entry(**wrong), ("unsafe", "manifest", "damaged"))
        for name, wrong in WRONG_ENTRIES.items()
    ),
]


# Links and groups.


def external_link(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = h5py.ExternalLink("/etc/passwd", "/")


def link_to_itself_as_external(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = h5py.ExternalLink(group.file.filename, f"{group.name}/{name}")


def soft_link(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = h5py.SoftLink("/project")


def dangling_link(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = h5py.SoftLink("/nowhere")


def cyclic_link(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = h5py.SoftLink(f"{group.name}/{name}")


def nothing(group: h5py.Group, name: str, like: np.ndarray) -> None:
    pass


def many_links(number: int) -> Substitute:
    def fault(group: h5py.Group, name: str, like: np.ndarray) -> None:
        for i in range(number):
            group.id.links.create_soft(b"l%d" % i, b"/project")

    return fault


def looped(file: h5py.File) -> None:
    run_of(file)["loop"] = run_of(file)


def looped_in_place(file: h5py.File) -> None:
    """A group in which it stands itself, under the name of what the manifest lists there."""
    run = run_of(file)
    del run["metrics"]
    run["metrics"] = run


def nested(file: h5py.File) -> None:
    run_of(file)["metrics"].create_group("/".join(["g"] * 2000))


def dataset_for_group(file: h5py.File) -> None:
    del run_of(file)["metrics"]
    run_of(file)["metrics"] = np.zeros(3)


def type_for_group(file: h5py.File) -> None:
    del run_of(file)["metrics"]
    run_of(file)["metrics"] = np.dtype("f4")


LINKS = [
    *(
        Fault(f"{what} for {place}", substituted(place, fault), ("unsafe",))
        for place in ("config", CURVE, WEIGHT)
        for what, fault in {
            "external link": external_link,
            "external link to the file itself": link_to_itself_as_external,
            "soft link": soft_link,
            "dangling link": dangling_link,
            "cyclic link": cyclic_link,
            "nothing": nothing,
            "20 000 links": many_links(20_000),
        }.items()
    ),
    Fault("200 000 links", substituted(CURVE, many_links(200_000)), ("unsafe",), heavy=True),
    Fault("a group in itself", edited(looped), ("unsafe",)),
    Fault("a group in its own place", edited(looped_in_place), ("unsafe",)),
    Fault("groups 2000 deep", edited(nested), ("unsafe",)),
    Fault("a dataset for a group", edited(dataset_for_group), ("unsafe",)),
    Fault("a type for a group", edited(type_for_group), ("unsafe",)),
]


# What stands in the place of a dataset. The link is checked when the file is opened; the dataset's own header too where
# opening reads it (a run's config), otherwise when it is first used.


def raw_dataset(group: h5py.Group, name: str, kind: h5t.TypeID, shape: tuple[int, ...], plist: Any = None) -> Any:
    return h5d.create(group.id, name.encode(), kind, h5s.create_simple(shape), plist)


def a_group(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_group(name)


def a_type(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group[name] = like.dtype


def external_storage(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, like.dtype, external=[("/etc/passwd", 0, h5f.UNLIMITED)])


def virtual(group: h5py.Group, name: str, like: np.ndarray) -> None:
    layout = h5py.VirtualLayout(like.shape, like.dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "secret", like.shape)
    group.create_virtual_dataset(name, layout)


def chunked(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like, chunks=like.shape)


def huge_and_chunked(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, (2**42 // like.itemsize,), like.dtype, chunks=(2**20,), fillvalue=1)


def huge_and_empty(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, (2**42 // like.itemsize,), like.dtype, fillvalue=1)


def never_written(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, like.dtype, fillvalue=1)


def compressed(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like, compression="gzip")


def compressed_eight_times(group: h5py.Group, name: str, like: np.ndarray) -> None:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk(like.shape)
    for _ in range(8):
        plist.set_deflate(9)
    dataset = raw_dataset(group, name, h5t.py_create(like.dtype), like.shape, plist)
    dataset.write(h5s.ALL, h5s.ALL, like)


def unknown_filter(group: h5py.Group, name: str, like: np.ndarray) -> None:
    plist = h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk(like.shape)
    plist.set_filter(32_999, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    raw_dataset(group, name, h5t.py_create(like.dtype), like.shape, plist)


def text_of_any_length(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, h5py.string_dtype())


def text_of_fixed_length(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, f"S{like.itemsize}")


def lists_of_any_length(group: h5py.Group, name: str, like: np.ndarray) -> None:
    """1 MB of numbers, named again and again by every element."""
    dataset = group.create_dataset(name, (10_000,), h5py.vlen_dtype(np.float32))
    dataset[0] = np.zeros(2**18, np.float32)


def types_in_types(group: h5py.Group, name: str, like: np.ndarray) -> None:
    raw_dataset(group, name, nested_type(4000), like.shape)


def references(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, h5py.ref_dtype)


def opaque_pickle(group: h5py.Group, name: str, like: np.ndarray) -> None:
    """What would make a folder, were it unpickled."""

    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (f"{group.file.filename}.harm",)

    data = pickle.dumps(Harm())
    kind = h5t.create(h5t.OPAQUE, len(data))
    kind.set_tag(b"NUMPY:object")
    raw_dataset(group, name, kind, (1,)).write(h5s.ALL, h5s.ALL, np.frombuffer(data, f"V{len(data)}"), kind)


def big_endian(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like.astype(f">f{like.itemsize}" if like.dtype.kind == "f" else ">u2"))


def compound(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, like.shape, [("a", like.dtype)])


def enumeration(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=np.zeros(like.shape, bool))


def complex_numbers(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=np.zeros(like.shape, np.complex64))


def array_type(group: h5py.Group, name: str, like: np.ndarray) -> None:
    raw_dataset(group, name, h5t.array_create(h5t.py_create(like.dtype), (1,)), like.shape)


def odd_float(group: h5py.Group, name: str, like: np.ndarray) -> None:
    kind = h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    raw_dataset(group, name, kind, like.shape)


def odd_integer(group: h5py.Group, name: str, like: np.ndarray) -> None:
    kind = h5t.STD_U8LE.copy()
    kind.set_precision(5)
    raw_dataset(group, name, kind, like.shape)


def bit_field(group: h5py.Group, name: str, like: np.ndarray) -> None:
    raw_dataset(group, name, h5t.STD_B8LE, like.shape)


def other_shape(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like.reshape(-1, 1))


def growing(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like, maxshape=(None,) * like.ndim)


def no_shape(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=h5py.Empty(like.dtype))


def one_number(group: h5py.Group, name: str, like: np.ndarray) -> None:
    group.create_dataset(name, data=like.reshape(-1)[0])


def thirty_two_dimensions(group: h5py.Group, name: str, like: np.ndarray) -> None:
    raw_dataset(group, name, h5t.py_create(like.dtype), (1,) * 31 + like.shape[:1])


SUBSTITUTES: list[Substitute] = [
    a_group,
    a_type,
    external_storage,
    virtual,
    chunked,
    huge_and_chunked,
    huge_and_empty,
    never_written,
    compressed,
    compressed_eight_times,
    unknown_filter,
    text_of_any_length,
    text_of_fixed_length,
    lists_of_any_length,
    types_in_types,
    references,
    opaque_pickle,
    big_endian,
    compound,
    enumeration,
    complex_numbers,
    array_type,
    odd_float,
    odd_integer,
    bit_field,
    other_shape,
    growing,
    no_shape,
    one_number,
    thirty_two_dimensions,
]


def declared(place: str, fault: Substitute) -> Make:
    """A substitute that the manifest describes as it is: only how it is stored gives it away."""

    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        like = np.zeros(2**18, np.uint8)
        del group[name]
        fault(group, name, like)
        wrong = {"dtype": "uint8", "shape": list(group[name].shape), "sha256": sha256(like.tobytes()).hexdigest()}
        rewrite_manifest(file, lambda m: first(m, place).update(wrong))

    def make(path: Path) -> None:
        edit(path, change)
        with open(path, "ab") as file:
            file.truncate(path.stat().st_size + 2**43)  # a hole, so that there is room for all that is declared

    return make


STORED_ELSEWHERE: list[Substitute] = [
    external_storage,
    virtual,
    chunked,
    huge_and_chunked,
    huge_and_empty,
    never_written,
    compressed,
    compressed_eight_times,
    unknown_filter,
]

HEADERS = [
    *(
        Fault(
            f"{fault.__name__.replace('_', ' ')} for {place}",
            substituted(place, fault),
            ("unsafe", "damaged"),
            "open" if place in ("project", "config") else "read",
            says=place,
        )
        for fault in SUBSTITUTES
        for place in ("project", "config", CURVE, WEIGHT)
    ),
    *(
        Fault(
            f"{fault.__name__.replace('_', ' ')} for {place}, as the manifest says",
            declared(place, fault),
            ("unsafe", "damaged"),
            "open" if place == "config" else "read",
            says=place,
        )
        for fault in STORED_ELSEWHERE
        for place in ("config", WEIGHT)
    ),
]


# Records: the JSON of the project and of a run.


def record_text(place: str, text: bytes) -> Make:
    return edited(lambda file: replace_bytes(file, place, text))


def settings(**wrong: Any) -> Make:
    return rewritten("config", lambda r: r["config"].update(wrong))


def hole(place: str, size: int) -> Make:
    """A dataset of `size` bytes that take no room on the disk, as the manifest says; the checksum is wrong."""

    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        del group[name]
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5d.FILL_TIME_NEVER)
        raw_dataset(group, name, h5t.STD_U8LE, (size,), plist)
        rewrite_manifest(file, lambda m: first(m, place).update(dtype="uint8", shape=[size], sha256="0" * 64))

    return edited(change)


RECORDS = [
    *(
        Fault(f"record: {name}", rewritten(place, change), ("damaged",))
        for name, place, change in [
            ("no runs in order", "project", lambda r: r.update(order=[])),
            ("an unknown run in order", "project", lambda r: r.update(order=["nobody"])),
            ("a run twice in order", "project", lambda r: r["order"].append(r["order"][0])),
            ("saves as text", "project", lambda r: r.update(saves="many")),
            ("no id", "project", lambda r: r.pop("id")),
            ("half a surrogate", "project", lambda r: r.update(notes="\ud800")),
            ("unknown status", "config", lambda r: r.update(status="exploded")),
            ("a number for a name", "config", lambda r: r.update(name=3)),
            ("no config", "config", lambda r: r.pop("config")),
            ("half a parent", "config", lambda r: r.update(parent=["x"])),
            ("one thing more", "config", lambda r: r.update(extra=1)),
            ("half a surrogate in settings", "config", lambda r: r["config"].update(family="\udc00")),
            ("NaN in settings", "config", lambda r: r["config"].update(model={"scale": float("nan")})),
            ("infinity in settings", "config", lambda r: r["config"].update(model={"scale": -float("inf")})),
        ]
    ),
    Fault(
        "record: settings 100 000 deep", record_text("config", b'{"a":' * 100_000 + b"0" + b"}" * 100_000), ("damaged",)
    ),
    Fault("record: settings cut off", record_text("config", b'{"a":' * 100_000), ("damaged",)),
    Fault("record: a number of 5000 digits", record_text("config", b'{"a":' + b"9" * 5000 + b"}"), ("damaged",)),
    Fault("record: settings of 40 MB", settings(model={"text": "x" * 40_000_000}), ("unsafe",)),
    Fault("record: settings of 10 million lists", record_text("config", b"[" + b"[]," * 10**7 + b"0]"), ("unsafe",)),
    Fault("record: 4 TB of nothing", hole("config", 2**42), ("unsafe",), says="config"),
    Fault("record: 64 MB of nothing", hole("project", 2**26), ("unsafe",), says="project"),
]


# The skeletons that put a state or a report together from datasets.


def skeleton(change: Callable[[Any], object]) -> Make:
    return rewritten("checkpoints/10/tree.json", change)


def below(node: Any, *keys: str) -> Any:
    """The node of a skeleton under these keys."""
    for key in keys:
        node = next(value for name, value in node["dict"] if name == key)
    return node


def weight(**wrong: Any) -> Make:
    return skeleton(lambda tree: below(tree, "model", "encoder.0.weight").update(wrong))


def scale(wrong: Any) -> Make:
    """Put something else in the place of a tensor with one element."""

    def change(tree: Any) -> None:
        node = below(tree, "model", "log_scale")
        node.clear()
        node.update(wrong)

    return skeleton(change)


def tensor_missing(file: h5py.File) -> None:
    group, name = parent_of(file, WEIGHT)
    path = group[name].name.strip("/")
    del group.parent[group.name]
    rewrite_manifest(file, lambda m: m["datasets"].pop(path))


def tensor_extra(file: h5py.File) -> None:
    group, name = parent_of(file, WEIGHT)
    group["more"] = group[name][()]
    base = group.name.strip("/")
    rewrite_manifest(file, lambda m: m["datasets"].update({f"{base}/more": m["datasets"][f"{base}/{name}"]}))


def one_tensor_many_times(tree: Any) -> None:
    node = below(tree, "model", "encoder.0.weight")
    tree["dict"].append(["again", [node] * 100_000])


def exchanged(file: h5py.File) -> None:
    """The same tensors, each under the other's name."""
    group, name = parent_of(file, WEIGHT)
    one, other = group[name], run_of(file)["checkpoints/20/model"][name]
    values = one[()], other[()]
    one[...], other[...] = values[1], values[0]


TREES = [
    Fault("tensor missing", edited(tensor_missing), ("damaged",), "read", says="encoder.0.weight"),
    Fault("tensor extra", edited(tensor_extra), ("damaged",), "read", says="model/more"),
    Fault("tensors exchanged", edited(exchanged), ("damaged",), "read", says=WEIGHT),
    *(
        Fault(f"skeleton: {name}", make, ("damaged",), "read", says="tree.json")
        for name, make in {
            "a tensor elsewhere": weight(at="../project"),
            "a tensor nowhere": weight(at=None),
            "a tensor of unknown type": weight(tensor="float8"),
            "a tensor of another type": weight(tensor="int64"),
            "dimensions that do not exist": weight(strides=[0, 7]),
            "one dimension twice": weight(strides=[0, 0]),
            "dimensions beyond 64 bits": weight(strides=[2**70, 0]),
            "a shape for no data": scale({"tensor": "float32", "shape": [2**40, 2**40], "hex": ""}),
            "data that is not hexadecimal": scale({"tensor": "float32", "shape": [], "hex": "xyzt"}),
            "half a number": scale({"tensor": "float32", "shape": [], "hex": "00"}),
            "an array of objects": scale({"array": "O", "shape": [], "hex": "00" * 8}),
            "an array of records": scale({"array": {"names": ["a"], "formats": ["f4"], "offsets": [2**70]}, "at": "x"}),
            "an array of 10^18 bytes": scale({"array": f"V{10**18}", "shape": [0], "hex": ""}),
            "a word for a number": scale({"float": "many"}),
            "a number beyond floats": scale({"float": 10**400}),
            "a list for a key": scale({"dict": [[[1], 2]]}),
            "a key without a value": scale({"dict": [["a"]]}),
            "a number for a dict": scale({"dict": 3}),
            "a thing of no kind": scale({"object": "os.system"}),
            "100 000 tuples in each other": record_text(
                "checkpoints/10/tree.json", b'{"tuple":[' * 100_000 + b"]}" * 100_000
            ),
            "one tensor 100 000 times": skeleton(one_tensor_many_times),
        }.items()
    ),
    Fault("skeleton: 4 TB of nothing", hole("checkpoints/10/tree.json", 2**42), ("unsafe",), "read", says="tree.json"),
    Fault("4 TB of nothing", hole(WEIGHT, 2**42), ("unsafe",), "read", says=WEIGHT),
]


# Damage.


def cut(part: int) -> Make:
    def make(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * part // 50])

    return make


def longer(path: Path) -> None:
    """Where the file says how long it is, it says 2^50."""
    content = path.read_bytes()
    path.write_bytes(content.replace(len(content).to_bytes(8, "little"), (2**50).to_bytes(8, "little")))


def one_bit(path: Path) -> None:
    with h5py.File(path) as file:
        group, name = parent_of(file, WEIGHT)
        offset = group[name].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


DAMAGES = [
    *(Fault(f"cut to {part}/50", cut(part), ("empty", "truncated", "damaged", "foreign")) for part in range(50)),
    Fault("longer than it is", longer, ("truncated", "damaged")),
    Fault("one bit of a weight", one_bit, ("damaged",), "read", says=WEIGHT),
]


# What must be read as it was written.


def followed_by(junk: bytes) -> Make:
    def make(path: Path) -> None:
        with open(path, "ab") as file:
            file.write(junk)

    return make


def followed_by_a_hole(path: Path) -> None:
    os.truncate(path, 2**42)


def within_its_header(group: h5py.Group, name: str, like: np.ndarray) -> None:
    compact = h5p.create(h5p.DATASET_CREATE)
    compact.set_layout(h5d.COMPACT)
    raw_dataset(group, name, h5t.py_create(like.dtype), like.shape, compact).write(h5s.ALL, h5s.ALL, like)


def attributes_on(place: str) -> Make:
    def change(file: h5py.File) -> None:
        group, name = parent_of(file, place)
        group[name].attrs["harm"] = np.void(pickle.dumps(os.mkdir))
        for i in range(1000):
            h5a.create(group[name].id, b"a%d" % i, h5t.STD_I8LE, h5s.create(h5s.SCALAR))

    return edited(change)


def spaced_manifest(file: h5py.File) -> None:
    value = json.loads(file["manifest"][()].tobytes())
    replace_manifest(file, json.dumps(value, indent=2).encode())


ACCEPTED = [
    Fault("junk behind it", followed_by(b"junk" * 1000), ()),
    Fault("another project behind it", lambda path: followed_by(path.read_bytes())(path), ()),
    Fault("4 TB of nothing behind it", followed_by_a_hole, ()),
    Fault("a curve within its header", substituted(CURVE, within_its_header), ()),
    Fault("1000 attributes on a dataset", attributes_on(WEIGHT), ()),
    Fault("1000 attributes on a group", attributes_on("metrics"), ()),
    Fault("a manifest with spaces", edited(spaced_manifest), ()),
]
