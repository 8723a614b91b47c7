"""Boltzmann machines as universal approximators: the exact KL divergence to random targets over 2^8 states falls with
the number of hidden units, and with the kinds of connections (Le Roux & Bengio, 2008; the lecture's "universal
approximator").

A target gives each state the probability exp(g) / Σ exp(g), g ~ N(0, 2²), so that all orders of correlation matter.
Everything is enumerated, and the divergence is minimised by L-BFGS on its exact gradient, from one start for each
target. One thread, double precision.
"""

from __future__ import annotations

import time

import torch
from torch import Generator, Tensor

from models.boltzmann import Boltzmann, BoltzmannSettings
from models.spec import DataSpec, Layout, Support

BITS = 8
TARGETS, ITERATIONS = 3, 1500
HIDDEN = (0, 1, 2, 4, 8, 16, 32, 64)
KINDS = {"W (restricted)": (False, False), "R and W": (True, False), "R, W and S": (True, True)}
SPEC = DataSpec((BITS,), Support.BITS, Layout.VECTOR)


def states() -> Tensor:
    return (torch.arange(2**BITS)[:, None] >> torch.arange(BITS - 1, -1, -1) & 1).double()


def target(seed: int) -> Tensor:
    return (2 * torch.randn(2**BITS, generator=Generator().manual_seed(seed)).double()).log_softmax(0)


def divergence(model: Boltzmann, log_target: Tensor) -> Tensor:
    """KL(target ‖ model) in nats."""
    log_p = (-model.free_energy(states())).log_softmax(0)
    return (log_target.exp() * (log_target - log_p)).sum()


def fitted(hidden: int, visible_connections: bool, hidden_connections: bool, log_target: Tensor, seed: int) -> float:
    """The divergence that L-BFGS ends with."""
    torch.manual_seed(seed)
    settings = BoltzmannSettings(
        hidden=hidden, visible_connections=visible_connections, hidden_connections=hidden_connections
    )
    model = Boltzmann(settings, SPEC).double()
    with torch.no_grad():
        model.weight.normal_(0, 0.5)
        for upper in (model.visible_weight, model.hidden_weight):
            if upper is not None:
                upper.normal_(0, 0.5).triu_(1)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=ITERATIONS, max_eval=2 * ITERATIONS, history_size=50, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = divergence(model, log_target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return divergence(model, log_target).item()


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    uniform = sum((target(s).exp() * (target(s) + BITS * torch.tensor(2.0).log())).sum().item() for s in range(TARGETS))
    print(f"KL(target ‖ uniform) = {uniform / TARGETS:.3f} nats, mean of {TARGETS} targets over 2^{BITS} states")
    for name, kind in KINDS.items():
        for hidden in HIDDEN:
            if hidden > (8 if kind[1] else 10**6) or (kind[1] and hidden < 2):
                continue  # S needs two hidden units, and is summed over 2^hidden states for each visible one
            begin = time.perf_counter()
            found = [fitted(hidden, *kind, target(t), seed=t) for t in range(TARGETS)]
            d, m = BITS, hidden
            free = d + m + d * m + kind[0] * d * (d - 1) // 2 + kind[1] * m * (m - 1) // 2
            print(
                f"{name}, {hidden:2d} hidden units, {free:3d} parameters: KL {sum(found) / len(found):.5f} nats "
                f"(targets: {', '.join(f'{kl:.5f}' for kl in found)}), {time.perf_counter() - begin:.0f} s",
                flush=True,
            )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
