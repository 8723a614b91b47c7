"""Adam is torch's, bit for bit, without torch's compiler."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn

from models.learning.base import EagerAdam, adam

ALONE = """
import sys, torch
from models.learning.base import adam
weight = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2, 2))])
optimizer = adam(weight, 1e-3)
(weight[0] @ torch.ones(2)).sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
print(*(name for name in ("torch._dynamo", "sympy") if name in sys.modules))
"""


def test_every_step_is_that_of_torch_also_after_going_on_from_a_state() -> None:
    ours = nn.Linear(3, 2)
    theirs = deepcopy(ours)
    mine: torch.optim.Optimizer = adam(ours, 1e-2)
    torchs = torch.optim.Adam(theirs.parameters(), lr=1e-2, fused=True)
    assert isinstance(mine, EagerAdam)
    for step in range(6):
        if step == 3:
            state = mine.state_dict()
            mine = adam(ours, 1e-2)
            mine.load_state_dict(state)
        for net, optimizer in ((ours, mine), (theirs, torchs)):
            optimizer.zero_grad()
            net(torch.full((4, 3), 0.5 + step)).square().mean().backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad


def test_a_step_imports_no_compiler() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
