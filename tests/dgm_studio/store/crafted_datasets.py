"""Links, groups and datasets that no project has."""

from __future__ import annotations

import os
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from crafting import (
    CURVE,
    WEIGHT,
    Fault,
    Make,
    Substitute,
    edit,
    edited,
    first,
    nested_type,
    parent_of,
    raw_dataset,
    rewrite_manifest,
    run_of,
    substituted,
)
from h5py import h5f, h5p, h5s, h5t

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
    raw_dataset(group, name, nested_type(2500), like.shape)


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
            heavy=fault is types_in_types,
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
