"""Records and skeletons that make no sense, with right checksums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
from crafting import (
    WEIGHT,
    Fault,
    Make,
    edited,
    first,
    parent_of,
    raw_dataset,
    replace_bytes,
    rewrite_manifest,
    rewritten,
    run_of,
)
from h5py import h5d, h5p, h5t

# Records: the JSON of the project and of a run.


def record_text(place: str, *text: tuple[int, bytes]) -> Make:
    """`text`: pieces, and how often each is repeated; some are as long as 40 MB, so they are put together late."""
    return edited(lambda file: replace_bytes(file, place, b"".join(number * piece for number, piece in text)))


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
    *(
        Fault(f"record: {name}", record_text("config", *text), (code,))
        for name, code, text in [
            ("settings 100 000 deep", "damaged", [(10**5, b'{"a":'), (1, b"0"), (10**5, b"}")]),
            ("settings cut off", "damaged", [(10**5, b'{"a":')]),
            ("a number of 5000 digits", "damaged", [(1, b'{"a":'), (5000, b"9"), (1, b"}")]),
            ("settings of 40 MB", "unsafe", [(1, b'{"a":"'), (40 * 10**6, b"x"), (1, b'"}')]),
            ("settings of 10 million lists", "unsafe", [(1, b"["), (10**7, b"[],"), (1, b"0]")]),
        ]
    ),
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
                "checkpoints/10/tree.json", (10**5, b'{"tuple":['), (10**5, b"]}")
            ),
            "one tensor 100 000 times": skeleton(one_tensor_many_times),
        }.items()
    ),
    Fault("skeleton: 4 TB of nothing", hole("checkpoints/10/tree.json", 2**42), ("unsafe",), "read", says="tree.json"),
    Fault("4 TB of nothing", hole(WEIGHT, 2**42), ("unsafe",), "read", says=WEIGHT),
]
