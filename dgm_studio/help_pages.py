"""The help: a page for each family, learner, data set and what else has one, as resources/help/FOLDER/KEY.md has it.

An address is "kind:key", as links in pages have it: "family:nade". Reading pages imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from dgm_studio import ROOT
from dgm_studio.config import DataChoice, TrainingSettings
from dgm_studio.equations import BadEquation, understood
from dgm_studio.pages import Block, Mark, Page, PageError, Part, Span, read_page
from dgm_studio.presets import presets
from models.settings import Settings

FOLDER = ROOT / "resources" / "help"
KINDS = {
    "family": "families",
    "learner": "learners",
    "explorer": "explorers",
    "evaluation": "evaluations",
    "data": "data",
    "guide": "guides",
}
EXCERPT = 90  # characters around what was looked for


@dataclass(frozen=True)
class HelpPage:
    """A page and where it is found."""

    kind: str
    key: str
    page: Page

    @property
    def address(self) -> str:
        return f"{self.kind}:{self.key}"

    @property
    def title(self) -> str:
        return self.page.title


@dataclass(frozen=True)
class Found:
    """A page that has what was looked for, and where."""

    help: HelpPage
    excerpt: str


@cache
def help_pages() -> tuple[HelpPage, ...]:
    """All pages, by kind and title. Raises PageError."""
    found = [_read(kind, path.stem) for kind, folder in KINDS.items() for path in (FOLDER / folder).glob("*.md")]
    order = list(KINDS)
    return tuple(sorted(found, key=lambda entry: (order.index(entry.kind), entry.title.lower())))


def help_page(address: str) -> HelpPage | None:
    """The page at an address, if there is one; the others are not read. Raises PageError."""
    kind, _, key = address.partition(":")
    there = kind in KINDS and key.replace("-", "").isalnum() and (FOLDER / KINDS[kind] / f"{key}.md").is_file()
    return _read(kind, key) if there else None


@cache
def _read(kind: str, key: str) -> HelpPage:
    return HelpPage(kind, key, read_page(FOLDER / KINDS[kind] / f"{key}.md"))


def listed() -> list[tuple[str, str]]:
    """(address, title) of every page, for menus and palettes."""
    return [(entry.address, entry.title) for entry in help_pages()]


def search(words: str) -> list[Found]:
    """Pages in which all of `words` stand; those with them in the title first."""
    wanted = words.lower().split()
    found = []
    for entry in help_pages():
        text = f"{entry.title} ({entry.key})\n{entry.page.plain}".lower()
        if wanted and all(word in text for word in wanted):
            titled = all(word in f"{entry.title} {entry.key}".lower() for word in wanted)
            found.append((not titled, Found(entry, _excerpt(entry.page, wanted))))
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def _excerpt(page: Page, wanted: list[str]) -> str:
    """The stretch of text with most of the words, or the beginning."""
    texts = [block.plain for block in page.blocks if block.part is not Part.EQUATION]
    text = max(texts, key=lambda text: sum(word in text.lower() for word in wanted), default="")
    places = [place for word in wanted if (place := text.lower().find(word)) >= 0]
    begin = max(0, min(places, default=0) - EXCERPT // 3)
    begin = text.rfind(" ", 0, begin) + 1
    return ("… " if begin else "") + _cut(text[begin:])


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT].rsplit(' ', 1)[0]} …"


def completed(entry: HelpPage) -> Page:
    """Its page with what follows from the catalogue: which learners and families belong together, and presets."""
    from models.catalog import FAMILIES, LEARNINGS, learnings_of

    if entry.kind == "data":
        return _with_settings(entry)
    name, together = entry.page.name, list[tuple[str, str]]()
    if entry.kind == "family":
        says, key = "It learns by", "family"
        together = [(f"learner:{rule.key}", rule.title) for rule in learnings_of(entry.key)]
    elif entry.kind == "learner":
        says, key = "It trains", "learner"
        assert any(rule.key == entry.key for rule in LEARNINGS), f"{name} is the page of a learner"
        together = [(f"family:{family.key}", family.title) for family in FAMILIES if entry.key in family.learners]
    else:
        return entry.page
    ready = [(f"preset:{p.key}", p.title) for p in presets() if getattr(p.config, key) == entry.key]
    added = [Block(Part.HEADING, 0, (Span(Mark.TEXT, "In this studio"),))]
    for begins, links in ((says, together), ("Try it", ready)):
        if links:
            added.append(Block(Part.PARAGRAPH, 0, (Span(Mark.TEXT, f"{begins}: "), *_joined(links))))
    return replace(entry.page, blocks=(*entry.page.blocks, *added))


def _with_settings(entry: HelpPage) -> Page:
    """The page of a data set with what each of its settings does, and presets that use it."""
    from dgm_studio.datasets.sources import source

    added: list[Block] = []
    for place, field in enumerate(source(entry.key).settings.model_fields.values()):
        if not place:
            added.append(Block(Part.HEADING, 0, (Span(Mark.TEXT, "Settings"),)))
        title = Span(Mark.STRONG, spans=(Span(Mark.TEXT, f"{field.title}."),))
        added.append(Block(Part.ITEM, 0, (title, Span(Mark.TEXT, f" {field.description}"))))
    ready = [(f"preset:{p.key}", p.title) for p in presets() if entry.key in (d.source for d in p.config.data.domains)]
    if ready:
        added.append(Block(Part.HEADING, 0, (Span(Mark.TEXT, "In this studio"),)))
        added.append(Block(Part.PARAGRAPH, 0, (Span(Mark.TEXT, "Try it: "), *_joined(ready))))
    return replace(entry.page, blocks=(*entry.page.blocks, *added))


def _joined(links: list[tuple[str, str]]) -> Iterator[Span]:
    for place, (target, title) in enumerate(links):
        yield Span(Mark.LINK, spans=(Span(Mark.TEXT, title),), target=target)
        yield Span(Mark.TEXT, "." if place == len(links) - 1 else ", ")


def check(entry: HelpPage) -> None:
    """Raise PageError where an equation is not understood or a link leads nowhere."""
    page = entry.page
    for line, latex, display in page.mathematics():
        try:
            understood(latex, display)
        except BadEquation as error:
            raise PageError(page.name, line, str(error)) from error
    for block in page.blocks:
        if block.part is Part.FIGURE:
            raise PageError(page.name, block.line, f"help has no figures, {block.target!r} neither.")
    for line, span in page.spans():
        if span.mark is Mark.LINK and not _leads(span.target, entry):
            raise PageError(page.name, line, f"the link {span.target!r} leads nowhere.")


def _leads(target: str, entry: HelpPage) -> bool:
    kind, _, key = target.partition(":")
    if kind == "preset":
        return any(preset.key == key for preset in presets())
    if kind == "setting":
        group, _, field = key.partition(".")
        return any(field in schema.model_fields for schema in _schemas(group, entry))
    return help_page(target) is not None


def _schemas(group: str, entry: HelpPage) -> list[type[Settings]]:
    """What the form may show in a group of settings while this page lies beside it."""
    from models.catalog import FAMILIES, LEARNINGS

    beside = {"family", "learner"} & {entry.kind}  # then the form shows it
    families = [f for f in FAMILIES if not beside or entry.key in (f.key, *f.learners)]
    if group == "model":
        return [family.settings for family in families]
    if group == "learning":
        keys = {entry.key} if entry.kind == "learner" else {key for family in families for key in family.learners}
        return [rule.settings for rule in LEARNINGS if rule.key in keys]
    shared: dict[str, type[Settings]] = {"training": TrainingSettings, "data": DataChoice}
    return [shared[group]] if group in shared else []
