"""Runs that learn from two sets of data: what describes them, what feeds them, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dgm_studio import moved_data
from dgm_studio.capture import _cloned, _tensors
from dgm_studio.commands.configure import configure
from dgm_studio.commands.output import CommandError
from dgm_studio.commands.projects import data_of
from dgm_studio.config import DataChoice, RunConfig, default_data, of_domains
from dgm_studio.datasets.base import BadData, Dataset, Provenance, Split, joined
from dgm_studio.datasets.identity import same_data
from dgm_studio.datasets.sources import load
from dgm_studio.events import Finished
from dgm_studio.feeds import Feeder
from dgm_studio.metrics import Metrics
from dgm_studio.settings_files import read_config
from dgm_studio.store import Project
from dgm_studio.training import TrainingSession
from models.catalog import FAMILIES
from models.learning.base import Feed, Learner
from models.settings import NoSettings, SettingsError, read_settings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

CPU = torch.device("cpu")
ONE = DataChoice(source="bars")
TWO = DataChoice(source="ring", other=DataChoice(source="moons", split_seed=3))


class Both(Learner):
    """Is fed two domains, and keeps what it was fed."""

    feed = Feed.TWO_DOMAINS

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return {}

    def held_out(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        self.held = batch
        return {}


def part(n: int, first: int) -> Dataset:
    """n numbered training examples and 10 of each other part."""

    def split(n: int, first: int) -> Split:
        return Split(torch.arange(first, first + n).float()[:, None], torch.zeros(n, dtype=torch.int64))

    spec = DataSpec((1,), Support.REALS, Layout.VECTOR)
    return Dataset(spec, split(n, first), split(10, first + n), split(10, first + n + 10), Provenance(f"from {first}"))


def both(first: int = 40, second: int = 25) -> Dataset:
    return joined(part(first, 0), part(second, 1000))


def feeder(dataset: Dataset, batch_size: int = 10) -> Feeder:
    return Feeder(dataset, Both(nn.Linear(1, 1), NoSettings(), dataset.spec, 1), batch_size, CPU)


# Descriptions.


def test_a_choice_of_two_domains_comes_back_from_text() -> None:
    assert DataChoice.model_validate_json(TWO.model_dump_json()) == TWO
    assert [domain.source for domain in TWO.domains] == ["ring", "moons"]
    assert of_domains(*TWO.domains) == TWO
    assert of_domains(*ONE.domains) == ONE


def test_a_choice_of_one_domain_is_written_as_before_there_were_two() -> None:
    assert "other" not in ONE.model_dump()
    assert "other" not in RunConfig(family="a", learner="b", data=ONE).model_dump()["data"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"other": {}}, "data.other: the second domain has no further one"),
        ({"sauce": "ring"}, "data.other.sauce: unknown setting"),
        ({"binarization": "coin"}, "data.other.binarization"),
        ({"split_seed": -1}, "data.other.split_seed"),
        (["ring"], "data.other"),
    ],
)
def test_a_second_domain_that_makes_no_sense_is_refused_by_name(other: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(DataChoice, {"other": other}, "data")


def test_domains_without_end_are_refused() -> None:
    values: dict[str, Any] = {}
    for _ in range(100_000):
        values = {"other": values}
    with pytest.raises(SettingsError, match="data"):
        read_settings(DataChoice, values, "data")
    while values:  # taken apart from outside: the interpreter's own way is recursive
        values = values["other"]


def test_data_of_two_domains_describe_each_other() -> None:
    dataset = load(TWO)
    assert dataset.other is not None
    assert dataset.spec.other == dataset.other.spec
    assert dataset.provenance.other == dataset.other.provenance
    assert dataset.title == f"{load(DataChoice(source='ring')).title} and {dataset.other.title}"
    alone, second = dataset.domains
    assert (alone.spec.other, alone.provenance.other, alone.other) == (None, None, None)
    assert torch.equal(second.train.x, load(TWO.domains[1]).train.x)
    assert dataset.nbytes == alone.nbytes + second.nbytes


def test_a_setting_of_the_second_domain_is_named_as_such() -> None:
    with pytest.raises(SettingsError, match=r"data\.other\.modes"):
        load(DataChoice(source="moons", other=DataChoice(source="ring", settings={"modes": 0})))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_a_familys_own_data_have_as_many_domains_as_its_learner_is_fed(family: Any) -> None:
    choice = default_data(family)
    config = RunConfig(family=family.key, learner=family.learners[0], data=choice)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    from models.catalog import Recipe

    recipe = Recipe.read(family.key, family.learners[0], {}, {})
    assert (choice.other is not None) == (recipe.learning.learner.feed is Feed.TWO_DOMAINS)
    spec = load(choice).spec
    recipe.check(spec)
    unlike = replace(spec, other=spec if spec.other is None else None)
    with pytest.raises(UnsuitableData, match="second one"):
        recipe.check(unlike)


# Feeding.


def test_each_domain_is_visited_once_before_any_example_comes_again() -> None:
    torch.manual_seed(0)
    fed = feeder(both(40, 25))
    batches = [fed.next() for _ in range(4)]
    for batch in batches:
        assert batch.other is not None
        assert batch.x.shape == batch.other.x.shape == (10, 1)
        assert torch.equal(batch.x[:, 0], batch.index.float())
        assert torch.equal(batch.other.x[:, 0], batch.other.index.float() + 1000)
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(40))
    seconds = torch.cat([batch.other.index for batch in batches[:2] if batch.other is not None])
    assert len(seconds.unique()) == 20


def test_the_orders_of_the_domains_are_independent() -> None:
    torch.manual_seed(0)
    batch = feeder(both(40, 40), 20).next()
    assert batch.other is not None
    assert not torch.equal(batch.index, batch.other.index)


@pytest.mark.parametrize("sizes", [(40, 7), (7, 40)])
def test_the_smaller_domain_bounds_the_batch(sizes: tuple[int, int]) -> None:
    batch = feeder(both(*sizes)).next()
    assert batch.other is not None
    assert len(batch.x) == len(batch.other.x) == 7


def test_feeding_goes_on_where_it_was_in_both_domains() -> None:
    torch.manual_seed(0)
    fed = feeder(both())
    for _ in range(3):
        fed.next()
    state, rng = fed.state(), torch.get_rng_state()
    expected = [_tensors(fed.next()) for _ in range(5)]
    again = feeder(both())
    again.load_state(state)
    torch.set_rng_state(rng)
    for tensors in expected:
        assert all(torch.equal(a, b) for a, b in zip(_tensors(again.next()), tensors, strict=True))


@pytest.mark.parametrize(
    "other",
    [
        None,
        3,
        {},
        {"order": torch.arange(25), "position": 26},
        {"order": torch.arange(24), "position": 0},
        {"order": torch.zeros(25, dtype=torch.int64), "position": 0},
    ],
)
def test_a_kept_place_in_the_second_domain_that_makes_no_sense_is_refused(other: Any) -> None:
    fed = feeder(both())
    with pytest.raises(ValueError, match=r"kept state|saved order"):
        fed.load_state({**fed.state(), "other": other})


def test_held_out_examples_are_of_both_domains_and_as_many() -> None:
    dataset = both()
    assert dataset.other is not None
    dataset = joined(dataset.domains[0], replace(dataset.other, valid=part(4, 5000).train))
    learner = Both(nn.Linear(1, 1), NoSettings(), dataset.spec, 1)
    Metrics(learner, dataset, CPU).hold_out(0, force=True)
    assert learner.held.other is not None
    assert len(learner.held.x) == len(learner.held.other.x) == 4
    assert learner.held.other.x.min() >= 5000


def test_a_recorded_step_reads_both_domains() -> None:
    batch = feeder(both()).next()
    copy = _cloned(batch)
    assert len(_tensors(copy)) == 6
    for own, other in zip(_tensors(copy), _tensors(batch), strict=True):
        assert own.data_ptr() != other.data_ptr()
        assert torch.equal(own, other)


# What is kept, and where data lies.


def test_a_change_of_the_second_domain_is_noticed() -> None:
    from dataclasses import asdict

    dataset = load(TWO)
    stored = asdict(dataset.provenance)
    assert same_data(stored, dataset) is None
    changed = load(TWO.model_copy(update={"other": DataChoice(source="moons", split_seed=4)}))
    said = same_data(stored, changed)
    assert said is not None
    assert said.startswith("Two moons is not the data this run was made with")
    assert same_data({**stored, "other": 7}, dataset) is None  # no record of it


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A project with a run whose two domains lie in files that were moved since."""
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).random((40, 3)).astype(np.float32))
    one, two = (DataChoice(source="numpy", settings={"path": str(tmp_path / f"{k}.npy")}) for k in range(2))
    choice = of_domains(one, two)
    file = tmp_path / "p.dgm"
    from dataclasses import asdict

    with Project.create(file) as project:
        for data in (choice, of_domains(two, one)):
            family = FAMILIES[0]
            run = project.new_run(RunConfig(family=family.key, learner=family.learners[0], data=data))
            run.provenance = {"data": asdict(load(data).provenance)}
        project.save()
    (tmp_path / "new").mkdir()
    for number in range(2):
        (tmp_path / f"{number}.npy").rename(tmp_path / "new" / f"{number}.npy")
    return file


