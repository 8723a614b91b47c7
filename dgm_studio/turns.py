"""Single steps of a game, in which a person chooses who moves."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dgm_studio.events import Turn
from dgm_studio.metrics import Metrics
from dgm_studio.state import device_of, looking
from models.spec import Batch

MOVED = "moved/"  # before a player's name: 1 where it moved at a step by hand, 0 where it stood still


def take_turns(
    learner: Any,  # a Learner that TakesTurns
    step: Callable[[Batch], dict[str, Tensor]],
    batch: Batch,
    number: int,
    metrics: Metrics,
    movers: Collection[str] | None,
) -> Turn:
    """Do step `number` with the players that are to move, all without `movers`, and say what became of it. Looking on
    draws from a generator of its own, so that the step is the one that would have been done unseen."""
    players: dict[str, nn.Module] = dict(learner.players())
    moving = tuple(name for name in players if movers is None or name in movers)

    def measured() -> dict[str, float]:
        with looking(learner):
            values = learner.held_out(batch, Generator(device_of(learner)).manual_seed(number))
        return {key: value.item() for key, value in values.items()}

    before = measured()
    learner.let_move(moving)
    try:
        metrics.add(number, step(batch))
    finally:
        learner.let_move(tuple(players))
    if movers is not None:
        device = device_of(learner)
        metrics.add(number, {name: torch.tensor(float(name in moving), device=device) for name in players}, MOVED)
    gradients = {name: _norm(players[name]) for name in moving}
    return Turn(number + 1, moving, before, measured(), gradients)


def _norm(module: nn.Module) -> float:
    squares = [p.grad.square().sum() for p in module.parameters() if p.grad is not None]
    return torch.stack(squares).sum().sqrt().item() if squares else 0.0
