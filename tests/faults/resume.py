"""Stopped runs that go on: do they end at the bits of a run that nobody stopped, and is a state that lacks something
noticed?

For every family and learner of the catalogue, with its settings as they are, with everything on that is off, and the
other way round: a run is stopped at every step, kept in a project file, opened again after the random generators were
put elsewhere, and trained to its end. Model, learner, optimisers, generator, sampler and curves are compared bit for
bit.

Then every leaf of a kept state is replaced by what a fresh start has there, and left out. The training that goes on
from it must be refused, or its curves or the model it ends with must be others; or else the kept state must look
different. A leaf that holds what a fresh start holds cannot be missed, and is counted as constant; so is a random
generator that is not drawn from any more.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "models")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from contract import CPU, DATASETS, LEARNERS, TRAIN, accepts, answers, recipe, small  # noqa: E402
from pydantic import ValidationError  # noqa: E402
from torch import Tensor  # noqa: E402

from dgm_studio.config import DataChoice, RunConfig, TrainingSettings, default_data  # noqa: E402
from dgm_studio.datasets.base import Dataset  # noqa: E402
from dgm_studio.datasets.sources import load  # noqa: E402
from dgm_studio.evaluation import admitted, evaluate  # noqa: E402
from dgm_studio.events import CLOSING, Checkpoint, Event, Failed, Paused, Progress, Snapshot, Tree  # noqa: E402
from dgm_studio.inference import Inference  # noqa: E402
from dgm_studio.recording import Recorder  # noqa: E402
from dgm_studio.state import load_tensors  # noqa: E402
from dgm_studio.store import Project  # noqa: E402
from dgm_studio.subject import Subject  # noqa: E402
from dgm_studio.training import Order, Resume, TrainingSession  # noqa: E402
from models import catalog  # noqa: E402
from models.catalog import Recipe  # noqa: E402
from models.settings import Settings  # noqa: E402

STEPS = 13
BATCH = TRAIN // 3  # so that an epoch has three steps, or fewer
ON = {  # settings without which something would make no difference so early
    "layer_steps": 4,  # so that what follows greedy layers is reached
    "greedy_rate": 2.0,  # so that layers above are given other bits for another example
    "labels_per_class": TRAIN,  # more than there are: what they are kept in goes on filling
}
APART = 7  # steps from one time that an evaluation is made to the next, while a run trains
LEFT_AT = 7  # inside an epoch: where the state is that lacks something

Drive = Callable[[TrainingSession, Event], None]
Curves = dict[str, tuple[np.ndarray, np.ndarray]]


def nothing(session: TrainingSession, event: Event) -> None:
    """What happens between two events of a run that nobody looks at."""


# What is trained.


@dataclass(frozen=True)
class Case:
    """One way to train one family."""

    family: str
    learner: str
    variant: str
    changed: dict[str, Any]
    dataset: Dataset
    data: DataChoice = field(default_factory=DataChoice)  # where `dataset` came from, for runs that read it themselves

    @property
    def name(self) -> str:
        return f"{self.family} by {self.learner}, {self.variant}"

    @property
    def recipe(self) -> Recipe:
        return recipe(self.family, self.learner, **self.changed)

    def config(self, steps: int = STEPS) -> RunConfig:
        made = self.recipe
        training = TrainingSettings(steps=steps, batch_size=BATCH, device="cpu", seed=5)
        model, learning = made.model.model_dump(), made.learner.model_dump()
        return RunConfig(
            family=self.family, learner=self.learner, data=self.data, model=model, learning=learning, training=training
        )


def cases() -> Iterator[Case]:
    """Every family and learner of the catalogue, in each variant of its settings and data."""
    for family, learner, _ in (parameters.values for parameters in LEARNERS):
        both = (catalog.family(family).settings, catalog.learning(learner).settings)
        variants: dict[str, dict[str, Any]] = {"settings as they are": {}, "everything on": {}, "everything off": {}}
        for settings in both:
            variants["everything on"] |= switched(settings, on=True)
            variants["everything off"] |= switched(settings, on=False)
        out_of_reach = catalog.learning(learner).learner.out_of_reach(catalog.family(family).model)
        for name, changed in variants.items():
            changed = {
                setting: value
                for setting, value in changed.items()
                if setting not in out_of_reach and all(holds(settings, setting, value) for settings in both)
            }
            made = recipe(family, learner, **changed)
            fitting = [dataset for dataset in DATASETS.values() if accepts(made, dataset)]
            # the last data that fit, once: some memories are of use with some data only
            yield Case(family, learner, name, changed, fitting[-1] if name == "everything on" else fitting[0])
        if accepts(recipe(family, learner), DATASETS["bits"]):
            yield Case(family, learner, "bits drawn at each visit", {}, drawn_bits())


# Families and learners by name, on the data of the family: all but one that would sum log Z over 64 pixels.
READ = [
    (family.key, learner)
    for family in catalog.FAMILIES
    for learner in family.learners
    if (family.key, learner) != ("conv-rbm", "maximum-likelihood")
]


def read_case(family: str, learner: str) -> Case:
    """A family and a learner of it on the data of the family, which the run reads by itself."""
    choice = default_data(catalog.family(family))
    return Case(family, learner, "settings as they are", {}, load(choice), choice)


def switched(settings: type[Settings], on: bool) -> dict[str, Any]:
    """Settings other than their defaults: with `on` a number where there is a 0, and the last of several choices;
    without it a 0 wherever one is allowed."""
    changed: dict[str, Any] = {}
    for name, item in settings.model_fields.items():
        default = item.default
        lowest, highest = (
            next((getattr(m, end) for m in item.metadata if hasattr(m, end)), None) for end in ("ge", "le")
        )
        if on and name in ON:
            changed[name] = ON[name]
        elif get_origin(item.annotation) is Literal and on:
            changed[name] = get_args(item.annotation)[-1]
        elif isinstance(default, bool) or not isinstance(default, int | float):
            continue
        elif on and default == 0:
            # a schedule of so many steps is still under way where the state is that lacks something
            changed[name] = type(default)(min(LEFT_AT + 4 if isinstance(default, int) else 0.5, highest or 0.5))
        elif not on and default != 0 and lowest == 0:
            changed[name] = type(default)(0)
    return changed


def holds(settings: type[Settings], name: str, value: Any) -> bool:
    """Whether settings may have this value under a name, which they may share with others, or do not have it."""
    try:
        settings.model_validate({name: value} if name in settings.model_fields else {})
    except ValidationError:
        return False
    return True


def drawn_bits() -> Dataset:
    """Probabilities that become other bits at each visit; held-out bits are drawn once."""
    grey, bits = DATASETS["unit"], DATASETS["bits"]
    return replace(bits, train=grey.train, draws_bits=True)


# Training and stopping, by way of project files.


@dataclass
class End:
    """What a run came to. `refused` says why it did not."""

    state: Tree = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)
    refused: str = ""


def train(path: Path, case: Case, stop: int | None = None, between: Drive = nothing) -> None:
    """Train the run of the project `path`, made if it is not there: from its newest state to its end, or to `stop`."""
    fresh = not path.exists()
    with Project.create(path) if fresh else Project.open(path) as project:
        run = project.new_run(case.config()) if fresh else next(iter(project.runs.values()))
        session = TrainingSession(case.config(), case.dataset, None if fresh else Resume(run.checkpoint()))
        recorder = Recorder(project, run)
        try:
            drive(session, stop, lambda session, event: (recorder.record(event), between(session, event)))
        finally:
            recorder.close()


def drive(session: TrainingSession, stop: int | None, between: Drive) -> None:
    """Consume a session: to its end, or step by step to the step `stop`, where it is told to stop and keep."""
    if stop is not None:
        session.tell(Order.PAUSE)
    for event in session.events():
        between(session, event)
        if isinstance(event, Paused) and stop is not None:
            session.tell(Order.STEP if event.step < stop else Order.STOP)
        if isinstance(event, Failed):
            raise AssertionError(f"{event.text}\n{event.details}")


def end(path: Path) -> End:
    """What a project keeps of its run."""
    with Project.open(path, read_only=True) as project:
        (run,) = project.runs.values()
        return End(run.checkpoint(), dict(run.metrics))


def stopped(folder: Path, case: Case, stops: tuple[int, ...], between: Drive = nothing) -> End:
    """A run that is stopped at each of `stops` and then trained to its end."""
    path = folder / "run.dgm"
    path.unlink(missing_ok=True)
    for stop in (*stops, None):
        scramble()
        train(path, case, stop, between)
    return end(path)


def scramble() -> None:
    """Put every random generator of the process where no run left it."""
    torch.manual_seed(99)
    torch.rand(7)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002  (the old generator, in case somebody uses it)


# Comparing.


def leaves(tree: Any, place: str = "") -> dict[str, Any]:
    """Whatever is no dict and no list in `tree`, by its place."""
    if isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {at: leaf for key, value in items for at, leaf in leaves(value, f"{place}/{key}").items()}
    return {place: tree}


def bits(leaf: Any) -> Any:
    """What tells two leaves apart: -0 from 0, and one layout in memory from another."""
    if isinstance(leaf, Tensor):
        return leaf.dtype, tuple(leaf.shape), leaf.stride(), leaf.detach().contiguous().numpy().tobytes()
    return type(leaf), leaf


def differences(a: Any, b: Any) -> list[str]:
    """Where two trees differ in any bit."""
    first, second = leaves(a), leaves(b)
    at = {place for place in first.keys() & second.keys() if bits(first[place]) != bits(second[place])}
    return sorted(at | (first.keys() ^ second.keys()))


def curves_differ(case: Case, a: Curves, b: Curves) -> list[str]:
    """Quantities whose curves differ. Held-out figures are measured at the end, and before when there is time for it:
    they are compared where both runs did, which may be nowhere for those of a phase that ended early."""
    none = (np.empty(0, int), np.empty(0))
    last = max((steps[-1] for curves in (a, b) for steps, _ in curves.values()), default=0)
    found = []
    for quantity in case.recipe.learning.learner.quantities:
        for key in (quantity.key, f"valid/{quantity.key}"):
            (steps, values), (other_steps, other_values) = a.get(key, none), b.get(key, none)
            both, mine, others = np.intersect1d(steps, other_steps, return_indices=True)
            if key == quantity.key and not len(both) == len(steps) == len(other_steps):
                found.append(f"{key}: other steps")
            elif (last in steps) != (last in other_steps):
                found.append(f"{key}: only one has its end")
            elif values[mine].tobytes() != other_values[others].tobytes():
                found.append(key)
    return found


# Going on at the same bits.


def stop_points(seed: int) -> list[tuple[int, ...]]:
    """At which steps a run is stopped: at each of them alone, and at some one after the other."""
    dice = random.Random(seed)
    several = [tuple(sorted(dice.sample(range(STEPS + 1), 2))) for _ in range(5)]
    return [*((stop,) for stop in range(STEPS + 1)), *several, (0, 1, 3, 7, STEPS)]


def resumed(case: Case, folder: Path, stops: list[tuple[int, ...]]) -> dict[tuple[int, ...], list[str]]:
    """By the steps at which it was stopped: where a run differs from the one that nobody stopped."""
    straight = stopped(folder, case, ())
    return {each: apart(case, straight, stopped(folder, case, each)) for each in stops}


def apart(case: Case, a: End, b: End) -> list[str]:
    """Where two ends of the same run differ."""
    return differences(a.state, b.state) + curves_differ(case, a.curves, b.curves)


@contextmanager
def looked_at(case: Case) -> Iterator[tuple[Drive, Counter[str]]]:
    """What a person does to a run between its steps: questions of every kind are asked of each state in a thread of its
    own, and evaluations are made, or begun and cancelled. Counts what was done."""
    done: Counter[str] = Counter()
    inference = Inference(case.recipe, case.dataset, CPU)
    possible = admitted(case.recipe, case.dataset.spec)
    failed: list[str] = []

    def answer() -> None:
        for said in inference.answers():
            done["answers"] += 1
            if said.error:
                failed.append(said.details)

    def question(subject: Subject) -> list[str]:
        return list(answers(subject.learner, case.dataset.valid.x))

    def busy(session: TrainingSession, event: Event) -> None:
        session.want_snapshot()
        if not isinstance(event, Snapshot):
            return
        inference.publish(event)
        for entry in possible[event.step % APART :: APART]:  # each of a few states of the run
            work = evaluate(case.recipe, case.dataset, event, [entry.key], CPU, 0, {entry.key: small(entry.settings)})
            for _, _ in zip(work, range(3 + event.step % 5), strict=False):
                pass  # to its end, or not
            done["evaluations"] += 1

    thread = threading.Thread(target=answer)
    thread.start()
    inference.ask("all", question, standing=True)
    try:
        yield busy, done
    finally:
        inference.close()
        thread.join()
    assert not failed, failed[0]


# States that lack something.

LEFT_OUT = object()


def put(tree: Any, place: str, value: Any) -> Any:
    """A copy of `tree` with another leaf, or without it."""
    key, _, rest = place.removeprefix("/").partition("/")
    if isinstance(tree, list):
        items = [put(item, rest, value) if str(at) == key and rest else item for at, item in enumerate(tree)]
        return (
            items
            if rest
            else [value if str(at) == key else item for at, item in enumerate(tree) if value is not LEFT_OUT]
        )
    if not rest and value is LEFT_OUT:
        return {name: item for name, item in tree.items() if name != key}
    return {**tree, key: put(tree[key], rest, value) if rest else value}


def go_on(case: Case, state: Tree) -> End:
    """Train from `state` to the end, in memory."""
    reached = End()
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    scramble()
    for event in TrainingSession(case.config(), case.dataset, Resume(state)).events():
        if isinstance(event, Progress):
            for key, row in event.metrics.items():
                rows.setdefault(key, []).append(row)
        elif isinstance(event, Checkpoint):
            reached.state = event.state
        elif isinstance(event, Failed):
            reached.refused = event.text
        assert not isinstance(event, CLOSING) or reached.refused or reached.state["step"] == STEPS
    reached.curves = {
        key: tuple(np.concatenate(parts) for parts in zip(*row, strict=True)) for key, row in rows.items()
    }
    return reached


def seen(case: Case, state: Tree) -> dict[str, Tensor]:
    """What a person sees of a kept state."""
    learner = case.recipe.build_empty(case.dataset.spec, len(case.dataset.train), CPU)
    load_tensors(learner, state)
    learner.eval()
    return answers(learner, case.dataset.valid.x)


@dataclass
class Lacking:
    """What came of the states of one case that lacked something. Places of leaves."""

    constant: list[str] = field(default_factory=list)
    noticed: list[str] = field(default_factory=list)
    seen_at_once: list[str] = field(default_factory=list)  # trained over, but shown until then
    unnoticed: list[str] = field(default_factory=list)


def kind(place: str) -> str:
    """What leaves have in common that differ only in the parameter they belong to."""
    top, _, rest = place.removeprefix("/").partition("/")
    if top == "optimizers":
        name, _, *_, what = rest.split("/")
        return f"{name} {what}"
    return top if top == "model" else f"{top} {rest.split('.')[0]}"


def lacking(case: Case, few: bool = False) -> Lacking:
    """Try every leaf of the state that `case` has at step LEFT_AT; one of each kind where `few`."""
    states: dict[int, Tree] = {}
    keep = lambda session, event: states.update({event.step: event.state} if isinstance(event, Checkpoint) else {})  # noqa: E731
    drive(TrainingSession(case.config(), case.dataset), LEFT_AT, keep)
    kept, fresh = states[LEFT_AT], leaves(states[0])
    straight = go_on(case, kept)
    assert not straight.refused, straight.refused
    shown, shown_at_once = seen(case, straight.state), seen(case, kept)
    found = Lacking()
    tried: set[str] = set()
    for place, leaf in leaves(kept).items():
        # an optimiser that has not stepped yet remembers nothing: zeros
        start = fresh.get(place, torch.zeros_like(leaf) if isinstance(leaf, Tensor) else None)
        undrawn = place.startswith("/rng/") and bits(leaf) == bits(leaves(straight.state)[place])
        if bits(start) == bits(leaf) or undrawn:
            found.constant.append(place)
            continue
        if few and kind(place) in tried:
            continue
        tried.add(kind(place))

        def noticed(state: Tree) -> bool:
            other = go_on(case, state)
            if other.refused or curves_differ(case, straight.curves, other.curves):
                return True
            return bool(differences(shown, seen(case, other.state)))

        if all(noticed(put(kept, place, value)) for value in (start, LEFT_OUT)):
            found.noticed.append(place)
        elif differences(shown_at_once, seen(case, put(kept, place, start))):
            found.seen_at_once.append(place)
        else:
            found.unnoticed.append(place)
    return found


# The script.


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only what has this in its name")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs of steps at which a run is stopped")
    asked = parser.parse_args()
    bad = 0
    missed: dict[tuple[str, str], list[set[str]]] = {}
    for case in cases():
        if asked.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = resumed(case, Path(folder), stop_points(asked.seed))
            with looked_at(case) as (busy, done):
                watched = stopped(Path(folder), case, (LEFT_AT,), busy)
            disturbed = apart(case, watched, stopped(Path(folder), case, ()))
        state = lacking(case)
        identical = sum(not where for where in found.values())
        left = len(state.noticed) + len(state.seen_at_once) + len(state.unnoticed)
        print(
            f"{case.name}: stopped {len(found)} ways, {identical} identical; looked at ({done['answers']} answers, "
            f"{done['evaluations']} evaluations) {'changed' if disturbed else 'identical'}; {left} leaves left out, "
            f"{len(state.noticed)} noticed in training, {len(state.seen_at_once)} when looked at, "
            f"{len(state.constant)} constant",
            flush=True,
        )
        for stops, where in found.items():
            if where:
                print(f"  stopped at {stops}: {where[:5]}")
        bad += len(found) - identical + bool(disturbed)
        missed.setdefault((case.family, case.learner), []).append(set(state.unnoticed))
    for (family, learner), each in missed.items():
        # a memory that some settings do not use is noticed in those that do
        never = set.intersection(*each)
        for place in sorted(never):
            print(f"{family} by {learner}: nobody notices that {place} is missing, whatever the settings")
        bad += len(never)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
