"""Tables and numbers as texts, each read again by something else."""

from __future__ import annotations

import csv
import io
import math
import shutil
import subprocess
from pathlib import Path

import pytest

from dgm_studio import latex
from dgm_studio.reports import NO_INTERVAL, Column, Table
from dgm_studio.table_texts import cell_text, number, to_csv, to_latex, to_markdown
from models.estimation.measure import Kind

TABLE = Table(
    "Likelihood",
    (Column("Measure"), Column("Value", "number", "nats"), Column("95 %", "interval"), Column("Kind", "kind")),
    (("ELBO", -1234.5678, (-1240.0, -1229.0), Kind.LOWER_BOUND), ("a|b", math.nan, NO_INTERVAL, Kind.EXACT)),
    "A note.",
)


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


def test_a_count_among_values_is_printed_whole() -> None:
    column = Column("Value", "number", decimals=4)
    assert [cell_text(column, cell) for cell in (99, 0, 0.5)] == ["99", "0", "0.5000"]


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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("needs booktabs")
    assert done.returncode == 0, done.stdout[-2000:]