def paths(project: Project) -> list[list[str]]:
    return [
        [Path(path).parent.name for path in moved_data.places(run.config.data).values()]
        for run in project.runs.values()
        if run.config is not None
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_each_domain_is_found_where_it_lies_now(kept: Path, first: int) -> None:
    new = kept.parent / "new"
    with Project.open(kept) as project:
        run = next(iter(project.runs.values()))
        assert run.config is not None
        with pytest.raises(CommandError, match="does not exist"):
            data_of(run)
        with pytest.raises(BadData, match="does not hold the data"):
            moved_data.found(run, run.config.data, kept.parent / "2.npy", load)
        number, dataset = moved_data.found(run, run.config.data, new / f"{first}.npy", load)
        assert (number, len(dataset.train)) == (first, 32)
        assert len(moved_data.move(project, run, new / f"{first}.npy", number)) == 2
        moved = paths(project)
        assert [place == "new" for place in moved[0]] == [first == 0, first == 1]
        assert [place == "new" for place in moved[1]] == [
            first == 1,
            first == 0,
        ]  # the other way round in the other run
        dataset = data_of(run, [new / "1.npy", new / "0.npy"], project, strict=True)
        assert paths(project) == [["new", "new"]] * 2
        assert torch.equal(dataset.train.x, load(run.config.data).train.x)


def test_a_project_with_a_bad_second_domain_opens_and_says_what_is_wrong(tmp_path: Path) -> None:
    bad: list[Any] = [{"other": {"source": "ring"}}, 7, {"path": "x"}, {"source": "ring", "settings": "all"}]
    with Project.create(tmp_path / "p.dgm") as project:
        for other in bad:
            run = project.new_run(RunConfig(family=FAMILIES[0].key, learner=FAMILIES[0].learners[0], data=ONE))
            run._change(config={**run.raw_config, "data": {**ONE.model_dump(), "other": other}})
        project.save()
    with Project.open(tmp_path / "p.dgm", read_only=True) as project:
        for run in project.runs.values():
            assert run.config is None
            assert "data.other" in run.history_only


# The command line and settings files.


def of_first(*, data: str | None = None, other: str | None = None, words: tuple[str, ...] = ()) -> DataChoice:
    return configure(None, FAMILIES[0].key, None, data, "none", words, {}, None, other).data


def test_the_command_line_names_the_second_domain_and_sets_it() -> None:
    words = ("other.modes=3", "other.split_seed=4", "data.split_seed=5")
    made = of_first(data="moons", other="ring", words=words)
    assert made == DataChoice(
        source="moons", split_seed=5, other=DataChoice(source="ring", settings={"modes": 3}, split_seed=4)
    )
    assert of_first(other="ring", words=("other.levels=4",)).other == DataChoice(source="ring", levels=4)
    assert of_first(other="none").other is None
    with pytest.raises(CommandError, match="there is no second data set"):
        of_first(words=("other.modes=3",))


def test_two_folders_of_pictures_are_the_two_domains_grey_and_colour(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for name, shape in (("grey", (9, 12)), ("colour", (12, 9, 3))):
        (tmp_path / name).mkdir()
        for number in range(30):
            Image.fromarray(noise.integers(0, 256, shape, np.uint8)).save(tmp_path / name / f"{number}.png")
    words = tuple(f"{d}.{side}=6" for d in ("data", "other") for side in ("height", "width"))
    words += (f"data.path={tmp_path / 'grey'}", f"other.path={tmp_path / 'colour'}", "model.hidden=8")
    config = configure(None, "cyclegan", None, "images", "none", words, {"steps": 3, "batch_size": 5}, None, "images")
    data = load(config.data)
    assert [domain.spec.event_shape for domain in data.domains] == [(1, 6, 6), (3, 6, 6)]
    *_, last = TrainingSession(config, data).events()
    assert last == Finished(3, stopped=False)


def test_a_settings_file_describes_both_domains_from_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        f'family = "{FAMILIES[0].key}"\n[data]\nsource = "numpy"\nsettings = {{ path = "a.npy" }}\n'
        '[data.other]\nsource = "numpy"\nsettings = { path = "b.npy" }\nbinarization = "threshold"\n'
    )
    other = read_config(file).data.other
    assert other is not None
    assert (other.settings["path"], other.binarization) == (str(tmp_path / "b.npy"), "threshold")
    file.write_text(file.read_text().replace("b.npy", "b.npy', x = '").replace("path =", "pfad ="))
    with pytest.raises(SettingsError):
        read_config(file)
    file.write_text(f'family = "{FAMILIES[0].key}"\n[data.other]\nsource = "nothing"\n')
    with pytest.raises(SettingsError, match=r"data\.other\.source"):
        read_config(file)
    file.write_text(f'family = "{FAMILIES[0].key}"\n[data.other.other]\nsource = "ring"\n')
    with pytest.raises(SettingsError, match="no further one"):
        read_config(file)
