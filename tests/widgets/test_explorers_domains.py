"""Domains: both sets on one map, where their features say, and what lies under the pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from explorer_runs import Bench, pictures, recipe
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QPushButton
from pytestqt.qtbot import QtBot
from torch import Generator

from dgm_studio.datasets.base import Dataset, Provenance, Split, joined
from dgm_studio.number_texts import percent
from dgm_studio.questions.domains import AskDomains, AskPlane, principal_plane, turned_like
from models.domain_network import DomainNetwork, DomainNetworkSettings
from models.learning.domain_adversarial import DomainAdversarial, DomainAdversarialSettings
from models.spec import DataSpec, Layout, Support
from widgets.explorers.domains import CLASSES, DOMAIN, DomainsView
from widgets.explorers.map_points import dots, tag_places
from widgets.plots import colour

PATIENCE = 60_000  # ms
NAMES = ("left", "right")


def points(seed: int, shift: float, labels: bool = True) -> Dataset:
    x = torch.randn(60, 2, generator=Generator().manual_seed(seed)) + torch.tensor([0.0, shift])
    part = Split(x, (x[:, 0] > 0).long() if labels else torch.full((60,), -1))
    spec = DataSpec((2,), Support.REALS, Layout.POINTS, class_names=NAMES if labels else ())
    return Dataset(spec, part, part, part, Provenance("points"))


def bench_of(data: Dataset) -> Bench:
    settings = DomainNetworkSettings(hidden=6, features=5, layers=1)
    learning = DomainAdversarialSettings(discriminator_hidden=4)
    return Bench(recipe(DomainNetwork, settings, DomainAdversarial, learning), data)


Show = Callable[[Dataset], tuple[Bench, DomainsView]]


@pytest.fixture
def show(qtbot: QtBot) -> Iterator[Show]:
    benches: list[Bench] = []

    def shown(data: Dataset) -> tuple[Bench, DomainsView]:
        bench = bench_of(data)
        benches.append(bench)
        bench.publish(1)
        view = DomainsView(bench.live)
        qtbot.addWidget(view)
        view.resize(900, 620)
        view.show()
        qtbot.waitUntil(lambda: view._map is not None, timeout=PATIENCE)
        return bench, view

    yield shown
    for bench in benches:
        bench.live.close()


def test_examples_lie_where_their_features_do_and_follow_them(show: Show, qtbot: QtBot) -> None:
    bench, view = show(joined(points(0, 0.0), points(1, 1.0)))
    found = view._map
    assert found is not None
    with torch.no_grad():
        features = bench.model.features(torch.cat([d.test.x for d in bench.data.domains])).double()
    away = torch.cdist(features, features)
    seen = torch.cdist(*[torch.from_numpy(found.points).double()] * 2)
    assert (seen <= away + 1e-5).all(), "a projection brings nothing further apart"
    variance = torch.from_numpy(found.points).double().var(0).sum() / features.var(0).sum()
    assert found.explained == pytest.approx(variance.item(), abs=1e-5)
    bench.publish(2)
    qtbot.waitUntil(lambda: view._map is not found, timeout=PATIENCE)
    assert "step 2" in view._status.text()


def test_what_is_counted_is_what_the_classifier_and_the_discriminator_say(show: Show) -> None:
    bench, view = show(joined(points(0, 0.0), points(1, 1.0)))
    found, shares = view._map, []
    assert found is not None
    with torch.no_grad():
        for k, domain in enumerate(bench.data.domains):
            right = bench.model.class_log_prob(domain.test.x).argmax(1) == domain.test.y
            assert found.accuracy(k) == (int(right.sum()), 60)
            assert f"{('source', 'target')[k]} {percent(right.double().mean().item(), 1)}" in view._status.text()
            shares.append(((bench.learner.target_probability(domain.test.x) > 0.5) == bool(k)).double().mean().item())
    assert f"told apart {percent(sum(shares) / 2, 1)}" in view._status.text()


def test_a_domain_can_be_left_out_and_colours_can_be_what_is_said(show: Show) -> None:
    _, view = show(joined(points(0, 0.0), points(1, 1.0)))
    found = view._map
    assert found is not None

    def drawn() -> tuple[list[int], list[int]]:
        return tuple([len(group.points) for group in item._groups] for item in (view.map.points, view.rings))  # type: ignore[return-value]

    def counts(domain: int, labels: np.ndarray) -> list[int]:
        return [n for n in np.bincount(labels[found.domain == domain]).tolist() if n]

    assert drawn() == (counts(0, found.y), counts(1, found.y))
    assert [group.tag for group in view.rings._groups] == ["", ""], "names stand once"
    view.findChild(QPushButton, "colours.taken").click()
    assert drawn() == (counts(0, found.taken_for), counts(1, found.taken_for))
    view.findChild(QCheckBox, "target").click()
    assert drawn() == (counts(0, found.taken_for), [])


def test_a_target_without_labels_is_shown_and_not_counted(show: Show) -> None:
    _, view = show(joined(points(0, 0.0), points(1, 1.0, labels=False)))
    assert len(view.rings._groups) == 1
    assert "target without labels" in view._status.text()


def test_the_plane_shows_what_is_said_of_every_place(show: Show, qtbot: QtBot) -> None:
    bench, view = show(joined(points(0, 0.0), points(1, 1.0)))
    view.findChild(QPushButton, "where.plane").click()
    qtbot.waitUntil(lambda: view._field is not None and view.map.veil.isVisible(), timeout=PATIENCE)
    assert view._map is not None
    assert np.array_equal(view._points, view._map.inputs)
    assert view._field is not None
    assert view._field.of == CLASSES
    view.findChild(QPushButton, "behind.domain").click()
    qtbot.waitUntil(lambda: view._field is not None and view._field.of == DOMAIN, timeout=PATIENCE)
    left, bottom, right, top = view._field.bounds
    n = len(view._field.values)
    corner = torch.tensor([[left + 0.5 * (right - left) / n, bottom + 0.5 * (top - bottom) / n]])
    with torch.no_grad():
        assert view._field.values[0, 0] == pytest.approx(bench.learner.target_probability(corner).item(), abs=1e-5)
    view.findChild(QPushButton, "where.features").click()
    assert not view.map.veil.isVisible()


def test_the_example_under_the_pointer_is_shown_with_what_is_said_of_it(show: Show) -> None:
    second = pictures((3, 10, 10))
    _, view = show(joined(pictures(), second))
    found = view._map
    assert found is not None
    assert view._points is not None
    place = 60 + 7  # in the second domain
    assert view._where.isHidden(), "images lie in no plane"
    at = view.map.box.mapViewToScene(QPointF(*view._points[place].tolist()))
    view._point(at)
    meant = view._meant
    assert meant is not None
    assert np.allclose(view._points[meant], view._points[place], atol=0.05 * np.ptp(view._points))
    domain = view.live.dataset.domains[found.domain[meant]]
    assert np.array_equal(view._picture.picture, domain.test.x[found.index[meant]].numpy())
    said = view.findChild(QLabel, "exampleText").text()
    assert ("source", "target")[found.domain[meant]] in said
    assert domain.spec.class_names[found.taken_for[meant]] in said
    view._point(QPointF(-1e6, -1e6))
    assert view._meant is None


def test_axes_that_change_their_sign_or_order_leave_the_map_as_it_was() -> None:
    before = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    for turned in (before[:, ::-1], -before, before * np.array([1, -1], np.float32)):
        assert np.allclose(turned_like(turned, before), before, atol=1e-5)
    assert turned_like(before, None) is before


def test_one_feature_lies_on_a_line() -> None:
    points, explained = principal_plane(torch.randn(9, 1))
    assert points.shape == (9, 2)
    assert (points[:, 1] == 0).all()
    assert explained == pytest.approx(1)
    assert principal_plane(torch.zeros(4, 3))[1] == 1.0


def test_rings_are_empty_in_the_middle() -> None:
    place, shade = [np.array([[10.0, 10.0]])], [colour("#ffffff", 1)]
    assert dots(place, shade, 9, (21, 21))[10, 10] >> 24 == 255
    ring = dots(place, shade, 9, (21, 21), 1.6) >> 24
    assert ring[10, 10] == 0
    assert ring.max() > 200


def test_only_classifiers_by_features_of_two_domains_are_admitted() -> None:
    spec = joined(points(0, 0.0), points(1, 1.0)).spec
    assert DomainsView.admits(DomainNetwork, DomainAdversarial, spec)
    assert not DomainsView.admits(DomainNetwork, DomainAdversarial, points(0, 0.0).spec)
    assert AskDomains() == AskDomains()
    assert AskPlane((0, 0, 1, 1), "classes") != AskPlane((0, 0, 1, 1), "domain")


def test_tags_of_near_classes_do_not_hide_one_another(qapp: QApplication) -> None:
    centres = [QPointF(50, 40), QPointF(52, 38), QPointF(50, 40), QPointF(300, 40), QPointF(51, 105)]
    places = tag_places(centres, ["a longer name", "second", "third", "alone", "below"])
    for number, place in enumerate(places):
        assert not any(place.intersects(other) for other in places[:number])
    assert [places[number].center() for number in (3, 4)] == centres[3:], "what hides nothing stays"
    together = places[0].united(places[1]).united(places[2])
    assert together.center().x() == pytest.approx(152 / 3, abs=1)
    assert together.center().y() == pytest.approx(118 / 3, abs=1)
    assert tag_places(centres[:1], ["a name that needs more room than a row has"])[0].center() == centres[0]


def test_tags_of_many_classes_at_one_place_stand_in_rows_in_their_order(qapp: QApplication) -> None:
    places = tag_places(10 * [QPointF(0, 0)], [str(digit) for digit in range(10)])
    assert places == sorted(places, key=lambda place: (place.y(), place.x()))
    rows = {place.y() for place in places}
    assert 1 < len(rows) < 5
    assert max(place.right() for place in places) - min(place.left() for place in places) <= 100
    for number, place in enumerate(places):
        assert not any(place.intersects(other) for other in places[:number])


def test_tags_that_stand_in_rows_keep_the_order_of_their_classes_on_the_map(qapp: QApplication) -> None:
    centres = [QPointF(30, 0), QPointF(10, 2), QPointF(20, 1), QPointF(12, 40), QPointF(0, 39)]
    places = tag_places(centres, list("abcde"))
    assert sorted(range(3), key=lambda n: places[n].x()) == [1, 2, 0]
    assert places[4].x() < places[3].x()
    assert len({place.y() for place in places[:3]}) == 1 < len({place.y() for place in places})


def test_rings_hide_no_name_of_a_class(show: Show) -> None:
    _, view = show(joined(points(0, 0.0), points(1, 1.0)))
    assert view.rings.zValue() < view.map.points.zValue()
