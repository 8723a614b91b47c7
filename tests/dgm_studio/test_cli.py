"""The command line, as a person and as a program use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from dgm_studio.cli import run
from dgm_studio.commands import evaluate
from dgm_studio.commands.album import Album
from dgm_studio.commands.configure import configure
from dgm_studio.commands.output import Output
from dgm_studio.evaluation import Measured
from dgm_studio.evaluation import evaluate as measure
from dgm_studio.store import Project
from models.catalog import FAMILIES, Recipe
from models.settings import SettingsError

ROOT = Path(__file__).parent.parent.parent
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        try:
            code = run(words, lambda album: [])
        except SystemExit as error:  # how the parser of words refuses
            code = int(str(error.code))
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def answer(command: Command) -> Callable[..., Any]:
    """Runs a command with --json and gives its document; nothing may stand beside it."""

    def call(*words: str) -> Any:
        code, out, err = command(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first preset, trained for some steps. Tests that change it take a copy."""
    file = tmp_path_factory.mktemp("project") / "p.dgm"
    assert run(["train", "--project", str(file), "--run", "first", "--steps", "30"], lambda album: []) == 0
    return file


@pytest.fixture
def copied(project: Path, tmp_path: Path) -> str:
    (tmp_path / "copy.dgm").write_bytes(project.read_bytes())
    return str(tmp_path / "copy.dgm")


@pytest.mark.parametrize("kind", ["families", "learners", "datasets", "presets", "lessons"])
def test_everything_can_be_listed_for_people_and_programs(command: Command, answer: Any, kind: str) -> None:
    entries = answer("list", kind)
    code, out, err = command("list", kind)
    assert (code, err) == (0, "")
    for entry in entries:
        assert entry["key"] in out
        assert entry["title"] in out
    assert entries or out == f"There are no {kind}.\n"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_a_family_trains_with_its_own_learner_data_and_settings(answer: Any, family: Any) -> None:
    made = answer("train", "--family", family.key, "--steps", "3", "--project", "p.dgm")
    assert (made["status"], made["step"]) == ("finished", 3)
    assert made["metrics"]
    with Project.open(Path("p.dgm"), read_only=True) as opened:
        config = opened.runs[made["run"]].config
    assert config is not None
    assert (config.learner, config.data.source) == (family.learners[0], family.data)
    assert config.data.binarization == family.binarization


def test_a_run_says_where_it_is_kept_and_can_be_checked(command: Command) -> None:
    code, out, err = command("train", "--steps", "5", "--set", "model.hidden=16")
    assert (code, err) == (0, "")
    kept = next(Path().glob("*.dgm"))
    assert out.rstrip().endswith(str(kept.resolve()) + ".")
    code, out, err = command("check", str(kept))
    assert (code, err) == (0, "")
    assert re.search(r"checkpoints at 0, (\d, )*5, ", out)  # those between are kept where steps take long


def test_a_second_run_joins_the_project(answer: Any, copied: str) -> None:
    answer("train", "--project", copied, "--run", "second", "--steps", "2")
    with Project.open(Path(copied), read_only=True) as opened:
        assert [made.name for made in opened.runs.values()] == ["first", "second"]


def test_every_option_reaches_the_run() -> None:
    words = ["model.hidden=200", "learning.learning_rate=3e-4", "training.batch_size=64", "data.split_seed=5"]
    made = configure("vae-digits", None, None, None, "dynamic", words, {"steps": 7, "seed": 3, "device": "cpu"})
    assert (made.model["hidden"], made.learning["learning_rate"]) == (200, 3e-4)
    assert made.training.model_dump() == {"steps": 7, "batch_size": 64, "seed": 3, "device": "cpu"}
    assert (made.data.split_seed, made.data.binarization) == (5, "dynamic")


@pytest.mark.parametrize(
    ("option", "words", "expected"),
    [
        (None, ["data.levels=16"], ("none", 16)),
        (None, ["data.levels=0"], ("threshold", 0)),
        ("fixed", [], ("fixed", 0)),
        ("none", ["data.levels=4"], ("none", 4)),
        ("threshold", ["data.levels=4"], ("threshold", 4)),
        (None, ["data.levels=4", "data.binarization=fixed"], ("fixed", 4)),
    ],
)
def test_levels_that_are_asked_for_replace_the_bits_of_a_family_but_not_bits_that_are_asked_for(
    option: str | None, words: list[str], expected: tuple[str, int]
) -> None:
    made = configure(None, "pixelcnn", None, None, option, words, {})
    assert (made.data.binarization, made.data.levels) == expected


