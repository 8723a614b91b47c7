"""DRAW against the variational auto-encoder that it is with one step, against quadrature over its code, and its windows
against the paper's formulas written out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor

from models import attention, draw
from models.attention import PARAMETERS, Window, filters
from models.draw import Draw, DrawSettings
from models.spec import DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

HEIGHT, WIDTH = 4, 5
SPEC = DataSpec((2, HEIGHT, WIDTH), Support.BITS, Layout.IMAGE)  # nothing square, and more than one channel


@pytest.fixture(autouse=True)
def _in_double_precision() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def bits(n: int) -> Tensor:
    return (torch.rand(n, *SPEC.event_shape, generator=draws(5)) < 0.4).double()


def model(spread: float = 0.4, **settings: object) -> Draw:
    """One whose parameters are large enough to matter."""
    small = {"glimpses": 2, "latent": 1, "hidden": 4, "read_size": 2, "write_size": 3}
    made = Draw(DrawSettings.model_validate(small | settings), SPEC)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(spread * torch.randn(parameter.shape, generator=draws(parameter.numel())))
    return made


# Windows.


def placed(parameters: Tensor, side: int, height: int = HEIGHT, width: int = WIDTH) -> Window:
    return attention.window(parameters, side, attention.middle(height, width), max(height, width))


def test_every_filter_sums_to_one_also_far_outside_the_image() -> None:
    parameters = torch.randn(50, PARAMETERS, generator=draws()) * torch.tensor([20.0, 20.0, 3.0, 3.0, 1.0])
    found_y, found_x = filters(placed(parameters, 3), HEIGHT, WIDTH)
    for found, length in ((found_x, WIDTH), (found_y, HEIGHT)):
        assert found.shape == (50, 3, length)
        assert torch.allclose(found.sum(-1), torch.ones(50, 3), atol=1e-12)


def test_reading_is_the_papers_formula_written_out() -> None:
    side, image = 3, torch.randn(1, 2, HEIGHT, WIDTH, generator=draws())
    x, y, log_precision, log_stride, log_gain = parameters = 0.3 * torch.randn(PARAMETERS, generator=draws(1))
    sigma = math.exp(-log_precision)
    delta = (max(HEIGHT, WIDTH) - 1) / (side - 1) * math.exp(log_stride)
    expected = torch.zeros(2, side, side)
    banks = []
    for centre, length in (((HEIGHT + 1) / 2 * (y + 1), HEIGHT), ((WIDTH + 1) / 2 * (x + 1), WIDTH)):
        bank = torch.zeros(side, length)
        for i in range(1, side + 1):  # the paper counts filters and pixels from 1
            mean = centre + (i - side / 2 - 0.5) * delta
            values = [math.exp(-((a - mean) ** 2) / (2 * sigma**2)) for a in range(1, length + 1)]
            bank[i - 1] = torch.tensor(values) / sum(values)
        banks.append(bank)
    for c in range(2):
        expected[c] = math.exp(log_gain) * banks[0] @ image[0, c] @ banks[1].T
    found = attention.read(image.transpose(1, 2), placed(parameters[None], side))
    assert torch.allclose(found.transpose(1, 2)[0], expected, atol=1e-12)


def test_a_narrow_window_at_rest_reads_the_pixels_of_its_grid() -> None:
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1  # the middle
    image[0, 0, 0, 4] = 0.5  # the corner at the end of the first row
    parameters = torch.tensor([[0.0, 0.0, 4.0, 0.0, math.log(3.0)]])
    found = attention.read(image.transpose(1, 2), placed(parameters, 3, 5, 5)).transpose(1, 2)
    expected = torch.zeros(3, 3)
    expected[1, 1], expected[0, 2] = 3, 1.5
    assert torch.allclose(found[0, 0], expected, atol=1e-12)
    places = placed(parameters, 3, 5, 5).places()
    assert torch.allclose(places, torch.tensor([[2.0, 2.0, 2.0, math.exp(-4)]]))


def test_writing_is_the_transpose_of_reading_but_for_the_gain() -> None:
    w = placed(0.3 * torch.randn(3, PARAMETERS, generator=draws()), 2)
    image = torch.randn(3, HEIGHT, 2, WIDTH, generator=draws(1))
    patch = torch.randn(3, 2, 2, 2, generator=draws(2))
    there = (attention.write(patch, w, HEIGHT, WIDTH) * image).flatten(1).sum(1)
    back = (patch * attention.read(image, w)).flatten(1).sum(1)
    assert torch.allclose(w.gain.square() * there, back, atol=1e-12)


def test_gradients_of_windows_are_those_of_finite_differences() -> None:
    parameters = 0.3 * torch.randn(3, PARAMETERS, generator=draws())
    image = torch.randn(3, HEIGHT, 2, WIDTH, generator=draws(1))
    patch = torch.randn(3, 2, 2, 2, generator=draws(2))
    inputs = (parameters, image, patch)

    def both(parameters: Tensor, image: Tensor, patch: Tensor) -> Tensor:
        w = placed(parameters, 2)
        read, written = attention.read(image, w), attention.write(patch, w, HEIGHT, WIDTH)
        return read.sin().sum() + written.cos().sum()

    both(*[t.requires_grad_() for t in inputs]).backward()
    with torch.no_grad():
        for place, of in enumerate(inputs):
            for entry in range(0, of.numel(), 4):
                step = torch.zeros(of.numel())
                step[entry] = 1e-5
                ahead, behind = (list(inputs), list(inputs))
                ahead[place], behind[place] = of + step.view_as(of), of - step.view_as(of)
                slope = (both(*ahead) - both(*behind)) / 2e-5
                assert torch.allclose(of.grad.flatten()[entry], slope, atol=1e-8)


# The whole model.


def test_one_step_without_attention_is_a_variational_auto_encoder() -> None:
    hidden, latent, dims = 4, 3, SPEC.dimensions
    made = model(glimpses=1, latent=latent, hidden=hidden, attention=False)
    same = Vae(VaeSettings(latent=latent, hidden=hidden, layers=2, activation="tanh"), SPEC)
    with torch.no_grad():
        for cell in (made.encoder, made.decoder):  # open gates: the state is tanh(tanh(Wx + b))
            cell.weight[: 3 * hidden] = 0
            cell.bias[: 3 * hidden] = 100
        # rows come before channels inside, and the encoder sees x and x - σ(c) as channels, then both states
        order = torch.arange(dims).reshape(SPEC.event_shape).transpose(0, 1).flatten()
        first = made.encoder.weight[3 * hidden :]
        seen, before = first.split((2 * dims, 2 * hidden), 1)
        image, error = (w.flatten(1) for w in seen.unflatten(1, (HEIGHT, 4, WIDTH)).chunk(2, 2))
        canvas = made.first_canvas.flatten()
        states = torch.cat([made.first_decoded, made.first_encoded])
        enter, _, through, _, leave = same.encoder
        enter.weight[:, order] = image + error
        enter.bias[:] = made.encoder.bias[3 * hidden :] - error @ canvas.sigmoid() + before @ states
        leave.weight[:], leave.bias[:] = made.code.weight, made.code.bias
        enter, _, into, _, leave = same.decoder
        weight = made.decoder.weight[3 * hidden :]
        enter.weight[:] = weight[:, :latent]
        enter.bias[:] = made.decoder.bias[3 * hidden :] + weight[:, latent:] @ made.first_decoded
        leave.weight[order], leave.bias[order] = made.output.weight, made.output.bias + canvas
        for middle in (through, into):
            middle.weight[:], middle.bias[:] = torch.eye(hidden), 0
        x, z = bits(6), torch.randn(4, latent, generator=draws(3))
        found, wanted = made.elbo(x, draws()), same.elbo(x, draws())
        assert torch.allclose(made.decode(z), same.decode(z), atol=1e-12)
        codes = z[:, None].expand(-1, 6, -1)
        assert torch.allclose(made.log_likelihood(x, codes), same.log_likelihood(x, codes), atol=1e-10)
        assert torch.allclose(found.reconstruction, wanted.reconstruction, atol=1e-10)
        assert torch.allclose(found.kl_per_dimension, wanted.kl_per_dimension, atol=1e-10)
        assert torch.allclose(made.log_weights(x, 5, draws()), same.log_weights(x, 5, draws()), atol=1e-10)


@pytest.mark.parametrize("attends", [True, False], ids=["attention", "without"])
def test_posterior_bound_and_weights_are_those_of_quadrature_over_the_code(attends: bool) -> None:
    made, x = model(attention=attends, spread=0.7), bits(1)
    line = torch.linspace(-7, 7, 81)
    grid = torch.cartesian_prod(line, line)  # two steps of one dimension
    area = (line[1] - line[0]).item() ** 2
    with torch.no_grad():
        q = made.encode(x)
        log_q = q.log_prob(grid[:, None])[:, 0]
        log_joint = made.log_likelihood(x, grid[:, None])[:, 0] + made.prior().log_prob(grid)
        assert (log_q.exp().sum() * area).item() == pytest.approx(1, abs=1e-6)
        log_evidence = log_joint.logsumexp(0) + math.log(area)
        bound = ((log_joint - log_q) * log_q.exp()).sum() * area
        n = 4000
        terms = made.elbo(x.expand(n, -1, -1, -1), draws())
        error = (terms.value.var() / n).sqrt()
        assert (terms.kl_per_dimension >= 0).all()
        assert terms.kl_per_dimension.shape == (n, 2)
        assert (terms.value.mean() - bound).abs() < 5 * error
        assert bound + 1e-3 < log_evidence  # the posterior is not exact
        weights = made.log_weights(x, n, draws(1))[:, 0]
        by_ten = weights.reshape(-1, 10).logsumexp(1) - math.log(10)
        assert bound + 5 * error < by_ten.mean() < log_evidence + 5 * by_ten.std() / math.sqrt(n / 10)
        ratio = (weights - log_evidence).exp()
        assert (ratio.mean() - 1).abs() < 5 * ratio.std() / math.sqrt(n)
        drawn = q.sample(n, draws(2))[:, 0]
        wanted = (grid * log_q.exp()[:, None]).sum(0) * area
        assert ((drawn.mean(0) - wanted).abs() < 5 * drawn.std(0) / math.sqrt(n)).all()


def test_log_prob_of_codes_broadcasts_over_examples() -> None:
    made, x = model(), bits(3)
    with torch.no_grad():
        q = made.encode(x)
        z = torch.randn(4, 1, 2, generator=draws())
        assert torch.allclose(q.log_prob(z)[2], q.log_prob(z[2].expand(3, -1)))
        assert torch.allclose(q.log_prob(z)[:, 1], made.encode(x[1:2]).log_prob(z)[:, 0])


def test_a_redrawing_ends_where_the_code_that_was_drawn_decodes_to() -> None:
    made, x = model(glimpses=3), bits(4)
    with torch.no_grad():
        seen = made.redraw_in_steps(x, draws())
        z = made.encode(x).sample(1, draws())[0]
        assert torch.allclose(seen.canvases[:, -1], made.decode(z))
        # what is written after a step changes nothing before it
        assert torch.allclose(seen.canvases[:, 0], model(glimpses=1).decode(z[:, :1]))


def test_each_step_looks_at_what_its_canvas_still_lacks() -> None:
    made, x = model(glimpses=2), bits(1)
    with torch.no_grad():
        first = made.redraw_in_steps(x, draws())
        made.first_canvas += 1
        second = made.redraw_in_steps(x, draws())
    assert not torch.allclose(first.read[:, 1], second.read[:, 1])


def test_however_many_weights_are_asked_for_few_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, x = model(), bits(3)
    sizes: list[int] = []
    weigh = made._weigh
    monkeypatch.setattr(draw, "ROWS", 300)
    monkeypatch.setattr(made, "_weigh", lambda part, generator: (sizes.append(len(part)), weigh(part, generator))[1])
    with torch.no_grad():
        found = made.log_weights(x, 250, draws())
        alone = torch.cat([made.log_weights(one[None], 250, draws(1)) for one in x], 1)
    assert found.shape == (250, 3)
    assert max(sizes) == 300
    error = ((found.var(0) + alone.var(0)) / 250).sqrt()
    assert ((found.mean(0) - alone.mean(0)).abs() < 5 * error).all()
    assert (found.mean(0).diff().abs() > 20 * error.max()).all()  # so that examples in another order would be seen


def test_at_the_start_a_level_patch_is_written_about_as_high_and_read_as_high() -> None:
    for size in (8, 14, 28):
        spec = DataSpec((1, size, size), Support.BITS, Layout.IMAGE)
        made = Draw(DrawSettings(), spec)
        *_, writing, reading = made.output.bias.split(made.sizes)
        middle = attention.middle(size, size)
        with torch.no_grad():
            w = attention.window(writing[None], made.write_size, middle, size)
            written = attention.write(torch.ones(1, made.write_size, 1, made.write_size), w, size, size)
            r = attention.window(reading[None], made.read_size, middle, size)
            seen = attention.read(torch.ones(1, size, 1, size), r)
        assert written.mean().item() == pytest.approx(1, rel=0.6)  # filters at the border are cut off, and higher
        assert written.min() > 0.4
        assert torch.allclose(seen, torch.ones_like(seen))


@pytest.mark.parametrize("attends", [True, False], ids=["attention", "without"])
def test_the_bound_has_a_gradient_in_every_parameter(attends: bool) -> None:
    made = model(attention=attends)
    made.elbo(bits(4), draws()).value.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())


def test_no_example_is_drawn_again_as_no_drawing() -> None:
    with torch.no_grad():
        drawn = model().redraw_in_steps(bits(0))
    assert drawn.canvases.shape == (0, 2, *SPEC.event_shape)
    assert drawn.read.shape == drawn.written.shape == (0, 2, 4)
