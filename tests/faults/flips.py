"""Thousands of damaged projects: each is refused with a code, or all that is read from it is what was written.

Bytes are changed in the header, in HDF5's structures, in the manifest, in the datasets and anywhere; in the structures
also with their checksums made right again, as someone who means harm would. Sectors are zeroed, junk is appended. The
files are opened and read in other processes under a watchdog. One that hangs or crashes them is shown to the preflight,
which must stop it.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "dgm_studio" / "store"))

from _blocks import Block, blocks
from stored_project import CONFIG, everything, fill

from dgm_studio.store import Project, ProjectError
from dgm_studio.store.preflight import preflight
from dgm_studio.store.reading import inspect
from dgm_studio.store.trees import flatten

PATIENCE = 5.0  # seconds of the processor for one file
STALLED = 30.0  # seconds by the clock without a word from the other process
HEADER = 512  # bytes from the beginning
COUNTS = {
    "header": 300,
    "structures": 600,
    "manifest": 400,
    "datasets": 600,
    "anywhere": 300,
    "mended structures": 1500,
    "512-byte sectors": 300,
    "4096-byte sectors": 100,
    "appended": 50,
}
NEVER_IDENTICAL = ("manifest", "datasets")  # every byte there is covered by a checksum


@dataclass(frozen=True)
class Outcome:
    """What became of one damaged file. `said`: "identical", a code, or what went wrong."""

    kind: str
    number: int
    said: str
    seconds: float = 0.0
    megabytes: float = 0.0  # the most its process has had so far


def sound_project(path: Path) -> None:
    """A project with enough curves and arrays that HDF5 uses all its structures, and with sectors to zero."""
    rng = np.random.default_rng(0)
    with Project.create(path) as project:
        project.notes = "für später"
        fill(project.new_run(CONFIG))
        run = project.new_run(CONFIG)
        run.keep_metrics({f"curve {i}": (np.arange(9), rng.random(9, np.float32)) for i in range(40)})
        run.keep_checkpoint(7, flatten({"model": {str(i): rng.random((40, 40)) for i in range(12)}}))
        project.save()


class Damager:
    """Makes the damage of a kind and a number, the same each time."""

    def __init__(self, sound: Path, seed: int) -> None:
        self.content, self._seed = sound.read_bytes(), seed
        contents = inspect(sound)
        contents.locate(contents.entries)
        spans = [(contents.offset(path), entry.nbytes) for path, entry in contents.entries.items()]
        data = np.zeros(len(self.content), bool)
        for offset, size in spans:
            if isinstance(offset, int):
                data[offset : offset + size] = True
        manifest = np.zeros(len(self.content), bool)
        begin = self.content.index(b'{"versions":')
        manifest[begin : self.content.index(b"}}}", begin) + 3] = True
        self._blocks = blocks(self.content)
        mended = np.zeros(len(self.content), bool)
        for block in self._blocks:
            mended[block.start : block.stop] = True
        self._places = {
            "header": np.arange(HEADER),
            "structures": np.flatnonzero(~data & ~manifest),
            "manifest": np.flatnonzero(manifest),
            "datasets": np.flatnonzero(data),
            "anywhere": np.arange(len(self.content)),
            "mended structures": np.flatnonzero(mended),
        }

    def damaged(self, kind: str, number: int) -> bytes:
        rng = np.random.default_rng([self._seed, list(COUNTS).index(kind), number])
        content = bytearray(self.content)
        if kind == "appended":
            return bytes(content) + rng.bytes(int(rng.integers(1, 10_000)))
        if kind.endswith("sectors"):
            size = int(kind.partition("-")[0])
            for sector in rng.choice(-(-len(content) // size), 1 + number % 3, replace=False):
                piece = content[sector * size : (sector + 1) * size]
                content[sector * size : (sector + 1) * size] = bytes(len(piece))
            return bytes(content)
        place = int(rng.choice(self._places[kind]))
        content[place] ^= int(rng.integers(1, 256))
        if kind.startswith("mended"):
            for block in self._around(place):
                block.mend(content)
        return bytes(content)

    def _around(self, place: int) -> Iterator[Block]:
        return (block for block in self._blocks if block.start <= place < block.stop)


# In the other process.


def read(path: Path) -> str:
    """All that is in a project, every checkpoint put together again."""
    with Project.open(path) as project:
        return repr(everything(project))


def work(folder: Path, seed: int, cases: list[tuple[str, int]]) -> None:
    """Damage, open and read one file after the other, and print what became of each."""
    sound, path = folder / "sound.dgm", folder / "damaged.dgm"
    damager, expected = Damager(sound, seed), read(sound)
    for kind, number in cases:
        path.write_bytes(damager.damaged(kind, number))
        started = time.process_time()
        try:
            said = "identical" if read(path) == expected else "other content"
        except ProjectError as error:
            said = error.code if str(error).endswith(".") else "no sentence"
        except Exception as error:
            said = type(error).__name__
        seconds = time.process_time() - started
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(asdict(Outcome(kind, number, said, seconds, megabytes))), flush=True)
        path.unlink()


# In this process.


def outcomes(folder: Path, seed: int, cases: list[tuple[str, int]]) -> Iterator[Outcome]:
    """The outcome of every case, with processes that are started again where one hangs or crashes."""
    while cases:
        task = json.dumps({"folder": str(folder), "seed": seed, "cases": cases})
        command = [sys.executable, __file__, "--work"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(task.encode())
            process.stdin.close()
            for said in _lines(process):
                yield Outcome(**said)
                cases = cases[1:]
            if cases:
                kind, number = cases.pop(0)
                fate = "hang" if process.poll() is None else f"crash ({process.returncode})"
                process.kill()
                yield Outcome(kind, number, fate)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """What the process prints, until it ends or says nothing more."""
    assert process.stdout is not None
    rest = b""
    while select.select([process.stdout], [], [], STALLED)[0]:
        chunk = process.stdout.read1(65536)  # type: ignore[attr-defined]
        if not chunk:
            process.wait()
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def stopped_by_preflight(content: bytes) -> bool:
    """Whether the preflight refuses the file, and lives."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "damaged.dgm"
        path.write_bytes(content)
        try:
            preflight(path)
        except ProjectError:
            return True
    return False


