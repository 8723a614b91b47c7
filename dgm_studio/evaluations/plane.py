"""What a decoder makes of a code of two dimensions, place by place: everything that it knows, as one picture."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dgm_studio.evaluations.base import Evaluation
from dgm_studio.number_texts import indexed
from dgm_studio.reports import Note, Pictures, Report
from dgm_studio.state import as_bytes
from dgm_studio.subject import Subject
from dgm_studio.table_texts import number
from models.capabilities import Decodes
from models.settings import Settings, setting
from models.spec import DataSpec, Layout

DRAWS = 20_000  # of the prior, whose order says where the quantiles lie


class PlaneSettings(Settings):
    side: int = setting(
        10, title="Pictures of a side", help="At as many quantiles of each latent dimension.", ge=2, le=40
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, Decodes) and spec.layout is Layout.IMAGE


def _run(subject: Subject, settings: PlaneSettings) -> Iterator[float | Report]:
    prior = subject.model.prior()
    latent = prior.mean.shape[-1]
    if latent != 2:
        text = f"The code has {latent} dimension{'s' if latent > 1 else ''}; a code of two is shown whole."
        yield Note("No plane", text)
        return
    side = settings.side
    ordered = prior.sample(DRAWS, subject.generator).sort(0).values  # (DRAWS, 2)
    places = ((torch.arange(side, device=ordered.device) + 0.5) / side * DRAWS).long()
    across, down = ordered[places, 0], ordered[places, 1].flip(0)
    z = torch.stack([across.repeat(side), down.repeat_interleave(side)], 1)
    yield 0.5
    pictures = as_bytes(subject.model.decode(z).cpu().float().numpy(), subject.spec)
    note = (
        f"Means of p(x|z) at {side}×{side} codes with as much of the prior between any two neighbours. "
        f"{indexed('z', 0)} grows to the right and stands above, {indexed('z', 1)} grows upwards."
    )
    names = tuple(number(value, 2) for value in across.tolist())
    yield Pictures("The plane of the code", pictures, names, note=note, stacked=True)


EVALUATION = Evaluation(
    "plane",
    "The plane of the code",
    "What the decoder makes of a code of two dimensions, from one end of the prior to the other.",
    PlaneSettings,
    _admits,
    _run,
)
