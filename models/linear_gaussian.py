"""Linear Gaussian latent variables: factor analysis and probabilistic principal component analysis."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Components, Elbo, Statistics
from models.conjugate import cholesky, inverse, log_determinant, wide
from models.distributions import LOG_2PI, FullNormal, Normal, standard_normal
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, require, require_at_most, require_layout

LARGEST = 1024  # dimensions of an example: its covariance is shown, and has their square
PRIOR_SHAPE = 0.5  # a₀ of the noise's precision: one example's worth
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
    strength: float = setting(
        0.1,
        title="Strength of the weights' prior",
        help="Mean field only: how many examples the prior of W and μ counts for.",
        reference="Bishop (2006), exercise 3.12, S₀⁻¹",
        gt=0,
        le=1e6,
        log=True,
    )


class LinearGaussian(nn.Module):
    """x = W z + μ + ε, z ~ N(0, I), ε ~ N(0, Ψ) with Ψ = σ² I (probabilistic PCA) or diagonal (factor analysis)
    (Tipping & Bishop, 1999, equations 1 and 2).

    The evidence is N(x; μ, W Wᵀ + Ψ), and the posterior of z is N(M⁻¹ Wᵀ Ψ⁻¹ (x - μ), M⁻¹) with M = I + Wᵀ Ψ⁻¹ W: all
    in closed form, at O(D L) an example. Among the factorised q, the one of smallest KL(q ‖ posterior) has the same
    mean and the variances 1 / M_ii (Bishop, 2006, section 10.1.2), never larger than the true (M⁻¹)_ii. The evidence
    bound is in closed form too, and log p(x) exceeds it by exactly KL(q ‖ posterior).

    **The parameters** may have a posterior too: with w̃_d = (row d of W, μ_d - m₀) and the precision τ_d = 1 / Ψ_dd,
    p(w̃_d | τ_d) = N(0, (α τ_d)⁻¹ I) and τ_d ~ Gamma(a₀, b₀), mean field over z and (w̃, τ) gives q(w̃_d, τ_d) =
    N(w̃_d; m_d, (τ_d K)⁻¹) Gamma(τ_d; a, b_d): Bayesian linear regression on the expected z. W, μ and Ψ are then its
    expectations E[W], E[μ] and 1 / E[τ], and everything above is said at these. m₀ and b₀ are taken from the data that
    are seen first.

    x: (B, *event); z: (B, latent).
    """

    prior_mean: Tensor  # m₀ (D,)
    prior_noise: Tensor  # b₀ / a₀, of the shape of log_noise
    precision: Tensor  # K (latent + 1, latent + 1)
    shape: Tensor  # a, 0-d

    def __init__(self, settings: LinearGaussianSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.latent = spec.event_shape, settings.latent
        self.strength = settings.strength
        self.isotropic, self.factorised = settings.noise == "isotropic", settings.posterior == "factorised"
        self.weight = nn.Parameter(torch.randn(spec.dimensions, settings.latent) * settings.latent**-0.5)  # W
        self.mean = nn.Parameter(torch.zeros(spec.dimensions))  # μ
        self.log_noise = nn.Parameter(torch.zeros(1 if self.isotropic else spec.dimensions))  # of the diagonal of Ψ
        self.register_buffer("prior_mean", torch.zeros(spec.dimensions))
        self.register_buffer("prior_noise", torch.ones(len(self.log_noise)))
        self.register_buffer("precision", settings.strength * torch.eye(settings.latent + 1))
        self.register_buffer("shape", torch.full((), PRIOR_SHAPE))

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
        factor = cholesky(precision)
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

    def posterior(self, x: Tensor) -> FullNormal:
        """Whatever q is set to."""
        precision, towards, _, _ = self._inferred(x)
        covariance = inverse(cholesky(precision))
        return FullNormal((towards @ covariance).to(x.dtype), cholesky(covariance).to(x.dtype))

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

    # Learning. Statistics are sums over examples, with z̃ = (z, 1): of the squares of x - m₀ ("square", (D,)), of
    # (x - m₀) E[z̃]ᵀ ("cross", (D, L + 1)) and of E[z̃ z̃ᵀ] ("code", (L + 1, L + 1)).

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """μ and all variances are those of x, half of them by W, half by noise."""
        rows = wide(flat(x))
        variance = rows.var(0, correction=0)
        floor = (SMALLEST * variance.mean()).clamp(min=SMALLEST**2)
        noise = (variance.mean()[None] if self.isotropic else variance).clamp(min=floor) / 2
        self.mean.copy_(rows.mean(0))
        self.prior_mean.copy_(rows.mean(0))
        self.prior_noise.copy_(noise)
        self.log_noise.copy_(noise.log())
        scale = (variance / (2 * self.latent)).sqrt()[:, None]
        self.weight.copy_(torch.randn(self.weight.shape).to(scale) * scale)
        self.precision.copy_((self.strength + examples) * _eye(self.latent + 1, rows))
        self.shape.fill_(PRIOR_SHAPE + self._observations(examples) / 2)

    @torch.no_grad()
    def expected_statistics(self, x: Tensor) -> Statistics:
        """With the best factorised q this is mean field, which raises the evidence bound in place of log p(x)."""
        statistics = self._sums(x, *self._posterior(x))
        return statistics | {"log_prob": wide(self.log_prob(x)).sum()}

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """Linear regression of x on (z, 1), and what it leaves as noise (Ghahramani & Hinton, 1996). What a posterior
        would be becomes as narrow as the examples make it."""
        count = statistics["code"][-1, -1]
        variance = (statistics["square"] / count).mean()
        self._regress(
            statistics["cross"],
            statistics["code"],
            statistics["square"].sum()[None] if self.isotropic else statistics["square"],
            self._observations(count) / 2,
            floor=(SMALLEST * variance).clamp(min=SMALLEST**2),
        )

    @torch.no_grad()
    def local_statistics(self, x: Tensor) -> Statistics:
        """The best q(z) of each example given q of the parameters."""
        noise, weight, unsure = wide(self.log_noise).exp(), wide(self.weight), self._uncertainty()
        dimensions = len(weight)
        away = wide(flat(x)) - wide(self.mean)
        scaled = weight / noise[:, None]
        among, with_mean = unsure[:-1, :-1], unsure[:-1, -1]
        precision = weight.t() @ scaled + dimensions * among + _eye(self.latent, weight)
        mean, factor = self._factor(precision, away @ scaled - dimensions * with_mean)
        statistics = self._sums(x, mean, factor)
        count = statistics["code"][-1, -1]
        # E[log p(x | z, w̃, τ)] and KL(q(z) ‖ p(z)), of all examples
        left = (away - mean @ weight.t()).square().sum(0) + count * (weight @ factor).square().sum(1)
        shape = wide(self.shape)
        log_precision = (shape.digamma() - (shape * noise).log()).expand(dimensions)
        expected = 0.5 * (count * (log_precision - LOG_2PI).sum() - (left / noise).sum())
        expected = expected - 0.5 * dimensions * (unsure * statistics["code"]).sum()
        return statistics | {"local_bound": expected - FullNormal(mean, factor).kl_from_standard().sum()}

    @torch.no_grad()
    def update_posterior(self, statistics: Statistics, scale: float = 1.0, rate: Tensor | float = 1.0) -> None:
        square = statistics["square"].sum()[None] if self.isotropic else statistics["square"]
        precision, shape = wide(self.precision), wide(self.shape)
        means = torch.cat([wide(self.weight), (wide(self.mean) - wide(self.prior_mean))[:, None]], dim=1)
        cross = means @ precision
        explained = (cross * means).sum(1)
        now = (explained.sum()[None] if self.isotropic else explained) + 2 * shape * wide(self.log_noise).exp()
        count = scale * statistics["code"][-1, -1]
        prior = self.strength * _eye(self.latent + 1, precision)
        self._regress(
            cross + rate * (scale * statistics["cross"] - cross),
            precision + rate * (prior + scale * statistics["code"] - precision),
            now + rate * (2 * PRIOR_SHAPE * wide(self.prior_noise) + scale * square - now),
            shape + rate * (PRIOR_SHAPE + self._observations(count) / 2 - shape),
        )

    def evidence_bound(self, local_bound: Tensor) -> Tensor:
        """The examples' share less KL(q(w̃, τ) ‖ p(w̃, τ))."""
        noise, shape, unsure = wide(self.log_noise).exp(), wide(self.shape), self._uncertainty()
        means = torch.cat([wide(self.weight), (wide(self.mean) - wide(self.prior_mean))[:, None]], dim=1)
        dimensions, size = means.shape
        log_det = log_determinant(cholesky(wide(self.precision))) - size * math.log(self.strength)
        of_shape = dimensions * (self.strength * unsure.trace() - size + log_det)
        of_weights = 0.5 * (of_shape + self.strength * (means.square().sum(1) / noise).sum())
        rate, prior_rate = shape * noise, PRIOR_SHAPE * wide(self.prior_noise)
        of_noise = (
            (shape - PRIOR_SHAPE) * shape.digamma()
            - shape.lgamma()
            + math.lgamma(PRIOR_SHAPE)
            + PRIOR_SHAPE * (rate / prior_rate).log()
            + shape * (prior_rate / rate - 1)
        )
        return local_bound - of_weights - of_noise.sum()

    def _observations(self, examples: Tensor | float) -> Tensor | float:
        """How many numbers each precision of the noise is learned from."""
        return examples * len(self.mean) if self.isotropic else examples

    def _uncertainty(self) -> Tensor:
        """K⁻¹."""
        return inverse(cholesky(wide(self.precision)))

    def _sums(self, x: Tensor, mean: Tensor, factor: Tensor) -> Statistics:
        """Of q(z) with means (B, L) and one Cholesky factor (L, L)."""
        centred = wide(flat(x)) - wide(self.prior_mean)
        code = torch.cat([mean, torch.ones_like(mean[:, :1])], dim=1)
        spread = len(mean) * nn.functional.pad(factor @ factor.t(), (0, 1, 0, 1))
        return {
            "square": centred.square().sum(0),
            "cross": centred.t() @ code,
            "code": code.t() @ code + spread,
        }

    def _regress(
        self, cross: Tensor, precision: Tensor, square: Tensor, shape: Tensor | float, floor: Tensor | None = None
    ) -> None:
        """Set W, μ, Ψ and their uncertainty by the regression of x - m₀ on z̃."""
        means = cross @ inverse(cholesky(precision))
        explained = (means * cross).sum(1)
        left = square - (explained.sum()[None] if self.isotropic else explained)
        noise = left / (2 * shape)
        self.weight.copy_(means[:, :-1])
        self.mean.copy_(means[:, -1] + wide(self.prior_mean))
        self.log_noise.copy_((noise if floor is None else noise.clamp(min=floor)).log())
        self.precision.copy_(precision)
        self.shape.copy_(torch.as_tensor(shape))

    def _inferred(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """M (L, L), (x - μ)ᵀ Ψ⁻¹ W (B, L), x - μ (B, D) and the diagonal of Ψ (D,) or (1,)."""
        weight, noise = wide(self.weight), wide(self.log_noise).exp()
        away = wide(flat(x)) - wide(self.mean)
        scaled = weight / noise[:, None]
        precision = weight.t() @ scaled + _eye(self.latent, weight)
        return precision, away @ scaled, away, noise

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, L) and Cholesky factor of the covariance (L, L) of q(z | x)."""
        precision, towards, _, _ = self._inferred(x)
        return self._factor(precision, towards)

    def _factor(self, precision: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
        """The Gaussians of this precision whose means are its inverse times `towards` (B, L): exact or factorised."""
        covariance = inverse(cholesky(precision))
        mean = towards @ covariance
        if self.factorised:
            return mean, precision.diagonal().rsqrt().diag()
        return mean, cholesky(covariance)


def _eye(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, device=like.device, dtype=like.dtype)


FAMILY = Family(
    key="linear-gaussian",
    title="Factor analysis and probabilistic PCA",
    group="exact inference",
    lecture="Exact inference and mean field",
    summary="A few latent numbers, mapped linearly to an example, plus noise. The evidence and the posterior of z "
    "are exact; a factorised one shows what mean field loses. The parameters may have a posterior too.",
    look_for="log p(x) never falls under expectation maximisation, and ends where the principal components say. "
    "With a factorised posterior the bound stays below log p(x) until the axes are the principal ones.",
    model=LinearGaussian,
    settings=LinearGaussianSettings,
    learners=("em", "coordinate-ascent", "stochastic-vi", "reparameterized-elbo", "maximum-likelihood"),
    data="digits",
)
