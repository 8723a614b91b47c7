"""All likelihoods that were measured of several runs, in groups within which they may be compared.

Two values stand in one group only where quantity, kind (exact, lower bound, upper bound, estimate), unit, protocol and
examples are the same. Within a group, the best is marked only where its 95 % interval overlaps no other run's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dgm_studio.basis import HIGHER, Basis
from dgm_studio.evaluation import Result
from dgm_studio.reports import Cell, Column, Table, Tone
from dgm_studio.store.run import StoredEvaluation
from models.estimation.measure import Kind

MEASURED_BY = ("likelihood", "parzen")  # the evaluations whose tables hold likelihoods
UNKNOWN = "not recorded"  # on which examples, by a studio that did not say
ORDER = [str(kind) for kind in (Kind.EXACT, Kind.LOWER_BOUND, Kind.UPPER_BOUND, Kind.ESTIMATE)]
BEST, TIE, DOUBTED = "best", "tie", "not to be trusted"


@dataclass(frozen=True)
class Entry:
    """One measured value of one run."""

    run: str  # id
    measure: str  # as the evaluation names it
    value: float
    low: float  # 95 % interval
    high: float
    step: int  # of the weights
    made: str  # ISO time
    basis: Basis


@dataclass(frozen=True)
class Group:
    """Values that may be compared, the highest first, and what is said of each: BEST, TIE, DOUBTED or nothing."""

    basis: Basis  # of all, but for the doubt
    entries: tuple[Entry, ...]
    verdicts: tuple[str, ...]

    @property
    def unknown(self) -> bool:
        return self.basis.data == UNKNOWN

    @property
    def title(self) -> str:
        """What all values of the group are."""
        return _joined(self.basis.quantity, self.basis.kind, self.basis.unit)

    @property
    def protocol(self) -> str:
        """How all of them were measured, and of which examples."""
        return _joined(self.basis.way, self.basis.data if not self.unknown else "")

    @property
    def head(self) -> str:
        """Both in a line."""
        return _joined(self.title, self.protocol)

    @property
    def note(self) -> str:
        """How far they may be compared."""
        if self.unknown:
            return (
                "On which examples these were measured, and how, was not recorded: measure again to compare them with "
                "others, or with each other."
            )
        if self.basis.better != HIGHER:
            return "No model is better by this figure: look at it, but do not choose by it."
        said = ["The 95 % intervals at the top overlap: a tie."] if TIE in self.verdicts else []
        if self.basis.kind == Kind.LOWER_BOUND and len({entry.run for entry in self.entries}) > 1:
            said.append("What is highest here proves most; the likelihood of another run may still be higher.")
        return " ".join(said)


def entries_of(run_id: str, kept: Sequence[StoredEvaluation]) -> list[Entry]:
    """Every likelihood among the stored results of a run, oldest first."""
    found = []
    for one in kept:
        if one.key not in MEASURED_BY:
            continue
        for report in Result.read(one.key, one.step, one.tree).reports:
            if isinstance(report, Table):
                found += _of_table(report, run_id, one)
    return found


def grouped(entries: Sequence[Entry], every_step: bool = False) -> list[Group]:
    """The entries in groups, exact ones first. Of several results of one run in a group, only that of the latest step
    counts (the newest of that step), unless `every_step`."""
    groups: dict[tuple[str, ...], dict[tuple[object, ...], Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.step, entry.made)):
        place = groups.setdefault(entry.basis.comparable, {})
        place[entry.run, entry.measure, entry.step if every_step else 0] = entry
    made = [_group(list(group.values())) for group in groups.values()]
    return sorted(made, key=_order)


def newest_step(entries: Sequence[Entry]) -> int:
    """The latest step that was measured; -1 when none was."""
    return max((entry.step for entry in entries), default=-1)


def tables(groups: Sequence[Group], names: Mapping[str, str]) -> list[Table]:
    """A table for each group, under a head that says what all of its values are. `names` of runs, by id."""
    return [_table(group, names) for group in groups]


def as_table(groups: Sequence[Group], names: Mapping[str, str]) -> Table:
    """All groups in one table, where every row says all of what it is."""
    columns = (
        Column("Run"),
        Column("Measure"),
        Column("Value", "number"),
        Column("95 % interval", "interval"),
        Column("Unit"),
        Column("Kind", "kind"),
        Column("Step", "number", decimals=0),
        Column("Group", "number", decimals=0),
        Column("Within the group"),
        Column("Protocol"),
        Column("Data"),
    )
    rows: list[tuple[Cell, ...]] = []
    for number, group in enumerate(groups, 1):
        for entry, verdict in zip(group.entries, group.verdicts, strict=True):
            b = entry.basis
            interval, what = (entry.low, entry.high), (b.unit, b.kind)
            measured = (names[entry.run], entry.measure, entry.value, interval, *what, float(entry.step))
            rows.append((*measured, float(number), verdict, b.way, b.data))
    note = "Only rows of one group are of the same kind, unit, protocol and data, and may be compared."
    return Table("Likelihoods", columns, tuple(rows), note)


def tone(verdict: str) -> Tone:
    """The colour in which a verdict is said."""
    tones: dict[str, Tone] = {BEST: "good", DOUBTED: "warn"}
    return tones.get(verdict, "plain")


def _joined(*parts: str) -> str:
    return "  ·  ".join(part for part in parts if part)


def _of_table(table: Table, run_id: str, one: StoredEvaluation) -> list[Entry]:
    places = {column.format: i for i, column in reversed(list(enumerate(table.columns)))}
    if not {"number", "interval", "kind"} <= set(places):
        return []
    found = []
    for number, row in enumerate(table.rows):
        value, interval, kind = (row[places[name]] for name in ("number", "interval", "kind"))
        if not isinstance(value, int | float) or not isinstance(interval, tuple):
            continue
        if table.bases:
            basis = table.bases[number]
        else:
            basis = Basis(str(row[0]), str(kind), table.columns[places["number"]].unit, "", UNKNOWN, "")
        if basis.quantity:
            low, high = interval
            found.append(Entry(run_id, str(row[0]), float(value), low, high, one.step, one.made, basis))
    return found


def _group(entries: list[Entry]) -> Group:
    ordered = tuple(sorted(entries, key=lambda entry: -entry.value if math.isfinite(entry.value) else math.inf))
    return Group(replace(ordered[0].basis, doubt=""), ordered, _verdicts(ordered))


def _verdicts(entries: Sequence[Entry]) -> tuple[str, ...]:
    """`entries` are of one group, the highest first."""
    said = [DOUBTED if entry.basis.doubt else "" for entry in entries]
    sound = [i for i, entry in enumerate(entries) if not entry.basis.doubt and math.isfinite(entry.value)]
    rivals = {entries[i].run for i in sound}
    if len(rivals) < 2 or entries[0].basis.better != HIGHER or entries[0].basis.data == UNKNOWN:
        return tuple(said)
    top = entries[sound[0]]
    level = [i for i in sound if not entries[i].high < top.low]  # an interval that is not known overlaps all
    alone = {entries[i].run for i in level} == {top.run}
    for i in [sound[0]] if alone else level:
        said[i] = BEST if alone else TIE
    return tuple(said)


def _order(group: Group) -> tuple[object, ...]:
    b = group.basis
    kind = ORDER.index(b.kind) if b.kind in ORDER else len(ORDER)
    runs = len({entry.run for entry in group.entries})
    return group.unknown, b.better != HIGHER, kind, -runs, b.quantity, b.way, b.data, b.examples


def _table(group: Group, names: Mapping[str, str]) -> Table:
    columns = (
        Column("Run"),
        Column("Value", "number", group.basis.unit),
        Column("95 % interval", "interval", group.basis.unit),
        Column("Kind", "kind"),
        Column("Step", "number", decimals=0),
        Column(""),
        Column("Why", "detail"),
    )
    several = len({entry.measure for entry in group.entries}) > 1
    rows: list[tuple[Cell, ...]] = []
    for entry, verdict in zip(group.entries, group.verdicts, strict=True):
        name = f"{names[entry.run]}, {entry.measure}" if several else names[entry.run]
        figures = entry.value, (entry.low, entry.high), entry.basis.kind, float(entry.step)
        rows.append((name, *figures, verdict, entry.basis.doubt))
    return Table(group.head, columns, tuple(rows), group.note)
