"""Gated PixelCNN against enumeration, against its own Jacobian and against sampling from scratch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pixel_oracles import FromScratch, Pixel, changed_by, every, heard_by, images, make, outputs, pixels, place, some
from torch import Generator, nn
from torch.nn import functional as F

from models.pixelcnn import PixelCnn, PixelCnnSettings
from models.pixels import MARGIN, draw
from models.spec import DataSpec, Layout, Support, UnsuitableData


def pixelcnn(spec: DataSpec, **settings: Any) -> PixelCnn:
    chosen: dict[str, Any] = {"channels": 6, "layers": 2, "hidden": 8} | settings
    return make(PixelCnn, PixelCnnSettings(**chosen), spec)


SPECS = [
    pytest.param(images((1, 3, 3), 2), id="bits"),
    pytest.param(images((1, 2, 2), 3), id="3 levels"),
    pytest.param(images((3, 1, 2), 3), id="3 colours of 3 levels"),
    pytest.param(images((3, 2, 1), 2), id="3 colours of bits"),
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_probabilities_of_all_images_sum_to_one(spec: DataSpec) -> None:
    model = pixelcnn(spec)
    with torch.no_grad():
        assert model.log_prob(every(spec)).exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("spec", SPECS[:3])
def test_every_class_and_their_mixture_sum_to_one(spec: DataSpec, classes: int) -> None:
    spec = DataSpec(spec.event_shape, spec.support, spec.layout, spec.categories, tuple("abc"[:classes]))
    model, x = pixelcnn(spec, condition=True), every(spec)
    labels = torch.arange(classes)
    with torch.no_grad():
        of_each = torch.stack([model.log_prob_of_class(x, label.expand(len(x))) for label in labels])
        torch.testing.assert_close(of_each.exp().sum(1), torch.ones(classes).double())
        torch.testing.assert_close(model.log_prob(x).exp(), of_each.exp().mean(0))
        mixed = model.log_prob_of_class(x, torch.arange(len(x)) % classes)
    if classes > 1:
        assert not torch.allclose(of_each[0], of_each[1])
    torch.testing.assert_close(mixed, of_each[torch.arange(len(x)) % classes, torch.arange(len(x))])


@pytest.mark.parametrize("spec", SPECS[1:3])
def test_conditionals_of_a_mixture_are_those_of_the_enumerated_joint(spec: DataSpec) -> None:
    spec = DataSpec(spec.event_shape, spec.support, spec.layout, spec.categories, tuple("abc"))
    model, x = pixelcnn(spec, condition=True), every(spec)
    order = sorted(range(spec.dimensions), key=lambda d: place(pixels(spec)[d]))
    with torch.no_grad():
        p, said = model.log_prob(x).exp(), model.log_conditionals(x).flatten(1)
        completed = model.complete(x, torch.ones_like(x).bool()).log_prob.flatten(1)
    assert model.order().tolist() == order
    flat = x.flatten(1)
    for t, d in enumerate(order):
        before = (flat[:, None, order[:t]] == flat[None, :, order[:t]]).all(-1).double()
        until = before * (flat[:, None, d] == flat[None, :, d])
        torch.testing.assert_close(said[:, d].exp(), (until @ p) / (before @ p))
    torch.testing.assert_close(completed, said)


@pytest.mark.parametrize("spec", SPECS)
def test_a_changed_pixel_changes_nothing_at_or_before_it_and_something_after_it(spec: DataSpec) -> None:
    model = pixelcnn(spec)
    for pixel in pixels(spec):
        expected = {other for other in pixels(spec) if place(other) > place(pixel)}
        assert changed_by(model, spec, pixel) == expected


def receptive_field(pixel: Pixel, spec: DataSpec, reach: int) -> set[Pixel]:
    """A rectangle above, whatever lies left in the row, and the colours before it: no blind spot."""
    colour, row, column = pixel
    return {
        (k, i, j)
        for k, i, j in pixels(spec)
        if (row - reach <= i < row and abs(j - column) <= reach)
        or (i == row and column - reach <= j < column)
        or (i == row and j == column and k < colour)
    }


@pytest.mark.parametrize("window", [3, 5])
def test_what_a_pixel_hears_has_no_blind_spot(window: int) -> None:
    spec = images((1, 9, 13), 2)
    model = pixelcnn(spec, layers=2, window=window)
    reach = MARGIN + 2 * (window // 2)
    for row, column in ((8, 6), (8, 0), (8, 12), (4, 7), (0, 5)):
        assert heard_by(model, spec, (0, row, column)) == receptive_field((0, row, column), spec, reach)


def test_with_enough_layers_a_pixel_hears_of_all_before_it() -> None:
    spec = images((3, 5, 6), 3)
    model = pixelcnn(spec, layers=3)
    for pixel in ((0, 4, 0), (1, 4, 5), (2, 2, 3), (0, 0, 0)):
        assert heard_by(model, spec, pixel) == {other for other in pixels(spec) if place(other) < place(pixel)}


def test_one_stack_of_masked_windows_would_have_a_blind_spot() -> None:
    """So the test above can fail: the same question to the net that the paper's figure 1 warns of."""

    class OneStack(nn.Module):
        colours, outputs = 1, 1

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.weights = nn.ParameterList(torch.randn(4 if k < 3 else 1, 4 if k else 1, 3, 3) for k in range(4))

        def _scaled(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x - 1

        def predict(self, x: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
            for k, weight in enumerate(self.weights):
                mask = torch.ones(3, 3).double()
                mask[2], mask[1, 2], mask[1, 1] = 0, 0, 0.0 if k == 0 else 1.0
                x = F.conv2d(x, weight * mask, padding=1).tanh()
            return x

    spec = images((1, 5, 9), 2)
    heard = heard_by(OneStack().double(), spec, (0, 4, 4))  # type: ignore[arg-type]
    assert (0, 0, 4) in heard
    assert heard < receptive_field((0, 4, 4), spec, 4)
    assert (0, 3, 6) not in heard


@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 3, 4)])
def test_samples_are_those_of_sampling_from_scratch(
    shape: tuple[int, int, int], window: int, condition: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = images(shape, 2 if shape[0] == 1 else 4, classes=3)
    model = pixelcnn(spec, window=window, condition=condition)
    x, known = some(spec, 4), some(images(shape, 2), 4).bool()

    def drawn() -> list[torch.Tensor]:
        done = model.complete(x, known, Generator().manual_seed(3))
        draws = [model.sample(5, Generator().manual_seed(2)), done.x, done.mean, done.log_prob]
        return [*draws, model.sample_mean(5, Generator().manual_seed(2))]

    kept = drawn()
    monkeypatch.setattr(model, "painter", lambda canvas, y: FromScratch(model, canvas, y))
    for quick, slow in zip(kept, drawn(), strict=True):
        torch.testing.assert_close(quick, slow, rtol=1e-10, atol=1e-10)
    assert torch.equal(kept[0], model.sample(5, Generator().manual_seed(2)))


def test_samples_of_a_class_follow_its_distribution() -> None:
    spec = images((1, 2, 2), 3, classes=2)
    model, x = pixelcnn(spec, condition=True), every(spec)
    index = torch.tensor([27.0, 9.0, 3.0, 1.0]).double()
    for k in range(2):
        with torch.no_grad():
            p = model.log_prob_of_class(x, torch.full((len(x),), k)).exp()
        drawn = model.sample_of_class(torch.full((20_000,), k), Generator().manual_seed(0))
        found = torch.bincount((drawn.flatten(1) @ index).long(), minlength=81) / len(drawn)
        assert ((found - p).abs() <= 5 * (p * (1 - p) / len(drawn)).sqrt() + 1e-9).all()


def test_completions_of_a_class_follow_its_distribution_given_what_is_known() -> None:
    spec = images((1, 2, 2), 3, classes=2)
    model, x = pixelcnn(spec, condition=True), every(spec)
    known = torch.tensor([[[True, True], [False, False]]])
    start = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]]).double()
    fits = (x == start)[:, known].all(1)
    for k in range(2):
        y = torch.full((20_000,), k)
        with torch.no_grad():
            p = model.log_prob_of_class(x[fits], y[: fits.sum()]).exp()
            done = model.complete_of_class(start.expand(len(y), *start.shape), known, y, Generator().manual_seed(0))
            scored = model.log_prob_of_class(done.x[:50], y[:50])
        assert torch.equal(done.x[:, known], start[known].expand(len(y), 2))
        torch.testing.assert_close(done.log_prob[:50].flatten(1).sum(1), scored)
        found = torch.bincount((done.x.flatten(1)[:, 2:] @ torch.tensor([3.0, 1.0]).double()).long(), minlength=9)
        p = p / p.sum()
        assert ((found / len(y) - p).abs() <= 5 * (p * (1 - p) / len(y)).sqrt() + 1e-9).all()


