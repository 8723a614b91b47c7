"""Every family and learner of the studio: the one list from which forms, commands, explorers and tests follow.

Adding a model is one file in models/ and one `Family` here; adding a learner is one file in models/learning/ and one
`Learning` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.ar_vae import ArVae, ArVaeSettings
from models.bigan import Bigan, BiganSettings
from models.boltzmann import Boltzmann, BoltzmannSettings
from models.char_rnn import CharRnn, CharRnnSettings
from models.conditional_gan import ConditionalGan, ConditionalGanSettings
from models.conv_rbm import ConvRbm, ConvRbmSettings
from models.conv_vae import ConvVae, ConvVaeSettings
from models.cyclegan import CycleGan, CycleGanSettings
from models.dbm import Dbm, DbmSettings
from models.dbn import Dbn, DbnSettings
from models.dcgan import Dcgan, DcganSettings
from models.diagonal_bilstm import DiagonalBiLstm, DiagonalBiLstmSettings
from models.discrete_gan import DiscreteGan, DiscreteGanSettings
from models.discrete_vae import DiscreteVae, DiscreteVaeSettings
from models.domain_network import DomainNetwork, DomainNetworkSettings
from models.draw import Draw, DrawSettings
from models.energy_network import EnergyNetwork, EnergyNetworkSettings
from models.eonade import EoNadeSettings, OrderlessNade
from models.fvbn import Fvbn, FvbnSettings
from models.gan import Gan, GanSettings
from models.gaussian_mixture import GaussianMixture, GaussianMixtureSettings
from models.gaussian_rbm import GaussianRbm, GaussianRbmSettings
from models.gsn import Gsn, GsnSettings
from models.helmholtz import Helmholtz, HelmholtzSettings
from models.hmm import Hmm, HmmSettings
from models.learning.adversarial import MINIMAX, NON_SATURATING, Adversarial, AdversarialSettings
from models.learning.base import Feed, Learner
from models.learning.conjugate_vi import CoordinateAscent, StochasticVi, StochasticViSettings
from models.learning.contrastive_divergence import (
    ContrastiveDivergence,
    ContrastiveDivergenceSettings,
    PersistentCdSettings,
    PersistentContrastiveDivergence,
)
from models.learning.cycle_consistency import CycleConsistency, CycleConsistencySettings
from models.learning.discrete_game import EmbeddingGan, EmbeddingGanSettings, GumbelGan, GumbelGanSettings
from models.learning.domain_adversarial import DomainAdversarial, DomainAdversarialSettings
from models.learning.expectation_maximization import ExpectationMaximization, ExpectationMaximizationSettings
from models.learning.fine_tune import FineTune, FineTuneSettings
from models.learning.gumbel_softmax import GumbelSoftmax, GumbelSoftmaxSettings
from models.learning.langevin_ml import LangevinMl, LangevinMlSettings
from models.learning.layerwise import Layerwise, LayerwiseSettings
from models.learning.maximum_likelihood import MaximumLikelihood, MaximumLikelihoodSettings
from models.learning.mean_field_pcd import MeanFieldPcd, MeanFieldPcdSettings
from models.learning.noise_contrastive import NoiseContrastive, NoiseContrastiveSettings
from models.learning.pseudo_likelihood import PseudoLikelihood, PseudoLikelihoodSettings
from models.learning.reinforce_gan import ReinforceGan, ReinforceGanSettings
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.learning.score_function import ScoreFunction, ScoreFunctionSettings
from models.learning.semi_supervised import SemiSupervised, SemiSupervisedSettings
from models.learning.unrolled import Unrolled, UnrolledSettings
from models.learning.up_down import UpDown, UpDownSettings
from models.learning.wake_sleep import WakeSleep, WakeSleepSettings
from models.learning.walkback import Walkback, WalkbackSettings
from models.learning.wasserstein import Wasserstein, WassersteinSettings
from models.linear_gaussian import LinearGaussian, LinearGaussianSettings
from models.made import Made, MadeSettings, OrderAgnosticMade, OrderAgnosticMadeSettings
from models.nade import Nade, NadeSettings
from models.pixelcnn import PixelCnn, PixelCnnSettings
from models.rbm import Rbm, RbmSettings
from models.row_lstm import RowLstm, RowLstmSettings
from models.sequence_gan import SequenceGan, SequenceGanSettings
from models.settings import NoSettings, Settings, SettingsError, read_settings
from models.sigmoid_belief import SigmoidBelief, SigmoidBeliefSettings
from models.spec import DataSpec, UnsuitableData
from models.vae import Vae, VaeSettings


@dataclass(frozen=True)
class Learning:
    """A learning rule: its key on the command line and in project files, its class and what can be set."""

    key: str
    title: str
    lecture: str  # the lecture's section
    learner: type[Learner]
    settings: type[Settings]
    variant: Mapping[str, Any] | None = None  # constructor keywords that tell siblings of one class apart


@dataclass(frozen=True)
class Family:
    """A family of models. `model(settings, spec)` builds one; `model.check(settings, spec)` raises UnsuitableData."""

    key: str
    title: str
    group: str
    lecture: str
    summary: str
    look_for: str  # what to watch while it learns
    model: type[nn.Module]
    settings: type[Settings]
    learners: tuple[str, ...]  # keys; the first is the default
    data: str  # key of the data set that `train --family` takes when none is named
    binarization: str = "none"
    # the second domain, for families that learn from two: its "source", and what is not as by default there
    other: Mapping[str, Any] | None = None


LEARNINGS: tuple[Learning, ...] = (
    Learning(
        "maximum-likelihood",
        "Maximum likelihood",
        "Deep auto-regressive models",
        MaximumLikelihood,
        MaximumLikelihoodSettings,
    ),
    Learning(
        "em",
        "Expectation maximisation",
        "Exact inference and mean field",
        ExpectationMaximization,
        ExpectationMaximizationSettings,
    ),
    Learning(
        "contrastive-divergence",
        "Contrastive divergence",
        "Boltzmann machines",
        ContrastiveDivergence,
        ContrastiveDivergenceSettings,
    ),
    Learning(
        "persistent-cd",
        "Persistent contrastive divergence",
        "Boltzmann machines",
        PersistentContrastiveDivergence,
        PersistentCdSettings,
    ),
    Learning(
        "pseudo-likelihood",
        "Pseudo-likelihood",
        "Boltzmann machines",
        PseudoLikelihood,
        PseudoLikelihoodSettings,
    ),
    Learning(
        "noise-contrastive",
        "Noise-contrastive estimation",
        "Boltzmann machines",
        NoiseContrastive,
        NoiseContrastiveSettings,
    ),
    Learning(
        "layerwise",
        "Greedy, layer after layer",
        "Boltzmann machines",
        Layerwise,
        LayerwiseSettings,
    ),
    Learning(
        "mean-field-pcd",
        "Mean field and persistent chains",
        "Boltzmann machines",
        MeanFieldPcd,
        MeanFieldPcdSettings,
    ),
    Learning(
        "up-down",
        "Wake and sleep, up and down",
        "Boltzmann machines",
        UpDown,
        UpDownSettings,
    ),
    Learning(
        "fine-tune",
        "Fine-tuned classifier",
        "Boltzmann machines",
        FineTune,
        FineTuneSettings,
    ),
    Learning(
        "walkback",
        "Walkback",
        "Generative stochastic networks",
        Walkback,
        WalkbackSettings,
    ),
    Learning(
        "langevin-ml",
        "Langevin dynamics",
        "Boltzmann machines",
        LangevinMl,
        LangevinMlSettings,
    ),
    Learning(
        "coordinate-ascent",
        "Mean field by coordinate ascent",
        "Exact inference and mean field",
        CoordinateAscent,
        NoSettings,
    ),
    Learning(
        "stochastic-vi",
        "Stochastic variational inference",
        "Exact inference and mean field",
        StochasticVi,
        StochasticViSettings,
    ),
    Learning(
        "reparameterized-elbo",
        "Reparameterised bound",
        "Variational auto-encoders",
        ReparameterizedElbo,
        ReparameterizedElboSettings,
    ),
    Learning(
        "wake-sleep",
        "Wake and sleep",
        "Variational auto-encoders",
        WakeSleep,
        WakeSleepSettings,
    ),
    Learning(
        "gumbel-softmax",
        "Gumbel-softmax",
        "Variational auto-encoders",
        GumbelSoftmax,
        GumbelSoftmaxSettings,
    ),
    Learning(
        "score-function",
        "Score function",
        "Variational auto-encoders",
        ScoreFunction,
        ScoreFunctionSettings,
    ),
    Learning(
        "non-saturating",
        "Adversarial, non-saturating",
        "Generative adversarial networks",
        Adversarial,
        AdversarialSettings,
        variant={"objective": NON_SATURATING},
    ),
    Learning(
        "minimax",
        "Adversarial, minimax",
        "Generative adversarial networks",
        Adversarial,
        AdversarialSettings,
        variant={"objective": MINIMAX},
    ),
    Learning(
        "wasserstein",
        "Adversarial, Wasserstein",
        "Generative adversarial networks",
        Wasserstein,
        WassersteinSettings,
    ),
    Learning(
        "cycle-consistency",
        "Cycle consistency",
        "Generative adversarial networks",
        CycleConsistency,
        CycleConsistencySettings,
    ),
    Learning(
        "unrolled",
        "Adversarial, unrolled",
        "Generative adversarial networks",
        Unrolled,
        UnrolledSettings,
    ),
    Learning(
        "semi-supervised",
        "Adversarial, with few labels",
        "Generative adversarial networks",
        SemiSupervised,
        SemiSupervisedSettings,
    ),
    Learning(
        "domain-adversarial",
        "Domain-adversarial training",
        "Generative adversarial networks",
        DomainAdversarial,
        DomainAdversarialSettings,
    ),
    Learning(
        "gumbel-gan",
        "Adversarial, Gumbel-softmax",
        "Generative adversarial networks",
        GumbelGan,
        GumbelGanSettings,
    ),
    Learning(
        "reinforce-gan",
        "Adversarial, REINFORCE",
        "Generative adversarial networks",
        ReinforceGan,
        ReinforceGanSettings,
    ),
    Learning(
        "embedding-gan",
        "Adversarial, embedded",
        "Generative adversarial networks",
        EmbeddingGan,
        EmbeddingGanSettings,
    ),
)

FAMILIES: tuple[Family, ...] = (
    Family(
        key="fvbn",
        title="Fully visible Bayes net",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="The plainest autoregressive model: each pixel is a logistic regression on all pixels before it, "
        "without a hidden unit.",
        look_for="Learning is a concave problem, so every start ends at the same value. Samples have the right strokes "
        "from pixel to pixel, but few are whole digits: what a hidden layer (NADE, MADE) adds.",
        model=Fvbn,
        settings=FvbnSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="nade",
        title="Neural auto-regressive density estimator",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="Pixel after pixel, each with a probability given all before it: the likelihood is exact, and so is "
        "every sample. All pixels share one set of weights (NADE).",
        look_for="log p(x) on training and held-out data rise together; where held-out data stay behind, it begins to "
        "learn by heart. Samples turn from noise into strokes, most certain towards their last rows.",
        model=Nade,
        settings=NadeSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="eonade",
        title="Orderless NADE",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="One network for every order of the pixels, trained on random beginnings of random orders; the mean "
        "over several orders is a better model than each (EoNADE).",
        look_for="The estimate of the bound is noisy, because every example shows another beginning. What is known of "
        "a digit can come first, wherever it lies, and the completion then takes all of it into account.",
        model=OrderlessNade,
        settings=EoNadeSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="made",
        title="Masked autoencoder (MADE)",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="An autoencoder whose weights are masked so that each pixel's probability sees only the pixels before "
        "it: all conditionals in one pass, and fast to train.",
        look_for="Training is several times faster than NADE's. Where held-out data stay behind training data, more "
        "masks are a remedy: each step learns with another one.",
        model=Made,
        settings=MadeSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="made-orders",
        title="Order-agnostic MADE",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="A masked autoencoder that learns several orders of the pixels with one set of weights; the mean of "
        "their probabilities is a better model than any of them.",
        look_for="The estimate of the bound is noisy: every step takes another order. In the likelihood table the "
        "ensemble of all orders is ahead of each single one.",
        model=OrderAgnosticMade,
        settings=OrderAgnosticMadeSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="pixelcnn",
        title="PixelCNN",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="Pixel after pixel, by convolutions that see only what lies above and to the left. All pixels of all "
        "images are learned from at once, as one convolutional net; the likelihood is exact.",
        look_for="Samples are strokes of the right width long before they are whole digits: a pixel first learns from "
        "its neighbours. Held-out log p(x) turns back where it begins to learn by heart.",
        model=PixelCnn,
        settings=PixelCnnSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="char-rnn",
        title="Recurrent neural network",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="Character after character, each with a probability given all before it, which a recurrent state "
        "stands for (char-RNN).",
        look_for="Samples learn spaces first, then short words, then what words go together. Held-out text that "
        "becomes less probable while training text becomes more so is being learned by heart.",
        model=CharRnn,
        settings=CharRnnSettings,
        learners=("maximum-likelihood",),
        data="python-reference",
    ),
    Family(
        key="row-lstm",
        title="PixelRNN: Row LSTM",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="Recurrent nets that go down the image, all pixels of a row at once. What a pixel hears of is a "
        "triangle above it; the likelihood is exact.",
        look_for="Held-out log p(x) rises with fewer weights than a PixelCNN needs. Strokes go on over many rows.",
        model=RowLstm,
        settings=RowLstmSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="diagonal-bilstm",
        title="PixelRNN: Diagonal BiLSTM",
        group="autoregressive",
        lecture="Deep auto-regressive models",
        summary="Recurrent nets that go along both diagonals of the image, so that every pixel hears of all before it "
        "already in the first layer; the likelihood is exact.",
        look_for="Slow steps that teach much each. With one layer it knows the whole image so far, for which a "
        "convolutional net needs many.",
        model=DiagonalBiLstm,
        settings=DiagonalBiLstmSettings,
        learners=("maximum-likelihood",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="boltzmann",
        title="Boltzmann machine",
        group="energy",
        lecture="Boltzmann machines",
        summary="Pixels and hidden units, each pair of them with a weight. A unit is easy given all others, and "
        "everything else is hard: what the restricted machine gives up, and why.",
        look_for="With 20 units in all, log p(x), its estimates and the learner's own figures can be compared. More "
        "connections make its chain slower: look at how it mixes.",
        model=Boltzmann,
        settings=BoltzmannSettings,
        learners=(
            "persistent-cd",
            "contrastive-divergence",
            "mean-field-pcd",
            "pseudo-likelihood",
            "maximum-likelihood",
        ),
        data="bars",
        binarization="threshold",
    ),
    Family(
        key="rbm",
        title="Restricted Boltzmann machine",
        group="energy",
        lecture="Boltzmann machines",
        summary="An energy over pixels and hidden units, with no connections within a layer. Its chain draws all "
        "hidden units given the pixels, then all pixels given the hidden units, and so on.",
        look_for="Filters turn from noise into strokes. Reconstruction alone can fool: watch the pseudo-likelihood, "
        "and the free energy of held-out data, which leaves that of training data when it learns by heart.",
        model=Rbm,
        settings=RbmSettings,
        learners=(
            "persistent-cd",
            "contrastive-divergence",
            "pseudo-likelihood",
            "noise-contrastive",
            "maximum-likelihood",
        ),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="dbn",
        title="Deep belief network",
        group="energy",
        lecture="Boltzmann machines",
        summary="Layers that draw each other downwards, under a restricted Boltzmann machine at the top. Learned one "
        "layer after the other, each from what those below make of the data.",
        look_for="Samples change when the next layer begins to learn, and grow more varied and whole. Figures are of "
        "the layer that learns, so that curves begin anew with each; the bound per layer says what it was worth.",
        model=Dbn,
        settings=DbnSettings,
        learners=("layerwise", "up-down", "fine-tune"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="dbm",
        title="Deep Boltzmann machine",
        group="energy",
        lecture="Boltzmann machines",
        summary="Layers of hidden units above the pixels, all connections undirected: what a unit stands for depends "
        "on the layer above as well as on the one below. Mean field replaces P(h | v), which is no product.",
        look_for="The bound on the free energy of held-out data leaves that of training data when it learns by heart. "
        "Where the top layer stays at one half, the deep machine is only a restricted one.",
        model=Dbm,
        settings=DbmSettings,
        learners=("mean-field-pcd", "layerwise", "persistent-cd", "maximum-likelihood"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="gsn",
        title="Generative stochastic network",
        group="energy",
        lecture="Generative stochastic networks",
        summary="A chain that spoils an example and repairs it, over and over; what it learns is to repair. The model "
        "is where the chain comes to rest.",
        look_for="Samples are whole digits early, because one repair is easy to learn. The last walkback is repaired "
        "worse than the first: how much of an example its chain has forgotten by then.",
        model=Gsn,
        settings=GsnSettings,
        learners=("walkback",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="energy-network",
        title="Energy network",
        group="energy",
        lecture="Boltzmann machines",
        summary="A network gives each example an energy, and e to the minus energy is its probability, up to a "
        "constant. Samples roll down the energy under noise (Langevin dynamics).",
        look_for="The energies of chains and of data stay together; when they part for good, the chains are too slow "
        "or their steps too large. The denoised share says how good the landscape is.",
        model=EnergyNetwork,
        settings=EnergyNetworkSettings,
        learners=("langevin-ml", "noise-contrastive"),
        data="ring",
    ),
    Family(
        key="gaussian-rbm",
        title="Gaussian RBM",
        group="energy",
        lecture="Boltzmann machines",
        summary="A restricted Boltzmann machine over real numbers: bits decide together where a Gaussian lies, so that "
        "H of them make a mixture of 2^H. How wide it is in each coordinate is learned too.",
        look_for="Variances fall as hidden units explain what was noise. Up to 20 hidden units log p(x) is exact, and "
        "can be learned from itself; points in the plane show the density in the landscape.",
        model=GaussianRbm,
        settings=GaussianRbmSettings,
        learners=("persistent-cd", "contrastive-divergence", "maximum-likelihood"),
        data="moons",
    ),
    Family(
        key="conv-rbm",
        title="Convolutional RBM",
        group="energy",
        lecture="Boltzmann machines",
        summary="A restricted Boltzmann machine whose hidden units look for the same few patterns everywhere in the "
        "image. Units compete in blocks, of which at most one is on: probabilistic max-pooling.",
        look_for="Filters become strokes of all directions. Sparse units, through the sparsity cost, make them differ; "
        "a mean activity that stays at its start is a map that says nothing.",
        model=ConvRbm,
        settings=ConvRbmSettings,
        learners=(
            "persistent-cd",
            "contrastive-divergence",
            "pseudo-likelihood",
            "noise-contrastive",
            "maximum-likelihood",
        ),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="linear-gaussian",
        title="Factor analysis and probabilistic PCA",
        group="exact inference",
        lecture="Exact inference and mean field",
        summary="A few latent numbers, mapped linearly to an example, plus noise. The evidence and the posterior of z "
        "are exact; a factorised one shows what mean field loses. The parameters may have a posterior too.",
        look_for="log p(x) never falls under expectation maximisation, and ends where the principal components say. "
        "With a factorised posterior the bound stays below log p(x) until the axes are the principal ones.",
        model=LinearGaussian,
        settings=LinearGaussianSettings,
        learners=("em", "coordinate-ascent", "stochastic-vi", "reparameterized-elbo", "maximum-likelihood"),
        data="digits",
    ),
    Family(
        key="helmholtz",
        title="Helmholtz machine",
        group="variational",
        lecture="Variational auto-encoders",
        summary="Several layers of hidden units: one network generates downwards, layer after layer, another "
        "recognises upwards. Units are real numbers, each Gaussian given the layer beside it.",
        look_for="By wake-sleep both phases rise while the bound may fall: there is no single objective. Compare with "
        "the reparameterised bound, from the same start.",
        model=Helmholtz,
        settings=HelmholtzSettings,
        learners=("reparameterized-elbo", "score-function", "wake-sleep"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="vae",
        title="Variational auto-encoder",
        group="variational",
        lecture="Variational auto-encoders",
        summary="A decoder p(x|z) and an encoder q(z|x), trained together on a lower bound of the evidence.",
        look_for="Reconstruction and KL rise together at first. A KL near 0 means that the decoder ignores z.",
        model=Vae,
        settings=VaeSettings,
        learners=("reparameterized-elbo", "score-function", "wake-sleep"),
        data="digits",
    ),
    Family(
        key="conv-vae",
        title="Convolutional auto-encoder",
        group="variational",
        lecture="Variational auto-encoders",
        summary="A variational auto-encoder of images: its encoder halves the image by convolutions, its decoder "
        "doubles it by transposed ones, so that a stroke is learned once for all places.",
        look_for="Sharper edges than the plain auto-encoder draws with as many weights. On large images it learns in "
        "fewer steps, each of which takes longer.",
        model=ConvVae,
        settings=ConvVaeSettings,
        learners=("reparameterized-elbo", "wake-sleep"),
        data="digits",
    ),
    Family(
        key="ar-vae",
        title="Auto-encoder with an autoregressive decoder",
        group="variational",
        lecture="Variational auto-encoders",
        summary="The decoder draws pixel after pixel, and hears of the code at each. It can do without the code, and "
        "then often does: the posterior collapses.",
        look_for="A KL that falls to 0 while samples are good all the same: what the code would say, the pixels before "
        "say already. KL annealing, free bits or a decoder that sees less keep the code alive.",
        model=ArVae,
        settings=ArVaeSettings,
        learners=("reparameterized-elbo",),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="discrete-vae",
        title="Discrete variational auto-encoder",
        group="variational",
        lecture="Variational auto-encoders",
        summary="An auto-encoder whose code is made of units with a few values each, instead of real numbers.",
        look_for="A relaxed objective far above the bound of states: the temperature is still too high to believe it.",
        model=DiscreteVae,
        settings=DiscreteVaeSettings,
        learners=("gumbel-softmax", "score-function", "wake-sleep"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="sigmoid-belief",
        title="Sigmoid belief net",
        group="variational",
        lecture="Variational auto-encoders",
        summary="Layers of bits that draw each other downwards, to the pixels. What they were given an example is "
        "guessed layer after layer upwards, by weights of their own.",
        look_for="The learning signal shrinks as its baseline learns which examples are hard; the gradient's variance "
        "tells what a baseline is worth. Filters turn from noise into strokes that are switched on and off.",
        model=SigmoidBelief,
        settings=SigmoidBeliefSettings,
        learners=("score-function", "gumbel-softmax", "wake-sleep"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="draw",
        title="DRAW",
        group="variational",
        lecture="Variational auto-encoders",
        summary="A variational auto-encoder that draws its image in steps on a canvas. Before each step it looks again "
        "at what is still missing, and with attention only through a small window.",
        look_for="Early steps sketch, later ones refine. The write window learns to follow the strokes; each step has "
        "a KL of its own.",
        model=Draw,
        settings=DrawSettings,
        learners=("reparameterized-elbo",),
        data="digits",
        binarization="threshold",
    ),
    Family(
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
    ),
    Family(
        key="bigan",
        title="Bidirectional adversarial network",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="A generator and an encoder for the way back. The discriminator sees pairs: an example with its code, "
        "or a sample with the noise it was made from.",
        look_for="Reconstructions are never asked for, and come all the same: where pairs cannot be told apart, the "
        "encoder inverts the generator. Where they show another example, let the discriminator learn faster.",
        model=Bigan,
        settings=BiganSettings,
        learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
        data="digits",
    ),
    Family(
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
    ),
    Family(
        key="domain-adversarial",
        title="Domain-adversarial network",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="A classifier that learns from labels of one domain and is used on another. Its features play a game "
        "against a discriminator of domains: classes must be told apart by them, domains must not.",
        look_for="Domain accuracy falls towards ½ and domain loss rises towards log 2 = 0.69, while source accuracy "
        "stays. Target accuracy, of labels that are never learned from, then rises; with λ = 0 it stays behind.",
        model=DomainNetwork,
        settings=DomainNetworkSettings,
        learners=("domain-adversarial",),
        data="moons",
        other={"source": "moons", "settings": {"angle": 35, "seed": 1}},
    ),
    Family(
        key="dcgan",
        title="Convolutional GAN (DCGAN)",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="A generator of images by transposed convolutions, against a convolutional discriminator.",
        look_for="Strokes and edges appear before whole shapes. D(x) on data and on samples should not part for good.",
        model=Dcgan,
        settings=DcganSettings,
        learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
        data="digits",
    ),
    Family(
        key="conditional-gan",
        title="Conditional GAN",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="Generator and discriminator are told the class: examples of a class that is chosen.",
        look_for="On the latent map the class can be chosen: the same z as another class should keep its style.",
        model=ConditionalGan,
        settings=ConditionalGanSettings,
        learners=("non-saturating", "minimax", "wasserstein", "unrolled"),
        data="digits",
    ),
    Family(
        key="cyclegan",
        title="CycleGAN",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="Two generators translate between two sets of examples of which no pairs are known. What comes back "
        "from there and back shall be what it was.",
        look_for="The cycle error falls soon: it says that nothing is lost. Whether the translation is the right one "
        "it does not say, so look at the translations.",
        model=CycleGan,
        settings=CycleGanSettings,
        learners=("cycle-consistency",),
        data="digit-styles",
        other={"source": "digit-styles", "settings": {"style": "inverse", "part": "second half"}},
    ),
    Family(
        key="discrete-gan",
        title="GAN of discrete values",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="Noise says how probable each value of each bit or symbol is, and values are drawn. No gradient passes "
        "a draw: three ways around it can be compared.",
        look_for="With relaxed or embedded samples it learns fast; by rewards alone, which say how good a sample was "
        "but not what to change, slowly. Samples that repeat each other are mode collapse.",
        model=DiscreteGan,
        settings=DiscreteGanSettings,
        learners=("gumbel-gan", "reinforce-gan", "embedding-gan"),
        data="digits",
        binarization="threshold",
    ),
    Family(
        key="sequence-gan",
        title="GAN of sequences",
        group="adversarial",
        lecture="Generative adversarial networks",
        summary="A recurrent network writes symbol after symbol and learns from a discriminator of whole sequences. "
        "Its likelihood is exact, so that the game can be compared with maximum likelihood.",
        look_for="Compare log p(x) with maximum likelihood's: the game asks for sequences that pass, not for all that "
        "there are. Fewer and fewer different ones are mode collapse.",
        model=SequenceGan,
        settings=SequenceGanSettings,
        learners=("gumbel-gan", "reinforce-gan", "maximum-likelihood"),
        data="grammar",
    ),
    Family(
        key="hmm",
        title="Hidden Markov model",
        group="exact inference",
        lecture="Exact inference and mean field",
        summary="A chain of hidden states that is seen through what each state emits. Its evidence and posteriors are "
        "exact, at a cost linear in the length of a sequence.",
        look_for="log p(x) never falls under expectation maximisation. It may rest for long while two states are still "
        "alike, and rise once they part; other seeds may end at other optima.",
        model=Hmm,
        settings=HmmSettings,
        learners=("em", "maximum-likelihood"),
        data="casino",
    ),
    Family(
        key="gaussian-mixture",
        title="Bayesian mixture of Gaussians",
        group="exact inference",
        lecture="Exact inference and mean field",
        summary="Every example comes from one of K Gaussians. Weights, means and covariances have a posterior of their "
        "own, which is approximated by independent factors (mean field).",
        look_for="The bound rises at every step of coordinate ascent. Components that the data do not need fade away; "
        "those that stay settle on the clusters.",
        model=GaussianMixture,
        settings=GaussianMixtureSettings,
        learners=("coordinate-ascent", "stochastic-vi", "em"),
        data="ring",
    ),
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
        return learner.to_empty(device=device)
