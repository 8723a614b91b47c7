"""Networks that judge examples: discriminators, and critics that give scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models.capabilities import Shown, ShownAs
from models.learning.critic_bodies import Convolutional, Dense, Recurrent
from models.networks import Activation
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support, UnsuitableData

Network = Literal["as the generator's", "dense", "convolutional", "recurrent"]
KERNEL = 5  # numbers that two examples are compared by, for each minibatch feature
USUAL = 0.01  # the part that a batch has in what is usual

Judge = Callable[[Shown], Tensor]  # Shown of B -> scores (B,)


class CriticSettings(Settings):
    network: Network = setting(
        "as the generator's",
        title="Discriminator network",
        help="Dense: every value of an example to every unit. Convolutional: for images and sequences, halved layer "
        "after layer. Recurrent: reads a sequence step by step, an image row by row, by an LSTM in each layer; "
        "slower.",
        reference="Radford et al. (2016), section 3; Mogren (2016)",
    )
    hidden: int = setting(
        128, title="Discriminator units", help="Width of the discriminator's dense layers.", ge=1, le=4096
    )
    layers: int = setting(
        3,
        title="Discriminator layers",
        help="Hidden layers of the discriminator, or convolutions; 0 makes it linear.",
        ge=0,
        le=8,
    )
    channels: int = setting(
        32,
        title="Discriminator channels",
        help="Channels of its first convolution, twice as many of each one after it. For convolutional ones only.",
        ge=1,
        le=1024,
    )
    activation: Activation = setting(
        "leaky relu", title="Discriminator activation", help="Non-linearity of the discriminator's hidden layers."
    )
    batch_normalisation: bool = setting(
        False,
        title="Batch normalisation",
        help="Of each of a dense or convolutional discriminator's features but those of the first layer over the "
        "minibatch, of data and of samples apart, so that it sees how samples differ. Single examples are judged by "
        "running statistics.",
        reference="Ioffe & Szegedy (2015); Radford et al. (2016), section 3",
    )
    packing: int = setting(
        1,
        title="Packing",
        help="Examples, or samples, that the discriminator judges together. Several that are all alike are rare in "
        "data: a remedy for mode collapse.",
        reference="Lin et al. (2018), m",
        ge=1,
        le=16,
    )
    minibatch_features: int = setting(
        0,
        title="Minibatch features",
        help="Numbers that tell the discriminator how near an example is to the others of its minibatch, so that it "
        "sees a collapse. 0 lets it judge each for itself.",
        reference="Salimans et al. (2016), section 3.2",
        zero="off",
        ge=0,
        le=256,
    )
    spectral: bool = setting(
        False,
        title="Spectral normalisation",
        help="Divides each layer's weights by their largest singular value, so that no layer stretches a difference. "
        "Steadies the discriminator in any game.",
        reference="Miyato et al. (2018), σ(W), equation (8)",
    )


class Critic(nn.Module):
    """One number for each thing that is shown, a linear map of its features: `Shown` of B -> (B,).

    With packing m an example is judged together with the m - 1 that follow it in its batch, and the last ones with the
    first (Lin et al., 2018, section 2). There are as many packs as examples, then, whatever m is; packs that share no
    examples would be fewer, with the same expectation.

    What is judged by its batch is all data or all samples: never pass both at once (see `judge`).
    """

    def __init__(self, settings: CriticSettings, shown: ShownAs, spec: DataSpec, constant: bool = True) -> None:
        """`constant`: whether a number that is learned is added to all scores."""
        super().__init__()
        self.is_unit = spec.support in (Support.UNIT, Support.BITS)
        self.packing = settings.packing
        self.normalised = settings.batch_normalisation
        shown = replace(
            shown, shape=(self.packing * shown.shape[0], *shown.shape[1:]), beside=self.packing * shown.beside
        )
        network = shown.network if settings.network == "as the generator's" else settings.network
        body = Convolutional if network == "convolutional" else Recurrent if network == "recurrent" else Dense
        self.body: Convolutional | Recurrent | Dense = body(settings, shown)
        features, closeness = self.body.features, settings.minibatch_features
        self.closeness = Closeness(features, closeness) if closeness else None
        self.head = nn.Linear(features + closeness, 1, bias=constant)
        if settings.spectral:
            normalise_spectrally(self.body)
            normalise_spectrally(self.head)

    @staticmethod
    def check(settings: CriticSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData where there is nothing to convolve."""
        rows = spec.layout is Layout.SEQUENCE and (spec.support is Support.SYMBOLS or len(spec.event_shape) == 2)
        if settings.network in ("convolutional", "recurrent") and spec.layout is not Layout.IMAGE and not rows:
            raise UnsuitableData(
                f"A {settings.network} discriminator judges images and sequences of symbols or vectors, and these data "
                "are neither: choose dense."
            )

    @property
    def looks_around(self) -> bool:
        """Whether what it says of an example depends on the others in the batch."""
        return self.packing > 1 or self.closeness is not None or self.normalised

    def features(self, shown: Shown) -> Tensor:
        """What the last layer sees of each, but for how near the others are: (B, features)."""
        return self._features(self.packs(shown))

    def forward(self, shown: Shown) -> Tensor:
        return self.judge_packs(self.packs(shown))

    def packs(self, shown: Shown) -> Shown:
        """What is judged as one, side by side: of examples (B, c, …) packs (B, m c, …)."""
        return _together([_rolled(shown, i) for i in range(self.packing)])

    def judge_packs(self, packs: Shown) -> Tensor:
        """The score of each pack: (B,)."""
        features = self._features(packs)
        return self._score(features, None if self.closeness is None else self.closeness(features))

    def alone(self, shown: Shown) -> Tensor:
        """The score of each for itself, whatever the others are: (B,).

        With packing it is shown m times, and has a part of m in what is said of that: with m independent examples
        log p/q is the sum of theirs. With minibatch features the others are as near as they usually were.
        """
        features = self._features(_together([shown] * self.packing))
        usual = None if self.closeness is None else self.closeness.usual.expand(len(features), -1)
        return self._score(features, usual) / self.packing

    def _features(self, shown: Shown) -> Tensor:
        centred = 2 * shown.x - 1 if self.is_unit else shown.x
        features: Tensor = self.body(centred, shown.beside)
        return features

    def _score(self, features: Tensor, closeness: Tensor | None) -> Tensor:
        score: Tensor = self.head(features if closeness is None else torch.cat([features, closeness], 1)).squeeze(-1)
        return score


