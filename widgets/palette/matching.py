"""Whether and how well typed letters match a text. Knows nothing of Qt.

A word of the query matches a text, best first: as its beginning, as the beginning of one of its words, as initials
("lr" for Learning rate), within it, as beginnings of several words ("lera"), or with other letters between its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# Scores, which leave room between them for what tells two matches of one kind apart.
WHOLE, BEGINS, WORD, INITIALS, WITHIN, WORDS, SCATTERED, ASIDE = 1100, 1000, 800, 700, 500, 400, 120, 90
SHORTEST = 3  # letters of a word that may match in scattered places, or within what is not shown


class Match(NamedTuple):
    """How well it matches, and which letters of the text did."""

    score: float
    letters: frozenset[int] = frozenset()


class Text:
    """A text made ready to be searched. `aside` finds it as well, below everything that stands in the text itself."""

    __slots__ = ("_aside", "_initials", "_lower", "_starts")

    def __init__(self, text: str, aside: str = "") -> None:
        # sign by sign, because casefold() of some is longer and letters are told by their places
        self._lower = "".join(folded if len(folded := sign.casefold()) == 1 else sign for sign in text)
        self._starts = list(_starts(text))
        self._initials = "".join(self._lower[start] for start in self._starts)
        self._aside = f" {aside.casefold()}"

    def match(self, word: str) -> Match | None:
        """How one word, in small letters, matches; None if it does not."""
        lower, size = self._lower, len(word)
        place = lower.find(word)
        if place == 0:
            return Match(WHOLE if size == len(lower) else BEGINS, frozenset(range(size)))
        if place > 0:
            for start in self._starts:
                if lower.startswith(word, start):
                    return Match(WORD - start, frozenset(range(start, start + size)))
        if size > 1 and (first := self._initials.find(word)) >= 0:
            return Match(INITIALS - 10 * first, frozenset(self._starts[first : first + size]))
        if place > 0:
            return Match(WITHIN - place, frozenset(range(place, place + size)))
        if scattered := self._scattered(word):
            if size > 1 and (letters := self._beginnings(word, 0, 0)):
                return Match(WORDS - len(lower) / 10, frozenset(letters))
            spread = scattered[-1] - scattered[0] - size
            if size >= SHORTEST and spread <= 4 * size:
                return Match(SCATTERED - 2 * spread, frozenset(scattered))
        if f" {word}" in self._aside:
            return Match(ASIDE)
        return Match(ASIDE / 2) if size >= SHORTEST and word in self._aside else None

    def _scattered(self, word: str) -> list[int]:
        """The first places of the letters in their order, or none."""
        places, place = [], -1
        for letter in word:
            place = self._lower.find(letter, place + 1)
            if place < 0:
                return []
            places.append(place)
        return places

    def _beginnings(self, word: str, done: int, which: int) -> list[int]:
        """Places of the rest of the word where it falls into beginnings of words of the text, or none."""
        for number in range(which, len(self._starts)):
            start, size = self._starts[number], 0
            while done + size < len(word) and self._lower[start + size : start + size + 1] == word[done + size]:
                size += 1
            for taken in range(size, 0, -1):
                here = list(range(start, start + taken))
                if done + taken == len(word):
                    return here
                rest = self._beginnings(word, done + taken, number + 1)
                if rest:
                    return here + rest
        return []


def match_all(text: Text, words: list[str]) -> Match | None:
    """How well a text matches when each of the words has to; None if one does not."""
    if len(words) == 1:
        return text.match(words[0])
    score, letters = 0.0, frozenset[int]()
    for word in words:
        found = text.match(word)
        if found is None:
            return None
        score += found.score
        letters |= found.letters
    return Match(score / max(1, len(words)), letters)


def _starts(text: str) -> Iterator[int]:
    """Where words begin: after what is no letter or digit, and at a capital after a small letter."""
    before = " "
    for place, sign in enumerate(text):
        if sign.isalnum() and (not before.isalnum() or (sign.isupper() and before.islower())):
            yield place
        before = sign
