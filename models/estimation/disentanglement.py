"""Which latent unit knows which factor: mutual information, the gap between the best two (MIG), and linear probes.

Codes are the means of q(z | x). Mutual information is taken from counts: continuous values, of codes and of factors,
are put into bins of about as many examples each. Of N examples in I × J cells it comes out too large, by about
(I - 1)(J - 1) / 2N nats where code and factor are independent (Miller, 1955). What is found with the code dealt out at
random to other examples is therefore taken off, in such a way that 0 is what chance gives and 1 a factor that is known
wholly (adjusted mutual information; Vinh, Epps & Bailey, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from models.estimation.measure import Kind, Measure, wilson
from models.spec import Factor, FactorKind

GROUPS = 10  # left out in turn, for intervals of MIG
STUDENT = 2.262  # 97.5 % point of Student's t for GROUPS - 1 degrees of freedom
RIDGE = 1e-6  # of the regressions, in units of a standardised code: decides between codes that say the same
NEWTON = 50  # steps of the logistic regression at most


@dataclass(frozen=True)
class Information:
    """What counts say of L latent units and F factors, in nats."""

    shared: Tensor  # (F, L)  mutual information of factor and unit, chance included
    chance: Tensor  # (F, L)  what was found between the factor and a code dealt out at random
    entropy: Tensor  # (F,)  of the binned factor

    @property
    def normalised(self) -> Tensor:
        """The part of each factor's entropy that each unit knows beyond chance: (F, L), in 0…1."""
        return ((self.shared - self.chance) / (self.entropy[:, None] - self.chance).clamp(min=1e-12)).clamp(0, 1)

    @property
    def best(self) -> tuple[Tensor, Tensor]:
        """The largest two of `normalised` and their units, for each factor: (F, 2) each. A single unit is compared
        with one that knows nothing."""
        values = self.normalised
        if values.shape[1] == 1:
            values = torch.cat([values, torch.zeros_like(values)], 1)
        top = values.topk(2, 1)
        return top.values, top.indices

    @property
    def gaps(self) -> Tensor:
        """Of the best unit and the second, for each factor: (F,). Their mean is the mutual information gap (Chen, Li,
        Grosse & Duvenaud, 2018, equation 6)."""
        values, _ = self.best
        return values[:, 0] - values[:, 1]


