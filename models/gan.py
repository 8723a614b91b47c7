"""Generative adversarial network: the generator. Its adversary is the learner's (models/learning/game.py)."""

from __future__ import annotations

from models.family import Family
from models.implicit import ImplicitModel, ImplicitSettings, require_movable
from models.networks import Activation, mlp
from models.normalisation import DenseNormalisation
from models.settings import setting
from models.spec import DataSpec


class GanSettings(ImplicitSettings):
    hidden: int = setting(256, title="Hidden units", help="Width of the generator's hidden layers.", ge=1, le=4096)
    layers: int = setting(
        2, title="Hidden layers", help="Hidden layers of the generator; 0 makes it linear.", ge=0, le=8
    )
    activation: Activation = setting("relu", title="Activation", help="Non-linearity of the hidden layers.")
    normalisation: DenseNormalisation = setting(
        "none",
        title="Normalisation",
        help="Batch: each hidden unit over the whole minibatch, which keeps a generator of images from giving one "
        "example only; samples of a step then depend on each other, and those that are shown take running statistics.",
        reference="Ioffe & Szegedy (2015); Radford et al. (2016), section 3",
    )


class Gan(ImplicitModel):
    """x = G(z), z ~ p(z), with a multilayer perceptron for G (Goodfellow et al., 2014)."""

    def __init__(self, settings: GanSettings, spec: DataSpec) -> None:
        self.check(settings, spec)
        widths = [settings.hidden] * settings.layers
        sizes = [settings.latent, *widths, spec.dimensions]
        super().__init__(settings, spec, mlp(sizes, settings.activation, settings.normalisation))

    @staticmethod
    def check(settings: GanSettings, spec: DataSpec) -> None:
        require_movable(spec, "A generative adversarial network")


FAMILY = Family(
    key="gan",
    title="Generative adversarial network",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="A generator G(z) learns from a discriminator that tries to tell its samples from the data.",
    look_for="D(x) on data and on samples should meet near ½. Samples that all look alike are mode collapse.",
    model=Gan,
    settings=GanSettings,
    learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
    data="digits",
)


SEMI_SUPERVISED_FAMILY = Family(
    key="semi-supervised-gan",
    title="Semi-supervised adversarial network",
    group="adversarial",
    lecture="Generative adversarial networks",
    summary="The discriminator is a classifier with one class more, for samples. Few examples have a label; all "
    "others teach it what data are.",
    look_for="The error on held-out data goes on falling after that on the few labelled examples is 0. Samples by "
    "feature matching stay poor: they need only have the classifier's features on average.",
    model=Gan,
    settings=GanSettings,
    learners=("semi-supervised",),
    data="digits",
)
