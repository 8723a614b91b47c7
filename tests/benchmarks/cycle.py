"""What cycle consistency finds where the right translation is known, and where many lose nothing.

    python tests/benchmarks/cycle.py [--presets cyclegan-points cyclegan-ring] [--seeds 0 1 2] [--steps 0]

Each preset is trained with each seed, and what the evaluation of translations says of the first domain is printed: the
cycle error, the distance from the right translation, pairs recovered among 500 test examples, and classes kept. The
exit code is 1 where pairs of the turned letter, or of the negatives, are not recovered above 10 times chance, or where
the ring, whose domains any of 16 maps joins without loss, keeps its classes after all or has not learned its cycle.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from dgm_studio.datasets.sources import load
from dgm_studio.evaluation import subject_from
from dgm_studio.evaluations.translation import EVALUATION
from dgm_studio.events import Checkpoint, Failed
from dgm_studio.presets import preset
from dgm_studio.reports import Table
from dgm_studio.training import TrainingSession
from models.catalog import Recipe

PRESETS = ("cyclegan-points", "cyclegan-ring", "cyclegan-digits")
FAILURE = "cyclegan-ring"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0, help="0: as in the preset")
    given = parser.parse_args(arguments)
    missed = False
    print("preset seed seconds | cycle error | from the right one | pairs (chance) | class kept")
    for key in given.presets:
        for seed in given.seeds:
            seconds, found = measured(key, seed, given.steps)
            pairs, chance = found["Pairs recovered"]
            kept = found["Class kept"][0]
            print(
                f"{key} {seed} {seconds:.0f} | {found['Cycle error'][0]:.4f} | "
                f"{found['Distance from the right one'][0]:.3f} | {pairs:.3f} ({chance:.3f}) | {kept:.3f}",
                flush=True,
            )
            as_designed = kept < 0.5 and found["Cycle error"][0] < 0.05 if key == FAILURE else pairs > 10 * chance
            missed = missed or not as_designed
    return int(missed)


def measured(key: str, seed: int, steps: int) -> tuple[float, dict[str, tuple[float, float]]]:
    """Seconds of training, and (value, for comparison) of what is measured of the way there, by name."""
    config = preset(key).config
    changed = {"seed": seed, **({"steps": steps} if steps else {})}
    config = config.model_copy(update={"training": config.training.model_copy(update=changed)})
    dataset, state, begin = load(config.data), None, time.process_time()
    for event in TrainingSession(config, dataset).events():
        assert not isinstance(event, Failed), event
        state = event.state if isinstance(event, Checkpoint) else state
    seconds = time.process_time() - begin
    assert state is not None
    recipe = Recipe.read(config.family, config.learner, config.model, config.learning)
    subject = subject_from(recipe, dataset, state, torch.device("cpu"), seed=0)
    with torch.no_grad():
        reports = [item for item in EVALUATION.run(subject, EVALUATION.settings()) if isinstance(item, Table)]
    return seconds, {str(row[0]): (float(row[1]), float(row[3])) for row in reports[0].rows}  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
