"""A folder with a plain script that builds the model again and samples it, with torch, safetensors and numpy only.

The script brings copies of exactly those modules of `models/` that its family imports: the same code, and so the same
samples. Only `models/settings.py` is replaced, by a few lines that need no pydantic: the values were checked here.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

from safetensors.torch import save_model

from dgm_studio import ROOT
from dgm_studio.exporting.base import Part, Source, Tell
from dgm_studio.exporting.script_text import SAMPLE, SETTINGS
from models.catalog import Recipe
from models.spec import DataSpec

FOLDER = "script"
REPLACED = "models.settings"


class Script(Part):
    key, title = "script", "Script without the studio"
    help = "A folder with sample.py, which builds the model and draws samples with torch, safetensors and numpy alone."
    needs_data = True

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Writing the script …")
        place = folder / FOLDER
        place.mkdir()
        config = source.config
        recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
        model, settings = type(source.there.model), type(recipe.model)
        for module, path in (needed(model.__module__) | needed(settings.__module__)).items():
            copy = place / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(SETTINGS if module == REPLACED else path.read_text(encoding="utf-8"), encoding="utf-8")
        save_model(source.there.model, str(place / "model.safetensors"), {"family": config.family})
        values = {"settings": recipe.model.model_dump(mode="json"), "data": spec_tree(source.spec)}
        text = json.dumps(values, indent=2, ensure_ascii=False)
        (place / "model.json").write_text(text + "\n", encoding="utf-8")
        names = {
            "title": f"{recipe.family.title}, run {source.name!r} at step {source.there.step}".replace('"', "'"),
            "model_module": model.__module__,
            "model": model.__name__,
            "settings_module": settings.__module__,
            "settings": settings.__name__,
        }
        (place / "sample.py").write_text(Template(SAMPLE).substitute(names), encoding="utf-8")
        return [f"{FOLDER}/sample.py needs torch, safetensors and numpy: python sample.py --help."]


def spec_tree(spec: DataSpec) -> dict[str, Any]:
    """What a model is told of its data, as JSON; factors, which no model asks for, are left out."""
    return {
        "event_shape": list(spec.event_shape),
        "support": str(spec.support),
        "layout": str(spec.layout),
        "categories": spec.categories,
        "class_names": list(spec.class_names),
        "symbols": list(spec.symbols),
        "protocol": spec.protocol,
        "other": None if spec.other is None else spec_tree(spec.other),
    }


def needed(module: str) -> dict[str, Path]:
    """The files of the modules of `models/` that `module` imports, itself included, by their names."""
    found: dict[str, Path] = {}
    ahead = [module]
    while ahead:
        name = ahead.pop()
        path = _path(name)
        if name in found or path is None:
            continue
        found[name] = path
        parts = name.split(".")
        ahead += [".".join(parts[:count]) for count in range(1, len(parts))]
        if name != REPLACED:
            ahead += _imported(path.read_text(encoding="utf-8"))
    return found


def _imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "models")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "models":
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
