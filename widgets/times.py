"""Stored times (ISO, UTC) as a person reads them, in the local time zone."""

from __future__ import annotations

from datetime import datetime


def at(stored: str, now: datetime | None = None) -> str:
    """ "today at 14:03", "yesterday at 14:03" or "on 3 March 2026 at 14:03"; empty for what is no time."""
    try:
        when = datetime.fromisoformat(stored).astimezone()
    except ValueError:
        return ""
    days = ((now or datetime.now().astimezone()).date() - when.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"on {when.day} {when:%B %Y}")
    return f"{day} at {when:%H:%M}"
