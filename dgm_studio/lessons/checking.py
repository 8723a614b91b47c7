"""What of a lesson needs the catalogue to be checked, and imports torch for that."""

from __future__ import annotations

from collections.abc import Iterator

from dgm_studio.config import RunConfig
from dgm_studio.equations import BadEquation, understood
from dgm_studio.evaluation import evaluation
from dgm_studio.help_pages import help_page
from dgm_studio.lessons.curves import check_curves
from dgm_studio.lessons.entries import Cell, ShowReport, Try
from dgm_studio.lessons.format import Lesson, LessonError, LessonRun, over
from dgm_studio.lessons.reading import FOLDER
from dgm_studio.pages import Mark
from dgm_studio.presets import presets
from models.catalog import Recipe, UnknownKey
from models.settings import SettingsError, read_settings


def check(entry: Lesson) -> None:
    """Check what needs the catalogue: every run, what is measured of it, what there is to try; and of the page, that
    equations are understood and links lead somewhere. Raises LessonError."""
    for run in entry.runs.values():
        config = run.config()
        try:
            Recipe.read(config.family, config.learner, config.model, config.learning)
        except (UnknownKey, SettingsError) as error:
            raise entry.error(("runs", run.key), str(error)) from None
    check_curves(entry)
    for place, asked in _asked(entry):
        try:
            read_settings(evaluation(asked.evaluation).settings, asked.settings, "settings")
        except (UnknownKey, SettingsError) as error:
            raise entry.error(place, str(error)) from None
    for number, tried in enumerate(entry.tries):
        try:
            tried_config(entry, tried)
        except (LessonError, SettingsError, UnknownKey) as error:
            raise entry.error(("tries", number), getattr(error, "problem", str(error))) from None
    _check_page(entry)


def _check_page(entry: Lesson) -> None:
    page = entry.page
    for line, latex, display in page.mathematics():
        try:
            understood(latex, display)
        except BadEquation as error:
            raise LessonError(page.name, line, str(error)) from None
    named = {"preset": {preset.key for preset in presets()}, "lesson": {path.stem for path in FOLDER.glob("*.md")}}
    for line, span in page.spans():
        kind, _, key = span.target.partition(":")
        if span.mark is Mark.LINK and key not in named.get(kind, ()) and help_page(span.target) is None:
            raise LessonError(page.name, line, f"the link {span.target!r} leads nowhere")


def tried_config(entry: Lesson, tried: Try) -> RunConfig:
    """The run of a lesson with the setting changed. Raises LessonError or SettingsError."""

    run = entry.runs[tried.run]
    group, _, field = tried.setting.partition(".")
    given = over(run.given, {group: {field: tried.value}})
    config = LessonRun(run.key, run.title, given, run.path, run.line).config()
    Recipe.read(config.family, config.learner, config.model, config.learning)
    return config


def _asked(entry: Lesson) -> Iterator[tuple[tuple[str | int, ...], Cell | ShowReport]]:
    for key, quantity in entry.quantities.items():
        if isinstance(quantity, Cell):
            yield ("quantities", key), quantity
    for number, show in enumerate(entry.shows.values()):
        if isinstance(show, ShowReport):
            yield ("shows", number), show
