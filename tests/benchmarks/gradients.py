"""How much the estimators of a bound's gradient vary: all of them on the same examples and the same weights.

    python tests/benchmarks/gradients.py [--steps 3000] [--draws 400] [--seed 0]

A variational auto-encoder and a sigmoid belief net of two layers, on thresholded 8×8 digits, at the start and after so
many steps of training by their first learner. For each estimator: the variance of the gradient of 50 held-out examples'
mean bound, summed over all parameters (as learners report it); and how far its mean lies from that of the score
function, beside the gradient's norm, with the noise of both means taken off. Baselines adapt to the weights, which are
held, for 500 steps before they are measured. About two minutes on a core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.config import DataChoice
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from models.catalog import Recipe
from models.learning.bound import EXAMPLES, BoundAscent
from models.spec import Batch

ADAPTING = 500  # steps
BATCH = 100
MODELS = {"vae": {"latent": 8}, "sigmoid-belief": {"first": 100, "second": 50}}
TRAINING: dict[str, dict[str, Any]] = {"vae": {}, "sigmoid-belief": {"learning_rate": 0.01}}
REFERENCE = ("score-function", {"baseline": "input-dependent"})  # unbiased, and of small variance
ESTIMATORS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "vae": [
        ("reparameterized-elbo", {}),
        ("score-function", {"baseline": "none"}),
        ("score-function", {"baseline": "running mean"}),
        REFERENCE,
        ("score-function", {"baseline": "other draws"}),
    ],
    "sigmoid-belief": [
        ("score-function", {"baseline": "none"}),
        ("score-function", {"baseline": "running mean"}),
        REFERENCE,
        ("score-function", {"baseline": "other draws"}),
        *(("gumbel-softmax", {"temperature": t, "cooling_steps": 0}) for t in (1.0, 0.5, 0.1)),
        ("gumbel-softmax", {"temperature": 0.5, "cooling_steps": 0, "straight_through": True}),
    ],
}


@dataclass(frozen=True)
class Spread:
    """Of estimates of a gradient: their mean, the variance of each, and of the mean."""

    mean: Tensor
    variance: float
    of_mean: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dataset = load(DataChoice(source="digits", binarization="threshold"))
    print("| model | weights | estimator | variance, nats² | bias / norm of the gradient |")
    print("|---|---|---|---:|---:|", flush=True)
    for family, estimators in ESTIMATORS.items():
        first = _learner(family, estimators[0][0], TRAINING[family], dataset, given.seed)
        for steps in (0, given.steps):
            _train(first, dataset, steps)
            state = {name: tensor.clone() for name, tensor in first.model.state_dict().items()}
            found = {}
            for learner, settings in [REFERENCE, *estimators]:
                made = _learner(family, learner, settings, dataset, given.seed)
                _train(made, dataset, ADAPTING, held=state)
                found[_name(learner, settings)] = _spread(made, dataset.valid.x[:EXAMPLES], given.draws)
            true = found[_name(*REFERENCE)]
            for learner, settings in estimators:
                one = found[_name(learner, settings)]
                away = (one.mean - true.mean).square().sum().item() - one.of_mean - true.of_mean
                norm = max(true.mean.square().sum().item() - true.of_mean, 0.0) ** 0.5
                bias = "reference" if one is true else f"{max(away, 0.0) ** 0.5 / norm:.2f}"
                when = f"after {steps} steps" if steps else "at the start"
                print(f"| {family} | {when} | {_name(learner, settings)} | {one.variance:.3g} | {bias} |", flush=True)
    return 0


def _name(learner: str, settings: dict[str, Any]) -> str:
    said = [str(settings[key]) for key in ("baseline",) if key in settings]
    said += [f"τ = {settings['temperature']:g}"] if "temperature" in settings else []
    said += ["straight-through"] if settings.get("straight_through") else []
    said += ["2 draws"] if settings.get("baseline") == "other draws" else []
    return ", ".join([learner, *said])


def _learner(family: str, learner: str, settings: dict[str, Any], dataset: Dataset, seed: int) -> BoundAscent:
    torch.manual_seed(seed)
    made = Recipe.read(family, learner, MODELS[family], settings).build(dataset.spec, len(dataset.train))
    assert isinstance(made, BoundAscent)
    made.begin()
    return made


def _train(learner: BoundAscent, dataset: Dataset, steps: int, held: dict[str, Tensor] | None = None) -> None:
    """With `held`, the weights are those before and after every step."""
    generator = Generator().manual_seed(0)
    for _ in range(steps):
        if held is not None:
            learner.model.load_state_dict(held)
        index = torch.randint(len(dataset.train), (BATCH,), generator=generator)
        learner.step(Batch(dataset.train.x[index], dataset.train.y[index], index))
    if held is not None:
        learner.model.load_state_dict(held)


def _spread(learner: BoundAscent, x: Tensor, draws: int) -> Spread:
    parameters = list(learner.model.parameters())
    generator, estimates = Generator().manual_seed(0), []
    for _ in range(draws):
        loss, _ = learner.surrogate(x, generator)
        found = torch.autograd.grad(loss, parameters)
        estimates.append(torch.cat([g.flatten() for g in found]))
    all_of_them = torch.stack(estimates)
    variance = all_of_them.var(0).sum().item()
    return Spread(all_of_them.mean(0), variance, variance / draws)


if __name__ == "__main__":
    sys.exit(main())
