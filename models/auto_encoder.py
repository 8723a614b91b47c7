"""What the models with one continuous code and an encoder share, whatever their networks are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Elbo, PosteriorDraw
from models.distributions import Distribution
from models.likelihoods import Likelihood
from models.posteriors import PosteriorFamily

AT_ONCE = 2**25  # numbers that a decoder says beside each other when evidence is weighed


class AutoEncoder(nn.Module):
    """p(x) = ∫ p(x | z) p(z) dz with an amortised posterior q(z | x) (Kingma & Welling, 2014).

    ELBO(x) = E_q[log p(x | z)] - KL(q(z | x) ‖ p(z)), equation (3). The encoder maps examples (B, *event) to what the
    family of posteriors reads, the decoder codes (B, latent) to what the likelihood reads. x: (B, *event); z: (B,
    latent).
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        latent: int,
        posterior: PosteriorFamily,
        likelihood: Likelihood,
        encoder: nn.Module,
        decoder: nn.Module,
    ) -> None:
        super().__init__()
        self.event_shape, self.latent = tuple(event_shape), latent
        self.family, self.likelihood = posterior, likelihood
        self.encoder, self.decoder = encoder, decoder

    # The distributions.

    def prior(self) -> Distribution:
        return self.family.prior(self.latent, next(self.parameters()))

    def encode(self, x: Tensor) -> Distribution:
        return self.family.read(self.posterior_parameters(x))

    def posterior_parameters(self, x: Tensor) -> Tensor:
        said: Tensor = self.encoder(self.likelihood.scaled(x))
        return said

    def encoder_features(self, x: Tensor) -> Tensor:
        """Of an encoder that is layer after layer: (B, *event) -> (B, features)."""
        assert isinstance(self.encoder, nn.Sequential)
        features: Tensor = self.encoder[:-1](self.likelihood.scaled(x))
        return features

    def decode(self, z: Tensor) -> Tensor:
        return self.likelihood.mean(self._output(z))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z): x (B, *event), z (..., B, latent) -> (..., B)."""
        return self.likelihood.log_prob(x, self._output(z))

    def draw_given(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        return self.likelihood.simulate(self._output(z), generator)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self._draw(self.prior().sample(n, generator), generator)

    # Bounds.

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        return self.elbo_of(x, self.posterior_parameters(x), generator)

    def elbo_of(self, x: Tensor, parameters: Tensor, generator: Generator | None = None) -> Elbo:
        posterior = self.family.read(parameters)
        z = posterior.sample(1, generator).squeeze(0)
        kl = self.family.kl(posterior, z)
        return Elbo(self.log_likelihood(x, z), kl.sum(-1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        posterior = self.encode(x)
        z = posterior.sample(samples, generator)
        at_once = max(1, AT_ONCE // (x.numel() * self.likelihood.outputs))
        log_likelihood = torch.cat([self.log_likelihood(x, part) for part in z.split(at_once)])
        return log_likelihood + self.prior().log_prob(z) - posterior.log_prob(z)

    # Learning without a gradient through draws.

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        posterior = self.encode(x)
        z = posterior.sample(samples, generator).detach()
        log_joint = self.log_likelihood(x, z) + self.prior().log_prob(z)
        return PosteriorDraw(log_joint, posterior.log_prob(z))

    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        z = self.prior().sample(n, generator)
        x = self._draw(z, generator).detach()
        return self.encode(x).log_prob(z)

    def _draw(self, z: Tensor, generator: Generator | None) -> Tensor:
        return self.likelihood.sample(self._output(z), generator)

    def _output(self, z: Tensor) -> Tensor:
        """(..., latent) -> (..., outputs, *event)."""
        said: Tensor = self.decoder(z.flatten(0, -2))
        return said.reshape(*z.shape[:-1], self.likelihood.outputs, *self.event_shape)