def test_drawn_categories_follow_their_probabilities() -> None:
    p = torch.tensor([0.1, 0.0, 0.6, 0.3]).double()
    drawn = draw(p.expand(50_000, -1), torch.rand(50_000, generator=Generator().manual_seed(0), dtype=p.dtype))
    found = torch.bincount(drawn.long(), minlength=4) / len(drawn)
    assert ((found - p).abs() <= 5 * (p * (1 - p) / len(drawn)).sqrt()).all()


def test_a_scored_value_takes_no_part_in_its_own_gradient() -> None:
    spec = images((1, 4, 4), 2)
    model, x = pixelcnn(spec), some(spec, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_conditionals(x)[:, 0, 2, 1].sum(), x)
    seen = {pixel for pixel in pixels(spec) if gradient[:, *pixel].abs().max() > 0}
    assert seen == heard_by(model, spec, (0, 2, 1))


def test_outputs_of_a_colour_are_those_of_its_levels() -> None:
    """Levels that are one colour's are not read from another's outputs."""
    spec = images((3, 2, 2), 4)
    model, x = pixelcnn(spec), some(spec, 3)
    said = outputs(model, x).log_softmax(2)  # (B, colours, K, H, W)
    expected = torch.zeros_like(x)
    for b in range(3):
        for colour, row, column in pixels(spec):
            expected[b, colour, row, column] = said[b, colour, int(x[b, colour, row, column]), row, column]
    torch.testing.assert_close(model.log_conditionals(x), expected)


@pytest.mark.parametrize(
    ("spec", "settings", "advice"),
    [
        (DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE), {}, "binarisation.*or choose a number of grey levels"),
        (DataSpec((64,), Support.BITS, Layout.VECTOR), {}, "choose images"),
        (DataSpec((40,), Support.SYMBOLS, Layout.SEQUENCE, 27), {}, "choose images"),
        (DataSpec((2,), Support.REALS, Layout.POINTS), {}, "choose images"),
        (DataSpec((3, 1000, 1000), Support.LEVELS, Layout.IMAGE, 256), {}, "3,000,000: choose a smaller size"),
        (images((1, 8, 8), 2), {"condition": True}, "no classes: choose data with labels"),
    ],
    ids=["grey", "vector", "sequence", "points", "3 million", "no classes"],
)
def test_data_that_does_not_fit_is_refused_with_advice(spec: DataSpec, settings: dict[str, Any], advice: str) -> None:
    with pytest.raises(UnsuitableData, match=advice):
        PixelCnn.check(PixelCnnSettings(**settings), spec)
