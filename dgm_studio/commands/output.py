"""How commands answer: text for a person or one JSON document for a program; errors by their kind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 160  # characters, where no terminal says how wide it is


class CommandError(Exception):
    """A command that cannot be carried out; the sentence says why and what to do. `code` is the exit code."""

    def __init__(self, sentence: str, code: int = 2) -> None:
        super().__init__(sentence)
        self.code = code


class Output:
    """Where a command's answer goes. With `as_json` only `document` prints, and it prints once."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(soft_wrap=True, highlight=False, quiet=as_json)
        if not self.console.is_terminal:
            self.console.width = PIPED_WIDTH

    def say(self, text: str, style: str = "") -> None:
        """A line for a person. Square brackets in it are no markup, here and in tables: E[log p(x)] has them."""
        self.console.print(Text(text, style=style))

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[object]], title: str = "") -> None:
        """A table for a person. Columns of numbers belong to the right."""
        lines = [list(row) for row in rows]
        heading = Text(title, style="bold") if title else None
        table = Table(title=heading, title_justify="left", box=None, pad_edge=False, title_style="")
        for index, column in enumerate(columns):
            numbers = all(isinstance(line[index], int | float) for line in lines)
            table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
        for line in lines:
            table.add_row(*(Text(_cell(value)) for value in line))
        self.console.print(table, soft_wrap=False)

    def document(self, value: Any) -> None:
        """The JSON document, if that is what was asked for."""
        if self.as_json:
            print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """Nested values as JSON can hold them: arrays become lists, numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cell(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
