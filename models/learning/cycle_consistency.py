"""Cycle consistency: two generators and two discriminators learn to translate between sets without known pairs."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from models.capabilities import Shown, Translates
from models.learning.adversarial import NON_SATURATING, Objective
from models.learning.base import Feed, Learning, Quantity, means
from models.learning.critics import Critic, judge
from models.learning.game import Game, GameSettings
from models.settings import setting
from models.spec import Batch, DataSpec, UnsuitableData

# The discriminator's score shall be 1 on data and 0 on translations, and the generator wants 1 (Mao et al., 2017).
LEAST_SQUARES = Objective(
    lambda data, samples: -(data - 1).square() - samples.square(), lambda samples: (samples - 1).square()
)


Pair = tuple[Tensor, Tensor]


class CycleConsistencySettings(GameSettings):
    objective: Literal["least squares", "cross-entropy"] = setting(
        "least squares",
        title="Objective",
        help="What both players want. Least squares: a score of 1 on data and 0 on translations. Cross-entropy: the "
        "log of a probability, not saturating.",
        reference="Zhu et al. (2017), section 4; Mao et al. (2017)",
    )
    cycle: float = setting(
        10.0,
        title="Cycle weight",
        help="How much it matters that an example comes back when it is translated there and back. 0 leaves two games "
        "that have nothing to do with each other.",
        reference="Zhu et al. (2017), equation 3, λ",
        zero="off",
        ge=0,
        le=1000,
    )
    identity: float = setting(
        0.0,
        title="Identity weight",
        help="How much it matters that a generator leaves an example as it is that is already of the domain it "
        "translates to. For domains of one shape.",
        reference="Zhu et al. (2017), section 5.2: half of λ, for colours",
        zero="off",
        ge=0,
        le=1000,
    )
    pool: int = setting(
        50,
        title="Image pool",
        help="Earlier translations that are kept for each discriminator. Half of those that it is shown are exchanged "
        "for one of them, at most as many as are kept; 0 shows it new ones only.",
        reference="Zhu et al. (2017), section 4; Shrivastava et al. (2017)",
        zero="off",
        ge=0,
        le=1000,
    )


class CycleConsistency(Game):
    """min over G, F and max over both discriminators of L(G, D_B) + L(F, D_A) + λ L_cycle (Zhu et al., 2017, eq. 3).

    L_cycle = E|F(G(a)) − a| + E|G(F(b)) − b|, a mean over coordinates here. What it says is that nothing of an example
    is lost, not that it is translated rightly: see the presets. What is reported of the discriminators is a mean of
    both, at ½ where they cannot tell translations from data.
    """

    feed = Feed.TWO_DOMAINS
    needs = (Translates,)
    quantities = (
        Quantity("cycle", "Cycle error", unit="per value", goal="lower"),
        Quantity("identity", "Identity error", unit="per value"),
        Quantity("generator", "Generators' loss", unit=""),
        Quantity("discriminator", "Discriminators' loss", unit=""),
        Quantity("told", "Told from data", unit="share"),
    )

    def __init__(self, model: nn.Module, settings: CycleConsistencySettings, spec: DataSpec, examples: int) -> None:
        super().__init__(model, settings, spec, examples)
        self.settings: CycleConsistencySettings = settings
        least_squares = settings.objective == "least squares"
        self.objective = LEAST_SQUARES if least_squares else NON_SATURATING
        self.halfway = 0.5 if least_squares else 0.0  # the score of what may be either
        kinds = self.model.domains()
        self.pools: Any = nn.ModuleList(
            Pool(settings.pool, kind.shape) for kind in kinds
        )  # in the order of the domains

    @staticmethod
    def check(settings: Any, spec: DataSpec) -> None:
        for domain in (spec, spec.other):
            if domain is not None:
                Critic.check(settings, domain)
        if settings.identity and spec.other is not None and spec.event_shape != spec.other.event_shape:
            raise UnsuitableData(
                "With an identity weight each generator is given examples of both domains, which must be of one shape: "
                "choose data of one shape, or an identity weight of 0."
            )

    def make_discriminator(self) -> nn.Module:
        """One for each domain, of its data and of what is translated to it."""
        specs = (self.spec, self.spec.other)
        pairs = zip(self.model.domains(), specs, strict=True)
        return nn.ModuleList(Critic(self.settings, kind, spec) for kind, spec in pairs if spec is not None)

    def discriminator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            data, made = self._translated(batch)
        if "discriminator" in self.moves:
            made = self.pools[0].exchange(made[0]), self.pools[1].exchange(made[1])
        loss, told = self._judged(data, made)
        return loss, {"discriminator": loss, "told": told}

    def generator_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        data, made = self._translated(batch)
        adversarial = self._adversarial(made)
        cycle = self._cycle(data, made)
        loss, reported = adversarial + self.settings.cycle * cycle, {"generator": adversarial, "cycle": cycle}
        if self.settings.identity:
            identity = self._identity(data)
            loss, reported = loss + self.settings.identity * identity, {**reported, "identity": identity}
        return loss, reported

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        data, made = self._translated(batch)
        loss, told = self._judged(data, made)
        reported = {"cycle": self._cycle(data, made), "generator": self._adversarial(made)}
        if self.settings.identity:
            reported["identity"] = self._identity(data)
        return means(**reported, discriminator=loss, told=told)

    # Pairs: of the first domain, then of the second.

    @property
    def critics(self) -> tuple[nn.Module, nn.Module]:
        first, second = self.discriminator.children()
        return first, second

    def _translated(self, batch: Batch) -> tuple[Pair, Pair]:
        """Examples of both domains, and what is translated to both."""
        assert batch.other is not None
        a, b = batch.x, batch.other.x
        return (a, b), (self.model.translate(b, back=True), self.model.translate(a))

    def _judged(self, data: Pair, made: Pair) -> tuple[Tensor, Tensor]:
        """The discriminators' loss, and how many of data and translations they tell: 0-d."""
        losses, told = [], []
        for critic, x, translations in zip(self.critics, data, made, strict=True):
            on_data, on_made = judge(critic, Shown(x), Shown(translations))
            losses.append(-self.objective.value(on_data, on_made).mean())
            told += [(on_data > self.halfway).float().mean(), (on_made < self.halfway).float().mean()]
        return torch.stack(losses).sum(), torch.stack(told).mean()

    def _adversarial(self, made: Pair) -> Tensor:
        """What the generators lower to be taken for data: 0-d."""
        each = zip(self.critics, made, strict=True)
        return torch.stack([self.objective.loss(critic(Shown(x))).mean() for critic, x in each]).sum()

    def _cycle(self, data: Pair, made: Pair) -> Tensor:
        (a, b), (to_a, to_b) = data, made
        there_and_back = self.model.translate(to_b, back=True), self.model.translate(to_a)
        return (there_and_back[0] - a).abs().mean() + (there_and_back[1] - b).abs().mean()

    def _identity(self, data: Pair) -> Tensor:
        a, b = data
        return (self.model.translate(a, back=True) - a).abs().mean() + (self.model.translate(b) - b).abs().mean()


