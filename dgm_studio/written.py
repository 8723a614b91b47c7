"""Sequences of symbols as text, where every symbol is written with one character."""

from __future__ import annotations

import numpy as np

BETWEEN = "-" * 8  # a line of it ends each example in a file


def is_text(symbols: tuple[str, ...]) -> bool:
    """Whether sequences of these symbols can be read: each is one character, and there are letters among them."""
    return all(len(symbol) == 1 for symbol in symbols) and any(symbol.isalpha() for symbol in symbols)


def written(x: np.ndarray, symbols: tuple[str, ...]) -> list[str]:
    """Each row of symbol numbers (n, T) as a text. Numbers beyond the symbols are an IndexError."""
    table = np.array(symbols, dtype=object)
    return ["".join(row) for row in table[x.astype(np.int64).reshape(len(x), -1)]]


def listed(x: np.ndarray, symbols: tuple[str, ...]) -> str:
    """All rows as one text, for a file."""
    return "".join(f"{text}\n{BETWEEN}\n" for text in written(x, symbols))
