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
    learner = catalog.learning(config.learner).learner
    overfits = ("overfitting",) if any(quantity.goal for quantity in learner.quantities) else ()
    return (*learner.watches, *overfits, *ALWAYS)


class Doctor:
    """Hears what is seen of a run each time that it is looked at, and tells each kind of symptom once."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}  # who looks -> what they saw last, and how often in succession
        self._told: set[str] = set()
        self._findings: list[Finding] = []

    def hear(self, symptom: Symptom | None, of: str = "the learner") -> None:
        """`symptom`: what was seen this time by who looks at one side `of` the run; None when nothing was."""
        kind = "" if symptom is None else symptom.kind
        before, times = self._seen.get(of, ("", 0))
        times = times + 1 if kind == before else 1
        self._seen[of] = kind, times
        if symptom is not None and times >= BELIEVED and kind not in self._told:
            self._told.add(kind)
            self._findings.append(Finding(kind, symptom.text, symptom.measured, symptom.remedy, dict(symptom.changes)))

    def findings(self) -> list[Finding]:
        """What is to be told, since the last call."""
        findings, self._findings = self._findings, []
        return findings
