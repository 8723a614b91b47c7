"""The pages of the help: every family and learner has one, and what they say of the studio is so."""

from __future__ import annotations

import re

import pytest

from dgm_studio.config import DataChoice
from dgm_studio.datasets.sources import SOURCES, load, source
from dgm_studio.equations import typeset
from dgm_studio.evaluation import EVALUATIONS
from dgm_studio.help_pages import HelpPage, check, completed, help_page, help_pages, listed
from dgm_studio.pages import Mark, Part
from models.catalog import FAMILIES, LEARNINGS, learning

WIDEST = 26  # em: at 13 px, what the panel beside the form has room for
WORDS = range(130, 340)
FAMILY = ["The model", "What it can say", "What to look for", "What goes wrong", "Worth changing", "Paper"]
LEARNER = ["Objective", "Step", "Curves", "When it fails", "Worth changing", "Paper"]


def pages(kind: str) -> list[HelpPage]:
    return [entry for entry in help_pages() if entry.kind == kind]


def test_all_that_should_has_a_page_and_no_page_is_of_nothing() -> None:
    assert {entry.key for entry in pages("family")} == {family.key for family in FAMILIES}
    assert {entry.key for entry in pages("learner")} == {rule.key for rule in LEARNINGS}
    assert {entry.key: entry.title for entry in pages("evaluation")} == {e.key: e.title for e in EVALUATIONS}
    assert {entry.key: entry.title for entry in pages("data")} == {source.key: source.title for source in SOURCES}
    assert len(listed()) == len(set(listed())) == len(help_pages())


def test_every_equation_is_understood_and_every_link_leads_somewhere() -> None:
    for entry in help_pages():
        check(entry)


@pytest.mark.parametrize(("kind", "headings"), [("family", FAMILY), ("learner", LEARNER)])
def test_pages_have_their_parts_an_equation_a_paper_and_a_readable_length(kind: str, headings: list[str]) -> None:
    for entry in pages(kind):
        page = entry.page
        assert [heading for heading in page.headings if heading in headings] == headings, page.name
        assert any(block.part is Part.EQUATION for block in page.section(headings[0])), page.name
        paper = " ".join(block.plain for block in page.section("Paper"))
        assert re.search(r"[A-Z]\w+.* \((19|20)\d\d\), \w", paper), page.name
        words = " ".join(block.plain for block in page.blocks if block.part is not Part.EQUATION).split()
        assert len(words) in WORDS, (page.name, len(words))


def test_curves_that_are_explained_are_those_that_the_learner_reports() -> None:
    for entry in pages("learner"):
        reported = {quantity.key for quantity in learning(entry.key).learner.quantities}
        spans = [span for block in entry.page.section("Curves") for outer in block.spans for span in outer.within()]
        assert {span.text for span in spans if span.mark is Mark.CODE} == reported, entry.page.name


def test_curves_that_a_family_names_are_reported_by_its_learners() -> None:
    curves = {quantity.key for rule in LEARNINGS for quantity in rule.learner.quantities}
    for entry in pages("family"):
        of_family = {
            q.key for f in FAMILIES if f.key == entry.key for k in f.learners for q in learning(k).learner.quantities
        }
        for _, span in entry.page.spans():
            if span.mark is Mark.CODE:
                assert span.text in of_family <= curves, (entry.page.name, span.text)


def test_what_belongs_together_is_added_from_the_catalogue() -> None:
    for family in FAMILIES:
        entry = help_page(f"family:{family.key}")
        assert entry is not None
        targets = {span.target for _, span in completed(entry).spans() if span.mark is Mark.LINK}
        assert {f"learner:{key}" for key in family.learners} <= targets
        assert any(target.startswith("preset:") for target in targets), family.key


def test_pages_of_data_say_what_their_settings_do_what_they_are_measured_by_and_whose_they_are() -> None:
    for entry in pages("data"):
        page, chosen = completed(entry), source(entry.key)
        assert list(entry.page.headings) == ["What it is", "What to look for", "Protocol", "Source"], entry.page.name
        told = [block.plain for block in page.section("Settings")]
        fields = list(chosen.settings.model_fields.values())
        assert told == [f"{field.title}. {field.description}" for field in fields], entry.page.name
        assert all(said.endswith(".") for said in told), entry.page.name
        if "path" in chosen.settings.model_fields or not chosen.at_hand():
            continue
        about = " ".join(block.plain for block in entry.page.section("Source"))
        licence = load(DataChoice(source=entry.key)).provenance.licence
        assert licence.split(" (")[0].replace("Python Software Foundation License", "PSF") in about, entry.page.name


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_equation_can_be_drawn_and_fits_beside_the_form() -> None:
    for entry in help_pages():
        for line, latex, display in entry.page.mathematics():
            equation = typeset(latex, display)
            assert equation.svg.count("<path") > 0
            assert equation.width < WIDEST, (entry.page.name, line)
