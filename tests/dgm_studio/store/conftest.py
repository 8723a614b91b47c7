from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stored_project import CONFIG, fill

from dgm_studio.store import Project


@pytest.fixture
def project_path(tmp_path: Path, project_bytes: bytes) -> Path:
    """A file of its own for each test."""
    path = tmp_path / "digits.dgm"
    path.write_bytes(project_bytes)
    return path


@pytest.fixture(scope="session")
def project_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("project") / "digits.dgm"
    with Project.create(path) as project:
        project.notes = "für später"
        fill(project.new_run(CONFIG))
        project.save()
    return path.read_bytes()


@pytest.fixture
def opened(project_path: Path) -> Iterator[Project]:
    project = Project.open(project_path)
    yield project
    project.close()
