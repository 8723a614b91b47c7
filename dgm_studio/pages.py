"""Pages of text with mathematics, as help and lessons show them: a small part of Markdown, read strictly.

A page begins with `# Title`. Then come paragraphs, `## Headings`, items that begin with `- `, equations between two
lines of `$$`, and where there are figures their places, each a line `![KEY]`. Within text there are `$mathematics$`,
`*emphasis*`, `**strong**`, `` `code` `` and `[links](kind:name)`; a backslash takes a sign as it is. What is not of
this form raises PageError, which names file and line. No Qt and no torch here: widgets/text_page.py draws a page,
dgm_studio/equations.py sets its equations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dgm_studio import ROOT


class PageError(ValueError):
    """A page that cannot be read or leads nowhere: a sentence with file and line."""

    def __init__(self, name: str, line: int, problem: str) -> None:
        super().__init__(f"{name}, line {line}: {problem}")
        self.line, self.problem = line, problem


class Mark(StrEnum):
    """What a span of text is."""

    TEXT = "text"
    CODE = "code"
    MATHS = "maths"
    STRONG = "strong"
    EMPHASIS = "emphasis"
    LINK = "link"


class Part(StrEnum):
    """What a block of a page is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    EQUATION = "equation"
    FIGURE = "figure"


@dataclass(frozen=True)
class Span:
    """A stretch of text. `text` of plain text, code and mathematics (LaTeX); `spans` of what is within others."""

    mark: Mark
    text: str = ""
    spans: tuple[Span, ...] = ()
    target: str = ""  # of a link: "kind:name"

    @property
    def plain(self) -> str:
        """As text; mathematics as LaTeX between dollar signs."""
        if self.mark is Mark.MATHS:
            return f"${self.text}$"
        return self.text + "".join(span.plain for span in self.spans)

    def within(self) -> Iterator[Span]:
        """This span and all in it."""
        yield self
        for span in self.spans:
            yield from span.within()


@dataclass(frozen=True)
class Block:
    """A heading, paragraph, item, equation or place of a figure, and the line of the file where it begins."""

    part: Part
    line: int
    spans: tuple[Span, ...] = ()
    latex: str = ""  # of an equation
    target: str = ""  # of a figure: its key

    @property
    def plain(self) -> str:
        """As text; mathematics as LaTeX."""
        return f"$${self.latex}$$" if self.part is Part.EQUATION else "".join(span.plain for span in self.spans)


@dataclass(frozen=True)
class Page:
    """A page that was read. `name` is that of its file, for messages."""

    name: str
    title: str
    blocks: tuple[Block, ...]

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(block.plain for block in self.blocks if block.part is Part.HEADING)

    @property
    def plain(self) -> str:
        """All of it as text; mathematics as LaTeX."""
        return "\n\n".join([self.title, *(block.plain for block in self.blocks)])

    def section(self, heading: str) -> tuple[Block, ...]:
        """The blocks below a heading, up to the next one."""
        found, inside = [], False
        for block in self.blocks:
            if block.part is Part.HEADING:
                inside = block.plain == heading
            elif inside:
                found.append(block)
        return tuple(found)

    def spans(self) -> Iterator[tuple[int, Span]]:
        """Every span, also those within others, with the line of its block."""
        for block in self.blocks:
            for span in block.spans:
                for inner in span.within():
                    yield block.line, inner

    def mathematics(self) -> Iterator[tuple[int, str, bool]]:
        """(line, LaTeX, whether it stands by itself) of all that is to be set."""
        for block in self.blocks:
            if block.part is Part.EQUATION:
                yield block.line, block.latex, True
        for line, span in self.spans():
            if span.mark is Mark.MATHS:
                yield line, span.text, False


