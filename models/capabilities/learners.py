"""What learners can do, and models that classify."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from models.capabilities.exact import Frames


@runtime_checkable
class HasDiscriminator(Protocol):
    def discriminate(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """P(real | x) by the discriminator of the game: (B, *event) -> (B,). Where it is told a class, of class y (B,)
        int64, and averaged over the classes without one."""
        ...


@runtime_checkable
class TakesTurns(Protocol):
    """Each step is a turn of every player in a game, of whom some can be told to stand still. `Learner.held_out` gives
    what the players are measured by."""

    def players(self) -> Mapping[str, Any]:
        """What each player changes at its turn, a module, in the order of turns."""
        ...

    def let_move(self, players: Collection[str]) -> None:
        """Who changes at a step from now on; the turns of others are only reported. All do at first."""
        ...


@runtime_checkable
class HasCritic(Protocol):
    def criticise(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """f(x) by the critic of the game, a function of bounded slope: its mean on data less that on samples estimates
        how far they are apart: (B, *event) -> (B,). y (B,) int64 as above."""
        ...


@runtime_checkable
class KeepsFrames(Protocol):
    def frames(self) -> Frames:
        """The way of the model's components from the first step on."""
        ...


@runtime_checkable
class HasChains(Protocol):
    def chains(self) -> Tensor:
        """The states of the learner's own Markov chains: (chains, *event)."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Of a model or of a learner."""

    def class_log_prob(self, x: Tensor) -> Tensor:
        """log P(class | x): (B, *event) -> (B, classes)."""
        ...


@runtime_checkable
class ExtractsFeatures(Protocol):
    """Classifies by features: what is learned about them can be taken over to other examples."""

    def feature_count(self) -> int:
        """F."""
        ...

    def features(self, x: Tensor) -> Tensor:
        """What the classifier sees of examples of either domain: (B, *event) -> (B, F)."""
        ...

    def classify(self, features: Tensor) -> Tensor:
        """Logits of the classes: (B, F) -> (B, classes)."""
        ...


@runtime_checkable
class TellsDomains(Protocol):
    """Of a learner between two domains."""

    def target_probability(self, x: Tensor) -> Tensor:
        """P(x is of the second domain) by the learner's discriminator: (B, *event of either domain) -> (B,)."""
        ...


@runtime_checkable
class LearnsFromLabels(Protocol):
    """Beside `Classifies`: a learner may be held to few labels, and its classifier could learn from them alone."""

    def labelled(self) -> tuple[Tensor, Tensor] | None:
        """The examples whose labels were learned from, (n, *event) and (n,); None where all of them were."""
        ...

    def new_classifier(self) -> Any:
        """A network like its classifier, with weights of its own: an nn.Module of linear layers that maps examples
        (B, *event) to logits (B, classes), and whose `while_learning(x, generator)` gives those that are learned
        from."""
        ...
