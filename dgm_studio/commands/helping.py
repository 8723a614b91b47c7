"""`help`: a page of the help in the terminal."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.help_pages import HelpPage, completed, help_pages, search
from dgm_studio.pages import Block, Mark, Part, Span

WIDTH = 88  # characters of a line, at most: more are hard to read
INDENTS = {Part.ITEM: 2, Part.EQUATION: 4}
STYLES = {Mark.CODE: "cyan", Mark.MATHS: "italic", Mark.STRONG: "bold", Mark.EMPHASIS: "italic", Mark.LINK: "underline"}


def help_(key: str = "", *, json: bool = False) -> int:
    """Print the page of a family or learner, with equations as LaTeX; without a key, list all pages.

    Parameters
    ----------
    key
        Key of a family or learner, as `list` prints it; with its kind where two have it: learner:KEY.
    json
        Print one JSON document instead of text.
    """
    output = Output(json)
    if not key:
        for entry in help_pages():
            output.say(f"{entry.address}  {entry.title}")
        output.document([{"key": entry.address, "title": entry.title} for entry in help_pages()])
        return 0
    found = [entry for entry in help_pages() if key in (entry.key, entry.address)]
    if not found:
        near = [entry.help.address for entry in search(key.partition(":")[2] or key)]
        hint = f" These speak of it: {', '.join(near)}." if near else ""
        raise CommandError(f"There is no help page {key!r}. `dgm help` lists all.{hint}")
    for entry in found:
        _print(entry, output)
    output.document([{"key": e.address, "title": e.title, "text": completed(e).plain} for e in found])
    return 0


def _print(entry: HelpPage, output: Output) -> None:
    console, page = output.console, completed(entry)
    console.print(Text(f"{page.title}  ({entry.address})", "bold"))
    last = Part.HEADING
    for block in page.blocks:
        if last is not Part.HEADING and not block.part is last is Part.ITEM:
            console.print()
        last = block.part
        text = Text("• ") if block.part is Part.ITEM else Text()
        text.append_text(_text(block))
        if block.part is Part.HEADING:
            text.stylize("bold")
        indent = INDENTS.get(block.part, 0)
        console.print(Padding(text, (0, 0, 0, indent)), width=min(WIDTH, console.width), soft_wrap=False)


def _text(block: Block) -> Text:
    if block.part is Part.EQUATION:
        return Text(block.latex, STYLES[Mark.MATHS])
    return Text.assemble(*map(_styled, block.spans))


def _styled(span: Span) -> Text:
    inner = Text.assemble(span.text, *map(_styled, span.spans))
    if span.mark in STYLES:
        inner.stylize(STYLES[span.mark])
    return inner
