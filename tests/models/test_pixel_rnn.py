"""Row LSTM and Diagonal BiLSTM against enumeration, their own Jacobians and sampling from scratch; the recurrence
against a loop that autograd records."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from pixel_oracles import FromScratch, Pixel, changed_by, every, heard_by, images, make, pixels, place, some
from torch import Generator, Tensor

from models.diagonal_bilstm import DiagonalBiLstm, DiagonalBiLstmSettings, inside, skew, unskew
from models.pixel_rnn import PixelRnn
from models.pixels import MARGIN
from models.recurrence import Bands, lstm_cell, recur
from models.row_lstm import RowLstm, RowLstmSettings
from models.spec import DataSpec, Layout, Support, UnsuitableData

BOTH = pytest.mark.parametrize("model", [RowLstm, DiagonalBiLstm])
SETTINGS = {RowLstm: RowLstmSettings, DiagonalBiLstm: DiagonalBiLstmSettings}
SPECS = [
    pytest.param(images((1, 3, 3), 2), id="bits"),
    pytest.param(images((1, 2, 2), 3), id="3 levels"),
    pytest.param(images((3, 1, 2), 3), id="3 colours of 3 levels"),
    pytest.param(images((3, 2, 1), 2), id="3 colours of bits"),
]


def build(model: type[PixelRnn], spec: DataSpec, **settings: Any) -> PixelRnn:
    chosen: dict[str, Any] = {"hidden": 6, "layers": 2, "units": 12} | settings
    made: PixelRnn = make(model, SETTINGS[model](**chosen), spec)
    return made


@BOTH
@pytest.mark.parametrize("spec", SPECS)
def test_the_probabilities_of_all_images_sum_to_one(model: type[PixelRnn], spec: DataSpec) -> None:
    with torch.no_grad():
        assert build(model, spec).log_prob(every(spec)).exp().sum().item() == pytest.approx(1, abs=1e-10)


@BOTH
@pytest.mark.parametrize("spec", SPECS[:3])
def test_every_class_and_their_mixture_sum_to_one(model: type[PixelRnn], spec: DataSpec) -> None:
    spec = DataSpec(spec.event_shape, spec.support, spec.layout, spec.categories, tuple("abc"))
    made, x = build(model, spec, condition=True), every(spec)
    with torch.no_grad():
        of_each = torch.stack([made.log_prob_of_class(x, torch.full((len(x),), k)) for k in range(3)])
        torch.testing.assert_close(of_each.exp().sum(1), torch.ones(3).double())
        torch.testing.assert_close(made.log_prob(x).exp(), of_each.exp().mean(0))
        torch.testing.assert_close(made.log_conditionals(x).flatten(1).sum(1), made.log_prob(x))
    assert not torch.allclose(of_each[0], of_each[1])


@BOTH
@pytest.mark.parametrize("spec", SPECS)
def test_a_changed_pixel_changes_nothing_at_or_before_it_and_something_after_it(
    model: type[PixelRnn], spec: DataSpec
) -> None:
    made = build(model, spec)
    for pixel in pixels(spec):
        expected = {other for other in pixels(spec) if place(other) > place(pixel)}
        assert changed_by(made, spec, pixel) == expected


def triangle(pixel: Pixel, spec: DataSpec, layers: int) -> set[Pixel]:
    """What a Row LSTM hears of (figure 2 of the paper, the 7 × 7 window of the first layer and the input-to-state
    convolutions included): every row up widens it by one pixel to both sides."""
    _, row, column = pixel
    return {
        (k, i, j)
        for k, i, j in pixels(spec)
        if (i == row and column - layers - MARGIN <= j < column)
        or (i < row and column - layers - MARGIN - (row - i) <= j <= column + (row - i) + MARGIN - 1)
    }


@pytest.mark.parametrize("layers", [1, 3])
def test_a_row_lstm_hears_of_a_triangle(layers: int) -> None:
    spec = images((1, 7, 19), 2)
    made = build(RowLstm, spec, layers=layers)
    for row, column in ((6, 9), (6, 0), (6, 18), (3, 8), (0, 9)):
        expected = triangle((0, row, column), spec, layers)
        assert heard_by(made, spec, (0, row, column)) == expected
    assert len(triangle((0, 6, 9), spec, layers)) < len([p for p in pixels(spec) if place(p) < place((0, 6, 9))])


@pytest.mark.parametrize("shape", [(1, 8, 12), (1, 12, 5), (3, 5, 6)])
def test_one_diagonal_bilstm_hears_of_everything_before(shape: tuple[int, int, int]) -> None:
    spec = images(shape, 2)
    made = build(DiagonalBiLstm, spec, layers=1)
    height, width = shape[1:]
    for colour in range(shape[0]):
        for row, column in ((height - 1, width // 2), (height - 1, 0), (height // 2, width - 1), (0, 0)):
            pixel = (colour, row, column)
            assert heard_by(made, spec, pixel) == {other for other in pixels(spec) if place(other) < place(pixel)}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (3, 5), (6, 2)])
def test_unskewing_undoes_skewing_and_lines_are_diagonals(shape: tuple[int, int]) -> None:
    height, width = shape
    x = torch.randn(2, *shape, 3, 4)
    skewed, bands = skew(x), inside(*shape)
    assert torch.equal(unskew(skewed), x)
    assert len(bands) == skewed.shape[1]
    for t, (a, b) in enumerate(bands):
        for row in range(height):
            within = 0 <= t - row < width
            assert within == (a <= row < b)
            assert torch.equal(skewed[:, t, row], x[:, row, t - row] if within else torch.zeros(2, 3, 4))


def in_a_loop(inputs: Tensor, weight: Tensor, taps: tuple[int, ...], bands: Bands) -> Tensor:
    """The equations place by place."""
    size = inputs.shape[-1] // 4
    nothing = inputs.new_zeros(inputs.shape[3], size)
    states: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}
    for g, (t, (a, b)) in product(range(len(inputs)), enumerate(bands)):
        for p in range(a, b):
            before = inputs[g, t, p]
            for k, tap in enumerate(taps):
                near, _ = states.get((g, t - 1, p + tap), (nothing, nothing))
                before = before + near @ weight[g, k * size : (k + 1) * size]
            _, cell = states.get((g, t - 1, p), (nothing, nothing))
            states[g, t, p] = lstm_cell(before, cell)
    places = product(*map(range, inputs.shape[:3]))
    return torch.stack([states.get(place, (nothing, nothing))[0] for place in places]).unflatten(0, inputs.shape[:3])


@pytest.mark.parametrize("taps", [(-1, 0, 1), (-1, 0), (0,)])
@pytest.mark.parametrize("bands", [[(0, 3)], [(0, 3)] * 4, inside(3, 4)], ids=["one line", "whole lines", "diagonals"])
def test_the_recurrence_and_its_gradients_are_those_of_a_plain_loop(taps: tuple[int, ...], bands: Bands) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, len(bands), 3, 5, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, len(taps) * 2, 8, dtype=torch.float64, requires_grad=True)
    sought = torch.randn(2, len(bands), 3, 5, 2, dtype=torch.float64)
    expected, found = in_a_loop(inputs, weight, taps, bands), recur(inputs, weight, taps, bands)
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad((expected * sought).sum(), (inputs, weight), materialize_grads=True)
    for a, b in zip(torch.autograd.grad((found * sought).sum(), (inputs, weight)), wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_a_cell_is_torchs_own() -> None:
    torch.manual_seed(0)
    before, cell = torch.randn(4, 12).double(), torch.randn(4, 3).double()
    theirs = torch.nn.LSTMCell(12, 3, bias=False).double()
    ours = {"o": 0, "f": 1, "i": 2, "g": 3}  # where each gate stands; torch has i, f, g, o
    with torch.no_grad():
        theirs.weight_ih.copy_(torch.eye(12).unflatten(0, (4, 3))[[ours[gate] for gate in "ifgo"]].flatten(0, 1))
        expected = theirs(before, (torch.zeros_like(cell), cell))
    for found, wanted in zip(lstm_cell(before, cell), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@BOTH
@pytest.mark.parametrize("condition", [False, True])
@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 3, 4)])
def test_samples_are_those_of_sampling_from_scratch(
    model: type[PixelRnn], shape: tuple[int, int, int], condition: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = images(shape, 2 if shape[0] == 1 else 4, classes=3)
    made = build(model, spec, condition=condition)
    x, known = some(spec, 4), some(images(shape, 2), 4).bool()

    def drawn() -> list[Tensor]:
        done = made.complete(x, known, Generator().manual_seed(3))
        return [made.sample(5, Generator().manual_seed(2)), done.x, done.mean, done.log_prob]

    kept = drawn()
    monkeypatch.setattr(made, "painter", lambda canvas, y: FromScratch(made, canvas, y))
    for quick, slow in zip(kept, drawn(), strict=True):
        torch.testing.assert_close(quick, slow, rtol=1e-10, atol=1e-10)


@BOTH
@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        (DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE), "binarisation.*or choose a number of grey levels"),
        (DataSpec((64,), Support.BITS, Layout.VECTOR), "choose images"),
        (DataSpec((40,), Support.SYMBOLS, Layout.SEQUENCE, 27), "choose images"),
        (DataSpec((3, 1000, 1000), Support.LEVELS, Layout.IMAGE, 256), "3,000,000: choose a smaller size"),
    ],
    ids=["grey", "vector", "sequence", "3 million"],
)
def test_data_that_does_not_fit_is_refused_with_advice(model: type[PixelRnn], spec: DataSpec, advice: str) -> None:
    with pytest.raises(UnsuitableData, match=advice):
        model.check(SETTINGS[model](), spec)