class Pool(nn.Module):
    """Earlier translations to one domain, with which a discriminator does not forget what it could tell already."""

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.images: Tensor
        self.filled: Tensor

    @torch.no_grad()
    def exchange(self, made: Tensor, generator: Generator | None = None) -> Tensor:
        """Translations to show, (B, *shape): as they were made until the pool is full of them; from then on each is
        exchanged with probability ½ for one that is kept, in whose place it is kept then. Of a batch that is larger
        than the pool, the first ones."""
        size = len(self.images)
        count = min(len(made), size)
        if count == 0:
            return made
        # distinct places, so that nothing depends on the order of the batch
        anywhere = torch.rand(size, generator=generator, device=made.device).argsort()[:count]
        following = (self.filled + torch.arange(count, device=made.device)) % size
        full = self.filled >= size
        place = torch.where(full, anywhere, following)
        taken = (torch.rand(count, generator=generator, device=made.device) < 0.5) & full
        kept, offered = self.images[place], made[:count]
        wide = (-1, *[1] * (made.ndim - 1))
        self.images[place] = torch.where((taken | ~full).view(wide), offered, kept)
        self.filled.add_(count).clamp_(max=size)
        return torch.cat([torch.where(taken.view(wide), kept, offered), made[count:]])


LEARNING = Learning(
    "cycle-consistency",
    "Cycle consistency",
    "Generative adversarial networks",
    CycleConsistency,
    CycleConsistencySettings,
)
