"""Variational auto-encoder with a code of discrete units."""

from __future__ import annotations

import math
from collections.abc import Generator as Yields

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from models.capabilities import Elbo, PosteriorDraw, TooLarge
from models.concrete import Bits, Categories, DiscreteUnits
from models.estimation.enumeration import LIMIT
from models.estimation.progress import finish
from models.family import Family
from models.likelihoods import LikelihoodSettings, check_likelihood, chosen_likelihood
from models.networks import Activation, flat, mlp
from models.settings import setting
from models.signs import raised
from models.spec import DataSpec

SUMMED = 2**23  # coordinates of examples under states, that a gradient is taken through
CELLS = 2**21  # coordinates of examples under states, looked at together when all states are visited


class DiscreteVaeSettings(LikelihoodSettings):
    units: int = setting(
        6,
        title="Code units N",
        help="How many discrete variables the code has. While K to the power of N is at most a million, the exact "
        "likelihood is summed.",
        reference="Jang, Gu & Poole (2017), section 4.2: N = 30",
        ge=1,
        le=512,
    )
    values: int = setting(
        10,
        title="Values K",
        help="How many values each of them can take. With 2 the code is made of bits.",
        reference="Jang, Gu & Poole (2017), section 4.2: K = 10",
        ge=2,
        le=256,
    )
    hidden: int = setting(256, title="Hidden units", help="Width of the hidden layers of both networks.", ge=1, le=4096)
    layers: int = setting(
        1, title="Hidden layers", help="Hidden layers in each network. With 0 both are linear.", ge=0, le=8
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    learn_prior: bool = setting(
        False,
        title="Learn the prior",
        help="Learn how probable each value of a unit is before an example is seen. Otherwise all are equally so.",
    )


class DiscreteVae(nn.Module):
    """p(x) = Σ_h p(x | h) p(h) over all states h of N independent units of K values, and q(h | x) = Π_n q(h_n | x).

    KL(q ‖ p) is a sum of N closed forms; for the rest of the bound states are drawn, or relaxed (Jang, Gu & Poole,
    2017; Maddison, Mnih & Teh, 2017). Both networks are multilayer perceptrons. x: (B, *event); h: (B, N, K) with one
    of each unit's values on, or (B, N) of bits where K is 2.
    """

    def __init__(self, settings: DiscreteVaeSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.values = spec.event_shape, settings.values
        self.code_shape = (settings.units,) if settings.values == 2 else (settings.units, settings.values)
        self.likelihood = chosen_likelihood(settings, spec)
        widths, code = [settings.hidden] * settings.layers, math.prod(self.code_shape)
        self.encoder = mlp([spec.dimensions, *widths, code], settings.activation)
        self.decoder = mlp([code, *widths, self.likelihood.outputs * spec.dimensions], settings.activation)
        logits = torch.zeros(self.code_shape)
        if settings.learn_prior:
            self.prior_logits: Tensor = nn.Parameter(logits)
        else:
            self.register_buffer("prior_logits", logits)

    @staticmethod
    def check(settings: DiscreteVaeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when these settings cannot model this data."""
        check_likelihood(settings, spec, "The variational auto-encoder")

    # The distributions.

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self._mean(self._prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.likelihood.sample(self._output(self._prior().sample(n, generator)), generator)

    def code_mean(self, x: Tensor) -> Tensor:
        return self._posterior(x).mean

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.code_shape,)

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        return (self._posterior(x).sample(1, generator).squeeze(0),)

    def draw_hidden_layers(self, n: int, generator: Generator | None = None) -> tuple[Tensor, ...]:
        return (self._prior().sample(n, generator),)

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        return self._mean(h)

    def _prior(self) -> DiscreteUnits:
        return self._units(self.prior_logits)

    def _posterior(self, x: Tensor) -> DiscreteUnits:
        return self._units(self.encoder(flat(x)).unflatten(1, self.code_shape))

    def _units(self, logits: Tensor) -> DiscreteUnits:
        return Bits(logits) if self.values == 2 else Categories(logits)

    def _mean(self, h: Tensor) -> Tensor:
        return self.likelihood.mean(self._output(h))

    def _output(self, h: Tensor) -> Tensor:
        """What the decoder says of each coordinate: (..., *code) -> (..., outputs, *event)."""
        before = h.shape[: -len(self.code_shape)]
        said: Tensor = self.decoder(h.reshape(-1, math.prod(self.code_shape)))
        return said.reshape(*before, self.likelihood.outputs, *self.event_shape)

    # Bounds.

    def bound_terms(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        posterior = self._posterior(x)
        return self._bound(x, posterior, posterior.sample(1, generator).squeeze(0))

    def relaxed_elbo(
        self, x: Tensor, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Elbo:
        """The KL is that of the discrete units, as in Jang et al. (2017): with relaxed draws, this is no bound."""
        posterior = self._posterior(x)
        return self._bound(x, posterior, posterior.relaxed(temperature, hard, generator))

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        drawn = self.draw_posterior(x, samples, generator)
        return drawn.log_joint - drawn.log_posterior

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        posterior = self._posterior(x)
        h = posterior.sample(samples, generator)
        log_joint = self.likelihood.log_prob(x, self._output(h)) + self._prior().log_prob(h)
        return PosteriorDraw(log_joint, posterior.log_prob(h))

    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        h = self._prior().sample(n, generator)
        x = self.likelihood.sample(self._output(h), generator).detach()
        return self._posterior(x).log_prob(h)

    def _bound(self, x: Tensor, posterior: DiscreteUnits, h: Tensor) -> Elbo:
        kl = posterior.kl(self._prior())
        return Elbo(self.likelihood.log_prob(x, self._output(h)), kl.sum(-1), kl)

    def summed_elbo(self, x: Tensor) -> Tensor:
        """Σ_h q(h | x) (log p(x, h) - log q(h | x)). Raises TooLarge when there are too many states."""
        total = self.values ** self.code_shape[0]
        if total * x.numel() > SUMMED:
            raise TooLarge(
                f"The bound is a sum over {raised(self.values, self.code_shape[0])} states of the code for each of "
                f"{len(x)} examples. Use fewer units, or fewer values of each."
            )
        posterior, h = self._posterior(x), self._states(0, total)
        log_q = posterior.log_prob(h.unsqueeze(1).expand(-1, len(x), *self.code_shape))
        log_joint = self.likelihood.log_prob_of_each(x, self._output(h)) + self._prior().log_prob(h).unsqueeze(1)
        return (log_q.exp() * (log_joint - log_q)).sum(0)

    # The likelihood itself.

    def log_prob(self, x: Tensor) -> Tensor:
        """log Σ_h p(x | h) p(h). Raises TooLarge when there are too many states."""
        return finish(self.log_prob_in_parts(x))

    def log_prob_in_parts(self, x: Tensor) -> Yields[float, None, Tensor]:
        units, total = self.code_shape[0], self.values ** self.code_shape[0]
        if total > 2**LIMIT:
            raise TooLarge(
                f"log p(x) is a sum over {raised(self.values, units)} states of the code; up to {raised(2, LIMIT)} are "
                "summed exactly. Use fewer units, or fewer values of each."
            )
        together = max(1, CELLS // x.numel())

        def log_sum(start: int, end: int) -> Tensor:
            h = self._states(start, end)
            of_each = self.likelihood.log_prob_of_each(x, self._output(h)) + self._prior().log_prob(h).unsqueeze(1)
            return of_each.logsumexp(0)

        log_p = x.new_full((len(x),), -math.inf)
        for start in range(0, total, together):
            end = min(start + together, total)
            # computed again on the way back: a gradient of all states would hold gigabytes
            part = checkpoint(log_sum, start, end, use_reentrant=False, preserve_rng_state=False)
            log_p = torch.logaddexp(log_p, part)
            yield end / total
        return log_p

    def _states(self, start: int, end: int) -> Tensor:
        """States number `start` to `end`, counting with the first unit fastest: (end - start, *code)."""
        left = torch.arange(start, end, device=self.prior_logits.device)
        digits = []
        for _ in range(self.code_shape[0]):
            digits.append(left % self.values)
            left = left // self.values
        h = torch.stack(digits, 1)
        return (h if self.values == 2 else F.one_hot(h, self.values)).to(self.prior_logits.dtype)


FAMILY = Family(
    key="discrete-vae",
    title="Discrete variational auto-encoder",
    group="variational",
    lecture="Variational auto-encoders",
    summary="An auto-encoder whose code is made of units with a few values each, instead of real numbers.",
    look_for="A relaxed objective far above the bound of states: the temperature is still too high to believe it.",
    model=DiscreteVae,
    settings=DiscreteVaeSettings,
    learners=("gumbel-softmax", "score-function", "wake-sleep"),
    data="digits",
    binarization="threshold",
)
