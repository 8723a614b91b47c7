"""The most probable path, against the best of all paths."""

from __future__ import annotations

import pytest
import torch
from test_hidden_chain import all_paths, model

from models import viterbi
from models.hidden_chain import smooth
from models.viterbi import best_path


@pytest.mark.parametrize("length", [100, 3], ids=["whole", "in blocks"])
@pytest.mark.parametrize("steps", [1, 2, 5, 6, 8])
def test_it_is_the_best_of_all_paths(steps: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viterbi, "_block_length", lambda steps, *others: min(steps, length))
    given = model(3, steps, 4)
    paths, joint = all_paths(*given)
    path, log_joint = best_path(*given)
    assert torch.equal(path.T, paths[joint.argmax(0)])
    assert torch.allclose(log_joint, joint.amax(0), atol=1e-12)


def test_100_000_steps_in_32_bits_are_those_in_64_bits() -> None:
    given = model(3, 100_000, 1, torch.float32)
    (path, log_joint), (exact, exact_log_joint) = best_path(*given), best_path(*(t.double() for t in given))
    assert (path != exact).double().mean().item() < 1e-4  # nearly equal paths may be taken for each other
    assert log_joint.item() == pytest.approx(exact_log_joint.item(), rel=1e-6)


def test_blocks_find_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    given = model(4, 1000, 2)
    in_blocks, _ = best_path(*given)
    monkeypatch.setattr(viterbi, "_block_length", lambda steps, *others: steps)
    whole, _ = best_path(*given)
    assert torch.equal(in_blocks, whole)


def test_where_states_are_certain_it_is_their_path() -> None:
    initial, transition, emission = model(3, 50, 2)
    certain = 50 * emission
    path, log_joint = best_path(initial, transition, certain)
    found = smooth(initial, transition, certain)
    sure = found.posterior.amax(1) > 1 - 1e-9
    assert sure.double().mean() > 0.9
    assert torch.equal(found.posterior.argmax(1)[sure], path[sure])
    assert (log_joint <= found.evidence + 1e-9).all()


def test_blocks_that_hardly_forget_their_beginning_find_the_path_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that never moves: only the last block's end decides between the states, and all blocks must hear it."""
    monkeypatch.setattr(viterbi, "_block_length", lambda steps, *others: min(steps, 4))
    initial = torch.tensor([0.5, 0.5], dtype=torch.float64).log()
    transition = torch.tensor([[0.0, -1000.0], [-1000.0, 0.0]], dtype=torch.float64)
    emission = torch.zeros(40, 2, 2, dtype=torch.float64)
    emission[0, 0], emission[39, 1] = 1.0, torch.tensor([2.0, 0.5], dtype=torch.float64)
    path, _ = best_path(initial, transition, emission)
    assert torch.equal(path, torch.tensor([1, 0]).expand(40, 2))
