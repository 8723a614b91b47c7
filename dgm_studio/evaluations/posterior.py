"""The exact posterior of the latent variables against what mean field makes of it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dgm_studio.evaluations.base import Evaluation, describe
from dgm_studio.number_texts import indexed
from dgm_studio.reports import Column, Points, Report, Series, Table
from dgm_studio.subject import Subject
from models.capabilities import HasExactPosterior
from models.estimation.mean_field import Factorised, ascended, contour, factorised, in_blocks, most_correlated
from models.estimation.measure import Kind
from models.settings import NoSettings
from models.spec import DataSpec

SHOWN = 32  # latent dimensions


def _admits(model: type, learner: type, spec: DataSpec) -> bool:
    return issubclass(model, HasExactPosterior)


def _run(subject: Subject, settings: NoSettings) -> Iterator[float | Report]:
    test = subject.dataset.test
    covariance = subject.model.posterior(test.x[:1].to(subject.device)).covariance
    found = factorised(covariance.reshape(2 * covariance.shape[-1:]))
    where = f"{describe(subject.dataset, test)}, the first of them"
    yield _divergences(found, where)
    yield _variances(found)
    yield _structured(found)
    if len(found.covariance) > 1:
        yield _contours(found)


def _divergences(found: Factorised, where: str) -> Table:
    rows = (
        ("exact, with all correlations", 0.0, 0.0, str(Kind.EXACT)),
        ("mean field: smallest KL(q‖p)", found.mean_field_kl.item(), float("nan"), str(Kind.EXACT)),
        ("matched moments: smallest KL(p‖q)", float("nan"), found.matched_kl.item(), str(Kind.EXACT)),
    )
    columns = (
        Column("Posterior q(z | x)"),
        Column("KL(q‖p)", "number", "nats", 4),
        Column("KL(p‖q)", "number", "nats", 4),
        Column("Kind", "kind"),
    )
    note = "KL(q‖p) is what a bound with this q is below log p(x), for every example that has this covariance."
    return Table("Factorised against exact posterior", columns, rows, f"{where}. {note}")


def _variances(found: Factorised) -> Table:
    """A row for each latent dimension."""
    exact, mean_field = found.matched, found.mean_field
    rows = tuple(
        (indexed("z", i), exact[i].item(), mean_field[i].item(), (mean_field[i] / exact[i]).item())
        for i in range(min(SHOWN, len(exact)))
    )
    columns = (
        Column("Dimension"),
        Column("Exact variance", "number", decimals=4),
        Column("Mean field", "number", decimals=4),
        Column("Ratio", "number", decimals=3),
    )
    note = "Mean field is never wider than the exact posterior, and narrower where dimensions are correlated."
    return Table("Posterior variances", columns, rows, note)


def _structured(found: Factorised) -> Table:
    """Factors over one dimension, over two, …, over all."""
    latent, exact = len(found.covariance), found.matched
    sizes = [size for size in (1, 2, 4, 8) if size < latent]
    rows = []
    for size in (*sizes, latent):
        variances, kl = in_blocks(found.covariance, size)
        by_descent, kl_by_descent = ascended(found.covariance, size)
        name = "all dimensions together" if size == latent else f"{size} dimension{'s' * (size > 1)} each"
        ratios = (variances / exact).min().item(), (by_descent / exact).min().item()
        rows.append((name, kl.item(), kl_by_descent.item(), *ratios))
    columns = (
        Column("Factors of q"),
        Column("KL(q‖p)", "number", "nats", 4),
        Column("by descent", "number", "nats", 4),
        Column("Smallest variance ratio", "number", decimals=4),
        Column("ratio by descent", "number", decimals=4),
    )
    note = (
        "Structured mean field: q is a product over groups of neighbouring dimensions. In closed form, and found by "
        "descent on KL(q‖p) without it."
    )
    return Table("Factors of several sizes", columns, tuple(rows), note)


def _contours(found: Factorised) -> Points:
    i, j = most_correlated(found.covariance)
    pick = [i, j]
    series = (
        _series("exact", found.covariance[pick][:, pick]),
        _series("mean field", found.mean_field[pick].diag()),
        _series("matched moments", found.matched[pick].diag()),
    )
    note = "2σ contours about the posterior mean, in the two most correlated dimensions."
    return Points("Shapes of the posterior", indexed("z", i), indexed("z", j), series, note, square=True)


def _series(name: str, covariance: Tensor) -> Series:
    points = contour(covariance).numpy()
    return Series(name, points[:, 0], points[:, 1])


EVALUATION = Evaluation(
    "posterior",
    "Posterior and mean field",
    "What independent factors make of the exact posterior of z: variances, divergences, shapes.",
    NoSettings,
    _admits,
    _run,
)
