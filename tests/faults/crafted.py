"""Every crafted file, opened and read in a process of its own: what became of it, how long it took, how much memory.

A fault that must be refused counts as rejected if it is, with one of its codes and a sentence, and as wrong if it is
not. A file that must be accepted counts as identical if all that is read from it is what was written. Files and folder
must be untouched. Each is also shown to the preflight, which may refuse nothing that opening accepts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "dgm_studio" / "store"))

from crafted_datasets import HEADERS, LINKS
from crafted_files import ACCEPTED, DAMAGES, OTHER_FILES, ROOTS
from crafted_manifests import MANIFESTS
from crafted_texts import RECORDS, TREES
from crafting import Fault
from stored_project import CONFIG, everything, fill

from dgm_studio.store import Project, ProjectError
from dgm_studio.store.preflight import preflight

SECONDS = 1.0
MEGABYTES = 200.0
FAULTS: list[Fault] = [*OTHER_FILES, *ROOTS, *MANIFESTS, *LINKS, *HEADERS, *RECORDS, *TREES, *DAMAGES, *ACCEPTED]
PATIENCE = 60.0  # seconds by the clock until a process counts as hanging
MOST_READ = 2**20  # bytes of a file that are compared: some are 8 TB long, with nothing behind the first


@dataclass(frozen=True)
class Answer:
    """What became of one file in one process."""

    code: str  # of the error; "" when all was read; else what went wrong
    text: str  # its sentence, or a digest of all that was read
    seconds: float  # of the processor, so that what else the machine does is not counted
    megabytes: float


def answer(use: Callable[[], str]) -> Answer:
    """The outcome of `use` in a forked process."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        with os.fdopen(sending, "w") as stream:
            json.dump(_measured(use), stream)
            stream.flush()
            os._exit(0)
    os.close(sending)
    said = b""
    until = time.monotonic() + PATIENCE
    while select.select([receiving], [], [], max(0.0, until - time.monotonic()))[0]:
        chunk = os.read(receiving, 65536)
        if not chunk:
            break
        said += chunk
    else:
        os.kill(child, signal.SIGKILL)
    os.close(receiving)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
        return Answer("hang", "", PATIENCE, 0.0)
    if status:
        return Answer("crash", f"exit status {os.waitstatus_to_exitcode(status)}", 0.0, 0.0)
    return Answer(*json.loads(said))


def _measured(use: Callable[[], str]) -> tuple[str, str, float, float]:
    before, started = _status("VmRSS"), time.process_time()
    try:
        code, text = "", use()
    except ProjectError as error:
        code, text = error.code, str(error)
    except BaseException as error:
        code, text = type(error).__name__, str(error)
    return code, text, time.process_time() - started, (_status("VmHWM") - before) / 1024


def _status(key: str) -> float:
    """Kilobytes of memory that this process has ("VmRSS") or had at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(key)).split()[1])


def opened(path: Path) -> str:
    with Project.open(path):
        return "opened"


def read(path: Path) -> str:
    with Project.open(path) as project:
        return hashlib.sha256(repr(everything(project)).encode()).hexdigest()


def looked_at(path: Path) -> str:
    preflight(path)
    return "looked at"


def folder_state(folder: Path) -> dict[str, tuple[object, ...]]:
    """What must not change: names, kinds, lengths, times and bytes of all that lies in a folder."""
    state: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = b""
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read(MOST_READ)).digest()
        state[str(path)] = status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, content
    return state


@contextmanager
def made(fault: Fault, sound: Path) -> Iterator[Path]:
    """The fault, in a folder of its own."""
    folder = Path(tempfile.mkdtemp())
    path = folder / "crafted.dgm"
    shutil.copyfile(sound, path)
    try:
        fault.make(path)
        yield path
    finally:
        shutil.rmtree(folder)


def judged(fault: Fault, sound: Path, expected: str) -> tuple[str, Answer, Answer]:
    """ "rejected", "identical", "over limits" or "wrong: …", and what opening and the preflight said."""
    with made(fault, sound) as path:
        before, real = folder_state(path.parent), Path(os.path.realpath(path))
        use = opened if fault.use == "open" and fault.codes else read
        got, first_look = answer(lambda: use(path)), answer(lambda: looked_at(path))
        untouched = folder_state(path.parent) == before
    if not untouched:
        verdict = "wrong: touched"
    elif got.code not in (fault.codes or ("",)):
        verdict = f"wrong: {got.code or 'accepted'}"
    elif not fault.codes:
        verdict = "identical" if got.text == expected else "wrong: other content"
    elif not (got.text.startswith(f"{real.name}: ") and got.text.endswith(".") and fault.says in got.text):
        verdict = "wrong: sentence"
    else:
        verdict = "rejected"
    if first_look.code not in ("", "unsafe", *fault.codes):
        verdict = f"wrong: preflight says {first_look.code}"
    if verdict in ("rejected", "identical") and (got.seconds > SECONDS or got.megabytes > MEGABYTES):
        verdict = "over limits"
    return verdict, got, first_look


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    only = parser.parse_args().only
    counts: Counter[str] = Counter()
    refused_first = 0
    most = Answer("", "", 0.0, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.dgm"
        with Project.create(sound) as project:
            fill(project.new_run(CONFIG))
            project.save()
        expected = read(sound)
        for fault in FAULTS:
            if only not in fault.name:
                continue
            verdict, got, first_look = judged(fault, sound, expected)
            counts[verdict.partition(":")[0]] += 1
            refused_first += first_look.code != ""
            most = Answer("", "", max(most.seconds, got.seconds), max(most.megabytes, got.megabytes))
            line = (
                f"{fault.name[:70]:70} {got.code or 'read':10} {got.seconds:6.3f} s {got.megabytes:6.1f} MB  {verdict}"
            )
            print(line if verdict in ("rejected", "identical") else f"{line}\n    {got.text[:300]}", flush=True)
    print(
        f"{counts.total()} files: {counts['rejected']} rejected, {counts['identical']} accepted and identical, "
        f"{counts['wrong']} wrong, {counts['over limits']} over the limits ({SECONDS:.0f} s, {MEGABYTES:.0f} MB); "
        f"at most {most.seconds:.2f} s and {most.megabytes:.0f} MB; the preflight refused {refused_first} of them"
    )
    return 1 if counts["wrong"] or counts["over limits"] else 0


if __name__ == "__main__":
    sys.exit(main())
