"""Whether data is still the data a run was made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgm_studio.datasets.base import Dataset


def same_data(stored: Mapping[str, Any], dataset: Dataset) -> str | None:
    """None if `dataset` is the one whose provenance a project file holds as `stored`, else a sentence that says what
    changed, in either domain. That files lie elsewhere or have other names, with the same content, is no change; a run
    without a record is not compared."""
    first = _same(stored, dataset)
    other = stored.get("other") if stored else None
    if first is None and dataset.other is not None and isinstance(other, Mapping):
        return _same(other, dataset.other)
    return first


def _same(stored: Mapping[str, Any], dataset: Dataset) -> str | None:
    if not stored:
        return None
    now = dataset.provenance
    before, after = _files(stored.get("files")), now.files
    steps = _texts(stored.get("steps"))
    reason = _changed(before, after)
    if reason:
        reason = f"{reason} since this run was made"
        old, new = next(((a, b) for a, b in zip(steps, now.steps, strict=False) if a != b), ("", ""))
        if old:
            reason = f"{reason} (then: {old}; now: {new})"
    elif stored.get("fingerprint", now.fingerprint) == now.fingerprint:
        return None
    else:
        different = [new for new in now.steps if new not in steps] or [old for old in steps if old not in now.steps]
        if different:
            reason = f"it is prepared differently ({'; '.join(different)})"
        else:
            reason = "the same settings give other values here, perhaps by another version of PyTorch or NumPy"
    title = stored.get("title") or now.title
    return (
        f"{title} is not the data this run was made with: {reason}. The run is as it was; to train it further, "
        f"{_restore(before)}, or start a new run with what is there now."
    )


def _changed(before: tuple[tuple[str, str], ...], after: tuple[tuple[str, str], ...]) -> str:
    """Which files differ, by name; nothing if every content is there as it was."""
    if sorted(digest for _, digest in before) == sorted(digest for _, digest in after):
        return ""
    old = {Path(path).name: digest for path, digest in before}
    new = {Path(path).name: digest for path, digest in after}
    findings = (
        ("changed", [name for name in old if name in new and old[name] != new[name]]),
        ("went missing", [name for name in old if name not in new and old[name] not in new.values()]),
        ("came to it", [name for name in new if name not in old and new[name] not in old.values()]),
    )
    return " and ".join(f"{', '.join(names)} {what}" for what, names in findings if names)


def _restore(before: tuple[tuple[str, str], ...]) -> str:
    """What to do, with the place where the data was."""
    folders = sorted({str(Path(path).parent) for path, _ in before if Path(path).is_absolute()})
    return f"put back what was in {folders[0]}" if folders else "restore its data"


def _files(value: Any) -> tuple[tuple[str, str], ...]:
    """(path, checksum) of each file, as far as the record of a project from elsewhere holds such pairs."""
    pairs = [tuple(pair) for pair in value if isinstance(pair, list | tuple)] if isinstance(value, list | tuple) else []
    return tuple(pair for pair in pairs if len(pair) == 2 and all(isinstance(part, str) for part in pair))


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []
