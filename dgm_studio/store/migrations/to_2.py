"""Format 2: a run has tags, findings and an origin, and a deleted one stays until it is removed for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dgm_studio.store import format as fmt
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.reading import Stored, locate_together
from dgm_studio.store.saving import Item
from dgm_studio.store.trees import document_of

NEW: dict[str, Any] = {"tags": [], "findings": [], "deleted": "", "origin": None}


def migrate(items: dict[str, Item]) -> dict[str, Item]:
    """Records that cannot be read stay as they are: opening says what is wrong with them."""
    records = {place: item for place, item in items.items() if place.startswith("runs/") and place.count("/") == 2}
    records = {place: item for place, item in records.items() if place.endswith("/config")}
    locate_together(item for item in records.values() if isinstance(item, Stored))
    return items | {place: _with_new_fields(item) for place, item in records.items()}


def _with_new_fields(item: Item) -> Item:
    try:
        record = document_of(item, Path(), "")
        return fmt.document(record | NEW) if isinstance(record, dict) else item
    except (ProjectError, ValueError):
        return item
