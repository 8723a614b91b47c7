"""What can be wrong with a project file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Code = Literal[
    "missing",  # there is no such file
    "exists",  # there is one already
    "special",  # a folder, pipe, device or loop of links
    "unreadable",  # the system does not let us read it
    "empty",
    "foreign",  # something other than a project
    "schema",  # the format's version is missing or no number of ours
    "newer",  # made by a later studio
    "incomplete",  # never finished
    "truncated",  # the end is missing
    "manifest",  # the list of contents is missing or does not match its checksum
    "unsafe",  # holds what a project never holds: links, foreign storage, odd types
    "damaged",  # bytes differ from those that were written
    "conflict",  # changed by someone else since it was opened
    "read-only",
    "full",  # no space left, or a limit on file sizes
    "unwritable",  # any other failure to write
    "busy",  # a run of it is in training
]


class ProjectError(Exception):
    """`str(error)` is a sentence that names the file and the place; `code` says which kind it is.

    `text` is the sentence without the file's name.
    """

    def __init__(self, code: Code, path: Path, text: str) -> None:
        self.code, self.path, self.text = code, path, text
        name = os.fsencode(path.name).decode(errors="replace")  # names need not be text, and sentences are printed
        super().__init__(f"{name}: {text}")
