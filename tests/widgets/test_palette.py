"""The command palette: what matches in which order, and the window used by it alone."""

from __future__ import annotations

import time

import pytest
from person import Person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPlainTextEdit

from dgm_studio.presets import presets
from widgets.menus import MENUS
from widgets.palette.items import Item, Shelf, used
from widgets.palette.matching import Text, match_all
from widgets.palette.rows import keys, runs
from widgets.palette.view import Palette
from widgets.preferences import Preferences
from widgets.trainer import Phase


def nothing() -> None:
    pass


def titles(shelf: Shelf, query: str) -> list[str]:
    return [found.item.title for found in shelf.find(query)]


def letters(text: str, query: str) -> str:
    match = match_all(Text(text), query.split())
    return "" if match is None else "".join(letter for place, letter in enumerate(text) if place in match.letters)


@pytest.mark.parametrize(
    ("text", "query", "hit"),
    [
        ("Learning rate", "lr", "Lr"),
        ("Learning rate", "lera", "Lera"),
        ("Learning rate", "rate learn", "Learnrate"),
        ("β-VAE of İstanbul", "vae stan", "VAEstan"),  # a sign that is longer in small letters shifts nothing
        ("Straße", "str", "Str"),
        ("numberOfSteps", "os", "OS"),
        ("Learning rate", "zeta", ""),
        ("Learning rate", "rl", ""),
    ],
)
def test_words_initials_and_beginnings_match(text: str, query: str, hit: str) -> None:
    assert letters(text, query) == hit


def test_the_nearer_a_text_is_to_what_was_typed_the_higher_it_stands() -> None:
    order = [
        "Rate",
        "Rate of keeping",
        "Learning rate",
        "Refine a tensor: edges",
        "Iterate",
        "Real attempt",
        "r-a-x-t-e",
    ]
    shelf = Shelf(Item("Setting", title, nothing) for title in reversed(order))
    assert titles(shelf, "rate")[:3] == order[:3]
    assert "r-a-x-t-e" in titles(shelf, "rate")[4:]
    assert titles(shelf, "") == order[::-1]


def test_what_was_used_lately_and_what_can_be_done_come_first() -> None:
    items = [
        Item("Run", "Stop here", nothing, why_not="Needs a run."),
        Item("Run", "Step", nothing),
        Item("View", "Stick", nothing),
    ]
    assert titles(Shelf(items), "st")[-1] == "Stop here"
    assert titles(Shelf(items), "")[-1] == "Stop here"
    assert titles(Shelf(items, ["View/Stick"]), "st")[0] == "Stick"
    assert titles(Shelf(items, ["View/Stick", "Run/Step"]), "")[:2] == ["Stick", "Step"]
    assert used(["b", "a"], "a") == ["a", "b"]


def test_words_aside_find_an_item_below_those_that_are_called_so() -> None:
    shelf = Shelf(
        [Item("Family", "Energy network", nothing, also="boltzmann"), Item("Family", "Boltzmann machine", nothing)]
    )
    assert titles(shelf, "boltz") == ["Boltzmann machine", "Energy network"]
    assert titles(shelf, "family") == ["Energy network", "Boltzmann machine"]


def test_a_value_behind_a_name_is_taken_and_the_rest_of_the_order_holds() -> None:
    taken: list[str] = []
    take = lambda text: Item("", f"Rate = {text}", lambda: taken.append(text)) if text[0].isdigit() else None  # noqa: E731
    shelf = Shelf([Item("Setting", "Rate", nothing, key="rate", take=take), Item("View", "Rate of 5 kinds", nothing)])
    for query in ("rate 0.5", "rate = 0.5", "rate=0.5"):
        (found,) = shelf.find(query)
        assert found.item.title == "Rate = 0.5"
        assert (found.item.kind, found.item.name) == ("Setting", "Setting/rate")
    assert set(titles(shelf, "rate 5")) == {"Rate = 5", "Rate of 5 kinds"}
    assert titles(shelf, "rate x") == []


def test_a_letter_among_a_thousand_entries_takes_no_time_that_is_felt() -> None:
    words = [
        "learning",
        "rate",
        "latent",
        "size",
        "kernel",
        "width",
        "of",
        "the",
        "decoder",
        "Gaussian",
        "noise",
        "steps",
    ]
    items = [
        Item(
            f"Kind {n % 9}",
            " ".join(words[(n * k + k) % 12] for k in range(1, 5)) + f" {n}",
            nothing,
            also="a sentence of help",
        )
        for n in range(1000)
    ]
    shelf = Shelf(items)
    spent = []
    for query in ("l", "le", "lear", "lr", "learning rate 0.001", "decsize", "xyzzy"):
        begun = time.thread_time()
        shelf.find(query)
        spent.append(time.thread_time() - begun)
    assert sorted(spent)[-2] < 0.1  # 1 to 5 ms; room for a busy machine


