"""The command line: puts the commands together and turns what went wrong into a sentence and an exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from dgm_studio import __version__
from dgm_studio.commands.album import SCALES, SIZES, THEMES, Photograph
from dgm_studio.commands.output import CommandError

BAD_INPUT, FAILURE, INTERRUPTED = 2, 1, 130
Words = Annotated[list[str] | None, Parameter(consume_multiple=True)]
Numbers = Annotated[list[float] | None, Parameter(consume_multiple=True)]


def run(arguments: Sequence[str], photograph: Photograph) -> int:
    """Carry out one command and return its exit code: 0, 2 for bad input, 1 for any other failure, 130 for Ctrl+C or a
    request to terminate, which let a command remove what is half.

    `photograph` takes pictures of the window; it is handed in because nothing here knows a window.
    """
    terminated = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = application(photograph)(list(arguments), result_action="return_value")
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has gone
        sys.stderr.close()
        return FAILURE
    except CommandError as error:
        print(error, file=sys.stderr)
        return error.code
    except Exception as error:
        if not _is_bad_input(error):
            traceback.print_exc()
            return FAILURE
        print(error, file=sys.stderr)
        return BAD_INPUT
    finally:
        signal.signal(signal.SIGTERM, terminated)
    return result if isinstance(result, int) else 0


def application(photograph: Photograph) -> App:
    """The commands. Their modules are imported when they are called, so that --help answers at once."""
    app = App(
        name="dgm",
        version=__version__,
        help="Train deep generative models, look at what they learned, and measure them, without a window.",
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,  # it is told in `run`
    )
    for name, place, summary in (
        ("list", "listing:list_", "List families, learners, datasets, presets or lessons."),
        ("train", "train:train", "Train a preset, or a family with the defaults of its learner, data and settings."),
        ("resume", "train:resume", "Go on with a run exactly where it stopped."),
        ("evaluate", "evaluate:evaluate", "Measure a run and keep the result in its project."),
        ("lesson", "lesson:lesson_", "Run a lesson: a claim of the lecture, measured, with what would be without it."),
        ("compare", "compare:compare", "Show what runs were set differently, and which of their likelihoods compare."),
        ("sample", "sample:sample", "Draw examples from a run into a picture or a file of numbers."),
        (
            "export",
            "export:export",
            "Write a run for use without the studio: weights, a script, ONNX, samples, curves, tables.",
        ),
        ("import-weights", "import_weights:import_weights", "Add a run that begins with the weights of a file."),
        ("runs", "runs:runs", "List the runs of a project; import, restore, delete, copy or branch them."),
        ("check", "projects:check", "Verify every byte of a project file and print what is in it."),
        ("recover", "projects:recover", "Bring back what trainings that were cut off have left."),
        ("help", "helping:help_", "Print the help page of a family or learner."),
        ("preset-pictures", "pictures:preset_pictures", "Train presets and write the pictures of their cards."),
        (
            "lesson-pictures",
            "lesson_pictures:lesson_pictures",
            "Write the pictures of lessons' cards, from a project in which they have run.",
        ),
    ):
        app.command(f"dgm_studio.commands.{place}", name=name, help=summary)

    @app.command
    def screenshots(
        folder: Path,
        *,
        project: Path | None = None,
        run: Words = None,
        page: Words = None,
        size: Words = None,
        scale: Numbers = None,
        theme: Words = None,
    ) -> int:
        """Write pictures of every page of the window in both themes, drawn without a display, and an index.html.

        Parameters
        ----------
        folder
            Where the pictures go: a folder for each size, PAGE-THEME.png in it.
        project
            Show runs of this project file; without it, a project is made of a run for each thing there is to see.
        run
            Names of the runs to show; the newest if not given.
        page
            Which pages, of their names in the pictures: start, train, evaluate, preferences, … or a part of them.
        size
            WIDTHxHEIGHT of the window; 1280x800 and 1920x1080 if not given.
        scale
            Factors of dense screens; 1 and 2 if not given. Another scale than 1 is taken in the first size only.
        theme
            dark, light; both if not given.
        """
        from dgm_studio.commands.album import screenshots

        chosen = size or SIZES, scale or SCALES, theme or THEMES
        return screenshots(photograph, folder, project, run or (), page or (), *chosen)

    @app.command
    def tour(folder: Path = Path("tour")) -> int:
        """What the window shows first, without one: train the first preset, save, evaluate, and picture the window.

        Parameters
        ----------
        folder
            Where the project and the pictures go.
        """
        from dgm_studio.commands.tour import walk

        return walk(folder, photograph)

    return app


def _is_bad_input(error: Exception) -> bool:
    # imported here, because most of these modules import torch, which a good command may not need
    from dgm_studio.datasets.base import BadData
    from dgm_studio.device import NoSuchDevice
    from dgm_studio.lessons.format import LessonError
    from dgm_studio.lessons.reading import UnknownLesson
    from dgm_studio.presets import UnknownPreset
    from dgm_studio.store import ProjectError
    from models.catalog import UnknownKey
    from models.settings import SettingsError
    from models.spec import UnsuitableData

    settings = (UnknownKey, SettingsError, UnsuitableData)
    kinds = (BadData, NoSuchDevice, UnknownPreset, LessonError, UnknownLesson, ProjectError, *settings)
    return isinstance(error, kinds)
