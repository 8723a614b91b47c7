"""What is installed: the pins, the wheel, and the two programs in it."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PySide6.QtCore import QObject, Signal

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"]]


class Sender(QObject):
    sent = Signal(object)


class Receiver(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def take(self, payload: dict[str, int]) -> None:
        self.steps.append(payload["step"])


def test_signals_keep_every_reference() -> None:
    """PySide6 6.12.0 on Python 3.11 loses one per emit, and the interpreter aborts after some hundreds."""
    sender, receiver = Sender(), Receiver()
    sender.sent.connect(receiver.take)
    payload = {"step": -1}
    before = [sys.getrefcount(item) for item in (payload, receiver, sender)]
    for step in range(5000):
        sender.sent.emit({"step": step})
        sender.sent.emit(payload)
    gc.collect()
    assert receiver.steps == [value for step in range(5000) for value in (step, -1)]
    assert [sys.getrefcount(item) for item in (payload, receiver, sender)] == before


def test_the_pinned_qt_is_one_that_keeps_references() -> None:
    qt = [r for r in REQUIREMENTS if r.name == "PySide6-Essentials"]
    on_311 = [r for r in qt if r.marker and r.marker.evaluate({"python_version": "3.11"})]
    assert [r.specifier.contains("6.11.3") for r in on_311] == [True]
    assert [r.specifier.contains("6.12.0") for r in on_311] == [False]


def test_the_script_installs_a_torch_that_the_project_takes() -> None:
    pinned = re.search(r"torch==([\d.]+)", (ROOT / "run").read_text(encoding="utf-8"))
    assert pinned
    assert next(r for r in REQUIREMENTS if r.name == "torch").specifier.contains(pinned[1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel; what the wheel depends on is borrowed from the running one."""
    folder = tmp_path_factory.mktemp("an environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    borrowed = folder / "lib" / version / "site-packages" / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    return folder / "bin"


def test_the_wheel_gives_one_top_level_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"dgm_studio"}


def test_the_wheel_holds_every_tracked_file_of_the_rooms(wheel: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    rooms = ["dgm_studio", "models", "widgets", "resources"]
    listed = subprocess.run(["git", "ls-files", *rooms], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inside = {name.removeprefix("dgm_studio/_app/") for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in listed.splitlines() if (ROOT / name).exists()} - inside == set()


def test_the_installed_command_answers_from_its_own_copy(installed: Path, tmp_path: Path) -> None:
    done = outside(installed / "dgm", "list", "presets", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["key"] == "vae-digits"
    where = outside(installed / "python", "-c", "import dgm_studio, models; print(models.__file__)", cwd=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)


def test_the_installed_window_says_that_it_needs_a_display(installed: Path, tmp_path: Path) -> None:
    done = outside(installed / "dgm-studio", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("There is no display")


@pytest.mark.slow
def test_an_installed_copy_trains_and_pictures_its_window(installed: Path, tmp_path: Path) -> None:
    done = outside(installed / "dgm", "train", "--steps", "20", "--project", "p.dgm", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["step"] == 20, done.stderr
    done = outside(installed / "dgm", "screenshots", "pictures", "--project", "p.dgm", "--scale", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "pictures").glob("**/*.png"))


def outside(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an installed program far from the clone, without a display."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run([program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