def read_page(path: Path) -> Page:
    """The page in a file. Raises PageError."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return parse_page(path.read_text(encoding="utf-8"), name)


def parse_page(text: str, name: str, after: int = 0) -> Page:
    """The page of this text. Raises PageError; `name` is what it calls the file, in which `after` lines come before."""
    lines = text.splitlines()
    first = lines[0] if lines else ""
    if not first.startswith("# ") or not first[2:].strip():
        raise PageError(name, after + 1, "a page begins with its title: # Title.")
    return Page(name, first[2:].strip(), tuple(_blocks(lines, name, after)))


def _blocks(lines: list[str], name: str, after: int) -> Iterator[Block]:
    part, began, gathered = Part.PARAGRAPH, 0, list[str]()

    def ended() -> Iterator[Block]:
        if gathered:
            yield Block(part, began, tuple(_spans(" ".join(gathered), name, began)))
        gathered.clear()

    at = 1
    while at < len(lines):
        line, number = lines[at].rstrip(), after + at + 1
        at += 1
        if line.strip() == "$$":
            yield from ended()
            try:
                end = next(i for i in range(at, len(lines)) if lines[i].strip() == "$$")
            except StopIteration:
                raise PageError(name, number, "this equation has no end: a line of $$.") from None
            latex = "\n".join(part.strip() for part in lines[at:end]).strip()
            if not latex:
                raise PageError(name, number, "this equation is empty.")
            yield Block(Part.EQUATION, number, latex=latex)
            at = end + 1
        elif not line:
            yield from ended()
        elif line.startswith("## "):
            yield from ended()
            yield Block(Part.HEADING, number, tuple(_spans(line[3:].strip(), name, number)))
        elif line.startswith("- "):
            yield from ended()
            part, began = Part.ITEM, number
            gathered.append(line[2:].strip())
        elif figure := _FIGURE.fullmatch(line):
            yield from ended()
            yield Block(Part.FIGURE, number, target=figure[1])
        elif _FOREIGN.match(line):
            sign = line.split()[0]
            raise PageError(name, number, f"pages have no {sign!r}: dgm_studio/pages.py says what they have.")
        else:
            if not gathered:
                part, began = Part.PARAGRAPH, number
            gathered.append(line.strip())
    yield from ended()


_FIGURE = re.compile(r"!\[([\w-]+)\]")
_FOREIGN = re.compile(r"#|>|\||```|\*\s|\+\s|\d+\.\s|---|!\[|<")
_SPAN = re.compile(
    r"\\(?P<sign>[\\$*`\[\]])|\$(?P<maths>[^$]+)\$|`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<emphasis>[^*]+)\*"
    r"|\[(?P<linked>[^\]]+)\]\((?P<target>[^)]*)\)"
)
_TARGET = re.compile(r"[a-z]+:[\w.-]+")


def _spans(text: str, name: str, line: int) -> Iterator[Span]:
    at, plain = 0, ""
    for found in _SPAN.finditer(text):
        plain += _checked(text[at : found.start()], name, line)
        at = found.end()
        if found["sign"]:
            plain += found["sign"]
            continue
        if plain:
            yield Span(Mark.TEXT, plain)
            plain = ""
        if found["maths"]:
            yield Span(Mark.MATHS, found["maths"].strip())
        elif found["code"]:
            yield Span(Mark.CODE, found["code"])
        elif found["strong"]:
            yield Span(Mark.STRONG, spans=tuple(_spans(found["strong"], name, line)))
        elif found["emphasis"]:
            yield Span(Mark.EMPHASIS, spans=tuple(_spans(found["emphasis"], name, line)))
        else:
            if not _TARGET.fullmatch(found["target"]):
                raise PageError(name, line, f"the link to {found['target']!r} is not of the form kind:name.")
            yield Span(Mark.LINK, spans=tuple(_spans(found["linked"], name, line)), target=found["target"])
    plain += _checked(text[at:], name, line)
    if plain:
        yield Span(Mark.TEXT, plain)


def _checked(text: str, name: str, line: int) -> str:
    """`text`, which has no sign in it that would begin something."""
    for sign in "$*`[":
        if sign in text:
            raise PageError(name, line, f"{sign} begins something that has no end; write \\{sign} for the sign itself.")
    return text
