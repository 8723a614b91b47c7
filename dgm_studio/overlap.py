"""How much of a text stands word for word in another: what a model of text has learned by heart."""

from __future__ import annotations

from collections.abc import Iterable

END = "\0"  # between examples: stands in no text


def joined(examples: Iterable[str]) -> str:
    """Examples as one text to be searched, in which nothing is found across two of them."""
    return END.join(examples)


def longest_overlap(text: str, within: str) -> tuple[int, int]:
    """Where the longest part of `text` that also stands in `within` begins, and its length; the first of equals.

    Each of at most 2 len(text) searches either lengthens what is found or moves its beginning.
    """
    best, length = 0, 0
    for begin in range(len(text)):
        while begin + length < len(text) and text[begin : begin + length + 1] in within:
            best, length = begin, length + 1
    return best, length
