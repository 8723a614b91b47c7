"""What every family and learner of the catalogue must hold. A family added to the catalogue is tested here, and in the
two files beside, without any edit, on the tiny data sets of contract.py that it accepts."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import torch
from contract import (
    CPU,
    DATASETS,
    TRAIN,
    accepts,
    answers,
    assert_equal,
    batch_like,
    batches,
    built,
    choices,
    every_family,
    every_learner,
    everything,
    in_support,
    looked_at,
    recipe,
    start_from,
    train,
    trained,
)
from torch import Tensor

from models import catalog
from models.capabilities import (
    HasCritic,
    HasDiscriminator,
    HasHiddenLayers,
)
from models.catalog import FAMILIES, LEARNINGS, Recipe
from models.learning.base import Feed, Quantity
from models.settings import Settings, SettingsError
from models.spec import Support, UnsuitableData

LONGER = {"layer_steps": 50, "decay": 0}  # of learners with phases: enough for each to learn something

# The model.


@everything
def test_answers_have_the_shapes_types_and_ranges_they_promise(family: str, learner: str, data: str) -> None:
    (made, said), dataset = looked_at(family, learner, data), DATASETS[data]
    n, event = len(dataset.valid), dataset.spec.event_shape
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
        "complete_mean": (n, *event),
        "complete_log_prob": (n, *event),
        "backwards": (n, *event),
        "complete_cold": (n, *event),
        "log_conditionals": (n, *event),
        "log_predictions": (n, *event, dataset.spec.categories),
        "log_prob_estimate": (n,),
        "member_log_prob": (n,),
        "log_prob_of_class": (n,),
        "sample_of_class": (5, *event),
        "expected/log_prob": (),
        "local/local_bound": (),
        "evidence_bound": (),
        "explain/log_prob": (n,),
        "explain/path": (n, event[0]),
        "explain/path_log_prob": (n,),
        "order": (dataset.spec.dimensions,),
        "start": (5, *event),
        "start_mean": (5, *event),
        "moved": (n, *event),
        "moved_mean": (n, *event),
        "joint_moved": (n, *event),
        "joint_moved_mean": (n, *event),
        "label_probabilities": (n, dataset.spec.classes),
        "class_log_prob": (n, dataset.spec.classes),
        "swept": (n, *event),
        "swept_hot": (n, *event),
        "swept_hidden": said["hidden_given"].shape if "hidden_given" in said else (),
        "mean_field": said["hidden_given"].shape if "hidden_given" in said else (),
        "energy": (n,),
        "reconstruct": (n, *event),
        "free_energy_bound": (n,),
        "discriminate": (n,),
        "components/mean_covariances": said["components/covariances"].shape if "components/means" in said else (),
    }
    assert said, "a model that can do nothing"
    for name, value in said.items():
        if name in shapes:
            assert value.shape == shapes[name], name
        if name.startswith("valid/"):
            assert value.shape == (), name
            assert name.removeprefix("valid/") in {q.key for q in made.quantities}
        if name == "order":
            assert sorted(value.tolist()) == list(range(dataset.spec.dimensions))
        elif name == "explain/path":
            assert value.dtype == torch.int64
        else:
            sums = name.startswith(("expected/", "local/")) or name == "evidence_bound"  # may be of many examples
            assert value.dtype in ((torch.float32, torch.float64) if sums else (torch.float32,)), name
            assert value.isfinite().all(), name
    # a density over all reals may be fitted to values in 0…1: its draws then lie outside too
    dense = dataset.spec.support is Support.UNIT and "log_prob" in said
    for name in (
        "sample",
        "complete",
        "complete_cold",
        "backwards",
        "sample_of_class",
        "start",
        "moved",
        "joint_moved",
        "swept",
        "swept_hot",
        "chains",
    ):
        if name in said and not dense:
            assert in_support(said[name], dataset.spec), name
    if "discriminate" in said:
        assert ((said["discriminate"] >= 0) & (said["discriminate"] <= 1)).all()
    if "complete_mean" in said and dataset.spec.support is not Support.REALS:
        assert ((said["complete_mean"] >= 0) & (said["complete_mean"] <= max(1, dataset.spec.categories - 1))).all()
    for name in ("complete_log_prob", "log_conditionals"):
        if name in said and dataset.spec.support is not Support.REALS:
            assert (said[name] <= 0).all(), name
    if "kl_per_dimension" in said:
        assert torch.allclose(said["kl_per_dimension"].sum(-1), said["kl"], atol=1e-4)
    if "components/means" in said:
        k, d = said["components/means"].shape
        assert d == dataset.spec.dimensions
        assert said["components/weights"].shape == (k,)
        assert said["components/weights"].sum().item() == pytest.approx(1, abs=1e-5)
        assert said["components/covariances"].shape == (k, d, d)
        assert said["responsibilities"].shape == (n, k)
        assert torch.allclose(said["responsibilities"].sum(1), torch.ones(n), atol=1e-5)
    if isinstance(made.model, HasHiddenLayers):
        for i, shape in enumerate(made.model.hidden_shapes()):
            assert said[f"inferred/{i}"].shape == said[f"joint_moved/{i}"].shape == (n, *shape)
            assert said[f"top_down/{i}"].shape == (n, *event)
    for name in ("label_probabilities", "class_log_prob"):
        if name in said:
            total = said[name].sum(1) if name == "label_probabilities" else said[name].exp().sum(1)
            assert torch.allclose(total, torch.ones(n), atol=1e-5), name
    for name in ("filters", "chains"):
        if name in said:
            assert said[name].shape[1:] == event, name


@everything
def test_looking_draws_only_from_the_generator_it_is_given(family: str, learner: str, data: str) -> None:
    made, first = looked_at(family, learner, data)
    before = torch.get_rng_state()
    weights = {key: value.clone() for key, value in made.state_dict().items()}
    second = answers(made, DATASETS[data].valid.x)
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
            made.check(dataset.spec)
        if (dataset.other is not None) == (made.learning.learner.feed is Feed.TWO_DOMAINS):
            with pytest.raises(UnsuitableData):
                family.model(made.model, dataset.spec)


# The learner.


@every_learner
def test_the_model_has_the_capabilities_that_the_learner_needs(family: str, learner: str, data: str) -> None:
    needs = catalog.learning(learner).learner.needs
    assert all(issubclass(catalog.family(family).model, need) for need in needs)


@everything
def test_some_steps_improve_the_first_quantity_that_has_a_goal(family: str, learner: str, data: str) -> None:
    phased = "layer_steps" in catalog.learning(learner).settings.model_fields
    made = built(family, learner, data, **(LONGER if phased else {}))
    goals = [q for q in made.quantities if q.goal]
    if not goals:
        # only in a game does no player's objective say how good the model is
        assert isinstance(made, HasDiscriminator | HasCritic)
        return
    feed, phases = batches(made, data), {}
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    for step in range(200):  # what is reported in one phase need not compare with that in another
        phase = made.phase
        history = phases.setdefault(phase, [])
        history.append(made.step(next(feed)))
        if step >= 39 and step % 10 == 9 and not phased and _gain(history, goals) > 4:
            break  # beyond doubt
    values = _towards(phases[phase], goals)
    if values.max() - values.min() <= 1e-9 * values.abs().max():  # its first step led to where it stays
        assert any(
            not torch.equal(tensor, before[name]) for name, tensor in made.model.state_dict(prefix="model.").items()
        )
    else:
        assert _gain(phases[phase], goals) > 0


def _towards(history: list[dict[str, Tensor]], goals: list[Quantity]) -> Tensor:
    """The values of the first goal, the higher the better."""
    first = next(q for q in goals if q.key in history[0])
    return torch.stack([{"higher": 1, "lower": -1}[first.goal] * reported[first.key] for reported in history])


def _gain(history: list[dict[str, Tensor]], goals: list[Quantity]) -> float:
    """By how many standard errors the last 20 values of the first goal are better than the first 20."""
    values = _towards(history, goals)
    early, late = values[:20].double(), values[-20:].double()
    error = ((early.var() + late.var()) / 20).sqrt().clamp(min=1e-12)
    return ((late.mean() - early.mean()) / error).item()


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
    for _ in range(6):
        train(made, data, 5)
        still = [name for name, p in made.named_parameters() if torch.equal(p, before[name])]
        if not still:
            break
    assert not still


@everything
def test_the_same_seed_gives_the_same_tensors(family: str, learner: str, data: str) -> None:
    made, again, other = (built(family, learner, data, seed) for seed in (3, 3, 4))
    for instance, seed in ((made, 3), (again, 3), (other, 4)):
        start_from(seed)
        train(instance, data, 5)
    assert_equal(made.state_dict(), again.state_dict())
    assert any(
        not torch.equal(a, b) for a, b in zip(made.state_dict().values(), other.state_dict().values(), strict=True)
    )


@everything
def test_a_loaded_state_answers_as_the_one_that_was_saved(family: str, learner: str, data: str) -> None:
    (made, said), dataset = looked_at(family, learner, data), DATASETS[data]
    before = torch.get_rng_state()
    empty = recipe(family, learner).build_empty(dataset.spec, TRAIN, CPU)
    assert torch.equal(torch.get_rng_state(), before), "opening a run must not draw random numbers"
    with torch.no_grad():  # whatever memory held before
        for tensor in (*empty.parameters(), *empty.buffers()):
            tensor.fill_(float("nan") if tensor.is_floating_point() else -1)
    empty.load_state_dict({key: value.clone() for key, value in made.state_dict().items()})
    empty.eval()
    assert_equal(dict(made.named_buffers()), dict(empty.named_buffers()))
    assert_equal(said, answers(empty, dataset.valid.x))


@everything
@pytest.mark.parametrize("batch", ["zeros", "ones", "single"])
def test_extreme_batches_leave_everything_finite(family: str, learner: str, data: str, batch: str) -> None:
    made, dataset = built(family, learner, data), DATASETS[data]
    size = 1 if batch == "single" else 16
    x = dataset.train.x[: size * made.minibatches]
    x = {"zeros": torch.zeros_like(x), "ones": torch.ones_like(x), "single": x}[batch]
    for _ in range(5):
        reported = made.step(batch_like(made, x))
        assert all(value.isfinite() for value in reported.values()), reported
    assert all(tensor.isfinite().all() for tensor in made.state_dict().values())
    made.eval()
    for name, value in answers(made, x[:1]).items():
        assert value.isfinite().all(), name


@pytest.mark.parametrize(("family", "learner", "name", "value"), choices())
def test_every_choice_that_can_be_set_trains(family: str, learner: str, name: str, value: Any) -> None:
    made = recipe(family, learner, **{name: value})
    fitting = [key for key, dataset in DATASETS.items() if accepts(made, dataset)]
    assert fitting, f"no data fits {name} = {value}"
    instance = trained(family, learner, fitting[0], 3, **{name: value})
    assert all(tensor.isfinite().all() for tensor in instance.state_dict().values())
    assert answers(instance, DATASETS[fitting[0]].valid.x)


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
