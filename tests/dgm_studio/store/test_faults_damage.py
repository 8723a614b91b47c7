"""A damaged project is refused, or all that is read from it is what was written: the small version of `./run faults
flips`, in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from dgm_studio.store import ProjectError

FAULTS_SCRIPTS = Path(__file__).parents[2] / "faults"
sys.path.insert(0, str(FAULTS_SCRIPTS))

import flips  # noqa: E402
from _blocks import blocks, lookup3  # noqa: E402
from flips import COUNTS, Damager, Outcome, judged  # noqa: E402

EACH = 8  # of every kind


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "sound.dgm"
    flips.sound_project(path)
    return path


@pytest.fixture(scope="module")
def damager(sound: Path) -> Damager:
    return Damager(sound, seed=1)


@pytest.mark.parametrize("kind", COUNTS)
def test_is_refused_or_read_as_it_was_written(sound: Path, damager: Damager, tmp_path: Path, kind: str):
    written, path = flips.read(sound), tmp_path / "damaged.dgm"
    refused = 0
    for number in range(EACH):
        content = damager.damaged(kind, number)
        assert content != damager.content
        path.write_bytes(content)
        try:
            found = flips.read(path)
        except ProjectError:
            refused += 1
        else:
            assert found == written
        assert path.read_bytes() == content
    if kind in (*flips.NEVER_IDENTICAL, "512-byte sectors"):
        assert refused == EACH
    if kind == "appended":
        assert refused == 0


def test_lies_in_the_structures_get_past_their_checksums(damager: Damager, tmp_path: Path):
    """Otherwise the kind "mended structures" would test nothing."""
    path, understood = tmp_path / "damaged.dgm", 0
    for number in range(EACH):
        path.write_bytes(damager.damaged("mended structures", number))
        try:
            with h5py.File(path) as file:
                understood += "manifest" in file
        except OSError:
            pass
    assert understood > EACH // 2


def test_every_structure_is_among_those_that_can_be_mended(damager: Damager):
    found = {damager.content[block.start : block.start + 4] for block in blocks(damager.content)}
    assert found >= {b"\x89HDF", b"OHDR", b"FRHP", b"FHDB", b"BTHD", b"BTLF"}
    headers = [block for block in blocks(damager.content) if damager.content[block.start : block.start + 4] == b"OHDR"]
    with h5py.File.in_memory(damager.content) as file:
        objects = ["/"]
        file.visit(objects.append)
    assert len(headers) == len(objects)


def test_the_checksum_is_that_of_its_author():
    assert lookup3(b"Four score and seven years ago") == 0x17770551


@pytest.mark.parametrize("said", ["other content", "TypeError", "no sentence"])
def test_what_is_wrong_is_counted_as_wrong(damager: Damager, said: str):
    assert judged(Outcome("header", 0, said), damager).said.startswith("WRONG")


def test_damage_that_cannot_go_unnoticed_may_not(damager: Damager):
    assert judged(Outcome("datasets", 0, "identical"), damager).said.startswith("WRONG")
    assert judged(Outcome("header", 0, "identical"), damager).said == "identical"
    assert judged(Outcome("header", 0, "damaged", seconds=6.0), damager).said.startswith("WRONG")


def test_a_crash_counts_as_stopped_only_if_the_preflight_stops_it(damager: Damager):
    assert judged(Outcome("manifest", 0, "crash (-11)"), damager).said == "stopped by preflight"
    assert judged(Outcome("appended", 0, "crash (-11)"), damager).said.startswith("WRONG")


@pytest.mark.slow
def test_the_script_goes_on_after_hangs_and_crashes(tmp_path: Path):
    """A worker that crashes at one case and hangs at another is started again, and each is counted."""
    program = f"""
import os, sys, time
sys.path.insert(0, {str(FAULTS_SCRIPTS)!r})
import flips
read = flips.read
def worse(path):
    content = path.read_bytes()
    if content == damager.damaged("header", 1): os.abort()
    if content == damager.damaged("header", 3): time.sleep(1000)
    return read(path)
flips.read = worse
flips.STALLED = 20
from pathlib import Path
damager = flips.Damager(Path({str(tmp_path)!r}) / "sound.dgm", 0)
flips.__file__ = __file__
sys.exit(flips.main()) if "--work" in sys.argv else print([o.said for o in flips.outcomes(
    Path({str(tmp_path)!r}), 0, [("header", n) for n in range(5)])])
"""
    flips.sound_project(tmp_path / "sound.dgm")
    script = tmp_path / "script.py"
    script.write_text(program)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=250)
    said = done.stdout.strip()
    assert "'crash (-6)', " in said, done.stderr
    assert said.endswith("'hang', 'damaged']") or said.count("hang") == 1
    assert said.count(",") == 4
