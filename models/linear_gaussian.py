"""Linear Gaussian latent variables: factor analysis and probabilistic principal component analysis."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Components, Elbo, Statistics
from models.conjugate import log_determinant, wide
from models.distributions import LOG_2PI, FullNormal, Normal, standard_normal
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, require, require_at_most, require_layout

LARGEST = 1024  # dimensions of an example: its covariance is shown, and has their square
SMALLEST = 1e-6  # variance of the noise in a coordinate, as a share of the data's: a constant one would have none

Noise = Literal["isotropic", "diagonal"]
Posterior = Literal["exact", "factorised"]


class LinearGaussianSettings(Settings):
    latent: int = setting(
        2,
        title="Latent size",
        help="Dimensions of z. With 2 the latent map shows everything the model learned.",
        reference="Tipping & Bishop (1999), q",
        ge=1,
        le=256,
    )
    noise: Noise = setting(
        "isotropic",
        title="Noise",
        help="Isotropic: one variance for all coordinates, which is probabilistic PCA. Diagonal: one for each, which "
        "is factor analysis.",
        reference="Tipping & Bishop (1999), Ψ",
    )
    posterior: Posterior = setting(
        "exact",
        title="Posterior q(z|x)",
        help="Exact: with all correlations. Factorised: mean field, the best one without, whose variances are too "
        "small and whose bound is below log p(x).",
        reference="Bishop (2006), section 10.1.2",
    )


class LinearGaussian(nn.Module):
    """x = W z + μ + ε, z ~ N(0, I), ε ~ N(0, Ψ) with Ψ = σ² I (probabilistic PCA) or diagonal (factor analysis)
    (Tipping & Bishop, 1999, equations 1 and 2).

    The evidence is N(x; μ, W Wᵀ + Ψ), and the posterior of z is N(M⁻¹ Wᵀ Ψ⁻¹ (x - μ), M⁻¹) with M = I + Wᵀ Ψ⁻¹ W: all
    in closed form, at O(D L) an example. Among the factorised q, the one of smallest KL(q ‖ posterior) has the same
    mean and the variances 1 / M_ii (Bishop, 2006, section 10.1.2), never larger than the true (M⁻¹)_ii. The evidence
    bound is in closed form too, and log p(x) exceeds it by exactly KL(q ‖ posterior).

    x: (B, *event); z: (B, latent).
    """

    def __init__(self, settings: LinearGaussianSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.latent = spec.event_shape, settings.latent
        self.isotropic, self.factorised = settings.noise == "isotropic", settings.posterior == "factorised"
        self.weight = nn.Parameter(torch.randn(spec.dimensions, settings.latent) * settings.latent**-0.5)  # W
        self.mean = nn.Parameter(torch.zeros(spec.dimensions))  # μ
        self.log_noise = nn.Parameter(torch.zeros(1 if self.isotropic else spec.dimensions))  # of the diagonal of Ψ

    @staticmethod
    def check(settings: LinearGaussianSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are not real numbers, or a sequence, or too many in each example."""
        require_layout(spec, Layout.POINTS, Layout.VECTOR, Layout.IMAGE, model="A linear Gaussian model")
        require(spec, Support.REALS, Support.UNIT, model="A linear Gaussian model")
        require_at_most(spec, LARGEST, model="A linear Gaussian model")

    # The distribution.

    def log_prob(self, x: Tensor) -> Tensor:
        """By Woodbury's identity: no D × D matrix."""
        precision, towards, away, noise = self._inferred(x)
        factor = torch.linalg.cholesky(precision)
        explained = torch.linalg.solve_triangular(factor, towards.t(), upper=False).square().sum(0)
        distance = (away.square() / noise).sum(-1) - explained
        log_det = log_determinant(factor) + noise.log().expand_as(away[0]).sum()
        return (-0.5 * (distance + log_det + away.shape[1] * LOG_2PI)).to(x.dtype)

    def prior(self) -> Normal:
        return standard_normal(self.latent, like=self.weight)

    def encode(self, x: Tensor) -> Normal | FullNormal:
        mean, factor = self._posterior(x)
        if self.factorised:
            return Normal(mean.to(x.dtype), factor.diagonal().log().to(x.dtype).expand_as(mean))
        return FullNormal(mean.to(x.dtype), factor.to(x.dtype))

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.weight.t() + self.mean).reshape(-1, *self.event_shape)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """In closed form: nothing is drawn."""
        mean, factor = self._posterior(x)
        weight, noise = wide(self.weight), wide(self.log_noise).exp()
        away = wide(flat(x)) - wide(self.mean) - mean @ weight.t()
        spread = (weight @ factor).square().sum(-1)  # the diagonal of W cov(z) Wᵀ
        log_p = -0.5 * ((away.square() + spread) / noise + noise.log() + LOG_2PI).sum(-1)
        kl = FullNormal(mean, factor).kl_from_standard().to(x.dtype)
        return Elbo(log_p.to(x.dtype), kl.sum(-1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        posterior = FullNormal(*self._posterior(x))
        z = posterior.sample(samples, generator)
        noise = wide(self.log_noise).exp()
        away = wide(flat(x)) - z @ wide(self.weight).t() - wide(self.mean)
        log_p = -0.5 * (away.square() / noise + noise.log() + LOG_2PI).sum(-1)
        return (log_p + standard_normal(self.latent, like=z).log_prob(z) - posterior.log_prob(z)).to(x.dtype)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        mean = self.sample_mean(n, generator)
        noise = torch.randn(n, len(self.mean), generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + ((0.5 * self.log_noise).exp() * noise).reshape(mean.shape)

    def filters(self) -> Tensor:
        """The columns of W: what each latent dimension adds."""
        return self.weight.t().reshape(self.latent, *self.event_shape)

    def components(self) -> Components:
        """The evidence, as one Gaussian. O(D²)."""
        covariance = self.weight @ self.weight.t() + self.log_noise.exp().expand_as(self.mean).diag()
        one = self.weight.new_ones(1)
        return Components(one, self.mean[None], covariance[None], torch.zeros_like(covariance)[None])

    def responsibilities(self, x: Tensor) -> Tensor:
        return torch.ones_like(flat(x)[:, :1])

    # Expectation maximisation.

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """μ and all variances are those of x, half of them by W, half by noise."""
        rows = wide(flat(x))
        variance = rows.var(0, correction=0)
        # scales of constant coordinates, which have none of their own
        floor = (SMALLEST * variance.mean()).clamp(min=SMALLEST)
        self.mean.copy_(rows.mean(0))
        self.log_noise.copy_((variance.mean() if self.isotropic else variance).div(2).clamp(min=floor).log())
        scale = (variance / (2 * self.latent)).sqrt()[:, None]
        self.weight.copy_(torch.randn(self.weight.shape).to(scale) * scale)

    @torch.no_grad()
    def expected_statistics(self, x: Tensor) -> Statistics:
        """Sums of x x (the diagonal), x E[z]ᵀ and E[z zᵀ], with z = (z, 1). The best factorised q makes this the mean
        field version, which raises the evidence bound in place of log p(x)."""
        mean, factor = self._posterior(x)
        rows, ones = wide(flat(x)), torch.ones_like(mean[:, :1])
        centred = rows - wide(self.mean)  # products about the mean lose nothing where this is far from 0
        code = torch.cat([mean, ones], dim=1)
        spread = len(rows) * nn.functional.pad(factor @ factor.t(), (0, 1, 0, 1))
        return {
            "square": centred.square().sum(0),
            "cross": centred.t() @ code,
            "code": code.t() @ code + spread,
            "log_prob": wide(self.log_prob(x)).sum(),
        }

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """Linear regression of x on (z, 1), and what it leaves as noise (Ghahramani & Hinton, 1996)."""
        cross, code = statistics["cross"], statistics["code"]
        count = code[-1, -1]
        solved = torch.linalg.solve(code, cross.t()).t()  # (W, μ)
        left = (statistics["square"] - (solved * cross).sum(1)) / count
        variance = (statistics["square"] / count).mean()
        floor = (SMALLEST * variance).clamp(min=SMALLEST**2)
        self.log_noise.copy_((left.mean() if self.isotropic else left).clamp(min=floor).log())
        self.weight.copy_(solved[:, :-1])
        self.mean.add_(solved[:, -1].to(self.mean))

    def _inferred(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """M (L, L), (x - μ)ᵀ Ψ⁻¹ W (B, L), x - μ (B, D) and the diagonal of Ψ (D,) or (1,)."""
        weight, noise = wide(self.weight), wide(self.log_noise).exp()
        away = wide(flat(x)) - wide(self.mean)
        scaled = weight / noise[:, None]
        precision = weight.t() @ scaled + torch.eye(self.latent, device=weight.device, dtype=weight.dtype)
        return precision, away @ scaled, away, noise

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, L) and Cholesky factor of the covariance (L, L) of q(z | x), exact or factorised."""
        precision, towards, _, _ = self._inferred(x)
        root = torch.linalg.cholesky(precision)
        mean = torch.cholesky_solve(towards.t(), root).t()
        if self.factorised:
            return mean, precision.diagonal().rsqrt().diag()
        return mean, torch.linalg.cholesky(torch.cholesky_inverse(root))
