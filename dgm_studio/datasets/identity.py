"""Whether data is still the data a run was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgm_studio.datasets.base import Dataset


def describe(dataset: Dataset) -> dict[str, Any]:
    """What a project file keeps about its data: plain values that `same_data` compares later."""
    provenance = dataset.provenance
    return {
        "title": provenance.title,
        "files": [list(pair) for pair in provenance.files],
        "steps": list(provenance.steps),
        "licence": provenance.licence,
        "sizes": [len(dataset.train), len(dataset.valid), len(dataset.test)],
        "event_shape": list(dataset.spec.event_shape),
        "fingerprint": fingerprint(dataset),
    }


def fingerprint(dataset: Dataset) -> str:
    """sha256 over every value and label of the three parts, in order, as a run sees them."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.valid, dataset.test):
        for tensor in (split.x, split.y):
            array = tensor.contiguous().numpy()
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(array.data)
    return digest.hexdigest()


def same_data(stored: Mapping[str, Any], dataset: Dataset) -> str | None:
    """None if `dataset` is what `describe` returned `stored` for, else a sentence that says what changed. That a file
    lies elsewhere, with the same content, is no change."""
    now = describe(dataset)
    if stored.get("fingerprint") == now["fingerprint"]:
        return None
    title = stored.get("title") or now["title"]
    before, after = ({Path(path).name: digest for path, digest in d.get("files", ())} for d in (stored, now))
    changed = [name for name in before if name in after and before[name] != after[name]]
    gone, new = [name for name in before if name not in after], [name for name in after if name not in before]
    if changed or gone or new:
        sentences = [
            f"{', '.join(names)} {verb}"
            for names, verb in ((changed, "changed"), (gone, "went missing"), (new, "came to it"))
            if names
        ]
        what = f"{' and '.join(sentences)} since this run was made"
    elif stored.get("sizes") != now["sizes"] or stored.get("event_shape") != now["event_shape"]:
        was, is_now = ("/".join(map(str, d.get("sizes", ()))) for d in (stored, now))
        what = f"its parts had {was} examples, and have {is_now} of shape {tuple(now['event_shape'])} now"
    elif stored.get("steps") != now["steps"]:
        what = "its files are the same, but they are prepared differently"
    else:
        what = "the same settings give other values here, perhaps by another version of PyTorch or NumPy"
    return (
        f"{title} is not the data this run was made with: {what}. Its figures stay; do not continue it with this data."
    )
