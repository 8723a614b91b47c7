"""Runs beside each other: settings that differ, and likelihoods that are never mixed."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dgm_studio.basis import HIGHER, Basis
from dgm_studio.cli import run as command
from dgm_studio.comparison.likelihoods import (
    BEST,
    DOUBTED,
    TIE,
    UNKNOWN,
    Entry,
    as_table,
    entries_of,
    grouped,
    newest_step,
    tables,
)
from dgm_studio.comparison.rates import as_table as rates_table
from dgm_studio.comparison.rates import iso_values, planes, points_of
from dgm_studio.comparison.settings import as_table as settings_table
from dgm_studio.comparison.settings import compared
from dgm_studio.config import BINARIZATION_TEXT, DataChoice, RunConfig, TrainingSettings
from dgm_studio.evaluations.base import basis_of
from dgm_studio.reports import Column, Points, Series, Table, from_tree, to_tree
from dgm_studio.store import Project
from dgm_studio.store.run import StoredEvaluation
from models.catalog import FAMILIES
from models.estimation.measure import Kind, Measure
from models.spec import Support

KINDS = [str(kind) for kind in Kind]
SAME = Basis("log p(x)", "exact", "nats per example", "", "digits, 360 test examples", "abc", HIGHER)


def entry(run: str, value: float, half: float = 1.0, step: int = 10, basis: Basis = SAME) -> Entry:
    return Entry(run, basis.quantity, value, value - half, value + half, step, "2026-01-01T00:00:00+00:00", basis)


def config(family: str = "vae", learner: str = "", **changes: Any) -> RunConfig:
    entry = next(one for one in FAMILIES if one.key == family)
    return RunConfig(family=family, learner=learner or entry.learners[0], **changes)


@pytest.mark.parametrize(("one", "other"), list(itertools.product(KINDS, KINDS)))
def test_values_stand_in_one_group_only_where_they_are_of_one_kind(one: str, other: str) -> None:
    first, second = entry("a", -90.0, basis=replace(SAME, kind=one)), entry("b", -80.0, basis=replace(SAME, kind=other))
    groups = grouped([first, second])
    if one == other:
        (group,) = groups
        assert group.verdicts == (BEST, "")
    else:
        assert [len(group.entries) for group in groups] == [1, 1]
        assert {verdict for group in groups for verdict in group.verdicts} == {""}
        assert [group.basis.kind in group.head for group in groups] == [True, True]
    for table in tables(groups, {"a": "A", "b": "B"}):
        place = [column.format for column in table.columns].index("kind")
        assert len({row[place] for row in table.rows}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "bits per dimension"},
        {"way": "k = 500 draws of z per example"},
        {"data": "digits, 100 test examples"},
        {"examples": "other"},
        {"quantity": "ELBO"},
        {"better": ""},
    ],
)
def test_values_of_other_units_protocols_or_data_stand_apart(change: dict[str, str]) -> None:
    groups = grouped([entry("a", -90.0), entry("b", -80.0, basis=replace(SAME, **change))])
    assert [group.verdicts for group in groups] == [("",), ("",)]


def test_the_best_is_marked_only_where_no_interval_overlaps() -> None:
    (clear,) = grouped([entry("a", -90), entry("b", -80), entry("c", -85)])
    assert [e.run for e in clear.entries] == ["b", "c", "a"]
    assert clear.verdicts == (BEST, "", "")
    (touching,) = grouped([entry("a", -82), entry("b", -80), entry("c", -85)])
    assert touching.verdicts == (TIE, TIE, "")
    assert "tie" in touching.note
    (unsure,) = grouped([entry("a", -90, math.inf), entry("b", -80)])
    assert unsure.verdicts == (TIE, TIE)


def test_nothing_is_best_alone_nor_by_a_figure_that_does_not_rank_models() -> None:
    alone = grouped([entry("a", -90, step=1), entry("a", -80, step=2)], every_step=True)
    assert [group.verdicts for group in alone] == [("", "")]
    (parzen,) = grouped(
        [entry("a", 90, basis=replace(SAME, better="")), entry("b", 80, basis=replace(SAME, better=""))]
    )
    assert parzen.verdicts == ("", "")
    assert "No model is better" in parzen.note


def test_what_is_not_to_be_trusted_is_never_the_best() -> None:
    doubted = replace(SAME, doubt="Only 1.2 of 100 weights count.")
    (group,) = grouped([entry("a", -70, basis=doubted), entry("b", -80), entry("c", -90)])
    assert group.verdicts == (DOUBTED, BEST, "")
    assert tables([group], {"a": "A", "b": "B", "c": "C"})[0].rows[0][-1] == doubted.doubt
    assert not group.basis.doubt


def test_of_each_run_the_latest_step_counts_unless_every_one_is_asked_for() -> None:
    entries = [entry("a", -90, step=5), entry("a", -80, step=20), entry("b", -85, step=7)]
    (group,) = grouped(entries)
    assert [(e.run, e.step) for e in group.entries] == [("a", 20), ("b", 7)]
    (group,) = grouped(entries, every_step=True)
    assert len(group.entries) == 3
    assert newest_step(entries) == 20
    assert newest_step([]) == -1


def test_a_value_of_a_studio_that_did_not_say_on_what_is_compared_with_nothing() -> None:
    columns = (Column("Measure"), Column("Value", "number", "nats"), Column("I", "interval"), Column("Kind", "kind"))
    old = Table("Log-likelihood", columns, (("log p(x)", -80.0, (-81.0, -79.0), "exact"),))
    kept = StoredEvaluation("likelihood", 5, "2026-01-01T00:00:00+00:00", {"reports": [to_tree(old)]})
    (group,) = grouped([*entries_of("a", [kept]), *entries_of("b", [kept])])
    assert group.basis.data == UNKNOWN
    assert group.unknown
    assert group.verdicts == ("", "")
    assert "measure again" in group.note
    other = StoredEvaluation("fidelity", 5, "2026-01-01T00:00:00+00:00", {"reports": [to_tree(old)]})
    assert entries_of("a", [other]) == []


def test_a_basis_is_kept_with_its_table_and_must_be_there_for_each_row() -> None:
    columns = (Column("Measure"), Column("Value", "number"))
    table = Table("T", columns, (("a", 1.0),), bases=(SAME,))
    assert from_tree(to_tree(table)) == table
    with pytest.raises(ValueError, match="a basis for each row"):
        Table("T", columns, (("a", 1.0), ("b", 2.0)), bases=(SAME,))


def test_exact_is_exact_however_it_was_computed_and_grey_values_rank_nothing() -> None:
    x = torch.zeros(2, 3)
    by_sum = Measure("log p(x)", -1, -2, 0, Kind.EXACT, "nats per example", "digits; log Z = 3.1 by enumeration")
    by_order = Measure("log p(x), quadrature", -1, -2, 0, Kind.EXACT, "nats per example", "digits")
    bound = Measure("ELBO", -1, -2, 0, Kind.LOWER_BOUND, "nats per example", "digits; 1 draw of z per example")
    basis = basis_of(by_sum, x, "digits", Support.BITS)
    assert basis == basis_of(by_order, x, "digits", Support.BITS)
    assert (basis.way, basis.better) == ("", HIGHER)
    assert basis_of(bound, x, "digits", Support.BITS).way == "1 draw of z per example"
    assert basis_of(by_sum, x, "digits", Support.UNIT).better == ""
    assert basis_of(replace(bound, kind=Kind.UPPER_BOUND), x, "digits", Support.BITS).better == ""
    assert basis_of(replace(bound, likelihood=False), x, "digits", Support.BITS).better == ""
    assert basis_of(by_sum, x + 1, "digits", Support.BITS).examples != basis.examples


def test_settings_are_compared_by_title_and_what_one_family_lacks_is_missing() -> None:
    first = config(model={"latent": 2}, training=TrainingSettings(seed=1))
    second = config(model={"latent": 5}, data=DataChoice(binarization="fixed"))
    rows = {(row.group, row.title): row for row in compared([first, second])}
    assert [row.values for row in rows.values() if row.group == "Model" and row.differs] == [("2", "5")]
    differing = {row.title for row in rows.values() if row.differs}
    assert {"Seed", "Binarisation"} <= differing
    assert "Batch size" not in differing
    assert [group for group, _ in itertools.groupby(row.group for row in compared([first, second]))] == [
        "Model",
        "Learning",
        "Data",
        "Training",
    ]
    assert {row.title: row.values[0] for row in rows.values()}.items() >= {
        "Activation": "ReLU",  # by their names, and not as files have them
        "Grey levels": "off",
        "Learning-rate decay": "off",
        "Binarisation": BINARIZATION_TEXT[first.data.binarization],
    }.items()
    mixed = {row.title: row for row in compared([first, config("rbm"), None])}
    assert mixed["Family"].values[2] is None
    assert mixed["Family"].differs
    only_vae = [row for row in mixed.values() if row.group == "Model" and row.values[1] is None]
    assert only_vae
    assert all(row.differs for row in only_vae)
    table = settings_table(list(mixed.values()), ["a", "b", "c"])
    assert {row[-1] for row in table.rows} == {"–"}


def kept(value: float, *bases: Basis) -> dict[str, Any]:
    columns = (Column("Measure"), Column("Value", "number", "nats"), Column("I", "interval"), Column("Kind", "kind"))
    rows = tuple((basis.quantity, value, (value - 1, value + 1), basis.kind) for basis in bases)
    return {"reports": [to_tree(Table("Log-likelihood", columns, rows, bases=bases))]}


def test_the_command_prints_settings_and_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.dgm"
    bound = replace(SAME, quantity="ELBO", kind="lower bound", way="1 draw of z per example")
    with Project.create(path) as project:
        project.new_run(config(model={"latent": 2}), name="small").add_evaluation("likelihood", 9, kept(-90, bound))
        project.new_run(config(model={"latent": 3}), name="large").add_evaluation("likelihood", 9, kept(-80, bound))
        project.new_run(config("rbm"), name="machine").add_evaluation("likelihood", 9, kept(-95, SAME))
        project.new_run(config("nade"), name="unmeasured")
        project.save()

    def photograph(folder: Path, project: Path | None) -> list[Path]:
        raise AssertionError

    assert command(["compare", str(path), "small", "large", "machine", "--json"], photograph) == 0
    said = json.loads(capsys.readouterr().out)
    ids = [run["id"] for run in said["runs"]]
    assert (
        next(row for row in said["settings"] if row["title"] == "Family")["values"][ids[2]]
        != said["settings"][0]["values"][ids[0]]
    )
    exact, bounds = said["likelihoods"]
    assert (exact["kind"], [e["verdict"] for e in exact["entries"]]) == ("exact", [""])
    assert (bounds["kind"], [e["verdict"] for e in bounds["entries"]]) == ("lower bound", [BEST, ""])
    assert [e["run"] for e in bounds["entries"]] == [ids[1], ids[0]]
    assert command(["compare", str(path)], photograph) == 0
    assert "No likelihood was measured of unmeasured" in capsys.readouterr().out
    assert command(["compare", str(path), "small"], photograph) == 2
    assert "at least two" in capsys.readouterr().err


def test_one_table_says_of_every_row_all_that_it_is() -> None:
    groups = grouped([entry("a", -90), entry("b", -80), entry("a", -95, basis=replace(SAME, kind="lower bound"))])
    table = as_table(groups, {"a": "A", "b": "B"})
    heads = [column.title for column in table.columns]
    assert [row[heads.index("Group")] for row in table.rows] == [1.0, 1.0, 2.0]
    assert [row[heads.index("Kind")] for row in table.rows] == ["exact", "exact", "lower bound"]


def test_points_of_a_plane_are_those_of_the_newest_result_of_each_step() -> None:
    def kept(step: int, rate: float, plane: str = "p", number: int = 0) -> StoredEvaluation:
        series = (Series("s", np.array([rate]), np.array([9.0])),)
        report = Points("Plane", "rate", "distortion", series, plane=plane)
        made = f"2026-01-01T00:00:0{number}+00:00"
        return StoredEvaluation("rate-distortion", step, made, {"reports": [to_tree(report)]})

    points = points_of("a", [kept(20, 2.0), kept(5, 1.0), kept(20, 3.0, number=1), kept(5, 7.0, "q")])
    assert [(p.step, p.rate, p.plane) for p in points if p.plane == "p"] == [(5, 1.0, "p"), (20, 3.0, "p")]
    assert points[-1].elbo == -12.0
    assert planes([*points, *points_of("b", [kept(1, 1.0, "q")])]) == ["q", "p"]
    assert len(rates_table(points, {"a": "A"}).rows) == 3


def test_lines_of_constant_elbo_lie_at_round_values() -> None:
    assert iso_values(0.0, 100.0) == [10.0 * n for n in range(11)]
    assert iso_values(12.0, 13.0, 5) == pytest.approx([12.0, 12.2, 12.4, 12.6, 12.8, 13.0])
    assert iso_values(3.0, 3.0) == []
