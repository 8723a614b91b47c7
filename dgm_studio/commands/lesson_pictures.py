"""`lesson-pictures`: the pictures of lessons' cards, from a project that holds what they need."""

from __future__ import annotations

from pathlib import Path

from dgm_studio.commands.output import CommandError, Output
from dgm_studio.lesson_cards import card
from dgm_studio.lessons.found import Found
from dgm_studio.lessons.outcome import outcome
from dgm_studio.lessons.plan import jobs
from dgm_studio.lessons.reading import lesson, lessons, read_lesson
from dgm_studio.store import Project

COLOURS = 256  # of a picture: a few kilobytes


def lesson_pictures(*keys: str, project: Path) -> int:
    """Draw what lessons show first, as a project holds it, for their cards: a PNG beside the file of each.

    Parameters
    ----------
    keys
        Which lessons: names of the studio's, or files. All that the project holds if none is named.
    project
        The project file in which they have run.
    """
    output = Output(as_json=False)
    chosen = [read_lesson(Path(key)) if key.endswith(".md") else lesson(key) for key in keys]
    with Project.open(project) as opened:
        found = Found(opened)
        for entry in chosen or lessons():
            left = jobs(entry, entry.seeds, found)
            if left:
                if keys:
                    text = f"{entry.key} has not run to its end in {project.name}: {len(left)} jobs are left."
                    raise CommandError(f"{text} `lesson {entry.key} --project {project}` does them.")
                continue
            picture = card(entry, outcome(entry, entry.seeds, found))
            if picture is None:
                raise CommandError(f"{entry.key} shows nothing that can be drawn.", code=1)
            path = entry.path.with_suffix(".png")
            picture.quantize(COLOURS).save(path, optimize=True)
            output.say(str(path))
    return 0
