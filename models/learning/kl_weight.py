"""The KL term of a bound: its weight, how that grows, and how many nats of it are free."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from models.settings import Settings, setting

RISING = 0.5  # of a cycle: Fu et al. (2019), R

Schedule = Literal["linear", "cyclical"]


class KlSettings(Settings):
    """For learners that weigh the KL term of what they ascend."""

    kl_weight: float = setting(
        1.0,
        title="KL weight β",
        help="Weight of the KL term. 1 is the evidence bound; more compresses the code, less reconstructs better.",
        reference="Higgins et al. (2017), β",
        ge=0,
        le=100,
    )
    kl_annealing: int = setting(
        0,
        title="KL annealing",
        help="The KL weight grows linearly from 0 over this many steps: a remedy for posterior collapse. If it is "
        "cyclical, a cycle has this many.",
        unit="steps",
        reference="Bowman et al. (2016)",
        zero="off",
        ge=0,
        le=10_000_000,
    )
    kl_schedule: Schedule = setting(
        "linear",
        title="KL schedule",
        help="Linear: the weight grows once and stays. Cyclical: it grows over the first half of each cycle, stays for "
        "the other, and begins again at 0, until the last cycle is over. No effect without annealing.",
        reference="Fu et al. (2019)",
    )
    kl_cycles: int = setting(
        4,
        title="KL cycles",
        help="How often a cyclical weight grows before it stays. No effect on a linear one.",
        reference="Fu et al. (2019), M",
        ge=1,
        le=10_000,
    )
    free_bits: float = setting(
        0.0,
        title="Free bits λ",
        help="Nats of KL that cost nothing in each group of latent dimensions: less than this on average over a batch "
        "counts as this, and is not lowered. Compare them with the KL of each dimension; 0 counts all as they are.",
        unit="nats",
        reference="Kingma et al. (2016), λ, equation (15)",
        zero="off",
        ge=0,
        le=1000,
    )
    free_bits_group: int = setting(
        1,
        title="Dimensions of a group",
        help="Neighbouring latent dimensions that share their free bits; with as many as there are, the whole code "
        "does. No effect without free bits.",
        reference="Kingma et al. (2016), K",
        ge=1,
        le=10_000,
    )


def kl_weight(settings: KlSettings, steps: Tensor) -> Tensor | float:
    """The weight after `steps`, a 0-d tensor: a tensor while it is annealed, so that nothing waits for the device."""
    if not settings.kl_annealing:
        return float(settings.kl_weight)
    cycles = steps / settings.kl_annealing
    if settings.kl_schedule == "linear":
        return settings.kl_weight * cycles.clamp(max=1)
    rising = ((cycles % 1) / RISING).clamp(max=1)
    return settings.kl_weight * rising.where(cycles < settings.kl_cycles, 1.0)


def annealing_steps(settings: KlSettings) -> int:
    """After how many steps the weight stays as it is."""
    return settings.kl_annealing * (settings.kl_cycles if settings.kl_schedule == "cyclical" else 1)


def charged_kl(settings: KlSettings, per_dimension: Tensor) -> Tensor:
    """What of the KL is paid for: Σ_g max(λ, mean over the batch of KL_g) over groups g of dimensions, which is the
    mean KL itself where λ is 0. (B, L) -> a 0-d tensor."""
    if not settings.free_bits:
        return per_dimension.sum(-1).mean()
    of_each, group = per_dimension.mean(0), settings.free_bits_group
    of_groups = F.pad(of_each, (0, -len(of_each) % group)).reshape(-1, group).sum(1)
    return of_groups.clamp(min=settings.free_bits).sum()
