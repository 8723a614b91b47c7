"""A hidden Markov chain with K states: draws, and evidence and posteriors by the forward-backward algorithm.

Everything takes log-probabilities in the layout of the recursions, states before sequences, so that one step is one
product of a (K, K) matrix with all sequences:

    log_initial     (K,)        log p(z_1)
    log_transition  (K, K)      log p(z_{t+1} = j | z_t = i) in row i, column j
    log_emission    (T, K, B)   log p(x_t | z_t), of B sequences of T steps

**No step underflows.** What is carried from step to step is p(z_t | x_1…x_t), divided by its sum as often as its
precision needs, while the logarithms of these sums, which are factors of p(x), are added up (Rabiner, 1989, section
V.A). log p(x_t | z_t) counts relative to its largest value over z_t. Where no transition is less probable than
e^LOWEST, which is less than a sum of probabilities in 64 bits resolves, a step loses at most a factor of e^LOWEST,
therefore, and what the posteriors are divided by is at least e^(2 LOWEST) / K² after a division: a number that 32 bits
hold for up to 512 states, whatever the length and the data.

**Few long sequences are cut into blocks** that are gone through side by side, for each of the K states in which the
block before may have ended: K times the work in far fewer steps, worth it while a step costs mostly its start. The
blocks' (K, K) matrices then join to an exact starting point of each block, as in the parallel scans of Särkkä &
García-Fernández (2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

LOWEST = -37.0  # nats
WORK = 60_000  # multiplications in a step, up to which blocks are worth their K-fold work
SHORTEST = 64  # steps of a block


def draw_states(initial: Tensor, transition: Tensor, n: int, steps: int, generator: Generator | None = None) -> Tensor:
    """n runs of the chain with the probabilities `initial` (K,) and `transition` (K, K): (n, steps) int64."""
    first, below = initial.cumsum(0), transition.cumsum(1)  # distribution functions, whose inverse is drawn from
    u = torch.rand(steps, n, 1, generator=generator, device=below.device, dtype=below.dtype)
    states = torch.empty(steps, n, dtype=torch.int64, device=below.device)
    last = len(initial) - 1  # rounding may leave a sum just below u
    states[0] = (first <= u[0]).sum(1).clamp_(max=last)
    for t in range(1, steps):
        states[t] = (below[states[t - 1]] <= u[t]).sum(1).clamp_(max=last)
    return states.T


@dataclass(frozen=True)
class Pairs:
    """p(z_t = i, z_{t+1} = j | x) = before[t, i] A[i, j] after[t, j], for every t of every sequence. They lie in
    blocks, and are summed before they are multiplied out: each alone is a (K, K) table."""

    before: Tensor  # (L, K, blocks × B)
    after: Tensor  # (L, K, blocks × B)
    transition: Tensor  # A (K, K)
    blocks: int

    def expected(self, weights: Tensor | None = None) -> Tensor:
        """Σ_t Σ_sequences p(z_t = i, z_{t+1} = j | x), each sequence times its weight (B,) if given: (K, K)."""
        before = self.before if weights is None else self.before * weights.repeat(self.blocks)
        left, right = (each.transpose(0, 1).flatten(1) for each in (before, self.after))
        return self.transition * (left @ right.T)


@dataclass(frozen=True)
class Smoothed:
    """What is known of the hidden states given the observations."""

    evidence: Tensor  # (B,)  log p(x)
    forward: Tensor  # (T, K, B)  p(z_t | x_1…x_t)
    backward: Tensor  # (T, K, B)  p(x_{t+1}…x_T | z_t), scaled to sum to 1 over z_t
    posterior: Tensor  # (T, K, B)  p(z_t | x)
    pairs: Pairs


def evidence(log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> Tensor:
    """log p(x) of each sequence, in nats: (B,). Differentiable by Fisher's identity: the gradient is the expected
    number of times that each of the log-probabilities is used, which one backward recursion gives."""
    return _Evidence.apply(log_initial, log_transition, log_emission)


@torch.no_grad()
def smooth(log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> Smoothed:
    """Forward and backward recursion, and the posteriors that follow (Rabiner, 1989, section III). Autograd does not
    see them."""
    cut = _Blocks(log_initial, log_transition, log_emission)
    starts, ends = cut.starts_and_ends()
    forward, backward = torch.empty_like(cut.emission), torch.empty_like(cut.emission)
    log_factors = _look_ahead(starts, cut.ahead, cut.emission, forward)
    scales = _look_back(ends, cut.transition, cut.emission, backward)
    forward /= forward.sum(1, keepdim=True)

    seen = cut.emission * backward
    after = torch.cat([seen[1:], seen[:1].roll(-cut.sequences, 2)])  # after a block's last step the next block begins
    scales[-1] = (cut.transition @ after[-1]).sum(0)
    posterior = forward * backward
    agreement = posterior.sum(1, keepdim=True)
    before = forward / (agreement * scales[:, None])
    backward /= backward.sum(1, keepdim=True)
    before[cut.steps - 1 - (cut.blocks - 1) * cut.length :, :, -cut.sequences :] = 0  # nothing follows the last step
    return Smoothed(
        log_factors.reshape(cut.blocks, -1).sum(0) + cut.peak,
        cut.joined(forward),
        cut.joined(backward),
        cut.joined(posterior.div_(agreement)),
        Pairs(before, after, cut.transition, cut.blocks),
    )


class _Evidence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> Tensor:
        if not any(ctx.needs_input_grad):
            return _Blocks(log_initial, log_transition, log_emission).evidence()
        found = smooth(log_initial, log_transition, log_emission)
        ctx.pairs, ctx.posterior = found.pairs, found.posterior
        return found.evidence

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return ctx.posterior[0] @ grad, ctx.pairs.expected(grad), ctx.posterior * grad


class _Blocks:
    """The model's probabilities, and its sequences cut into blocks (L, K, blocks × B): block after block, the last one
    filled up with steps at which nothing is observed."""

    def __init__(self, log_initial: Tensor, log_transition: Tensor, log_emission: Tensor) -> None:
        self.steps, self.states, self.sequences = log_emission.shape
        self.initial, self.transition = log_initial.exp(), log_transition.exp()
        self.ahead = self.transition.T.contiguous()
        peak = log_emission.amax(1, keepdim=True)
        self.peak = peak.sum((0, 1))  # (B,)
        self.length = _block_length(self.steps, self.states, self.sequences)
        self.blocks = -(-self.steps // self.length)
        emission = (log_emission - peak).exp_()
        self.emission = emission if self.blocks == 1 else self._cut(emission)

    def _cut(self, of_steps: Tensor) -> Tensor:
        filling = of_steps.new_ones(self.blocks * self.length - self.steps, self.states, self.sequences)
        parts = torch.cat([of_steps, filling]).reshape(self.blocks, self.length, self.states, self.sequences)
        return parts.permute(1, 2, 0, 3).flatten(2).contiguous()

    def joined(self, of_blocks: Tensor) -> Tensor:
        """(L, K, blocks × B) -> (T, K, B)."""
        if self.blocks == 1:
            return of_blocks
        parts = of_blocks.reshape(self.length, self.states, self.blocks, self.sequences).permute(2, 0, 1, 3)
        return parts.flatten(0, 1)[: self.steps]

    def evidence(self) -> Tensor:
        """log p(x): (B,)."""
        if self.blocks == 1:
            start = self.initial[:, None].expand(-1, self.sequences)
            return _look_ahead(start, self.ahead, self.emission, torch.empty_like(self.emission[0])) + self.peak
        return self._scan()[2] + self.peak

    def starts_and_ends(self) -> tuple[Tensor, Tensor]:
        """How each block begins, p(its first z | all x before it), and what comes after it, p(all x after it | its last
        z) up to a factor: both (K, blocks × B)."""
        start, end = self.initial[:, None].expand(-1, self.sequences), self.initial.new_ones(1, 1)
        if self.blocks == 1:
            return start, end.expand_as(start)
        states, through, _ = self._scan()
        ends = [end.expand(self.sequences, self.states, 1)]
        for block in through.flip(0).unbind():
            found = block.mT @ ends[-1]
            ends.append(found.div_(found.sum(1, keepdim=True)))
        last = torch.stack(ends[::-1]).squeeze(-1)  # (blocks, B, K)
        return torch.cat([start, self.ahead @ states.flatten(0, 1).T], 1), last.flatten(0, 1).T

    def _scan(self) -> tuple[Tensor, Tensor, Tensor]:
        """p(last z of a block | x up to there) for all blocks but the last (blocks - 1, B, K); what each block but the
        first makes of p(z before it), as matrices (blocks - 1, B, K, K) up to a factor; log p(x) less the peaks."""
        begins = torch.cat([self.ahead, self.initial[:, None]], 1)  # the last column counts for the first block alone
        runs = begins[:, :, None].expand(-1, -1, self.blocks * self.sequences)
        last = torch.empty_like(runs, memory_format=torch.contiguous_format)
        log_factors = _look_ahead(runs, self.ahead, self.emission[:, :, None], last)
        ends = last.reshape(self.states, -1, self.blocks, self.sequences).permute(2, 3, 0, 1)  # (blocks, B, to, from)
        log_scale = log_factors.reshape(-1, self.blocks, self.sequences).permute(1, 2, 0)  # (blocks, B, from)
        state = ends[0, ..., -1:]
        through, scale = ends[1:, ..., :-1], log_scale[1:, :, :-1]
        top = scale.amax(-1, keepdim=True)
        through = through * (scale - top).exp()[..., None, :]
        states, factors = [state], []
        for block in through.unbind():
            state = block @ state
            factors.append(state.sum(1, keepdim=True))
            state = state / factors[-1]
            states.append(state)
        total = torch.stack(factors).log().sum((0, 2, 3)) + top.sum((0, 2)) + log_scale[0, :, -1]
        return torch.stack(states[:-1]).squeeze(-1), through, total


def _block_length(steps: int, states: int, sequences: int) -> int:
    """Steps per block: all of them where one step is work enough."""
    if steps < 2 * SHORTEST or sequences * states**3 > WORK:
        return steps
    return max(SHORTEST, round(steps**0.5))


def _look_ahead(start: Tensor, ahead: Tensor, emission: Tensor, kept: Tensor) -> Tensor:
    """The forward recursion from `start`, p(z_1) (K, ...), over `emission` (L, K, ...): log p(x_1…x_L) (...). Every
    p(z_t | x_1…x_t), up to a factor but for the last, goes to `kept` (L, K, ...); a `kept` without steps (K, ...)
    receives the last."""
    every, steps = _steps_without_scaling(start.dtype), len(emission)
    factors = start.new_empty(-(-steps // every), *start.shape[1:])
    predicted = start.clone(memory_format=torch.contiguous_format)
    flat, state = predicted.view(len(start), -1), kept
    for t, of_step in enumerate(emission.unbind()):
        if t:
            torch.mm(ahead, state.view(flat.shape), out=flat)
        state = kept[t] if kept.ndim == emission.ndim else kept
        torch.mul(predicted, of_step, out=state)
        if t % every == every - 1 or t == steps - 1:
            factor = torch.sum(state, 0, out=factors[t // every])
            state.div_(factor)
    return factors.log_().sum(0)


def _look_back(end: Tensor, transition: Tensor, emission: Tensor, kept: Tensor) -> Tensor:
    """The backward recursion from `end`, p(what follows | z_L) (K, N), over `emission` (L, K, N). Every
    p(x_{t+1}… | z_t), up to a factor, goes to `kept` (L, K, N). Returned is by which factor (L, N) it is smaller than
    Σ_z p(z | z_t) p(x_{t+1} | z) `kept`[t + 1, z]; of the last step nothing."""
    every = _steps_without_scaling(end.dtype)
    scales = end.new_ones(len(emission), end.shape[1])
    seen = torch.empty_like(kept[0])
    future = torch.div(end, end.sum(0), out=kept[-1])
    steps = list(zip(emission[1:].unbind(), kept[:-1].unbind(), scales[:-1].unbind(), strict=True))
    for t, (of_next, now, scale) in reversed(list(enumerate(steps))):
        torch.mul(of_next, future, out=seen)
        torch.mm(transition, seen, out=now)
        if t % every == 0:
            torch.sum(now, 0, out=scale)
            now.div_(scale)
        future = now
    return scales


def _steps_without_scaling(dtype: torch.dtype) -> int:
    """After how many steps probabilities must be divided by their sum, if each may lose a factor of e^(2 LOWEST)."""
    return max(1, int(math.log(torch.finfo(dtype).tiny) / (2 * LOWEST)))
