"""Helmholtz machine."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Elbo, PosteriorDraw
from models.distributions import Distribution, Normal, NormalMixture, gaussian_log_prob, limited, standard_normal
from models.family import Family
from models.likelihoods import LikelihoodSettings, check_likelihood, chosen_likelihood
from models.networks import Activation, flat, mlp
from models.posteriors import LARGEST, SMALLEST
from models.settings import setting
from models.spec import DataSpec

PAIRS = 8  # of opposite ways up through the layers, of which q(top | x) is made


class HelmholtzSettings(LikelihoodSettings):
    latent: int = setting(
        2,
        title="Units at the top",
        help="Units of the topmost layer, whose prior is a standard normal. With 2 the latent map shows all of it.",
        reference="Rezende, Mohamed & Wierstra (2014)",
        ge=1,
        le=256,
    )
    units: int = setting(
        8,
        title="Units of layers below",
        help="Stochastic units in each layer between the top and the data.",
        reference="Dayan, Hinton, Neal & Zemel (1995)",
        ge=1,
        le=1024,
    )
    depth: int = setting(
        2,
        title="Stochastic layers",
        help="Layers of stochastic units, the top among them. With 1 the model is a variational auto-encoder.",
        reference="Dayan, Hinton, Neal & Zemel (1995)",
        ge=1,
        le=5,
    )
    hidden: int = setting(
        128,
        title="Hidden units",
        help="Width of the deterministic layers between one stochastic layer and the next.",
        ge=1,
        le=4096,
    )
    layers: int = setting(
        1,
        title="Hidden layers",
        help="Deterministic layers between one stochastic layer and the next, in both directions; 0 makes every "
        "conditional mean linear.",
        ge=0,
        le=8,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the deterministic layers.")


class Helmholtz(nn.Module):
    """p(x, h¹ … hᴸ) = p(x | h¹) p(h¹ | h²) … p(hᴸ), generated downwards, and a recognition network that goes upwards,
    q(h¹ … hᴸ | x) = q(h¹ | x) q(h² | h¹) … (Dayan, Hinton, Neal & Zemel, 1995).

    Units are real numbers: every layer is a Gaussian whose means and standard deviations are what a small network
    says of the layer above, or below for q; p(hᴸ) = N(0, I) (a deep latent Gaussian model; Rezende, Mohamed & Wierstra,
    2014). So the bound can be ascended through draws as well as by wake-sleep.

    Between layers σ is twice a sigmoid and not an exponential. Nothing else fixes the scale of a layer: by wake-sleep,
    where each network follows the other's draws, it would drift upwards; and a chain of exponentials of Gaussians has
    no moments.

    x: (B, *event); hˡ: (..., B, width of l). z, the code, is the topmost layer: (B, latent).
    """

    def __init__(self, settings: HelmholtzSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape = spec.event_shape
        self.likelihood = chosen_likelihood(settings, spec)
        self.widths = (*[settings.units] * (settings.depth - 1), settings.latent)  # the lowest first
        hidden = [settings.hidden] * settings.layers
        up = [mlp([a, *hidden, 2 * b], settings.activation) for a, b in pairwise((spec.dimensions, *self.widths))]
        down = [mlp([b, *hidden, 2 * a], settings.activation) for a, b in pairwise(self.widths)]
        to_data = mlp([self.widths[0], *hidden, self.likelihood.outputs * spec.dimensions], settings.activation)
        self.recognition = nn.ModuleList(up)  # of each stochastic layer given what is below it
        self.generation = nn.ModuleList([to_data, *down])  # of the data, and of each layer, given the one above

    @staticmethod
    def check(settings: HelmholtzSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when these settings cannot model this data."""
        check_likelihood(settings, spec, "The Helmholtz machine")

    # The two networks.

    def recognised(self, layer: int, below: Tensor) -> Normal:
        """q(hˡ | what is below it): (..., below) -> over (..., width)."""
        said = self.recognition[layer](below)
        return _between(said) if layer else _from_data(said)

    def generated(self, layer: int, above: Tensor) -> Normal:
        """p(hˡ | hˡ⁺¹) of a layer that is not the topmost: (..., above) -> over (..., width)."""
        return _between(self.generation[layer + 1](above))

    def _up(
        self, x: Tensor, samples: int, generator: Generator | None, apart: bool = False
    ) -> tuple[list[Normal], list[Tensor]]:
        """q of each layer and a draw of it, each given the draw below: (samples, B, width). With `apart` no gradient
        flows through draws."""
        of_layers = [self.recognised(0, flat(x))]
        states = [of_layers[0].sample(samples, generator)]
        for layer in range(1, len(self.widths)):
            if apart:
                states[-1] = states[-1].detach()
            of_layers.append(self.recognised(layer, states[-1]))
            states.append(of_layers[-1].sample(1, generator).squeeze(0))
        if apart:
            states[-1] = states[-1].detach()
        return of_layers, states

    def _down(self, top: Tensor, generator: Generator | None) -> list[Tensor]:
        """Draws of all layers given the topmost, the lowest first."""
        states = [top]
        for layer in range(len(self.widths) - 2, -1, -1):
            states.insert(0, self.generated(layer, states[0]).sample(1, generator).squeeze(0))
        return states

    def _output(self, lowest: Tensor) -> Tensor:
        """(..., width) -> (..., outputs, *event)."""
        said: Tensor = self.generation[0](lowest)
        return said.reshape(*lowest.shape[:-1], self.likelihood.outputs, *self.event_shape)

    def _log_likelihood(self, x: Tensor, lowest: Tensor) -> Tensor:
        """log p(x | h¹): x (B, *event), h¹ (..., B, width) -> (..., B)."""
        return self.likelihood.log_prob(x, self._output(lowest))

    def _log_joint(self, x: Tensor, states: list[Tensor]) -> Tensor:
        found = self._log_likelihood(x, states[0]) + self.prior().log_prob(states[-1])
        for layer, (below, above) in enumerate(pairwise(states)):
            found = found + self.generated(layer, above).log_prob(below)
        return found

    # The code.

    def prior(self) -> Normal:
        return standard_normal(self.widths[-1], next(self.parameters()))

    def encode(self, x: Tensor) -> Distribution:
        """q(top | x). With layers between, their draws make it a mixture of Gaussians without end, of which this is
        one of 2 PAIRS: the same ways up for all examples, every way beside the opposite one, so that looking is no
        matter of chance."""
        q = self.recognised(0, flat(x))
        if len(self.widths) == 1:
            return q
        fixed = Generator().manual_seed(0)
        for layer, width in enumerate(self.widths[:-1]):
            noise = torch.randn(PAIRS, 1, width, generator=fixed, device="cpu").to(q.mean)
            way = q.mean + q.log_scale.exp() * torch.cat([noise, -noise])
            q = self.recognised(layer + 1, way)  # (2 PAIRS, B, width)
        return NormalMixture(q.mean.movedim(0, -2), q.log_scale.movedim(0, -2))

    def decode(self, z: Tensor) -> Tensor:
        """What z makes of the data where every layer between is at its mean: E[x | z] but for the curvature of the
        networks there."""
        for layer in range(len(self.widths) - 2, -1, -1):
            z = self.generated(layer, z).mean
        return self.likelihood.mean(self._output(z))

    def code_mean(self, x: Tensor) -> Tensor:
        """Of the topmost layer first."""
        means: list[Tensor] = []
        below = flat(x)
        for layer in range(len(self.widths)):
            below = self.recognised(layer, below).mean
            means.insert(0, below)
        return torch.cat(means, -1)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.likelihood.mean(self._output(self._down(self.prior().sample(n, generator), generator)[0]))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        lowest = self._down(self.prior().sample(n, generator), generator)[0]
        return self.likelihood.sample(self._output(lowest), generator)

    # Bounds.

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """KL(q(h | x) ‖ p(h)), the topmost layer first: KL(q(hᴸ | hᴸ⁻¹) ‖ p(hᴸ)) in closed form, and of the others
        log q(hˡ | hˡ⁻¹) - log p(hˡ | hˡ⁺¹), whose mean it is: there hˡ⁺¹ depends on hˡ."""
        of_layers, states = self._up(x, 1, generator)
        terms = [of_layers[-1].kl_from_standard()]
        for layer in range(len(self.widths) - 2, -1, -1):
            q, p = of_layers[layer], self.generated(layer, states[layer + 1])
            log_q = gaussian_log_prob(states[layer], q.mean, q.log_scale)
            terms.append(log_q - gaussian_log_prob(states[layer], p.mean, p.log_scale))
        kl = torch.cat([term.reshape(len(x), -1) for term in terms], 1)
        return Elbo(self._log_likelihood(x, states[0]).squeeze(0), kl.sum(1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        of_layers, states = self._up(x, samples, generator)
        return self._log_joint(x, states) - _log_prob(of_layers, states)

    # Learning without a gradient through draws.

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        of_layers, states = self._up(x, samples, generator, apart=True)
        return PosteriorDraw(self._log_joint(x, states), _log_prob(of_layers, states))

    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        with torch.no_grad():
            states = self._down(self.prior().sample(n, generator), generator)
            x = self.likelihood.sample(self._output(states[0]), generator)
        below = [flat(x), *states[:-1]]
        return _log_prob([self.recognised(layer, b) for layer, b in enumerate(below)], states)


def _from_data(said: Tensor) -> Normal:
    """As of a variational auto-encoder: means, then log standard deviations."""
    mean, log_scale = said.chunk(2, dim=-1)
    return Normal(mean, limited(log_scale, SMALLEST, LARGEST))


def _between(said: Tensor) -> Normal:
    """Of one layer given another: means, then logits of half the standard deviations, which begin near 1."""
    mean, logit = said.chunk(2, dim=-1)
    return Normal(mean, math.log(2) + F.logsigmoid(logit))


def _log_prob(of_layers: list[Normal], states: list[Tensor]) -> Tensor:
    return torch.stack([q.log_prob(h) for q, h in zip(of_layers, states, strict=True)]).sum(0)


FAMILY = Family(
    key="helmholtz",
    title="Helmholtz machine",
    group="variational",
    lecture="Variational auto-encoders",
    summary="Several layers of hidden units: one network generates downwards, layer after layer, another "
    "recognises upwards. Units are real numbers, each Gaussian given the layer beside it.",
    look_for="By wake-sleep both phases rise while the bound may fall: there is no single objective. Compare with "
    "the reparameterised bound, from the same start.",
    model=Helmholtz,
    settings=HelmholtzSettings,
    learners=("reparameterized-elbo", "score-function", "wake-sleep"),
    data="digits",
    binarization="threshold",
)
