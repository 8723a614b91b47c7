"""One run of a project: what it was made from, what was measured, and the states and pictures that were kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dgm_studio.events import Tree
from dgm_studio.store.described import Described
from dgm_studio.store.errors import ProjectError
from dgm_studio.store.metrics import Curve, Metrics
from dgm_studio.store.records import RunRecord, now
from dgm_studio.store.saving import Item
from dgm_studio.store.thinning import superfluous
from dgm_studio.store.trees import array_of, flatten, restore

if TYPE_CHECKING:
    from dgm_studio.store.runs import Runs

THUMBNAIL_SAMPLES = 16
WALL = "wall"  # the curve of seconds

T = TypeVar("T")


@dataclass(frozen=True)
class StoredEvaluation:
    """A report that was made of the run as it was at `step`. `made`: ISO time, UTC."""

    key: str
    step: int
    made: str
    tree: Tree


@dataclass(frozen=True)
class Kept:
    """A run as it was at some moment, and what `go_back` would have returned to then."""

    record: RunRecord
    items: dict[str, Item]  # every dataset but the record, by its place within the run
    before: Kept | None = None

    def moved(self, saved: Kept, stored: Mapping[str, Item]) -> Kept:
        """The same, where what was `saved` lies as `stored` now."""
        items = {place: stored[place] if saved.items.get(place) is item else item for place, item in self.items.items()}
        return Kept(self.record, items)


class Run(Described):
    """Reading is allowed from any thread, while another records. Arrays stay in their file until they are asked for;
    each is compared with its checksum then, and ProjectError("damaged") names what does not match."""

    def __init__(self, project: Runs, run_id: str, record: RunRecord, items: Mapping[str, Item]) -> None:
        """`items`: datasets by their place within the run."""
        super().__init__(project, run_id, record)
        self._hold(items)
        self._before: Kept | None = None  # training

    def _hold(self, items: Mapping[str, Item]) -> None:
        self._items = {place: item for place, item in items.items() if not place.startswith("metrics/")}
        self._metrics = Metrics(_below(items, "metrics/"))
        self._reports: dict[str, StoredEvaluation] = {}

    @property
    def nbytes(self) -> int:
        """What its arrays take in the file, in bytes."""
        return sum(map(_nbytes, self.items().values()))

    # What was kept.

    @property
    def metrics(self) -> dict[str, Curve]:
        """Steps (int64) and values (float32) by key; not to be written to."""
        curves = self._reading(self._metrics.curves)
        return {key: curve for key, curve in curves.items() if key != WALL}

    @property
    def wall(self) -> Curve | None:
        """Steps, and the seconds of training from the start of the run until each; None where they are not known."""
        return self._reading(self._metrics.curves).get(WALL)

    def curves_from(self, step: int) -> dict[str, Curve]:
        """What was measured at `step` and later, the clock included."""
        curves = self._reading(self._metrics.curves)
        begins = {key: int(np.searchsorted(steps, step)) for key, (steps, _) in curves.items()}
        return {key: (steps[begins[key] :], values[begins[key] :]) for key, (steps, values) in curves.items()}

    def checkpoint_steps(self) -> list[int]:
        with self.lock:
            return sorted({int(place.split("/")[1]) for place in self._items if place.startswith("checkpoints/")})

    def checkpoint(self, step: int | None = None, only: Collection[str] = ()) -> Tree:
        """The state kept at `step`, or the newest: a tree of fresh tensors. `only`: these parts of it, "model" for one;
        the others are not read. Raises ProjectError."""

        def read() -> Tree:
            with self.lock:
                steps = self.checkpoint_steps()
                chosen = step if step is not None else steps[-1] if steps else None
                if chosen not in steps:
                    raise ProjectError("missing", self._project.path, f"{self.name} keeps no state of step {chosen}.")
                items = _below(self._items, f"checkpoints/{chosen}/")
            return restore(items, self._project.path, only)

        return self._reading(read)

    def frame_steps(self) -> list[int]:
        with self.lock:
            return sorted({int(place.split("/")[2]) for place in self._items if place.startswith("frames/")})

    def frame(self, step: int) -> tuple[np.ndarray, bool]:
        """The preview kept at `step`, and whether it shows means. Raises ProjectError."""

        def read() -> tuple[np.ndarray, bool]:
            with self.lock:
                means = f"frames/means/{step}" in self._items
                item = self._items.get(f"frames/{'means' if means else 'draws'}/{step}")
            if item is None:
                raise ProjectError("missing", self._project.path, f"{self.name} keeps no picture of step {step}.")
            return array_of(item), means

        return self._reading(read)

    @property
    def thumbnail(self) -> np.ndarray | None:
        """A few samples of the newest preview; None before there is one."""
        steps = self.frame_steps()
        return self.frame(steps[-1])[0][:THUMBNAIL_SAMPLES] if steps else None

    @property
    def evaluations(self) -> list[StoredEvaluation]:
        """In the order they were made."""

        def read() -> list[StoredEvaluation]:
            with self.lock:
                found = _below(self._items, "evaluations/")
                numbers = sorted({place.split("/")[0] for place in found}, key=int)
            for number in numbers:
                if number not in self._reports:
                    self._reports[number] = self._evaluation(number, _below(found, f"{number}/"))
            return [self._reports[number] for number in numbers]

        return self._reading(read)

    def add_evaluation(self, key: str, step: int, tree: Tree) -> None:
        """Keep a report: nested dicts and lists of text, numbers and arrays. Raises TypeError for anything else."""
        datasets = flatten({"key": key, "step": step, "made": now(), "report": tree})
        with self.lock:
            numbers = [int(place.split("/")[1]) for place in self._items if place.startswith("evaluations/")]
            self._put(f"evaluations/{max(numbers, default=0) + 1}/", datasets)

    # What the recorder brings.

    def keep_metrics(self, new: Mapping[str, Curve]) -> None:
        self._metrics.append(new)
        self._project.touch()

    def keep_checkpoint(self, step: int, datasets: Mapping[str, Item]) -> None:
        """`datasets`: a flattened state, in memory or in a file of the work folder."""
        with self.lock:
            self.drop_checkpoint(step)
            self._put(f"checkpoints/{step}/", datasets)

    def drop_checkpoint(self, step: int) -> None:
        with self.lock:
            for place in [p for p in self._items if p.startswith(f"checkpoints/{step}/")]:
                del self._items[place]
            self._project.touch()

    def keep_frame(self, step: int, samples: Item, means: bool) -> None:
        with self.lock:
            self._put(f"frames/{'means' if means else 'draws'}/", {str(step): samples})

    def rewind(self, step: int) -> None:
        """Training goes on from `step`: what came after it is no longer part of the run."""
        self._metrics.cut(step)
        with self.lock:
            for later in [s for s in self.checkpoint_steps() if s > step]:
                self.drop_checkpoint(later)
            for place in [p for p in self._items if p.startswith("frames/") and int(p.split("/")[2]) > step]:
                del self._items[place]
            if self.best is not None and self.best.step > step:
                self.best = None
            self._change(
                findings=[finding for finding in self._record.findings if finding.step <= step],
                demanded=[demanded for demanded in self._record.demanded if demanded <= step],
            )

    def prune(self, keep: set[int], room: float = 0) -> None:
        """Keep the newest two checkpoints, the best, those that were demanded and those in `keep`; and of the others a
        history of the training, which takes `room` bytes at most."""
        with self.lock:
            sizes = self._state_sizes()
            best = {self.best.step} if self.best else set()
            keep = keep | set(sorted(sizes)[-2:]) | best | set(self.demanded)
            for step in superfluous(sizes, keep, room):
                self.drop_checkpoint(step)

    def _state_sizes(self) -> dict[int, int]:
        sizes: dict[int, int] = {}
        for place, item in self._items.items():
            if place.startswith("checkpoints/"):
                step = int(place.split("/")[1])
                sizes[step] = sizes.get(step, 0) + _nbytes(item)
        return sizes

    def remember(self) -> None:
        """Note what `go_back` returns to: the run as it is now or, from the next save on, as it was saved."""
        self._before = self.kept()

    def forget(self) -> None:
        self._before = None

    def go_back(self) -> None:
        """Be again as `remember` or the last save found it, but for name, notes and tags."""
        with self.lock:
            assert self._before is not None, "remember() comes first"
            before = self._before
            self._hold(before.items)
            words = {"name": self.name, "notes": self.notes, "tags": self.tags}
            self._record = before.record.model_copy(update=words)
            if self.status == "training":
                self.conclude("stopped")
            self._project.touch()

    def become(self, other: Run) -> None:
        """Take over all that `other` holds."""
        with self.lock:
            self._record, self._items, self._metrics = other._record, other._items, other._metrics
            self._reports = {}
            self._project.touch()

    # For the project.

    def items(self) -> dict[str, Item]:
        """Every dataset but the record, by its place within the run."""
        with self.lock:
            return {**self._items, **{f"metrics/{place}": item for place, item in self._metrics.items().items()}}

    def kept(self) -> Kept:
        """The run as it is now."""
        with self.lock:
            return Kept(self._record, self.items(), self._before)

    def moved(self, saved: Kept, stored: Mapping[str, Item]) -> None:
        """What was `saved` lies as `stored` in a new file now; what changed meanwhile stays as it is."""
        with self.lock:
            for place, item in self._items.items():
                if saved.items.get(place) is item:
                    self._items[place] = stored[place]
            self._metrics.moved(_below(saved.items, "metrics/"), _below(stored, "metrics/"))
            if self._before is not None:
                began_before = self._before is saved.before  # the training: what was saved is the later of the two
                self._before = (saved if began_before else self._before).moved(saved, stored)

    def _put(self, prefix: str, datasets: Mapping[str, Item]) -> None:
        self._items.update({prefix + place: item for place, item in datasets.items()})
        self._project.touch()

    def _reading(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except ProjectError:
            with self.lock:  # a save may have been putting the file in place; it is not while we hold the lock
                return read()

    def _evaluation(self, number: str, items: dict[str, Item]) -> StoredEvaluation:
        tree = restore(items, self._project.path)
        try:
            return StoredEvaluation(tree["key"], tree["step"], tree["made"], tree["report"])
        except (KeyError, TypeError):
            place = f"evaluation {number} of {self.name}"
            raise ProjectError("damaged", self._project.path, f"{place} does not say what it is.") from None


def _nbytes(item: Item) -> int:
    return item.nbytes if isinstance(item, np.ndarray) else item.entry.nbytes


def _below(items: Mapping[str, Item], prefix: str) -> dict[str, Item]:
    return {place.removeprefix(prefix): item for place, item in items.items() if place.startswith(prefix)}
