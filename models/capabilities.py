"""What a model, or a learner, can do. Views, learners and estimators ask for these and never for a class.

Every capability is a Protocol of methods, so that `issubclass(model_class, Samples)` answers before a model is built.
`generator` is the source of randomness; None means the process-wide one, which belongs to the training session alone:
whoever only looks at a model passes a generator of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Generator as Yields
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from torch import Generator, Tensor

from models.distributions import Distribution, FullNormal
from models.spec import Batch


@dataclass(frozen=True)
class Elbo:
    """The two sides of the evidence lower bound, in nats per example: ELBO = reconstruction - kl."""

    reconstruction: Tensor  # (B,)  E_q[log p(x | z)], a Monte Carlo estimate
    kl: Tensor  # (B,)  KL(q(z | x) || p(z))
    kl_per_dimension: Tensor  # (B, units) of all latent units; those of the code that `Decodes` takes come first

    @property
    def value(self) -> Tensor:
        return self.reconstruction - self.kl


@dataclass(frozen=True)
class PosteriorDraw:
    """Draws h ~ q(h | x) of all latent variables, through which no gradient flows. Their difference, averaged, is the
    evidence lower bound; in nats."""

    log_joint: Tensor  # (samples, B)  log p(x, h), differentiable in the generative parameters
    log_posterior: Tensor  # (samples, B)  log q(h | x), differentiable in the parameters of recognition


@dataclass(frozen=True)
class Components:
    """The Gaussians that a model consists of, in the space of flattened examples."""

    weights: Tensor  # (K,)
    means: Tensor  # (K, D)
    covariances: Tensor  # (K, D, D)
    mean_covariances: Tensor  # (K, D, D)  how uncertain each mean is; 0 for a point estimate


@dataclass(frozen=True)
class Frames:
    """Components as they were at some steps of learning, in order, and what the learner reported there."""

    steps: Tensor  # (F,) int64
    values: Tensor  # (F,)  the first of the learner's quantities
    components: Components  # each with a first axis of frames


@dataclass(frozen=True)
class ChainState:
    """One state of a Markov chain over examples."""

    x: Tensor  # (B, *event)  the visible state
    mean: Tensor  # (B, *event)  its conditional mean in the last transition: what is shown
    hidden: tuple[Tensor, ...] = ()  # the state of each hidden layer, the lowest first: (B, *layer)
    label: Tensor | None = None  # (B, classes)  the state of label units: one of them is on


@dataclass(frozen=True)
class Held:
    """What a transition keeps as it is. None holds nothing."""

    x: Tensor | None = None  # bool (*event) or (B, *event)
    hidden: tuple[Tensor | None, ...] = ()  # for each hidden layer, the lowest first: bool (*layer) or (B, *layer)
    label: Tensor | None = None  # (B,) int64: the class whose label unit is kept on; -1 leaves it free


NOTHING_HELD = Held()


@dataclass(frozen=True)
class Completion:
    """Examples whose unknown coordinates were drawn one after the other. What is said of a coordinate holds given those
    before it in the order, and is said of known ones too."""

    x: Tensor  # (n, *event)
    mean: Tensor  # (n, *event)  E[x_d | those before d]: P(x_d = 1 | …) of a bit; x itself where symbols have no mean
    log_prob: Tensor  # (n, *event)  log p(x_d | those before d) of the value that stands there


@dataclass(frozen=True)
class Explanation:
    """What K hidden states make of sequences of T steps. Probabilities over states sum to 1 at each step."""

    log_prob: Tensor  # (B,)  the evidence log p(x), in nats
    forward: Tensor  # (B, T, K)  p(z_t | x_1…x_t)
    backward: Tensor  # (B, T, K)  p(x_{t+1}…x_T | z_t), scaled to sum to 1 over z_t
    posterior: Tensor  # (B, T, K)  p(z_t | x)
    path: Tensor  # (B, T) int64  the most probable z as a whole (Viterbi)
    path_log_prob: Tensor  # (B,)  log p(path | x), in nats


@dataclass(frozen=True)
class HiddenStates:
    """The parameters of a hidden Markov chain and of what its K states emit."""

    initial: Tensor  # (K,)
    transition: Tensor  # (K, K)  from row to column
    emission: Tensor  # (K, symbols) probabilities; where values are real, means (K, dims)
    deviation: Tensor | None = None  # (K, dims), where values are real


@dataclass(frozen=True)
class DrawnInSteps:
    """Drawings of T steps as they came about. A window is a square grid of places on the image: centre x, centre y,
    distance from one place to the next, and σ of the blur there, in pixels from the middle of the upper left pixel."""

    canvases: Tensor  # (B, T, *event)  what stands on the canvas after each step, as means
    read: Tensor | None  # (B, T, 4)  the window through which each step looked; None where whole images are seen
    written: Tensor | None  # (B, T, 4)  the window through which each step wrote
    read_size: int  # places along a side of the windows
    write_size: int


@dataclass(frozen=True)
class Shown:
    """What a discriminator is shown: examples, and beside each of them a vector where there is one: a code, a class."""

    x: Tensor  # (B, *shape)
    beside: Tensor | None = None  # (B, K)


@dataclass(frozen=True)
class ScoredDraws:
    """Examples that were drawn, and what their draws cost; through the draws themselves no gradient flows."""

    x: Tensor  # (n, *event)
    # (n, *event)  log p of each coordinate given those drawn before it, and the noise if there is any, in nats;
    # differentiable in the model's parameters. Its gradient's mean is 0 whatever the coordinates before.
    log_prob: Tensor


@dataclass(frozen=True)
class ShownAs:
    """What `Shown` consists of, and the network that suits it."""

    shape: tuple[int, ...]  # of what stands for one example
    beside: int = 0  # K; 0 where nothing stands beside it
    encoded: bool = False  # the model says itself what stands beside data, and so learns from how data are judged too
    network: Literal["dense", "convolutional"] = "dense"


@runtime_checkable
class Samples(Protocol):
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """n examples drawn from the model (or its chain, then approximately): (n, *event)."""
        ...


@runtime_checkable
class SamplesMeans(Protocol):
    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        """Like `sample`, but ends with the mean of p(x | latent state) instead of a draw: better to look at."""
        ...


@runtime_checkable
class ScoresExactly(Protocol):
    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class SumsLatent(Protocol):
    """Beside `ScoresExactly`: log p(x) is a sum over all states of latent variables."""

    def log_prob_in_parts(self, x: Tensor) -> Yields[float, None, Tensor]:
        """`log_prob`, which raises TooLarge when the sum does not fit; yields the fraction done often enough to be
        shown, and abandoned there."""
        ...


@runtime_checkable
class ScoresEach(Protocol):
    def log_conditionals(self, x: Tensor) -> Tensor:
        """log p(x_d | those before d) of every coordinate, in nats: (B, *event) -> (B, *event).

        They sum to log p(x). Differentiable with respect to x where the layout is an image: its gradient is what a
        pixel's receptive field is read from.
        """
        ...


@runtime_checkable
class PredictsEach(Protocol):
    """For data of few values: LEVELS and SYMBOLS."""

    def log_predictions(self, x: Tensor) -> Tensor:
        """log p(x_d = k | those before d) of every value k at every coordinate, in nats: (B, *event) -> (B, *event,
        categories)."""
        ...


@runtime_checkable
class EstimatesLogProb(Protocol):
    """Has a cheap estimate to learn from, where log p(x) itself is dear to compute."""

    def learns_from_estimate(self) -> bool:
        """Whether learning takes the estimate, or log p(x) itself, which settings can make cheap."""
        ...

    def log_prob_estimate(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """A random value whose mean is a lower bound on log p(x), in nats: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class Ensembles(Protocol):
    """An equal mixture of distributions: p(x) = (1 / K) Σ_k p_k(x). Whole examples are averaged, never coordinates:
    only that is normalised."""

    def members(self) -> int:
        """K."""
        ...

    def member_log_prob(self, x: Tensor, member: int) -> Tensor:
        """log p_k(x) in nats, k = `member`: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class SamplesOfClass(Protocol):
    """May draw from p(x | class), if its settings say so; p(x) is then the equal mixture over the classes."""

    def conditional_classes(self) -> int:
        """How many classes the model distinguishes; 0 when it does not condition."""
        ...

    def sample_of_class(self, y: Tensor, generator: Generator | None = None) -> Tensor:
        """One example of each class in y: (n,) int64 -> (n, *event)."""
        ...


@runtime_checkable
class ConditionsOnClass(SamplesOfClass, Protocol):
    def log_prob_of_class(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x | class y) in nats: (B, *event), (B,) int64, 0 or more -> (B,)."""
        ...


