"""Recursions over hidden chains, against sums over all paths and plain recursions in logarithms."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from contract import draws
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from models import hidden_chain
from models.hidden_chain import draw_states, evidence, smooth


def model(states: int, steps: int, sequences: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = draws(states + steps)
    initial = torch.randn(states, generator=generator, dtype=dtype).log_softmax(0)
    transition = (2 * torch.randn(states, states, generator=generator, dtype=dtype)).log_softmax(1)
    return initial, transition, 3 * torch.randn(steps, states, sequences, generator=generator, dtype=dtype)


def all_paths(initial: Tensor, transition: Tensor, emission: Tensor) -> tuple[Tensor, Tensor]:
    """Every path (P, T), and log p(path, x) of each: (P, B)."""
    steps, states, _ = emission.shape
    paths = torch.tensor(list(product(range(states), repeat=steps)))
    joint = initial[paths[:, 0]] + transition[paths[:, :-1], paths[:, 1:]].sum(1)
    return paths, joint[:, None] + sum(emission[t, paths[:, t]] for t in range(steps))


def plain_evidence(initial: Tensor, transition: Tensor, emission: Tensor) -> Tensor:
    """log p(x) by one logsumexp after the other: (B,)."""
    state = initial[:, None] + emission[0]
    for of_step in emission[1:]:
        state = (state[:, None] + transition[:, :, None]).logsumexp(0) + of_step
    return state.logsumexp(0)


@pytest.fixture(params=["whole", "in blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in blocks":
        monkeypatch.setattr(hidden_chain, "_block_length", lambda *sizes: 3)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("steps", [1, 2, 5, 7])
def test_evidence_and_posteriors_are_sums_over_all_paths(steps: int) -> None:
    given = model(3, steps, 4)
    paths, joint = all_paths(*given)
    found, p = smooth(*given), joint.softmax(0)
    assert torch.allclose(evidence(*given), joint.logsumexp(0), atol=1e-12)
    assert torch.allclose(found.evidence, joint.logsumexp(0), atol=1e-12)
    of_state = torch.stack([torch.stack([p[paths[:, t] == k].sum(0) for k in range(3)]) for t in range(steps)])
    assert torch.allclose(found.posterior, of_state, atol=1e-12)
    pairs = torch.zeros(3, 3, dtype=torch.float64)
    for t in range(steps - 1):
        for i, j in product(range(3), repeat=2):
            pairs[i, j] += p[(paths[:, t] == i) & (paths[:, t + 1] == j)].sum()
    assert torch.allclose(found.pairs.expected(), pairs, atol=1e-12)


@pytest.mark.usefixtures("blocks")
def test_forward_and_backward_are_what_they_say() -> None:
    initial, transition, emission = model(3, 7, 2)
    found = smooth(initial, transition, emission)
    for t in range(7):
        paths, joint = all_paths(initial, transition, emission[: t + 1])
        ahead = torch.stack([joint[paths[:, -1] == k].exp().sum(0) for k in range(3)])
        assert torch.allclose(found.forward[t], ahead / ahead.sum(0), atol=1e-12)
    for t in range(6):
        behind = torch.stack([plain_evidence(transition[k], transition, emission[t + 1 :]).exp() for k in range(3)])
        assert torch.allclose(found.backward[t], behind / behind.sum(0), atol=1e-12)
        # forward and backward meet at every step in the same evidence
        meeting = (found.forward[t] * behind).sum(0).log() + plain_evidence(initial, transition, emission[: t + 1])
        assert torch.allclose(meeting, found.evidence, atol=1e-12)


@pytest.mark.usefixtures("blocks")
def test_the_gradient_is_that_of_the_plain_recursion() -> None:
    given = [tensor.requires_grad_() for tensor in model(3, 8, 4)]
    weights = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64)
    of_ours = torch.autograd.grad((evidence(*given) * weights).sum(), given)
    of_plain = torch.autograd.grad((plain_evidence(*given) * weights).sum(), given)
    for ours, plain in zip(of_ours, of_plain, strict=True):
        assert torch.allclose(ours, plain, atol=1e-12)


@pytest.mark.usefixtures("blocks")
def test_the_gradient_is_the_expected_number_of_uses() -> None:
    given = [tensor.requires_grad_() for tensor in model(3, 8, 4)]
    of_initial, of_transition, of_emission = torch.autograd.grad(evidence(*given).sum(), given)
    found = smooth(*given)
    assert torch.allclose(of_initial, found.posterior[0].sum(1), atol=1e-12)
    assert torch.allclose(of_transition, found.pairs.expected(), atol=1e-12)
    assert torch.allclose(of_emission, found.posterior, atol=1e-12)


def test_blocks_give_what_the_whole_sequence_gives() -> None:
    initial, transition, emission = model(4, 5000, 2)
    assert hidden_chain._block_length(5000, 4, 2) < 5000, "this length is cut"
    assert torch.allclose(evidence(initial, transition, emission), plain_evidence(initial, transition, emission))
    found = smooth(initial, transition, emission)
    assert torch.allclose(found.posterior.sum(1), torch.ones(1, dtype=torch.float64), atol=1e-12)
    assert found.pairs.expected().sum().item() == pytest.approx(2 * 4999, abs=1e-8)


def test_inputs_stay_as_they_were() -> None:
    given = model(3, 7, 1)
    kept = [tensor.clone() for tensor in given]
    smooth(*given)
    evidence(*given)
    assert all(torch.equal(a, b) for a, b in zip(given, kept, strict=True))


def test_100_000_steps_in_32_bits_are_those_in_64_bits() -> None:
    """Also where every step is as improbable as can be: the chain hardly ever moves, and the data say that it does."""
    steps = 100_000
    sticky = torch.tensor([[0.0, hidden_chain.LOWEST], [hidden_chain.LOWEST, 0.0]])
    initial = torch.tensor([0.5, 0.5]).log()
    emission = torch.zeros(steps, 2, 1)
    emission[::2, 0], emission[1::2, 1] = -500.0, -500.0  # alternating: moving costs 37 nats, staying 500
    found, exact = smooth(initial, sticky, emission), smooth(initial.double(), sticky.double(), emission.double())
    assert exact.evidence.item() == pytest.approx(hidden_chain.LOWEST * (steps - 1) - 0.693147, rel=1e-9)
    assert found.evidence.item() == pytest.approx(exact.evidence.item(), rel=1e-6)
    assert torch.allclose(found.posterior.double(), exact.posterior, atol=1e-5)

    given = model(3, steps, 1, torch.float32)
    found, exact = smooth(*given), smooth(*(tensor.double() for tensor in given))
    assert exact.evidence.item() == pytest.approx(plain_in_parts(*(t.double() for t in given)), rel=1e-9)
    assert found.evidence.item() == pytest.approx(exact.evidence.item(), rel=1e-6)
    assert torch.allclose(found.posterior.double(), exact.posterior, atol=1e-4)
    assert torch.allclose(found.pairs.expected().double(), exact.pairs.expected(), rtol=1e-4)


def plain_in_parts(initial: Tensor, transition: Tensor, emission: Tensor) -> float:
    """log p(x) of one sequence by NumPy's plain scaled recursion, another way of writing it down."""
    a, b = transition.exp().numpy(), emission[:, :, 0].exp().numpy()
    state, total = initial.exp().numpy() * b[0], 0.0
    for row in b[1:]:
        size = state.sum()
        total += float(torch.tensor(size).log())
        state = (state / size) @ a * row
    return total + float(torch.tensor(state.sum()).log())


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in blocks"])
def test_the_work_is_linear_in_the_length(cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not cut:
        monkeypatch.setattr(hidden_chain, "_block_length", lambda steps, *others: steps)
    work = []
    for steps in (2000, 8000) if cut else (500, 2000):
        given = model(3, steps, 1)
        with FlopCounterMode(display=False) as counter:
            smooth(*given)
        work.append(counter.get_total_flops() / steps)
    assert work[0] > 3 * 3 * 2, "forward and backward are counted"
    assert work[1] == pytest.approx(work[0], rel=0.1)


def test_drawn_states_follow_the_chain() -> None:
    initial, transition = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [1.0, 0, 0]])
    states = draw_states(initial, transition, 20_000, 5, draws())
    for k in range(3):
        share = (states[:, 0] == k).double().mean().item()
        assert share == pytest.approx(initial[k].item(), abs=5 * (0.25 / 20_000) ** 0.5)
    came, went = states[:, :-1].flatten(), states[:, 1:].flatten()
    for i in range(3):
        found = torch.bincount(went[came == i], minlength=3).double() / (came == i).sum()
        assert torch.allclose(found, transition[i].double(), atol=5 * (0.25 / (came == i).sum().item()) ** 0.5)
        assert (found[transition[i] == 0] == 0).all()
