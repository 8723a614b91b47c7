"""Numbers and formulas as a person reads them: counts, sizes, shares and times, in the signs that a book has."""

from __future__ import annotations

import re

from models.signs import raised

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
THIN = "\N{NARROW NO-BREAK SPACE}"
_POWER = re.compile(r"(\d+(?:\.\d+)?)[eE]([+-]?\d+)")
_INDEX = re.compile(r"\bz(\d+)\b")
_NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\d)")
_WHOLE = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d{5,})(?!\w|,\d)")
_PERCENT = re.compile(r"(?<=\d) ?%")


def thousands(number: float) -> str:
    """A whole number with thin spaces between groups of three."""
    return f"{number:,.0f}".replace(",", THIN)


def bytes_text(count: float) -> str:
    """So many bytes in a unit that keeps the number small: 524 kB, 1.2 MB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if round(count) < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "bytes" or round(count, 1) >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def percent(share: float, decimals: int = 0) -> str:
    """A share of 1, with a space that does not break."""
    return f"{100 * share:.{decimals}f}\u00a0%"


def duration(seconds: float) -> str:
    """A time as a person says it: 1.4 s, 48 s, 3 min 20 s, 2 h 5 min."""
    if seconds == float("inf"):
        return "—"
    if 0 < seconds < 0.05:
        return "under 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{thousands(whole // 3600)} h {whole % 3600 // 60} min"


def rate(steps_per_second: float) -> str:
    """Steps per second, with figures that matter."""
    return f"{thousands(steps_per_second) if steps_per_second >= 10 else format(steps_per_second, '.2g')} it/s"


def _grouped(number: int) -> str:
    """As `thousands`, from five figures on: protocols name four as 1439."""
    return thousands(number) if number >= 10_000 else str(number)


def typeset(text: str) -> str:
    """A sentence with its numbers as a book has them: −0.06, 12 345 and 5 %, of which no line breaks one. What
    stands between letters and digits, as in a checksum, stays as it is."""
    text = _NEGATIVE.sub("−", text)
    text = _WHOLE.sub(lambda found: _grouped(int(found[0].replace(",", ""))), text)
    return _PERCENT.sub("\N{NO-BREAK SPACE}%", text)


def reindexed(text: str) -> str:
    """A text in which an older studio named coordinates of codes: its z15 is `indexed("z", 14)`."""
    return _INDEX.sub(lambda found: indexed("z", int(found[1]) - 1), text)


def power(value: float, figures: int = 2) -> str:
    """A number that is very large or very small: 1.8 × 10⁻⁵."""
    return signed(f"{value:.{figures - 1}e}")


def indexed(letter: str, place: int) -> str:
    """One of several things of a name, counted from 1 as in the field: that at place 14 of z is z₁₅."""
    return f"{letter}{place + 1}".translate(SUBSCRIPTS)


def signed(text: str) -> str:
    """A formula as typed, with a true minus sign, a dot for times, and 10⁻⁶ instead of 1e-6."""

    def written(found: re.Match[str]) -> str:
        ten = raised(10, int(found[2]))
        return ten if found[1] == "1" else f"{found[1]} × {ten}"

    return _POWER.sub(written, text).replace("-", "−").replace("*", "·")