def test_a_setting_of_the_data_reaches_its_source() -> None:
    made = configure(None, FAMILIES[0].key, None, "some-source", None, ["data.path=a b.npz", "data.size=[8, 8]"], {})
    assert made.data.settings == {"path": "a b.npz", "size": [8, 8]}


def test_another_learner_starts_from_its_own_defaults() -> None:
    family = next(family for family in FAMILIES if len(family.learners) > 1)
    first, second = family.learners[:2]
    made = configure(None, family.key, second, None, None, [], {})
    assert made.learning == Recipe.read(family.key, second, {}, {}).learner.model_dump(mode="json")
    assert made.learner != first


def test_every_setting_is_written_out() -> None:
    """So that a run does not change when a default does."""
    family = FAMILIES[0]
    made = configure(None, family.key, None, None, None, [], {})
    assert set(made.model) == set(family.settings.model_fields)


def test_a_setting_out_of_bounds_is_named() -> None:
    with pytest.raises(SettingsError, match=r"training\.batch_size.*greater than or equal to 1"):
        configure(None, FAMILIES[0].key, None, None, None, ["training.batch_size=0"], {})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "nonsense"], "no preset named 'nonsense'"),
        (["train", "--family", "nonsense"], "no family named 'nonsense'"),
        (["train", "--learner", "nonsense"], "cannot learn by 'nonsense'"),
        (["train", "--data", "nonsense"], "no data set named 'nonsense'"),
        (["train", "--binarization", "nonsense"], "nonsense"),
        (["train", "vae-digits", "--family", "vae"], "not both"),
        (["train", "--set", "model.nonsense=1"], "model.nonsense: unknown setting (there are: "),
        (["train", "--set", "model.hidden=many"], "model.hidden"),
        (["train", "--set", "training.nonsense=1"], "training.nonsense: unknown setting"),
        (["train", "--set", "nonsense=1"], "GROUP.FIELD=VALUE"),
        (["train", "--set", "model.hidden"], "GROUP.FIELD=VALUE"),
        (["train", "--steps", "0"], "training.steps"),
        (["train", "--steps", "few"], "few"),
        (["train", "--minutes", "0"], "--minutes"),
        (["train", "--device", "nonsense"], "training.device"),
        (["train", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["train", "--project", "no/such/folder/p.dgm"], "no folder"),
        (["resume", "none.dgm"], "none.dgm"),
        (["check", "none.dgm"], "none.dgm"),
        (["list", "nonsense"], "nonsense"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence_and_leaves_nothing(command: Command, words: list[str], said: str) -> None:
    code, out, err = command(*words)
    assert code == 2
    assert out == ""
    assert said in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert list(Path().iterdir()) == []


def test_a_settings_file_is_trained_under_its_name(answer: Any) -> None:
    family = FAMILIES[0].key
    Path("mine.toml").write_text(f'family = "{family}"\n[training]\nsteps = 3\nseed = 4\n', encoding="utf-8")
    made = answer("train", "--config", "mine.toml")
    assert (made["name"], made["step"], Path(made["project"]).name) == ("mine", 3, "mine.dgm")
    with Project.open(Path("mine.dgm"), read_only=True) as opened:
        config = opened.runs[made["run"]].config
    assert config is not None
    assert (config.family, config.training.seed) == (family, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('family = "nonsense"', "mine.toml: family: There is no family named 'nonsense'"),
        ("[training]\nsteps = 3", "mine.toml must name a family or a preset"),
        ("= 3", "mine.toml is not TOML that can be read"),
    ],
)
def test_a_bad_settings_file_ends_with_2_and_leaves_nothing(command: Command, text: str, said: str) -> None:
    Path("mine.toml").write_text(text, encoding="utf-8")
    code, out, err = command("train", "--config", "mine.toml")
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert [path.name for path in Path().iterdir()] == ["mine.toml"]


def test_data_that_does_not_fit_is_refused_before_anything_is_written(command: Command) -> None:
    code, out, err = command("train", "gan-digits", "--binarization", "fixed")
    assert (code, out) == (2, "")
    assert "bits" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("family", "data", "said"),
    [
        ("nade", "casino", "cannot model symbols: choose images and a binarisation"),
        ("nade", "regimes", "cannot model reals: choose images and a binarisation"),
        ("vae", "casino", "cannot model symbols"),
        ("hmm", "digits", "models sequences, and these data are images: choose sequences"),
        ("hmm", "moons", "models sequences, and these data are points in a plane: choose sequences"),
    ],
)
def test_what_no_preparation_would_make_fit_is_said_at_once(
    command: Command, family: str, data: str, said: str
) -> None:
    code, out, err = command("train", "--family", family, "--data", data)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resume", "--run", "nonsense"], "It holds: first."),
        (["resume", "--steps", "0"], "more than 0"),
        (["evaluate", "--what", "nonsense"], "What can be: "),
        (["evaluate", "--set", "likelihood.nonsense=1"], "likelihood.nonsense: unknown setting"),
        (["sample", "-n", "0"], "at least 1"),
        (["sample", "--out", "samples.doc"], ".png, .txt or .npz"),
        (["sample", "--out", "samples.txt"], "does not model text"),
    ],
)
def test_a_wrong_request_leaves_the_project_as_it_was(
    command: Command, copied: str, words: list[str], said: str
) -> None:
    before = Path(copied).read_bytes()
    code, out, err = command(words[0], copied, *words[1:])
    assert (code, out) == (2, "")
    assert said in err
    assert Path(copied).read_bytes() == before


