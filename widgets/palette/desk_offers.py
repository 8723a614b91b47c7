"""What the palette offers of a desk: settings, families, learners, data, runs, explorers, evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from PySide6.QtCore import QTimer

from dgm_studio.datasets import sources
from dgm_studio.evaluation import EVALUATIONS
from dgm_studio.help_pages import listed
from dgm_studio.number_texts import thousands
from dgm_studio.presets import Preset, presets
from models import catalog
from models.settings import name_of, names_of
from widgets.explorers.catalog import EXPLORERS
from widgets.palette.items import Item
from widgets.palette.offers import of_menu, of_presets
from widgets.settings_form import SettingsForm

if TYPE_CHECKING:
    from widgets.desk import Desk
    from widgets.header import Header

YES, NO = ("on", "yes", "true", "1"), ("off", "no", "false", "0")


class DeskOffers:
    """Items of a desk with an open project, as it is now, and what choosing them does."""

    def __init__(self, desk: Desk, header: Header) -> None:
        self._desk, self._header = desk, header

    def items(self) -> Iterator[Item]:
        """Everything, kind after kind."""
        yield from self._buttons()
        yield from self._settings()
        yield from self._runs()
        yield from self._views()
        yield from self._families()
        yield from self._data()
        yield from self._pages()
        yield from of_presets(presets(), "Preset", "settings for the next run", self._use_preset)

    def _buttons(self) -> Iterator[Item]:
        """The menus behind the buttons of the header."""
        if self._header.buttons["continue"].isEnabled():
            yield from of_menu("Run", self._header.more, "Continue", "continue")
        yield from of_menu("Device", self._header.devices, "Train on", "device")

    def _runs(self) -> Iterator[Item]:
        """Every run of the project, the newest first."""
        project = self._desk.workspace.project
        for run in reversed(list(project.runs.values())) if project is not None else ():
            steps = run.checkpoint_steps()
            about = ", ".join([run.status, *([f"step {thousands(steps[-1])}"] if steps else []), *run.tags])
            also = f"{' '.join(run.tags)} {run.raw_config.get('family', '')}"
            select = partial(self._desk.workspace.select, run)
            yield Item("Run", run.name, select, run.id, about, icon="curves", also=also)

    def _settings(self) -> Iterator[Item]:
        """Every setting of the form. A value behind its name sets it."""
        for title, form in self._desk.model.all_forms():
            for field, info in form.fields().items():
                yield Item(
                    "Setting",
                    info.title or field,
                    partial(self._show_setting, form, field),
                    key=f"{form.objectName()}.{field}",
                    about=f"{title}  ·  {shown(info, form.value(field))}",
                    icon="sliders",
                    also=f"{field} {title} {info.description or ''}",
                    take=partial(_take, form, field, info),
                )

    def _families(self) -> Iterator[Item]:
        """Every family, and every way in which the one of the form can learn."""
        draft = self._desk.draft
        for family in catalog.FAMILIES:
            yield Item(
                "Family",
                family.title,
                partial(self._edit, partial(draft.set_family, family.key)),
                key=family.key,
                about=family.summary,
                icon="model",
                also=f"{family.key} {family.group} {family.lecture} {family.summary}",
            )
        for rule in catalog.learnings_of(draft.config.family):
            yield Item(
                "Learns by",
                rule.title,
                partial(self._edit, partial(draft.set_learner, rule.key)),
                key=rule.key,
                about=rule.lecture,
                icon="continue",
                also=f"{rule.key} learner {rule.lecture}",
            )

    def _data(self) -> Iterator[Item]:
        for source in sources.SOURCES:
            if source.available():
                yield Item(
                    "Data",
                    source.title,
                    partial(self._edit, partial(self._desk.draft.set_source, source.key)),
                    key=source.key,
                    about=source.summary,
                    icon="data",
                    also=f"{source.key} {source.summary}",
                )

    def _views(self) -> Iterator[Item]:
        """Explorers to look through and evaluations to measure by, those that the selected run admits first."""
        area = self._desk.area
        none = "" if self._desk.workspace.viewing.live is not None else "Needs a selected run, and its data."
        for kind in sorted(EXPLORERS, key=lambda kind: kind.key not in area.explore.keys):
            fits = kind.key in area.explore.keys
            why_not = "" if fits else none or "The model of the selected run cannot do this."
            explore = partial(self._explore, kind.key)
            yield Item("Explorer", kind.title, explore, kind.key, icon="explore", also=kind.key, why_not=why_not)
        for entry in sorted(EVALUATIONS, key=lambda entry: entry.key not in area.evaluate.measurable):
            fits = entry.key in area.evaluate.measurable
            yield Item(
                "Evaluation",
                entry.title,
                partial(self._measure, entry.key),
                key=entry.key,
                about=f"measure the selected run  ·  {entry.summary}",
                icon="evaluate",
                also=f"{entry.key} evaluate {entry.summary}",
                why_not="" if fits else none or "Does not apply to the selected run.",
            )

    def _pages(self) -> Iterator[Item]:
        """Every help page. Not of the kind of the Help menu, so that what a page is about stands before it."""
        for address, title in listed():
            open_page = partial(self._desk.guide.open, address)
            kind, _, key = address.partition(":")
            yield Item("Page", title, open_page, address, about=f"help on this {kind}", icon="help", also=f"help {key}")

    # What choosing them does.

    def _show_setting(self, form: SettingsForm, field: str) -> None:
        self._desk.docks["showModel"].show()
        # once the panel has its place: it may have been hidden
        QTimer.singleShot(0, form, lambda: self._desk.model.reveal(form.editor(field)))

    def _edit(self, change: partial[None]) -> None:
        """Change the draft, and show the form that holds it."""
        change()
        self._desk.docks["showModel"].show()

    def _use_preset(self, preset: Preset) -> None:
        self._edit(partial(self._desk.draft.replace, preset.config, f"settings of {preset.title}"))

    def _explore(self, key: str) -> None:
        explore = self._desk.area.explore
        if key in explore.keys:  # another run may be selected by now
            self._desk.area.show_page("Explore")
            explore.show_explorer(explore.keys.index(key))

    def _measure(self, key: str) -> None:
        self._desk.area.show_page("Evaluate")
        self._desk.area.evaluate.measure(key)


def shown(info: FieldInfo, value: Any) -> str:
    """A value of a setting as a person writes it."""
    if (name := name_of(info, value)) is not None:
        return name
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return thousands(value) if isinstance(value, int) else str(value)


def _take(form: SettingsForm, field: str, info: FieldInfo, text: str) -> Item | None:
    """What sets the field to a typed value; None where the text is no value of its kind."""
    value = read(info, text)
    if value is None:
        return None
    problem = form.problem(field, value)
    now = form.value(field)
    return Item(
        "",
        f"{info.title or field} = {shown(info, value)}",
        partial(form.set_value, field, value),
        about=f"now {shown(info, now)}" if value != now else "as it is now",
        icon="sliders",
        why_not=f"{problem[:1].upper()}{problem[1:]}." if problem else "",
    )


def read(info: FieldInfo, text: str) -> Any:
    """The value of a field that the text means, or None: 1e4 and 10 000 are whole numbers, "dyn" is a beginning, and so
    is "of" of what is called off."""
    text, kind, names = text.casefold(), info.annotation, names_of(info)
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    known = [(str(choice), choice) for choice in choices] + [(name, value) for value, name in names.items()]
    for name, value in known:
        if name.casefold().startswith(text):
            return value
    if choices:
        return None
    if kind is bool:
        return True if text in YES else False if text in NO else None
    if kind not in (int, float):
        return None
    try:
        number = float(text.replace(",", ".").replace("\u202f", "").replace(" ", ""))
    except ValueError:
        return None
    if kind is float:
        return number
    return int(number) if number.is_integer() else None
