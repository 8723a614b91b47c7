"""In which line of a TOML text each key stands. Python's reader checks the text, but does not say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

Place = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(?P<open>\[\[?)\s*(?P<keys>[^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*(?P<keys>[\w.\"' -]+?)\s*=")


class Positions:
    """`line_of` a place: the keys that lead to a value, and numbers of entries of `[[tables]]`."""

    def __init__(self, text: str, after: int = 0) -> None:
        """`text` must be TOML that can be read; `after` lines stand before it."""
        self._first = after + 1
        self._lines: dict[Place, int] = {(): self._first}
        counts: Counter[Place] = Counter()
        table: Place = ()
        for number, line in enumerate(text.splitlines(), self._first):
            header, key = _HEADER.match(line), _KEY.match(line)
            if header:
                table = _split(header["keys"])
                if header["open"] == "[[":
                    counts[table] += 1
                    table = (*table, counts[table] - 1)
                self._lines.setdefault(table, number)
            elif key:
                self._lines.setdefault((*table, *_split(key["keys"])), number)

    def line_of(self, place: Sequence[str | int]) -> int:
        """The line of this place, or of the nearest around it that has one."""
        for end in range(len(place), 0, -1):
            found = self._lines.get(tuple(place[:end]))
            if found is not None:
                return found
        return self._first


def _split(keys: str) -> Place:
    return tuple(key.strip().strip("\"'") for key in keys.split("."))
