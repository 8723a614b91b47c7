"""Equations: LaTeX set as a drawing (SVG), of no size and no colour of its own. No Qt here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape

SIZE = 48  # units of a drawing that are 1 em: fine enough for the three decimals that ziamath writes
X_HEIGHT = 0.467  # em: the height of an x in its letters (STIX Two Math), by which they match the text around

ENVIRONMENTS = ("aligned", "cases", "matrix", "pmatrix")  # others would silently be left out
_BOX = re.compile(r'width="\S+" height="\S+" viewBox="(\S+) (\S+) (\S+) (\S+)"')
_PATH, _BAR = re.compile(r' d="([^"]*)"'), re.compile(r'<rect x="(\S+)" \S+ width="(\S+)"')
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


# What the converter says and does not mean: \sim is a relation and no accent, a minus that begins something is no
# difference, a function's name stands close to a bracket, and lines of several equations not close to each other.
_OPENS = r"(<mo[^>]*>(?:\(|\[|&#x00028;|&#x0005B;|&#x0007B;)</mo>)"
_MENDED = [
    (re.compile("<mi>&#x0007E;</mi>"), "<mo>&#x0223C;</mo>"),
    (
        re.compile(
            r"(<mo[^>]*>(?:&#x0003D;|&#x02265;|&#x02264;|&#x0223C;|&#x02190;|&#x0002C;)</mo>)<mo>&#x02212;</mo>"
        ),
        r'\1<mo form="prefix" lspace="0em" rspace="0em">&#x02212;</mo>',
    ),
    (re.compile(_OPENS + "<mo>&#x02212;</mo>"), r'\1<mo form="prefix" lspace="0em" rspace="0em">&#x02212;</mo>'),
    (re.compile(_OPENS + "<mi>(log|exp|tanh)</mi>"), r'\1<mo lspace="0em" rspace="0.17em">\2</mo>'),
    (re.compile('rowspacing="3pt"'), 'rowspacing="0.45em"'),
]


class BadEquation(ValueError):
    """LaTeX that cannot be set; the sentence says why."""


@dataclass(frozen=True)
class Equation:
    """A drawing with its base line. All lengths in em."""

    svg: str  # in black
    width: float
    ascent: float  # above the base line
    descent: float  # below it

    def coloured(self, colour: str) -> bytes:
        """The drawing in a colour, such as "#ff0000"."""
        return self.svg.replace('"black"', f'"{colour}"').encode()


@lru_cache(maxsize=4000)
def typeset(latex: str, display: bool) -> Equation:
    """Set `latex` by itself (`display`) or within a line of text. Takes 1 to 50 ms once. Raises BadEquation."""
    import ziamath  # takes 0.3 s, which only somebody waits for who looks at an equation

    mathml = understood(latex, display)
    ziamath.config.svg2 = False  # Qt draws paths, but not symbols by reference
    svg: str = ziamath.Math(mathml, size=SIZE, margin=0).svg()
    box = _BOX.search(svg)
    assert box is not None, "ziamath writes where its drawing lies"
    _, top, _, height = map(float, box.groups())
    left, right = _extent(svg)  # without the space that some operators have around them, also at the ends
    svg = svg.replace(box[0], f'viewBox="{left:.3f} {top} {right - left:.3f} {height}"')
    return Equation(svg, (right - left) / SIZE, ascent=-top / SIZE, descent=(top + height) / SIZE)


def understood(latex: str, display: bool) -> str:
    """`latex` as MathML, of which every sign can be drawn. Takes about 1 ms. Raises BadEquation."""
    from ziamath.tex import tex2mml
    from ziamath.zmath import loadedfonts

    _check(latex)
    try:
        mathml: str = tex2mml(latex, inline=not display)
    except Exception as error:  # the converter's errors have no common class, and few have words
        raise BadEquation(f"{latex!r} is not LaTeX that can be set: {type(error).__name__} {error}".rstrip()) from error
    unknown = re.findall(r"\\[A-Za-z]+", mathml)
    if unknown:
        raise BadEquation(f"{latex!r} has the unknown command {unknown[0]}.")
    for sign in unescape(re.sub(r"<[^>]*>", "", mathml)):
        if not sign.isspace() and not loadedfonts["default"].glyphindex(sign):
            raise BadEquation(f"{latex!r} has the sign {sign!r}, which its letters lack.")
    for wrong, right in _MENDED:
        mathml = wrong.sub(right, mathml)
    return mathml


def _extent(svg: str) -> tuple[float, float]:
    """Where what is drawn begins and ends, from left to right."""
    places = [float(x) for path in _PATH.findall(svg) for x in _NUMBER.findall(path)[::2]]
    for begin, width in _BAR.findall(svg):
        places += [float(begin), float(begin) + float(width)]
    return min(places), max(places)


def _check(latex: str) -> None:
    # what the converter does not mind, though part of the equation would be lost
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", latex):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            break
    if depth:
        raise BadEquation(f"{latex!r} has a brace without its partner.")
    for name in re.findall(r"\\begin\{(.*?)\}", latex):
        if name not in ENVIRONMENTS:
            raise BadEquation(f"{latex!r} has the unknown environment {name}. There are: {', '.join(ENVIRONMENTS)}.")
