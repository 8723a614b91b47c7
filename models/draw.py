"""DRAW: a variational auto-encoder that draws an image in steps on a canvas, and looks again before each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from models import attention
from models.attention import PARAMETERS, Window
from models.capabilities import DrawnInSteps, Elbo
from models.distributions import Distribution, Normal, standard_normal
from models.family import Family
from models.likelihoods import LikelihoodSettings, check_likelihood, chosen_likelihood
from models.recurrence import lstm_cell
from models.settings import setting
from models.spec import DataSpec, Layout, require_layout

ROWS = 4096  # examples that are weighed at once: bounds the memory whatever the number of samples


class DrawSettings(LikelihoodSettings):
    glimpses: int = setting(
        8,
        title="Steps T",
        help="How often the canvas is written to. Each step has a code of its own.",
        reference="Gregor et al. (2015), T",
        ge=1,
        le=64,
    )
    latent: int = setting(
        8,
        title="Latent size of a step",
        help="Dimensions of z in each step; the whole code has T times as many.",
        reference="Gregor et al. (2015), #z",
        ge=1,
        le=256,
    )
    hidden: int = setting(
        128,
        title="Hidden units",
        help="Width of both LSTMs.",
        reference="Gregor et al. (2015), #h",
        ge=1,
        le=2048,
    )
    attention: bool = setting(
        True,
        title="Attention",
        help="Read and write through small windows that the model places; without it, whole images.",
        reference="Gregor et al. (2015), section 3.2",
    )
    read_size: int = setting(
        3,
        title="Read window",
        help="Gaussian filters along each side of the window that looks at the image.",
        reference="Gregor et al. (2015), N, read size",
        ge=1,
        le=64,
    )
    write_size: int = setting(
        5,
        title="Write window",
        help="Gaussian filters along each side of the window that writes to the canvas.",
        reference="Gregor et al. (2015), N, write size",
        ge=1,
        le=64,
    )


@dataclass(frozen=True)
class _Step:
    """One step of a drawing."""

    z: Tensor  # (B, latent)
    posterior: Normal | None  # q(z_t | x, z before t); None where nothing is looked at
    canvas: Tensor  # (B, height, outputs · channels, width) after the step
    reading: Window | None
    writing: Window | None


Choose = Callable[[int, Normal | None], Tensor]  # z of step t, given its posterior if there is one


class Draw(nn.Module):
    """p(x) = ∫ p(x | c_T) Π_t N(z_t; 0, I) dz, with a canvas that every step adds to: c_t = c_{t-1} + write(h_t),
    h_t = LSTM(h_{t-1}, z_t) (Gregor et al., 2015, section 2). The canvas holds what the likelihood reads: of bits,
    log-odds.

    q(z | x) = Π_t N(z_t; μ_t, diag σ_t²), where μ_t and σ_t come from an encoding LSTM that reads the image and what
    the canvas still lacks, x - E[x | c_{t-1}] (equations 3 to 8): each step's posterior depends on the draws before it.
    x: (B, channels, height, width); z: (B, T · latent), step after step.
    """

    middle: Tensor

    def __init__(self, settings: DrawSettings, spec: DataSpec) -> None:
        super().__init__()
        self.check(settings, spec)
        self.channels, self.height, self.width = spec.event_shape
        self.glimpses, self.latent, self.hidden = settings.glimpses, settings.latent, settings.hidden
        self.attention = settings.attention
        self.read_size, self.write_size = settings.read_size, settings.write_size
        self.brightest = spec.brightest
        self.likelihood = chosen_likelihood(settings, spec)
        self.layers = self.likelihood.outputs * self.channels  # of the canvas
        hidden = settings.hidden
        read = 2 * (self.channels * settings.read_size**2 if self.attention else spec.dimensions)
        area = settings.write_size**2 if self.attention else self.height * self.width
        written = self.layers * area
        self.encoder = nn.Linear(read + 2 * hidden, 4 * hidden)
        self.code = nn.Linear(hidden, 2 * settings.latent)
        self.decoder = nn.Linear(settings.latent + hidden, 4 * hidden)
        self.sizes = (written, PARAMETERS, PARAMETERS) if self.attention else (written,)
        self.output = nn.Linear(hidden, sum(self.sizes))  # what is written, and the windows to write and to read next
        self.register_buffer("middle", attention.middle(self.height, self.width))
        self.first_canvas = nn.Parameter(torch.zeros(self.height, self.layers, self.width))
        self.first_encoded = nn.Parameter(torch.zeros(hidden))
        self.first_decoded = nn.Parameter(torch.zeros(hidden))
        self._begin(read, written)

    def _begin(self, read: int, written: int) -> None:
        """Weights at which the code is heard from the first step on, which an LSTM's usual ones leave to be learned:
        what is seen, what the code says and what is written have about unit variance each, and cells remember
        (Jozefowicz, Zaremba & Sutskever, 2015)."""
        for cell, inputs in ((self.encoder, read), (self.decoder, self.latent)):
            nn.init.normal_(cell.weight[:, :inputs], std=inputs**-0.5)
            nn.init.ones_(cell.bias[self.hidden : 2 * self.hidden])  # of the gate that forgets
        nn.init.normal_(self.output.weight[:written], std=self.hidden**-0.5)
        if self.attention:
            longer = max(self.height, self.width)
            writing, reading = self.output.bias[written:].split(PARAMETERS)
            attention.tile(reading, self.read_size, longer, 1.0)
            # a patch is spread over pixels by filters of sum 1: so much more, and the canvas has about its height
            attention.tile(writing, self.write_size, longer, 1 / attention.area(self.write_size, longer))

    @staticmethod
    def check(settings: DrawSettings, spec: DataSpec) -> None:
        """Raise UnsuitableData when the data is not made of images, or the likelihood cannot be theirs."""
        require_layout(spec, Layout.IMAGE, model="DRAW")
        check_likelihood(settings, spec, "DRAW")

    # One drawing.

    def _steps(self, n: int, choose: Choose, x: Tensor | None = None) -> Iterator[_Step]:
        """n drawings, step by step: of examples x (n, *event) where there are any."""
        image = None if x is None else self._rows(x)
        canvas = self.first_canvas.expand(n, -1, -1, -1)
        encoded, decoded = self.first_encoded.expand(n, -1), self.first_decoded.expand(n, -1)
        encoder_cell = decoder_cell = torch.zeros_like(decoded)
        places = self.output(self.first_decoded[None])[:, -PARAMETERS:].expand(n, -1)  # of the first reading
        for t in range(self.glimpses):
            q, reading, writing = None, None, None
            if image is not None:
                seen = torch.cat([image, image - self._rows(self._mean(canvas))], 2)  # as further channels
                if self.attention:
                    reading = self._window(places, self.read_size)
                    seen = attention.read(seen, reading)
                heard = torch.cat([seen.flatten(1), decoded, encoded], 1)
                encoded, encoder_cell = lstm_cell(self.encoder(heard), encoder_cell)
                q = Normal(*self.code(encoded).chunk(2, -1))
            z = choose(t, q)
            decoded, decoder_cell = lstm_cell(self.decoder(torch.cat([z, decoded], 1)), decoder_cell)
            patch, *windows = self.output(decoded).split(self.sizes, -1)
            if self.attention:
                writing, places = self._window(windows[0], self.write_size), windows[1]
                patch = patch.reshape(n, self.write_size, self.layers, self.write_size)
                patch = attention.write(patch, writing, self.height, self.width)
            canvas = canvas + patch.reshape_as(canvas)
            yield _Step(z, q, canvas, reading, writing)

    def _window(self, parameters: Tensor, side: int) -> Window:
        return attention.window(parameters, side, self.middle, max(self.height, self.width))

    def _rows(self, x: Tensor) -> Tensor:
        """Examples (B, channels, height, width) in 0…1, with their rows first."""
        return (x if self.brightest == 1 else x / self.brightest).transpose(1, 2)

    def _output(self, canvas: Tensor) -> Tensor:
        """A canvas as the likelihood reads it: (B, height, outputs · channels, width) -> (B, outputs, *event)."""
        return canvas.unflatten(2, (self.likelihood.outputs, self.channels)).permute(0, 2, 3, 1, 4)

    def _mean(self, canvas: Tensor) -> Tensor:
        return self.likelihood.mean(self._output(canvas))

    # What can be asked of it.

    def prior(self) -> Normal:
        return standard_normal(self.glimpses * self.latent, like=self.first_canvas)

    def encode(self, x: Tensor) -> StepwisePosterior:
        return StepwisePosterior(self, x)

    def decode(self, z: Tensor) -> Tensor:
        return self.likelihood.mean(self._drawn_from(z))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x | z): x (B, *event), z (..., B, T · latent) -> (..., B)."""
        output = self._drawn_from(z.reshape(-1, z.shape[-1]))
        return self.likelihood.log_prob(x, output.unflatten(0, z.shape[:-1]))

    def draw_given(self, z: Tensor, generator: Generator | None = None) -> Tensor:
        return self.likelihood.simulate(self._drawn_from(z), generator)

    def elbo(self, x: Tensor, generator: Generator | None = None) -> Elbo:
        steps = list(self._steps(len(x), _drawn(generator), x))
        kl = torch.cat([step.posterior.kl_from_standard() for step in steps if step.posterior is not None], 1)
        return Elbo(self.likelihood.log_prob(x, self._output(steps[-1].canvas)), kl.sum(-1), kl)

    def log_weights(self, x: Tensor, samples: int, generator: Generator | None = None) -> Tensor:
        at_once = max(1, ROWS // len(x))
        parts = [
            self._weigh(x.repeat(min(at_once, samples - begin), 1, 1, 1), generator).reshape(-1, len(x))
            for begin in range(0, samples, at_once)
        ]
        return torch.cat(parts)

    def _weigh(self, x: Tensor, generator: Generator | None) -> Tensor:
        """log p(x, z) - log q(z | x) for one z each: (B,)."""
        prior = standard_normal(self.latent, like=self.first_canvas)
        weight = x.new_zeros(len(x))
        for step in self._steps(len(x), _drawn(generator), x):
            assert step.posterior is not None
            weight = weight + prior.log_prob(step.z) - step.posterior.log_prob(step.z)
        return weight + self.likelihood.log_prob(x, self._output(step.canvas))

    def sample_mean(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior().sample(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.likelihood.sample(self._drawn_from(self.prior().sample(n, generator)), generator)

    def draw_in_steps(self, n: int, generator: Generator | None = None) -> DrawnInSteps:
        return self._shown(self._steps(n, self._given(self.prior().sample(n, generator))))

    def redraw_in_steps(self, x: Tensor, generator: Generator | None = None) -> DrawnInSteps:
        return self._shown(self._steps(len(x), _drawn(generator), x))

    def _shown(self, steps: Iterator[_Step]) -> DrawnInSteps:
        canvases, read, written = [], [], []
        for step in steps:
            canvases.append(self._mean(step.canvas))
            read += [step.reading.places()] if step.reading is not None else []
            written += [step.writing.places()] if step.writing is not None else []
        return DrawnInSteps(
            torch.stack(canvases, 1),
            torch.stack(read, 1) if read else None,
            torch.stack(written, 1) if written else None,
            self.read_size,
            self.write_size,
        )

    def _drawn_from(self, z: Tensor) -> Tensor:
        """The last canvas, as the likelihood reads it: (B, T · latent) -> (B, outputs, *event)."""
        *_, last = self._steps(z.shape[0], self._given(z))
        return self._output(last.canvas)

    def _given(self, z: Tensor) -> Choose:
        """Codes (B, T · latent) that are known."""
        codes = z.unflatten(-1, (self.glimpses, self.latent))
        return lambda t, _: codes[:, t]


def _drawn(generator: Generator | None) -> Choose:
    """Codes drawn from the posterior of each step."""

    def choose(t: int, posterior: Normal | None) -> Tensor:
        assert posterior is not None
        return posterior.sample(1, generator).squeeze(0)

    return choose


def _at_its_mean(t: int, posterior: Normal | None) -> Tensor:
    assert posterior is not None
    return posterior.mean


class StepwisePosterior(Distribution):
    """q(z | x) = Π_t q(z_t | x, z before t), each factor a normal whose parameters depend on the draws before it."""

    def __init__(self, model: Draw, x: Tensor) -> None:
        self.model, self.x = model, x

    @property
    def mean(self) -> Tensor:
        """The path on which every step is at its mean given the steps before: (B, T · latent). It is what an example is
        encoded as, and the mean of q itself only where there is one step."""
        return torch.cat([step.z for step in self.model._steps(self.x.shape[0], _at_its_mean, self.x)], -1)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        steps = self.model._steps(n * len(self.x), _drawn(generator), self.x.repeat(n, 1, 1, 1))
        return torch.cat([step.z for step in steps], -1).reshape(n, len(self.x), -1)

    def log_prob(self, z: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(z.shape[:-1], (len(self.x),))
        codes = z.expand(*shape, -1).reshape(-1, z.shape[-1])
        x = self.x.expand(*shape, *self.x.shape[1:]).reshape(-1, *self.x.shape[1:])
        found = x.new_zeros(len(x))
        for step in self.model._steps(len(x), self.model._given(codes), x):
            assert step.posterior is not None
            found = found + step.posterior.log_prob(step.z)
        return found.reshape(shape)


FAMILY = Family(
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
)
