"""Evaluations: every family goes through every one it admits, and the figures are those of the model."""

from __future__ import annotations

import math
from collections.abc import Generator as Yields
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from dgm_studio.basis import HIGHER, NOTHING
from dgm_studio.datasets.base import Dataset, Provenance, Split, joined
from dgm_studio.datasets.densities import ring
from dgm_studio.evaluation import (
    EVALUATIONS,
    Evaluation,
    EvaluationEvent,
    Fraction,
    Measured,
    Reported,
    Result,
    Unmeasured,
    admitted,
    evaluate,
    evaluation,
    subject_from,
)
from dgm_studio.evaluations import (
    coverage,
    evidence,
    free_energy,
    likelihood,
    posterior,
    rate_distortion,
    samples,
    texts,
)
from dgm_studio.evaluations.base import mean_interval, stage
from dgm_studio.events import Snapshot
from dgm_studio.number_texts import indexed
from dgm_studio.reports import Bars, Note, Pictures, Points, Report, Table, from_tree, to_tree
from dgm_studio.subject import Subject
from models.capabilities import Elbo, TooLarge
from models.catalog import FAMILIES, Recipe, UnknownKey, family, learning
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.likelihoods import LikelihoodName
from models.rbm import Rbm, RbmSettings
from models.settings import NoSettings, Settings, SettingsError
from models.spec import DataSpec, Layout, Support, UnsuitableData
from models.vae import Vae, VaeSettings

CPU = torch.device("cpu")
SMALL = 6


def _dataset(spec: DataSpec, x: Tensor, density: Any = None) -> Dataset:
    n = len(x)
    ends = (0, n // 2, 3 * n // 4, n)
    y = torch.arange(n) % spec.classes if spec.classes else torch.full((n,), -1)
    parts = [Split(x[a:b].contiguous(), y[a:b]) for a, b in pairwise(ends)]
    return Dataset(spec, parts[0], parts[1], parts[2], Provenance("tiny"), density=density)


@cache
def datasets() -> dict[str, Dataset]:
    g = Generator().manual_seed(1)
    images = {
        "bits": (Support.BITS, (torch.rand(48, 1, 3, 3, generator=g) < 0.3).float(), 0),
        "unit": (Support.UNIT, torch.rand(48, 1, 3, 3, generator=g), 0),
        "levels": (Support.LEVELS, torch.randint(4, (48, 1, 3, 3), generator=g).float(), 4),
    }
    made = {
        name: _dataset(DataSpec((1, 3, 3), support, Layout.IMAGE, categories, ("a", "b"), protocol=name), x)
        for name, (support, x, categories) in images.items()
    }
    density = ring(8, 1.0, 0.1)
    points = density.sample(400, g)
    made["points"] = _dataset(DataSpec((2,), Support.REALS, Layout.POINTS), points, density)
    symbols = torch.randint(3, (48, 5), generator=g).float()
    made["symbols"] = _dataset(DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 3), symbols)
    words = torch.randint(5, (48, 8), generator=g).float()
    made["text"] = _dataset(DataSpec((8,), Support.SYMBOLS, Layout.SEQUENCE, 5, symbols=tuple(" abcd")), words)
    inverse = _dataset(made["unit"].spec, 1 - torch.rand(48, 1, 3, 3, generator=g))
    made["two domains"] = joined(made["unit"], inverse)
    return made


def small(settings: type[Settings]) -> dict[str, int]:
    """Whole numbers cut down to SMALL where their bounds allow it."""
    values = {}
    for name, field in settings.model_fields.items():
        if isinstance(field.default, int) and not isinstance(field.default, bool) and field.default > SMALL:
            lowest = max([m.ge for m in field.metadata if hasattr(m, "ge")], default=SMALL)
            values[name] = max(SMALL, lowest)
    return values


def small_recipe(key: str, learner: str, dataset: Dataset) -> Recipe:
    """Raises UnsuitableData."""
    recipe = Recipe.read(key, learner, small(family(key).settings), small(learning(learner).settings))
    recipe.check(dataset.spec)
    return recipe


def made(key: str, learner: str, dataset: Dataset) -> tuple[Recipe, Snapshot]:
    """A small model as it is initialised, by its recipe and weights."""
    recipe = small_recipe(key, learner, dataset)
    torch.manual_seed(0)
    built = recipe.build(dataset.spec, len(dataset.train))
    return recipe, Snapshot(7, {key: value.clone() for key, value in built.state_dict().items()})


def suitable() -> Iterator[tuple[str, str, str]]:
    for entry in FAMILIES:
        for name, dataset in datasets().items():
            try:
                small_recipe(entry.key, entry.learners[0], dataset)
            except UnsuitableData:
                continue
            yield entry.key, entry.learners[0], name


@cache
def first_data() -> dict[tuple[str, str], str]:
    """By family and evaluation: the first data on which the one admits the other."""
    found: dict[tuple[str, str], str] = {}
    for key, learner, data in suitable():
        dataset = datasets()[data]
        for entry in admitted(small_recipe(key, learner, dataset), dataset.spec):
            found.setdefault((key, entry.key), data)
    return found


