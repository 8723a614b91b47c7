"""kill -9 at random moments: what was acknowledged is there afterwards, whole, and once.

Seven kinds of work are killed in the middle: saving a project, appending to a training's journal, writing its
checkpoints, letting go of some of them, the merge at its end, the recovery of one that was cut off, and the first save
of a file in an older format. After each kill a fresh process opens what is left, recovers what is offered, and
compares it with what the victim had said to be done. A kill counts when it fell into the work; the delays before them
are drawn from the time that the work took when nobody disturbed it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KINDS = ("save", "journal", "checkpoint", "thinning", "closing", "recovery", "migration")
ENDLESS = ("save", "journal", "checkpoint", "thinning")  # goes on until it is killed
REPEATED = ("save", "recovery", "migration")  # can be begun again after a kill
FAULTS = ("unreadable", "mixed", "missing", "unrecovered", "twice")
KILLS = 65  # of each kind, in the middle of the work
UNDISTURBED = 5  # how often the work is timed first
TRIES = 10  # times as many as kills that count, at most

Said = list[dict[str, Any]]


@dataclass
class Counts:
    """Of one kind: `kills` in all, `inside` the work, the work's duration in seconds, and faults."""

    kills: int = 0
    inside: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


class Server:
    """Starts processes that have everything imported, one at a time."""

    def __enter__(self) -> Server:
        paths = [ROOT, ROOT / "tests" / "dgm_studio" / "store"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
        program = Path(__file__).with_name("_victims.py")
        self._process = subprocess.Popen(
            [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def start(self, kind: str, part: str, folder: Path, said: Said | None = None) -> int:
        """Begin; returns the process's id."""
        assert self._process.stdin is not None
        asked = {"kind": kind, "part": part, "folder": str(folder), "said": said or []}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self.hear()["pid"])

    def hear(self) -> dict[str, Any]:
        """The next thing that is said. A process that breaks off by itself breaks the test."""
        assert self._process.stdout is not None
        heard: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "broken" in heard:
            raise AssertionError(heard["broken"])
        return heard

    def rest(self) -> Said:
        """What is said until the process is gone."""
        said = []
        while "gone" not in (what := self.hear()):
            said.append(what)
        return said

    def run(self, kind: str, part: str, folder: Path, said: Said | None = None) -> Said:
        self.start(kind, part, folder, said)
        return self.rest()


class Trial:
    """Kills of one kind in one folder, which is made anew when its work has come to an end."""

    def __init__(self, server: Server, kind: str, folder: Path, chance: random.Random) -> None:
        self._server, self._kind, self._chance = server, kind, chance
        self._fresh, self._folder, self._copy = folder / "fresh", folder / "here", folder / "judged"
        self._fresh.mkdir(parents=True)
        server.run(kind, "prepare", self._fresh)
        self._renew()

    def undisturbed(self, often: int) -> float:
        """Seconds that the work takes, the median of some times."""
        times: list[float] = []
        while len(times) < often:
            pid = self._server.start(self._kind, "work", self._folder)
            while len(times) < often:
                begin = self._until("begin")[-1]["at"]
                times.append(self._until("done")[-1]["at"] - begin)
                if self._kind not in ENDLESS:
                    break
            os.kill(pid, signal.SIGKILL)
            self._server.rest()
            self._renew()
        return statistics.median(times)

    def kill(self, seconds: float) -> tuple[bool, list[tuple[str, str]]]:
        """Kill the work within about `seconds` of its beginning. Returns whether that was in its middle, and the
        faults that were found."""
        pid = self._server.start(self._kind, "work", self._folder)
        said: Said = []
        for _ in range(self._chance.randint(1, 4) if self._kind in ENDLESS else 1):
            said += self._until("begin")
        time.sleep(self._chance.uniform(0.0, 1.05 * seconds))
        os.kill(pid, signal.SIGKILL)
        said += self._server.rest()
        shutil.copytree(self._folder, self._copy, symlinks=True)
        (answer,) = self._server.run(self._kind, "judge", self._copy, said)
        shutil.rmtree(self._copy)
        inside = "begin" in said[-1]
        if self._kind not in REPEATED or not inside or self._chance.random() < 0.5:
            self._renew()  # otherwise the next kill comes on top of this one
        return inside, [(kind, details) for kind, details in answer["faults"]]

    def _until(self, what: str) -> Said:
        said = [self._server.hear()]
        while what not in said[-1]:
            said.append(self._server.hear())
        return said

    def _renew(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._fresh, self._folder)


def run(kinds: Sequence[str], kills: int, seed: int, place: Path, undisturbed: int = UNDISTURBED) -> dict[str, Counts]:
    """`kills` in the middle of each kind of work. What is found wrong is printed at once."""
    results = {}
    with Server() as server:
        for kind in kinds:
            chance = random.Random(f"{seed} {kind}")
            trial = Trial(server, kind, place / kind, chance)
            counts = results[kind] = Counts(seconds=trial.undisturbed(undisturbed))
            while counts.inside < kills and counts.kills < TRIES * kills:
                inside, faults = trial.kill(counts.seconds)
                counts.kills += 1
                counts.inside += inside
                for fault, details in faults:
                    counts.faults[fault] += 1
                    print(f"{kind}, kill {counts.kills}: {fault}: {details}", flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="in the middle of each kind of work")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = run(asked.kind or KINDS, asked.kills, asked.seed, Path(folder))
    print(f"{'work':<12}{'takes':>10}{'kills':>8}{'inside':>8}" + "".join(f"{fault:>13}" for fault in FAULTS))
    for kind, counts in results.items():
        found = "".join(f"{counts.faults[fault]:>13}" for fault in FAULTS)
        print(f"{kind:<12}{1e3 * counts.seconds:>7.1f} ms{counts.kills:>8}{counts.inside:>8}{found}")
    inside = sum(counts.inside for counts in results.values())
    faults = sum(counts.faults.total() for counts in results.values())
    print(
        f"{sum(c.kills for c in results.values())} kills, {inside} of them in the middle of the work: {faults} faults"
    )
    return 0 if faults == 0 and all(counts.inside >= asked.kills for counts in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
