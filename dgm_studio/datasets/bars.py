"""Bars and stripes: small pictures of bits whose distribution is known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from models.distributions import bernoulli
from models.settings import Settings, setting
from models.spec import Layout, Support


@dataclass(frozen=True)
class BarsAndStripes:
    """Pictures of side × side bits: with probability ½ every row is on or off as a whole, by a fair coin each
    (stripes); otherwise every column is (bars). Then each bit is flipped with probability `noise` (MacKay, 2003,
    chapter 43)."""

    side: int
    noise: float = 0.0

    def patterns(self) -> Tensor:
        """All stripes, then all bars: (2 · 2^side, side, side). All off and all on are among both."""
        places = torch.arange(self.side - 1, -1, -1)
        lines = ((torch.arange(2**self.side)[:, None] >> places) & 1).float()
        stripes = lines[:, :, None].expand(-1, -1, self.side)
        return torch.cat([stripes, stripes.transpose(1, 2)])

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, 1, side, side) -> (B,), on x's device and in its precision. -inf where p(x) = 0."""
        patterns = self.patterns().flatten(1).to(x)
        flipped = torch.cdist(x.flatten(1), patterns, p=1).round()
        if self.noise == 0:
            return torch.where(flipped == 0, 0.0, -math.inf).to(x).logsumexp(1) - math.log(len(patterns))
        of_each = flipped * math.log(self.noise) + (self.side**2 - flipped) * math.log1p(-self.noise)
        return of_each.logsumexp(1) - math.log(len(patterns))

    def draw(self, n: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """n independent draws, and which are bars: (n, 1, side, side) float32 and (n,) int64, on the CPU."""
        chosen = torch.randint(2 ** (self.side + 1), (n,), generator=generator)
        x = self.patterns()[chosen][:, None]
        flips = bernoulli(torch.full_like(x, self.noise), generator)
        return (x - flips).abs(), (chosen >= 2**self.side).long()

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.draw(n, generator)[0]


class BarsSettings(Settings):
    side: int = setting(4, title="Side", help="Pixels of a side.", unit="pixels", ge=2, le=8)
    noise: float = setting(
        0.0,
        title="Flip probability",
        help="Probability with which each bit is flipped at the end: noise.",
        ge=0,
        le=0.5,
    )
    examples: int = setting(
        2000, title="Examples", help="How many pictures are drawn for all three parts.", ge=10, le=1_000_000
    )
    seed: int = setting(0, title="Seed", help="Decides which pictures are drawn.", ge=0, le=2**31 - 1)


def _load(chosen: BarsSettings, report: Report) -> RawData:
    report(0.0, f"Drawing {chosen.examples} pictures")
    p = BarsAndStripes(chosen.side, chosen.noise)
    x, y = p.draw(chosen.examples, Generator().manual_seed(chosen.seed))
    step = f"{chosen.examples} independent draws from the exact distribution, seed {chosen.seed}"
    return RawData(
        x=x.numpy(),
        y=y.numpy(),
        support=Support.BITS,
        layout=Layout.IMAGE,
        provenance=Provenance("Bars and stripes", steps=(step,)),
        class_names=("stripes", "bars"),
        density=p,
    )


SOURCE = Source(
    "bars",
    "Bars and stripes",
    "Tiny pictures of rows or columns, few enough to know the probability of each.",
    BarsSettings,
    _load,
)
