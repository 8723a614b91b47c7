"""Numbers and formulas in the signs that a book has."""

from __future__ import annotations

import re

SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_POWER = re.compile(r"(\d+(?:\.\d+)?)[eE]([+-]?\d+)")


def power(value: float, figures: int = 2) -> str:
    """A number that is very large or very small: 1.8 × 10⁻⁵."""
    return signed(f"{value:.{figures - 1}e}")


def indexed(letter: str, place: int) -> str:
    """One of several things of a name, counted from 1 as in the field: that at place 14 of z is z₁₅."""
    return f"{letter}{place + 1}".translate(SUBSCRIPTS)


def signed(text: str) -> str:
    """A formula as typed, with a true minus sign, a dot for times, and 10⁻⁶ instead of 1e-6."""

    def written(found: re.Match[str]) -> str:
        ten = f"10{str(int(found[2])).translate(SUPERSCRIPTS)}"
        return ten if found[1] == "1" else f"{found[1]} × {ten}"

    return _POWER.sub(written, text).replace("-", "−").replace("*", "·")
