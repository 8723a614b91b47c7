"""Hidden Markov model."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Explanation, HiddenStates, Statistics
from models.conjugate import spread_out
from models.distributions import gaussian_log_prob
from models.family import Family
from models.hidden_chain import LOWEST, draw_states, evidence, smooth
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require, require_layout
from models.viterbi import best_path

START = 5000  # values that learning starts from, at most


class HmmSettings(Settings):
    states: int = setting(
        4,
        title="Hidden states",
        help="How many states the hidden chain has.",
        reference="Rabiner (1989), N",
        ge=1,
        le=512,
    )
    smallest_deviation: float = setting(
        0.01,
        title="Smallest σ",
        help="Standard deviations of real values are not below this: a state that explains a single value would make "
        "the likelihood infinite.",
        reference="Bishop (2006), section 9.2.1",
        gt=0,
        le=1e3,
        log=True,
    )


class Hmm(nn.Module):
    """p(x) = Σ_z p(z_1) Π_t p(z_t | z_{t-1}) Π_t p(x_t | z_t): a Markov chain z over K states that is seen through its
    emissions x (Rabiner, 1989).

    x: (B, T) symbols or bits, of which each state emits its own categorical distribution, or (B, T) or (B, T, dims)
    real values, of which each state emits independent normals. All probabilities are kept as logits, so that the model
    learns by gradient as well as by closed-form steps (Baum-Welch).
    """

    def __init__(self, settings: HmmSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.event_shape, self.states = spec.event_shape, settings.states
        self.smallest_deviation = settings.smallest_deviation
        self.symbols = 2 if spec.support is Support.BITS else spec.categories  # 0: real values
        k = settings.states
        self.initial_logits = nn.Parameter(0.1 * torch.randn(k))
        self.transition_logits = nn.Parameter(0.1 * torch.randn(k, k) + 2 * torch.eye(k))  # states that last a while
        if self.symbols:
            self.emission_logits = nn.Parameter(0.5 * torch.randn(k, self.symbols))
        else:
            self.means = nn.Parameter(torch.randn(k, *spec.event_shape[1:]))
            self.log_deviations = nn.Parameter(torch.zeros(k, *spec.event_shape[1:]))

    @staticmethod
    def check(settings: HmmSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data are no sequences of symbols, bits or real values."""
        name = "A hidden Markov model"
        require_layout(spec, Layout.SEQUENCE, model=name)
        require(spec, Support.SYMBOLS, Support.BITS, Support.REALS, model=name)
        if spec.support is not Support.REALS and len(spec.event_shape) > 1:
            raise UnsuitableData(f"{name} takes one symbol at each step: choose sequences of shape (time,).")
        if len(spec.event_shape) > 2:
            raise UnsuitableData(f"{name} takes sequences of numbers or vectors: choose a shape of (time, dimensions).")

    def log_initial(self) -> Tensor:
        """log p(z_1): (K,)."""
        return _log_probabilities(self.initial_logits)

    def log_transition(self) -> Tensor:
        """log p(z_{t+1} = j | z_t = i) in row i, column j: (K, K)."""
        return _log_probabilities(self.transition_logits)

    def log_emission(self, x: Tensor) -> Tensor:
        """log p(x_t | z_t) in the layout of the recursions: (B, T) or (B, T, dims) -> (T, K, B)."""
        if self.symbols:
            of_symbol = self.emission_logits.log_softmax(1)
            return of_symbol.index_select(1, x.T.flatten().long()).view(self.states, *x.T.shape).transpose(0, 1)
        by_time = x.movedim(0, 2 if x.ndim == 3 else 1).unsqueeze(1)  # (T, 1, [dims,] B)
        each = gaussian_log_prob(by_time, self.means.unsqueeze(-1), self._log_deviations().unsqueeze(-1))
        return each if each.ndim == 3 else each.sum(2)

    def log_prob(self, x: Tensor) -> Tensor:
        return evidence(self.log_initial(), self.log_transition(), self.log_emission(x))

    @torch.no_grad()
    def explain(self, x: Tensor) -> Explanation:
        given = self.log_initial(), self.log_transition(), self.log_emission(x)
        found, (path, log_joint) = smooth(*given), best_path(*given)
        forward, backward, posterior = (p.permute(2, 0, 1) for p in (found.forward, found.backward, found.posterior))
        return Explanation(found.evidence, forward, backward, posterior, path.T, log_joint - found.evidence)

    @torch.no_grad()
    def hidden_states(self) -> HiddenStates:
        initial, transition = self.log_initial().exp(), self.log_transition().exp()
        if self.symbols:
            return HiddenStates(initial, transition, self.emission_logits.softmax(1))
        deviation = self._log_deviations().exp()
        return HiddenStates(
            initial, transition, self.means.detach().reshape(self.states, -1), deviation.reshape(self.states, -1)
        )

    @torch.no_grad()
    def expected_statistics(self, x: Tensor) -> Statistics:
        """Expected numbers of starts (K,), transitions (K, K) and emissions given x: of each symbol (K, symbols), or
        of steps (K,) with the sums of their values and of the squares about the present mean (K, [dims])."""
        found = smooth(self.log_initial(), self.log_transition(), self.log_emission(x))
        posterior = found.posterior.permute(1, 2, 0).flatten(1)  # (K, B × T)
        statistics = {
            "log_prob": found.evidence.sum(),
            "starts": found.posterior[0].sum(1),
            "transitions": found.pairs.expected(),
        }
        if self.symbols:
            counts = posterior.new_zeros(self.symbols, self.states)
            statistics["emissions"] = counts.index_add_(0, x.flatten().long(), posterior.T.contiguous()).T
            return statistics
        return statistics | self._value_statistics(x.flatten(0, 1), posterior)

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """Relative frequencies, means and deviations (Rabiner, 1989, equations 40 and 53). What was not expected at all
        becomes as improbable as the recursions allow; an unused state keeps its mean and deviation."""
        self.initial_logits.copy_(_log_frequencies(statistics["starts"]))
        self.transition_logits.copy_(_log_frequencies(statistics["transitions"]))
        if self.symbols:
            self.emission_logits.copy_(_log_frequencies(statistics["emissions"]))
        else:
            self._maximize_values(statistics)

    @torch.no_grad()
    def start_from(self, x: Tensor, examples: int) -> None:
        """Begin with means and deviations of groups of near values. Symbols have no distances: nothing is done then."""
        if self.symbols:
            return
        values = x.flatten(0, 1)
        values = values[torch.randperm(len(values))[:START].to(x.device)]
        self.means.copy_(values.mean(0).expand_as(self.means))
        rows = (values - values.mean(0)).reshape(len(values), -1)
        group = spread_out(rows / rows.std(0, correction=0).clamp_min(1e-12), self.states)
        weight = torch.nn.functional.one_hot(group, self.states).T.to(x.dtype)
        self._maximize_values(self._value_statistics(values, weight))

    def _value_statistics(self, values: Tensor, weight: Tensor) -> Statistics:
        """Of N values (N[, dims]) that count for each state as much as `weight` (K, N) says."""
        distance = values.unsqueeze(0) - self.means.unsqueeze(1)  # (K, N[, dims])
        weighted = distance * (weight if distance.ndim == 2 else weight.unsqueeze(-1))
        squares = (weighted * distance).sum(1)
        return {"steps": weight.sum(1), "distances": weighted.sum(1), "squares": squares}

    def _maximize_values(self, statistics: Statistics) -> None:
        steps = statistics["steps"].reshape(-1, *[1] * (self.means.ndim - 1))
        used, steps = steps > 0, steps.clamp_min(torch.finfo(steps.dtype).tiny)
        shift = statistics["distances"] / steps  # of the means, about which the squares were taken
        variance = (statistics["squares"] / steps - shift.square()).clamp_min(self.smallest_deviation**2)
        self.means.add_(shift)
        self.log_deviations.copy_(torch.where(used, 0.5 * variance.log(), self.log_deviations))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n sequences, in T steps of the hidden chain."""
        initial, transition = self.log_initial().exp(), self.log_transition().exp()
        states = draw_states(initial, transition, n, self.event_shape[0], generator)
        if not self.symbols:
            mean, deviation = self.means[states], self._log_deviations()[states].exp()
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
            return mean + deviation * noise
        flat = self.emission_logits.softmax(1)[states.flatten()]
        symbols = torch.cat([part.multinomial(1, generator=generator) for part in flat.split(1 << 20)])
        return symbols.reshape(states.shape).to(flat.dtype)

    def _log_deviations(self) -> Tensor:
        return self.log_deviations.clamp_min(math.log(self.smallest_deviation))


def _log_probabilities(logits: Tensor) -> Tensor:
    """Normalised over the last dimension, none below e^LOWEST, which is less than a sum of probabilities resolves."""
    return logits.log_softmax(-1).clamp_min(LOWEST)


def _log_frequencies(counts: Tensor) -> Tensor:
    """log of counts relative to their sum over the last dimension; all alike where nothing was counted."""
    frequencies = counts / counts.sum(-1, keepdim=True).clamp_min(torch.finfo(counts.dtype).tiny)
    return frequencies.clamp_min(math.exp(LOWEST)).log()


FAMILY = Family(
    key="hmm",
    title="Hidden Markov model",
    group="exact inference",
    lecture="Exact inference and mean field",
    summary="A chain of hidden states that is seen through what each state emits. Its evidence and posteriors are "
    "exact, at a cost linear in the length of a sequence.",
    look_for="log p(x) never falls under expectation maximisation. It may rest for long while two states are still "
    "alike, and rise once they part; other seeds may end at other optima.",
    model=Hmm,
    settings=HmmSettings,
    learners=("em", "maximum-likelihood"),
    data="casino",
)
