"""What ails a machine that learns from chains: they stay where they are, and stand for a part of it only."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Generator, Tensor

from models.capabilities import HasFreeEnergy, TooLarge
from models.estimation.mixing import mixing
from models.learning.base import Symptom, Ways

SETTLED = 1000  # updates: before, a machine is near its start, where chains mix well or not at all by its scales
CHAINS = 20  # half of them begin at data, half without
TRANSITIONS = 100
APART = 1.3  # R̂; measured on presets that learn well: at most 1.08


def unmixed(model: Any, data: Tensor, ways: Ways, generator: Generator) -> Symptom | None:
    """Whether chains of a model that `RunsChain`, from data (N, *event) and from where it starts chains itself, stay
    apart."""
    half = CHAINS // 2
    if len(data) < half:
        return None
    x = torch.cat([data[:half], model.start_chain(CHAINS - half, generator).x.to(data)])
    ink, energies = [], []
    for _ in range(TRANSITIONS):
        x = model.transition(x, generator=generator).x
        ink.append(x.flatten(1).mean(1))
        if isinstance(model, HasFreeEnergy):
            with suppress(TooLarge):
                energies.append(model.free_energy(x))
    followed = {"the mean of what is visible": ink} | ({"the free energy": energies} if energies else {})
    if not all(torch.stack(values).isfinite().all() for values in followed.values()):
        return None
    found = {name: mixing(torch.stack(values, 1)).r_hat for name, values in followed.items()}
    name, r_hat = max(found.items(), key=lambda item: item[1] if item[1] == item[1] else 0.0)
    if not r_hat > APART:
        return None
    return Symptom(
        "chains do not mix",
        "The chains do not mix: where they begin decides where they stay, so that learning sees a part of the model.",
        f"R̂ of {name} is {r_hat:.2f} over {TRANSITIONS} transitions of {CHAINS} chains, half of them from held-out "
        f"examples and half without data: how much farther they lie apart than each of them moves, 1 where they agree. "
        f"More than {APART:g} is told, from {SETTLED} updates on.",
        "More sweeps per step, or replicas at higher temperatures, which carry chains from mode to mode.",
        ways,
    )
