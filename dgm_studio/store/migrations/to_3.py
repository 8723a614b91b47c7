"""Format 3: a run says which states somebody asked to keep, and each part of a state is one dataset."""

from __future__ import annotations

from dgm_studio.store.saving import Item


def migrate(items: dict[str, Item]) -> dict[str, Item]:
    """Records without the new field mean that nothing was demanded, and unpacked states are still read."""
    return items
