"""Variational auto-encoder."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Elbo
from models.distributions import (
    Normal,
    bernoulli,
    bernoulli_log_prob,
    gaussian_log_prob,
    standard_normal,
)
from models.networks import Activation, flat, mlp
from models.settings import Settings, setting
from models.spec import DataSpec, Support, require

Likelihood = Literal["automatic", "Bernoulli", "Gaussian"]


class VaeSettings(Settings):
    latent: int = setting(
        2,
        title="Latent size",
        help="Dimensions of z. With 2 the latent map shows everything the model learned.",
        reference="Kingma & Welling (2014), z",
        ge=1,
        le=256,
    )
    hidden: int = setting(
        256,
        title="Hidden units",
        help="Width of the hidden layers of both networks.",
        reference="Kingma & Welling (2014), appendix C",
        ge=1,
        le=4096,
    )
    layers: int = setting(
        2,
        title="Hidden layers",
        help="Hidden layers in each network. With 0 both are linear; with a Gaussian likelihood that is "
        "probabilistic PCA.",
        reference="Tipping & Bishop (1999), for 0",
        ge=0,
        le=8,
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    likelihood: Likelihood = setting(
        "automatic",
        title="Likelihood",
        help="p(x|z): Bernoulli for bits and for values in 0…1, Gaussian for real numbers. Automatic chooses so.",
        reference="Kingma & Welling (2014), appendix C",
    )
    learn_scale: bool = setting(
        True, title="Learn the noise", help="Gaussian likelihood only: learn σ (one for all coordinates) or keep it."
    )
    scale: float = setting(
        0.1,
        title="Noise σ",
        help="Gaussian likelihood only: σ at the start, or throughout if it is not learned.",
        gt=0,
        le=10,
        log=True,
    )


class Vae(nn.Module):
    """p(x) = ∫ p(x | z) N(z; 0, I) dz with a posterior q(z | x) = N(z; μ(x), diag σ²(x)) (Kingma & Welling, 2014).

    ELBO(x) = E_q[log p(x | z)] - KL(q(z | x) || p(z)), equation (3), with the closed-form KL of appendix B.
    x: (B, *event); z: (B, latent).
    """

    def __init__(self, settings: VaeSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.latent = spec.event_shape, settings.latent
        self.is_bernoulli = _chosen(settings, spec) == "Bernoulli"
        self.is_bits = spec.support is Support.BITS
        widths = [settings.hidden] * settings.layers
        self.encoder = mlp([spec.dimensions, *widths, 2 * settings.latent], settings.activation)
        self.decoder = mlp([settings.latent, *widths, spec.dimensions], settings.activation)
        log_scale = torch.full((), settings.scale).log()
        if settings.learn_scale and not self.is_bernoulli:
            self.log_scale: Tensor = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    @staticmethod
    def check(settings: VaeSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when these settings cannot model this data."""
        if settings.likelihood == "Bernoulli":
            require(spec, Support.BITS, Support.UNIT, model="A Bernoulli likelihood")
        else:
            require(spec, Support.BITS, Support.UNIT, Support.REALS, model="The variational auto-encoder")

    def prior(self) -> Normal:
        return standard_normal(self.latent, like=self.log_scale)

    def encode(self, x: Tensor) -> Normal:
        mean, log_scale = self.encoder(flat(x)).chunk(2, dim=-1)
        return Normal(mean, log_scale)

    def decode(self, z: Tensor) -> Tensor:
        output = self.decoder(z)
        return (output.sigmoid() if self.is_bernoulli else output).reshape(-1, *self.event_shape)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z): x (B, *event), z (..., B, latent) -> (..., B)."""
        output = self.decoder(z)
        if self.is_bernoulli:
            return bernoulli_log_prob(flat(x).expand_as(output), output).sum(-1)
        return gaussian_log_prob(flat(x), output, self.log_scale).sum(-1)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        posterior = self.encode(x)
        z = posterior.sample(1, generator).squeeze(0)
        kl = posterior.kl_from_standard()
        return Elbo(self.log_likelihood(x, z), kl.sum(-1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        posterior = self.encode(x)
        z = posterior.sample(samples, generator)
        return self.log_likelihood(x, z) + self.prior().log_prob(z) - posterior.log_prob(z)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        mean = self.sample_mean(n, generator)
        if self.is_bits:
            return bernoulli(mean, generator)
        if self.is_bernoulli:
            return mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + self.log_scale.exp() * noise


def _chosen(settings: VaeSettings, spec: DataSpec) -> Likelihood:
    if settings.likelihood != "automatic":
        return settings.likelihood
    return "Gaussian" if spec.support is Support.REALS else "Bernoulli"
