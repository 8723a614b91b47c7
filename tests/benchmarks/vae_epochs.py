"""An epoch of vae and conv-vae against the same of the PyPI package pythae: the same networks, batch size, precision
and Adam, on the CPU, by one thread.

pythae is given networks of the same layers as its encoder and decoder, written as one writes them (beside that: our
own modules, whose features lie with their channels last), and all else is as it comes: its trainer, its data set and
loader, its loss, torch's Adam in the way it asks for it. Ours is the learner in the loop of a training session
that nobody watches: a permutation, batches of copies, one report, and no held-out figures, as pythae has no evaluation
set. In turn,
timed by the processor time of the thread. "bare" is both networks once forwards and once backwards on the same batches,
and nothing else: what remains if all the rest were free.

pythae is no dependency of the studio. Without it, a sentence says so and nothing is measured:

    pip install --no-deps --target FOLDER pythae tqdm cloudpickle imageio
    PYTHONPATH=FOLDER ./run bench vae_epochs
"""

from __future__ import annotations

import importlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from models.catalog import Recipe
from models.learning.base import Learner
from models.spec import Batch, DataSpec, Layout, Support

ROUNDS = 7  # odd, for a median
BATCH = 100


@dataclass(frozen=True)
class Case:
    name: str
    family: str
    model: dict[str, Any]
    shape: tuple[int, int, int]
    examples: int


CASES = (
    Case("vae, 784-400-400-20", "vae", {"hidden": 400, "latent": 20}, (1, 28, 28), 5000),
    Case("vae, 64-256-256-2", "vae", {}, (1, 8, 8), 5000),
    Case("conv-vae, 28×28, 32 and 64 channels", "conv-vae", {"latent": 20}, (1, 28, 28), 1000),
    Case("conv-vae, 28×28, 8 and 16 channels", "conv-vae", {"latent": 20, "channels": 8}, (1, 28, 28), 2000),
    Case("conv-vae, 8×8, 32 and 64 channels", "conv-vae", {}, (1, 8, 8), 3000),
)


def _found() -> bool:
    try:
        importlib.import_module("pythae.trainers")
    except ImportError:
        return False
    logging.disable(logging.CRITICAL)
    return True


def _learner(case: Case, spec: DataSpec) -> Learner:
    torch.manual_seed(0)
    settings = {"gradient_variance": False}
    learner = Recipe.read(case.family, "reparameterized-elbo", case.model, settings).build(spec, case.examples)
    learner.begin()
    return learner


def _ours(case: Case, spec: DataSpec, x: Tensor) -> Callable[[], object]:
    """An epoch as a training session does it: a permutation, full batches of copies, reports that are read at the
    end."""
    learner, y = _learner(case, spec), torch.zeros(len(x), dtype=torch.int64)

    def epoch() -> None:
        reported: dict[str, Tensor] = {}
        for index in torch.randperm(len(x)).split(BATCH):
            reported = learner.step(Batch(x[index], y[index], index))
        {key: value.item() for key, value in reported.items()}

    return epoch


def _plain(net: nn.Sequential) -> nn.Sequential:
    """The same layers as one writes them, with features as torch lays them out."""
    layers: list[nn.Module] = []
    for layer in net:
        name = type(layer).__name__
        if name == "_ToVector":
            layers.append(nn.Flatten())
        elif name == "_ToImage":
            height, width, channels = layer.shape
            layers.append(nn.Unflatten(1, (channels, height, width)))
        elif name != "_ChannelsLast":
            layers.append(layer)
    return nn.Sequential(*layers)


