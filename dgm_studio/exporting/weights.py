"""Weights and configuration: what was there from the first, and what `import-weights` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file, save_model

from dgm_studio import __version__
from dgm_studio.exporting.base import Part, Source, Tell

WEIGHTS, CONFIG = "weights.safetensors", "config.json"


def described(source: Source) -> dict[str, Any]:
    """All that is needed to build the model again."""
    spec = source.subject.spec if source.subject is not None else None
    about_data = (
        {}
        if spec is None
        else {
            "event_shape": list(spec.event_shape),
            "support": str(spec.support),
            "protocol": spec.protocol,
        }
    )
    return {
        "studio": __version__,
        "name": source.name,
        "step": source.step,
        **about_data,
        "config": source.config.model_dump(mode="json"),
    }


class Weights(Part):
    key, title = "weights", "Weights and configuration"
    help = "weights.safetensors, the model's tensors by name, and config.json, all settings of the run."

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        tell("Writing weights …")
        path, family = str(folder / WEIGHTS), {"family": source.config.family}
        if source.subject is None:
            tensors = {key: tensor.contiguous() for key, tensor in source.tensors.items()}
            save_file(tensors, path, family)
        else:
            save_model(source.subject.model, path, family)
            tensors = source.subject.model.state_dict()
        text = json.dumps(described(source), indent=2, ensure_ascii=False)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
        numbers = sum(one.numel() for one in tensors.values())
        return [f"{len(tensors)} tensors, {numbers:,} numbers; import-weights takes them back."]
