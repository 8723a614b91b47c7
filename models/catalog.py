"""Every family and learner of the studio: the one list from which forms, commands, explorers and tests follow.

Adding a model is one file in models/, which ends with its `FAMILY`, and one line here; adding a learner is one file in
models/learning/, which ends with its `LEARNING`, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from models import (
    ar_vae,
    bigan,
    boltzmann,
    char_rnn,
    conditional_gan,
    conv_rbm,
    conv_vae,
    cyclegan,
    dbm,
    dbn,
    dcgan,
    diagonal_bilstm,
    discrete_gan,
    discrete_vae,
    domain_network,
    draw,
    energy_network,
    eonade,
    fvbn,
    gan,
    gaussian_mixture,
    gaussian_rbm,
    gsn,
    helmholtz,
    hmm,
    linear_gaussian,
    made,
    nade,
    pixelcnn,
    rbm,
    row_lstm,
    sequence_gan,
    sigmoid_belief,
    vae,
)
from models.family import Family
from models.learning import (
    adversarial,
    conjugate_vi,
    contrastive_divergence,
    cycle_consistency,
    discrete_game,
    domain_adversarial,
    expectation_maximization,
    fine_tune,
    gumbel_softmax,
    langevin_ml,
    layerwise,
    maximum_likelihood,
    mean_field_pcd,
    noise_contrastive,
    pseudo_likelihood,
    reinforce_gan,
    reparameterized_elbo,
    score_function,
    semi_supervised,
    unrolled,
    up_down,
    wake_sleep,
    walkback,
    wasserstein,
)
from models.learning.base import Feed, Learner, Learning
from models.settings import Settings, SettingsError, read_settings
from models.spec import DataSpec, UnsuitableData

__all__ = ["FAMILIES", "LEARNINGS", "Family", "Learning", "Recipe", "UnknownKey", "family", "learning", "learnings_of"]

LEARNINGS: tuple[Learning, ...] = (
    maximum_likelihood.LEARNING,
    expectation_maximization.LEARNING,
    contrastive_divergence.LEARNING,
    contrastive_divergence.PERSISTENT_LEARNING,
    pseudo_likelihood.LEARNING,
    noise_contrastive.LEARNING,
    layerwise.LEARNING,
    mean_field_pcd.LEARNING,
    up_down.LEARNING,
    fine_tune.LEARNING,
    walkback.LEARNING,
    langevin_ml.LEARNING,
    conjugate_vi.LEARNING,
    conjugate_vi.STOCHASTIC_LEARNING,
    reparameterized_elbo.LEARNING,
    wake_sleep.LEARNING,
    gumbel_softmax.LEARNING,
    score_function.LEARNING,
    adversarial.LEARNING,
    adversarial.MINIMAX_LEARNING,
    wasserstein.LEARNING,
    cycle_consistency.LEARNING,
    unrolled.LEARNING,
    semi_supervised.LEARNING,
    domain_adversarial.LEARNING,
    discrete_game.GUMBEL_LEARNING,
    reinforce_gan.LEARNING,
    discrete_game.EMBEDDING_LEARNING,
)


FAMILIES: tuple[Family, ...] = (
    fvbn.FAMILY,
    nade.FAMILY,
    eonade.FAMILY,
    made.FAMILY,
    made.ORDERS_FAMILY,
    pixelcnn.FAMILY,
    char_rnn.FAMILY,
    row_lstm.FAMILY,
    diagonal_bilstm.FAMILY,
    boltzmann.FAMILY,
    rbm.FAMILY,
    dbn.FAMILY,
    dbm.FAMILY,
    gsn.FAMILY,
    energy_network.FAMILY,
    gaussian_rbm.FAMILY,
    conv_rbm.FAMILY,
    linear_gaussian.FAMILY,
    helmholtz.FAMILY,
    vae.FAMILY,
    conv_vae.FAMILY,
    ar_vae.FAMILY,
    discrete_vae.FAMILY,
    sigmoid_belief.FAMILY,
    draw.FAMILY,
    gan.FAMILY,
    bigan.FAMILY,
    gan.SEMI_SUPERVISED_FAMILY,
    domain_network.FAMILY,
    dcgan.FAMILY,
    conditional_gan.FAMILY,
    cyclegan.FAMILY,
    discrete_gan.FAMILY,
    sequence_gan.FAMILY,
    hmm.FAMILY,
    gaussian_mixture.FAMILY,
)


class UnknownKey(KeyError):
    """A name that is in no catalogue; the sentence lists those that are."""

    def __str__(self) -> str:
        return str(self.args[0])


def family(key: str) -> Family:
    return _find(FAMILIES, key, "family")


def learning(key: str) -> Learning:
    return _find(LEARNINGS, key, "learner")


def learnings_of(key: str) -> tuple[Learning, ...]:
    """The learners a family can be trained by, its default first."""
    return tuple(learning(k) for k in family(key).learners)


def _find(entries: tuple[Any, ...], key: str, kind: str) -> Any:
    for entry in entries:
        if entry.key == key:
            return entry
    raise UnknownKey(f"There is no {kind} named {key!r}. There are: {', '.join(e.key for e in entries)}.")


@dataclass(frozen=True)
class Recipe:
    """Keys and checked settings of one model and its learner: all that is needed, with data, to build them."""

    family: Family
    learning: Learning
    model: Settings
    learner: Settings

    @staticmethod
    def read(family_key: str, learner_key: str, model: Mapping[str, Any], learner: Mapping[str, Any]) -> Recipe:
        """Check keys and settings. Raises UnknownKey or SettingsError."""
        chosen = family(family_key)
        if learner_key not in chosen.learners:
            raise UnknownKey(
                f"{chosen.title} cannot learn by {learner_key!r}. It learns by: {', '.join(chosen.learners)}."
            )
        rule = learning(learner_key)
        rules = read_settings(rule.settings, learner, "learner")
        unfit = [
            (field, f"{why}; leave it at {rule.settings.model_fields[field].default}")
            for field, why in rule.learner.out_of_reach(chosen.model).items()
            if getattr(rules, field) != rule.settings.model_fields[field].default
        ]
        if unfit:
            raise SettingsError("learner", unfit)
        return Recipe(chosen, rule, read_settings(chosen.settings, model, "model"), rules)

    def check(self, spec: DataSpec) -> None:
        """Raise UnsuitableData when the model cannot take this data, or the learner has nothing to learn from it."""
        fed_two = self.learning.learner.feed is Feed.TWO_DOMAINS
        if fed_two and spec.other is None:
            raise UnsuitableData(f"{self.learning.title} learns from two sets of data: choose a second one.")
        if spec.other is not None and not fed_two:
            raise UnsuitableData(f"{self.learning.title} learns from one set of data: choose it without a second one.")
        self.family.model.check(self.model, spec)  # type: ignore[attr-defined]
        self.learning.learner.check(self.learner, spec)

    def build(self, spec: DataSpec, examples: int) -> Learner:
        """A freshly initialised learner with its model, on the CPU. Draws from the process-wide generator."""
        model = self.family.model(self.model, spec)
        return self.learning.learner(model, self.learner, spec, examples, **(self.learning.variant or {}))

    def build_empty(self, spec: DataSpec, examples: int, device: torch.device) -> Learner:
        """The same with uninitialised tensors, to load a state into. Draws no random number, so that opening one run
        never changes another that is training."""
        with torch.device("meta"):
            learner = self.build(spec, examples)
        # as to_empty, whose empty_like imports sympy for tensors without data, and 40 MB with it
        return learner._apply(lambda t: torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device=device))
