"""Powers in sentences, in the signs that a book has."""

from __future__ import annotations

SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def raised(base: int, exponent: int) -> str:
    """For a sentence: 2¹⁰, 10⁻⁶."""
    return f"{base}{str(exponent).translate(SUPERSCRIPTS)}"
