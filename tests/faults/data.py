"""Data from outside that is damaged, odd or made to do harm: each is read in a process of its own.

Whatever it is, there must be a sentence that names the file and says what is wrong, or data; within SECONDS and MEMORY
beyond what the data itself takes; and no file may be changed, made or removed. `--only WORD` takes those with the word
in their names. Needs Linux, which tells what a process took.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import BadData, Dataset
from dgm_studio.datasets.recognise import recognise
from dgm_studio.datasets.sources import load
from dgm_studio.settings_files import read_config
from models.settings import SettingsError
from tests.faults._crafted_arrays import HDF5, IDX, NUMPY
from tests.faults._crafted_data import PICTURES, READ, TABLES, TEXTS, Item
from tests.faults._crafted_settings import SETTINGS

ITEMS = (*PICTURES, *TABLES, *TEXTS, *NUMPY, *IDX, *HDF5, *SETTINGS)
SECONDS = 20.0
MEMORY = 300  # MB beyond twice the data: as it is read, and as its parts
HANGS = 300  # seconds by the clock after which a process is ended; other programs may be using the machine
LONGEST = 1500  # characters of a sentence
ADDRESSES = 6 * 2**30  # bytes that a process may add to its addresses before the system refuses more


@dataclass(frozen=True)
class Outcome:
    kind: str  # "refused", "read" or "crashed"
    text: str  # the sentence, the warnings, or the traceback
    values: int = 0  # in the data


def attempt(item: Item, path: Path) -> Outcome:
    """Read it as a run does, after recognising it as the window does with what is dropped on it."""
    if item.source == "settings":
        try:
            return Outcome("read", read_config(path).family)
        except SettingsError as error:
            return Outcome("refused", str(error))
    try:
        recognise(path)
    except BadData as error:
        if not str(error).endswith("."):
            return Outcome("crashed", f"recognised with no sentence: {error}")
    try:
        data = load(DataChoice(source=item.source, settings={"path": str(path), **item.settings}))
    except BadData as error:
        return Outcome("refused", str(error))
    return Outcome("read", " ".join(data.warnings), _values(data))


def _values(data: Dataset) -> int:
    return sum(part.x.numel() for part in (data.train, data.valid, data.test))


def problem(item: Item, outcome: Outcome, path: Path) -> str:
    """What is wrong with an outcome, or nothing."""
    if outcome.kind == "crashed":
        return outcome.text
    if item.says == READ:
        return "" if outcome.kind == "read" and item.warns in outcome.text else f"{outcome.kind}: {outcome.text}"
    if outcome.kind == "read":
        return "was read"
    text = outcome.text
    named = path.name in text or path.parent.name in text
    whole = text.endswith((".", "?")) and "\n" not in text and text.isprintable()
    return "" if item.says in text and named and whole and len(text) < LONGEST else f"says: {text}"


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder: size and time of change of everything."""
    return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in folder.rglob("*") if not p.is_dir()}


def isolated(item: Item, path: Path) -> tuple[Outcome, float, int]:
    """The outcome, the processor's seconds and MB taken, in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _in_child(item, path, writer)
    os.close(writer)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(HANGS)
    with open(reader, encoding="utf-8") as pipe:
        lines = pipe.read()
    _, status = os.waitpid(child, 0)
    signal.alarm(0)
    if not lines:
        return Outcome("crashed", f"the process ended with status {status}"), 0.0, 0
    told = json.loads(lines)
    return Outcome(**told["outcome"]), told["seconds"], told["megabytes"]


def _in_child(item: Item, path: Path, writer: int) -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        before = _status("VmHWM")
        limit = _status("VmSize") * 1024 + ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (int(2 * SECONDS), int(2 * SECONDS)))
        try:
            outcome = attempt(item, path)
        except BaseException:
            outcome = Outcome("crashed", traceback.format_exc())
        told = {
            "outcome": asdict(outcome),
            "seconds": sum(os.times()[:2]),  # of the processor: how busy the machine is does not count
            "megabytes": (_status("VmHWM") - before) // 1024,
        }
        with open(writer, "w", encoding="utf-8") as pipe:
            json.dump(told, pipe)
    finally:
        os._exit(0)


def _status(name: str) -> int:
    """kB, as the system tells."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def faults(items: tuple[Item, ...]) -> int:
    """Read every item, print what came of it, and return how many went wrong."""
    wrong = refused = 0
    most = longest = 0.0
    for item in items:
        with tempfile.TemporaryDirectory(prefix="faults-") as name:
            os.chdir(name)  # so that what is made beside the folder is seen too
            folder = Path(name, "set")
            folder.mkdir()
            path = item.make(folder)
            before = contents(Path(name))
            outcome, seconds, megabytes = isolated(item, path)
            bad = problem(item, outcome, path)
            over = megabytes - 2 * 4 * outcome.values // 10**6
            if not bad and contents(Path(name)) != before:
                bad = "files were changed"
            if not bad and seconds > SECONDS:
                bad = "took too long"
            if not bad and over > MEMORY:
                bad = f"took {over} MB beyond its data"
            os.chdir("/")
        wrong += bool(bad)
        refused += outcome.kind == "refused"
        most, longest = max(most, over), max(longest, seconds)
        print(f"{'WRONG' if bad else outcome.kind:8}{seconds:6.2f} s {megabytes:5} MB  {item.name}", flush=True)
        print(f"         {(bad or outcome.text).replace(name, '…')}")
    print(
        f"{len(items)} items: {refused} refused with a sentence, {len(items) - refused - wrong} read, {wrong} wrong; "
        f"at most {longest:.1f} s and {most:.0f} MB beyond the data"
    )
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="items with this in their names")
    chosen = parser.parse_args().only
    torch.set_num_threads(1)
    return 1 if faults(tuple(item for item in ITEMS if chosen.lower() in item.name.lower())) else 0


if __name__ == "__main__":
    sys.exit(main())
