"""What a person is told about the project file itself: that it cannot be written, that something else changed it, that
a training of it was cut off; and what can be done about each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from dgm_studio.number_texts import thousands
from dgm_studio.store import Project, Recovery
from widgets.notices import Notice, Remedy
from widgets.projects import Projects
from widgets.run_changes import RunChanges
from widgets.times import at
from widgets.workspace import Workspace


class ProjectNotices(QObject):
    """Speaks when a project is opened, when a save finds another file in its place, and when `look()` does: the window
    calls that whenever a person comes back to it."""

    def __init__(
        self,
        workspace: Workspace,
        projects: Projects,
        changes: RunChanges,
        show_recoveries: Callable[[], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace, self._projects, self._changes = workspace, projects, changes
        self._show_recoveries = show_recoveries
        self._said: tuple[Project, str] | None = None  # so that nothing is said twice
        workspace.project_file.opened.connect(self._greet)
        workspace.project_file.displaced.connect(self._displaced)

    def look(self) -> None:
        """See what became of the project file, and say it if it is new."""
        project = self._workspace.project
        if project is None or self._workspace.files.busy:
            return

        def work() -> str:
            return project.changed_outside() or ("free" if project.free_to_write() else "")

        self._workspace.files.submit(work, lambda what: self._found(project, what))

    def _found(self, project: Project, what: str) -> None:
        if project is not self._workspace.project:
            return
        if not what:
            self._said = None
        elif self._said != (project, what):
            if what == "free":
                self._said = project, what
                self._say(
                    "info",
                    f"{project.path.name} is no longer open elsewhere. Opened anew, it can be changed here.",
                    Remedy("Open it anew", self._projects.reopen),
                )
            else:
                self._displaced(what)

    def _displaced(self, what: str) -> None:
        """Another file, or none, has the project's name."""
        project = self._workspace.project
        if project is None:
            return
        self._said = project, what
        name, mine = project.path.name, Remedy("Save as …", self._projects.save_as)
        if what == "missing":
            text = f"{name} was moved or deleted. All of it is still here, but not on the disk."
            self._say("bad", text, Remedy("Write it again", self._workspace.project_file.save_over), mine)
        elif what == "conflict":
            unsaved = " without what you changed since" if project.modified else ""
            text = f"Another program has changed {name}. What you see here is as it was; nothing was overwritten."
            self._say(
                "bad",
                text,
                mine,
                Remedy(f"Open the other{unsaved}", self._projects.reopen),
                Remedy("Replace the other by this", self._workspace.project_file.save_over),
            )
        else:
            self._say("bad", f"{name} can no longer be read from the disk.", mine)

    def _greet(self, project: Project) -> None:
        self._said = None
        if project.read_only:
            held = f", because {project.holder} has it open" if project.holder else ""
            why = f" {project.notice}" if project.notice else ""
            text = f"{project.path.name} is open for reading only{held}.{why} Changes can be saved in another file."
            self._say("warn", text, Remedy("Save as …", self._projects.save_as))
        elif project.notice:
            self._say("warn", f"{project.path.name}: {project.notice}")
        for recovery in project.recoveries:
            self._offer(recovery)

    def _offer(self, recovery: Recovery) -> None:
        when = f" {at(recovery.time)}" if recovery.time else ""
        left = f"its state of step {thousands(recovery.step)}" if recovery.states else "no whole state"
        measured = f" and what was measured up to step {thousands(recovery.measured)}" if recovery.measured else ""
        self._say(
            "warn",
            f"A training of {recovery.name} was cut off{when}. Found: {left}{measured}.",
            Remedy("Recover", lambda: self._changes.recover(recovery)),
            Remedy("Choose …", self._show_recoveries),
            Remedy("Later", lambda: None),
        )

    def _say(self, kind: str, text: str, *remedies: Remedy) -> None:
        self._workspace.log.say(Notice(kind, text, remedies=remedies))
