"""What a data set is, and what every source of data gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from dgm_studio.config import BINARIZATION_TEXT, Binarization
from models.distributions import bernoulli
from models.settings import Settings, printable
from models.spec import DataSpec, Factor, Layout, Support

SENTENCE = 1000
BLOCK = 1000  # examples standardised together


class BadData(ValueError):
    """Data that cannot be used; the sentence says which file and what is wrong with it.

    What a file is called, and what is called so in it, comes from outside: signs that a terminal would obey are shown
    as � and a sentence has SENTENCE characters at most."""

    def __init__(self, sentence: str) -> None:
        clean = printable(sentence)
        super().__init__(clean if len(clean) <= SENTENCE else f"{clean[: SENTENCE - 200]} … {clean[-190:]}")


class BadPreparation(BadData):
    """Data whose values cannot become what was asked for. `given` describes them as they are."""

    def __init__(self, sentence: str, given: DataSpec) -> None:
        super().__init__(sentence)
        self.given = given


class Density(Protocol):
    """A distribution that is known exactly."""

    def log_prob(self, x: Tensor) -> Tensor: ...
    def sample(self, n: int, generator: Generator | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Provenance:
    """Where data came from and what was done to it, for the project file. See identity.py for what compares them."""

    title: str
    files: tuple[tuple[str, str], ...] = ()  # (path or address, sha256)
    steps: tuple[str, ...] = ()  # preprocessing, in order
    licence: str = ""
    fingerprint: str = ""  # of the prepared data, see `_fingerprint`
    other: Provenance | None = None  # of the second domain


@dataclass(frozen=True)
class View:
    """What examples show, where other sets may show the same in another way. Between two views of the same it is known
    what an example of one would look like in the other, although the sets themselves hold no pairs."""

    of: str
    show: Callable[[Tensor], Tensor]  # what is shown (B, …) -> examples (B, *event)
    recover: Callable[[Tensor], Tensor] | None = None  # back, where nothing of it is lost


@dataclass(frozen=True)
class RawData:
    """What a source reads. `x` is (N, *event) float32; `split` holds given parts (0 train, 1 valid, 2 test)."""

    x: np.ndarray
    y: np.ndarray | None  # (N,) int64, -1 without a label; or None without labels
    support: Support
    layout: Layout
    provenance: Provenance
    class_names: tuple[str, ...] = ()
    split: np.ndarray | None = None  # (N,) uint8; None: split by seed
    density: Density | None = None
    standardise: bool = False  # shift and scale by the training part
    symbols: tuple[str, ...] = ()  # how each symbol is written; their number is that of the categories
    protocol: str = ""  # how the examples were made, where a likelihood depends on more than the preparation
    warnings: tuple[str, ...] = ()
    factors: tuple[Factor, ...] = ()  # what the examples were made from, where that is known
    factor_values: np.ndarray | None = None  # (N, factors) float32
    view: View | None = None


Report = Callable[[float, str], None]  # fraction done, what is being done; may raise Stop to cancel


@dataclass(frozen=True)
class Source:
    """A kind of data: its key, what can be set, and how it is read. `load` raises BadData."""

    key: str
    title: str
    summary: str
    settings: type[Settings]
    load: Callable[[Any, Report], RawData]
    available: Callable[[], bool] = field(default=lambda: True)
    at_hand: Callable[[], bool] = field(default=lambda: True)  # whether reading it downloads nothing
    drawing: str = ""  # the setting that is made by drawing (see drawn.py), if one is


@dataclass(frozen=True)
class Split:
    x: Tensor  # (N, *event) float32
    y: Tensor  # (N,) int64; -1 without a label
    factors: Tensor | None = None  # (N, factors) float32, as `DataSpec.factors` describes them

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """Data as a run sees it. With dynamic binarisation `train.x` holds probabilities, and `draws_bits` is True;
    `valid` and `test` always hold what likelihoods are measured on. `other` is the second domain, where there are two;
    its examples are in no order that has to do with those of the first."""

    spec: DataSpec
    train: Split
    valid: Split
    test: Split
    provenance: Provenance
    draws_bits: bool = False
    density: Density | None = None
    warnings: tuple[str, ...] = ()  # sentences about what is odd but can be used
    other: Dataset | None = None
    view: View | None = None  # of values that were left as they are

    @property
    def nbytes(self) -> int:
        """What its examples take in memory."""
        tensors = [t for split in (self.train, self.valid, self.test) for t in (split.x, split.y, split.factors)]
        own = sum(tensor.nbytes for tensor in tensors if tensor is not None)
        return own + (self.other.nbytes if self.other is not None else 0)

    @property
    def domains(self) -> tuple[Dataset, ...]:
        """Each domain as a data set of its own, as it was before it was `joined`."""
        if self.other is None:
            return (self,)
        alone, provenance = replace(self.spec, other=None), replace(self.provenance, other=None)
        return replace(self, spec=alone, provenance=provenance, other=None), self.other

    @property
    def title(self) -> str:
        """What is called so by its provenance; of both domains, where there are two."""
        return " and ".join(domain.provenance.title for domain in self.domains)


def counterparts(dataset: Dataset, back: bool = False) -> Callable[[Tensor], Tensor] | None:
    """What each example of the first domain (with `back`, of the second) would look like in the other: (B, *event) ->
    (B, *event of the other), or None where that is not known."""
    first, *second = dataset.domains
    if not second:
        return None
    here, there = (second[0].view, first.view) if back else (first.view, second[0].view)
    if here is None or there is None or here.of != there.of or here.recover is None:
        return None
    recover, show = here.recover, there.show
    return lambda x: show(recover(x))


def joined(first: Dataset, *second: Dataset) -> Dataset:
    """The data set of these domains, one or two: the first, described together with the second."""
    if not second:
        return first
    (other,) = second
    spec, provenance = replace(first.spec, other=other.spec), replace(first.provenance, other=other.provenance)
    return replace(first, spec=spec, provenance=provenance, other=other)


PARTS = ("training", "validation", "test")


def prepare(raw: RawData, binarization: Binarization, split_seed: int, levels: int = 0) -> Dataset:
    """Split by seed (80 / 10 / 10 unless the source brings a split), scale, binarise, describe. Raises BadData.

    `levels`: how many whole levels values in 0…1 become; 0 leaves them."""
    title = raw.provenance.title
    given_bits = raw.support is Support.BITS
    _check_preparation(raw, binarization, levels)
    generator = torch.Generator().manual_seed(split_seed)
    x = torch.from_numpy(np.ascontiguousarray(raw.x, dtype=np.float32))
    y = torch.full((len(x),), -1) if raw.y is None else torch.from_numpy(raw.y.astype(np.int64))
    part, way = _parts(len(x), raw.split, generator)
    places = [(part == k).nonzero().flatten() for k in range(3)]
    for name, place in zip(PARTS, places, strict=True):
        if len(place) == 0:
            raise BadData(
                f"{title} has too few examples ({len(x)}): its {name} part would be empty. At least 3 are needed, and "
                f"some hundreds to learn from."
            )
    steps = [f"{way}, seed {split_seed}: {' / '.join(str(len(p)) for p in places)} for {', '.join(PARTS)}"]
    support, draws_bits = raw.support, False
    protocol = "bits as they are in the data" if given_bits else raw.protocol or BINARIZATION_TEXT[binarization]
    if raw.standardise:
        x, support, protocol = _standardised(x, places[0], raw.layout), Support.REALS, "standardised values"
        steps.append("standardised: less the mean and divided by the standard deviation of the training part")
    elif binarization != "none" and not given_bits:
        support, draws_bits = Support.BITS, binarization == "dynamic"
        x = _bits(x, binarization, part, generator)
        steps.append(protocol)
    elif levels and not given_bits:
        # one level more than intervals, so that black and white are levels; half a level rounds up, as on paper
        x, support = (x * (levels - 1) + 0.5).floor(), Support.LEVELS
        protocol = f"values rounded to {levels} levels"
        steps.append(protocol)
    categories = levels if support is Support.LEVELS else len(raw.symbols)
    spec = DataSpec(
        tuple(x.shape[1:]), support, raw.layout, categories, raw.class_names, raw.symbols, protocol, raw.factors
    )
    known = None if raw.factor_values is None else torch.from_numpy(raw.factor_values.astype(np.float32))
    train, valid, test = splits = tuple(
        Split(x[place], y[place], None if known is None else known[place]) for place in places
    )
    provenance = replace(raw.provenance, steps=(*raw.provenance.steps, *steps), fingerprint=_fingerprint(splits))
    warnings = (*raw.warnings, *_missing_classes(spec, splits))
    view = raw.view if support is raw.support and not raw.standardise else None
    return Dataset(spec, train, valid, test, provenance, draws_bits, raw.density, warnings, view=view)


def _check_preparation(raw: RawData, binarization: Binarization, levels: int) -> None:
    """Raise BadPreparation when the values cannot become bits, or levels, as asked for."""
    title = raw.provenance.title
    kind = "standardised values" if raw.standardise else str(raw.support)
    fits = raw.support is Support.BITS or (raw.support is Support.UNIT and not raw.standardise)
    problem = ""
    if binarization != "none" and not fits:
        problem = f"{title} holds {kind}; only values in 0…1 can be made bits. Choose binarisation: none."
    elif levels and not fits:
        problem = f"{title} holds {kind}; only values in 0…1 can be rounded to levels. Choose 0 grey levels."
    elif levels == 1:
        problem = "With 1 grey level all examples would be alike. Choose 0 to keep the values, or 2 to 256 levels."
    elif levels and binarization != "none":
        problem = "Values become either bits or levels. Choose binarisation: none, or 0 grey levels."
    if raw.standardise and raw.support is Support.SYMBOLS:
        raise BadData(f"{title} holds symbols, which have no mean. Switch standardise off.")
    if problem:
        support = Support.REALS if raw.standardise else raw.support
        shape, symbols = tuple(raw.x.shape[1:]), raw.symbols
        raise BadPreparation(problem, DataSpec(shape, support, raw.layout, len(symbols), raw.class_names, symbols))


def _bits(x: Tensor, binarization: Binarization, part: Tensor, generator: Generator) -> Tensor:
    """Bits, each example's drawn once; with dynamic binarisation training examples stay probabilities."""
    if binarization == "threshold":
        return (x > 0.5).float()
    bits = bernoulli(x, generator)  # for all parts, so that fixed and dynamic hold out the same bits
    if binarization == "dynamic":
        bits[part == 0] = x[part == 0]
    return bits


