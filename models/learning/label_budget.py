"""Learning from few labels: which examples a learner may know the class of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.settings import Settings, setting
from models.spec import Batch, DataSpec


class LabelBudgetSettings(Settings):
    labels_per_class: int = setting(
        0,
        title="Labels per class",
        help="How many labelled examples of each class the classifier may learn from; 0 takes all. They are the first "
        "that the run comes across, so that the seed decides, and a smaller number takes a part of a larger one.",
        unit="examples",
        zero="all",
        ge=0,
        le=1000,
    )


class KeepsLabels(nn.Module):
    """A part of a learner that keeps the first examples of each class that come, and learns from them again and again.
    Buffers are the learner's own; there are none where all labels are taken (`room` is 0)."""

    room: int = 0  # of each class
    seen: Tensor  # (examples,) bool: asked for its label
    kept_x: Tensor  # (classes · room + 1, *event); the last place takes what is not kept
    kept_y: Tensor

    def make_room(self, room: int, spec: DataSpec, examples: int) -> None:
        self.room = room
        if room:
            places = spec.classes * room + 1
            self.register_buffer("seen", torch.zeros(examples, dtype=torch.bool))
            self.register_buffer("kept_x", torch.zeros(places, *spec.event_shape))
            self.register_buffer("kept_y", torch.full((places,), -1, dtype=torch.int64))

    @property
    def kept(self) -> Tensor:
        """How many examples of each class are kept: (classes,) int64."""
        return (self.kept_y[:-1].unflatten(0, (-1, self.room)) >= 0).sum(1)

    def known(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Examples and labels to learn from in this step, as many as the batch has: its own, -1 where hidden, or drawn
        with replacement from those that are kept. None has a label before there are any."""
        if not self.room:
            return batch.x, batch.y
        self.keep(batch)
        filled = self.kept_y >= 0
        first = torch.argsort((~filled).to(torch.uint8), stable=True)  # those that are filled lie in front
        count = filled.sum().clamp(min=1)
        drawn = (torch.rand(len(batch.x), device=count.device) * count).long()
        chosen = first[torch.minimum(drawn, count - 1)]  # a product that is rounded up would pass it
        return self.kept_x[chosen], self.kept_y[chosen]

    @torch.no_grad()
    def keep(self, batch: Batch) -> None:
        """Put examples aside as long as there is room for their class. Shapes and calls are the same at every step."""
        if not self.room:
            return
        room, kept = self.room, self.kept
        classes = len(kept)
        new = (batch.y >= 0) & ~self.seen[batch.index]
        self.seen.index_fill_(0, batch.index, True)  # filling waits for no device, as `[…] = True` would
        y = batch.y.clamp(min=0)
        counted = F.one_hot(y, classes) * new.unsqueeze(1)
        place = kept[y] + counted.cumsum(0).gather(1, y.unsqueeze(1)).squeeze(1) - 1
        fits = new & (place < room)
        where = torch.where(fits, y * room + place, classes * room)
        self.kept_x[where] = batch.x
        self.kept_y[where] = batch.y
        self.kept_y[-1].fill_(-1)

    def labelled(self) -> tuple[Tensor, Tensor] | None:
        """The examples whose labels were learned from, (n, *event) and (n,); None where all of them were."""
        if not self.room:
            return None
        kept = self.kept_y >= 0
        return self.kept_x[kept], self.kept_y[kept]


def of_labelled(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Cross-entropy in nats and error, means over the examples that have a label; 0 where none has. logits: (B, K)."""
    known = y >= 0
    share = known / known.sum().clamp(min=1)
    wrong = (logits.argmax(1) != y) * share
    return {
        "cross_entropy": (F.cross_entropy(logits, y.clamp(min=0), reduction="none") * share).sum(),
        "error": wrong.sum(),
    }
