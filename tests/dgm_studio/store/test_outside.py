"""A project file that something else changes, replaces or removes while it is open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored_project import everything

from dgm_studio import ROOT
from dgm_studio.store import Project, ProjectError, check


def replaced(path: Path) -> bytes:
    """Put another whole file in the place of the project, and return its bytes."""
    other = path.with_name("other.dgm")
    with Project.create(other):
        pass
    content = other.read_bytes()
    os.replace(other, path)
    return content


def test_what_happens_outside_is_noticed(opened: Project) -> None:
    assert opened.changed_outside() is None
    opened.save()
    assert opened.changed_outside() is None
    replaced(opened.path)
    assert opened.changed_outside() == "conflict"
    opened.path.unlink()
    assert opened.changed_outside() == "missing"


@pytest.mark.parametrize("what", ["replaced", "removed", "truncated"])
def test_saving_over_what_took_its_place_keeps_all_of_this_project(opened: Project, what: str) -> None:
    before = everything(opened)
    run = next(iter(opened.runs.values()))
    run.notes = "still here"
    if what == "replaced":
        replaced(opened.path)
    elif what == "removed":
        opened.path.unlink()
    else:
        shutil.copy(opened.path, opened.path.with_name("copy"))  # in place, so that the open file is cut off too
        os.replace(opened.path.with_name("copy"), opened.path)
        os.truncate(opened.path, 100)
    with pytest.raises(ProjectError) as caught:
        opened.save()
    assert caught.value.code in ("conflict", "missing")
    opened.save_over()
    assert opened.changed_outside() is None
    check(opened.path)
    assert next(iter(opened.runs.values())).notes == "still here"
    run.notes = ""
    assert everything(opened) == before
    opened.save()


def test_a_reader_learns_when_the_writer_has_gone(project_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dgm_studio.store import Project; "
        "project = Project.open(Path(sys.argv[1])); print('open', flush=True); input(); project.close(); "
        "print('closed', flush=True)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(project_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdin is not None
    assert writer.stdout.readline() == "open\n"
    with Project.open(project_path) as project:
        assert project.read_only
        assert not project.free_to_write()
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "closed\n"
        assert project.free_to_write()
    writer.communicate()
    with Project.open(project_path) as project:
        assert not project.read_only
        assert not project.free_to_write()  # nobody held it


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_file_stays_open_after_a_project_was_refused_or_checked(project_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.dgm"
    broken.write_bytes(project_path.read_bytes()[:-100])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ProjectError):
            Project.open(broken)
        check(project_path)
        Project.open(project_path).close()
    assert len(os.listdir("/proc/self/fd")) == before