def run(
    recipe: Recipe, dataset: Dataset, weights: Any, key: str, seed: int = 0, **settings: Any
) -> list[EvaluationEvent]:
    return list(evaluate(recipe, dataset, weights, [key], CPU, seed, {key: settings}))


def result(events: list[EvaluationEvent]) -> Result:
    closing = events[-1]
    assert isinstance(closing, Measured), closing
    return closing.result


def figures(reports: tuple[Report, ...]) -> str:
    """Everything that reports say, but for speeds, which no seed repeats."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return repr([plain(to_tree(_without_speeds(report))) for report in reports])


def _without_speeds(report: Report) -> Report:
    if not isinstance(report, Table):
        return report
    speeds = [column.unit == "per second" for column in report.columns]
    rows = tuple(tuple(0.0 if s else c for c, s in zip(row, speeds, strict=True)) for row in report.rows)
    return replace(report, rows=rows)


@pytest.mark.parametrize(("key", "learner", "data"), [pytest.param(*c, id=f"{c[0]}-{c[2]}") for c in suitable()])
def test_every_family_goes_through_every_evaluation_it_admits(key: str, learner: str, data: str) -> None:
    dataset = datasets()[data]
    recipe, weights = made(key, learner, dataset)
    possible = admitted(recipe, dataset.spec)
    state = torch.get_rng_state()
    for entry in possible:
        settings = small(entry.settings)
        first = result(run(recipe, dataset, weights, entry.key, 3, **settings))
        assert first.step == 7
        assert first.reports
        if first_data()[key, entry.key] == data:
            again = result(run(recipe, dataset, weights, entry.key, 3, **settings))
            if entry.timed:
                assert [report.title for report in first.reports] == [report.title for report in again.reports]
            else:
                assert figures(first.reports) == figures(again.reports), f"{entry.key}: other figures by the same seed"
        stored = Result.read(first.key, first.step, first.tree())
        assert figures(stored.reports) == figures(first.reports)
        assert not [r for r in first.reports if isinstance(r, Note) and r.tone == "bad" and "cannot be read" in r.text]
    assert torch.equal(torch.get_rng_state(), state), "the process-wide generator belongs to training"


def test_every_family_admits_an_evaluation_on_some_data() -> None:
    assert {key for key, _ in first_data()} == {entry.key for entry in FAMILIES}


def test_every_evaluation_is_admitted_by_some_family() -> None:
    assert {key for _, key in first_data()} == {entry.key for entry in EVALUATIONS}


# The figures, on models whose values are known.


class _Known(nn.Module):
    """x is one of 2^9 pictures of bits, each coordinate 1 with probability `p`; z is of no use but for its KL."""

    def __init__(self, p: float = 0.3) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self.bits = 9

    def log_prob(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return (x * self.p.log() + (1 - x) * (1 - self.p).log()).sum(-1)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        kl = torch.stack([torch.full((len(x),), 0.5), torch.zeros(len(x))], 1)
        noise = torch.randn(len(x), generator=generator)
        return Elbo(self.log_prob(x) + 0.01 * noise, kl.sum(-1), kl)

    def encode(self, x: Tensor) -> Any:
        mean = torch.stack([x.flatten(1).sum(-1), torch.zeros(len(x))], 1)
        return type("Posterior", (), {"mean": mean})()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return (torch.rand(n, 1, 3, 3, generator=generator) < self.p).float()


class _Energy(_Known):
    """The same distribution with an energy that is off by a constant: log Z is 5."""

    def free_energy(self, x: Tensor) -> Tensor:
        return -self.log_prob(x) - 5.0

    def log_partition(self) -> Tensor:
        return torch.tensor(5.0)

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        yield 1.0
        return self.log_partition()


class _Vast(_Known):
    def log_prob(self, x: Tensor) -> Tensor:
        raise TooLarge("The partition function is a sum over 2^500 states; up to 2^20 are summed exactly.")


class _Wrapped(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def sampler(self) -> nn.Module:
        return self.model


def reports(entry: Evaluation, model: nn.Module, dataset: Dataset, **settings: Any) -> list[Report]:
    subject = Subject(_Wrapped(model), dataset, 7, Generator().manual_seed(0))  # type: ignore[arg-type]
    with torch.no_grad():
        items = list(entry.run(subject, entry.settings(**settings)))
    fractions = [item for item in items if isinstance(item, float)]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 + 1e-9 for fraction in fractions)
    return [item for item in items if not isinstance(item, float)]


def rows(table: Report) -> dict[str, tuple[Any, ...]]:
    assert isinstance(table, Table)
    return {str(row[0]): row for row in table.rows}


def test_likelihood_rows_equal_a_direct_computation() -> None:
    dataset = datasets()["bits"]
    model = _Known()
    found = rows(reports(likelihood.EVALUATION, model, dataset)[0])
    with torch.no_grad():
        direct = model.log_prob(dataset.test.x).double()
        g = Generator().manual_seed(0)
        bound = model.elbo(dataset.test.x, g).value.double()
    _, value, (low, high), kind, bits, protocol = found["log p(x)"]
    half = 1.96 * direct.std().item() / math.sqrt(len(direct))
    assert value == pytest.approx(direct.mean().item())
    assert (low, high) == pytest.approx((value - half, value + half))
    assert kind == "exact"
    assert bits == pytest.approx(-value / (9 * math.log(2)))
    ends = [f"{-end / (9 * math.log(2)):.3f}" for end in (high, low)]
    assert f"Code length, 95 % interval: {ends[0]} … {ends[1]} bits per dimension" in protocol
    assert "bits" in protocol
    assert f"{len(direct)} test examples" in protocol
    assert found["ELBO"][1] == pytest.approx(bound.mean().item())
    assert found["ELBO"][3] == "lower bound"


def test_the_density_of_the_data_is_scored_beside_the_model() -> None:
    dataset = datasets()["points"]
    assert dataset.density is not None
    recipe, weights = made("gan", "non-saturating", dataset)
    assert "likelihood" not in [e.key for e in admitted(recipe, dataset.spec)]
    recipe, weights = made("vae", "reparameterized-elbo", dataset)
    table = next(r for r in result(run(recipe, dataset, weights, "likelihood")).reports if isinstance(r, Table))
    names, last = [row[0] for row in table.rows], table.rows[-1]
    of_code = rows(table)["log p(x), annealed code"]
    assert of_code[3] == "lower bound"
    assert "of which 20 at random" in of_code[-1]
    assert "8 chains for each example, 200 temperatures" in of_code[-1]
    assert "annealing back from the exact posterior" in of_code[-1]
    assert not {"code_chains", "code_examples"} & set(likelihood.EVALUATION.without_effect(recipe.family.model))
    assert names[-1] == "log p(x) under the data's own distribution"
    assert last[1] == pytest.approx(dataset.density.log_prob(dataset.test.x.double()).mean().item())
    assert last[3] == "exact"
    assert all(row[1] < last[1] for row in table.rows[:-1])
    assert "no model gives more" in table.note


class Parrot(nn.Module):
    """Repeats training examples, or a text that no part of two characters of stands in them."""

    def __init__(self, texts: Tensor) -> None:
        super().__init__()
        self.register_buffer("texts", texts)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.get_buffer("texts")[torch.arange(n) % len(self.get_buffer("texts"))]


def texts_of(sampled: Tensor, dataset: Dataset, density: Any = None) -> tuple[Report, ...]:
    learner: Any = nn.Module()
    learner.sampler = lambda: Parrot(sampled)
    subject = Subject(learner, replace(dataset, density=density), 7, Generator().manual_seed(0))
    done = texts.EVALUATION.run(subject, texts.TextsSettings(count=4))
    return tuple(report for report in done if not isinstance(report, float))


def test_texts_that_stand_in_the_training_data_are_found() -> None:
    dataset = datasets()["text"]
    table, note = texts_of(dataset.train.x, dataset)
    assert isinstance(table, Table)
    assert isinstance(note, Note)
    written_out = ["".join(" abcd"[int(k)] for k in row).rstrip() for row in dataset.train.x[:4]]
    assert [row[1] for row in table.rows] == [len(text) for text in written_out]
    assert [row[4] for row in table.rows] == [f"In training: “{text}”" for text in written_out]
    assert note.tone == "bad"
    table, note = texts_of(torch.full((4, 8), 2.0), dataset)
    assert isinstance(note, Note)
    assert note.tone == "good"


def test_draws_are_held_to_a_density_that_is_known() -> None:
    class Even:
        def log_prob(self, x: Tensor) -> Tensor:
            return torch.where(x[:, 0] % 2 == 0, 0.0, -math.inf)

    dataset = datasets()["text"]
    sampled = torch.zeros(4, 8)
    sampled[0, 0] = 1
    *_, last = texts_of(sampled, dataset, Even())
    assert isinstance(last, Note)
    assert "750 of 1000 draws" in last.text
    assert "75.0 ± 2.7 %" in last.text


def test_an_ensemble_has_a_row_for_one_member_and_for_growing_ensembles() -> None:
    dataset, probabilities = datasets()["bits"], (0.1, 0.3, 0.6, 0.2, 0.35)

    class Ensemble(_Known):
        def members(self) -> int:
            return len(probabilities)

        def member_log_prob(self, x: Tensor, member: int) -> Tensor:
            return _Known(probabilities[member]).log_prob(x)

    found = rows(reports(likelihood.EVALUATION, Ensemble(), dataset)[0])
    assert list(found)[:4] == [
        "log p(x)",
        "log p(x), 1 of 5 members",
        "log p(x), 2 of 5 members",
        "log p(x), 4 of 5 members",
    ]
    with torch.no_grad():
        each = torch.stack([_Known(p).log_prob(dataset.test.x).double() for p in probabilities])
    for row, n in zip(found.values(), (5, 1, 2, 4), strict=False):
        whole = each[:n].exp().mean(0).log()  # the mean of whole examples' probabilities
        assert row[1] == pytest.approx(whole.mean().item())
        assert row[2][1] - row[1] == pytest.approx(1.96 * whole.std().item() / math.sqrt(len(whole)))
        assert row[3] == "exact"


def test_an_energy_is_normalised_by_its_sum() -> None:
    dataset = datasets()["bits"]
    with torch.no_grad():
        expected = _Known().log_prob(dataset.test.x).mean().item()
    found = rows(reports(likelihood.EVALUATION, _Energy(), dataset)[0])
    assert found["log p(x)"][1] == pytest.approx(expected, abs=1e-5)


def test_over_the_plane_an_energy_is_summed_over_a_grid_and_annealing_agrees() -> None:
    dataset = datasets()["points"]
    torch.manual_seed(0)
    model = EnergyNetwork(EnergyNetworkSettings(width=8, layers=1, step_size=0.5), dataset.spec)
    model.start_from(dataset.train.x, len(dataset.train))
    chosen = {"temperatures": 100, "chains": 200, "reverse_examples": 20}
    table = reports(likelihood.EVALUATION, model, dataset, **chosen)[0]
    found = rows(table)
    bases = {basis.quantity: basis for basis in table.bases}
    assert "log Z" in found["log p(x), annealed"][5]
    assert "log Z =" not in bases["log p(x), annealed"].way  # what was found differs from run to run
    assert "100 temperatures" in bases["log p(x), annealed"].way
    assert bases["log p(x)"].kind == "exact"
    summed, annealed = found["log p(x), quadrature"], found["log p(x), annealed"]
    line = torch.linspace(-8, 8, 801)
    with torch.no_grad():
        x = torch.cartesian_prod(line, line)
        log_z = (-model.free_energy(x)).double().logsumexp(0).item() + 2 * math.log(0.02)
        direct = -model.free_energy(dataset.test.x).mean().item() - log_z
    assert summed[1] == pytest.approx(direct, abs=1e-4)
    assert summed[3] == "exact"
    assert "512×512 points" in summed[5]
    assert annealed[2][0] <= direct <= annealed[2][1]


def test_what_needs_no_log_partition_stands_beside_the_likelihood_and_is_no_code_length() -> None:
    dataset, model = datasets()["bits"], _Energy()
    found = rows(reports(likelihood.EVALUATION, model, dataset)[0])
    pseudo, gap = found["pseudo-log-likelihood"], found["free energy, held out − training"]
    # bits are independent here, so that each conditional is its marginal
    assert pseudo[1] == pytest.approx(found["log p(x)"][1], abs=1e-4)
    with torch.no_grad():
        difference = model.free_energy(dataset.test.x).mean() - model.free_energy(dataset.train.x).mean()
    assert gap[1] == pytest.approx(difference.item(), abs=1e-5)
    assert gap[2][0] < gap[1] < gap[2][1]
    assert f"{len(dataset.train)} training examples" in gap[5]
    for row in (pseudo, gap):
        assert row[3] == "estimate"
        assert math.isnan(row[4])
        assert "no likelihood" in row[5]


class _BitsOnly(_Energy):
    def free_energy(self, x: Tensor) -> Tensor:
        assert ((x == 0) | (x == 1)).all(), "probabilities are not what the model learns from"
        return super().free_energy(x)


def test_examples_whose_bits_are_drawn_at_each_visit_are_drawn_for_the_gap() -> None:
    bits = datasets()["bits"]
    greys = replace(bits, train=Split(torch.full_like(bits.train.x, 0.3), bits.train.y), draws_bits=True)
    found = rows(reports(likelihood.EVALUATION, _BitsOnly(), greys)[0])
    assert math.isfinite(found["free energy, held out − training"][1])


class _Bounded(nn.Module):
    """Bounds its free energy, half a nat too high; log Z is 5, or too large to sum."""

    def __init__(self, vast: bool = False) -> None:
        super().__init__()
        self.inner, self.vast = _Energy(), vast

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        return self.inner.free_energy(x) + 0.5

    def log_prob(self, x: Tensor) -> Tensor:
        return self.inner.log_prob(x) + 0 * self.log_partition()

    def log_partition(self) -> Tensor:
        if self.vast:
            raise TooLarge("The partition function is a sum over 2^500 states; up to 2^20 are summed exactly.")
        return torch.tensor(5.0)

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        yield 1.0
        return self.log_partition()


class _AnnealedBound(_Bounded):
    """With a path of one step: independent bits, at the start as at the end, and log Z of both 5."""

    def annealed_base(self, data: Tensor) -> Tensor:
        return data.mean(0).flatten()

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return torch.zeros(len(x))

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        return torch.tensor(5.0)

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        return torch.zeros(n, 9)

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        return x


def test_a_bounded_free_energy_stands_beside_the_exact_value_as_a_bound() -> None:
    dataset = datasets()["bits"]
    with torch.no_grad():
        expected = _Known().log_prob(dataset.test.x).mean().item()
    found = rows(reports(likelihood.EVALUATION, _AnnealedBound(), dataset, temperatures=10)[0])
    assert found["log p(x)"][1:4:2] == (pytest.approx(expected, abs=1e-5), "exact")
    assert found["bound on log p(x)"][1:4:2] == (pytest.approx(expected - 0.5, abs=1e-5), "lower bound")
    annealed = found["bound on log p(x), annealed"]
    assert annealed[1:4:2] == (pytest.approx(expected - 0.5, abs=1e-5), "estimate")
    assert "10 temperatures" in annealed[5]
    idle = likelihood.EVALUATION.without_effect(_AnnealedBound)
    assert idle == ("importance_samples", "code_temperatures", "code_chains", "code_examples", "reverse_examples")
    assert "temperatures" in likelihood.EVALUATION.without_effect(_Bounded)


class _Doubtful(_AnnealedBound):
    """One weight outweighs all others."""

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        return 50 * beta * (torch.arange(len(x)) == 0)


def test_an_estimate_that_hangs_on_one_weight_comes_with_a_warning() -> None:
    _, note, table = reports(likelihood.EVALUATION, _Doubtful(), datasets()["bits"], temperatures=10)
    assert isinstance(table, Table)
    assert "no" in [row[1] for row in table.rows], "and is not among what has converged"
    assert isinstance(note, Note)
    assert note.tone == "warn"
    assert "1.0 of 100 weights" in note.text
    assert "bound on log p(x), annealed" in note.title


def test_what_cannot_be_summed_is_said_once() -> None:
    table, *notes = reports(likelihood.EVALUATION, _AnnealedBound(vast=True), datasets()["bits"], temperatures=10)
    assert list(rows(table)) == ["bound on log p(x), annealed"]
    assert len([note for note in notes if isinstance(note, Note)]) == 1


def test_a_sum_that_is_too_large_says_why_there_is_no_value() -> None:
    table, *notes = reports(likelihood.EVALUATION, _Vast(), datasets()["bits"])
    assert "log p(x)" not in rows(table)
    assert any(isinstance(note, Note) and "2^500" in note.text for note in notes)


def test_grey_values_are_said_to_be_no_bits() -> None:
    (table,) = reports(likelihood.EVALUATION, _Known(), datasets()["unit"])
    assert isinstance(table, Table)
    assert "not bits" in table.note


def nearly_sure() -> Dataset:
    """Bits that are all 0 but for one, of which the interval of a mean passes where no log-probability is."""
    bits = datasets()["bits"]
    x = torch.zeros_like(bits.test.x)
    x[0, 0, 0, 0] = 1
    return replace(bits, test=Split(x, bits.test.y))


def test_intervals_of_log_probabilities_end_at_0() -> None:
    for entry, names in (
        (likelihood.EVALUATION, ("log p(x)", "ELBO")),
        (rate_distortion.EVALUATION, ("ELBO", "reconstruction E[log p(x|z)]")),
    ):
        found = rows(reports(entry, _Known(0.001), nearly_sure())[0])
        for name in names:
            low, high = found[name][2]
            assert low < found[name][1] < high == 0
        if entry is likelihood.EVALUATION:
            assert "Code length, 95 % interval: 0.000 … " in found["log p(x)"][-1]


def test_densities_of_bits_may_be_positive_and_speak_for_no_model() -> None:
    dataset = nearly_sure()
    tables = {}
    for name in ("Bernoulli", "Gaussian"):
        torch.manual_seed(0)
        vae = Vae(VaeSettings(latent=2, hidden=4, likelihood=name, scale=0.05, learn_scale=False), dataset.spec)
        with torch.no_grad():  # what is decoded is black
            for value in vae.decoder.parameters():
                value.zero_()
        table, *_ = reports(likelihood.EVALUATION, vae, dataset, importance_samples=2, code_examples=0)
        assert isinstance(table, Table)
        tables[name] = table
    of_bits, of_density = (rows(table)["ELBO"] for table in tables.values())
    assert of_bits[2][1] <= 0 < of_density[2][1]
    assert "Gaussian" not in tables["Bernoulli"].note
    assert "densities" in tables["Gaussian"].note
    assert {basis.better for basis in tables["Bernoulli"].bases} == {HIGHER}
    assert {basis.better for basis in tables["Gaussian"].bases} == {NOTHING}


def test_rate_and_distortion_are_the_two_sides_of_the_bound() -> None:
    table, bars, plane, note = reports(rate_distortion.EVALUATION, _Known(), datasets()["bits"], draws=4)
    terms = rows(table)
    assert terms["KL(q‖p)"][1] == pytest.approx(0.5)
    assert terms["ELBO"][1] == pytest.approx(terms["reconstruction E[log p(x|z)]"][1] - 0.5)
    assert isinstance(bars, Bars)
    assert bars.labels == ("z₁", "z₂")
    assert bars.marked.tolist() == [1, 0]
    assert isinstance(plane, Points)
    assert plane.series[0].x[0] == pytest.approx(0.5)
    assert plane.series[0].x[0] + plane.series[0].y[0] == pytest.approx(-terms["ELBO"][1])
    assert isinstance(note, Note)
    assert "1 of 2" in note.text


def test_planes_are_shared_on_the_same_test_examples_only() -> None:
    one, other = datasets()["bits"], datasets()["unit"]
    planes = [
        next(r for r in reports(rate_distortion.EVALUATION, _Known(), data, draws=1) if isinstance(r, Points)).plane
        for data in (one, one, other)
    ]
    assert planes[0] == planes[1] != planes[2]


def test_densities_stand_on_another_plane_than_probabilities_of_the_same_examples() -> None:
    def plane(name: LikelihoodName, data: str) -> str:
        vae = Vae(VaeSettings(latent=2, hidden=4, likelihood=name), datasets()[data].spec)
        found = reports(rate_distortion.EVALUATION, vae, datasets()[data], draws=1)
        return next(report for report in found if isinstance(report, Points)).plane

    assert plane("Bernoulli", "bits") == plane("automatic", "bits") != plane("Gaussian", "bits")
    assert plane("Gaussian", "points") == plane("automatic", "points")


def test_a_model_that_ignores_its_code_is_called_collapsed() -> None:
    class Collapsed(_Known):
        def encode(self, x: Tensor) -> Any:
            return type("Posterior", (), {"mean": torch.zeros(len(x), 2)})()

    note = reports(rate_distortion.EVALUATION, Collapsed(), datasets()["bits"])[-1]
    assert isinstance(note, Note)
    assert note.tone == "bad"
    assert "0 of 2" in note.text


def test_copies_of_training_examples_are_found() -> None:
    dataset = datasets()["unit"]

    class Copies(_Known):
        def sample(self, n: int, generator: Generator | None = None) -> Tensor:
            return dataset.train.x[:n]

    pictures, note = reports(samples.EVALUATION, Copies(), dataset, count=8, neighbours=2)
    assert isinstance(pictures, Pictures)
    assert pictures.pictures.shape == (8 * 3, 1, 3, 3)
    assert np.array_equal(pictures.pictures[0::3], pictures.pictures[1::3]), "each sample's nearest is itself"
    assert pictures.captions[1] == "0.00"
    assert isinstance(note, Note)
    assert note.tone == "bad"


def test_levels_are_shown_between_black_and_white_and_compared_as_draws() -> None:
    dataset = datasets()["levels"]  # 0 … 3

    class Remembers(_Known):
        """Draws training examples, whose means are grey."""

        def sample(self, n: int, generator: Generator | None = None) -> Tensor:
            return dataset.train.x[:n]

        def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
            return torch.full((n, 1, 3, 3), 1.5)

    pictures, note = reports(samples.EVALUATION, Remembers(), dataset, count=8, neighbours=1)
    assert isinstance(pictures, Pictures)
    assert (pictures.pictures[0] == 128).all()
    expected = (dataset.train.x.flatten(1) - 1.5).norm(dim=1).min().item() / 3
    assert pictures.captions[1] == f"{expected:.2f}"
    assert isinstance(note, Note)
    assert note.tone == "bad"
    assert "0.00 for draws of the model" in note.text


def test_samples_that_are_new_are_not_called_copies() -> None:
    note = reports(samples.EVALUATION, _Known(), datasets()["bits"])[-1]
    assert isinstance(note, Note)
    assert note.tone == "good"


def test_temperature_scales_the_code() -> None:
    class Decoder(_Known):
        def prior(self) -> Any:
            from models.distributions import standard_normal

            return standard_normal(9, self.p)

        def decode(self, z: Tensor) -> Tensor:
            return (0.5 + 0.1 * z).reshape(-1, 1, 3, 3)

    spread = []
    for temperature in (0.1, 1.0):
        settings = {"count": 200, "neighbours": 0, "temperature": temperature}
        (pictures,) = reports(samples.EVALUATION, Decoder(), datasets()["unit"], **settings)
        assert isinstance(pictures, Pictures)
        spread.append(pictures.pictures.std() / 255)
    assert spread == pytest.approx([0.01, 0.1], rel=0.1)


def test_tempered_chains_leave_a_mode_that_plain_ones_stay_in() -> None:
    """Pixels are all black or, in one of ten examples, all white: from noise, plain chains end in either and stay."""
    spec = datasets()["bits"].spec
    torch.manual_seed(0)
    model = Rbm(RbmSettings(hidden=1), spec)
    with torch.no_grad():
        model.weight.fill_(10.0)
        model.visible_bias.fill_(-5.0)
        model.hidden_bias.fill_(-5.0 * spec.dimensions - math.log(9))
    shares = {}
    for replicas in (1, 12):
        (pictures,) = reports(
            samples.EVALUATION,
            model,
            datasets()["bits"],
            count=200,
            neighbours=0,
            transitions=400,
            temperature=1.0,
            replicas=replicas,
            hottest=20.0,
        )
        assert isinstance(pictures, Pictures)
        white = pictures.pictures.mean((1, 2, 3)) / 255 > 0.5
        shares[replicas] = white.mean()
        assert ("12 temperatures" in pictures.note) == (replicas == 12)
    assert shares[1] > 0.3
    assert shares[12] == pytest.approx(0.1, abs=0.07)


def test_the_free_energy_gap_is_the_difference_of_the_means() -> None:
    dataset = datasets()["bits"]
    table, _, note = reports(free_energy.EVALUATION, _Energy(), dataset)
    with torch.no_grad():
        held = _Energy().free_energy(dataset.test.x).mean().item()
        trained = _Energy().free_energy(dataset.train.x[: len(dataset.test)]).mean().item()
    found = rows(table)
    assert found["gap: held out − training"][1] == pytest.approx(held - trained, abs=1e-5)
    assert isinstance(note, Note)


def test_a_model_that_prefers_its_training_set_is_overfitting() -> None:
    dataset = datasets()["bits"]
    known = {tuple(row) for row in dataset.train.x.flatten(1).tolist()}

    class Remembers(_Energy):
        def free_energy(self, x: Tensor) -> Tensor:
            return torch.tensor([0.0 if tuple(row) in known else 9.0 for row in x.flatten(1).tolist()])

    note = reports(free_energy.EVALUATION, Remembers(), dataset)[-1]
    assert isinstance(note, Note)
    assert note.title == "Overfitting"


def test_a_perfect_sampler_finds_every_mode_and_diverges_no_more_than_its_reference() -> None:
    dataset = datasets()["points"]

    class Perfect(nn.Module):
        def sample(self, n: int, generator: Generator | None = None) -> Tensor:
            assert dataset.density is not None
            return dataset.density.sample(n, generator)

    points, modes, divergence = reports(coverage.EVALUATION, Perfect(), dataset, histogram=20_000)
    assert isinstance(points, Points)
    found = rows(modes)
    assert found["Modes found"][1] == found["Modes found"][3] == "8 of 8"
    assert found["High-quality samples (%)"][1] == pytest.approx(98.89, abs=1.0)
    _, ours, _, theirs, *_ = rows(divergence)["Jensen–Shannon divergence (nats)"]
    assert ours == pytest.approx(theirs, abs=0.003)


def test_a_single_mode_is_counted_as_one() -> None:
    class OneMode(nn.Module):
        def sample(self, n: int, generator: Generator | None = None) -> Tensor:
            return torch.tensor([1.0, 0.0]).repeat(n, 1)

    _, modes, divergence = reports(coverage.EVALUATION, OneMode(), datasets()["points"], histogram=2000)
    assert rows(modes)["Modes found"][1] == "1 of 8"
    assert rows(divergence)["Jensen–Shannon divergence (nats)"][1] > 0.4


# How they are run.


def test_the_evidence_of_one_gaussian_is_that_of_all_training_examples_together() -> None:
    dataset = datasets()["points"]
    recipe = Recipe.read("gaussian-mixture", "coordinate-ascent", {"components": 1}, {})
    model = recipe.build(dataset.spec, len(dataset.train)).model
    model.start_from(dataset.train.x, len(dataset.train))
    x, prior = dataset.train.x.double(), model.prior_variance.double().diag()
    n, nu, kappa = len(x), model.prior_degrees, model.settings.mean_strength
    # by Student's t of each example given those before it (Bishop, 2006, equation 10.81)
    total, mean, scatter = 0.0, model.prior_mean.double(), prior
    for row in x:
        degrees = nu - 1
        shape = scatter * (kappa + 1) / (kappa * degrees)
        z = torch.linalg.solve(shape, row - mean) @ (row - mean)
        total += math.lgamma((degrees + 2) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi)
        total += (-0.5 * shape.logdet() - (degrees + 2) / 2 * (1 + z / degrees).log()).item()
        scatter = scatter + kappa / (kappa + 1) * torch.outer(row - mean, row - mean)
        mean = (kappa * mean + row) / (kappa + 1)
        kappa, nu = kappa + 1, nu + 1
    found = rows(reports(evidence.EVALUATION, model, dataset)[0])
    _, value, share, kind = found["log p(all training data), at least"]
    assert value == pytest.approx(total, abs=1e-3)
    assert share == pytest.approx(value / n)
    assert kind == "lower bound"


def test_what_mean_field_loses_is_the_gap_between_evidence_and_bound() -> None:
    dataset = datasets()["unit"]
    recipe = Recipe.read("linear-gaussian", "em", {"latent": 3, "posterior": "factorised"}, {})
    torch.manual_seed(0)
    model = recipe.build(dataset.spec, len(dataset.train)).model
    divergences, variances, structured, shapes = reports(posterior.EVALUATION, model, dataset)
    x = dataset.test.x
    with torch.no_grad():
        gap = (model.log_prob(x) - model.elbo(x).value).mean().item()
        q = model.encode(x)
        exact = model.posterior(x).covariance
    found = rows(divergences)
    assert gap > 0.01
    assert found["mean field: smallest KL(q‖p)"][1] == pytest.approx(gap, abs=1e-4)
    table = rows(variances)
    for i in range(3):
        _, true, ours, ratio = table[indexed("z", i)]
        assert true == pytest.approx(exact[i, i].item(), rel=1e-5)
        assert ours == pytest.approx((2 * q.log_scale[0, i]).exp().item(), rel=1e-5)
        assert ratio == pytest.approx(ours / true)
        assert ratio < 1
    sizes = [row[1] for row in rows(structured).values()]
    assert sizes[0] == pytest.approx(gap, abs=1e-4)
    assert sizes == sorted(sizes, reverse=True)
    assert isinstance(shapes, Points)
    assert [series.name for series in shapes.series] == ["exact", "mean field", "matched moments"]


def test_fractions_and_reports_come_before_one_closing_event() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    events = run(recipe, dataset, weights, "samples")
    assert all(isinstance(event, Fraction | Reported) for event in events[:-1])
    assert tuple(event.report for event in events if isinstance(event, Reported)) == result(events).reports


def test_an_evaluation_that_fails_says_so_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(subject: Subject, settings: Any) -> Iterator[float | Report]:
        yield 0.5
        raise RuntimeError("the estimator broke.")

    bad = Evaluation("bad", "Bad", "", NoSettings, lambda *capabilities: True, broken)
    monkeypatch.setattr("dgm_studio.evaluation.EVALUATIONS", (bad, *EVALUATIONS))
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    events = list(evaluate(recipe, dataset, weights, ["bad", "samples"], CPU))
    failed = next(event for event in events if isinstance(event, Unmeasured))
    assert failed.key == "bad"
    assert "the estimator broke" in failed.text
    assert "RuntimeError" in failed.details
    assert isinstance(events[-1], Measured)


def test_what_cannot_be_summed_is_a_result_that_says_so_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def vast(subject: Subject, settings: Any) -> Iterator[float | Report]:
        yield Note("First", "something")
        raise TooLarge("It is a sum over 2^500 states. Use fewer.")

    monkeypatch.setattr(
        "dgm_studio.evaluation.EVALUATIONS", (Evaluation("vast", "Vast", "", NoSettings, lambda *_: True, vast),)
    )
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    *reported, measured = evaluate(recipe, dataset, weights, ["vast"], CPU)
    assert isinstance(measured, Measured)
    assert measured.result.reports[1:] == (Note("Not measured", "It is a sum over 2^500 states. Use fewer."),)
    assert [event.report for event in reported if isinstance(event, Reported)] == list(measured.result.reports)


def test_the_mode_of_gradients_is_the_callers_between_two_events() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    for _ in evaluate(recipe, dataset, weights, ["samples"], CPU):
        assert torch.is_grad_enabled()


def test_an_abandoned_evaluation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def endless(subject: Subject, settings: Any) -> Iterator[float | Report]:
        try:
            while True:
                yield 0.5
        finally:
            ended.append(True)

    entry = Evaluation("endless", "Endless", "", NoSettings, lambda *capabilities: True, endless)
    monkeypatch.setattr("dgm_studio.evaluation.EVALUATIONS", (entry,))
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    events = evaluate(recipe, dataset, weights, ["endless"], CPU)
    assert isinstance(next(events), Fraction)
    events.close()  # type: ignore[attr-defined]
    assert ended == [True]


def test_a_checkpoint_and_a_snapshot_of_the_same_weights_give_the_same_figures() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    tree = {
        "step": 7,
        "model": {k.removeprefix("model."): v for k, v in weights.tensors.items() if k.startswith("model.")},
        "learner": {k: v for k, v in weights.tensors.items() if not k.startswith("model.")},
    }
    both = [result(run(recipe, dataset, one, "samples")) for one in (weights, tree)]
    assert both[0].step == both[1].step == 7
    assert figures(both[0].reports) == figures(both[1].reports)


def test_another_seed_gives_other_figures() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    both = [result(run(recipe, dataset, weights, "samples", seed)) for seed in (0, 1)]
    assert figures(both[0].reports) != figures(both[1].reports)


def test_keys_and_settings_are_checked_before_anything_is_measured() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    with pytest.raises(UnknownKey, match="samples"):
        evaluate(recipe, dataset, weights, ["no such thing"], CPU)
    with pytest.raises(SettingsError, match=r"samples\.count"):
        evaluate(recipe, dataset, weights, ["samples"], CPU, settings={"samples": {"count": 0}})


def test_what_is_not_admitted_is_refused_with_a_sentence() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    (event,) = run(recipe, dataset, weights, "coverage")
    assert isinstance(event, Unmeasured)
    assert recipe.family.title in event.text


def test_a_subject_is_a_twin_that_shares_no_tensor() -> None:
    dataset = datasets()["bits"]
    recipe, weights = made(FAMILIES[0].key, FAMILIES[0].learners[0], dataset)
    subject = subject_from(recipe, dataset, weights, CPU, 0)
    assert not subject.learner.training
    for key, value in subject.learner.state_dict().items():
        assert torch.equal(value, weights.tensors[key])
        assert value.numel() == 0 or value.data_ptr() != weights.tensors[key].data_ptr()


def test_the_interval_of_a_mean_ends_where_no_value_can_be() -> None:
    values = torch.tensor([0.0, 0.0, 0.0, 8.0])
    value, (low, high) = mean_interval(values)
    assert low < 0
    assert mean_interval(values, 0.0) == (value, (0.0, high))
    assert mean_interval(values + 100, 0.0) == mean_interval(values + 100)


def test_a_stage_gives_the_result_of_its_work() -> None:
    def work() -> Iterator[float]:
        yield 0.5
        yield 1.0
        return "done"  # type: ignore[return-value]

    def whole() -> Iterator[Any]:
        found = yield from stage(work(), 0.25, 0.5)  # type: ignore[arg-type]
        yield found

    assert list(whole()) == [0.5, 0.75, "done"]


def test_keys_are_unique() -> None:
    assert len({entry.key for entry in EVALUATIONS}) == len(EVALUATIONS)
    assert all(evaluation(entry.key) is entry for entry in EVALUATIONS)


def test_a_stored_result_of_a_newer_studio_is_read() -> None:
    stored = Result.read("holograms", 3, {"reports": [{"type": "hologram/1", "title": "Ours"}], "new": 1})
    assert isinstance(stored.reports[0], Note)
    assert isinstance(from_tree(to_tree(stored.reports[0])), Note)
