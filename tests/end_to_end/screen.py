"""A screen of its own with the studio on it, and a hand with a mouse and a keyboard in front of it."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STUDIO = Path(__file__).parent / "_studio.py"
PATIENCE = 120.0  # seconds that a step may take on a machine that is busy
NEEDED = ("Xvfb", "xdotool")


def missing() -> list[str]:
    """The programs that are needed and are not here."""
    return [program for program in NEEDED if shutil.which(program) is None]


class Screen:
    """An X server without a picture tube."""

    def __init__(self, size: str = "1280x800x24") -> None:
        reading, writing = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-screen", "0", size, "-nolisten", "tcp", "-displayfd", str(writing)],
            pass_fds=(writing,),
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with os.fdopen(reading) as told:
            self.display = f":{told.readline().strip()}"

    def do(self, *words: object) -> None:
        """One command of xdotool."""
        environment = {**os.environ, "DISPLAY": self.display}
        subprocess.run(
            ["xdotool", *map(str, words)], env=environment, check=True, capture_output=True, timeout=PATIENCE
        )

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()


class Studio:
    """The program in a process of its own, with a home of its own."""

    def __init__(self, screen: Screen, home: Path, *arguments: object, pictures: Path | None = None) -> None:
        self.screen, self._pictures = screen, pictures
        home.mkdir(exist_ok=True)
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "QT_", "WAYLAND"))
        }
        environment |= {"DISPLAY": screen.display, "QT_QPA_PLATFORM": "xcb", "HOME": str(home)}
        self.began = time.monotonic()
        with (home / "said.txt").open("a") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(STUDIO), *map(str, arguments)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self.said = home / "said.txt"
        self.until(lambda state: state["window"])
        screen.do("windowfocus", self.state()["window"])
        screen.do("windowmove", self.state()["window"], 0, 0)

    # Looking.

    def ask(self, what: str, **words: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"what": what, **words}) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"No answer to {what}.")
        line = self.process.stdout.readline()
        assert line, f"The studio ended:\n{self.said.read_text()[-4000:]}"
        return json.loads(line)

    def state(self) -> dict[str, Any]:
        found = self.ask("state")
        assert isinstance(found, dict)
        return found

    def until(
        self, holds: Callable[[dict[str, Any]], object], seconds: float = PATIENCE, what: str = "state"
    ) -> dict[str, Any]:
        """Wait until the state, or whatever else is asked for, is such; returns it."""
        end = time.monotonic() + seconds
        while not holds(state := self.ask(what)):
            assert time.monotonic() < end, f"It never came to be so. {state}"
            time.sleep(0.05 if seconds <= PATIENCE else 0.5)
        assert isinstance(state, dict)
        return state

    def settled(self, key: str, seconds: float = 0.5) -> dict[str, Any]:
        """Wait until this part of the state has not changed for so long: the program may be behind the mouse."""
        state, since = self.state(), time.monotonic()
        end = since + PATIENCE
        while time.monotonic() - since < seconds:
            assert time.monotonic() < end, f"{key} never settled. {state}"
            time.sleep(0.05)
            if (newer := self.state())[key] != state[key]:
                state, since = newer, time.monotonic()
        return state

    def where(self, name: str = "", text: str = "") -> tuple[int, int, int, int]:
        """Where something is, once it is there and has stopped moving."""
        end, last = time.monotonic() + PATIENCE, None
        while (place := self.ask("where", name=name, text=text)) is None or place != last:
            assert time.monotonic() < end, f"{name or text} is nowhere."
            last = place
            time.sleep(0.1)
        left, top, width, height = place
        return left, top, width, height

    def shot(self, name: str) -> None:
        """Keep a picture of the screen."""
        if self._pictures is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            time.sleep(0.4)
            assert self.ask("shot", path=str(self._pictures / f"{name}.png"))

    def whole(self, area: str, name: str) -> None:
        """Keep a picture of all that a scroll area holds."""
        if self._pictures is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            assert self.ask("whole", name=area, path=str(self._pictures / f"{name}.png"))

    # Doing.

    def bring(self, name: str, area: str, height: int = 16) -> None:
        """Turn the wheel over the bar of a scroll area until so much of something in it is to be seen; from its top."""
        left, top, width, tall = self.where(area)
        self.screen.do("mousemove", left + width - 5, top + tall // 2)
        self.screen.do("click", "--repeat", 200, "--delay", 1, 4)
        for _ in range(200):
            place = self.ask("where", name=name)
            if place is not None and place[3] >= height:
                return
            self.screen.do("click", "--repeat", 3, "--delay", 5, 5)
            time.sleep(0.05)
        raise AssertionError(f"{name} is nowhere in {area}.")

    def click(self, name: str = "", text: str = "") -> None:
        left, top, width, height = self.where(name, text)
        self.screen.do("mousemove", left + width // 2, top + height // 2, "click", 1)

    def key(self, combination: str) -> None:
        self.screen.do("key", combination)

    def find(self, text: str) -> None:
        """Choose what the palette finds first for a text."""
        self.key("ctrl+k")
        self.where("palette")
        self.screen.do("type", "--delay", 20, text)
        time.sleep(0.3)
        self.key("Return")

    def drag(self, name: str, begin: tuple[float, float], end: tuple[float, float], moves: int = 20) -> None:
        """From one place to another, in parts of the width and height of a widget."""
        left, top, width, height = self.where(name)

        def at(part: float) -> tuple[int, int]:
            x = begin[0] + part * (end[0] - begin[0])
            y = begin[1] + part * (end[1] - begin[1])
            return round(left + x * width), round(top + y * height)

        self.screen.do("mousemove", *at(0), "mousedown", 1)
        for move in range(1, moves + 1):
            self.screen.do("mousemove", *at(move / moves))
            time.sleep(0.02)
        self.screen.do("mouseup", 1)

    # The end.

    def close(self) -> int:
        """Close it as a person does; returns the exit code."""
        self.key("ctrl+q")
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