def test_keys_and_runs_are_told_apart() -> None:
    assert keys("Ctrl+Shift+P") == ["Ctrl", "Shift", "P"]
    assert keys("Ctrl++") == ["Ctrl", "+"]
    assert runs("Step", frozenset({0, 1})) == [("St", True), ("ep", False)]


def ask(person: Person, query: str) -> Palette:
    """Open the palette by its shortcut and type."""
    palette = person.window.finder.palette
    person.window.activateWindow()
    person.until(person.window.isActiveWindow)
    QTest.keyClick(QApplication.focusWidget() or person.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    person.until(palette.isVisible)
    person.until(palette.field.hasFocus)
    QTest.keyClicks(palette.field, query)
    return palette


def choose(person: Person, query: str) -> None:
    """Open the palette, type, and take what stands first."""
    palette = ask(person, query)
    assert palette.current is not None, query
    assert not palette.current.why_not, (query, palette.current.title, palette.current.why_not)
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert not palette.isVisible()


def test_a_person_works_with_the_palette_alone(person: Person) -> None:
    window = person.window
    window.activateWindow()
    palette = ask(person, presets()[0].title)  # before anything is loaded
    assert palette.current is not None
    assert palette.current.kind == "Preset"
    QTest.keyClick(palette.field, Qt.Key.Key_Escape)
    desk = person.desk
    choose(person, "new project")
    person.until(lambda: desk.workspace.project is not None and desk.area.isVisible())
    # settings: a value sets it, and that is undone; a name leads to its editor
    before = desk.draft.config.training.steps
    choose(person, "steps 1e3")
    assert desk.draft.config.training.steps == 1000 != before
    choose(person, "undo")
    assert desk.draft.config.training.steps == before
    assert "less than" in ask(person, "batch size 1e9").current.why_not.lower()  # type: ignore[union-attr]
    QTest.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()  # what cannot be done is not done
    QTest.keyClick(palette.field, Qt.Key.Key_Escape)
    desk.docks["showModel"].hide()
    choose(person, "batch size")
    editor = desk.model.forms["training"].editor("batch_size")
    person.until(editor.hasFocus)
    assert editor.isVisible()
    assert not editor.visibleRegion().isEmpty()  # scrolled to
    # the focus goes back to where it was, also from where Ctrl+K would mean something else
    notes = desk.runs.findChild(QPlainTextEdit, "notes")
    notes.setEnabled(True)
    for before_ in (editor, notes):
        before_.setFocus()
        ask(person, "zzzz")
        assert palette.current is None
        QTest.keyClick(palette.field, Qt.Key.Key_Escape)
        assert before_.hasFocus()
    choose(person, "two moons")
    assert desk.draft.config.data.source == "moons"
    other = presets()[-1]
    choose(person, other.title)
    assert desk.draft.config.family == other.config.family
    # keys go through the list, and around its end
    ask(person, "")
    first = palette.found[0]
    for key, place in ((Qt.Key.Key_Down, 1), (Qt.Key.Key_Up, 0), (Qt.Key.Key_Up, -1), (Qt.Key.Key_Down, 0)):
        QTest.keyClick(palette.field, key)
        assert palette.current is palette.found[place]
    QTest.keyClick(palette.field, Qt.Key.Key_PageDown)
    assert palette.current is not first
    assert palette.found[0].title == other.title  # what was chosen last
    assert Preferences().used[0] == palette.found[0].name
    QTest.keyClick(palette.field, Qt.Key.Key_Escape)
    # whatever is off says what it needs
    off = [item for item in window.finder._items() if item.why_not]
    assert {"Step", "Stop and keep", "Latent map"} <= {item.title for item in off}
    needy = [
        entry.key
        for menu in MENUS.values()
        for entry in menu
        if entry.key and not window.actions_[entry.key].isEnabled()
    ]
    assert all(entry.needs for menu in MENUS.values() for entry in menu if entry.key in needy), needy
    names = [item.name for item in window.finder._items()]
    assert len(set(names)) == len(names)  # each is remembered as itself
    # runs, explorers and evaluations of a run that has learned
    desk.control.train(presets()[0].config)
    person.until(lambda: desk.area.evaluate.measurable and person.step > 5)
    person.do("stop")
    person.until(lambda: person.phase is Phase.IDLE)
    choose(person, "train on cpu")
    choose(person, "latent map")
    assert desk.area.page == "Explore"
    assert desk.area.explore.current is not None
    choose(person, "evaluation likelihood")
    assert desk.area.page == "Evaluate"
    assert desk.area.evaluate.busy
    run = desk.workspace.run
    assert run is not None
    desk.workspace.select(None)
    choose(person, run.name)
    assert desk.workspace.run is run
    ask(person, "")
    QTest.mouseClick(desk.area.train, Qt.MouseButton.LeftButton)
    assert not palette.isVisible()  # a click elsewhere shuts it
