"""The most probable path of a hidden Markov chain (Viterbi, 1967). The layout is that of models/hidden_chain.py.

Few long sequences are cut into blocks as there: the best scores through each block from any state to any other, found
for all blocks side by side, say where the best path can enter and leave each; then all blocks are traced at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.hidden_chain import block_length


@torch.no_grad()
def best_path(log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> tuple[Tensor, Tensor]:
    """argmax_z p(z, x) of each sequence (T, B) int64, and log p(z, x) there, in nats (B,). Between equally probable
    paths the choice is arbitrary."""
    steps, states, sequences = log_emission.shape
    length = block_length(steps, states, sequences)
    blocks = steps // length
    cut = log_emission[: blocks * length].reshape(blocks, length, states, sequences)
    cut = cut.permute(1, 2, 0, 3).flatten(2).contiguous()  # (L, K, blocks × B)
    before = _scores_before(log_initial, log_transition, cut, sequences)
    first, came = _moved(before, log_transition)
    first[:, :sequences] = log_initial[:, None]
    score, pointers = _run(first + cut[0], log_transition, cut[1:])
    score, tail = _run(score[:, -sequences:], log_transition, log_emission[blocks * length :])

    # what does not fill a block comes last and is traced first
    path = log_emission.new_empty(steps, sequences, dtype=torch.int64)
    state = score.argmax(0, keepdim=True)
    for t in range(len(tail) - 1, -1, -1):
        path[blocks * length + t] = state
        state = tail[t].gather(0, state)
    # each block from each state in which it may end
    inside = torch.empty_like(cut, dtype=torch.int64)
    inside[-1] = torch.arange(states, device=cut.device)[:, None]
    for t in range(length - 2, -1, -1):
        torch.gather(pointers[t], 0, inside[t + 1], out=inside[t])
    previous = came.gather(0, inside[0]).reshape(states, blocks, sequences)
    left = torch.empty_like(path[:blocks])  # where the path leaves each block
    for block in range(blocks - 1, -1, -1):
        left[block] = state
        state = previous[:, block].gather(0, state)
    traced = inside.reshape(length, states, blocks, sequences).gather(1, left.expand(length, 1, -1, -1))
    path[: blocks * length] = traced.squeeze(1).transpose(0, 1).flatten(0, 1)
    return path, _log_joint(path, log_initial, log_transition, log_emission)


def _scores_before(log_initial: Tensor, log_transition: Tensor, cut: Tensor, sequences: int) -> Tensor:
    """The best score up to the last state before each block, up to a constant: (K, blocks × B). Of the first block,
    before which there is nothing, zero."""
    states, blocks = len(log_initial), cut.shape[2] // sequences
    nothing = cut.new_zeros(states, sequences)
    if blocks == 1:
        return nothing
    begins = torch.cat([log_transition.T, log_initial[:, None]], 1)  # the last column counts for the first block alone
    score = begins[:, :, None] + cut[0, :, None]  # (to, from, blocks × B)
    for of_step in cut[1:]:
        score = (score[:, None] + log_transition[:, :, None, None]).amax(0).add_(of_step[:, None])
        score -= score.amax((0, 1))
    through = score.reshape(states, states + 1, blocks, sequences).permute(2, 3, 0, 1)  # (blocks, B, to, from)
    found = [through[0, ..., -1]]
    for block in through[1:-1, ..., :-1]:
        found.append((block + found[-1][:, None]).amax(2))
        found[-1] -= found[-1].amax(1, keepdim=True)
    return torch.cat([nothing, torch.cat(found).T], 1)


def _moved(score: Tensor, log_transition: Tensor) -> tuple[Tensor, Tensor]:
    """The best score one step on, before its emission, and the state it came from: both (K, N)."""
    best, came = (score[:, None] + log_transition[:, :, None]).max(0)
    return best - best.amax(0), came  # relative, so that no precision is lost over many steps


def _run(score: Tensor, log_transition: Tensor, emission: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The best scores after all steps, and where each step's best came from."""
    pointers = []
    for of_step in emission:
        score, came = _moved(score, log_transition)
        score += of_step
        pointers.append(came)
    return score, pointers


def _log_joint(path: Tensor, log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> Tensor:
    """log p(z, x) of paths (T, B): (B,)."""
    emitted = log_emission.gather(1, path[:, None]).sum((0, 1))
    return log_initial[path[0]] + log_transition[path[:-1], path[1:]].sum(0) + emitted