def test_a_damaged_file_is_reported(command: Command, copied: str) -> None:
    data = bytearray(Path(copied).read_bytes())
    data[len(data) // 2] ^= 1
    Path(copied).write_bytes(data)
    code, out, err = command("check", copied)
    assert (code, out) == (2, "")
    assert "copy.dgm" in err


def test_resuming_gives_what_an_uninterrupted_training_gives(answer: Any) -> None:
    whole = answer("train", "--steps", "12", "--project", "whole.dgm")
    answer("train", "--steps", "5", "--project", "parts.dgm")
    parts = answer("resume", "parts.dgm", "--steps", "7")
    assert parts["step"] == whole["step"] == 12
    assert parts["metrics"] == whole["metrics"]


def test_resuming_without_steps_finishes_what_was_planned(answer: Any, copied: str) -> None:
    assert answer("resume", copied)["step"] == 60  # all 30 were done: as many again
    assert answer("resume", copied)["step"] == 90  # and again
    assert answer("resume", copied, "--steps", "5")["step"] == 95
    assert answer("resume", copied)["step"] == 100


def test_a_time_limit_ends_a_training(answer: Any) -> None:
    made = answer("train", "--minutes", "0.002", "--project", "p.dgm")
    assert made["status"] == "stopped"
    assert 0 < made["step"] < 4000


QUICK = ("--set", "likelihood.code_temperatures=10", "--set", "likelihood.code_examples=2")


def test_an_evaluation_is_printed_and_kept(command: Command, answer: Any, copied: str) -> None:
    made = answer("evaluate", copied, "--what", "likelihood", "--set", "likelihood.importance_samples=5", *QUICK)
    assert [entry["key"] for entry in made["evaluations"]] == ["likelihood"]
    assert made["evaluations"][0]["settings"]["importance_samples"] == 5
    with Project.open(Path(copied), read_only=True) as opened:
        assert [kept.key for kept in opened.runs[made["run"]].evaluations] == ["likelihood"]
    code, out, _ = command("evaluate", copied, "--what", "likelihood", "samples", *QUICK)
    assert code == 0
    assert "ELBO" in out


def test_what_was_measured_before_an_interruption_is_kept(
    command: Command, copied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*asked: Any) -> Iterator[Any]:
        for event in measure(*asked):
            yield event
            if isinstance(event, Measured):
                raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "measure", interrupted)
    code, out, _ = command("evaluate", copied, "--what", "samples", "likelihood", *QUICK)
    assert code == 130
    assert "Kept what was measured until then: samples." in out
    with Project.open(Path(copied), read_only=True) as opened:
        assert [kept.key for kept in next(iter(opened.runs.values())).evaluations] == ["samples"]


