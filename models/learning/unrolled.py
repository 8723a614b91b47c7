"""Adversarial learning in which the generator sees what the discriminator would make of its move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.capabilities import Shown
from models.learning.adversarial import MINIMAX, NON_SATURATING, ProbabilityGame, ProbabilitySettings
from models.learning.base import Learning, Ways
from models.learning.critics import judge
from models.learning.game import Game
from models.settings import Names, setting
from models.spec import DataSpec

Parameters = Mapping[str, Tensor]  # of the discriminator, by name
Update = Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]  # parameters, gradients -> parameters


class UnrolledSettings(ProbabilitySettings):
    unrolled: int = setting(
        5,
        title="Unrolled steps k",
        help="Updates of the discriminator that the generator looks ahead. A step costs about this many more; 0 is the "
        "plain game.",
        reference="Metz et al. (2017), K, equation (7)",
        zero="off",
        ge=0,
        le=100,
    )
    loss: Literal["minimax", "non-saturating"] = setting(
        "minimax",
        title="Generator's objective",
        help="What the generator lowers, judged by the discriminator ahead. Minimax: the value of the game itself. "
        "Non-saturating: −log D(G(z)).",
        reference="Metz et al. (2017), equation (8)",
    )
    inner: Annotated[Literal["adam", "gradient ascent"], Names({"adam": "Adam"})] = setting(
        "adam",
        title="Steps ahead by",
        help="Adam: as the discriminator would move, with its own moments and step size. Gradient ascent: plain steps "
        "at the rate below.",
        reference="Metz et al. (2017), equation (6)",
    )
    inner_rate: float = setting(
        0.1,
        title="Rate of steps ahead",
        help="Step size η of plain gradient ascent. No effect with Adam.",
        reference="Metz et al. (2017), η, equation (6)",
        gt=0,
        le=10,
        log=True,
    )
    through: bool = setting(
        True,
        title="Gradient through the steps",
        help="Let the generator's gradient say how its move changes the discriminator's answer: the remedy itself. "
        "Without, it plays against a discriminator that is only some steps ahead.",
        reference="Metz et al. (2017), equation (9), second term",
    )


class Unrolled(ProbabilityGame):
    """The generator lowers f(θ_G, θ_D^k(θ_G)): the value at the discriminator after k steps up from where it stands,
    all on one minibatch (Metz et al., 2017, equations 6 to 9). The gradient is the whole one, through the k steps. The
    discriminator itself then takes one real step, on the next minibatch.

    With k = 0 it is the plain game.
    """

    def __init__(self, model: nn.Module, settings: UnrolledSettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.objective = MINIMAX if settings.loss == "minimax" else NON_SATURATING

    def lowered(self, data: Shown, samples: Shown) -> tuple[Tensor, dict[str, Tensor]]:
        if not self.settings.unrolled:
            return super().lowered(data, samples)

        def judged(parameters: Parameters) -> tuple[Tensor, Tensor]:
            by = lambda shown: functional_call(self.discriminator, dict(parameters), (shown,))  # noqa: E731
            return judge(self.discriminator, data, samples, by)

        start = dict(self.discriminator.named_parameters())
        ahead = unrolled(
            lambda parameters: -self.raised(*judged(parameters)).mean(),
            start,
            self.settings.unrolled,
            self._update(),
            self.settings.through,
        )
        on_data, on_samples = judged(ahead)
        loss = reported = self.objective.loss(on_samples)
        # data take part in the value, and the discriminator ahead is the generator's doing
        if self.objective is MINIMAX or self.model.shown_as().encoded:
            loss = loss + self.objective.loss(-on_data)
        return loss.mean(), {"generator": reported}

    def against_collapse(self) -> Ways:
        k = self.settings.unrolled + 5
        return {**Game.against_collapse(self), f"{k} unrolled steps": {"unrolled": k}}

    def against_saturation(self) -> Ways:
        ways = super().against_saturation()
        if self.objective is MINIMAX:
            ways["the non-saturating objective"] = {"loss": "non-saturating"}
        return ways

    def _update(self) -> Update:
        if self.settings.inner == "adam":
            return AdamSteps(self.optimizers["discriminator"])
        return gradient_steps(self.settings.inner_rate)


def unrolled(
    loss: Callable[[Parameters], Tensor], start: Parameters, steps: int, update: Update, through: bool = True
) -> dict[str, Tensor]:
    """The parameters after `steps` updates down the gradient of `loss`, 0-d; differentiable in all that the loss and
    the start depend on, or, without `through`, in the start alone, as if the gradients were constants."""
    names, parameters = list(start), list(start.values())
    for _ in range(steps):
        lowered = loss(dict(zip(names, parameters, strict=True)))
        gradients = torch.autograd.grad(lowered, parameters, create_graph=through)
        parameters = update(parameters, gradients)
    return dict(zip(names, parameters, strict=True))


def gradient_steps(rate: float) -> Update:
    """θ - η g."""

    def update(parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
        return [p - rate * g for p, g in zip(parameters, gradients, strict=True)]

    return update


class AdamSteps:
    """The steps that an optimiser would take from where it stands (Kingma & Ba, 2015, algorithm 1), without taking
    them. Adam without weight decay or other variants, over one group of parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        (group,) = optimizer.param_groups
        self.rate, self.eps = group["lr"], group["eps"]
        self.beta1, self.beta2 = group["betas"]
        parameters = group["params"]
        known = [optimizer.state.get(parameter, {}) for parameter in parameters]
        none = [torch.zeros_like(parameter) for parameter in parameters]
        self.first, self.second = (
            _flat([each.get(key, zero) for each, zero in zip(known, none, strict=True)])
            for key in ("exp_avg", "exp_avg_sq")
        )
        self.done = known[0].get("step", none[0].new_zeros(()))

    def __call__(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
        # all parameters in one vector, which takes few calls
        gradient = _flat(gradients)
        self.done = self.done + 1
        self.first = self.first.lerp(gradient, 1 - self.beta1)
        self.second = self.second.lerp(gradient.square(), 1 - self.beta2)
        rate = self.rate / (1 - self.beta1**self.done)
        scale = (1 - self.beta2**self.done).rsqrt()
        # where a parameter never had a gradient, the root has the derivative 0
        root = self.second.clamp(min=torch.finfo(gradient.dtype).tiny).sqrt()
        moved = _flat(parameters) - rate * self.first / (root * scale + self.eps)
        parts = moved.split([parameter.numel() for parameter in parameters])
        return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


LEARNING = Learning(
    "unrolled",
    "Adversarial, unrolled",
    "Generative adversarial networks",
    Unrolled,
    UnrolledSettings,
)
