"""What a measured value rests on: whether two of them may be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HIGHER = "higher"
NOTHING = ""  # what is said of a figure by which no model is better


@dataclass(frozen=True)
class Basis:
    """Two values may be compared only where all of this but `doubt` is the same (`comparable`)."""

    quantity: str  # empty for a row that is about no run, but about the data's own distribution
    kind: str
    unit: str
    way: str  # how the estimator was set, without what it found; empty for an exact value
    data: str  # which examples, in words
    examples: str  # a checksum of them
    better: str = NOTHING  # HIGHER where a higher value speaks for a model
    doubt: str = ""  # why the value is not to be trusted, where it is not

    @property
    def comparable(self) -> tuple[str, ...]:
        """Equal for values that may be compared."""
        return self.quantity, self.kind, self.unit, self.way, self.data, self.examples, self.better

    @classmethod
    def read(cls, tree: dict[str, Any]) -> Basis:
        return cls(**{key: str(value) for key, value in tree.items()})
