"""What models of images share that generate them pixel by pixel."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from models.capabilities import Completion
from models.distributions import bernoulli_log_prob
from models.networks import flat
from models.settings import setting
from models.spec import DataSpec, Layout, Support, UnsuitableData, require, require_at_most, require_layout

LARGEST = 64 * 64 * 3  # coordinates of an example
MARGIN = 3  # how far the window of a first layer reaches beyond the image

CONDITION = setting(
    False,
    title="Condition on the class",
    help="Learns p(x | class) from labelled data, so that every class can be drawn by itself; p(x) is then the equal "
    "mixture of the classes.",
    reference="van den Oord et al. (2016), Conditional image generation with PixelCNN decoders, equation (4)",
)


class Painter(Protocol):
    """Says what comes next on a canvas that is filled pixel by pixel, and keeps what later pixels need of it."""

    def start_row(self, row: int) -> None:
        """All rows above `row` are complete now."""
        ...

    def look(self, row: int, column: int) -> Tensor:
        """The net's outputs at a pixel: (n, colours · outputs), true for the colours up to the first one missing.
        All pixels before it are complete; it may be asked again when a colour has been added."""
        ...


class PixelByPixel(nn.Module):
    """p(x) = Π_d p(x_d | x_<d) over the pixels of an image row by row, and in each pixel over its colours in order.

    x: (B, colours, height, width), bits or levels 0 … K - 1. The net is fed values scaled to -1 … 1 (0 lies outside the
    image) and answers with the logit of every bit, or with K logits of every level, whose softmax is taken.

    With C classes, the net describes p(x | class), and p(x) = (1 / C) Σ_c p(x | c). Its conditionals weigh the classes
    by what has been seen: p(x_d | x_<d) = Σ_c p(c | x_<d) p(x_d | x_<d, c).

    Subclasses give `predict` and `painter`.
    """

    def __init__(self, spec: DataSpec, condition: bool) -> None:
        super().__init__()
        self.event_shape = spec.event_shape
        self.colours, self.height, self.width = spec.event_shape
        self.is_bits = spec.support is Support.BITS
        self.categories = 2 if self.is_bits else spec.categories
        self.outputs = 1 if self.is_bits else spec.categories  # numbers that the net answers for each coordinate
        self.classes = spec.classes if condition else 0

    @abstractmethod
    def predict(self, x: Tensor, y: Tensor | None) -> Tensor:
        """All outputs at once, for scaled values: (B, colours, H, W), (B,) int64 -> (B, colours · outputs, H, W)."""
        raise NotImplementedError

    @abstractmethod
    def painter(self, canvas: Tensor, y: Tensor | None) -> Painter:
        """A painter that reads `canvas` while it is filled: scaled values, (n, MARGIN + H, MARGIN + W, colours), where
        the first rows and columns are outside the image and stay 0."""
        raise NotImplementedError

    # What is scored.

    def log_prob(self, x: Tensor) -> Tensor:
        if not self.classes:
            return flat(self._score(x, None)).sum(1)
        return self._of_each_class(x).flatten(2).sum(2).logsumexp(1) - math.log(self.classes)

    def log_conditionals(self, x: Tensor) -> Tensor:
        """Its gradient with respect to x shows which pixels a conditional has heard of; the value that is scored takes
        no part in it."""
        if not self.classes:
            return self._score(x, None)
        order = self.order()
        of_each = self._of_each_class(x).flatten(2)[..., order]  # (B, classes, D), first generated first
        posterior = (of_each.cumsum(2) - of_each).log_softmax(1)  # log p(class | x_<d)
        mixed = (posterior + of_each).logsumexp(1).clamp(max=0)
        return mixed[:, order.argsort()].reshape(x.shape)

    def conditional_classes(self) -> int:
        return self.classes

    def log_prob_of_class(self, x: Tensor, y: Tensor) -> Tensor:
        return flat(self._score(x, y)).sum(1)

    def _score(self, x: Tensor, y: Tensor | None) -> Tensor:
        """log p(x_d | x_<d, y) of every coordinate: (B, *event)."""
        said = self.predict(self._scaled(x), y)
        values = x.detach()
        if self.is_bits:
            return bernoulli_log_prob(values, said)
        of_each = said.unflatten(1, (self.colours, self.categories)).flatten(0, 1)  # (B · colours, K, H, W)
        return -F.cross_entropy(of_each, values.long().flatten(0, 1), reduction="none").reshape(x.shape)

    def _of_each_class(self, x: Tensor) -> Tensor:
        """(B, classes, *event)."""
        labels = torch.arange(self.classes, device=x.device)
        return torch.stack([self._score(x, label.expand(len(x))) for label in labels], 1)

    def _scaled(self, x: Tensor) -> Tensor:
        return x * (2 / max(1, self.categories - 1)) - 1

    # What is generated.

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n exact draws, pixel by pixel."""
        return self._generate(n, self._some_classes(n, generator), generator).x

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """E[x_d | x_<d] of n exact draws: of bits, the probabilities with which they were drawn."""
        return self._generate(n, self._some_classes(n, generator), generator).mean

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        return self._generate(len(y), y, generator).x

    def order(self) -> Tensor:
        """Row by row, and within a pixel colour by colour."""
        places = torch.arange(math.prod(self.event_shape), device=self._like().device)
        return places.reshape(self.event_shape).permute(1, 2, 0).flatten()

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known`, draw each other coordinate given all those before it, kept or drawn. A known
        coordinate speaks only to those after it."""
        return self._generate(len(x), None, generator, x, known.expand_as(x))

    def complete_of_class(self, x: Tensor, known: Tensor, y: Tensor, generator: Generator | None = None) -> Completion:
        return self._generate(len(x), y, generator, x, known.expand_as(x))

    def _like(self) -> Tensor:
        """A tensor of the net's precision and device."""
        return next(self.parameters())

    def _some_classes(self, n: int, generator: Generator | None) -> Tensor | None:
        """A class first, then an example of it, is a draw of the mixture at the price of one class."""
        if not self.classes:
            return None
        return torch.randint(self.classes, (n,), generator=generator, device=self._like().device)

    @torch.no_grad()
    def _generate(
        self,
        n: int,
        y: Tensor | None,
        generator: Generator | None,
        x: Tensor | None = None,
        known: Tensor | None = None,
        ways: int = 1,
        noise: Tensor | None = None,
    ) -> Completion:
        """n examples; `x` where `known`. An equal mixture of several ways paints each example once for each, with y of
        (n · ways,), and weighs them by what has been seen: so does a model of classes without `y`. `noise` (H, W ·
        colours) is the same uniform numbers for all examples, in place of drawn ones."""
        like = self._like()
        if self.classes and y is None:
            ways = self.classes
            y = torch.arange(ways, device=like.device).repeat(n)
        canvas = like.new_zeros(n * ways, MARGIN + self.height, MARGIN + self.width, self.colours)
        painter = self.painter(canvas, y)
        posterior = like.new_zeros(n, ways, 1).log_softmax(1)  # log p(class | x so far)
        rows = []
        for row in range(self.height):
            painter.start_row(row)
            line, size = canvas[:, MARGIN + row, MARGIN:], self.width * self.colours
            if noise is None:
                uniform = torch.rand(size, n, generator=generator, device=like.device, dtype=like.dtype).unbind()
            else:
                uniform = noise[row][:, None].expand(size, n).unbind()
            given = None if x is None or known is None else (_by_place(x, row), _by_place(known, row))
            said, values = [], []
            for place in range(size):
                column, colour = divmod(place, self.colours)
                answer = painter.look(row, column)[:, colour * self.outputs : (colour + 1) * self.outputs]
                if ways > 1:
                    of_each = self._log_probabilities(answer).unflatten(0, (n, ways))
                    answer = self._as_answer((posterior + of_each).logsumexp(1))
                value = self._drawn(answer, uniform[place])
                if given is not None:
                    value = torch.where(given[1][place], given[0][place], value)
                line[:, column, colour] = self._scaled(value if ways == 1 else value.repeat_interleave(ways))
                if ways > 1:
                    seen = of_each.gather(2, value.long()[:, None, None].expand(-1, ways, -1))
                    posterior = (posterior + seen).log_softmax(1)
                said.append(answer)
                values.append(value)
            rows.append(self._described(torch.stack(said), torch.stack(values)))
        shape = (self.height, self.width, self.colours, n)
        return Completion(*(torch.stack(part).reshape(shape).permute(3, 2, 0, 1) for part in zip(*rows, strict=True)))

    def _drawn(self, answer: Tensor, uniform: Tensor) -> Tensor:
        """A value for each answer (n, outputs) and uniform number (n,)."""
        if self.is_bits:
            return (uniform < answer.squeeze(1).sigmoid()).to(answer.dtype)
        return draw(answer.softmax(1), uniform)

    def _described(self, said: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Answers (places, n, outputs) and the values that stand there -> the values, means, log p: (places, n)."""
        log_p = self._log_probabilities(said)
        mean = log_p.exp() @ torch.arange(self.categories, device=said.device, dtype=said.dtype)
        log_prob = log_p.gather(2, values.long().unsqueeze(2)).squeeze(2)
        return values, mean.clamp(0, self.categories - 1), log_prob.clamp(max=0)

    def _log_probabilities(self, answer: Tensor) -> Tensor:
        """(..., outputs) -> log p of each value: (..., K)."""
        if self.is_bits:
            return F.logsigmoid(torch.cat((-answer, answer), -1))
        return answer.log_softmax(-1)

    def _as_answer(self, log_p: Tensor) -> Tensor:
        """An answer that gives these log-probabilities: (..., K) -> (..., outputs)."""
        return log_p[..., 1:] - log_p[..., :1] if self.is_bits else log_p


def draw(p: Tensor, uniform: Tensor) -> Tensor:
    """A value 0 … K - 1 for each row of probabilities (n, K) and uniform number (n,): (n,)."""
    below = p.cumsum(1)
    return (below[:, :-1] <= uniform[:, None] * below[:, -1:]).sum(1).to(p.dtype)


def _by_place(x: Tensor, row: int) -> tuple[Tensor, ...]:
    """A row of images (n, colours, H, W), coordinate by coordinate in order: W · colours of (n,)."""
    return x[:, :, row].permute(2, 1, 0).flatten(0, 1).unbind()


def check_pixels(spec: DataSpec, condition: bool, model: str) -> None:
    """Raise UnsuitableData unless the data are images of bits or levels, of a size that can be painted pixel by pixel,
    and with classes if the model is to condition on them."""
    require_layout(spec, Layout.IMAGE, model=model)
    require(spec, Support.BITS, Support.LEVELS, model=model)
    require_at_most(spec, LARGEST, model=model)
    if condition and not spec.classes:
        raise UnsuitableData(
            f"{model} can condition on the class of labelled data only, and these have no classes: choose data with "
            "labels, or switch the condition off."
        )
