"""Bayesian mixture of Gaussians."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Components, Statistics
from models.conjugate import (
    AT_ONCE,
    cholesky,
    dirichlet_kl,
    expected_log_determinant,
    features,
    inverse,
    log_determinant,
    moments,
    quadratic,
    spread_out,
    wide,
    wishart_kl,
)
from models.distributions import LOG_2PI
from models.family import Family
from models.networks import flat
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, require, require_at_most, require_layout

LARGEST = 256  # dimensions: a full covariance has their square
RIDGE = 1e-6  # of the data's variances, on those of a point estimate, which would be 0 at a component on one example
START = 4096  # examples that are partitioned to start from


class GaussianMixtureSettings(Settings):
    """Priors are bounded from below so that single floats hold what the data leave of them in an empty component."""

    components: int = setting(
        10,
        title="Components",
        help="How many Gaussians there may be. Mean field leaves those empty that the data do not need.",
        reference="Bishop (2006), K",
        ge=1,
        le=1000,
    )
    concentration: float = setting(
        0.1,
        title="Concentration",
        help="Prior examples in each component. Below 1, few components with many examples are preferred.",
        reference="Bishop (2006), equation 10.39, α₀",
        ge=1e-12,
        le=1000,
        log=True,
    )
    mean_strength: float = setting(
        0.01,
        title="Strength of the means' prior",
        help="How many examples the prior of a mean counts for; it lies at the mean of the data.",
        reference="Bishop (2006), equation 10.40, β₀",
        ge=1e-12,
        le=1e6,
        log=True,
    )
    covariance_strength: float = setting(
        1.0,
        title="Strength of the covariances' prior",
        help="How many examples the prior of a covariance counts for, beyond one more than there are dimensions.",
        reference="Bishop (2006), equation 10.40, ν₀ - D - 1",
        ge=1e-3,
        le=1e6,
        log=True,
    )
    spread: float = setting(
        0.2,
        title="Prior width of a component",
        help="Standard deviation expected of a component in every coordinate, as a share of the data's.",
        reference="Bishop (2006), equation 10.40, W₀",
        ge=1e-4,
        le=10,
        log=True,
    )


class GaussianMixture(nn.Module):
    """p(x | π, μ, Λ) = Σ_k π_k N(x; μ_k, Λ_k⁻¹), π ~ Dirichlet(α₀), μ_k, Λ_k ~ Normal-Wishart(m₀, β₀, W₀, ν₀)
    (Bishop, 2006, section 10.2).

    Learned is q(π) Π_k q(μ_k, Λ_k), of the same families with parameters α, m_k, β_k, W_k, ν_k (equations 10.57 and
    10.59). `factor` is the lower Cholesky factor of W_k⁻¹, so that this cannot stop being positive definite.

    **The density** that is scored and sampled is the mixture at the expectations E[π], E[μ], E[Λ]⁻¹: a mixture of
    Gaussians, normalised, and the one that expectation maximisation changes too. It is not the posterior predictive, a
    mixture of Student's t, which is a little wider where a component has few examples.

    **The prior** takes m₀ and the scale of W₀ from the data that are seen first (`start_from`), so that units do not
    matter. The evidence bound is that of this prior.

    x: (B, *event), real numbers. Sums are made in double precision where the device has it.
    """

    prior_mean: Tensor  # m₀ (D,)
    prior_variance: Tensor  # the diagonal of W₀⁻¹ (D,)

    def __init__(self, settings: GaussianMixtureSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.settings, self.event_shape, self.dimensions = settings, spec.event_shape, spec.dimensions
        k, d = settings.components, spec.dimensions
        self.prior_degrees = d + 1 + settings.covariance_strength
        self.register_buffer("prior_mean", torch.zeros(d))
        self.register_buffer("prior_variance", torch.full((d,), settings.covariance_strength * settings.spread**2))
        # no gradient descends in these
        self.concentration = nn.Parameter(torch.ones(k), requires_grad=False)  # α
        self.strength = nn.Parameter(torch.ones(k), requires_grad=False)  # β
        self.degrees = nn.Parameter(torch.full((k,), self.prior_degrees), requires_grad=False)  # ν
        self.mean = nn.Parameter(torch.randn(k, d), requires_grad=False)  # m
        width = settings.spread * self.prior_degrees**0.5
        self.factor = nn.Parameter(width * torch.eye(d).repeat(k, 1, 1), requires_grad=False)  # L Lᵀ = W⁻¹

    @staticmethod
    def check(settings: GaussianMixtureSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are not real numbers, or too many in each example, or a sequence."""
        require_layout(spec, Layout.POINTS, Layout.VECTOR, Layout.IMAGE, model="A mixture of Gaussians")
        require(spec, Support.REALS, Support.UNIT, model="A mixture of Gaussians")
        require_at_most(spec, LARGEST, model="A mixture of Gaussians with full covariances")

    # The density.

    def log_prob(self, x: Tensor) -> Tensor:
        weights = self._log_density()
        return torch.cat([(weights @ part).logsumexp(0) for part in self._features(x)]).to(x.dtype)

    def responsibilities(self, x: Tensor) -> Tensor:
        weights = self._log_density()
        return torch.cat([(weights @ part).softmax(0).t() for part in self._features(x)]).to(x.dtype)

    def components(self) -> Components:
        weights = self.concentration / self.concentration.sum()
        covariances = self.factor @ self.factor.mT / self.degrees[:, None, None]
        return Components(weights, self.mean, covariances, covariances / self.strength[:, None, None])

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        which = self._draw(n, generator)
        noise = torch.randn(n, self.dimensions, 1, generator=generator, device=which.device, dtype=self.mean.dtype)
        roots = self.factor / self.degrees.sqrt()[:, None, None]
        return (self.mean[which] + (roots[which] @ noise).squeeze(-1)).reshape(n, *self.event_shape)

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """The means of the components that n examples come from."""
        return self.mean[self._draw(n, generator)].reshape(n, *self.event_shape)

    def _draw(self, n: int, generator: Generator | None) -> Tensor:
        return self.concentration.multinomial(n, replacement=True, generator=generator)

    # Learning. "moments" are Σ_n r_nk (1, x_n - m₀, products of its coordinates): (K, features).

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """Set the prior's place and scale by x, and the posterior by a rough partition of x, as if x stood for
        `examples`. Draws from the process-wide generator."""
        rows = wide(flat(x))
        self.prior_mean.copy_(rows.mean(0))
        variance = rows.var(0, correction=0)
        # a constant coordinate is taken to vary by a hundredth of what the widest one does
        constant = variance <= 1e-12 * rows.square().mean(0)
        variance = torch.where(constant, 1e-4 * variance.max().clamp(min=RIDGE), variance)
        self.prior_variance.copy_(self.settings.covariance_strength * self.settings.spread**2 * variance)
        some = torch.randperm(len(x))[:START].to(x.device)
        partition = spread_out((rows[some] - rows.mean(0)) / variance.sqrt(), len(self.mean))
        belongs = F.one_hot(partition, len(self.mean)).to(rows)
        sums = belongs.t() @ torch.cat(list(self._features(x[some])), dim=1).t()
        self.update_posterior({"moments": sums}, examples / len(some))

    def local_statistics(self, x: Tensor) -> Statistics:
        """The best q(z_n) = r_n of each example (Bishop, 2006, equations 10.46 to 10.49)."""
        sums, bound = self._expectation(x, self._expected_log_density())
        return {"moments": sums, "local_bound": bound}

    @torch.no_grad()
    def update_posterior(self, statistics: Statistics, scale: float = 1.0, rate: Tensor | float = 1.0) -> None:
        count, first, second = moments(scale * statistics["moments"])
        alpha, beta, degrees = (wide(p) for p in (self.concentration, self.strength, self.degrees))
        centre, factor = wide(self.mean) - wide(self.prior_mean), wide(self.factor)
        settings = self.settings
        beta_now = beta + rate * (settings.mean_strength + count - beta)
        centre_now = (beta[:, None] * centre * (1 - rate) + rate * first) / beta_now[:, None]
        # W⁻¹ about the new mean, as sums of what is positive: as a difference of moments about the prior's mean, that
        # of an empty component would drown in their rounding
        cross = first[:, :, None] * centre_now[:, None, :]
        batch = second - cross - cross.mT + count[:, None, None] * _outer(centre_now)
        old = factor @ factor.mT + beta[:, None, None] * _outer(centre - centre_now)
        new = batch + settings.mean_strength * _outer(centre_now) + wide(self.prior_variance).diag()
        self._set(
            alpha + rate * (settings.concentration + count - alpha),
            beta_now,
            degrees + rate * (self.prior_degrees + count - degrees),
            centre_now,
            (1 - rate) * old + rate * new,
        )

    def evidence_bound(self, local_bound: Tensor) -> Tensor:
        """Bishop (2006), equations 10.70 to 10.77, as one term of all examples less three divergences."""
        settings = self.settings
        beta, degrees, factor = wide(self.strength), wide(self.degrees), wide(self.factor)
        prior_factor = wide(self.prior_variance).sqrt().diag().expand_as(factor)
        alpha = wide(self.concentration)
        # E_q(Λ)[KL(N(m, (βΛ)⁻¹) ‖ N(m₀, (β₀Λ)⁻¹))]
        ratio = settings.mean_strength / beta
        offset = (wide(self.mean) - wide(self.prior_mean))[:, :, None]
        distance = torch.linalg.solve_triangular(factor, offset, upper=False).square().sum((1, 2))
        of_means = self.dimensions * (ratio - 1 - ratio.log()) + settings.mean_strength * degrees * distance
        of_precisions = wishart_kl(degrees, factor, torch.full_like(degrees, self.prior_degrees), prior_factor)
        of_weights = dirichlet_kl(alpha, torch.full_like(alpha, settings.concentration))
        return local_bound - (of_means / 2 + of_precisions).sum() - of_weights

    def expected_statistics(self, x: Tensor) -> Statistics:
        sums, log_prob = self._expectation(x, self._log_density())
        return {"moments": sums, "log_prob": log_prob}

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """Maximum likelihood (Bishop, 2006, equations 9.24 to 9.26), with RIDGE of the data's variances added, so that
        the likelihood has a bound. An empty component keeps its place and shape. The factors around the estimate become
        as narrow as the examples of each component make them."""
        count, first, second = moments(statistics["moments"])
        some = count > 1e-6 * count.sum() / len(count)
        safe = torch.where(some, count, 1.0)
        centre = torch.where(some[:, None], first / safe[:, None], wide(self.mean) - wide(self.prior_mean))
        settings = self.settings
        variance = wide(self.prior_variance) / (settings.covariance_strength * settings.spread**2)  # of the data
        found = second / safe[:, None, None] - _outer(centre) + (RIDGE * variance).diag()
        factor = wide(self.factor)
        kept = factor @ factor.mT / wide(self.degrees)[:, None, None]
        degrees = count + self.prior_degrees
        covariances = torch.where(some[:, None, None], found, kept)
        self._set(count.clamp(min=RIDGE), count + 1, degrees, centre, degrees[:, None, None] * covariances)

    def _set(self, alpha: Tensor, beta: Tensor, degrees: Tensor, centre: Tensor, scatter: Tensor) -> None:
        """Means are relative to the prior mean; `scatter` is W⁻¹."""
        self.concentration.copy_(alpha)
        self.strength.copy_(beta)
        self.degrees.copy_(degrees)
        self.mean.copy_(centre + wide(self.prior_mean))
        self.factor.copy_(cholesky(scatter))

    @torch.no_grad()
    def _expectation(self, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of moments and of log Σ_k exp(weights_k · features(x))."""
        sums, total = torch.zeros_like(weights), weights.new_zeros(())
        for part in self._features(x):
            logits = weights @ part  # (K, chunk): sums over k go along whole rows
            top = logits.amax(0)
            shares = logits.sub_(top).exp_()
            norm = shares.sum(0)
            total += (top + norm.log()).sum()
            sums.addmm_(shares.div_(norm), part.t())
        return sums, total

    def _features(self, x: Tensor) -> Iterator[Tensor]:
        """Features of chunks of examples, about the prior mean."""
        d = self.dimensions
        rows = max(256, AT_ONCE // (1 + d + d * (d + 1) // 2 + len(self.mean)))
        centre = wide(self.prior_mean)
        for part in flat(x).split(rows):
            yield features(wide(part) - centre)

    def _log_density(self) -> Tensor:
        """log π_k N(x; μ_k, Λ_k⁻¹) at the expectations."""
        alpha, degrees, factor = wide(self.concentration), wide(self.degrees), wide(self.factor)
        log_determinants = self.dimensions * degrees.log() - log_determinant(factor)
        return self._weights((alpha / alpha.sum()).log(), log_determinants, degrees, factor)

    def _expected_log_density(self) -> Tensor:
        """E_q[log π_k N(x; μ_k, Λ_k⁻¹)] (Bishop, 2006, equations 10.64 to 10.66)."""
        alpha, degrees, factor = wide(self.concentration), wide(self.degrees), wide(self.factor)
        log_determinants = expected_log_determinant(degrees, factor) - self.dimensions / wide(self.strength)
        return self._weights(alpha.digamma() - alpha.sum().digamma(), log_determinants, degrees, factor)

    def _weights(self, log_weights: Tensor, log_determinants: Tensor, degrees: Tensor, factor: Tensor) -> Tensor:
        """Of the features: log_weights + ½ log_determinants - D/2 log 2π - ½ ν (x - m)ᵀ W (x - m)."""
        centre = wide(self.mean) - wide(self.prior_mean)
        precisions = degrees[:, None, None] * inverse(factor)
        linear = (precisions @ centre[:, :, None]).squeeze(-1)
        constant = log_weights + 0.5 * (log_determinants - self.dimensions * LOG_2PI - (linear * centre).sum(-1))
        return quadratic(constant, linear, -0.5 * precisions)


def _outer(x: Tensor) -> Tensor:
    return x[:, :, None] * x[:, None, :]


FAMILY = Family(
    key="gaussian-mixture",
    title="Bayesian mixture of Gaussians",
    group="exact inference",
    lecture="Exact inference and mean field",
    summary="Every example comes from one of K Gaussians. Weights, means and covariances have a posterior of their "
    "own, which is approximated by independent factors (mean field).",
    look_for="The bound rises at every step of coordinate ascent. Components that the data do not need fade away; "
    "those that stay settle on the clusters.",
    model=GaussianMixture,
    settings=GaussianMixtureSettings,
    learners=("coordinate-ascent", "stochastic-vi", "em"),
    data="ring",
)
