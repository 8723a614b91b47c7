"""What ails a run: symptoms that stay become findings."""

from __future__ import annotations

from dgm_studio.config import RunConfig
from dgm_studio.events import Finding
from models import catalog
from models.learning.base import Symptom

SETTLED = 300  # steps of a session: before, what ails a model is mostly that it has yet to learn, or to change
BELIEVED = 3  # times in succession that a symptom is seen


ALWAYS = ("values that are not finite",)  # looked for in every run


def watched(config: RunConfig | None) -> tuple[str, ...]:
    """What is looked for in a run with these settings; nothing where this studio does not know its learner."""
    if config is None:
        return ()
    return (*catalog.learning(config.learner).learner.watches, *ALWAYS)


class Doctor:
    """Hears what the learner says of itself each time it is measured, and tells each kind of symptom once."""

    def __init__(self) -> None:
        self._seen, self._times = "", 0
        self._told: set[str] = set()
        self._findings: list[Finding] = []

    def hear(self, symptom: Symptom | None) -> None:
        """`symptom`: what was seen this time; None when nothing was."""
        kind = "" if symptom is None else symptom.kind
        self._times = self._times + 1 if kind == self._seen else 1
        self._seen = kind
        if symptom is not None and self._times >= BELIEVED and kind not in self._told:
            self._told.add(kind)
            self._findings.append(Finding(kind, symptom.text, symptom.measured, symptom.remedy, dict(symptom.changes)))

    def findings(self) -> list[Finding]:
        """What is to be told, since the last call."""
        findings, self._findings = self._findings, []
        return findings
