"""The general Boltzmann machine against the joint distribution written down state by state."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from models import boltzmann as module
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.capabilities import (
    Anneals,
    AnnealsHidden,
    BoundsFreeEnergy,
    ChainState,
    HasFilters,
    HasFreeEnergy,
    HasHiddenLayers,
    HasMeanField,
    Held,
    LearnsInPhases,
    RunsChain,
    Samples,
    SamplesMeans,
    ScoresExactly,
    SumsExactly,
    TooLarge,
)
from models.estimation.annealing import annealed_log_partition, reverse_log_prob
from models.estimation.progress import finish
from models.learning.contrastive_divergence import (
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.learning.mean_field_pcd import MeanFieldPcd, MeanFieldPcdSettings
from models.rbm import Rbm, RbmSettings
from models.signs import raised
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SHAPE = (1, 2, 2)
SPEC = DataSpec(SHAPE, Support.BITS, Layout.IMAGE)
D, M = 4, 3
KINDS = pytest.mark.parametrize(("r", "s"), [(True, True), (True, False), (False, True), (False, False)])


def make(r: bool = True, s: bool = True, hidden: int = M, scale: float = 1.0, spec: DataSpec = SPEC) -> Boltzmann:
    torch.manual_seed(1)
    settings = BoltzmannSettings(hidden=hidden, visible_connections=r, hidden_connections=s, sweeps=30)
    model = Boltzmann(settings, spec).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0, scale)
            if name in ("visible_weight", "hidden_weight"):
                parameter.triu_(1)
    return model


def bits(n: int) -> Tensor:
    places = torch.arange(n - 1, -1, -1)
    return ((torch.arange(2**n)[:, None] >> places) & 1).double()


def joint(model: Boltzmann, temperature: float = 1.0) -> Tensor:
    """log P(v, h) of every pair of states, by the lecture's definition: (2^D, 2^M)."""

    def full(upper: Tensor | None, n: int) -> Tensor:
        return torch.zeros(n, n).double() if upper is None else upper + upper.t()

    d, m = model.dimensions, model.hidden
    r, s = full(model.visible_weight, d), full(model.hidden_weight, m)
    v, h = bits(d), bits(m)
    energy = (
        -0.5 * torch.einsum("ai,ij,aj->a", v, r, v)[:, None]
        - torch.einsum("ai,ij,bj->ab", v, model.weight, h)
        - 0.5 * torch.einsum("bi,ij,bj->b", h, s, h)
        - (v @ model.visible_bias)[:, None]
        - h @ model.hidden_bias
    )
    return -energy / temperature


def normalised(log_weights: Tensor) -> Tensor:
    return (log_weights - log_weights.flatten().logsumexp(0)).detach()


def number(units: Tensor) -> Tensor:
    """The place of each state in `bits`."""
    units = units.flatten(1)
    return (units @ (2.0 ** torch.arange(units.shape[1] - 1, -1, -1)).to(units)).long()


def frequencies(v: Tensor, h: Tensor) -> Tensor:
    found = torch.bincount(number(v) * 2 ** h.shape[1] + number(h), minlength=2 ** (D + h.shape[1]))
    return found.reshape(2**D, -1) / len(v)