def binned(values: Tensor, bins: int) -> Tensor:
    """Which of up to `bins` bins each value of each column lies in, bins with about as many values each; equal values
    lie in one bin: (N, C) -> (N, C) int64."""
    ordered = values.double().sort(0).values
    edges = ordered[[len(values) * k // bins for k in range(1, bins)]]  # the first value of each bin but the lowest
    columns = zip(values.double().t().contiguous(), edges.t().contiguous(), strict=True)
    return torch.stack([torch.bucketize(column, edge.unique(), right=True) for column, edge in columns], 1)


def binned_factors(values: Tensor, factors: Sequence[Factor], bins: int) -> Tensor:
    """Categories as they are, other factors in bins: (N, F) -> (N, F) int64."""
    columns = []
    for column, factor in zip(values.t(), factors, strict=True):
        whole = factor.kind is FactorKind.CATEGORICAL
        columns.append(column.long() if whole else binned(column[:, None], bins)[:, 0])
    return torch.stack(columns, 1)


def information(codes: Tensor, factors: Tensor, generator: Generator | None = None) -> Information:
    """Mutual information of binned codes (N, L) and binned factors (N, F), both int64 from 0 on."""
    dealt = codes[torch.randperm(len(codes), generator=generator, device=codes.device)]
    found, chance = _shared(codes, factors), _shared(dealt, factors)
    return Information(found, chance, torch.stack([_entropy(column) for column in factors.t()]))


def _shared(codes: Tensor, factors: Tensor) -> Tensor:
    """Σ p(a, b) log p(a, b) / p(a) p(b) of each factor and unit: (F, L)."""
    of_codes = torch.stack([_entropy(code) for code in codes.t()])
    rows = []
    for factor in factors.t():
        width = int(factor.max()) + 1
        both = torch.stack([_entropy(code * width + factor) for code in codes.t()])
        rows.append(of_codes + _entropy(factor) - both)
    return torch.stack(rows)


def _entropy(values: Tensor) -> Tensor:
    """Of the shares of whole numbers (N,) from 0 on, in nats."""
    shares = torch.bincount(values).double() / len(values)
    return -torch.special.xlogy(shares, shares).sum()


def mutual_information_gap(
    codes: Tensor, factors: Tensor, where: str, generator: Generator | None = None
) -> tuple[Measure, Information]:
    """MIG of binned codes and factors, with a 95 % interval by leaving out each of GROUPS parts of the examples in
    turn (the jackknife), and the information behind it."""
    whole = information(codes, factors, generator)
    value = whole.gaps.mean().item()
    part = torch.arange(len(codes), device=codes.device) % GROUPS
    without = [information(codes[part != k], factors[part != k], generator).gaps.mean() for k in range(GROUPS)]
    spread = torch.stack(without).var(correction=0).item()
    half = STUDENT * math.sqrt((GROUPS - 1) * spread)
    measure = Measure("MIG", value, value - half, value + half, Kind.ESTIMATE, "part of entropy", where)
    return measure, whole


@dataclass(frozen=True)
class Probe:
    """How well a factor can be read off codes by a linear map, on examples that it was not fitted to."""

    factor: Factor
    value: float  # R², or the share of right answers
    low: float
    high: float
    chance: float  # the same without codes: 0, or the share of the most frequent category

    @property
    def name(self) -> str:
        return "accuracy" if self.factor.kind is FactorKind.CATEGORICAL else "R²"


def probe(train: Tensor, wanted: Tensor, test: Tensor, true: Tensor, factor: Factor) -> Probe:
    """Fit codes (N, L) to a factor (N,), and measure it on other codes. Least squares for a continuous factor; for a
    circular one the same of its sine and cosine, whose squared errors are added; multinomial logistic regression for
    categories. Intervals are 95 % ones over test examples."""
    train, test = _with_one(train, train), _with_one(test, train)
    if factor.kind is FactorKind.CATEGORICAL:
        weights = logistic_regression(train, wanted.long(), int(max(wanted.max(), true.max())) + 1)
        right = ((test @ weights).argmax(1) == true.long()).double().mean().item()
        usual = wanted.long().bincount().argmax()
        return Probe(factor, right, *wilson(right, len(test)), (true.long() == usual).double().mean().item())
    wanted, true = _targets(wanted, factor), _targets(true, factor)
    gram = train.t() @ train + RIDGE * len(train) * torch.eye(train.shape[1]).to(train)
    predicted = test @ torch.linalg.solve(gram, train.t() @ wanted)
    errors, spread = (true - predicted).square().sum(1), (true - wanted.mean(0)).square().sum(1)
    lost = (errors.mean() / spread.mean()).item()
    influence = (errors - lost * spread) / spread.mean()  # the delta method for a quotient of means
    half = 1.96 * influence.std().item() / math.sqrt(len(test))
    return Probe(factor, 1 - lost, 1 - lost - half, 1 - lost + half, 0.0)


def _targets(values: Tensor, factor: Factor) -> Tensor:
    values = values.double()
    if factor.kind is FactorKind.CIRCULAR:
        angle = 2 * math.pi * values
        return torch.stack([angle.sin(), angle.cos()], 1)
    return values[:, None]


def _with_one(codes: Tensor, like: Tensor) -> Tensor:
    """Codes (N, L) standardised as `like`, and a column of ones: (N, L + 1), float64."""
    deviation, mean = torch.std_mean(like.double(), 0, correction=0)
    standard = (codes.double() - mean) / torch.where(deviation > 0, deviation, 1.0)
    return torch.cat([standard, standard.new_ones(len(codes), 1)], 1)


def logistic_regression(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Weights (L, classes) of p(y | x) = softmax(x W), with the ridge RIDGE per example, by Newton's method with
    conjugate gradients for each step: x (N, L) float64, y (N,) int64."""
    n = len(x)
    one_hot = torch.nn.functional.one_hot(y, classes).to(x)
    weights = x.new_zeros(x.shape[1], classes)

    def loss(w: Tensor) -> Tensor:
        logits = x @ w
        fit = logits.logsumexp(1) - (logits * one_hot).sum(1)
        return fit.mean() + RIDGE / 2 * w.square().sum()

    current = loss(weights)
    for _ in range(NEWTON):
        p = (x @ weights).softmax(1)
        gradient = x.t() @ (p - one_hot) / n + RIDGE * weights

        def curved(v: Tensor, p: Tensor = p) -> Tensor:
            moved = x @ v
            return x.t() @ (p * (moved - (p * moved).sum(1, keepdim=True))) / n + RIDGE * v

        step = _conjugate_gradients(curved, gradient)
        size, lower = 1.0, loss(weights - step)
        while lower > current and size > 1e-4:
            size /= 2
            lower = loss(weights - size * step)
        if current - lower < 1e-9:
            break
        weights, current = weights - size * step, lower
    return weights


def _conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, steps: int = 100) -> Tensor:
    """v with product(v) = b, to 1e-3 of b (Hestenes & Stiefel, 1952)."""
    v, rest = torch.zeros_like(b), b.clone()
    direction, size = rest.clone(), rest.square().sum()
    enough = 1e-6 * size
    for _ in range(steps):
        if size <= enough:
            break
        moved = product(direction)
        rate = size / (direction * moved).sum()
        v, rest = v + rate * direction, rest - rate * moved
        before, size = size, rest.square().sum()
        direction = rest + size / before * direction
    return v
