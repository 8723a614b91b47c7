"""Rules that keep threads from hurting each other, read from the source; and what a session leaves to the next."""

from __future__ import annotations

import ast
import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dgm_studio import ROOT
from dgm_studio.config import RunConfig, TrainingSettings, default_data
from dgm_studio.datasets.sources import load
from dgm_studio.events import Failed, Started
from dgm_studio.training import TrainingSession
from models import catalog
from models.catalog import FAMILIES, Recipe
from models.learning.base import Learner
from models.spec import Batch
from widgets.loading import warm_up

FILES = [path for room in ("dgm_studio", "widgets") for path in (ROOT / room).rglob("*.py")]


@cache
def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in FILES}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[Path, Any]]:
    for path, tree in sources().items():
        yield from ((path.relative_to(ROOT), node) for node in ast.walk(tree) if isinstance(node, kind))


def thread_classes() -> dict[str, ast.ClassDef]:
    """The subclasses of QThread, by name."""
    return {
        node.name: node
        for _, node in nodes(ast.ClassDef)
        if any(isinstance(base, ast.Name) and base.id == "QThread" for base in node.bases)
    }


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_no_thread_is_ever_terminated() -> None:
    assert len(FILES) > 50
    assert not [path for path, call in nodes(ast.Call) if called(call) == "terminate"]


def test_signals_of_threads_are_connected_to_bound_methods_only() -> None:
    """A lambda or a free function has no thread of its own: Qt would call it in the one that emits."""
    signals = {
        target.id
        for thread in thread_classes().values()
        for node in thread.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and called(node.value) == "Signal"
        for target in node.targets
        if isinstance(target, ast.Name)
    } | {"started", "finished"}
    assert {"happened", "answered", "ready"} <= signals
    checked = 0
    for path, call in nodes(ast.Call):
        signal = call.func.value if isinstance(call.func, ast.Attribute) else None
        if called(call) != "connect" or not isinstance(signal, ast.Attribute) or signal.attr not in signals:
            continue
        owner = ast.unparse(signal.value)
        if "thread" in owner or owner == "self._loading" or path.name == "background.py":
            checked += 1
            assert isinstance(call.args[0], ast.Attribute), f"{path}:{call.lineno} {ast.unparse(call)}"
    assert checked >= 10


def test_a_thread_emits_on_itself_alone() -> None:
    """Whatever else it emitted on could be deleted by the window's thread in that moment."""
    classes = thread_classes()
    assert {"TrainingThread", "EvaluationThread", "Background", "Loading"} <= set(classes)
    for name, thread in classes.items():
        for node in ast.walk(thread):
            if isinstance(node, ast.Call) and called(node) == "emit":
                assert isinstance(node.func, ast.Attribute)
                owner = node.func.value
                assert isinstance(owner, ast.Attribute), name
                assert ast.unparse(owner.value) == "self", f"{name}: {ast.unparse(node)}"


def test_signals_of_threads_carry_whole_numbers_as_objects() -> None:
    """Signal(int) wraps at 2^31; a step may be more."""
    for name, thread in thread_classes().items():
        for node in ast.walk(thread):
            if isinstance(node, ast.Call) and called(node) == "Signal":
                assert "int" not in {getattr(argument, "id", "") for argument in node.args}, name


def test_nothing_of_a_failed_step_is_alive_when_the_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while the session still stands at that event: whoever hears of it may try again at once."""
    family = FAMILIES[0]
    choice = default_data(family)
    training = TrainingSettings(steps=20, device="cpu")
    config = RunConfig(family=family.key, learner=family.learners[0], data=choice, training=training)
    learner = catalog.learning(config.learner).learner
    step, build, done = learner.step, Recipe.build, Counter[str]()
    alive: list[weakref.ref[Any]] = []

    def building(recipe: Recipe, *given: Any) -> Learner:
        built = build(recipe, *given)
        alive.extend(weakref.ref(item) for item in (built, *built.parameters()))
        return built

    def failing(self: Learner, batch: Batch) -> dict[str, Tensor]:
        done["steps"] += 1
        large = torch.zeros(1000)
        alive.append(weakref.ref(large))
        if done["steps"] == 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(self, batch)

    monkeypatch.setattr(Recipe, "build", building)
    monkeypatch.setattr(learner, "step", failing)
    warm_up()
    gc.collect()
    gc.disable()
    try:
        counts = {
            type(event): sum(ref() is not None for ref in alive)
            for event in TrainingSession(config, load(choice)).events()
        }
    finally:
        gc.enable()
    assert counts[Started] > 1
    assert counts[Failed] == 0