def judged(outcome: Outcome, damager: Damager) -> Outcome:
    """ "refused", "identical", "stopped by preflight", or what is wrong."""
    kind, said = outcome.kind, outcome.said
    if said.startswith(("hang", "crash")):
        stopped = stopped_by_preflight(damager.damaged(kind, outcome.number))
        return replace(outcome, said="stopped by preflight" if stopped else f"WRONG: {said}")
    if said == "identical":
        wrong = kind in NEVER_IDENTICAL
    else:
        wrong = not said.islower() or " " in said
    if wrong or outcome.seconds > PATIENCE:
        return replace(outcome, said=f"WRONG: {said} after {outcome.seconds:.1f} s")
    return outcome


def run(counts: dict[str, int], seed: int) -> list[Outcome]:
    """Every case of every kind, judged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound_project(folder / "sound.dgm")
        damager = Damager(folder / "sound.dgm", seed)
        cases = [(kind, number) for kind, count in counts.items() for number in range(count)]
        return [judged(outcome, damager) for outcome in outcomes(folder, seed, cases)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the counts")
    arguments = parser.parse_args()
    if arguments.work:
        task = json.load(sys.stdin)
        work(Path(task["folder"]), task["seed"], [(kind, number) for kind, number in task["cases"]])
        return 0
    counts = {kind: max(1, round(count * arguments.share)) for kind, count in COUNTS.items()}
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    results = run(counts, arguments.seed)
    for outcome in results:
        by_kind[outcome.kind][outcome.said] += 1
        if outcome.said.startswith("WRONG"):
            print(f"{outcome.kind} {outcome.number}: {outcome.said}")
    for kind, said in by_kind.items():
        print(f"{kind:18} {said.total():5}: {', '.join(f'{n} {what}' for what, n in said.most_common())}")
    total = sum(by_kind.values(), Counter())
    wrong = sum(n for what, n in total.items() if what.startswith("WRONG"))
    identical, stopped = total["identical"], total["stopped by preflight"]
    refused = total.total() - wrong - identical - stopped
    print(
        f"{total.total()} damaged files: {refused} refused with a code, {identical} "
        f"read as they were written, {stopped} stopped by preflight, {wrong} wrong; at most "
        f"{max(o.seconds for o in results):.2f} s for one and {max(o.megabytes for o in results):.0f} MB for all"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
