"""Reports: what they hold, their trees, and their text."""

from __future__ import annotations

import csv
import io
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dgm_studio import latex
from dgm_studio.reports import (
    NO_INTERVAL,
    Bars,
    Column,
    Curves,
    HeatMap,
    Note,
    Part,
    Pictures,
    Points,
    Report,
    Series,
    StackedBars,
    Table,
    cell_text,
    from_tree,
    number,
    to_csv,
    to_latex,
    to_markdown,
    to_tree,
)
from models.estimation.measure import Kind

LINE = Series("a", np.arange(3.0), np.array([0.5, -1.0, 2.0]))
TABLE = Table(
    "Likelihood",
    (Column("Measure"), Column("Value", "number", "nats"), Column("95 %", "interval"), Column("Kind", "kind")),
    (("ELBO", -1234.5678, (-1240.0, -1229.0), Kind.LOWER_BOUND), ("a|b", math.nan, NO_INTERVAL, Kind.EXACT)),
    "A note.",
)
REPORTS: tuple[Report, ...] = (
    TABLE,
    Curves("Curves", "x (nats)", "y", (LINE,), "note"),
    Points("Points", "x", "y", (LINE, LINE), "note", (1.0, 2.0), "−ELBO", "plane", True),
    Bars("Bars", "unit", "KL", ("z₁", "z₂"), np.array([1.0, 0.1]), np.array([1, 0], np.uint8), "active"),
    StackedBars("Stack", "Q", "nats", ("a", "b"), (Part("p", np.ones(2)), Part("q", np.zeros(2))), np.ones(2), "sum"),
    Pictures("Pictures", np.zeros((4, 1, 2, 3), np.uint8), ("sample", "nearest"), ("", "1", "", "2")),
    Pictures("Sheet", np.zeros((4, 1, 2, 3), np.uint8), ("0", "1"), stacked=True),
    HeatMap("Map", np.array([[0.5, 0.25], [0.0, 1.5]]), "nats per pixel", "note"),
    HeatMap("Table", np.array([[0.5, 0.25]]), "nats", "", ("x",), ("z₁", "z₂")),
    Note("Note", "text", "warn"),
)


