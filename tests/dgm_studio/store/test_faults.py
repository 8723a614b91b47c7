"""Files that are no whole project are refused with a code and a sentence, quickly, and are left as they were.

The small version of `./run faults crafted`, which also measures memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crafted_datasets import HEADERS
from crafted_texts import RECORDS
from crafting import CURVE, Fault, rewritten
from stored_project import CONFIG, everything, plain

from dgm_studio.store import Project, ProjectError, check
from dgm_studio.store import format as fmt
from dgm_studio.store.trees import flatten

FAULTS_SCRIPTS = Path(__file__).parents[2] / "faults"
sys.path.insert(0, str(FAULTS_SCRIPTS))

import crafted  # noqa: E402
from crafted import FAULTS, folder_state  # noqa: E402

FIXTURES = Path(__file__).parent / "fixtures"


def read(path: Path) -> dict[str, Any]:
    with Project.open(path) as project:
        return everything(project)


def opened(path: Path) -> None:
    Project.open(path).close()


def refused(path: Path, fault: Fault, use: Callable[[Path], object]) -> None:
    """Assert that `use` refuses the file as the fault wants it, and touches nothing."""
    before, name = folder_state(path.parent), Path(os.path.realpath(path)).name
    started = time.process_time()
    with pytest.raises(ProjectError) as caught:
        use(path)
    assert time.process_time() - started < crafted.SECONDS
    assert caught.value.code in fault.codes, caught.value
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}: ")
    assert sentence.endswith(".")
    assert len(sentence) < 1000
    assert fault.says in sentence
    assert folder_state(path.parent) == before


def some(faults: list[Fault]) -> list[Any]:
    return [pytest.param(f, marks=[pytest.mark.slow] if f.heavy else [], id=f.name) for f in faults]


@pytest.mark.parametrize("fault", some([fault for fault in FAULTS if fault.codes]))
def test_is_refused(project_path: Path, fault: Fault):
    fault.make(project_path)
    refused(project_path, fault, opened if fault.use == "open" else read)


@pytest.mark.parametrize("fault", some([fault for fault in FAULTS if not fault.codes]))
def test_is_read_as_it_was_written(project_path: Path, fault: Fault):
    written = read(project_path)
    fault.make(project_path)
    before = folder_state(project_path.parent)
    assert read(project_path) == written
    assert folder_state(project_path.parent) == before


@pytest.mark.parametrize("fault", some([fault for fault in HEADERS if CURVE in fault.name]))
def test_a_check_looks_at_every_header(project_path: Path, fault: Fault):
    fault.make(project_path)
    refused(project_path, fault, check)


@pytest.mark.parametrize("version", range(1, fmt.SCHEMA))
@pytest.mark.parametrize("fault", some(RECORDS))
def test_is_refused_in_an_older_format_too(tmp_path: Path, fault: Fault, version: int):
    path = tmp_path / "old.dgm"
    shutil.copyfile(FIXTURES / f"format-{version}.dgm", path)
    fault.make(path)
    refused(path, fault, opened)


def test_a_file_that_may_not_be_read(project_path: Path):
    project_path.chmod(0o000)
    parents = [p for p in project_path.parents if p.stat().st_uid == os.getuid() and p != Path("/")]
    modes = [(p, p.stat().st_mode) for p in parents]
    root = os.geteuid() == 0
    for parent in parents:
        parent.chmod(0o755)
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(ProjectError) as caught:
            Project.open(project_path)
    finally:
        if root:
            os.seteuid(0)
        for parent, mode in modes:
            parent.chmod(mode & 0o7777)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize(
    "settings",
    [
        {"family": 3},
        {"family": "of the future"},
        {"learner": "x" * 10**6},
        {"model": {"hidden": 10**9}},
        {"model": {"hidden": -1}},
        {"model": {"a": {"b": {}}}},
        {"training": {"steps": 2**200}},
        {"data": []},
        {"seed": 1},
    ],
)
def test_settings_that_do_not_hold_leave_a_history(project_path: Path, settings: dict[str, Any]):
    rewritten("config", lambda record: record["config"].update(settings))(project_path)
    with Project.open(project_path) as project:
        (run,) = project.runs.values()
        assert run.config is None
        assert run.history_only
        assert len(run.metrics["elbo"][0]) == 20


# What is unusual and right.


def kept(path: Path, **state: Any) -> Any:
    """The state as it is after it was saved."""
    with Project.create(path) as project:
        project.new_run(CONFIG).keep_checkpoint(1, flatten(state))
        project.save()
    check(path)
    with Project.open(path) as project:
        (run,) = project.runs.values()
        return run.checkpoint(1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e-45])
def test_curves_may_hold_what_is_no_number(tmp_path: Path, value: float):
    with Project.create(tmp_path / "a.dgm") as project:
        values = np.array([0.0, value, value], np.float32)
        project.new_run(CONFIG).keep_metrics({"elbo": (np.arange(3), values)})
        project.save()
    with Project.open(tmp_path / "a.dgm") as project:
        (run,) = project.runs.values()
        assert run.metrics["elbo"][1].tobytes() == values.tobytes()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2), ()])
def test_arrays_may_be_empty(tmp_path: Path, shape: tuple[int, ...]):
    state = {"t": torch.zeros(shape), "a": np.zeros(shape, np.int16), "b": torch.zeros(shape, dtype=torch.bool)}
    assert plain(kept(tmp_path / "a.dgm", **state)) == plain(state)


def test_states_may_hold_what_is_no_number(tmp_path: Path):
    state = {"t": torch.tensor([float("nan"), -0.0, float("inf")]), "x": float("nan")}
    assert plain(kept(tmp_path / "a.dgm", **state)) == plain(state)


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("format-*.dgm")), ids=lambda file: file.stem)
def test_every_format_ever_written_is_sound_and_is_not_touched(tmp_path: Path, file: Path):
    path = tmp_path / "old.dgm"
    shutil.copyfile(file, path)
    before = folder_state(tmp_path)
    check(path)
    assert read(path)["runs"]
    assert folder_state(tmp_path) == before


# What is written is what can be read again.


def test_more_text_than_could_be_read_again_is_not_written():
    with pytest.raises(ValueError, match="more than a project can hold"):
        fmt.document("x" * (fmt.MAX_DOCUMENT + 1))
    with pytest.raises(ValueError, match="more than a project can hold"):
        fmt.document([[]] * 2_000_000)
    fmt.document(["a sentence, with commas, as notes have them"] * 100_000)


def test_more_datasets_than_can_be_listed_are_not_written():
    entry = fmt.Entry.of(np.zeros(1))
    with pytest.raises(ProjectError) as caught:
        fmt.manifest(
            {f"runs/0123456789ab/checkpoints/1/model/{i:06}": entry for i in range(120_000)}, {}, Path("a.dgm")
        )
    assert caught.value.code == "unwritable"
    assert "120,000" in str(caught.value)


# The script.


@pytest.mark.slow
def test_the_script_counts():
    done = subprocess.run(
        [sys.executable, FAULTS_SCRIPTS / "crafted.py", "--only", "signature and"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 files: 2 rejected, 0 accepted and identical, 0 wrong, 0 over the limits" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("len(b'.' * (3 * 10**8))", ""),
        ("os.abort()", "crash"),
        ("time.sleep(100)", "hang"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_the_script_notices_what_becomes_of_a_process(deed: str, code: str):
    program = f"import os, time, crafted; crafted.PATIENCE = 1; print(crafted.answer(lambda: str({deed})[:9]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=FAULTS_SCRIPTS, capture_output=True, text=True)
    assert f"Answer(code='{code}'" in done.stdout, done.stderr
    if not code:
        assert float(done.stdout.rpartition("=")[2].strip(")\n")) > 200
