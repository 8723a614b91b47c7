"""Hidden Markov models against hmmlearn: the same numbers to 1e-6, and how long each takes. Both compute in 64 bits.

hmmlearn does its recursions in logarithms, which is its default, or scaled, which is faster and may underflow; it is
measured in both ways. It is not among the studio's packages: `pip install hmmlearn`, or the group `bench`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hidden_chain import smooth
from models.hmm import Hmm, HmmSettings
from models.spec import DataSpec, Layout, Support
from models.viterbi import best_path

CASES = (  # real values or symbols, states, sequences, steps of each, rounds
    ("symbols", 2, 500, 200, 5),
    ("symbols", 8, 500, 100, 5),
    ("values", 4, 500, 100, 5),
    ("symbols", 4, 1, 100_000, 5),
    ("symbols", 16, 1, 100_000, 3),
)
SYMBOLS, EM_STEPS = 6, 5
Results = dict[str, Callable[[], Any]]


def _model(kind: str, states: int, steps: int) -> Hmm:
    symbols = SYMBOLS if kind == "symbols" else 0
    spec = DataSpec((steps,), Support.SYMBOLS if symbols else Support.REALS, Layout.SEQUENCE, symbols)
    torch.manual_seed(states)
    return Hmm(HmmSettings(states=states, smallest_deviation=1e-6), spec).double()


def _copied(model: Hmm, kind: str, steps: int) -> Hmm:
    made = _model(kind, model.states, steps)
    made.load_state_dict(model.state_dict())
    return made


def _tables(model: Hmm) -> tuple[np.ndarray, ...]:
    states = model.hidden_states()
    tables = (states.initial, states.transition, states.emission)
    return tuple(t.numpy() for t in (*tables, *([] if states.deviation is None else [states.deviation.square()])))


def _ours(model: Hmm, kind: str, x: Tensor) -> Results:
    def given() -> tuple[Tensor, Tensor, Tensor]:
        return model.log_initial(), model.log_transition(), model.log_emission(x)

    def learned() -> tuple[np.ndarray, ...]:
        made = _copied(model, kind, x.shape[1])
        for _ in range(EM_STEPS):
            made.maximize(made.expected_statistics(x))
        return _tables(made)

    return {
        "log p(x)": lambda: model.log_prob(x).sum().item(),
        "posteriors": lambda: smooth(*given()).posterior.permute(2, 0, 1).reshape(-1, model.states).numpy(),
        "Viterbi": lambda: best_path(*given())[1].sum().item(),
        f"{EM_STEPS} EM steps": learned,
    }


def _theirs(model: Hmm, x: Tensor, way: str) -> Results:
    from hmmlearn.hmm import CategoricalHMM, GaussianHMM

    tables = _tables(model)
    lengths = [x.shape[1]] * len(x)
    rows = x.reshape(-1, 1).numpy()
    rows = rows.astype(np.int64) if model.symbols else rows

    def made() -> Any:
        options = {"n_iter": EM_STEPS, "tol": -np.inf, "init_params": "", "implementation": way}
        if model.symbols:
            found = CategoricalHMM(model.states, n_features=SYMBOLS, **options)
            found.startprob_, found.transmat_, found.emissionprob_ = tables
        else:
            found = GaussianHMM(model.states, min_covar=0, covars_prior=0, covars_weight=1, **options)
            found.n_features = 1
            found.startprob_, found.transmat_, found.means_, found.covars_ = tables
        return found

    def learned() -> tuple[np.ndarray, ...]:
        found = made().fit(rows, lengths)
        first = (found.startprob_, found.transmat_)
        return (*first, found.emissionprob_) if model.symbols else (*first, found.means_, found._covars_)

    still = made()
    return {
        "log p(x)": lambda: still.score(rows, lengths),
        "posteriors": lambda: still.predict_proba(rows, lengths),
        "Viterbi": lambda: still.decode(rows, lengths)[0],
        f"{EM_STEPS} EM steps": learned,
    }


def _apart(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the numbers where they are beyond 1."""
    if isinstance(ours, tuple):
        return max(_apart(a, b) for a, b in zip(ours, theirs, strict=True))
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())


def main() -> None:
    if find_spec("hmmlearn") is None:
        print("hmmlearn is not installed: pip install hmmlearn")
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for kind, states, sequences, steps, rounds in CASES:
        model = _model(kind, states, steps)
        with torch.no_grad():
            x = model.sample(sequences, torch.Generator().manual_seed(0))
            ways = {"ours": _ours(model, kind, x)} | {w: _theirs(model, x, w) for w in ("log", "scaling")}
            print(f"hmm, {states} states, {sequences} × {steps} {kind}:")
            for task, ours in ways["ours"].items():
                apart = _apart(ours(), ways["log"][task]())
                times: dict[str, list[float]] = {way: [] for way in ways}
                for _ in range(rounds):
                    for way, works in ways.items():
                        begin = time.thread_time()
                        works[task]()
                        times[way].append(time.thread_time() - begin)
                ratios = {way: median(b / a for a, b in zip(times["ours"], times[way], strict=True)) for way in times}
                print(
                    f"  {task}: {ratios['log']:.1f} × as fast as hmmlearn (goal ≥ 1), {ratios['scaling']:.1f} × as it "
                    f"is scaled; {1e3 * median(times['ours']):.1f} ms; {apart:.0e} apart (goal ≤ 1e-6)"
                )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
