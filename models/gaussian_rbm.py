"""Gaussian-Bernoulli restricted Boltzmann machine."""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import ChainState
from models.distributions import LOG_2PI, Normal, bernoulli
from models.estimation.enumeration import LIMIT, log_sum_in_parts, require_enumerable
from models.estimation.progress import finish
from models.family import Family
from models.harmonium import ChainSettings, Harmonium
from models.networks import flat
from models.rbm import probability
from models.settings import setting
from models.spec import DataSpec, Layout, Support, require, require_layout

NAME = "The Gaussian restricted Boltzmann machine"
NARROWEST = 1e-6  # standard deviation of data that do not vary at all
FARTHEST = 2.0  # standard deviations, of the examples that weights start from
SLOWER = 0.1  # than units that are bits


class GaussianRbmSettings(ChainSettings):
    hidden: int = setting(
        16,
        title="Hidden units",
        help="Binary hidden units: the density is a mixture of 2 to their number Gaussians. Up to 20 of them, log Z is "
        "summed exactly; pictures need more.",
        reference="Cho, Ilin & Raiko (2011), section 2",
        ge=1,
        le=8192,
    )
    narrowest: float = setting(
        0.1,
        title="Narrowest σ",
        help="No σ is smaller than this part of the data's usual standard deviation (the root mean square over "
        "coordinates): a pixel that is black in all examples seen so far would make every other value impossible.",
        ge=0.001,
        le=1,
        log=True,
    )


