"""Test figures of every preset on the handwritten digits: train it with its own settings, measure it, print a table.

    python tests/benchmarks/figures.py [--binarization dynamic] [--steps N] [--seeds 0 1 2] [PRESET ...]

Presets differ in how they make bits of grey values, and likelihoods under different protocols cannot be compared:
`--binarization` trains and measures all of them under one. Presets on other data, or that admit no likelihood, are left
out unless they are named; the held-out examples are those of the preset's split seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio import device as devices
from dgm_studio.config import BINARIZATION_TEXT, Binarization, RunConfig
from dgm_studio.datasets.base import Dataset
from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import Measured, Unmeasured, admitted, evaluate
from dgm_studio.events import CLOSING, Checkpoint, Finished, Tree
from dgm_studio.presets import Preset, preset, presets
from dgm_studio.reports import Column, Table
from dgm_studio.table_texts import cell_text, to_markdown
from dgm_studio.training import TrainingSession
from models.catalog import Recipe
from models.spec import UnsuitableData

COLUMNS = (
    Column("Preset"),
    Column("Seed"),
    Column("Measure"),
    Column("Test", "number", "nats per example"),
    Column("95 % interval", "interval"),
    Column("Kind", "kind"),
    Column("Training", "number", "s", 0),
    Column("Steps", "number", "", 0),
    Column("Protocol"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code is 1 when a preset could not be trained or measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", help="presets by key; without any, all on the digits")
    parser.add_argument("--binarization", choices=BINARIZATION_TEXT, help="instead of each preset's own")
    parser.add_argument("--steps", type=int, help="instead of each preset's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args(arguments)
    rows, failures, notes = [], [], dict[str, None]()
    for chosen in _chosen(given.presets):
        for seed in given.seeds:
            try:
                config = _config(chosen, given.binarization, given.steps, seed)
                rows += list(_figures(chosen.key, config, notes))
            except (UnsuitableData, RuntimeError) as error:
                failures.append(f"{chosen.key}: {error}")
            print(f"{chosen.key}, seed {seed}: done", file=sys.stderr)
    made = f"Training threads: {devices.training_threads()}; torch {torch.__version__}."
    print(to_markdown(Table("Test figures of the presets", COLUMNS, tuple(rows), " ".join([made, *notes]))))
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def _chosen(keys: Sequence[str]) -> list[Preset]:
    if keys:
        return [preset(key) for key in keys]
    return [one for one in presets() if one.config.data.source == "digits"]


def _config(chosen: Preset, binarization: Binarization | None, steps: int | None, seed: int) -> RunConfig:
    config = chosen.config
    data = config.data.model_copy(update={"binarization": binarization or config.data.binarization})
    training = config.training.model_copy(update={"steps": steps or config.training.steps, "seed": seed})
    return config.model_copy(update={"data": data, "training": training})


def _figures(
    key: str, config: RunConfig, notes: dict[str, None]
) -> Iterator[tuple[str | float | tuple[float, float], ...]]:
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    dataset = load(config.data)
    recipe.check(dataset.spec)
    begin = time.perf_counter()
    state = _train(config, dataset)
    seconds = time.perf_counter() - begin
    wanted = [entry.key for entry in admitted(recipe, dataset.spec) if entry.key in ("likelihood", "coverage")]
    device, seed = devices.resolve(config.training.device), config.training.seed
    for event in evaluate(recipe, dataset, state, wanted, device, seed):
        if isinstance(event, Unmeasured):
            raise RuntimeError(event.text)
        if isinstance(event, Measured):
            for table in event.result.reports:
                if isinstance(table, Table):
                    notes |= {f"{key}: {table.note}": None} if table.note else {}
                    for row in table.rows:
                        named = {column.title: cell for column, cell in zip(table.columns, row, strict=True)}
                        yield (
                            key,
                            str(seed),
                            named["Measure"],
                            named["Value"] if "Value" in named else named["Model"],
                            named["95 % interval"],
                            named["Kind"],
                            seconds,
                            float(state["step"]),
                            cell_text(Column(""), named["Protocol"]),
                        )


def _train(config: RunConfig, dataset: Dataset) -> Tree:
    state: Tree = {}
    for event in TrainingSession(config, dataset).events():
        if isinstance(event, Checkpoint):
            state = event.state
        if isinstance(event, CLOSING) and not isinstance(event, Finished):
            raise RuntimeError(str(event))
    return state


if __name__ == "__main__":
    raise SystemExit(main())
