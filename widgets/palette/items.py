"""What the palette offers, and in which order it stands for what was typed. Knows nothing of Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from widgets.palette.matching import Match, Text, match_all

RECENT = 12  # that are remembered
RECENTLY, KIND, CANNOT = 60.0, 4.0, 300.0  # what recent use adds, each place of the kind's order takes, and what fails


@dataclass(frozen=True, eq=False)
class Item:
    """Something to choose. `key` is what is remembered of it, `also` are words that find it as well; with `why_not` it
    is shown but cannot be chosen. `take(text)` makes of a value that was typed after the title what would set it, or
    nothing where the text is no such value."""

    kind: str
    title: str
    do: Callable[[], None]
    key: str = ""
    about: str = ""
    shortcut: str = ""
    icon: str = ""
    also: str = ""
    why_not: str = ""
    take: Callable[[str], Item | None] | None = None

    @property
    def name(self) -> str:
        """What is remembered of it."""
        return f"{self.kind}/{self.key or self.title}"


class Found(NamedTuple):
    """An item as it is shown: which letters of its title matched."""

    item: Item
    letters: frozenset[int] = frozenset()


class Shelf:
    """The items, ready to be searched. `recent`: names of those that were used lately, the newest first."""

    def __init__(self, items: Iterable[Item], recent: Sequence[str] = ()) -> None:
        self._items = list(items)
        self._texts = [Text(item.title, f"{item.kind} {item.also}") for item in self._items]
        kinds = {kind: place for place, kind in enumerate(dict.fromkeys(item.kind for item in self._items))}
        lately = {name: RECENTLY * (1 - place / (2 * RECENT)) for place, name in enumerate(recent[:RECENT])}
        self._extra = [
            lately.get(item.name, 0.0) - KIND * kinds[item.kind] - (CANNOT if item.why_not else 0.0)
            for item in self._items
        ]
        self._lately = lately

    def __len__(self) -> int:
        return len(self._items)

    def find(self, query: str) -> list[Found]:
        """What matches, the best first; without a query everything, what was used lately first."""
        words = query.casefold().replace("=", " ").split()
        if not words:
            return self._all()
        found: list[tuple[float, int, int, Match, Item]] = []
        for place, (item, text) in enumerate(zip(self._items, self._texts, strict=True)):
            match = match_all(text, words)
            if match is not None:
                found.append((match.score + self._extra[place], -len(item.title), -place, match, item))
            elif item.take is not None and len(words) > 1:
                taken = self._take(item, text, query.replace("=", " ").split())
                if taken is not None:
                    shown, match = taken
                    extra = self._extra[place] - (CANNOT if shown.why_not else 0.0)
                    found.append((match.score + extra, -len(shown.title), -place, match, shown))
        found.sort(reverse=True)  # places differ, so that nothing behind them is compared
        return [Found(item, match.letters) for *_, match, item in found]

    def _all(self) -> list[Found]:
        def order(place: int) -> tuple[float, bool]:
            item = self._items[place]
            return -self._lately.get(item.name, 0.0), bool(item.why_not)

        return [Found(self._items[place]) for place in sorted(range(len(self._items)), key=order)]

    @staticmethod
    def _take(item: Item, text: Text, words: list[str]) -> tuple[Item, Match] | None:
        """The item with the last words as its value, as few of them as can be."""
        assert item.take is not None
        for named in range(len(words) - 1, 0, -1):
            match = match_all(text, [word.casefold() for word in words[:named]])
            if match is not None and match.letters:
                shown = item.take(" ".join(words[named:]))
                return (replace(shown, kind=item.kind, key=item.key), match) if shown is not None else None
        return None


def used(recent: Sequence[str], name: str) -> list[str]:
    """What was used lately, after `name` was used."""
    return [name, *(other for other in recent if other != name)][:RECENT]
