"""q(z | x) looked for example by example, as variational inference does without an encoder: what an encoder loses
against it is the amortisation gap (Cremer, Li & Duvenaud, 2018, equation 6)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor


class Search:
    """Ascent of each example's own bound, in the parameters of its q alone: `steps` steps of Adam (Kingma & Ba, 2015)
    by gradients over `draws` of z, whose size falls linearly from `rate` to 0, so that what is found does not end with
    the noise of the last draws.

    Adam scales each parameter by itself, so that no example knows of another.
    """

    def __init__(
        self,
        model: Any,
        x: Tensor,
        start: Tensor,
        steps: int,
        rate: float,
        draws: int = 1,
        generator: Generator | None = None,
    ) -> None:
        """x: (B, *event); start: (B, parameters)."""
        self.model, self.generator = model, generator
        self.x = x.repeat(draws, *[1] * (x.ndim - 1))
        self.steps, self.rate, self.draws, self.done = steps, rate, draws, 0
        self._moving = start.detach().clone().requires_grad_()
        self._optimiser = torch.optim.Adam([self._moving], rate)

    @property
    def parameters(self) -> Tensor:
        """Of q as they are now: (B, parameters)."""
        return self._moving.detach()

    def go(self, until: int) -> None:
        """On to this many steps in all."""
        (group,) = self._optimiser.param_groups
        with torch.enable_grad():
            for step in range(self.done, until):
                group["lr"] = self.rate * (1 - step / self.steps)
                parameters = self._moving.repeat(self.draws, 1)
                bound = self.model.elbo_of(self.x, parameters, self.generator).value.sum() / self.draws
                (gradient,) = torch.autograd.grad(bound, self._moving)
                self._moving.grad = -gradient
                self._optimiser.step()
        self.done = until


@torch.no_grad()
def bounds(model: Any, x: Tensor, parameters: Tensor, draws: int, seed: int) -> Tensor:
    """The evidence lower bound of each example with these parameters of q, the mean over `draws` that are the same for
    every q: (B, *event), (B, parameters) -> (B,)."""
    generator = Generator(x.device).manual_seed(seed)
    drawn = [model.elbo_of(x, parameters, generator).value.double() for _ in range(draws)]
    return torch.stack(drawn).mean(0)