def _plain(value: object) -> object:
    """A tree that can be compared."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tolist())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_report_comes_back_from_its_tree(report: Report) -> None:
    back = from_tree(to_tree(report))
    assert type(back) is type(report)
    assert _plain(to_tree(back)) == _plain(to_tree(report))


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_a_tree_holds_plain_values_only(report: Report) -> None:
    def check(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                check(item)
        elif isinstance(value, list):
            for item in value:
                check(item)
        else:
            assert type(value) in (str, int, float, bool, np.ndarray)

    check(to_tree(report))


def test_a_report_of_an_unknown_type_becomes_a_note_that_says_so() -> None:
    note = from_tree({"type": "hologram/3", "title": "Ours", "depth": 3})
    assert isinstance(note, Note)
    assert note.title == "Ours"
    assert "hologram/3" in note.text


def test_a_report_that_lacks_a_part_becomes_a_note() -> None:
    tree = to_tree(TABLE)
    del tree["rows"]
    note = from_tree(tree)
    assert isinstance(note, Note)
    assert note.tone == "bad"


def test_csv_keeps_full_precision_and_splits_intervals() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == ["Measure", "Value (nats)", "95 % low", "95 % high", "Kind"]
    assert rows[1] == ["ELBO", "-1234.5678", "-1240.0", "-1229.0", "lower bound"]
    assert rows[2] == ["a|b", "", "", "", "exact"]


def test_markdown_is_a_table_as_it_is_printed() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**Likelihood**"
    assert lines[3] == "| :--- | ---: | ---: | :--- |"
    assert lines[4] == "| ELBO | −1\u2009234.57 | −1\u2009240.00 … −1\u2009229.00 | lower bound |"
    assert lines[5].startswith("| a\\|b | – | – |")
    assert lines[-1] == "A note."


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.5, "−0.50"), (-0.004, "0.00"), (1234567.0, "1\u2009234\u2009567.00"), (math.inf, "∞"), (math.nan, "–")],
)
def test_numbers_are_printed_with_a_true_minus(value: float, text: str) -> None:
    assert number(value, 2) == text


def test_text_in_a_number_column_is_printed_as_it_is() -> None:
    assert cell_text(Column("Modes", "number"), "7 of 8") == "7 of 8"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table("t", (Column("a"),), (("x", "y"),)),
        lambda: Table("t", (Column("a", "interval"),), ((1.0,),)),
        lambda: Series("s", np.zeros(2), np.zeros(3)),
        lambda: Bars("b", "", "", ("z₁",), np.zeros(2), np.zeros(2, np.uint8)),
        lambda: StackedBars("s", "", "", ("a",), (Part("p", np.ones(2)),), np.zeros(0)),
        lambda: StackedBars("s", "", "", ("a",), (Part("p", -np.ones(1)),), np.zeros(0)),
        lambda: Pictures("p", np.zeros((1, 1, 2, 2), np.float32)),
        lambda: Pictures("p", np.zeros((3, 1, 2, 2), np.uint8), ("sample", "nearest")),
        lambda: Pictures("p", np.zeros((1, 2, 2, 2), np.uint8)),
        lambda: HeatMap("h", np.zeros((1, 2, 2)), ""),
        lambda: HeatMap("h", np.zeros((0, 2)), ""),
        lambda: HeatMap("h", np.zeros((1, 2)), "", "", ("x",), ("z₁",)),
    ],
)
def test_a_report_that_does_not_fit_together_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        make()  # type: ignore[operator]


def test_latex_is_a_table_with_units_in_its_head_and_nothing_that_latex_would_read_as_commands() -> None:
    columns = (
        Column("A & B_c", "text"),
        Column("Value", "number", "nats"),
        Column("95 %", "interval"),
        Column("How", "detail"),
    )
    table = Table("50 % σ²", columns, (("x^{2} \\a", -1234.5, (-2.0, math.inf), "10 # draws"),), "Cost: $5 – “cheap”.")
    lines = to_latex(table).splitlines()
    assert r"\begin{tabular}{lrr}" in lines
    assert r"\caption{50 \% $\sigma$$^{2}$}" in lines
    assert lines[lines.index(r"\toprule") + 1] == r"A \& B\_c & Value (nats) & 95 \% \\"
    cells = r"x\textasciicircum{}\{2\} \textbackslash{}a & $-$1\,234.50 & $-$2.00 \ldots{} $\infty$ \\"
    assert lines[lines.index(r"\midrule") + 1] == cells
    assert lines[lines.index(r"\midrule") + 2] == r"\multicolumn{3}{p{0.9\linewidth}}{\footnotesize 10 \# draws} \\"
    assert r"\parbox{0.9\linewidth}{\footnotesize Cost: \$5 -- ``cheap''.}" in lines


SIGNS = " ".join(sorted(latex._SPECIAL | latex._TEXT | latex._MATHS))
HARD = Table(
    SIGNS,
    (Column(f"[A] & {SIGNS}", "text"), Column("Value", "number", "nats"), Column("95 %"), Column("How", "detail")),
    (
        ("[x^{2}] \\a", -1234.5, "*", f"10 # draws {SIGNS}"),
        ("*second", 1.0, "₁₀σ²", ""),
        (f"name_with_[brackets] {SIGNS}", 2.0, "äöüß", SIGNS),
    ),
    f"Cost: $5. {SIGNS}",
)


def test_latex_of_a_table_is_parsed_and_every_row_has_its_cells() -> None:
    walking = pytest.importorskip("pylatexenc.latexwalker")
    nodes = walking.LatexWalker(to_latex(HARD), tolerant_parsing=False).get_latex_nodes()[0]
    table = next(node for node in nodes if getattr(node, "environmentname", "") == "table")
    tabular = next(node for node in table.nodelist if getattr(node, "environmentname", "") == "tabular")
    rows, cells, chosen = [], 1, 0
    for node in tabular.nodelist:
        name = getattr(node, "macroname", "")
        if getattr(node, "specials_chars", "") == "&":
            cells += 1
        elif name == "multicolumn":
            chosen = 2
        elif name == "\\":
            assert node.nodeargd.argnlist == [None, None]  # neither a star nor a space after the row
            rows.append(cells + chosen)
            cells, chosen = 1, 0
    assert rows == [3] * 6  # the head, three rows and what is said of two of them


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_pdflatex_sets_a_table_with_every_sign(tmp_path: Path) -> None:
    text = "\n".join((r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", to_latex(HARD)))
    (tmp_path / "table.tex").write_text(text + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("needs booktabs")
    assert done.returncode == 0, done.stdout[-2000:]
