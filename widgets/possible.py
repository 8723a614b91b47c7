"""What a person can do now, from what the workspace is at: which actions are enabled, and how the project stands."""

from __future__ import annotations

from widgets.arrangement import PLACES
from widgets.trainer import Phase
from widgets.workspace import Workspace

PAGES = {
    "pageTrain": "Train",
    "pageExplore": "Explore",
    "pageEvaluate": "Evaluate",
    "pageCompare": "Compare",
    "pageLesson": "Lesson",
}
WITH_PROJECT = ("findRun", "reset", "search", "start", "layout", "tour", "nextRun", "previousRun")


def possible(workspace: Workspace, learnable: bool, resumable: bool) -> dict[str, bool]:
    """Whether each action, by its key, can be done. `learnable`: the draft's model can learn from its data;
    `resumable`: the selected run can be trained on as it was meant to."""
    project, run, phase = workspace.project, workspace.run, workspace.trainer.phase
    busy = phase in (Phase.TRAINING, Phase.PAUSED)
    writable = workspace.project_file.writable
    known = run is not None and run.config is not None
    stateful = run is not None and known and bool(run.checkpoint_steps())
    begins = phase is Phase.IDLE and writable and (learnable or resumable)
    return {
        "train": busy or begins,
        "step": busy,
        "stop": busy or phase is Phase.LOADING,
        "discard": busy or phase is Phase.LOADING,
        "continue": writable and known and run is not None and not workspace.trainer.waits(run.id),
        "branch": stateful,
        "branchFrom": stateful,
        "compare": run is not None,
        "keepMoment": stateful and writable,
        "duplicate": run is not None,
        "useSettings": known,
        "rename": run is not None,
        "tags": run is not None,
        "notes": run is not None,
        "delete": run is not None and not workspace.trainer.trains(run.id),
        "deleted": project is not None and bool(project.deleted),
        "import": writable,
        "save": writable,
        "saveAs": project is not None and phase is Phase.IDLE,
        "recoveries": writable,
        **dict.fromkeys((*PAGES, *PLACES, *WITH_PROJECT), project is not None),
    }


def primary(phase: Phase, resumable: bool) -> tuple[str, str]:
    """Text and icon of the button that trains."""
    if phase is Phase.TRAINING:
        return "Pause", "pause"
    return ("Resume" if resumable or phase is Phase.PAUSED else "Train"), "train"


def standing(workspace: Workspace) -> str:
    """How what is on the disk relates to what is shown; nothing without a project."""
    project = workspace.project
    if project is None:
        return ""
    if project.read_only:
        return "read-only"
    if workspace.trainer.phase is not Phase.IDLE:
        return "kept while it trains"
    return "not saved yet" if project.modified else "all changes saved"
