"""The most probable path of a hidden Markov chain (Viterbi, 1967). The layout is that of models/hidden_chain.py.

Few long sequences are cut into blocks that are gone through side by side. Where a block begins with the wrong scores,
its scores become those of the right beginning after some steps all the same, up to a constant that decides nothing.
So all blocks begin with a guess, then again with what the block before ended with, until that no longer changes:
mostly at once, and after as many times as there are blocks at the latest (Maleki, Musuvathi & Mytkowicz, 2014). On the
way back it is the same with the states that blocks end in.
"""

from __future__ import annotations

import torch
from torch import Tensor

LENGTH = 128  # steps of a block
GUESS = 32  # steps from which the first guess of scores or states is made
SCALED = 8  # steps after which the largest score is brought to 0 again, so that no precision is lost
WORK = 1 << 18  # sums in a step over all blocks of all sequences, up to which blocks are worth while


@torch.no_grad()
def best_path(log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> tuple[Tensor, Tensor]:
    """argmax_z p(z, x) of each sequence (T, B) int64, and log p(z, x) there, in nats (B,). Between paths that are
    equal up to rounding the choice is arbitrary. Waits for the device."""
    steps, states, sequences = log_emission.shape
    length = _block_length(steps, states, sequences)
    blocks = steps // length
    body = blocks * length
    cut = log_emission[:body].reshape(blocks, length, states, sequences).permute(1, 2, 0, 3).flatten(2).contiguous()
    first = log_initial[:, None].expand(-1, sequences)
    begin, scores = _scores_of_blocks(first, log_transition, cut)
    # what does not fill a block comes last
    rest, last = log_emission[body:], scores[-1, :, -sequences:]
    after = torch.empty_like(rest)
    _score(last, log_transition, rest, after)
    state = (after[-1] if len(after) else last).argmax(0)
    end_of_body, in_rest = _traced(state, last, log_transition, after)
    in_blocks = _trace_blocks(end_of_body, begin, log_transition, scores)
    in_body = in_blocks.reshape(length, blocks, sequences).transpose(0, 1).flatten(0, 1)
    path = torch.cat([in_body, in_rest])
    emitted = log_emission.gather(1, path[:, None]).sum((0, 1))
    return path, log_initial[path[0]] + log_transition[path[:-1], path[1:]].sum(0) + emitted


def _block_length(steps: int, states: int, sequences: int) -> int:
    """Steps per block: all of them where one step is work enough."""
    few = sequences * states**2 * steps // LENGTH <= WORK
    return LENGTH if steps >= 2 * LENGTH and few else steps


def _scores_of_blocks(first: Tensor, log_transition: Tensor, cut: Tensor) -> tuple[Tensor, Tensor]:
    """The best scores before each block (K, blocks × B), and after each of its steps (L, K, blocks × B). `first` (K, B)
    is log p(z_1)."""
    sequences = first.shape[1]
    scores = torch.empty_like(cut)
    begin = torch.zeros_like(cut[0])
    if cut.shape[2] > sequences:  # a guess from the last steps of the block before
        _score(begin, log_transition, cut[-GUESS:], scores[-GUESS:])
        begin = _passed_on(scores[-1], sequences)
    while True:
        _score(begin, log_transition, cut, scores, first)
        again = _passed_on(scores[-1], sequences)
        if torch.allclose(again, begin, rtol=0, atol=1e-9 if cut.dtype is torch.float64 else 1e-4):  # nats
            return begin, scores
        begin = again


def _passed_on(end: Tensor, sequences: int) -> Tensor:
    """What each block ended with, the largest being 0, as what the next one begins with; the first begins with 0:
    (K, blocks × B)."""
    return torch.cat([torch.zeros_like(end[:, :sequences]), (end - end.amax(0))[:, :-sequences]], 1)


def _score(score: Tensor, log_transition: Tensor, emission: Tensor, kept: Tensor, first: Tensor | None = None) -> None:
    """The best score of each state after each step of `emission` (L, K, N), from those before it, `score` (K, N): to
    `kept` (L, K, N), up to a constant. `first` (K, B) takes the place of the first sequences' move into the first
    step."""
    moves = log_transition[:, :, None]
    candidates = score.new_empty(len(score), *score.shape)
    for t, (of_step, now) in enumerate(zip(emission.unbind(), kept.unbind(), strict=True)):
        torch.add(score.unsqueeze(1), moves, out=candidates)
        torch.amax(candidates, 0, out=now)
        if t == 0 and first is not None:
            now[:, : first.shape[1]] = first
        now.add_(of_step)
        if t % SCALED == 0:
            now.sub_(now.amax(0))
        score = now


def _traced(state: Tensor, begin: Tensor, log_transition: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The way back from `state` (N,) after all steps of `scores` (L, K, N): the state before them (N,), where the
    scores are `begin` (K, N), and the states in them (L, N)."""
    found = torch.empty(len(scores) + 1, scores.shape[2], dtype=torch.int64, device=scores.device)
    found[-1] = state
    candidates, best = torch.empty_like(begin), torch.empty_like(begin[0])
    states = found.unbind()
    befores = (begin, *scores[:-1].unbind()) if len(scores) else ()
    for t in range(len(scores) - 1, -1, -1):
        torch.index_select(log_transition, 1, states[t + 1], out=candidates)
        candidates.add_(befores[t])
        torch.max(candidates, 0, out=(best, states[t]))
    return found[0], found[1:]


def _trace_blocks(end: Tensor, begin: Tensor, log_transition: Tensor, scores: Tensor) -> Tensor:
    """The states of all steps (L, blocks × B), where the last blocks end in `end` (B,)."""
    sequences = len(end)
    ends = end
    if scores.shape[2] > sequences:  # a guess from the first steps of the block after
        some = scores[:GUESS, :, sequences:]
        came, _ = _traced(some[-1].argmax(0), begin[:, sequences:].contiguous(), log_transition, some)
        ends = torch.cat([came, end])
    while True:
        came, found = _traced(ends, begin, log_transition, scores)
        again = torch.cat([came[sequences:], end])
        if torch.equal(again, ends):
            return found
        ends = again