def normalise_spectrally(network: nn.Module) -> None:
    """Let each linear map W be W / σ(W), σ its largest singular value (Miyato et al., 2018).

    σ is followed by one step of the power method at each pass in training, by a vector that is a buffer: it is resumed
    bit for bit, and a pass that only looks leaves it as it is. A network of such dense layers and of activations that
    stretch nothing has a slope of 1 at most. Of a convolution the matrix of its filters is normalised, as in the paper:
    where windows overlap, the map itself may stretch by the root of how many windows see a pixel.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer)


class Closeness(nn.Module):
    """How near each of a batch is to the others: o_k(x_i) = mean over j ≠ i of exp(-|M_k f(x_i) - M_k f(x_j)|₁), with
    M_k of KERNEL rows: features f (B, D) -> (B, K), in 0…1.

    Salimans et al. (2016) sum over j; the mean does not depend on the size of a batch.
    """

    follows = True
    usual: Tensor  # (K,)  a moving average over the batches that were seen in training

    def __init__(self, features: int, kernels: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.compare = nn.Linear(features, kernels * KERNEL, bias=False)
        self.register_buffer("usual", torch.zeros(kernels))

    def forward(self, features: Tensor) -> Tensor:
        n = len(features)
        compared = self.compare(features).reshape(n, self.kernels, KERNEL).transpose(0, 1).contiguous()
        near = (-_Distances.apply(compared)).exp()  # (K, B, B)
        closeness: Tensor = (near.sum(2).t() - 1) / max(n - 1, 1)  # each is at 1 from itself
        if self.training and self.follows:
            with torch.no_grad():
                self.usual.lerp_(closeness.mean(0), USUAL)
        return closeness


class _Distances(torch.autograd.Function):
    """|x_i - x_j|₁ of all pairs: (K, B, D) -> (K, B, B). torch.cdist, but for a derivative that has one itself, which
    unrolling and penalties on gradients need."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.cdist(x, x, p=1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient = gradient + gradient.transpose(1, 2)
        slopes = [(gradient * (x[:, :, None, d] - x[:, None, :, d]).sign()).sum(2) for d in range(x.shape[2])]
        return torch.stack(slopes, 2)


def judge(critic: nn.Module, data: Shown, samples: Shown, by: Judge | None = None) -> tuple[Tensor, Tensor]:
    """The scores of both, each (B,), by the critic, or by what stands for it with other parameters."""
    by = by or critic
    if isinstance(critic, Critic) and critic.looks_around:
        return by(data), by(samples)
    on_data, on_samples = by(both(data, samples)).chunk(2)
    return on_data, on_samples


def feature_distance(critic: Critic, data: Shown, samples: Shown) -> Tensor:
    """‖E f(x) - E f(G(z))‖² over the critic's features, 0-d (Salimans et al., 2016, section 3.1)."""
    return (critic.features(data).mean(0) - critic.features(samples).mean(0)).square().sum()


def both(data: Shown, samples: Shown) -> Shown:
    """Examples, then samples, so that one pass judges them: the same numbers as two passes, with half the calls."""
    return _joined([data, samples], 0)


def _together(parts: list[Shown]) -> Shown:
    """What is judged together as one, side by side."""
    return parts[0] if len(parts) == 1 else _joined(parts, 1)


def _rolled(shown: Shown, places: int) -> Shown:
    """Each in the place of one before it, in a circle."""
    if not places:
        return shown
    return Shown(shown.x.roll(-places, 0), None if shown.beside is None else shown.beside.roll(-places, 0))


def _joined(parts: list[Shown], axis: int) -> Shown:
    beside = [part.beside for part in parts if part.beside is not None]
    return Shown(torch.cat([part.x for part in parts], axis), torch.cat(beside, axis) if beside else None)
