"""What the contract tests share: tiny data, small models, and everything that can be asked of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Dataset, Provenance, Split, joined
from models import catalog
from models.capabilities import (
    BoundsEvidence,
    BoundsFreeEnergy,
    ChainState,
    Classifies,
    Completes,
    CompletesAtTemperature,
    CompletesInAnyOrder,
    ConditionsOnClass,
    Decodes,
    DecodesInTurn,
    DecodesOfClass,
    DrawsDownwards,
    DrawsInSteps,
    DrawsPosterior,
    Dreams,
    Encodes,
    Ensembles,
    EstimatesBound,
    EstimatesLogProb,
    ExplainsSequences,
    HasChains,
    HasComponents,
    HasConjugatePosterior,
    HasCritic,
    HasDiscriminator,
    HasFilters,
    HasFreeEnergy,
    HasHiddenLayers,
    HasLabelUnits,
    HasMeanField,
    KeepsFrames,
    LearnsInPhases,
    MaximizesExpectation,
    PredictsEach,
    RefinesPosterior,
    RelaxesDiscrete,
    RunsChain,
    Samples,
    SamplesMeans,
    SamplesOfClass,
    ScoresEach,
    ScoresExactly,
    ScoresGivenCode,
    SumsExactly,
    TooLarge,
    Translates,
    WeighsEvidence,
)
from models.catalog import FAMILIES, Recipe
from models.learning.base import Feed, Learner
from models.settings import Settings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

# Tiny data.

TRAIN, HELD = 48, 8
SMALL = 6  # what sizes in settings are cut to
OTHERWISE = {  # and some that are not
    "glimpses": 2,  # each costs a pass through networks
    "labels_per_class": 20,  # more than there are: what they are kept in goes on filling
}
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
    "series": _data(
        DataSpec((6, 2), Support.REALS, Layout.SEQUENCE, class_names=_names),
        torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])[(torch.arange(3)[:, None] + torch.arange(6)) % 3],
        0.1,
    ),
    "colours": _data(
        DataSpec((3, 2, 3), Support.LEVELS, Layout.IMAGE, 4, class_names=_names),
        3 * torch.eye(3)[:, :, None, None].repeat(1, 1, 2, 3),
        0.1,
    ),
}
# Two domains: of the same shape, and not.
_inverse = _data(DATASETS["unit"].spec, 0.9 - 0.8 * _bars, 0.1)
_turned = _data(DATASETS["reals"].spec, torch.tensor([[0.0, 1.0], [-0.8, -0.5], [0.8, -0.5]]), 0.1)
_coloured = _data(replace(DATASETS["unit"].spec, event_shape=(3, 3, 3)), (0.1 + 0.8 * _bars).repeat(1, 3, 1, 1), 0.1)
DATASETS |= {
    "two planes": joined(DATASETS["reals"], _turned),
    "two styles": joined(DATASETS["unit"], _inverse),
    "two shapes": joined(DATASETS["unit"], _coloured),
}


def small(settings: type[Settings]) -> dict[str, Any]:
    """Sizes cut down to SMALL where their bounds allow it, everything else as it is by default."""
    values: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        default = field.default
        if isinstance(default, int) and not isinstance(default, bool) and default > SMALL:
            lowest = max([m.ge for m in field.metadata if hasattr(m, "ge")], default=SMALL)
            values[name] = max(OTHERWISE.get(name, SMALL), lowest)
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


def accepted(family: str, learner: str) -> list[str]:
    """The data that both take, by name."""
    return [name for name, dataset in DATASETS.items() if accepts(recipe(family, learner), dataset)]


# Each family's first learner with all data that it accepts, the others with the first of them: what a learner does
# depends on the model, and what a model does on the data.
COMBINATIONS = [
    pytest.param(f.key, learner, name, id=f"{f.key}-{learner}-{name}")
    for f in FAMILIES
    for learner in f.learners
    for name in accepted(f.key, learner)[: None if learner == f.learners[0] else 1]
]
LEARNERS = [  # each with the first data it accepts
    pytest.param(
        f.key,
        learner,
        next(iter(accepted(f.key, learner)), None),
        id=f"{f.key}-{learner}",
    )
    for f in FAMILIES
    for learner in f.learners
]
everything = pytest.mark.parametrize(("family", "learner", "data"), COMBINATIONS)
every_learner = pytest.mark.parametrize(("family", "learner", "data"), LEARNERS)
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.key)


def start_from(seed: int) -> None:
    """What torch.manual_seed does, which writes a stack trace where there is no GPU: some milliseconds."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