class GaussianRbm(Harmonium):
    """p(v, h) = exp(-E(v, h)) / Z over real v and bits h, with

    E(v, h) = Σ_i (v_i - b_i)² / 2σ_i² - Σ_j h_j a_j(v),   a_j(v) = c_j + Σ_i (v_i - b_i - W_ij / 2) W_ij / σ_i².

    So p(v | h) = Π_i N(v_i; b_i + W_i·h, σ_i²) and P(h_j = 1 | v) = σ(a_j(v)): a mixture of 2^H Gaussians of one shape,
    whose means and weights share parameters. This is the energy of Cho, Ilin & Raiko (2011, section 3), in which
    variances can be learned, by their logarithms: in Krizhevsky's older form (2009, section 1.2) W is divided by σ_i
    only once, and a change of σ moves the means. Only c counts from elsewhere: there, a_j is c_j + Σ_i v_i W_ij / σ_i²,
    and c would have to follow every change of W, b and σ; here exp(c_j) is the weight of the Gaussian with h_j alone
    on, relative to that with all off, wherever they lie.

    v: (B, *event); h: (B, hidden). Takes reals, and values in 0…1 as they are: it is a density over all reals, in nats
    of the data's own scale, and its draws may lie outside 0…1. A temperature divides all energies, so that it widens
    the visible Gaussians as well.

    σ_i² = s² + exp(θ_i): s is a part of the data's usual standard deviation, found with the first batch. Without it the
    likelihood has no upper limit where a coordinate is constant among training examples, and one other value held out
    costs thousands of nats.
    """

    def __init__(self, settings: GaussianRbmSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.dimensions = spec.event_shape, spec.dimensions
        self.hidden, self.hidden_shape, self.sweeps = settings.hidden, (settings.hidden,), settings.sweeps
        self.weight = nn.Parameter(torch.randn(spec.dimensions, settings.hidden) * 0.01)
        self.visible_bias = nn.Parameter(torch.zeros(spec.dimensions))
        self.hidden_bias = nn.Parameter(torch.zeros(settings.hidden))
        self.log_variance = nn.Parameter(torch.zeros(spec.dimensions))  # θ
        self.narrowest = settings.narrowest
        self.register_buffer("least_variance", torch.zeros(()))  # s²; 0 until learning begins
        self.least_variance: Tensor

    @staticmethod
    def check(settings: GaussianRbmSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are not real numbers, or are sequences."""
        require_layout(spec, Layout.POINTS, Layout.VECTOR, Layout.IMAGE, model=NAME)
        require(spec, Support.REALS, Support.UNIT, model=NAME)

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """One Gaussian with the data's means and variances, to which each hidden unit adds one halfway to an example,
        seldom enough that about four are on at once. Small random weights would rest long on data without
        correlations, where W = 0 is a saddle."""
        v = flat(x)
        deviation, mean = _deviation_mean(v)
        self.least_variance.copy_(self.narrowest**2 * deviation.square().mean())
        deviation = deviation.clamp(min=self.least_variance.sqrt())
        self.visible_bias.copy_(mean)
        self.log_variance.copy_(2 * deviation.log())
        chosen = torch.randint(len(v), (self.hidden,), device=v.device)
        away = ((v[chosen] - mean) / deviation).clamp(-FARTHEST, FARTHEST)  # some coordinates hardly ever move
        self.weight.add_(away.t(), alpha=0.5).mul_(deviation.unsqueeze(1))
        self.hidden_bias.fill_(-max(1.0, math.log(self.hidden / 4)))

    def step_scales(self) -> Mapping[str, Tensor | float]:
        """Visible biases and weights move means, on which the likelihood is the steeper the smaller σ² is: steps are
        in units of it. All are a tenth of those for bits, as Gaussian units need (Hinton, 2012, section 13.2)."""
        variance = SLOWER * self.variance()
        return {
            "weight": variance.unsqueeze(1),
            "visible_bias": variance,
            "hidden_bias": SLOWER,
            "log_variance": SLOWER,
        }

    # Energies.

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, hidden) -> (B,)."""
        return self._distance(v) - (self._hidden_logits(v) * h).sum(-1)

    def free_energy(self, x: Tensor) -> Tensor:
        return self._distance(x) - F.softplus(self._hidden_logits(x)).sum(-1)

    def log_partition(self) -> Tensor:
        return finish(self.log_partition_in_parts())

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """log Z, summed over the hidden states, the visible units integrated out. Raises TooLarge."""
        require_enumerable(
            self.hidden,
            f"log Z of {self.hidden} hidden units",
            f"Use at most {LIMIT} hidden units, or contrastive divergence and annealed importance sampling.",
        )
        return (yield from log_sum_in_parts(self.hidden, self._hidden_log_weight, self.weight))

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = -F(x) - log Z. Raises TooLarge when log Z cannot be summed."""
        return -self.free_energy(x) - self.log_partition()

    # Conditionals.

    def hidden_mean(self, v: Tensor, temperature: float = 1.0) -> Tensor:
        """P(h_j = 1 | v): (B, *event) -> (B, hidden)."""
        return probability(self._hidden_logits(v), temperature)

    def visible_mean(self, h: Tensor, temperature: float = 1.0) -> Tensor:
        """E[v_i | h], which no temperature changes: (B, hidden) -> (B, *event)."""
        return torch.addmm(self.visible_bias, h, self.weight.t()).reshape(-1, *self.event_shape)

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """h given its conditional mean: (B, hidden)."""
        return bernoulli(mean, generator)

    def draw_visible(self, mean: Tensor, generator: Generator | None = None, temperature: float = 1.0) -> Tensor:
        """v given its conditional mean: (B, *event)."""
        deviation = (self.variance() * temperature).sqrt()
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + noise * deviation.reshape(self.event_shape)

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place. h may be its conditional mean."""
        away, precision, ones = flat(v) - self.visible_bias, self._precision(), v.new_ones(len(v))
        together, active = away.t() @ h, h.t() @ ones  # Σ_batch (v_i - b_i) h_j, Σ_batch h_j
        missing = together - self.weight * active  # of each hidden unit's own Gaussian
        sums["weight"].mul_(keep).addcmul_(missing, precision.unsqueeze(1), value=scale)
        sums["visible_bias"].mul_(keep).addcmul_(away.t() @ ones - self.weight @ active, precision, value=scale)
        sums["hidden_bias"].mul_(keep).add_(active, alpha=scale)
        of_variance = (away.square().t() @ ones - ((together + missing) * self.weight).sum(1)) / 2
        by_own = self.log_variance.exp() * precision  # ∂ log σ² / ∂θ
        sums["log_variance"].mul_(keep).addcmul_(of_variance, precision * by_own, value=scale)

    # The chain.

    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """Around the visible biases: draws given that all hidden units are off."""
        mean = self.visible_bias.detach().reshape(self.event_shape).expand(n, *self.event_shape)
        return ChainState(self.draw_visible(mean, generator).detach(), mean)

    def filters(self) -> Tensor:
        return self.weight.t().reshape(-1, *self.event_shape)

    # The path from independent Gaussians to the machine: N(v; m, s²)^(1-β) exp(-β E(v, h)), hidden units summed out.
    # Given h, precisions and precision-weighted means add up. The base is (2, D): m and log s.

    def annealed_base(self, data: Tensor) -> Tensor:
        deviation, mean = _deviation_mean(flat(data))
        return torch.stack([mean, deviation.log()]).to(self.weight)

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        of_base = -0.5 * ((flat(x) - base[0]) * (-base[1]).exp()).square().sum(-1)
        of_machine = F.softplus(beta * self._hidden_logits(x)).sum(-1) - beta * self._distance(x)
        return (1 - beta) * of_base + of_machine

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return (base[1] + LOG_2PI / 2).sum() + self.hidden * base.new_tensor(2).log()

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return Normal(base[0], base[1]).sample(n, generator).reshape(-1, *self.event_shape)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        h = bernoulli((beta * self._hidden_logits(x)).sigmoid_(), generator)
        of_base, of_machine = (1 - beta) * (-2 * base[1]).exp(), beta * self._precision()
        precision = of_base + of_machine
        towards = of_base * base[0] + of_machine * torch.addmm(self.visible_bias, h, self.weight.t())
        return Normal(towards / precision, -precision.log() / 2).sample(1, generator).reshape(-1, *self.event_shape)

    def variance(self) -> Tensor:
        """σ²: (D,)."""
        return self.least_variance + self.log_variance.exp()

    def _precision(self) -> Tensor:
        """1 / σ²: (D,)."""
        return 1 / self.variance()

    def _distance(self, v: Tensor) -> Tensor:
        """Σ_i (v_i - b_i)² / 2σ_i²: (B, *event) -> (B,)."""
        return (flat(v) - self.visible_bias).square() @ self._precision() / 2

    def _hidden_logits(self, v: Tensor) -> Tensor:
        """a(v): (B, *event) -> (B, hidden)."""
        precision = self._precision()
        at_origin = self.hidden_bias - precision @ self.weight.square() / 2
        return torch.addmm(at_origin, (flat(v) - self.visible_bias) * precision, self.weight)

    def _hidden_log_weight(self, h: Tensor) -> Tensor:
        """log ∫ exp(-E(v, h)) dv: (n, hidden) -> (n,)."""
        precision = self._precision()
        moved = ((h @ self.weight.t()).square() @ precision - h @ (precision @ self.weight.square())) / 2
        return h @ self.hidden_bias + moved + (self.variance().log() + LOG_2PI).sum() / 2


def _deviation_mean(v: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations (D,) of examples (N, D), none below a hundredth of what is usual among them, and means (D,):
    a coordinate that never changes would have no density."""
    deviation, mean = torch.std_mean(v, 0, correction=0)
    usual = deviation.square().mean().sqrt().clamp(min=NARROWEST)
    return deviation.clamp(min=0.01 * usual), mean


FAMILY = Family(
    key="gaussian-rbm",
    title="Gaussian RBM",
    group="energy",
    lecture="Boltzmann machines",
    summary="A restricted Boltzmann machine over real numbers: bits decide together where a Gaussian lies, so that "
    "H of them make a mixture of 2^H. How wide it is in each coordinate is learned too.",
    look_for="Variances fall as hidden units explain what was noise. Up to 20 hidden units log p(x) is exact, and "
    "can be learned from itself; points in the plane show the density in the landscape.",
    model=GaussianRbm,
    settings=GaussianRbmSettings,
    learners=("persistent-cd", "contrastive-divergence", "maximum-likelihood"),
    data="moons",
)
