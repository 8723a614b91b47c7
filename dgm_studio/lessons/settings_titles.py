"""What a setting of a run is called in the form."""

from __future__ import annotations

from dgm_studio.config import RunConfig


def title_of(config: RunConfig, name: str) -> str:
    """The title of "group.field", or the field's name where it has none."""
    group, _, field = name.partition(".")
    if group == "training":
        declared = type(config.training).model_fields
    elif group in ("model", "learning"):
        from models import catalog  # and torch with it, for which a list of lessons need not wait

        entry = catalog.family(config.family) if group == "model" else catalog.learning(config.learner)
        declared = entry.settings.model_fields
    else:
        declared = {}
    info = declared.get(field)
    return (info.title if info is not None else None) or field.replace("_", " ")