def built(family: str, learner: str, data: str, seed: int = 0, **changed: Any) -> Learner:
    start_from(seed)
    made = recipe(family, learner, **changed).build(DATASETS[data].spec, TRAIN)
    made.begin()
    return made


def batches(learner: Learner, data: str, size: int = 16) -> Iterator[Batch]:
    """Minibatches in an order of their own, or the whole set, for ever."""
    generator = Generator().manual_seed(1)

    def of(train: Split) -> Batch:
        index = torch.arange(TRAIN)
        if learner.feed is not Feed.WHOLE_SET:
            index = torch.randint(TRAIN, (size * learner.minibatches,), generator=generator)
        return Batch(train.x[index], train.y[index], index)

    while True:
        first, *second = [of(domain.train) for domain in DATASETS[data].domains]
        yield replace(first, other=second[0]) if second else first


def other_domain(learner: Learner, like: Tensor) -> Tensor | None:
    """As many examples of the learner's second domain, if it has one: all 0 or all 1 where `like` is."""
    if learner.spec.other is None:
        return None
    dataset = next(data for data in DATASETS.values() if data.spec == learner.spec)
    assert dataset.other is not None
    x = dataset.other.train.x[: len(like)]
    return torch.full_like(x, float(like.flatten()[0])) if (like == like.flatten()[0]).all() else x


def batch_like(learner: Learner, x: Tensor) -> Batch:
    """A batch of these examples, whose classes follow each other, and of as many of the second domain if there is."""
    index = torch.arange(len(x))
    other = other_domain(learner, x)
    return Batch(x, index % 3, index, None if other is None else Batch(other, index % 3, index))


def train(learner: Learner, data: str, steps: int) -> list[dict[str, float]]:
    feed = batches(learner, data)
    return [{k: v.item() for k, v in learner.step(next(feed)).items()} for _ in range(steps)]


def trained(family: str, learner: str, data: str, steps: int = 12, **changed: Any) -> Learner:
    made = built(family, learner, data, **changed)
    train(made, data, steps)
    made.eval()
    return made


@cache
def looked_at(family: str, learner: str, data: str) -> tuple[Learner, dict[str, Tensor]]:
    """A trained learner and its answers about held-out examples, made once for all tests that change nothing of it."""
    made = trained(family, learner, data)
    return made, answers(made, DATASETS[data].valid.x)


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


