"""Which room may import which, and what may not be imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent


def test_imports_go_one_way() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("module", ["dgm_studio", "dgm_studio.__main__", "dgm_studio.presets", "dgm_studio.cli"])
def test_this_module_needs_no_torch(module: str) -> None:
    assert not {"torch", "sklearn", "PySide6"} & loaded_by(module)


def test_the_window_shows_before_torch_and_scikit_learn_are_imported() -> None:
    assert not {"torch", "sklearn"} & loaded_by("widgets.app")


def loaded_by(module: str) -> set[str]:
    """Top-level packages in a fresh interpreter after `import module`."""
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())