@runtime_checkable
class BoundsEvidence(Protocol):
    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """A one-sample estimate of the evidence lower bound, differentiable by reparameterisation."""
        ...


@runtime_checkable
class EstimatesBound(Protocol):
    """In place of `BoundsEvidence`, where the bound can be measured but draws let no gradient through: latent variables
    may then be of any kind. Units are of bits, or have several values of which one is on."""

    def bound_terms(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        """A one-sample estimate of the evidence lower bound, with the terms of every latent unit: a term of a single
        draw may be negative."""
        ...

    def code_mean(self, x: Tensor) -> Tensor:
        """As of `HasCodeMean`."""
        ...


@runtime_checkable
class HasCodeMean(Protocol):
    """Says of every latent unit what it is on average, also of those that are no part of a code that it encodes to."""

    def code_mean(self, x: Tensor) -> Tensor:
        """What each latent unit is on average given x, by the model's own approximation, where units that depend on
        others hear of their means; in the order of `Elbo.kl_per_dimension`: (B, *event) -> (B, units) or (B, units,
        values)."""
        ...


@runtime_checkable
class WeighsEvidence(Protocol):
    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        """log p(x, z_k) - log q(z_k | x) for z_k ~ q: (samples, B). Their mean weight estimates p(x) without bias."""
        ...


@runtime_checkable
class DrawsPosterior(Protocol):
    """For estimators that need no gradient through a draw, so that latent variables of any kind will do."""

    def draw_posterior(self, x: Tensor, samples: int = 1, generator: Generator | None = None) -> PosteriorDraw:
        """`samples` draws for each example: (B, *event)."""
        ...


@runtime_checkable
class Dreams(Protocol):
    def score_dreams(self, n: int, generator: Generator | None = None) -> Tensor:
        """log q(h | x) in nats of n pairs (x, h) drawn from the model itself, differentiable in the parameters of
        recognition only: (n,)."""
        ...


@runtime_checkable
class RefinesPosterior(Protocol):
    """Beside `BoundsEvidence`: q(z | x) of each example has parameters that can be changed for that example alone."""

    def posterior_parameters(self, x: Tensor) -> Tensor:
        """What the encoder says of q: (B, *event) -> (B, parameters)."""
        ...

    def elbo_of(self, x: Tensor, parameters: Tensor, generator: Generator | None = None) -> Elbo:
        """Like `elbo`, with q of these parameters: (B, *event), (B, parameters)."""
        ...


@runtime_checkable
class RelaxesDiscrete(Protocol):
    """Has discrete latent variables with a continuous relaxation (Jang et al., 2017; Maddison et al., 2017)."""

    def relaxed_elbo(
        self, x: Tensor, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Elbo:
        """A one-sample estimate of the evidence lower bound with relaxed draws at `temperature` > 0, differentiable
        through them. With `hard` the draws are discrete and the gradient alone is that of the relaxed ones
        (straight-through)."""
        ...


@runtime_checkable
class DrawsDownwards(Protocol):
    """Has layers of discrete hidden units, drawn from the top downwards. A layer's state is (units,) of bits, or
    (units, values) with one of a unit's values on."""

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each hidden layer's state, the lowest first."""
        ...

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn given x by the model's own approximation: each (B, *layer)."""
        ...

    def draw_hidden_layers(self, n: int, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn without data, the topmost layer from its prior: each (n, *layer)."""
        ...

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """What hidden layer `layer` in state h makes of the visible units, through means of the layers between:
        (B, *layer) -> (B, *event)."""
        ...


@runtime_checkable
class FacesDiscriminator(Protocol):
    """Learns from a discriminator that tries to tell what is shown of samples from what is shown of data."""

    def shown_as(self) -> ShownAs:
        """What a discriminator has to be made for."""
        ...

    def show_data(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """The examples of a batch. Differentiable in the model's parameters where it says itself what stands beside
        them: their codes, for one."""
        ...

    def show_samples(self, batch: Batch, generator: Generator | None = None) -> Shown:
        """As many samples as the batch has examples, with the same classes if the model is conditional; differentiable
        in the model's parameters, unless samples are drawn from values that cannot move a little."""
        ...


@runtime_checkable
class ScoresDraws(Protocol):
    """Beside `FacesDiscriminator`: samples are drawn from discrete values, with probabilities that are known."""

    def draw_scored(self, n: int, generator: Generator | None = None) -> ScoredDraws:
        """n samples with their log-probabilities."""
        ...


@runtime_checkable
class RelaxesDraws(Protocol):
    """Beside `FacesDiscriminator`: samples of discrete values have a continuous relaxation (Jang et al., 2017)."""

    def draw_relaxed(
        self, n: int, temperature: Tensor | float, hard: bool = False, generator: Generator | None = None
    ) -> Tensor:
        """n relaxed samples at `temperature` > 0, as a discriminator is shown examples: (n, *shape), differentiable.
        With `hard` they are samples, and the gradient alone is that of the relaxed ones (straight-through)."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Beside `FacesDiscriminator`: makes points of the space in which discrete values have a place each."""

    def draw_embedded(self, n: int, generator: Generator | None = None) -> Tensor:
        """n points, as a discriminator is shown examples: (n, *shape), differentiable."""
        ...

    def nearest(self, e: Tensor) -> Tensor:
        """The example whose place is nearest to each point: (n, *shape) -> (n, *event)."""
        ...


@runtime_checkable
class Translates(Protocol):
    """Translates between two domains."""

    def domains(self) -> tuple[ShownAs, ShownAs]:
        """What a discriminator of examples of the first domain has to be made for, and one of the second."""
        ...

    def translate(self, x: Tensor, back: bool = False) -> Tensor:
        """Examples of the first domain as examples of the second, or with `back` the other way: (B, *event) ->
        (B, *event of the other)."""
        ...


@runtime_checkable
class HasFreeEnergy(Protocol):
    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) = -log p(x) - log Z in nats, latent units summed out: (B, *event) -> (B,)."""
        ...


@runtime_checkable
class SumsExactly(Protocol):
    def log_partition(self) -> Tensor:
        """log Z by enumeration, a 0-d tensor. Raises TooLarge when the sum does not fit."""
        ...

    def log_partition_in_parts(self) -> Yields[float, None, Tensor]:
        """The same, which yields the fraction done often enough to be shown, and abandoned there."""
        ...


class TooLarge(ValueError):
    """An enumeration that would not end; the sentence says how large it is and what the limit is."""


@runtime_checkable
class Anneals(Protocol):
    """Has a path of distributions p_0 ... p_1 from a tractable base to the model, for annealed importance sampling.

    The states x of the path are examples where the model has a free energy. Where it only bounds it, they may be what
    is left when other units are summed out: hidden units, for one.
    """

    def annealed_base(self, data: Tensor) -> Tensor:
        """Parameters of the base, on the model's device: independent coordinates that match `data` (N, *event), such
        as the logits (D,) of bits with its means."""
        ...

    def annealed_log_prob(self, x: Tensor, beta: float, base: Tensor) -> Tensor:
        """log of the unnormalised intermediate density at inverse temperature `beta`: (B, *event) -> (B,)."""
        ...

    def annealed_log_partition_base(self, base: Tensor) -> Tensor:
        """log Z of the base distribution (beta = 0), exactly: a 0-d tensor."""
        ...

    def annealed_sample_base(self, n: int, base: Tensor, generator: Generator | None = None) -> Tensor:
        """Exact draws of the base: (n, *event)."""
        ...

    def annealed_transition(self, x: Tensor, beta: float, base: Tensor, generator: Generator | None = None) -> Tensor:
        """One transition that leaves the intermediate density invariant, and is reversible."""
        ...


@runtime_checkable
class AnnealsHidden(Protocol):
    """Beside `Anneals`: states of the path may hold hidden units, after those of the example, (B, D + hidden), or in
    their place, so that one that begins at an example has to draw them."""

    def annealed_start(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """A state that belongs to x, and log q of how its hidden part was drawn given x, less log P(x | state) where
        the state does not show x itself: (B, *event) -> (B, *state), (B,)."""
        ...


@runtime_checkable
class Decodes(Protocol):
    def prior(self) -> Distribution:
        """p(z), without a batch dimension: its mean has shape (latent,)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z), or the generated example: (B, latent) -> (B, *event)."""
        ...


@runtime_checkable
class DecodesOfClass(SamplesOfClass, Protocol):
    """In place of `Decodes`, where an example takes a class beside its code."""

    def prior(self) -> Distribution:
        """p(z) of every class, without a batch dimension: its mean has shape (latent,)."""
        ...

    def decode_of_class(self, z: Tensor, y: Tensor) -> Tensor:
        """The generated example: (B, latent), (B,) int64 -> (B, *event)."""
        ...


@runtime_checkable
class ScoresGivenCode(Protocol):
    """Beside `Decodes`: p(x | z) can be scored, so that log p(x) can be found by annealing from p(z) to p(z | x)."""

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z) in nats, differentiable in z: x (B, *event), z (..., B, latent) -> (..., B)."""
        ...

    def draw_given(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        """Examples drawn from what `log_likelihood` scores, which are bits where it is the cross-entropy of values in
        0…1: (B, latent) -> (B, *event)."""
        ...


@runtime_checkable
class Encodes(Protocol):
    def encode(self, x: Tensor) -> Distribution:
        """q(z | x): (B, *event) -> a distribution over (B, latent). A `Point`, which has no density, where the encoder
        says one code for each example."""
        ...


@runtime_checkable
class HasEncoderFeatures(Protocol):
    """Beside `Encodes`: the encoder has a hidden layer, which may tell more of an example than its code."""

    def encoder_features(self, x: Tensor) -> Tensor:
        """What the encoder's last layer sees: (B, *event) -> (B, features)."""
        ...


@runtime_checkable
class DrawsInSteps(Protocol):
    """Makes an example in steps on a canvas, each of which can be looked at."""

    def draw_in_steps(self, n: int, generator: Generator | None = None) -> DrawnInSteps:
        """n new drawings; nothing is looked at, so `read` is None."""
        ...

    def redraw_in_steps(self, x: Tensor, generator: Generator | None = None) -> DrawnInSteps:
        """A drawing of each example x (B, *event), which every step looks at."""
        ...


@runtime_checkable
class HasExactPosterior(Protocol):
    def posterior(self, x: Tensor) -> FullNormal:
        """p(z | x) itself: (B, *event) -> a distribution over (B, latent)."""
        ...


@runtime_checkable
class Completes(Protocol):
    def order(self) -> Tensor:
        """The order in which coordinates are generated: (D,) int64 indices into the flattened example."""
        ...

    def complete(self, x: Tensor, known: Tensor, generator: Generator | None = None) -> Completion:
        """Keep `x` where `known` (bool), draw the rest in order, each given those before it. Both (n, *event)."""
        ...


@runtime_checkable
class CompletesInAnyOrder(Protocol):
    """Has one set of conditionals for every order (orderless training), so that what is known can come first."""

    def complete_in_order(
        self, x: Tensor, known: Tensor, order: Tensor, generator: Generator | None = None
    ) -> Completion:
        """Like `Completes.complete`, with the coordinates drawn in `order`: (D,) int64, flat indices."""
        ...


@runtime_checkable
class CompletesAtTemperature(Protocol):
    def complete_at_temperature(
        self, x: Tensor, known: Tensor, temperature: float, generator: Generator | None = None
    ) -> Completion:
        """Like `Completes.complete`, with each unknown coordinate drawn from its conditional to the power of
        1 / `temperature` > 0, normalised: below 1, more often the most probable value. What is said of coordinates is
        the model's own, as at temperature 1."""
        ...


@runtime_checkable
class CompletesOfClass(Protocol):
    """Beside `ConditionsOnClass`: completes as an example of a class, where the model's settings let it condition."""

    def complete_of_class(self, x: Tensor, known: Tensor, y: Tensor, generator: Generator | None = None) -> Completion:
        """Like `Completes.complete`, everything given the class as well: y (n,) int64."""
        ...


@runtime_checkable
class RunsChain(Protocol):
    def start_chain(self, n: int, generator: Generator | None = None) -> ChainState:
        """n states from which a chain can start, without data."""
        ...

    def transition(
        self,
        x: Tensor,
        clamp: Tensor | None = None,
        temperature: float = 1.0,
        generator: Generator | None = None,
    ) -> ChainState:
        """One transition of the model's chain from `x` (B, *event).

        `clamp` (bool, (*event) or (B, *event)) marks coordinates that are kept as in `x`."""
        ...


@runtime_checkable
class HasHiddenLayers(Protocol):
    """Beside `RunsChain`: the chain moves hidden layers as well, which can be looked at and held."""

    def hidden_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each hidden layer's state, the lowest first."""
        ...

    def infer(self, x: Tensor, generator: Generator | None = None) -> tuple[Tensor, ...]:
        """Hidden states drawn given x, exactly or by the model's own approximation: each (B, *layer)."""
        ...

    def move(
        self, state: ChainState, held: Held = NOTHING_HELD, temperature: float = 1.0, generator: Generator | None = None
    ) -> ChainState:
        """One transition of the chain over all units. A state without hidden layers gets them from `infer` first."""
        ...

    def top_down(self, layer: int, h: Tensor) -> Tensor:
        """What hidden layer `layer` in state h makes of the visible units, through means of the layers between:
        (B, *layer) -> (B, *event). Exactly E[x | h] where there is one layer and it makes visible
        units independent."""
        ...


@runtime_checkable
class HasLabelUnits(Protocol):
    """Beside `HasHiddenLayers`: the joint distribution may have a unit for each class, if its settings say so."""

    def label_units(self) -> int:
        """How many label units there are; 0 when there are none."""
        ...

    def label_probabilities(self, x: Tensor) -> Tensor:
        """P(class | x), or the model's own approximation: (B, *event) -> (B, classes)."""
        ...


@runtime_checkable
class LearnsInPhases(Protocol):
    """An energy E(v, h) over visible and hidden units whose gradient needs sufficient statistics only, under the data
    and under the model's own chain: the gradient of log p(v) is their difference (Ackley, Hinton & Sejnowski, 1985).

    Of several hidden layers (`HasHiddenLayers`), h holds the flattened states beside each other, the lowest first."""

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) in nats: (B, *event), (B, *hidden) -> (B,)."""
        ...

    def hidden_given(self, v: Tensor, generator: Generator | None = None) -> Tensor:
        """What stands for h given v in `add_statistics`: E[h | v] where units are independent given v, a draw
        where they are not: (B, *event) -> (B, *hidden)."""
        ...

    def draw_hidden(self, mean: Tensor, generator: Generator | None = None) -> Tensor:
        """A state of h, given what `hidden_given` or `sweep` said of it, which a draw already is: (B, *hidden)."""
        ...

    def sweep(
        self, v: Tensor, h: Tensor, generator: Generator | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """One transition from the drawn states v and h, all energies divided by `temperature`: the new v, and what
        stands for h given it. With `draw_hidden` of that, it leaves exp(-E(v, h) / temperature) as it is."""
        ...

    def reconstruct(self, v: Tensor, h: Tensor) -> Tensor:
        """E[v_i | all other units] for every i, h being what `hidden_given` said: (B, *event)."""
        ...

    def add_statistics(self, sums: Mapping[str, Tensor], v: Tensor, h: Tensor, scale: float, keep: float = 1) -> None:
        """sums[name of θ] ← keep × itself + scale × Σ_batch -∂E(v, h)/∂θ, in place, for every parameter θ."""
        ...


@runtime_checkable
class ScalesSteps(Protocol):
    """Beside `LearnsInPhases`: some parameters need shorter steps than others."""

    def step_scales(self) -> Mapping[str, Tensor | float]:
        """What the gradient's step of each parameter is to be multiplied by, under the parameter's name; broadcasts
        to its shape."""
        ...


@runtime_checkable
class HasMeanField(Protocol):
    """Beside `LearnsInPhases`: approximates P(h | v) by independent units (Peterson & Anderson, 1987)."""

    def mean_field(self, v: Tensor) -> Tensor:
        """The means of the independent hidden units, at a fixed point: (B, *event) -> (B, *hidden). They stand for h in
        `add_statistics`."""
        ...


@runtime_checkable
class BoundsFreeEnergy(Protocol):
    """F(x) itself cannot be had; with log Z, its bound gives a lower bound on log p(x)."""

    def free_energy_bound(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """An upper bound on F(x) = -log p(x) - log Z in nats, in expectation, by an approximate posterior:
        (B, *event) -> (B,)."""
        ...


@runtime_checkable
class StacksMachines(Protocol):
    """A stack of machines with two layers each, in which the hidden layer of one is the visible layer of the next. Each
    can be learned on its own, the lowest first (Hinton, Osindero & Teh, 2006)."""

    def machines(self) -> Sequence[Any]:
        """Modules that `LearnsInPhases`, the lowest first, each with its `event_shape`. Their parameters are those of
        the stack, never copies; asked for anew at every use. A stack that wants the weights of a machine doubled in one
        direction gives machines whose conditionals do so."""
        ...

    def begin_machine(self, layer: int, like_below: bool = True) -> None:
        """Machine `layer` learns from now on, and those below have learned all they will. With `like_below` it begins
        as the transpose of the one below, where that is possible."""
        ...

    def carry_up(self, layer: int, x: Tensor, y: Tensor, generator: Generator | None = None) -> Tensor:
        """What machine `layer` learns from, given examples x with labels y (B,), -1 where hidden: (B, *event) -> (B,
        *event of the machine)."""
        ...


@runtime_checkable
class AddsLayers(Protocol):
    """Is a model of its own with each number of its layers, by which its bound on the likelihood can be followed."""

    def layers(self) -> int:
        """How many there are."""
        ...

    def with_layers(self, layers: int) -> Any:
        """The model with the lowest `layers` alone, which shares all tensors."""
        ...


@runtime_checkable
class LearnsUpAndDown(Protocol):
    """Has generative and recognition parameters, each of which learns from what the other draws, and an undirected
    machine at the top (Hinton, Osindero & Teh, 2006, appendix B)."""

    def wake(self, x: Tensor, y: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """All layers but the topmost drawn upwards by recognition: log p of what is below them given them, (B,),
        differentiable in generative parameters only; and the state that the top machine sees. y: labels (B,), -1 where
        hidden."""
        ...

    def sleep(self, top: Tensor, generator: Generator | None = None) -> Tensor:
        """A dream drawn downwards from a state that the top machine sees: log q of the layers above given those below,
        (B,), differentiable in recognition parameters only."""
        ...

    def top_machine(self) -> Any:
        """The undirected machine at the top, which `LearnsInPhases`."""
        ...

    def draw_top(self, n: int, generator: Generator | None = None) -> Tensor:
        """States from which a dream can start: (n, …), as `wake` gives them."""
        ...


@runtime_checkable
class HasRecognition(Protocol):
    """Infers by layers of logistic units, each given the one below: a multilayer perceptron."""

    def recognition_layers(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Weights (above, below) and biases (above,) of each layer, the lowest first."""
        ...


@runtime_checkable
class WalksBack(Protocol):
    """Beside `RunsChain`: the chain's transitions can learn to lead back to an example (walkback)."""

    def walk_back(self, x: Tensor, steps: int, generator: Generator | None = None) -> Tensor:
        """log P(x | what a chain that began at x has come to) after each of `steps` transitions, in nats: (B, *event)
        -> (steps, B), or more of them where the model needs more for all its parameters to matter."""
        ...


@runtime_checkable
class HasFilters(Protocol):
    def filters(self) -> Tensor:
        """The weights of each hidden unit as an example: (hidden, *event)."""
        ...


@runtime_checkable
class HasComponents(Protocol):
    def components(self) -> Components:
        """The model as a mixture of Gaussians: exactly, or at the expectations of a posterior."""
        ...

    def responsibilities(self, x: Tensor) -> Tensor:
        """P(component | x): (B, *event) -> (B, K)."""
        ...


@runtime_checkable
class StartsFromData(Protocol):
    """Learning begins at a place that data give."""

    def start_from(self, x: Tensor, examples: int) -> None:
        """Called once before the first step, with its batch; `examples` is the size of the training set. Draws from the
        process-wide generator."""
        ...


@runtime_checkable
class ExplainsSequences(Protocol):
    """Explains each sequence by a Markov chain of hidden states, exactly."""

    def explain(self, x: Tensor) -> Explanation:
        """Of sequences (B, T) or (B, T, dims), which may be of another length than those in training."""
        ...

    def hidden_states(self) -> HiddenStates:
        """How the states follow each other, and what they emit."""
        ...


Statistics: TypeAlias = dict[str, Tensor]  # sums over examples, by name; every learner may add and scale them


@runtime_checkable
class MaximizesExpectation(Protocol):
    """Learns by expectation maximisation (Dempster, Laird & Rubin, 1977)."""

    def expected_statistics(self, x: Tensor) -> Statistics:
        """E-step: Σ_batch E[sufficient statistics | x], and "log_prob": Σ_batch log p(x), 0-d, of the present
        parameters."""
        ...

    def maximize(self, statistics: Statistics) -> None:
        """M-step, in place: the parameters at which the expected complete log-likelihood is largest."""
        ...


@runtime_checkable
class HasConjugatePosterior(Protocol):
    """A factorised posterior q(local) q(global) in the exponential family, where each factor's best value given the
    others has a closed form (Blei, Kucukelbir & McAuliffe, 2017, sections 2.4 and 4)."""

    def local_statistics(self, x: Tensor) -> Statistics:
        """The best q(local) of each example given q(global): Σ_batch of expected sufficient statistics, and
        "local_bound": the examples' share of the evidence bound, a 0-d tensor."""
        ...

    def update_posterior(self, statistics: Statistics, scale: float = 1.0, rate: Tensor | float = 1.0) -> None:
        """λ ← (1 - rate) λ + rate (prior + scale × statistics), for the natural parameters λ of q(global), in place.

        With statistics of all examples, scale 1 and rate 1 that is coordinate ascent; with those of a minibatch,
        scale N / B and a falling rate it is stochastic variational inference (Hoffman et al., 2013)."""
        ...

    def evidence_bound(self, local_bound: Tensor) -> Tensor:
        """The evidence lower bound of all data in nats, every constant included: the examples' share less
        KL(q(global) ‖ p(global)). A 0-d tensor."""
        ...


# Capabilities of learners.


@runtime_checkable
class HasDiscriminator(Protocol):
    def discriminate(self, x: Tensor) -> Tensor:
        """P(real | x) by the discriminator of the game, averaged over the classes where it is told one: (B, *event) ->
        (B,)."""
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
    def criticise(self, x: Tensor) -> Tensor:
        """f(x) by the critic of the game, a function of bounded slope: its mean on data less that on samples estimates
        how far they are apart: (B, *event) -> (B,)."""
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
