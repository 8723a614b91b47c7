"""The convolutional auto-encoder: that every size of image fits, and what its networks promise."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models.conv_vae import ConvVae, ConvVaeSettings
from models.image_networks import image_decoder, image_encoder
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SIZES = [(1, 4, 4), (1, 8, 8), (2, 14, 9), (1, 28, 28), (3, 32, 20), (1, 5, 7), (3, 1, 2), (1, 3, 64)]


def small(shape: tuple[int, ...], support: Support = Support.BITS, layers: int = 3) -> ConvVae:
    torch.manual_seed(0)
    settings = ConvVaeSettings(channels=2, layers=layers, hidden=5, activation="softplus")
    return ConvVae(settings, DataSpec(shape, support, Layout.IMAGE)).double()


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("support", [Support.BITS, Support.REALS])
def test_every_pixel_of_every_size_is_read_and_drawn(shape: tuple[int, ...], support: Support) -> None:
    model = small(shape, support)
    x = torch.rand(2, *shape, dtype=torch.float64, requires_grad=True)
    (read,) = torch.autograd.grad(model.posterior_parameters(x).sum(), x)
    assert (read != 0).all()
    first, second = model.decode(torch.randn(2, 2, generator=Generator().manual_seed(0), dtype=torch.float64))
    assert first.shape == shape
    assert (first != second).all()


def test_sides_are_halved_while_they_have_four_pixels() -> None:
    seen: list[torch.Size] = []
    encoder = image_encoder((1, 28, 5), (2, 4, 8), 5, 3, "relu")
    for layer in encoder:
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _module, _given, said: seen.append(said.shape[1:]))
    encoder(torch.rand(1, 1, 28, 5))
    assert seen == [(2, 14, 2), (4, 7, 2), (8, 3, 2)]


@torch.no_grad()
def test_the_networks_are_the_plain_convolutions_whatever_lies_where_in_memory() -> None:
    encoder = image_encoder((2, 8, 8), (3, 6), 5, 4, "tanh").double()
    decoder = image_decoder((2, 8, 8), (3, 6), 5, 4, 2, "tanh").double()
    x = torch.rand(3, 2, 8, 8, dtype=torch.float64)
    first, second = (m for m in encoder if isinstance(m, torch.nn.Conv2d))
    into, code = (m for m in encoder if isinstance(m, torch.nn.Linear))
    h = F.conv2d(x, first.weight, first.bias, 2, 1).tanh()
    h = F.conv2d(h, second.weight, second.bias, 2, 1).tanh()
    by_place = into.weight.reshape(5, 2, 2, 6).permute(0, 3, 1, 2)  # rows, columns, channels
    h = (torch.einsum("bchw,ochw->bo", h, by_place) + into.bias).tanh()
    torch.testing.assert_close(encoder(x), F.linear(h, code.weight, code.bias))

    z = torch.randn(3, 4, dtype=torch.float64)
    up, out = (m for m in decoder if isinstance(m, torch.nn.ConvTranspose2d))
    h = decoder[2](decoder[0](z).tanh()).tanh().reshape(3, 2, 2, 6).permute(0, 3, 1, 2).contiguous()
    # a transposed convolution is the gradient of the convolution
    h = torch.nn.grad.conv2d_input((3, 3, 4, 4), up.weight, h, 2, 1) + up.bias[:, None, None]
    h = torch.nn.grad.conv2d_input((3, 4, 8, 8), out.weight, h.tanh(), 2, 1) + out.bias[:, None, None]
    torch.testing.assert_close(decoder(z), h)
    assert all(p.is_contiguous() for net in (encoder, decoder) for p in net.parameters())


@pytest.mark.parametrize("side", [20, 28, 29])
@torch.no_grad()
def test_even_features_leave_no_checkerboard(side: int) -> None:
    decoder = image_decoder((1, side, side), (2, 2), 3, 2, 1, "relu")
    for p in decoder.parameters():
        p.fill_(0.5)
    drawn = decoder(torch.ones(1, 2))[0, 0]
    inside = drawn[6:-6, 6:-6]
    assert inside.min() > 0
    assert torch.equal(inside, inside[:1, :1].expand_as(inside))


@torch.no_grad()
def test_a_code_does_not_depend_on_the_other_examples() -> None:
    model, x = small((1, 8, 8)), torch.rand(9, 1, 8, 8, dtype=torch.float64)
    for mode in (True, False):
        model.train(mode)
        torch.testing.assert_close(model.encode(x).mean[:1], model.encode(x[:1]).mean)


def shifted_bars(n: int) -> Tensor:
    """An upright bar, in each of 8 places."""
    x = torch.zeros(n, 1, 8, 8)
    x[torch.arange(n), 0, :, torch.arange(n) % 8] = 1
    return x


def test_it_learns_where_a_bar_stands() -> None:
    torch.manual_seed(0)
    spec, x = DataSpec((1, 8, 8), Support.BITS, Layout.IMAGE), shifted_bars(64)
    model = ConvVae(ConvVaeSettings(channels=8, hidden=32), spec)
    learner = ReparameterizedElbo(model, ReparameterizedElboSettings(learning_rate=0.005), spec, 64)
    learner.begin()
    index = torch.arange(64)
    for _ in range(400):
        last = learner.step(Batch(x, index, index))
    assert last["elbo"] > -8  # log 8 = 2.1 is the least it could cost; one bar for all places costs 24
    with torch.no_grad():
        again = model.decode(model.encode(x[:8]).mean)
    assert ((again > 0.5) == (x[:8] > 0.5)).float().mean() > 0.97


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(UnsuitableData, match="images"):
        ConvVae.check(ConvVaeSettings(), DataSpec((2,), Support.REALS, Layout.POINTS))