def choices() -> list[Any]:
    """Every value, other than the default, of every setting that is a choice or a switch and within reach."""
    found = []
    for f in FAMILIES:
        for key in f.learners:
            rule = catalog.learning(key)
            fields = dict(rule.settings.model_fields)
            if key == f.learners[0]:
                fields |= f.settings.model_fields
            for name, field in fields.items():
                if name in rule.learner.out_of_reach(f.model):
                    continue
                options: tuple[Any, ...] = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
                options = (False, True) if field.annotation is bool else options
                found += [
                    pytest.param(f.key, key, name, value, id=f"{f.key}-{key}-{name}-{value}")
                    for value in options
                    if value != field.default
                ]
    return found


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
            with suppress(TooLarge):  # where the settings ask for more latent states than can be summed
                said["log_prob"] = model.log_prob(x)
        if isinstance(model, ScoresEach):
            said["log_conditionals"] = model.log_conditionals(x)
        if isinstance(model, DecodesInTurn):
            z = model.prior().sample(len(x), draws())
            said["log_conditionals_given"] = model.log_conditionals_given(x, z)
        if isinstance(model, PredictsEach):
            said["log_predictions"] = model.log_predictions(x)
        if isinstance(model, EstimatesLogProb):
            said["log_prob_estimate"] = model.log_prob_estimate(x, draws())
        if isinstance(model, Ensembles):
            said["member_log_prob"] = model.member_log_prob(x, model.members() - 1)
        if isinstance(model, SamplesOfClass) and model.conditional_classes():
            y = torch.arange(len(x)) % model.conditional_classes()
            said["sample_of_class"] = model.sample_of_class(y[:5], draws())
            if isinstance(model, ConditionsOnClass):
                said["log_prob_of_class"] = model.log_prob_of_class(x, y)
            if isinstance(model, DecodesOfClass):
                z = model.prior().sample(4, draws())
                of_class = torch.arange(4) % model.conditional_classes()
                said |= {"prior": z, "decode": model.decode_of_class(z, of_class)}
        if isinstance(model, MaximizesExpectation):
            said |= {f"expected/{key}": value for key, value in model.expected_statistics(x).items()}
        if isinstance(model, ExplainsSequences):
            explained, states = model.explain(x), model.hidden_states()
            said |= {f"explain/{key}": value for key, value in vars(explained).items()}
            said |= {f"states/{key}": value for key, value in vars(states).items() if value is not None}
        if isinstance(model, HasConjugatePosterior):
            local = model.local_statistics(x)
            said |= {f"local/{key}": value for key, value in local.items()}
            said["evidence_bound"] = model.evidence_bound(local["local_bound"])
        if isinstance(model, HasComponents):
            said |= {f"components/{key}": value for key, value in vars(model.components()).items()}
            said["responsibilities"] = model.responsibilities(x)
        if isinstance(model, BoundsEvidence):
            bound = model.elbo(x, draws())
            said |= {"elbo": bound.value, "kl": bound.kl, "kl_per_dimension": bound.kl_per_dimension}
        if isinstance(model, EstimatesBound):
            bound = model.bound_terms(x, draws())
            said |= {"elbo": bound.value, "kl": bound.kl, "kl_per_dimension": bound.kl_per_dimension}
            said["code_mean"] = model.code_mean(x)
        if isinstance(model, WeighsEvidence):
            said["log_weights"] = model.log_weights(x, 3, draws())
        if isinstance(model, DrawsPosterior):
            drawn = model.draw_posterior(x, 3, draws())
            said |= {"drawn_log_joint": drawn.log_joint, "drawn_log_posterior": drawn.log_posterior}
        if isinstance(model, Decodes) and isinstance(model, ScoresGivenCode):
            codes = model.prior().sample(len(x), draws())
            said |= {"log_given_code": model.log_likelihood(x, codes), "given_code": model.draw_given(codes, draws())}
        if isinstance(model, Dreams):
            said["score_dreams"] = model.score_dreams(5, draws())
        if isinstance(model, RefinesPosterior):
            said["posterior_parameters"] = model.posterior_parameters(x)
        if isinstance(model, RelaxesDiscrete):
            said["relaxed"] = model.relaxed_elbo(x, 0.5, generator=draws()).value
            said["relaxed_hard"] = model.relaxed_elbo(x, 0.5, True, draws()).value
        if isinstance(model, DrawsDownwards):
            drawn_layers = model.draw_hidden_layers(5, draws())
            said |= {f"layer/{i}": h for i, h in enumerate(drawn_layers)}
            said |= {f"layer_down/{i}": model.top_down(i, h) for i, h in enumerate(drawn_layers)}
            said |= {f"layer_inferred/{i}": h for i, h in enumerate(model.infer(x, draws()))}
        if isinstance(model, HasFreeEnergy):
            said["free_energy"] = model.free_energy(x)
        if isinstance(model, SumsExactly):
            said["log_partition"] = model.log_partition()
        if isinstance(model, Decodes):
            z = model.prior().sample(4, draws())
            said |= {"prior": z, "decode": model.decode(z)}
        if isinstance(model, Encodes):
            said["encode"] = model.encode(x).mean
        if isinstance(model, DrawsInSteps):
            drawn, redrawn = model.draw_in_steps(4, draws()), model.redraw_in_steps(x, draws())
            said |= {f"drawn/{key}": value for key, value in vars(drawn).items() if isinstance(value, Tensor)}
            said |= {f"redrawn/{key}": value for key, value in vars(redrawn).items() if isinstance(value, Tensor)}
        if isinstance(model, Completes):
            done = model.complete(x, torch.zeros_like(x, dtype=torch.bool), draws())
            said |= {"complete": done.x, "complete_mean": done.mean, "complete_log_prob": done.log_prob}
            said["order"] = model.order()
        if isinstance(model, CompletesAtTemperature):
            unknown = torch.zeros_like(x, dtype=torch.bool)
            said["complete_cold"] = model.complete_at_temperature(x, unknown, 0.5, draws()).x
        if isinstance(model, CompletesInAnyOrder):
            backwards = torch.arange(x[0].numel() - 1, -1, -1)
            said["backwards"] = model.complete_in_order(x, torch.zeros_like(x, dtype=torch.bool), backwards, draws()).x
        if isinstance(model, RunsChain):
            start = model.start_chain(5, draws())
            moved = model.transition(x, generator=draws())
            said |= {"start": start.x, "start_mean": start.mean, "moved": moved.x, "moved_mean": moved.mean}
        if isinstance(model, HasHiddenLayers):
            hidden = model.infer(x, draws())
            moved = model.move(ChainState(x, x, hidden), generator=draws())
            said |= {"joint_moved": moved.x, "joint_moved_mean": moved.mean}
            said |= {f"inferred/{i}": h for i, h in enumerate(hidden)} | {
                f"joint_moved/{i}": h for i, h in enumerate(moved.hidden)
            }
            said |= {f"top_down/{i}": model.top_down(i, h) for i, h in enumerate(hidden)}
        if isinstance(model, HasLabelUnits) and model.label_units():
            said["label_probabilities"] = model.label_probabilities(x)
        if isinstance(model, LearnsInPhases):
            positive = model.hidden_given(x, draws())
            swept, negative = model.sweep(x, model.draw_hidden(positive, draws()), draws())
            said |= {"hidden_given": positive, "swept": swept, "swept_hidden": negative}
            said["swept_hot"] = model.sweep(x, model.draw_hidden(positive, draws()), draws(), 2.0)[0]
            said |= {"energy": model.energy(x, positive), "reconstruct": model.reconstruct(x, positive)}
        if isinstance(model, Translates):
            said["translated"] = model.translate(x)
            said["translated_back"] = model.translate(said["translated"], back=True)
        if isinstance(model, HasMeanField):
            said["mean_field"] = model.mean_field(x)
        if isinstance(model, BoundsFreeEnergy):
            said["free_energy_bound"] = model.free_energy_bound(x, draws())
        if isinstance(model, HasFilters):
            said["filters"] = model.filters()
        for one in (model, learner):
            if isinstance(one, Classifies):
                said["class_log_prob"] = one.class_log_prob(x)
        if isinstance(learner, HasDiscriminator):
            said["discriminate"] = learner.discriminate(x)
        if isinstance(learner, HasCritic):
            said["criticise"] = learner.criticise(x)
        if isinstance(learner, KeepsFrames) and isinstance(model, HasComponents):
            frames = learner.frames()
            said |= {f"frames/{key}": value for key, value in vars(frames.components).items()}
            said["frames/values"] = frames.values
        if isinstance(learner, HasChains):
            said["chains"] = learner.chains()
        held = learner.held_out(batch_like(learner, x), draws())
        said |= {f"valid/{key}": value for key, value in held.items()}
    return said


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
