"""Manifests that no project has, with right checksums."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np
from crafting import CURVE, Fault, Make, edited, first, relisted, replace_manifest


def manifest_text(*text: tuple[int, bytes]) -> Make:
    """`text`: pieces, and how often each is repeated; some are as long as 33 MB, so they are put together late."""
    return edited(lambda file: replace_manifest(file, b"".join(number * piece for number, piece in text)))


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
        Fault(f"manifest {name}", manifest_text(*text), (*MANIFEST_CODES, "unsafe"))
        for name, text in {
            "empty": [(1, b"")],
            "a list": [(1, b"[]")],
            "without datasets": [(1, b"{}")],
            "with datasets as a list": [(1, b'{"datasets":[],"versions":{}}')],
            "cut off": [(50_000, b"{")],
            "with NaN": [(1, b'{"datasets":{"a":NaN}}')],
            "no UTF-8": [(1, b"\xff")],
            "in UTF-16": [(1, '{"datasets":{},"versions":{}}'.encode("utf-16"))],
            "of 5 million lists": [(1, b"["), (5 * 10**6, b"[],"), (1, b"0]")],
            "of 5 million dicts": [(1, b"["), (5 * 10**6, b"{},"), (1, b"0]")],
            "of half a million dicts": [(1, b"["), (5 * 10**5, b"{},"), (1, b"0]")],
            "of 3 million texts": [(1, b"["), (3 * 10**6, b'"ab",'), (1, b"0]")],
            "of 2 million texts": [(1, b"["), (2 * 10**6, b'"ab",'), (1, b"0]")],
            "of 17 MB": [(17 * 2**20, b" ")],
            "of lists 100 000 deep": [(10**5, b"["), (10**5, b"]")],
            "of many deep lists": [(1, b"["), (20_000, b"[" * 400 + b"]" * 400 + b","), (1, b"0]")],
        }.items()
    ),
    Fault("a manifest of 100 000 entries", edited(many_entries), ("unsafe",), heavy=True),
    *(
        Fault(f"hostile name: {name}", listed(text), ("unsafe", "manifest", "damaged"))
        for name, text in HOSTILE_NAMES.items()
    ),
    *(
        Fault(f"entry with {name}", entry(**wrong), ("unsafe", "manifest", "damaged"))
        for name, wrong in WRONG_ENTRIES.items()
    ),
]
