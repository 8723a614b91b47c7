"""`./run check-look [FOLDER]`: takes the pictures anew and says which differ from the references, with a side-by-side
of each in FOLDER/changed. `./run check-look --remake`: lets today's pictures be the references."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from pictures import REFERENCES, compared, remake, side_by_side

ABOUT = REFERENCES / "about.json"
MOVES = ("dream", "training", "-complete-", "-write-", "-draw-it-")  # in names of pictures that differ each time


def take(folder: Path) -> Path:
    """Take every page in one size. Returns the folder of the pictures."""
    sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it is not there
    from dgm_studio.commands.album import Album
    from widgets.screenshots import take as photograph

    album = Album(folder)
    photograph(album)
    return album.place(album.sizes[0], 1)


def font() -> str:
    """What letters are drawn with here: references of another font say nothing."""
    from PySide6.QtGui import QFontInfo
    from PySide6.QtWidgets import QApplication

    app = QApplication.instance() or QApplication([])
    info = QFontInfo(app.font())
    return f"{info.family()} {info.pixelSize()}"


def reference_font() -> str:
    return str(json.loads(ABOUT.read_text(encoding="utf-8"))["font"]) if ABOUT.is_file() else ""


def check(folder: Path) -> list[str]:
    """A sentence for each picture that differs; what it was and is lies in FOLDER/changed."""
    seen = take(folder)
    said = []
    for name, difference in compared(seen):
        if difference:
            said.append(f"{name} {difference}")
            if (seen / f"{name}.png").is_file():
                out = folder / "changed" / f"{name}.png"
                side_by_side(REFERENCES / f"{name}.png", seen / f"{name}.png", out)
    return said


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--remake"]:
        with tempfile.TemporaryDirectory() as folder:
            count = remake(take(Path(folder)), MOVES)
        ABOUT.write_text(json.dumps({"font": font()}) + "\n", encoding="utf-8")
        print(f"{count} references in {REFERENCES}.")
        return 0
    if not reference_font():
        print("There are no references yet: ./run check-look --remake makes them of how the window looks now.")
        return 1
    if font() != reference_font():
        print(f"The references were drawn with {reference_font()}, this machine has {font()}: nothing was compared.")
        return 0
    folder = Path(arguments[0] if arguments else tempfile.mkdtemp(prefix="dgm-look-"))
    said = check(folder)
    print("\n".join(said) or "Every page looks as it did.")
    if said:
        print(f"Side by side: {folder / 'changed'}. If all of it is meant: ./run check-look --remake")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