def test_what_is_measured_is_saved_on_the_way(
    command: Command, copied: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there: list[list[str]] = []

    def watched(*asked: Any) -> Iterator[Any]:
        for event in measure(*asked):
            yield event
            if isinstance(event, Measured):  # what a killed process would leave behind now
                shutil.copy(copied, tmp_path / "left.dgm")
                with Project.open(tmp_path / "left.dgm", read_only=True) as left:
                    there.append([kept.key for run in left.runs.values() for kept in run.evaluations])

    monkeypatch.setattr(evaluate, "measure", watched)
    monkeypatch.setattr(evaluate, "SAVE_EVERY", 0.0)
    assert command("evaluate", copied, "--what", "samples", "likelihood", *QUICK)[0] == 0
    assert there == [["samples"], ["samples", "likelihood"]]


def test_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.say("E[bold]")
    output.table(["Q[x]", "n"], [["E[log p(x|z)]", 1.0]], "KL[q, p]")
    assert capsys.readouterr().out.split() == ["E[bold]", "KL[q,", "p]", "Q[x]", "n", "E[log", "p(x|z)]", "1"]


def test_evaluating_twice_gives_the_same_figures(answer: Any, copied: str) -> None:
    fewer = ("amortisation.steps=10", "amortisation.importance_samples=100", "gradients.draws=40", "fidelity.steps=50")
    quick = (*QUICK, *(word for setting in fewer for word in ("--set", setting)))
    first = {entry["key"]: entry["reports"] for entry in answer("evaluate", copied, *quick)["evaluations"]}
    assert len(first) > 10
    some = ("reconstruction", "likelihood", "samples")  # fewer, and in another order
    second = answer("evaluate", copied, "--what", *some, *QUICK)["evaluations"]
    assert [entry["key"] for entry in second] == list(some)
    assert [entry["reports"] for entry in second] == [first[key] for key in some]


def test_samples_are_written_as_numbers_and_as_a_picture(answer: Any, project: Path) -> None:
    answer("sample", str(project), "-n", "10", "--out", "a.npz", "--seed", "1")
    answer("sample", str(project), "-n", "10", "--out", "b.npz", "--seed", "1")
    answer("sample", str(project), "-n", "10", "--out", "c.npz", "--seed", "2")
    a, b, c = (np.load(f"{name}.npz")["x"] for name in "abc")
    assert a.shape == (10, 1, 8, 8)
    assert (a == b).all()
    assert (a != c).any()
    answer("sample", str(project), "-n", "9", "--out", "d.png")
    picture = Image.open("d.png")
    assert picture.width == picture.height > 300


def test_samples_of_text_are_written_as_text(answer: Any) -> None:
    answer(
        "train", "--preset", "char-rnn-grammar", "--steps", "2", "--project", "text.dgm", "--set", "data.examples=99"
    )
    assert Path(answer("sample", "text.dgm", "-n", "5")["file"]).name == "samples.txt"
    parts = Path("samples.txt").read_text().split("\n--------\n")
    assert [len(part) for part in parts] == [44] * 5 + [0]
    answer("sample", "text.dgm", "-n", "5", "--out", "d.png")
    assert Image.open("d.png").getbbox() is not None
    answer("export", "text.dgm", "--to", "e")
    assert Path("e/samples/samples.txt").read_text().count("--------") == 64


def test_an_export_holds_weights_configuration_and_samples(answer: Any, project: Path) -> None:
    made = answer("export", str(project), "--to", "a/b")
    assert {"a/b/weights.safetensors", "a/b/config.json", "a/b/samples/samples.png"} < set(made["files"])
    described = json.loads(Path("a/b/config.json").read_text())
    with Project.open(project, read_only=True) as opened:
        run_ = next(iter(opened.runs.values()))
        assert run_.config is not None
        assert described["config"] == run_.config.model_dump(mode="json")
        kept = run_.checkpoint()["model"]
    weights = load_file("a/b/weights.safetensors")
    assert weights.keys() == kept.keys()
    assert all((weights[name] == tensor).all() for name, tensor in kept.items())


def test_a_run_without_a_state_cannot_go_on(command: Command, copied: str) -> None:
    with Project.open(Path(copied)) as opened:
        config = next(iter(opened.runs.values())).config
        assert config is not None
        opened.new_run(config, "new")
        opened.save()
    for name in ("resume", "evaluate", "sample"):
        code, out, err = command(name, copied)
        assert (code, out) == (2, "")
        assert "'new' keeps no state" in err


def test_a_project_that_is_open_elsewhere_is_left_alone(command: Command, copied: str) -> None:
    with Project.open(Path(copied)):
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), "resume", copied, "--steps", "1"], capture_output=True, text=True
        )
    assert done.returncode == 2
    assert "open elsewhere" in done.stderr


