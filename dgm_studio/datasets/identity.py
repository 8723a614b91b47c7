"""Whether data is still the data a run was made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgm_studio.datasets.base import Dataset


def same_data(stored: Mapping[str, Any], dataset: Dataset) -> str | None:
    """None if `dataset` is the one whose provenance a project file holds as `stored`, else a sentence that says what
    changed. That files lie elsewhere, with the same content, is no change; a run without a record is not compared."""
    if not stored:
        return None
    now = dataset.provenance
    before = {Path(path).name: digest for path, digest in stored.get("files", ())}
    after = {Path(path).name: digest for path, digest in now.files}
    findings = (
        ("changed", [name for name in before if name in after and before[name] != after[name]]),
        ("went missing", [name for name in before if name not in after]),
        ("came to it", [name for name in after if name not in before]),
    )
    differences = [f"{', '.join(names)} {what}" for what, names in findings if names]
    if differences:
        reason = f"{' and '.join(differences)} since this run was made"
    elif stored.get("fingerprint", now.fingerprint) == now.fingerprint:
        return None
    else:
        old_steps, steps = list(stored.get("steps", ())), list(now.steps)
        different = [new for new in steps if new not in old_steps] or [old for old in old_steps if old not in steps]
        if different:
            reason = f"it is prepared differently ({'; '.join(different)})"
        else:
            reason = "the same settings give other values here, perhaps by another version of PyTorch or NumPy"
    title = stored.get("title") or now.title
    return (
        f"{title} is not the data this run was made with: {reason}. The run is as it was; to train it further, restore "
        f"its data, or start a new run with what is there now."
    )