def drawn(p: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Exact draws (v, h) of a joint table."""
    place = torch.multinomial(p.flatten(), n, replacement=True, generator=Generator().manual_seed(7))
    h = bits(int(math.log2(p.shape[1])))
    return bits(D)[place // p.shape[1]].reshape(-1, *SHAPE), h[place % p.shape[1]]


def assert_follows(found: Tensor, p: Tensor, n: int) -> None:
    """Frequencies are those of p within five standard errors each."""
    assert ((found - p).abs() <= 5 * (p * (1 - p) / n).sqrt() + 5 / n).all()


def batch_of(x: Tensor) -> Batch:
    index = torch.arange(len(x))
    return Batch(x, index, index)


def test_it_has_the_capabilities_it_claims() -> None:
    for capability in (
        Anneals, AnnealsHidden, BoundsFreeEnergy, HasFilters, HasFreeEnergy, HasHiddenLayers, HasMeanField,
        LearnsInPhases, RunsChain, Samples, SamplesMeans, ScoresExactly, SumsExactly,
    ):  # fmt: skip
        assert issubclass(Boltzmann, capability)


# Exact values.


@KINDS
@pytest.mark.parametrize("hidden", [0, 1, M, 6])
def test_exact_values_are_those_of_the_joint(r: bool, s: bool, hidden: int) -> None:
    model = make(r, s, hidden)
    log_weights, v, h = joint(model), bits(D), bits(hidden)
    x = v.reshape(-1, *SHAPE)
    rows = x.repeat_interleave(len(h), 0)
    torch.testing.assert_close(model.energy(rows, h.repeat(len(v), 1)), -log_weights.flatten())
    torch.testing.assert_close(model.free_energy(x), -log_weights.logsumexp(1))
    assert model.log_partition().item() == pytest.approx(log_weights.flatten().logsumexp(0).item(), abs=1e-9)
    torch.testing.assert_close(model.log_prob(x).detach(), normalised(log_weights).logsumexp(1))


@pytest.mark.parametrize(
    ("d", "m", "r", "s"),
    [(16, 4, True, True), (3, 300, True, False), (300, 3, False, True), (300, 3, False, False), (3, 300, False, False)],
)
def test_sums_visit_only_units_that_do_not_sum_out(d: int, m: int, r: bool, s: bool) -> None:
    model = make(r, s, m, 0.1, DataSpec((d,), Support.BITS, Layout.VECTOR))
    with torch.no_grad():
        assert model.log_partition().isfinite()


@pytest.mark.parametrize(
    ("d", "m", "r", "s", "states"),
    [(17, 4, True, True, 21), (21, 3, True, False, 21), (30, 22, False, True, 22), (22, 23, False, False, 22)],
)
def test_too_many_units_are_refused_with_the_limit(d: int, m: int, r: bool, s: bool, states: int) -> None:
    model = make(r, s, m, spec=DataSpec((d,), Support.BITS, Layout.VECTOR))
    with pytest.raises(TooLarge, match=rf"{d} visible and {m} hidden units .* {raised(2, states)} states; up to 2²⁰"):
        model.log_partition()


def test_a_free_energy_over_too_many_connected_hidden_units_is_refused_with_the_limit() -> None:
    with pytest.raises(TooLarge, match=r"21 hidden units with connections .* up to 2²⁰"):
        make(hidden=21).free_energy(torch.zeros(1, *SHAPE).double())
    learner = MaximumLikelihood(make(hidden=21), MaximumLikelihoodSettings(), SPEC, 10)
    with pytest.raises(TooLarge, match=r"persistent contrastive divergence"):
        learner.begin()


def test_data_that_does_not_fit_is_refused_with_advice() -> None:
    with pytest.raises(UnsuitableData, match="binarisation"):
        Boltzmann.check(BoltzmannSettings(), DataSpec(SHAPE, Support.REALS, Layout.IMAGE))
    large = DataSpec((1, 80, 80), Support.BITS, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match=r"up to 4,096 values; these have 6,400"):
        Boltzmann.check(BoltzmannSettings(), large)
    Boltzmann.check(BoltzmannSettings(visible_connections=False), large)


def test_without_connections_it_is_the_restricted_machine() -> None:
    model, rbm = make(False, False), Rbm(RbmSettings(hidden=M, sweeps=30), SPEC).double()
    rbm.load_state_dict(model.state_dict())
    x = bits(D).reshape(-1, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(model.free_energy(x), rbm.free_energy(x), rtol=0, atol=1e-12)
        assert torch.equal(model.log_partition(), rbm.log_partition())
        h = rbm.draw_hidden(rbm.hidden_given(x), Generator().manual_seed(0))
        for t in (1.0, 2.0):
            for a, b in zip(
                model.sweep(x, h, Generator().manual_seed(1), t), rbm.sweep(x, h, Generator().manual_seed(1), t),
                strict=True,
            ):  # fmt: skip
                assert torch.equal(a, b)
        assert torch.equal(model.sample(50, Generator().manual_seed(2)), rbm.sample(50, Generator().manual_seed(2)))
        base = rbm.annealed_base(x)
        torch.testing.assert_close(model.annealed_log_prob(x, 0.3, base), rbm.annealed_log_prob(x, 0.3, base))
        ours, theirs = (m.annealed_transition(x, 0.3, base, Generator().manual_seed(3)) for m in (model, rbm))
        assert torch.equal(ours, theirs)


# The chain.


@KINDS
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_sweep_leaves_the_joint_as_it_is(r: bool, s: bool, temperature: float) -> None:
    model, n = make(r, s), 200_000
    p = normalised(joint(model, temperature)).exp()
    v, h = drawn(p, n)
    v, mean = model.sweep(v, h, Generator().manual_seed(0), temperature)
    assert_follows(frequencies(v, model.draw_hidden(mean, Generator().manual_seed(1))), p, n)


@KINDS
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_move_leaves_the_joint_as_it_is_also_where_units_are_held(r: bool, s: bool, temperature: float) -> None:
    model, n = make(r, s), 200_000
    p = normalised(joint(model, temperature)).exp()
    v, h = drawn(p, n)
    moved = model.move(ChainState(v, v, (h,)), temperature=temperature, generator=Generator().manual_seed(0))
    assert_follows(frequencies(moved.x, moved.hidden[0]), p, n)
    held = Held(torch.tensor([[[True, False], [False, True]]]), (torch.tensor([False, True, False]),))
    still = model.move(ChainState(v, v, (h,)), held, temperature, Generator().manual_seed(0))
    assert torch.equal(still.x[:, held.x], v[:, held.x])
    assert torch.equal(still.mean[:, held.x], v[:, held.x])
    assert torch.equal(still.hidden[0][:, 1], h[:, 1])
    assert_follows(frequencies(still.x, still.hidden[0]), p, n)  # the conditional, for each value of what is held


@KINDS
def test_a_transition_from_x_alone_leaves_its_marginal_as_it_is(r: bool, s: bool) -> None:
    model, n = make(r, s), 200_000
    p = normalised(joint(model, 2.0)).exp()
    moved = model.transition(drawn(p, n)[0], temperature=2.0, generator=Generator().manual_seed(0))
    found = torch.bincount(number(moved.x), minlength=2**D) / n
    assert_follows(found, p.sum(1), n)


@pytest.mark.parametrize("listed", [True, False])
def test_hidden_units_are_drawn_given_the_visible_ones(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not listed:
        monkeypatch.setattr(module, "EXACT", 0)
    model, n = make(), 100_000
    x = bits(D)[9].reshape(1, *SHAPE)
    for h in (model.infer(x.expand(n, -1, -1, -1), Generator().manual_seed(0))[0],
              model.hidden_given(x.expand(n, -1, -1, -1), Generator().manual_seed(0))):  # fmt: skip
        found = torch.bincount(number(h), minlength=2**M) / n
        assert_follows(found, joint(model)[9].softmax(0).detach(), n)


def test_samples_have_the_models_distribution() -> None:
    model, n = make(scale=0.5), 50_000
    found = torch.bincount(number(model.sample(n, Generator().manual_seed(0))), minlength=2**D) / n
    assert_follows(found, normalised(joint(model)).exp().sum(1), n)


def test_means_over_all_other_units_are_those_of_the_joint() -> None:
    model = make()
    p = joint(model).softmax(0)  # of v given h, as a table
    v, h = bits(D), bits(M)
    found = model.reconstruct(v.reshape(-1, *SHAPE).repeat_interleave(len(h), 0), h.repeat(len(v), 1))
    for i in range(D):
        flipped = v.clone()
        flipped[:, i] = 1 - flipped[:, i]
        on = p[number(torch.where(v[:, i : i + 1] == 1, v, flipped))]
        off = p[number(torch.where(v[:, i : i + 1] == 0, v, flipped))]
        torch.testing.assert_close(found.flatten(1)[:, i].reshape(len(v), len(h)), on / (on + off))


# Mean field.


def test_mean_field_is_a_fixed_point_and_its_bound_lies_above() -> None:
    model, x = make(), bits(D).reshape(-1, *SHAPE)
    with torch.no_grad():
        mean = model.mean_field(x)
        again = (
            model.hidden_bias + x.flatten(1) @ model.weight + mean @ module._symmetric(model.hidden_weight)
        ).sigmoid()
        torch.testing.assert_close(mean, again, atol=1e-6, rtol=0)
        gap = model.free_energy_bound(x) - model.free_energy(x)
        q = torch.where(bits(M)[None] == 1, mean[:, None], 1 - mean[:, None]).prod(-1)  # (2^D, 2^M)
        divergence = (q * (q.log() - joint(model).log_softmax(1))).sum(1)
        torch.testing.assert_close(gap, divergence)  # the gap is KL(q ‖ P(h | v)), so it is never negative
        assert gap.max() > 1e-3


@pytest.mark.parametrize("r", [True, False])
def test_without_connections_among_hidden_units_mean_field_is_exact(r: bool) -> None:
    model, x = make(r, False), bits(D).reshape(-1, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(model.mean_field(x), joint(model).softmax(1) @ bits(M))
        torch.testing.assert_close(model.free_energy_bound(x), model.free_energy(x))


def test_top_down_is_the_mean_where_visible_units_are_independent() -> None:
    model = make(False, True)
    with torch.no_grad():
        found = model.top_down(0, bits(M)).flatten(1)
        torch.testing.assert_close(found, joint(model).softmax(0).t() @ bits(D))


# Annealing.


def path(model: Boltzmann, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """All states of the path, their log weights at β, and the base."""
    base = model.annealed_base((bits(D)[[3, 9, 12, 13, 15]]).reshape(-1, *SHAPE))
    states = bits(D).reshape(-1, *SHAPE) if model.hidden_weight is None else bits(D + model.hidden)
    return states, model.annealed_log_prob(states, beta, base).detach(), base


@KINDS
def test_the_annealed_path_goes_from_its_base_to_the_joint(r: bool, s: bool) -> None:
    model = make(r, s)
    _, first, base = path(model, 0.0)
    assert first.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item())
    states, last, _ = path(model, 1.0)
    expected = joint(model).flatten() if s else joint(model).logsumexp(1)
    torch.testing.assert_close(last, expected.detach())
    n = 100_000
    found = torch.bincount(
        number(model.annealed_sample_base(n, base, Generator().manual_seed(0))), minlength=len(states)
    )
    assert_follows(found / n, first.softmax(0), n)


@KINDS
def test_annealed_transitions_are_reversible(r: bool, s: bool) -> None:
    """Flows between each two states are equal both ways, which the reverse bound rests on."""
    model, n = make(r, s, 2), 400_000
    states, log_weights, base = path(model, 0.6)
    p = log_weights.softmax(0)
    start = torch.multinomial(p, n, replacement=True, generator=Generator().manual_seed(0))
    with torch.no_grad():
        end = number(model.annealed_transition(states[start], 0.6, base, Generator().manual_seed(1)))
    flow = torch.bincount(start * len(p) + end, minlength=len(p) ** 2).reshape(len(p), -1).double()
    assert_follows(flow.sum(0) / n, p, n)
    assert ((flow - flow.t()).abs() <= 5 * (flow + flow.t()).sqrt() + 5).all()


@torch.no_grad()
def test_annealing_finds_the_sum_and_its_reverse_bounds_the_likelihood_from_below() -> None:
    model, x = make(), bits(D).reshape(-1, *SHAPE)
    exact = model.log_partition().item()
    hits = 0
    for seed in range(40):
        found = finish(annealed_log_partition(model, x[[3, 9, 12]], 60, 100, Generator().manual_seed(seed)))
        hits += found.low <= exact <= found.high
    assert hits >= 36
    many = x.repeat(1000, 1, 1, 1)
    weights = finish(reverse_log_prob(model, many, x[[3, 9, 12]], 10, 1, Generator().manual_seed(0))).exp()
    totals = weights.reshape(1000, -1).sum(1)  # unbiased for the annealing chain's probabilities, which sum to 1
    error = totals.std().item() / math.sqrt(1000)
    assert error < 0.03
    assert totals.mean().item() == pytest.approx(1, abs=4 * error)
    p = model.log_prob(x)
    bound = finish(reverse_log_prob(model, x, x[[3, 9, 12]], 200, 50, Generator().manual_seed(0)))
    assert (p.exp() * (p - bound)).sum().item() == pytest.approx(0, abs=0.05)


# Learning.


def target(n: int = 400) -> Tensor:
    """Bars: one row of the 2×2 image is on, the other is off, with a little noise."""
    generator = Generator().manual_seed(0)
    x = torch.zeros(n, *SHAPE)
    x[torch.arange(n), 0, torch.randint(2, (n,), generator=generator)] = 1
    return (x - (torch.rand(x.shape, generator=generator) < 0.05).float()).abs()


def exact_gradient(model: Boltzmann, x: Tensor) -> dict[str, Tensor]:
    objective = model.log_prob(x).mean()
    found = torch.autograd.grad(objective, list(model.parameters()))
    return {name: value for (name, _), value in zip(model.named_parameters(), found, strict=True)}


@KINDS
def test_the_exact_gradient_is_that_of_finite_differences(r: bool, s: bool) -> None:
    model, x, step = make(r, s), target(30).double(), 1e-5
    gradient = exact_gradient(model, x)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            flat = parameter.view(-1)
            for i in range(len(flat)):
                value = flat[i].item()
                flat[i] = value + step
                above = model.log_prob(x).mean()
                flat[i] = value - step
                below = model.log_prob(x).mean()
                flat[i] = value
                assert gradient[name].view(-1)[i].item() == pytest.approx(
                    ((above - below) / (2 * step)).item(), abs=1e-7
                )


LEARNERS: dict[str, tuple[Any, Any]] = {
    "cd": (ContrastiveDivergence, ContrastiveDivergenceSettings),
    "pcd": (PersistentContrastiveDivergence, PersistentCdSettings),
    "mean-field": (MeanFieldPcd, MeanFieldPcdSettings),
    "ml": (MaximumLikelihood, MaximumLikelihoodSettings),
}


def begun(kind: str, model: Boltzmann, **settings: float) -> Any:
    learner_class, settings_class = LEARNERS[kind]
    learner = learner_class(model, settings_class(**settings), SPEC, 400)
    learner.begin()
    return learner


@KINDS
def test_long_chains_of_pcd_give_the_exact_gradient_on_average(r: bool, s: bool) -> None:
    x = target(50)
    exact = exact_gradient(make(r, s, scale=0.5), x.double())
    torch.manual_seed(0)
    chains = {"momentum": 0, "weight_decay": 0, "learning_rate": 1e-9, "k": 10, "chains": 40_000}
    learner = begun("pcd", make(r, s, scale=0.5).float(), **chains)
    learner.step(batch_of(x.repeat(400, 1, 1, 1)))
    for name, gradient in exact.items():
        assert (getattr(learner, f"velocity_{name}") - gradient).abs().max() < 0.02, name


@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("hidden", [0, M])
def test_weights_of_pairs_stay_one_for_each_pair_whatever_learns_them(kind: str, hidden: int) -> None:
    torch.manual_seed(0)
    model = Boltzmann(BoltzmannSettings(hidden=hidden), SPEC)
    learner = begun(kind, model)
    for _ in range(30):
        assert all(value.isfinite() for value in learner.step(batch_of(target())).values())
    for upper in (model.visible_weight, model.hidden_weight):
        if upper is not None:
            assert torch.equal(upper, upper.triu(1))
            assert upper.abs().sum() > 0
    with torch.no_grad():
        assert all(value.isfinite() for value in learner.held_out(batch_of(target()), Generator()).values())


@pytest.mark.parametrize("kind", LEARNERS)
def test_learning_comes_near_to_the_datas_entropy(kind: str) -> None:
    torch.manual_seed(0)
    x = target()
    settings = {"learning_rate": 0.03} if kind == "ml" else {"learning_rate": 0.2, "decay": 800, "weight_decay": 0}
    model = Boltzmann(BoltzmannSettings(hidden=2), SPEC)
    learner = begun(kind, model, **settings)
    for _ in range(300 if kind == "ml" else 800):
        learner.step(batch_of(x))
    _, counts = x.flatten(1).unique(dim=0, return_counts=True)
    entropy = -(counts / len(x) * (counts / len(x)).log()).sum().item()
    assert model.log_prob(x).mean().item() > -entropy - 0.1


def test_a_machine_too_large_for_a_free_energy_learns_and_leaves_out_what_needs_one() -> None:
    torch.manual_seed(0)
    model = Boltzmann(BoltzmannSettings(hidden=24), SPEC)
    learner = begun("pcd", model)
    learner.step(batch_of(target(40)))
    with torch.no_grad():
        held = learner.held_out(batch_of(target(40)), Generator().manual_seed(0))
    assert set(held) == {"reconstruction", "activity"}


def test_without_hidden_units_there_is_no_layer_to_hold_or_show() -> None:
    model = make(hidden=0)
    assert model.hidden_shapes() == ()
    assert model.infer(torch.zeros(2, *SHAPE).double()) == ()
    assert model.move(model.start_chain(3)).hidden == ()
    rows = model.filters()
    assert rows.shape == (D, *SHAPE)
    assert torch.equal(rows.flatten(1), rows.flatten(1).t())
    assert (rows.flatten(1).diagonal() == 0).all()


def test_a_temperature_of_0_is_refused() -> None:
    model = make()
    with pytest.raises(ValueError, match="temperature"):
        model.move(model.start_chain(2), temperature=0.0)
