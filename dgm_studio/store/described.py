"""What a run says of itself: all that is no array."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dgm_studio.config import MAX_STEPS, RunConfig
from dgm_studio.events import Finding
from dgm_studio.store.records import Best, Merged, Noted, Origin, RunRecord, Status
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from dgm_studio.store.runs import Runs

WEIGHTS_FROM = "weights"  # in the provenance: the file whose weights the run began with
PLANNED_FROM = "planned_from"  # in the provenance: the step from which the newest part of the plan goes


class Described:
    """The record of a run. Each change replaces it as a whole, so that any thread may read it at any time."""

    def __init__(self, project: Runs, run_id: str, record: RunRecord) -> None:
        self.id = run_id
        self._project, self._record = project, record
        self._understood: tuple[dict[str, Any], RunConfig | None, str] | None = None

    @property
    def record(self) -> RunRecord:
        return self._record

    @property
    def lock(self) -> threading.RLock:
        return self._project.lock

    @property
    def name(self) -> str:
        return self._record.name

    @name.setter
    def name(self, name: str) -> None:
        with self.lock:
            if name != self._record.name:
                self._change(name=self._project.unique_name(name))

    @property
    def status(self) -> Status:
        return self._record.status

    @property
    def message(self) -> str:
        """Why it failed, or how it was recovered."""
        return self._record.message

    def conclude(self, status: Status, message: str = "") -> None:
        self._change(status=status, message=message)

    @property
    def notes(self) -> str:
        return self._record.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._change(notes=notes)

    @property
    def tags(self) -> list[str]:
        return list(self._record.tags)

    @tags.setter
    def tags(self, tags: Iterable[str]) -> None:
        self._change(tags=list(dict.fromkeys(tags)))

    @property
    def findings(self) -> list[Noted]:
        """What was noticed in the run, in order."""
        return list(self._record.findings)

    @property
    def deleted(self) -> str:
        """When the run was deleted (ISO time, UTC); empty while it is part of the project."""
        return self._record.deleted

    @property
    def created(self) -> str:
        return self._record.created

    @property
    def parent(self) -> tuple[str, int] | None:
        """The run and step that this one was branched from."""
        return self._record.parent

    @property
    def origin(self) -> Origin | None:
        """The run of another project that this one was copied from."""
        return self._record.origin

    @property
    def best(self) -> Best | None:
        return self._record.best

    @best.setter
    def best(self, best: Best | None) -> None:
        self._change(best=best)

    @property
    def demanded(self) -> list[int]:
        """Steps of the states that somebody asked to keep, in order."""
        return list(self._record.demanded)

    def demand(self, step: int) -> None:
        """The state of `step` is to stay, whatever else is let go of."""
        with self.lock:
            if step not in self._record.demanded:
                self._change(demanded=sorted([*self._record.demanded, step]))

    def release(self, step: int) -> None:
        """The state of `step` may be let go of like any other. It stays until the run trains on."""
        with self.lock:
            if step in self._record.demanded:
                self._change(demanded=[one for one in self._record.demanded if one != step])

    @property
    def provenance(self) -> dict[str, Any]:
        """Data (title, files with sha256, steps, licence), versions, threads, device of the newest session."""
        return self._record.provenance

    @provenance.setter
    def provenance(self, provenance: dict[str, Any]) -> None:
        self._change(provenance=provenance)

    @property
    def raw_config(self) -> dict[str, Any]:
        return self._record.config

    @property
    def config(self) -> RunConfig | None:
        """None when this studio does not know the family or its settings: the run is history then."""
        return self._read_config()[0]

    @property
    def history_only(self) -> str:
        """Why the run can be looked at but not continued; empty when it can."""
        return self._read_config()[1]

    def _read_config(self) -> tuple[RunConfig | None, str]:
        raw, known = self.raw_config, self._understood
        if known is None or known[0] is not raw:
            try:
                config = read_settings(RunConfig, raw, "run")
                Recipe.read(config.family, config.learner, config.model, config.learning)
                known = raw, config, ""
            except (SettingsError, UnknownKey) as error:
                known = raw, None, f"This studio cannot continue {self.name}: {error}"
            self._understood = known
        return known[1:]

    def replan(self, steps: int, device: str = "", begin: int | None = None) -> None:
        """The run is to be trained for `steps` in all and, if given, on another device. MAX_STEPS and more are an open
        end and no plan: what was planned before stays. What is new of the plan begins at the step `begin`, or where
        the plan ended before."""
        with self.lock:
            before = self.raw_config.get("training", {})
            plan = {**({"steps": steps} if steps < MAX_STEPS else {}), **({"device": device} if device else {})}
            if plan.get("steps", before.get("steps")) != before.get("steps"):
                begin = before.get("steps", 0) if begin is None else begin
                self._change(provenance={**self.provenance, PLANNED_FROM: begin})
            if before | plan != before:
                self._change(config={**self.raw_config, "training": before | plan})

    @property
    def planned_last(self) -> int:
        """How many steps were asked for last: all that were planned, or those by which the plan was prolonged."""
        plan = self.config.training.steps if self.config is not None else 0
        begin = self.provenance.get(PLANNED_FROM, 0)
        return plan - begin if isinstance(begin, int) and 0 <= begin < plan else plan

    def read_data_from(self, path: str, domain: int = 0) -> None:
        """The file or folder of its data, of two domains the first or (1) the second, lies here now. The provenance
        keeps where it lay when the run was trained."""
        with self.lock:
            data = self.raw_config.get("data", {})
            of = data.get("other", {}) if domain else data
            moved = {**of, "settings": {**of.get("settings", {}), "path": path}}
            if moved != of:
                self._change(config={**self.raw_config, "data": {**data, "other": moved} if domain else moved})

    # What trainings and the project bring.

    def keep_finding(self, step: int, finding: Finding) -> None:
        """Note a finding, unless it was noted before."""
        noted = Noted(step=step, **asdict(finding))
        with self.lock:
            if all((known.kind, known.text) != (noted.kind, noted.text) for known in self._record.findings):
                self._change(findings=[*self._record.findings, noted])

    def mark_deleted(self, when: str) -> None:
        """For Project.delete_run and Project.restore_run."""
        self._change(deleted=when)

    def merged(self, saves: int, session: str, until: int | None = None) -> None:
        self._change(merged=Merged(saves=saves, session=session, until=until))

    def _change(self, **fields: Any) -> None:
        with self.lock:
            self._record = self._record.model_copy(update=fields)
            self._project.touch()
