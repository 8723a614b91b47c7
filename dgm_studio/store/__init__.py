"""The project file: the only place of the studio that knows HDF5."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dgm_studio.store.checking import check
    from dgm_studio.store.copying import branch, duplicate, import_runs
    from dgm_studio.store.errors import ProjectError
    from dgm_studio.store.preflight import look_at_unfamiliar
    from dgm_studio.store.project import Project
    from dgm_studio.store.recovery import Recovery
    from dgm_studio.store.run import Run, StoredEvaluation

__all__ = [
    "Project",
    "ProjectError",
    "Recovery",
    "Run",
    "StoredEvaluation",
    "branch",
    "check",
    "duplicate",
    "import_runs",
    "look_at_unfamiliar",
]

_HOMES = {
    "Project": "project",
    "ProjectError": "errors",
    "Recovery": "recovery",
    "Run": "run",
    "StoredEvaluation": "run",
    "branch": "copying",
    "check": "checking",
    "duplicate": "copying",
    "import_runs": "copying",
    "look_at_unfamiliar": "preflight",
}


def __getattr__(name: str) -> Any:
    """Import it now that it is asked for: runs need torch, which the process of a preflight must not wait for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