def _standardised(x: Tensor, train: Tensor, layout: Layout) -> Tensor:
    """Each channel of an image, coordinate of a vector, or coordinate of a sequence over all time, with mean 0 and
    standard deviation 1 over training data."""
    over = (0,) if x.ndim == 2 else (0, *range(2, x.ndim))
    over = (0, 1) if layout is Layout.SEQUENCE else over
    deviation, mean = torch.std_mean(x[train].double(), over, correction=0, keepdim=True)
    deviation = torch.where(deviation > 0, deviation, 1.0)  # a constant coordinate is shifted to 0
    result = torch.empty_like(x)
    for part, source in zip(result.split(BLOCK), x.split(BLOCK), strict=True):  # in 64 bits, which all would not fit
        part.copy_((source - mean) / deviation)
    return result


def _parts(n: int, given: np.ndarray | None, generator: Generator) -> tuple[Tensor, str]:
    """0, 1 or 2 for each example, and how that came about. A given split without a validation or test part gives up a
    tenth of its training part for it."""
    order = torch.randperm(n, generator=generator)
    if given is None:
        part = torch.zeros(n, dtype=torch.uint8)
        held = max(1, n // 10)
        part[order[:held]], part[order[held : 2 * held]] = 2, 1
        return part, "split at random"
    part = torch.from_numpy(given.astype(np.uint8))
    train = order[part[order] == 0]
    held = max(1, len(train) // 10)
    drawn = []
    for k in (2, 1):
        if not (part == k).any():
            part[train[:held]] = k
            train = train[held:]
            drawn.append(PARTS[k])
    return part, f"given split, {' and '.join(drawn)} part drawn from training" if drawn else "given split"


def _fingerprint(splits: tuple[Split, ...]) -> str:
    """sha256 over the sizes of the parts and 1000 evenly spaced examples of each, as a run sees them. Files have
    checksums of their own; this notices what those cannot: other draws, another order, another preparation."""
    digest = hashlib.sha256()
    for split in splits:
        step = max(1, len(split) // 1000)
        for tensor in (split.x, split.y, split.factors):
            if tensor is None:
                continue
            array = tensor[::step].contiguous().numpy()
            digest.update(f"{tuple(tensor.shape)} {array.dtype}".encode())
            digest.update(array.data)
    return digest.hexdigest()


def _missing_classes(spec: DataSpec, splits: tuple[Split, ...]) -> list[str]:
    """A sentence for each part in which classes do not occur. Such data can be used, but not every question asked."""
    sentences = []
    for name, split in zip(PARTS, splits, strict=True):
        counts = torch.bincount(split.y[split.y >= 0], minlength=spec.classes)
        missing = [spec.class_names[k] for k in (counts == 0).nonzero().flatten().tolist()] if spec.classes else []
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            verb = "does" if len(missing) == 1 else "do"
            what = "class" if len(missing) == 1 else "classes"
            names = ", ".join(repr(m) for m in missing[:5])
            sentences.append(f"The {what} {names}{more} {verb} not occur in the {name} part.")
    return sentences
