"""Expected updates of a small model of bits, exactly: fields over its parameters, and whether they ascend anything."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from collections.abc import Generator as Yields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from models.capabilities import TooLarge
from models.estimation.enumeration import all_states
from models.signs import raised

MOST = 16  # bits of an example and of its latent state together
POINTS = 180  # on a circle: once round, sums over them are exact to rounding, as the field is smooth and periodic

Scores = tuple[Tensor, Tensor]  # log p(x, h) and log q(h | x) of all x and h: (X, S) each
Asked = Callable[[Tensor, Scores, Scores], Tensor]  # see UpdateField


def evidence_bound(weights: Tensor, moved: Scores, held: Scores) -> Tensor:
    """The bound itself: Σ_x w(x) Σ_h q(h | x) (log p(x, h) - log q(h | x))."""
    log_p, log_q = moved
    return weights @ (log_q.exp() * (log_p - log_q)).sum(1)


def wake_sleep(weights: Tensor, moved: Scores, held: Scores) -> Tensor:
    """Awake Σ_x w(x) Σ_h q(h | x) log p(x, h), asleep Σ_x Σ_h p(x, h) log q(h | x), where what draws stands still
    (Hinton, Dayan, Frey & Neal, 1995)."""
    (log_p, log_q), (log_p_held, log_q_held) = moved, held
    return weights @ (log_q_held.exp() * log_p).sum(1) + (log_p_held.exp() * log_q).sum()


class UpdateField:
    """F(θ) = ∂G(a, b)/∂a at a = b = θ: what a step of a rule adds to the parameters on average, by sums over all
    examples and latent states. G is `asked(weights, scores at a, scores at b)`: a moves, b stands still.

    F is the gradient of a function of θ where its Jacobian ∂F/∂θ is symmetric everywhere, and only there (Poincaré).
    `model` is one whose latent states can be enumerated, x: (N, *event), bits, the data. Copies of the model are used,
    in double precision on the CPU. Raises TooLarge.
    """

    def __init__(self, asked: Asked, model: Any, x: Tensor) -> None:
        self.asked = asked
        self.moved, self.held = (copy.deepcopy(model).cpu().double().requires_grad_() for _ in range(2))
        self.parameters = [list(one.parameters()) for one in (self.moved, self.held)]
        self.states = _latent_states(self.moved, math.prod(x.shape[1:]))
        flat = x.flatten(1).cpu().double()
        bits = flat.shape[1]
        everything = torch.cat(list(all_states(bits, like=self.states)))
        number = (flat @ 2 ** torch.arange(bits - 1, -1, -1).double()).long()
        self.x = everything.reshape(-1, *x.shape[1:])
        self.weights = torch.bincount(number, minlength=len(everything)).double() / len(x)

    @property
    def place(self) -> Tensor:
        """θ now: (P,)."""
        return parameters_to_vector(self.parameters[0]).detach()

    def move(self, place: Tensor) -> None:
        for parameters in self.parameters:
            vector_to_parameters(place, parameters)

    def value(self) -> Tensor:
        """G(θ, θ), 0-d."""
        return self.asked(self.weights, self._scores(self.moved), self._scores(self.held))

    @torch.enable_grad()
    def update(self, create_graph: bool = False) -> Tensor:
        """F(θ): (P,)."""
        return _gradient(self.value(), self.parameters[0], create_graph=create_graph)

    def jacobian(self) -> Yields[float, None, Tensor]:
        """∂F_i/∂θ_j: (P, P). Yields the fraction done."""
        with torch.enable_grad():
            update = self.update(create_graph=True)
        rows: list[Tensor] = []
        for i in range(len(update)):
            with torch.enable_grad():
                moved, held = (_gradient(update[i], some, retain_graph=True) for some in self.parameters)
            rows.append(moved + held)
            yield (i + 1) / len(update)
        return torch.stack(rows)

    def work_round(self, plane: Tensor, radius: float) -> Tensor:
        """∫ F · dθ from 0° to each of POINTS + 1 angles on a circle about θ in a plane (2, P) of two orthogonal
        directions, in the unit of G: (POINTS + 1,). Of a gradient it is what was gained, and 0 after a whole turn."""
        begin = self.place
        angles = torch.arange(POINTS + 1).to(begin) * (2 * math.pi / POINTS)
        away = radius * torch.stack([angles.cos(), angles.sin()], 1) @ plane
        speeds = radius * torch.stack([-angles.sin(), angles.cos()], 1) @ plane
        power = []
        for step, speed in zip(away, speeds, strict=True):
            self.move(begin + step)
            power.append(self.update() @ speed)
        self.move(begin)
        return torch.cat([begin.new_zeros(1), torch.cumulative_trapezoid(torch.stack(power), angles)])

    def recognition(self) -> Tensor:
        """Which of θ only q depends on: (P,) bool."""
        with torch.enable_grad():
            _, log_q = self._scores(self.moved)
            found = torch.autograd.grad(log_q.sum(), self.parameters[0], allow_unused=True)
        pairs = zip(found, self.parameters[0], strict=True)
        return torch.cat([torch.full((p.numel(),), g is not None) for g, p in pairs])

    def _scores(self, model: Any) -> Scores:
        return model.log_joint_of(self.x, self.states), model.log_recognition_of(self.x, self.states)


def antisymmetric_share(jacobian: Tensor) -> float:
    """‖(J - Jᵀ) / 2‖ / ‖J‖, from 0 (symmetric) to 1 (antisymmetric). Frobenius norms."""
    return (((jacobian - jacobian.t()) / 2).norm() / jacobian.norm()).item()


def agreement(jacobian: Tensor, block: Tensor) -> float:
    """The cosine between J_12 and J_21ᵀ, where the parameters fall into two parts, of which `block` (P,) is one. With
    any learning rates of both parts, J_12 and J_21ᵀ of a gradient are in proportion: 1 is needed for there to be rates
    with which a field becomes one."""
    across, back = jacobian[block][:, ~block], jacobian[~block][:, block].t()
    return ((across * back).sum() / (across.norm() * back.norm())).item()


def turning_plane(jacobian: Tensor) -> Tensor:
    """Two orthogonal directions of length 1, in whose plane the field turns most: (2, P)."""
    left, _, _ = torch.linalg.svd((jacobian - jacobian.t()) / 2)
    return left[:, :2].t()


def _latent_states(model: Any, bits: int) -> Tensor:
    states: Tensor = model.latent_states()
    hidden = states.shape[1]
    if bits + hidden > MOST:
        raise TooLarge(
            f"Every example meets every latent state, which makes {raised(2, bits + hidden)} pairs here; up to "
            f"{raised(2, MOST)} are looked at. Use at most {max(1, MOST - bits)} hidden units in all."
        )
    return states


def _gradient(value: Tensor, parameters: list[nn.Parameter], **how: Any) -> Tensor:
    found = torch.autograd.grad(value, parameters, allow_unused=True, **how)
    pairs = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])
