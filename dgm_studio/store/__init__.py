"""The project file: the only place of the studio that knows HDF5."""

from dgm_studio.store.checking import check
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.project import Project
from dgm_studio.store.run import Run, StoredEvaluation
from dgm_studio.store.work import Recovery

__all__ = ["Project", "ProjectError", "Recovery", "Run", "StoredEvaluation", "check"]
