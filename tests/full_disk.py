"""A disk that is full when a test says so."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest


class FullDisk:
    """Takes nothing while it is `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        for name in ("pwrite", "posix_fallocate"):
            monkeypatch.setattr(os, name, self._unless_full(getattr(os, name)))

    def _unless_full(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*given)

        return called
