"""The rooms of the project: what lies where, and what one may know of another."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.catalog import FAMILIES, LEARNINGS

ROOT = Path(__file__).parent.parent
TOP = {"main.py", "models", "dgm_studio", "widgets", "resources", "tests", "pyproject.toml"}
EVERY_PROJECT = {
    "README.md",
    "LICENSE",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "FIGURES.md",
    "LESSONS.md",
    "CHANGELOG.md",
    "run",
    ".ci",
    ".gitignore",
}
GENERIC = sorted(path for room in ("dgm_studio", "widgets") for path in (ROOT / room).rglob("*.py"))


def test_the_top_level_is_as_given() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.partition("/")[0] for line in listed.splitlines()} == TOP | EVERY_PROJECT


def test_modules_that_the_architecture_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")))
    assert len(named) > 50
    paths = [f"/{path.relative_to(ROOT)}" for room in TOP for path in (ROOT / room).rglob("*.py")] + ["/main.py"]
    assert not {name for name in named if not any(path.endswith(f"/{name}") for path in paths)}


@pytest.mark.parametrize("room", ["dgm_studio", "widgets"])
def test_modules_that_lie_in_a_room_itself_are_named_by_the_architecture(room: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    lying = {path.name for path in (ROOT / room).glob("*.py") if not path.name.startswith("__")}
    assert not {name for name in lying if f"`{name}`" not in text and f"/{name}`" not in text}


# a key that is also an English word, where it stands as that: when an evaluation was made, what draws
WORDS = {
    "dgm_studio/store/run.py": {"made"},
    "widgets/explorers/brush_tools.py": {"draw"},
    "widgets/explorers/code_parts.py": {"draw"},
}


@pytest.mark.parametrize("path", GENERIC, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_family_and_no_learner_is_named(path: Path) -> None:
    keys = {family.key for family in FAMILIES} | {rule.key for rule in LEARNINGS}
    modules = {family.model.__module__ for family in FAMILIES} | {rule.learner.__module__ for rule in LEARNINGS}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not keys & set(texts(tree)) - WORDS.get(str(path.relative_to(ROOT)), set())
    assert not modules & set(imported(tree))


@pytest.mark.parametrize("text", ["x = 'minimax'", "if key == 'vae': pass", "d = {'rbm': 1}", "f'{a}vae'"])
def test_a_named_family_would_be_found(text: str) -> None:
    assert {"minimax", "vae", "rbm"} & set(texts(ast.parse(text)))


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=; ]", line)[0].lower() for line in project["dependencies"]}
    table = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").lower()
    assert {name for name in names if f"| {name} |" not in table} == set()


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text in the code, docstrings left out."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
