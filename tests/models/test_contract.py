"""What every family and learner of the catalogue must hold. A family added to the catalogue is tested here without any
edit, on the tiny data sets below that it accepts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.config import RunConfig, TrainingSettings
from dgm_studio.datasets.base import Dataset, Provenance, Split
from dgm_studio.events import CLOSING, Checkpoint, Finished, Paused, Snapshot
from dgm_studio.inference import Inference, Subject
from dgm_studio.training import Order, Resume, TrainingSession
from models import catalog
from models.capabilities import (
    Anneals,
    BoundsEvidence,
    Completes,
    Decodes,
    Encodes,
    HasChains,
    HasDiscriminator,
    HasFilters,
    HasFreeEnergy,
    RunsChain,
    Samples,
    SamplesMeans,
    ScoresExactly,
    SumsExactly,
    WeighsEvidence,
)
from models.catalog import FAMILIES, LEARNINGS, Recipe
from models.learning.base import Feed, Learner
from models.settings import Settings, SettingsError
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

# Tiny data.

TRAIN, HELD = 48, 8
SMALL = 6  # what sizes in settings are cut to
CPU = torch.device("cpu")


def _data(spec: DataSpec, patterns: Tensor, spread: float) -> Dataset:
    """Noisy copies of `patterns` (classes, *event), the class of example i being i mod classes."""
    generator = Generator().manual_seed(0)
    y = torch.arange(TRAIN + 2 * HELD) % len(patterns)
    x = patterns[y]
    if spec.support is Support.BITS:
        x = torch.where(torch.rand(x.shape, generator=generator) < spread, 1 - x, x)
    elif spec.support in (Support.LEVELS, Support.SYMBOLS):
        other = torch.randint(spec.categories, x.shape, generator=generator).float()
        x = torch.where(torch.rand(x.shape, generator=generator) < spread, other, x)
    else:
        x = x + spread * torch.randn(x.shape, generator=generator)
        x = x.clamp(0, 1) if spec.support is Support.UNIT else x
    ends = (0, TRAIN, TRAIN + HELD, TRAIN + 2 * HELD)
    splits = [Split(x[a:b].contiguous(), y[a:b]) for a, b in pairwise(ends)]
    return Dataset(spec, splits[0], splits[1], splits[2], Provenance("tiny"))


_bars = torch.stack([torch.eye(3)[k].repeat(3, 1) for k in range(3)])[:, None]  # (3, 1, 3, 3)
_names = ("a", "b", "c")
DATASETS = {
    "bits": _data(DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE, class_names=_names), _bars, 0.05),
    "unit": _data(DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE, class_names=_names), 0.1 + 0.8 * _bars, 0.1),
    "reals": _data(
        DataSpec((2,), Support.REALS, Layout.POINTS, class_names=_names),
        torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]]),
        0.1,
    ),
    "levels": _data(DataSpec((1, 3, 3), Support.LEVELS, Layout.IMAGE, 4, class_names=_names), 3 * _bars, 0.1),
    "symbols": _data(
        DataSpec((6,), Support.SYMBOLS, Layout.SEQUENCE, 3, class_names=_names),
        (torch.arange(3)[:, None] + torch.arange(6)).remainder(3).float(),
        0.1,
    ),
}


def small(settings: type[Settings]) -> dict[str, Any]:
    """Sizes cut down to SMALL where their bounds allow it, everything else as it is by default."""
    values: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        default = field.default
        if isinstance(default, int) and not isinstance(default, bool) and default > SMALL:
            lowest = max([m.ge for m in field.metadata if hasattr(m, "ge")], default=SMALL)
            values[name] = max(SMALL, lowest)
    return values


def recipe(family: str, learner: str, **changed: Any) -> Recipe:
    """A small model and its learner; `changed` overrides settings of either."""
    chosen, rule = catalog.family(family), catalog.learning(learner)
    model = {k: v for k, v in changed.items() if k in chosen.settings.model_fields}
    learning = {k: v for k, v in changed.items() if k in rule.settings.model_fields}
    return Recipe.read(family, learner, small(chosen.settings) | model, small(rule.settings) | learning)


def accepts(made: Recipe, dataset: Dataset) -> bool:
    try:
        made.check(dataset.spec)
    except UnsuitableData:
        return False
    return True


COMBINATIONS = [
    pytest.param(f.key, learner, name, id=f"{f.key}-{learner}-{name}")
    for f in FAMILIES
    for learner in f.learners
    for name, dataset in DATASETS.items()
    if accepts(recipe(f.key, learner), dataset)
]
LEARNERS = [  # each with the first data it accepts
    pytest.param(
        f.key,
        learner,
        next((name for name, dataset in DATASETS.items() if accepts(recipe(f.key, learner), dataset)), None),
        id=f"{f.key}-{learner}",
    )
    for f in FAMILIES
    for learner in f.learners
]
everything = pytest.mark.parametrize(("family", "learner", "data"), COMBINATIONS)
every_learner = pytest.mark.parametrize(("family", "learner", "data"), LEARNERS)
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.key)


def built(family: str, learner: str, data: str, seed: int = 0, **changed: Any) -> Learner:
    torch.manual_seed(seed)
    made = recipe(family, learner, **changed).build(DATASETS[data].spec, TRAIN)
    made.begin()
    return made


def batches(learner: Learner, data: str, size: int = 16) -> Iterator[Batch]:
    """Minibatches in an order of their own, or the whole set, for ever."""
    train = DATASETS[data].train
    generator = Generator().manual_seed(1)
    while True:
        index = torch.arange(TRAIN)
        if learner.feed is not Feed.WHOLE_SET:
            index = torch.randint(TRAIN, (size * learner.minibatches,), generator=generator)
        yield Batch(train.x[index], train.y[index], index)


def train(learner: Learner, data: str, steps: int) -> list[dict[str, float]]:
    feed = batches(learner, data)
    return [{k: v.item() for k, v in learner.step(next(feed)).items()} for _ in range(steps)]


def trained(family: str, learner: str, data: str, steps: int = 12, **changed: Any) -> Learner:
    made = built(family, learner, data, **changed)
    train(made, data, steps)
    made.eval()
    return made


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def states(dimensions: int) -> Tensor:
    """All 2^D bit vectors: (2^D, D)."""
    return torch.tensor(list(product((0.0, 1.0), repeat=dimensions)))


def in_support(x: Tensor, spec: DataSpec) -> bool:
    if spec.support is Support.BITS:
        return bool(((x == 0) | (x == 1)).all())
    if spec.support is Support.UNIT:
        return bool(((x >= 0) & (x <= 1)).all())
    if spec.support in (Support.LEVELS, Support.SYMBOLS):
        return bool(((x == x.round()) & (x >= 0) & (x < spec.categories)).all())
    return bool(x.isfinite().all())


# What a model or learner can be asked, each with an explicit generator: name -> tensor.


def answers(learner: Learner, x: Tensor) -> dict[str, Tensor]:
    model = learner.sampler()
    said: dict[str, Tensor] = {}
    with torch.no_grad():
        if isinstance(model, Samples):
            said["sample"] = model.sample(5, draws())
        if isinstance(model, SamplesMeans):
            said["sample_mean"] = model.sample_mean(5, draws())
        if isinstance(model, ScoresExactly):
            said["log_prob"] = model.log_prob(x)
        if isinstance(model, BoundsEvidence):
            bound = model.elbo(x, draws())
            said |= {"elbo": bound.value, "kl": bound.kl, "kl_per_dimension": bound.kl_per_dimension}
        if isinstance(model, WeighsEvidence):
            said["log_weights"] = model.log_weights(x, 3, draws())
        if isinstance(model, HasFreeEnergy):
            said["free_energy"] = model.free_energy(x)
        if isinstance(model, SumsExactly):
            said["log_partition"] = model.log_partition()
        if isinstance(model, Decodes):
            z = model.prior().sample(4, draws())
            said |= {"prior": z, "decode": model.decode(z)}
        if isinstance(model, Encodes):
            said["encode"] = model.encode(x).mean
        if isinstance(model, Completes):
            done = model.complete(x, torch.zeros_like(x, dtype=torch.bool), draws())
            said |= {"complete": done.x, "probability": done.probability, "order": model.order()}
        if isinstance(model, RunsChain):
            start = model.start_chain(5, draws())
            moved = model.transition(x, generator=draws())
            said |= {"start": start.x, "start_mean": start.mean, "moved": moved.x, "moved_mean": moved.mean}
        if isinstance(model, HasFilters):
            said["filters"] = model.filters()
        if isinstance(learner, HasDiscriminator):
            said["discriminate"] = learner.discriminate(x)
        if isinstance(learner, HasChains):
            said["chains"] = learner.chains()
        index = torch.arange(len(x))
        held = learner.held_out(Batch(x, index % 3, index), draws())
        said |= {f"valid/{key}": value for key, value in held.items()}
    return said


# The model.


@everything
def test_answers_have_the_shapes_types_and_ranges_they_promise(family: str, learner: str, data: str) -> None:
    made, dataset = trained(family, learner, data), DATASETS[data]
    x, event = dataset.valid.x, dataset.spec.event_shape
    n = len(x)
    said = answers(made, x)
    latent = said["prior"].shape[1] if "prior" in said else 0
    shapes: dict[str, tuple[int, ...]] = {
        "sample": (5, *event),
        "sample_mean": (5, *event),
        "log_prob": (n,),
        "elbo": (n,),
        "kl": (n,),
        "log_weights": (3, n),
        "free_energy": (n,),
        "log_partition": (),
        "prior": (4, latent),
        "decode": (4, *event),
        "encode": (n, latent),
        "complete": (n, *event),
        "probability": (n, *event),
        "order": (dataset.spec.dimensions,),
        "start": (5, *event),
        "start_mean": (5, *event),
        "moved": (n, *event),
        "moved_mean": (n, *event),
        "discriminate": (n,),
    }
    assert len(said) > len(made.quantities) or said, "a model that can do nothing"
    for name, value in said.items():
        if name in shapes:
            assert value.shape == shapes[name], name
        if name.startswith("valid/"):
            assert value.shape == (), name
            assert name.removeprefix("valid/") in {q.key for q in made.quantities}
        if name == "order":
            assert sorted(value.tolist()) == list(range(dataset.spec.dimensions))
        else:
            assert value.dtype == torch.float32, name
            assert value.isfinite().all(), name
    for name in ("sample", "complete", "start", "moved", "chains"):
        if name in said:
            assert in_support(said[name], dataset.spec), name
    for name in ("probability", "discriminate"):
        if name in said:
            assert ((said[name] >= 0) & (said[name] <= 1)).all(), name
    if "kl_per_dimension" in said:
        assert torch.allclose(said["kl_per_dimension"].sum(-1), said["kl"], atol=1e-4)
    for name in ("filters", "chains"):
        if name in said:
            assert said[name].shape[1:] == event, name


@everything
def test_looking_draws_only_from_the_generator_it_is_given(family: str, learner: str, data: str) -> None:
    made, x = trained(family, learner, data), DATASETS[data].valid.x
    before = torch.get_rng_state()
    weights = {key: value.clone() for key, value in made.state_dict().items()}
    first, second = answers(made, x), answers(made, x)
    assert torch.equal(torch.get_rng_state(), before)
    assert_equal(first, second)
    assert_equal(weights, made.state_dict())


@every_family
def test_data_that_does_not_fit_is_refused_with_advice(family: catalog.Family) -> None:
    made = recipe(family.key, family.learners[0])
    refused = [d for d in DATASETS.values() if not accepts(made, d)]
    assert len(refused) < len(DATASETS), f"give {family.key} a tiny data set that it accepts"
    for dataset in refused:
        with pytest.raises(UnsuitableData, match=r"choose|Choose"):
            family.model(made.model, dataset.spec)


# The learner.


@every_learner
def test_the_model_has_the_capabilities_that_the_learner_needs(family: str, learner: str, data: str) -> None:
    needs = catalog.learning(learner).learner.needs
    assert all(issubclass(catalog.family(family).model, need) for need in needs)


@everything
def test_some_steps_improve_the_first_quantity_that_has_a_goal(family: str, learner: str, data: str) -> None:
    made = built(family, learner, data)
    goals = [q for q in made.quantities if q.goal]
    if not goals:
        # only in a game does no player's objective say how good the model is
        assert isinstance(made, HasDiscriminator)
        return
    first, sign = goals[0], {"higher": 1, "lower": -1}[goals[0].goal]
    values = [sign * reported[first.key] for reported in train(made, data, 200)]
    early, late = values[:20], values[-20:]
    assert sum(late) / 20 > sum(early) / 20


@everything
def test_reported_quantities_are_detached_numbers_that_the_learner_declares(
    family: str, learner: str, data: str
) -> None:
    made = built(family, learner, data)
    for key, value in made.step(next(batches(made, data))).items():
        assert key in {q.key for q in made.quantities}
        assert value.shape == ()
        assert not value.requires_grad
        assert value.isfinite()
    assert isinstance(made.phase, str)


@everything
def test_every_parameter_is_updated(family: str, learner: str, data: str) -> None:
    made = built(family, learner, data)
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    train(made, data, 30)
    still = [name for name, p in made.named_parameters() if torch.equal(p, before[name])]
    assert not still


@everything
def test_the_same_seed_gives_the_same_tensors(family: str, learner: str, data: str) -> None:
    made, again, other = (built(family, learner, data, seed) for seed in (3, 3, 4))
    for instance, seed in ((made, 3), (again, 3), (other, 4)):
        torch.manual_seed(seed)
        train(instance, data, 5)
    assert_equal(made.state_dict(), again.state_dict())
    assert any(
        not torch.equal(a, b) for a, b in zip(made.state_dict().values(), other.state_dict().values(), strict=True)
    )


@everything
def test_a_loaded_state_answers_as_the_one_that_was_saved(family: str, learner: str, data: str) -> None:
    made, dataset = trained(family, learner, data), DATASETS[data]
    before = torch.get_rng_state()
    empty = recipe(family, learner).build_empty(dataset.spec, TRAIN, CPU)
    assert torch.equal(torch.get_rng_state(), before), "opening a run must not draw random numbers"
    with torch.no_grad():  # whatever memory held before
        for tensor in (*empty.parameters(), *empty.buffers()):
            tensor.fill_(float("nan") if tensor.is_floating_point() else -1)
    empty.load_state_dict({key: value.clone() for key, value in made.state_dict().items()})
    empty.eval()
    assert_equal(dict(made.named_buffers()), dict(empty.named_buffers()))
    saved, loaded = answers(made, dataset.valid.x), answers(empty, dataset.valid.x)
    # a held-out figure may need what was fed lately, which a learner that has not stepped yet does not have
    missing = set(saved) - set(loaded)
    assert all(name.startswith("valid/") for name in missing)
    assert_equal({name: value for name, value in saved.items() if name not in missing}, loaded)


@everything
@pytest.mark.parametrize("batch", ["zeros", "ones", "single"])
def test_extreme_batches_leave_everything_finite(family: str, learner: str, data: str, batch: str) -> None:
    made, dataset = built(family, learner, data), DATASETS[data]
    size = 1 if batch == "single" else 16
    x = dataset.train.x[: size * made.minibatches]
    x = {"zeros": torch.zeros_like(x), "ones": torch.ones_like(x), "single": x}[batch]
    index = torch.arange(len(x))
    for _ in range(5):
        reported = made.step(Batch(x, index % 3, index))
        assert all(value.isfinite() for value in reported.values()), reported
    assert all(tensor.isfinite().all() for tensor in made.state_dict().values())
    made.eval()
    for name, value in answers(made, x[:1]).items():
        assert value.isfinite().all(), name


def _choices() -> list[Any]:
    """Every value, other than the default, of every setting that is a choice or a switch."""
    found = []
    for f in FAMILIES:
        for key in f.learners:
            rule = catalog.learning(key)
            fields = dict(rule.settings.model_fields)
            if key == f.learners[0]:
                fields |= f.settings.model_fields
            for name, field in fields.items():
                options: tuple[Any, ...] = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
                options = (False, True) if field.annotation is bool else options
                found += [
                    pytest.param(f.key, key, name, value, id=f"{f.key}-{key}-{name}-{value}")
                    for value in options
                    if value != field.default
                ]
    return found


@pytest.mark.parametrize(("family", "learner", "name", "value"), _choices())
def test_every_choice_that_can_be_set_trains(family: str, learner: str, name: str, value: Any) -> None:
    made = recipe(family, learner, **{name: value})
    fitting = [key for key, dataset in DATASETS.items() if accepts(made, dataset)]
    assert fitting, f"no data fits {name} = {value}"
    instance = trained(family, learner, fitting[0], 3, **{name: value})
    assert all(tensor.isfinite().all() for tensor in instance.state_dict().values())
    assert answers(instance, DATASETS[fitting[0]].valid.x)


# Capabilities agree with each other.


def with_capabilities(*wanted: type, data: str | None = None) -> list[Any]:
    """Parameters (family, data) of families that have all of `wanted`, each trained by its first learner."""
    return [
        pytest.param(f.key, name, id=f"{f.key}-{name}")
        for f in FAMILIES
        if all(issubclass(f.model, c) for c in wanted)
        for name, dataset in DATASETS.items()
        if data in (None, name) and accepts(recipe(f.key, f.learners[0]), dataset)
    ]


def first_trained(family: str, data: str, steps: int = 60) -> Any:
    return trained(family, catalog.family(family).learners[0], data, steps).double().sampler()


def moments(x: Tensor, weights: Tensor) -> Tensor:
    """E[x xᵀ] for bits (N, D), whose diagonal is the mean: (D, D)."""
    x = x.flatten(1).double()
    return torch.einsum("n,nd,ne->de", weights.double(), x, x)


def assert_samples_follow(model: Any, x: Tensor, log_p: Tensor, n: int = 20_000) -> None:
    """First and second moments of n samples are those of p within five standard errors."""
    expected = moments(x, log_p.exp())
    found = moments(model.sample(n, draws()), torch.full((n,), 1 / n))
    error = (expected * (1 - expected) / n).sqrt()
    assert ((found - expected).abs() <= 5 * error + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(ScoresExactly, data="bits"))
def test_exact_probabilities_sum_to_one_and_samples_follow_them(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        log_p = model.log_prob(x)
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
        if isinstance(model, Samples):
            assert_samples_follow(model, x, log_p)


@pytest.mark.parametrize(("family", "data"), with_capabilities(HasFreeEnergy, SumsExactly, data="bits"))
def test_the_partition_function_is_the_sum_over_all_states(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        assert model.log_partition().item() == pytest.approx((-model.free_energy(x)).logsumexp(0).item(), abs=1e-9)


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain, HasFreeEnergy, data="bits"))
def test_the_chain_leaves_the_models_distribution_as_it_is(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        p = torch.softmax(-model.free_energy(x), 0)
        start = x[torch.multinomial(p, 20_000, replacement=True, generator=draws())]
        moved = model.transition(start, generator=draws(1)).x
    expected, found = moments(x, p), moments(moved, torch.full((len(moved),), 1 / len(moved)))
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / len(moved)).sqrt() + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(RunsChain))
def test_clamped_coordinates_stay(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    clamp = torch.rand(x.shape, generator=draws()) < 0.5
    with torch.no_grad():
        moved = model.transition(x, clamp=clamp, generator=draws())
        same = model.transition(x, clamp=clamp[0], generator=draws())
    assert torch.equal(moved.x[clamp], x[clamp])
    assert torch.equal(same.x[:, clamp[0]], x[:, clamp[0]])


@pytest.mark.parametrize(("family", "data"), with_capabilities(Anneals, HasFreeEnergy, data="bits"))
def test_the_annealed_path_begins_at_its_base_and_ends_at_the_model(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        base = model.annealed_base(DATASETS[data].train.x.double().mean(0))
        start = model.annealed_log_prob(x, 0.0, base)
        assert start.logsumexp(0).item() == pytest.approx(model.annealed_log_partition_base(base).item(), abs=1e-6)
        end = model.annealed_log_prob(x, 1.0, base) + model.free_energy(x)
        assert torch.allclose(end, end[0].expand_as(end), atol=1e-6)
        drawn = model.annealed_sample_base(20_000, base, draws())
        expected = moments(x, (start - start.logsumexp(0)).exp())
        found = moments(drawn, torch.full((len(drawn),), 1 / len(drawn)))
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / len(drawn)).sqrt() + 1e-9).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(WeighsEvidence, data="bits"))
def test_importance_weights_average_to_probabilities_that_sum_to_one(family: str, data: str) -> None:
    model = first_trained(family, data)
    x = states(9).double().reshape(-1, 1, 3, 3)
    with torch.no_grad():
        weights = model.log_weights(x, 1500, draws()).exp()
        p = weights.mean(0)
        assert p.sum().item() == pytest.approx(1, abs=0.02)
        if isinstance(model, Samples):
            assert_samples_follow(model, x, (p / p.sum()).log(), n=2000)


@pytest.mark.parametrize(("family", "data"), with_capabilities(BoundsEvidence, WeighsEvidence))
def test_the_bound_is_the_mean_log_weight_and_below_the_importance_weighted_one(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        bound = torch.stack([model.elbo(x, draws(seed)).value for seed in range(400)])
        weights = model.log_weights(x, 400, draws(1000))
    error = ((bound.var(0) + weights.var(0)) / 400).sqrt()
    assert ((bound.mean(0) - weights.mean(0)).abs() <= 5 * error).all()
    assert (bound.mean(0) <= weights.logsumexp(0) - math.log(400) + 5 * error).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(BoundsEvidence, ScoresExactly))
def test_the_bound_is_not_above_the_exact_evidence(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    with torch.no_grad():
        bound = torch.stack([model.elbo(x, draws(seed)).value for seed in range(400)])
        assert (bound.mean(0) <= model.log_prob(x) + 5 * bound.std(0) / 20).all()


@pytest.mark.parametrize(("family", "data"), with_capabilities(Encodes, Decodes))
def test_an_encoded_example_decodes_to_an_example(family: str, data: str) -> None:
    model, dataset = first_trained(family, data), DATASETS[data]
    with torch.no_grad():
        posterior = model.encode(dataset.valid.x.double())
        assert posterior.mean.shape[1:] == model.prior().mean.shape
        decoded = model.decode(posterior.mean)
    assert decoded.shape == dataset.valid.x.shape
    if dataset.spec.support is not Support.REALS:
        assert decoded.min() >= 0


@pytest.mark.parametrize(("family", "data"), with_capabilities(Completes))
def test_completion_keeps_what_is_known_and_its_probabilities_are_the_models(family: str, data: str) -> None:
    model, x = first_trained(family, data), DATASETS[data].valid.x.double()
    known = torch.rand(x.shape, generator=draws()) < 0.5
    with torch.no_grad():
        done = model.complete(x, known, draws())
        assert torch.equal(done.x[known], x[known])
        assert not torch.equal(done.x, x)
        whole = model.complete(x, torch.ones_like(known), draws())
        assert torch.equal(whole.x, x)
        if isinstance(model, ScoresExactly) and data == "bits":
            p = whole.probability
            log_p = torch.where(x == 1, p, 1 - p).log().flatten(1).sum(1)
            assert torch.allclose(log_p, model.log_prob(x), atol=1e-6)


# Settings.


def _declared() -> list[Any]:
    models = [pytest.param(f.settings, id=f.key) for f in FAMILIES]
    return models + [pytest.param(rule.settings, id=rule.key) for rule in LEARNINGS]


@pytest.mark.parametrize("settings", _declared())
def test_every_setting_has_a_title_a_help_and_a_default_that_holds(settings: type[Settings]) -> None:
    settings.model_validate(settings().model_dump())
    for name, field in settings.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert field.description.endswith("."), name
        kinds = (
            get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else (field.annotation,)
        )
        for kind in kinds:
            if kind in (int, float):
                bounds = {
                    attribute for m in field.metadata for attribute in ("ge", "gt", "le", "lt") if hasattr(m, attribute)
                }
                assert bounds & {"ge", "gt"}, f"{name} has no lower bound"
                assert bounds & {"le", "lt"}, f"{name} has no upper bound"


@every_learner
def test_unknown_and_unfit_settings_are_refused_by_name(family: str, learner: str, data: str) -> None:
    with pytest.raises(SettingsError, match=r"model\.no_such_thing: unknown setting"):
        Recipe.read(family, learner, {"no_such_thing": 1}, {})
    with pytest.raises(SettingsError, match=r"learner\.no_such_thing: unknown setting"):
        Recipe.read(family, learner, {}, {"no_such_thing": 1})
    for part, settings in (("model", catalog.family(family).settings), ("learner", catalog.learning(learner).settings)):
        for name in settings.model_fields:
            values = {"model": {}, "learner": {}} | {part: {name: ["not", "a", "value"]}}
            with pytest.raises(SettingsError, match=rf"{part}\.{name}"):
                Recipe.read(family, learner, values["model"], values["learner"])


def test_keys_are_unique_and_lead_somewhere() -> None:
    for entries in (FAMILIES, LEARNINGS):
        keys = [entry.key for entry in entries]
        assert len(keys) == len(set(keys))
        assert all(key == key.lower() and " " not in key for key in keys)
    used = {key for f in FAMILIES for key in f.learners}
    assert used == {rule.key for rule in LEARNINGS}


# The session: saving and going on, bit for bit.


def config(family: str, learner: str, steps: int) -> RunConfig:
    made = recipe(family, learner)
    return RunConfig(
        family=family,
        learner=learner,
        model=made.model.model_dump(),
        learning=made.learner.model_dump(),
        training=TrainingSettings(steps=steps, batch_size=16, device="cpu", seed=5),
    )


def final(session: TrainingSession, between: Callable[[TrainingSession, object], None] | None = None) -> Checkpoint:
    """The last state of a session that is driven to its end; `between` sees every event."""
    last: Checkpoint | None = None
    for event in session.events():
        if isinstance(event, Checkpoint):
            last = event
        if isinstance(event, CLOSING):
            assert isinstance(event, Finished), event
        if between is not None:
            between(session, event)
    assert last is not None
    return last


def through_arrays(tree: Any) -> Any:
    """A copy by way of arrays and plain values only, as a project file keeps it."""
    if isinstance(tree, Tensor):
        return torch.from_numpy(np.array(tree.numpy(), copy=True))
    if isinstance(tree, dict):
        assert all(isinstance(key, str) for key in tree)
        return {key: through_arrays(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [through_arrays(value) for value in tree]
    assert tree is None or type(tree) in (bool, int, float, str), type(tree)
    return tree


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    """Two trees are equal, every tensor bit for bit."""
    assert type(a) is type(b) or (isinstance(a, dict) and isinstance(b, dict)), where
    if isinstance(a, Tensor):
        assert a.dtype == b.dtype, where
        assert a.shape == b.shape, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}/{place}")
    else:
        assert a == b, where


@every_learner
def test_going_on_from_a_kept_state_ends_at_the_same_bits(family: str, learner: str, data: str) -> None:
    n, dataset = 7, DATASETS[data]
    straight = final(TrainingSession(config(family, learner, 2 * n), dataset))
    half = final(TrainingSession(config(family, learner, n), dataset))
    torch.manual_seed(99)
    torch.rand(3)
    resumed = final(TrainingSession(config(family, learner, 2 * n), dataset, Resume(through_arrays(half.state))))
    assert straight.step == resumed.step == 2 * n
    assert_equal(straight.state, resumed.state)


@every_learner
def test_looking_at_a_run_does_not_change_it(family: str, learner: str, data: str) -> None:
    n, dataset = 12, DATASETS[data]
    alone = final(TrainingSession(config(family, learner, n), dataset))

    inference = Inference(recipe(family, learner), dataset, CPU)
    said: list[Any] = []
    thread = threading.Thread(target=lambda: said.extend(inference.answers()))
    thread.start()

    def question(subject: Subject) -> list[str]:
        return list(answers(subject.learner, dataset.valid.x))

    def busy(session: TrainingSession, event: object) -> None:
        session.want_snapshot()
        if isinstance(event, Snapshot):
            inference.publish(event)
            session.tell(Order.PAUSE if event.step == n // 2 else Order.RUN)
        if isinstance(event, Paused):
            session.tell(Order.STEP if event.step < n - 2 else Order.RUN)

    inference.ask("all", question, standing=True)
    try:
        watched = final(TrainingSession(config(family, learner, n), dataset, checkpoint_seconds=0), busy)
    finally:
        inference.close()
        thread.join()
    assert_equal(alone.state, watched.state)
    assert said
    assert not any(answer.details for answer in said), said[0].details
