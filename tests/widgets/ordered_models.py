"""Small models that generate in order, of levels and colours: what they depend on is known."""

from __future__ import annotations

import time

import torch
from torch import Generator, Tensor, nn

from dgm_studio.datasets.base import Dataset, Provenance, Split
from models.capabilities import Completion
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support


class NearSettings(Settings):
    reach: int = setting(3, title="Reach", help="How many values before it a value depends on.")
    conditional: bool = setting(False, title="Conditional", help="Whether the class decides how bright it is.")
    pause: float = setting(0.0, title="Pause", help="Seconds that each value takes to be drawn.")


class Near(nn.Module):
    """p(x_d = k | before) ∝ exp(-w (k - m_d)²) for levels k, with m_d the mean of the `reach` values before d in raster
    order (channels last) and, if conditional, of the label."""

    def __init__(self, settings: NearSettings, spec: DataSpec) -> None:
        super().__init__()
        self.settings, self.spec = settings, spec
        self.levels = spec.categories or 2
        self.weight = nn.Parameter(torch.ones(()))
        self.start = nn.Parameter(torch.rand(()))

    def order(self) -> Tensor:
        channels, height, width = self.spec.event_shape
        pixels = torch.arange(height * width)
        return (pixels[:, None] + torch.arange(channels) * height * width).flatten()

    def table(self, before: Tensor, y: Tensor | None = None) -> Tensor:
        """log p(k | before) for the values before it in the order, (n, d): (n, K)."""
        near = before[:, max(0, before.shape[1] - self.settings.reach) :]
        middle = near.mean(1) if near.shape[1] else self.start.expand(len(before))
        if y is not None:
            middle = 0.5 * middle + 0.5 * y / max(1, self.conditional_classes() - 1) * (self.levels - 1)
        k = torch.arange(self.levels, device=before.device)
        return (-self.weight * (k - middle[:, None]).square()).log_softmax(1)

    def log_conditionals(self, x: Tensor) -> Tensor:
        order = self.order()
        flat = x.flatten(1)[:, order]
        each = [self.table(flat[:, :d]).gather(1, flat[:, d : d + 1].long()) for d in range(flat.shape[1])]
        return torch.cat(each, 1)[:, order.argsort()].reshape(x.shape)

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        return self.draw(x, known, self.order(), None, generator)

    def draw(
        self, x: Tensor, known: Tensor, order: Tensor, y: Tensor | None, generator: Generator | None
    ) -> Completion:
        flat, keep = x.flatten(1)[:, order].clone(), known.flatten(1)[:, order]
        mean, log_prob = torch.empty_like(flat), torch.empty_like(flat)
        for d in range(flat.shape[1]):
            if self.settings.pause:
                time.sleep(self.settings.pause)
            table = self.table(flat[:, :d], y)
            drawn = table.exp().multinomial(1, generator=generator)[:, 0].to(flat.dtype)
            flat[:, d] = torch.where(keep[:, d], flat[:, d], drawn)
            mean[:, d] = (table.exp() * torch.arange(self.levels)).sum(1)
            log_prob[:, d] = table.gather(1, flat[:, d : d + 1].long())[:, 0]
        back = order.argsort()
        return Completion(*(values[:, back].reshape(x.shape) for values in (flat, mean, log_prob)))

    def conditional_classes(self) -> int:
        return self.spec.classes if self.settings.conditional else 0


class NearOfClass(Near):
    """Completes as an example of a class, too."""

    def log_prob_of_class(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        raise NotImplementedError

    def complete_of_class(self, x: Tensor, known: Tensor, y: Tensor, generator: Generator | None = None) -> Completion:
        return self.draw(x, known, self.order(), y.float(), generator)


class NearInAnyOrder(Near):
    """The values before a value are those that any order puts there."""

    def complete_in_order(
        self, x: Tensor, known: Tensor, order: Tensor, generator: Generator | None = None
    ) -> Completion:
        return self.draw(x, known, order, None, generator)


class NearMixture(Near):
    """Said to be a mixture over orders, which has no conditionals of its own."""

    log_conditionals = None  # type: ignore[assignment]

    def members(self) -> int:
        return 2

    def member_log_prob(self, x: Tensor, member: int) -> Tensor:
        raise NotImplementedError


class NearWithoutGradient(Near):
    """Its log-probabilities are computed where autograd cannot see them."""

    def log_conditionals(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().log_conditionals(x.detach())


def levels(shape: tuple[int, ...] = (1, 6, 6), categories: int = 16, n: int = 40) -> Dataset:
    """Gradients from black to white: whole levels, with two classes."""
    generator = Generator().manual_seed(0)
    ramp = torch.linspace(0, categories - 1, shape[-1]).expand(n, *shape)
    noise = torch.rand(n, *shape, generator=generator) * categories / 4
    x = (ramp + noise).floor().clamp(0, categories - 1)
    part = Split(x, torch.arange(n) % 2)
    spec = DataSpec(shape, Support.LEVELS, Layout.IMAGE, categories, ("dark", "bright"))
    return Dataset(spec=spec, train=part, valid=part, test=part, provenance=Provenance("ramps"))
