"""Pages of text: what is read, what is refused and where, how equations are set, and what the terminal prints."""

from __future__ import annotations

import pytest

from dgm_studio import cli
from dgm_studio.equations import BadEquation, typeset
from dgm_studio.help_pages import HelpPage, check, search
from dgm_studio.pages import Mark, PageError, Part, parse_page

PAGE = r"""# A title

Text with *emphasis*, **strong `code`**, $x_{*}$ and [a $z$](family:some-key), for 3 \$.
It goes on.

$$
\begin{aligned}
a &= b
\end{aligned}
$$

## Below
- one,
  still one
- two
"""


def test_a_page_is_read_into_its_parts() -> None:
    page = parse_page(PAGE, "some.md")
    assert page.title == "A title"
    assert [block.part for block in page.blocks] == [
        Part.PARAGRAPH, Part.EQUATION, Part.HEADING, Part.ITEM, Part.ITEM,
    ]  # fmt: skip
    assert [block.line for block in page.blocks] == [3, 6, 12, 13, 15]
    text, equation, heading, one, _ = page.blocks
    assert [span.mark for span in text.spans if span.mark is not Mark.TEXT] == [
        Mark.EMPHASIS, Mark.STRONG, Mark.MATHS, Mark.LINK,
    ]  # fmt: skip
    assert text.plain == "Text with emphasis, strong code, $x_{*}$ and a $z$, for 3 $. It goes on."
    assert text.spans[-2].target == "family:some-key"
    assert equation.latex == "\\begin{aligned}\na &= b\n\\end{aligned}"
    assert one.plain == "one, still one"
    assert page.section(heading.plain) == page.blocks[3:]
    assert [maths for _, maths, _ in page.mathematics()] == [equation.latex, "x_{*}", "z"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("No title", 1, "begins with its title"),
        ("# T\n\nan $x without end", 3, "$ begins"),
        ("# T\n\na **b", 3, "* begins"),
        ("# T\n\na `b", 3, "` begins"),
        ("# T\n\n[a](b", 3, "[ begins"),
        ("# T\n\n[a](https://b.c)", 3, "'https://b.c' is not of the form"),
        ("# T\n\n$$\nx", 3, "no end"),
        ("# T\n\n$$\n\n$$", 3, "empty"),
        ("# T\n\ntext\n### deeper", 4, "'###'"),
        ("# T\n\n| a | b |", 3, "'|'"),
        ("# T\n\n1. first", 3, "'1.'"),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_file_and_line(text: str, line: int, said: str) -> None:
    with pytest.raises(PageError, match=rf"^some\.md, line {line}: ") as refused:
        parse_page(text, "some.md")
    assert said in str(refused.value)


def test_an_equation_has_its_base_line_and_no_space_around_it() -> None:
    x, power, index = (typeset(latex, False) for latex in ("x", "x^2", "x_d"))
    assert x.descent == pytest.approx(0.02, abs=0.03)  # in em: the margin of the drawing alone
    assert x.ascent == pytest.approx(0.467, abs=0.05)
    assert power.ascent > x.ascent + 0.1
    assert power.descent == pytest.approx(x.descent, abs=0.02)
    assert index.descent > x.descent + 0.1
    assert typeset(r"\log x", False).width < typeset(r"a \log x", False).width - 0.5
    assert typeset(r"\sum_i x_i", True).descent > typeset(r"\sum_i x_i", False).descent + 0.3  # its limits below
    assert typeset("= -b", True).width < typeset("= a-b", True).width - typeset("a", True).width - 0.3  # no difference
    assert x.coloured("#123456").count(b"#123456") == x.svg.count("black") == 1


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"\foo x", r"\foo"),
        (r"\frac{a}{", "brace"),
        (r"a}", "brace"),
        (r"x_a_b", "DoubleSubscripts"),
        (r"\left( a", "Left"),
        (r"\begin{tikz} a \end{tikz}", "tikz"),
        ("字", "'字'"),
    ],
)
def test_what_cannot_be_set_is_refused(latex: str, said: str) -> None:
    with pytest.raises(BadEquation) as refused:
        typeset(latex, True)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](family:unheard-of)", "leads nowhere"),
        ("[a](preset:unheard-of)", "leads nowhere"),
        ("[a](setting:model.unheard_of)", "leads nowhere"),
        ("[a](setting:training.learning_rate)", "leads nowhere"),
        (r"$\foo$", r"\foo"),
    ],
)
def test_what_leads_nowhere_is_found(text: str, said: str) -> None:
    page = HelpPage("explorer", "some", parse_page(f"# T\n\n{text}", "some.md"))
    with pytest.raises(PageError, match=r"^some\.md, line 3: ") as refused:
        check(page)
    assert said in str(refused.value)


def test_all_words_are_looked_for_and_titles_come_first() -> None:
    found = search("posterior collapse")
    assert len(found) > 1
    assert all("collapse" in f"{f.help.title} {f.help.page.plain}".lower() for f in found)
    assert "posterior collapse" in " ".join(f.excerpt for f in found).lower()
    assert search("auto-encoder")[0].help.title.lower().count("auto-encoder") == 1
    assert search("zzzz") == search("") == []


def test_the_terminal_prints_a_page_with_its_equations_as_latex(capsys: pytest.CaptureFixture[str]) -> None:
    key = "vae"
    assert cli.run(["help", key], lambda folder, project: []) == 0
    printed = capsys.readouterr().out
    assert r"\int p(x \mid z)" in printed
    assert "Try it: " in printed
    assert cli.run(["help"], lambda folder, project: []) == 0
    assert f"family:{key}" in capsys.readouterr().out
    assert cli.run(["help", "unheard-of"], lambda folder, project: []) == 2
    assert "no help page" in capsys.readouterr().err
