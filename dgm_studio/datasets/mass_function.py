"""Bits with no structure at all: a mass function drawn at random over all of their states, each probability known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from dgm_studio.datasets.base import Provenance, RawData, Report, Source
from models.settings import Settings, setting
from models.signs import raised
from models.spec import Layout, Support


@dataclass(frozen=True)
class MassFunction:
    """A probability for each state of `bits` bits. `log_p`: (2^bits,) float64, in the order of counting up with the
    first bit slowest."""

    bits: int
    log_p: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, bits) -> (B,), on x's device and in its precision."""
        return self.log_p[_numbers(x.cpu())].to(x)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n independent draws: (n, bits) float32, on the CPU."""
        ends = self.log_p.exp().cumsum(0)
        u = torch.rand(n, generator=generator, dtype=torch.float64) * ends[-1]
        return _states(torch.searchsorted(ends, u, right=True).clamp(max=len(ends) - 1), self.bits)


def _numbers(x: Tensor) -> Tensor:
    """Rows of bits as numbers: (B, bits) -> (B,) int64."""
    x = x.flatten(1).long()
    return (x << torch.arange(x.shape[1] - 1, -1, -1)).sum(1)


def _states(numbers: Tensor, bits: int) -> Tensor:
    """Numbers as rows of bits: (B,) int64 -> (B, bits) float32."""
    return ((numbers[:, None] >> torch.arange(bits - 1, -1, -1)) & 1).float()


def drawn(bits: int, concentration: float, seed: int) -> MassFunction:
    """One from the symmetric Dirichlet distribution: independent gamma variables of shape `concentration`, normalised
    (Devroye, 1986, chapter XI.4).

    A gamma variable of a small shape α may be too small for a number: its logarithm is drawn, as that of one of shape
    α + 1 plus log U / α.
    """
    generator = Generator().manual_seed(seed)
    states = 2**bits
    shape = torch.full((states,), concentration + 1, dtype=torch.float64)
    larger: Tensor = torch._standard_gamma(shape, generator=generator)  # the generator decides, as everywhere
    u = 1 - torch.rand(states, generator=generator, dtype=torch.float64)  # in (0, 1]
    log_gamma = larger.log() + u.log() / concentration
    return MassFunction(bits, log_gamma - log_gamma.logsumexp(0))


class MassFunctionSettings(Settings):
    bits: int = setting(8, title="Bits", help="Bits of an example, each state of which has a probability.", ge=2, le=16)
    concentration: float = setting(
        1.0,
        title="Concentration",
        help="Of the Dirichlet distribution that the probabilities are drawn from. 1 takes every mass function as "
        "likely as any other; less puts most of the mass on few states, more makes all alike.",
        reference="Ferguson (1973), α",
        ge=0.01,
        le=100,
        log=True,
    )
    mass_seed: int = setting(
        0, title="Seed of the probabilities", help="Decides which mass function it is.", ge=0, le=2**31 - 1
    )
    examples: int = setting(
        20_000, title="Examples", help="How many are drawn for all three parts.", ge=10, le=1_000_000
    )
    seed: int = setting(0, title="Seed", help="Decides which examples are drawn.", ge=0, le=2**31 - 1)


def _load(chosen: MassFunctionSettings, report: Report) -> RawData:
    report(0.0, f"Drawing {chosen.examples} examples")
    p = drawn(chosen.bits, chosen.concentration, chosen.mass_seed)
    x = p.sample(chosen.examples, Generator().manual_seed(chosen.seed))
    steps = (
        f"probabilities of {raised(2, chosen.bits)} states: Dirichlet, concentration {chosen.concentration:g}, "
        f"seed {chosen.mass_seed}",
        f"{chosen.examples} independent draws, seed {chosen.seed}",
    )
    return RawData(
        x=x.numpy(),
        y=None,
        support=Support.BITS,
        layout=Layout.VECTOR,
        provenance=Provenance("Random mass function", steps=steps),
        density=p,
    )


SOURCE = Source(
    "mass-function",
    "Random mass function",
    "A few bits whose every state has a probability of its own, drawn at random: no structure, and all known.",
    MassFunctionSettings,
    _load,
)