def _theirs(case: Case, spec: DataSpec, x: Tensor, folder: str, plain: bool) -> Callable[[], object]:
    base = importlib.import_module("pythae.models.base.base_utils")
    nets, models = importlib.import_module("pythae.models.nn"), importlib.import_module("pythae.models")
    trainers, data = importlib.import_module("pythae.trainers"), importlib.import_module("pythae.data.datasets")
    made = _learner(case, spec).model
    encoder, decoder = (_plain(net) if plain else net for net in (made.encoder, made.decoder))

    class Encoder(nets.BaseEncoder):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            nets.BaseEncoder.__init__(self)
            self.net, self.flat = encoder, case.family == "vae"

        def forward(self, x: Tensor) -> Any:
            mean, log_scale = self.net(x.flatten(1) if self.flat else x).chunk(2, dim=1)
            return base.ModelOutput(embedding=mean, log_covariance=2 * log_scale)

    class Decoder(nets.BaseDecoder):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            nets.BaseDecoder.__init__(self)
            self.net = decoder

        def forward(self, z: Tensor) -> Any:
            return base.ModelOutput(reconstruction=self.net(z).sigmoid().reshape(-1, *case.shape))

    config = models.VAEConfig(input_dim=case.shape, latent_dim=made.latent, reconstruction_loss="bce")
    trainer = trainers.BaseTrainer(
        models.VAE(config, Encoder(), Decoder()),
        data.BaseDataset(x, torch.zeros(len(x))),
        training_config=trainers.BaseTrainerConfig(
            output_dir=folder, per_device_train_batch_size=BATCH, learning_rate=1e-3, no_cuda=True
        ),
    )
    trainer.prepare_training()
    trainer.callback_handler.callbacks = []  # its progress bar
    return lambda: trainer.train_step(1)


def _bare(case: Case, spec: DataSpec, x: Tensor) -> Callable[[], object]:
    model = _learner(case, spec).model
    flat = case.family == "vae"
    parts = [part.flatten(1) if flat else part for part in x.split(BATCH)]
    codes = torch.randn(BATCH, model.latent, requires_grad=True)
    pairs: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [
        (model.encoder, lambda part: part),
        (model.decoder, lambda part: codes),
    ]
    ones: dict[int, Tensor] = {}

    def epoch() -> None:
        for part in parts:
            for i, (net, given) in enumerate(pairs):
                said = net(given(part))
                if i not in ones:
                    ones[i] = torch.ones_like(said)
                wanted = [*net.parameters(), codes] if i else list(net.parameters())
                torch.autograd.grad(said, wanted, ones[i])

    return epoch


def _seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def _spread(a: list[float], b: list[float]) -> str:
    """Median and range of a / b, round by round."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=True))
    return f"{median(ratios):.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _measure(case: Case) -> None:
    spec = DataSpec(case.shape, Support.BITS, Layout.IMAGE)
    x = torch.rand(case.examples, *case.shape).lt(0.3).float()
    with tempfile.TemporaryDirectory() as folder:
        works = {
            "ours": _ours(case, spec, x),
            "pythae": _theirs(case, spec, x, folder, plain=True),
            "same memory": _theirs(case, spec, x, folder, plain=False),
            "bare": _bare(case, spec, x),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for work in works.values():
            work()
        for _ in range(ROUNDS):
            for name, work in works.items():
                times[name].append(_seconds(work))
    steps = case.examples // BATCH
    print(
        f"{case.name}: an epoch of pythae takes {_spread(times['pythae'], times['ours'])} ours (goal 1.5), "
        f"{_spread(times['same memory'], times['ours'])} with our own modules, and "
        f"{_spread(times['pythae'], times['bare'])} our bare networks; ours takes "
        f"{_spread(times['ours'], times['bare'])} the bare networks, {1e3 * median(times['ours']) / steps:.2f} ms a "
        f"step; {ROUNDS} rounds",
        flush=True,
    )


def main() -> None:
    if not _found():
        print(
            "pythae is not here: pip install --no-deps --target FOLDER pythae tqdm cloudpickle imageio; "
            "PYTHONPATH=FOLDER ./run bench vae_epochs"
        )
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for case in CASES:
        _measure(case)
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
