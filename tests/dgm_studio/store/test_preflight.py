"""The first look at a file, in a process of its own that may hang, crash or take all memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crafted_datasets import LINKS
from crafted_files import ROOTS
from crafting import nested_type, raw_dataset, substituted
from stored_project import state

from dgm_studio.store import Project, ProjectError
from dgm_studio.store import format as fmt
from dgm_studio.store import preflight as module
from dgm_studio.store.opened_file import OpenedFile
from dgm_studio.store.preflight import preflight
from dgm_studio.store.reading import recognition
from dgm_studio.store.saving import write
from dgm_studio.store.trees import flatten

needs_limits = pytest.mark.skipif(module.resource is None, reason="no limits on this system")


def instead(monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    """Have the other process do this where it would look at the file."""
    program = (
        "import ctypes, os, signal, sys, time; from dgm_studio.store import preflight\n"
        f"def deed(path, form): {deed}\n"
        "preflight.inspect = deed; preflight._main()"
    )
    monkeypatch.setattr(module, "_COMMAND", [sys.executable, "-c", program])


def refusal(path: Path) -> ProjectError:
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ProjectError) as caught:
        preflight(path)
    assert str(caught.value).endswith(".")
    if path.is_file():
        assert path.read_bytes() == content
    return caught.value


def test_a_sound_project_passes_and_is_known_by_its_fingerprint(project_path: Path):
    assert preflight(project_path) == recognition(project_path)
    assert os.listdir(project_path.parent) == [project_path.name]


@pytest.mark.parametrize("fault", [*ROOTS[:2], LINKS[0]], ids=str)
def test_what_is_wrong_is_said_as_opening_would(project_path: Path, fault):
    fault.make(project_path)
    with pytest.raises(ProjectError) as opening:
        Project.open(project_path)
    looking = refusal(project_path)
    assert (looking.code, str(looking)) == (opening.value.code, str(opening.value))


def test_the_header_of_every_dataset_is_looked_at(project_path: Path):
    place = "checkpoints/10/model/encoder.0.weight"
    substituted(place, lambda group, name, like: group.create_dataset(name, data=like, compression="gzip"))(
        project_path
    )
    Project.open(project_path).close()
    assert place in str(refusal(project_path))


def test_what_is_no_hdf5_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_COMMAND", ["/nowhere"])
    os.mkfifo(tmp_path / "a.dgm")
    assert refusal(tmp_path / "a.dgm").code == "special"
    assert refusal(tmp_path / "b.dgm").code == "missing"


def test_a_look_that_hangs_is_ended(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    instead(monkeypatch, "time.sleep(1000)")
    monkeypatch.setattr(module, "SECONDS", 1.0)
    started = time.monotonic()
    error = refusal(project_path)
    assert time.monotonic() - started < 100
    assert error.code == "unsafe"
    assert "took more than 1 s" in str(error)


@needs_limits
def test_a_look_that_nobody_waits_for_ends_by_itself(project_path: Path):
    """The window may be gone: the time of the processor is limited too."""
    spin = "def spin(*_):\n while True: pass"
    program = f"from dgm_studio.store import preflight\n{spin}\npreflight.inspect = spin; preflight._main()"
    task = {"files": [str(project_path)], "form": fmt.PROJECT, "seconds": 0.5}
    done = subprocess.run([sys.executable, "-c", program], input=json.dumps(task).encode(), timeout=240)
    assert done.returncode == -24  # SIGXCPU


def test_a_look_that_crashes_is_survived(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    instead(monkeypatch, "ctypes.string_at(0)")
    error = refusal(project_path)
    assert error.code == "unsafe"
    assert "crashed" in str(error)


def test_a_look_that_is_killed_is_survived(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    instead(monkeypatch, "os.kill(os.getpid(), signal.SIGKILL)")
    assert "SIGKILL" in str(refusal(project_path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit on memory on this system")
def test_a_look_that_takes_too_much_memory_is_ended(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    instead(monkeypatch, f"bytearray({2 * module.MEMORY})")
    error = refusal(project_path)
    assert error.code == "unsafe"
    assert "memory" in str(error)


def test_several_parts_of_a_training_that_take_too_much_memory_are_one_error(
    project_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for step in (1, 2):
        part = fmt.work_folder(project_path) / "session" / f"checkpoint-{step}{fmt.PART}"
        part.parent.mkdir(parents=True, exist_ok=True)
        write(part, flatten(state(step)), fmt.WORK)
    instead(monkeypatch, f"bytearray({2 * module.MEMORY}) if form == 'dgm-studio work' else sys.exit()")
    error = refusal(project_path)
    assert (error.code, error.path) == ("unsafe", fmt.work_folder(project_path))
    assert "memory" in str(error)


def test_a_look_that_cannot_begin_is_no_fault_of_the_file(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_COMMAND", ["/nowhere"])
    assert refusal(project_path).code == "unreadable"
    monkeypatch.setattr(module, "_COMMAND", [sys.executable, "-c", "import nothing_of_this_name"])
    assert "nothing_of_this_name" in str(refusal(project_path))


def test_types_in_types_crash_the_other_process_and_not_this_one(project_path: Path):
    """HDF5 calls itself for each: on a small stack, such as macOS gives threads, it crashes."""

    def deep(group, name, like):
        raw_dataset(group, name, nested_type(2500), like.shape)

    substituted("config", deep)(project_path)
    error = refusal(project_path)
    assert error.code == "unsafe"
    assert "crashed" in str(error)


def test_what_a_training_left_is_looked_at_too(project_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = fmt.work_folder(project_path)
    (folder / "session").mkdir(parents=True)
    write(folder / "session" / f"checkpoint-1{fmt.PART}", flatten(state(1)), fmt.WORK)
    (folder / "session" / f"checkpoint-2{fmt.PART}").write_bytes(b"\x89HDF\r\n\x1a\n")  # left out when it is opened
    preflight(project_path)
    instead(monkeypatch, "os.kill(os.getpid(), signal.SIGKILL) if form == 'dgm-studio work' else sys.exit()")
    error = refusal(project_path)
    assert error.path == folder
    assert "move this folder" in str(error)


def test_a_file_stays_familiar_only_as_long_as_nothing_of_it_changes(
    project_path: Path, monkeypatch: pytest.MonkeyPatch
):
    looked: list[Path] = []
    monkeypatch.setattr(module, "_look", lambda place, files, form: looked.append(place))
    with Project.open(project_path) as project:
        opened = project.recognition
        project.notes = "changed"
        project.save()
        saved = project.recognition
    assert opened is not None
    assert saved is not None
    assert opened != saved
    module.look_at_unfamiliar(project_path, {saved})
    assert not looked
    module.look_at_unfamiliar(project_path, {opened})
    assert looked == [project_path]

    before, content = project_path.stat(), bytearray(project_path.read_bytes())
    content[100] ^= 1
    with open(project_path, "r+b") as file:  # in place, with the same size and, set back, the same time
        file.write(content)
    os.utime(project_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    module.look_at_unfamiliar(project_path, {opened, saved})
    assert looked == [project_path, project_path]


def test_a_file_that_changed_while_it_was_opened_does_not_become_familiar(
    project_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hold = OpenedFile.hold

    def late(file: OpenedFile) -> None:
        os.utime(project_path)
        hold(file)

    monkeypatch.setattr(OpenedFile, "hold", late)
    with Project.open(project_path) as project:
        assert project.recognition is None


def test_other_names_and_modes_are_no_conflict(project_path: Path):
    with Project.open(project_path) as project:
        os.link(project_path, project_path.with_name("backup"))
        project_path.chmod(0o600)
        project.notes = "changed"
        project.save()


def test_a_link_is_followed_to_the_file_and_its_work_folder(project_path: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.dgm"
    link.symlink_to(project_path)
    part = fmt.work_folder(project_path) / "session" / f"checkpoint-1{fmt.PART}"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"")
    looked: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_look", lambda place, files, form: looked.extend(files))
        assert preflight(link) == recognition(project_path)
    assert looked == [project_path, part]


def test_the_time_grows_with_what_could_be_in_the_file_and_ends():
    assert module.allowed_seconds(0) == module.SECONDS
    assert module.allowed_seconds(50 * 2**20) > 4 * module.SECONDS
    assert module.allowed_seconds(2**50) == module.MOST_SECONDS


def test_it_starts_without_torch_and_from_anywhere(project_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "h5py.py").write_text("raise SystemExit(3)")  # in the folder of a file that somebody sent
    monkeypatch.chdir(tmp_path)
    preflight(project_path)
    code = "import sys, dgm_studio.store.preflight; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    root = Path(module.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_name_of_any_bytes_is_passed_on(tmp_path: Path, project_bytes: bytes):
    path = tmp_path / ("-x ä\n" + os.fsdecode(b"\xff.dgm"))
    path.write_bytes(project_bytes)
    preflight(path)


def test_limits_are_never_raised():
    if module.resource is None:
        pytest.skip("no limits on this system")
    resource = module.resource
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        module.lower(resource.RLIMIT_CORE, 0)
        module.lower(resource.RLIMIT_CORE, 4096)
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_the_package_gives_what_it_lists():
    import dgm_studio.store as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = package.nothing
