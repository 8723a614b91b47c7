"""One Gaussian for a whole density in the plane: the one that covers it, and the one that it covers."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from dgm_studio.evaluations.base import Evaluation
from dgm_studio.reports import Column, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import Samples, ScoresExactly, SumsBound
from models.estimation.gaussian_fits import Fit, Lattice, covering, lattice, reverse_divergence, seeking
from models.estimation.mean_field import contour
from models.estimation.measure import Kind
from models.settings import Settings, setting
from models.spec import DataSpec, Layout, Support

SHOWN = 1000  # samples
KIND = str(Kind.ESTIMATE)  # sums over a lattice stand for integrals, and a search for the smallest of all
COVERING, SEEKING = "smallest KL(P‖Q)", "smallest KL(Q‖P)"


class TwoFitsSettings(Settings):
    starts: int = setting(
        8,
        title="Starts",
        help="KL(Q‖P) has a minimum at each mode: it is looked for from so many places, which are samples of the "
        "model, and the smallest one counts.",
        ge=1,
        le=100,
    )


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    planar = spec.layout is Layout.POINTS and spec.dimensions == 2 and spec.support is Support.REALS
    summed = issubclass(model, SumsBound)  # over all codes for each place of a lattice, at each step: minutes
    return planar and issubclass(model, ScoresExactly) and issubclass(model, Samples) and not summed


def _run(subject: Subject, settings: TwoFitsSettings) -> Iterator[float | Report]:
    samples = subject.model.sample(SHOWN, subject.generator).flatten(1).cpu().double()
    model = copy.deepcopy(subject.model).cpu().double()

    def log_density(x: Tensor) -> Tensor:
        found: Tensor = model.log_prob(x)
        return found

    low, high = samples.amin(0), samples.amax(0)
    margin = (high - low).max()
    p = lattice(log_density, low - margin, high + margin)
    wide = covering(p)
    yield 0.2
    starts = [wide, *(Fit(place, 0.2 * wide.root) for place in _apart(samples, settings.starts))]
    narrow = seeking(log_density, starts)
    yield 0.9
    fits = {COVERING: wide, SEEKING: narrow}
    yield _divergences(fits, p, log_density)
    yield _shapes(fits)
    yield _picture(fits, samples)


def _apart(samples: Tensor, n: int) -> list[Tensor]:
    """n samples, each as far as can be from those before it."""
    chosen = [samples[0]]
    while len(chosen) < n:
        distance = torch.cdist(samples, torch.stack(chosen)).amin(1)
        chosen.append(samples[int(distance.argmax())])
    return chosen


def _divergences(fits: dict[str, Fit], p: Lattice, log_density: object) -> Table:
    rows = tuple(
        (name, p.divergence_to(fit), float(reverse_divergence(fit, log_density)), KIND)  # type: ignore[arg-type]
        for name, fit in fits.items()
    )
    columns = (
        Column("Gaussian of"),
        Column("KL(P‖Q)", "number", "nats", 4),
        Column("KL(Q‖P)", "number", "nats", 4),
        Column("Kind", "kind"),
    )
    note = (
        f"P is the density of the model at this step, Q any Gaussian. KL(P‖Q) by a lattice that holds "
        f"{p.mass:.6f} of P, its smallest value at P's own mean and covariance; KL(Q‖P) by a lattice about Q."
    )
    return Table("Both divergences of both fits", columns, rows, note)


def _shapes(fits: dict[str, Fit]) -> Table:
    rows = []
    for name, fit in fits.items():
        axes = torch.linalg.eigvalsh(fit.covariance).sqrt()
        rows.append((name, *fit.mean.tolist(), axes[1].item(), axes[0].item(), fit.area, KIND))
    columns = (
        Column("Gaussian of"),
        Column("Mean x", "number", decimals=3),
        Column("Mean y", "number", decimals=3),
        Column("σ along", "number", decimals=3),
        Column("σ across", "number", decimals=3),
        Column("Area within 2σ", "number", decimals=3),
        Column("Kind", "kind"),
    )
    return Table("Place and width of the fits", columns, tuple(rows))


def _picture(fits: dict[str, Fit], samples: Tensor) -> Points:
    series = [Series("samples of P", *np.ascontiguousarray(samples.t().numpy()))]
    for name, fit in fits.items():
        x, y = (fit.mean + contour(fit.covariance)).t().numpy()
        series.append(Series(name, np.ascontiguousarray(x), np.ascontiguousarray(y)))
    return Points("Both fits over the density", "x", "y", tuple(series), "2σ contours.", square=True)


EVALUATION = Evaluation(
    "two-fits",
    "One Gaussian, two divergences",
    "What a single Gaussian makes of a density in the plane by KL(P‖Q), which covers it, and by KL(Q‖P), which seeks "
    "a mode.",
    TwoFitsSettings,
    _admits,
    _run,
)
