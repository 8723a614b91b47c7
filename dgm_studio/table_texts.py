"""Numbers and tables as texts: as they are printed, and as CSV, Markdown and LaTeX for elsewhere."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from dgm_studio.latex import escaped
from dgm_studio.reports import Cell, Column, Table


def number(value: float, decimals: int) -> str:
    """A number as it is printed: a true minus sign, but none before a plain 0; thin spaces between thousands, a dash
    where there is none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0."):
        text = text.removeprefix("-")
    return text.replace(",", "\u2009").replace("-", "−")


def cell_text(column: Column, cell: Cell) -> str:
    """A cell as it is printed."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        low, high = cell
        return "–" if math.isnan(low) else f"{number(low, column.decimals)} … {number(high, column.decimals)}"
    return number(cell, 0 if isinstance(cell, int) else column.decimals)  # a count among values stays whole


def to_csv(table: Table) -> str:
    """Comma-separated values with a head, in full precision; an interval takes two columns. There is no place for title
    and note."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head: list[str] = []
    for column in table.columns:
        head += [f"{column.head} {end}" for end in ("low", "high")] if column.format == "interval" else [column.head]
    writer.writerow(head)
    for row in table.rows:
        cells: list[str] = []
        for cell in row:
            cells += [_exact(end) for end in (cell if isinstance(cell, tuple) else (cell,))]
        writer.writerow(cells)
    return text.getvalue()


def _exact(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return "" if math.isnan(cell) else repr(cell)


def to_markdown(table: Table) -> str:
    """A Markdown table under its title, as it is printed, with its note below."""
    numeric = ("number", "interval")
    lines = [
        [column.head for column in table.columns],
        ["---:" if column.format in numeric else ":---" for column in table.columns],
        *([cell_text(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows),
    ]
    body = "\n".join("| " + " | ".join(_escaped(line)) + " |" for line in lines)
    return f"**{table.title}**\n\n{body}\n" + (f"\n{table.note}\n" if table.note else "")


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in cells]


def to_latex(table: Table) -> str:
    """A LaTeX table (booktabs) under its title, as it is printed: units in the head, details in small print under their
    row, the note below."""
    shown = [column for column in table.columns if column.format != "detail"]
    sides = "".join("r" if column.format in ("number", "interval") else "l" for column in shown)
    lines: list[str] = [_row(column.head for column in shown), r"\midrule"]
    for row in table.rows:
        cells = list(zip(table.columns, row, strict=True))
        lines.append(_row(cell_text(column, cell) for column, cell in cells if column.format != "detail"))
        lines += [
            rf"\multicolumn{{{len(shown)}}}{{p{{0.9\linewidth}}}}{{{_small(cell_text(column, cell))}}} \\"
            for column, cell in cells
            if column.format == "detail" and cell
        ]
    note = [r"\par\smallskip", rf"\parbox{{0.9\linewidth}}{{{_small(table.note)}}}"] if table.note else []
    inner = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.title)}}}",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
        *note,
        r"\end{table}",
    ]
    return "\n".join(inner) + "\n"


def _row(cells: Iterable[str]) -> str:
    text = " & ".join(escaped(cell) for cell in cells)
    guard = "{}" if text.startswith(("[", "*")) else ""  # the rule or row above would take it for its own argument
    return rf"{guard}{text} \\"


def _small(text: str) -> str:
    return rf"\footnotesize {escaped(text)}"