def test_a_cut_off_training_is_announced_and_brought_back(command: Command, answer: Any) -> None:
    trained = start_training("p.dgm")
    wait_for_line(trained, "step")
    wait_until(lambda: any(Path("p.dgm.work").glob("*/checkpoint-*.dgm-part")))
    trained.kill()
    trained.communicate()
    code, _, err = command("resume", "p.dgm", "--run", "nonsense")
    assert code == 2
    assert "dgm recover p.dgm" in err
    (left,) = answer("recover", "p.dgm", "--list")["left"]
    assert left["name"] == "long"
    assert left["time"] >= left["began"] >= "2026"
    code, out, _ = command("recover", "p.dgm", "--list")
    assert code == 0
    assert f"states of steps: {left['states'][0]['step']} (20" in out
    assert answer("recover", "p.dgm", "--run", "other")["left"] == []
    code, _, err = command("recover", "p.dgm", "--step", "123456")
    assert code != 0
    assert "no whole state of step 123456" in err
    recovered = answer("recover", "p.dgm", "--run", "long", "--step", str(left["states"][0]["step"]))["recovered"]
    assert [(entry["name"], entry["step"]) for entry in recovered] == [("long", left["states"][0]["step"])]
    assert answer("resume", "p.dgm", "--steps", "1")["step"] == recovered[0]["step"] + 1
    assert answer("recover", "p.dgm")["recovered"] == []


# one handler hears both signals: the other one each time is among what takes minutes
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupt_stops_a_training_and_keeps_it(command: Command, number: signal.Signals) -> None:
    trained = start_training("p.dgm")
    wait_for_line(trained, "step")
    trained.send_signal(number)
    out, err = trained.communicate(timeout=240)
    assert trained.returncode == 0
    assert "Ctrl+C again aborts" in err
    assert "Stopped at step" in out
    with Project.open(Path("p.dgm"), read_only=True) as opened:
        assert [made.status for made in opened.runs.values()] == ["stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_an_export_that_is_interrupted_leaves_nothing(command: Command, number: signal.Signals) -> None:
    assert command("train", "--family", "gsn", "--steps", "1", "--project", "p.dgm")[0] == 0
    before = {path.name for path in Path().iterdir()}
    words = [sys.executable, str(ROOT / "main.py"), "export", "p.dgm", "--to", "out", "--samples", "30000"]
    # a shell that starts something in the background has it ignore Ctrl+C, and what that starts inherits it
    export = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
    )
    wait_until(lambda: any(Path().glob(".out.*/samples")))
    export.send_signal(number)
    assert export.communicate(timeout=240)[1] == "Aborted.\n"
    assert export.returncode == 130
    assert {path.name for path in Path().iterdir()} == before


def test_no_reader_is_no_traceback() -> None:
    """`dgm list families | head -0`"""
    listing = f"{sys.executable} {ROOT / 'main.py'} list families"
    done = subprocess.run(["bash", "-c", f"{listing} | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def start_training(file: str) -> subprocess.Popen[str]:
    """A training that would take hours, in a process of its own."""
    words = ["train", "vae-digits", "--project", file, "--run", "long", "--steps", "10000000"]
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "main.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def wait_for_line(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    assert any(line.startswith(start) for line in process.stdout), "it ended before it trained"


def wait_until(holds: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_pictures_of_a_folder_named_from_here_stand_in_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def photograph(album: Album) -> list[Path]:
        picture = (album.place((1280, 800), 1.0) / "vae-train-dark.png").absolute()
        picture.parent.mkdir(parents=True)
        picture.touch()
        return [picture]

    monkeypatch.chdir(tmp_path)
    assert run(["screenshots", "pictures"], photograph) == 0
    assert 'src="1280x800/vae-train-dark.png"' in Path("pictures/index.html").read_text(encoding="utf-8")
    assert str(tmp_path / "pictures" / "index.html") in capfd.readouterr().out
