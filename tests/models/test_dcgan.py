"""The convolutional generator and its discriminator: that every size of image fits, and what normalisation promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.capabilities import Shown, ShownAs
from models.dcgan import Dcgan, DcganSettings
from models.image_networks import image_generator
from models.learning.adversarial import NON_SATURATING, Adversarial, AdversarialSettings
from models.learning.critics import Critic, CriticSettings
from models.normalisation import BatchNormalisation, PixelNormalisation
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

SIZES = [(1, 4, 4), (1, 8, 8), (2, 14, 9), (1, 28, 28), (3, 32, 20), (1, 5, 7), (3, 64, 64), (1, 3, 17)]


def images(shape: tuple[int, ...], support: Support = Support.UNIT) -> DataSpec:
    return DataSpec(shape, support, Layout.IMAGE)


def small(shape: tuple[int, ...] = (1, 4, 4), support: Support = Support.UNIT, **changed: object) -> Dcgan:
    torch.manual_seed(0)
    settings: dict[str, object] = {"channels": 3, "convolutions": 3, "latent": 5, "activation": "softplus"}
    return Dcgan(DcganSettings(**(settings | changed)), images(shape, support))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_every_pixel_of_every_size_is_drawn_and_judged(shape: tuple[int, ...]) -> None:
    model = small(shape, normalisation="pixel")
    z = torch.randn(2, 5, requires_grad=True)
    first, second = drawn = model.decode(z)
    assert first.shape == shape
    assert (first != second).all()
    assert (drawn > 0).all()
    assert (drawn < 1).all()
    critic = Critic(CriticSettings(channels=3, activation="softplus"), model.shown_as(), images(shape))
    x = drawn.detach().requires_grad_()
    score = critic(Shown(x))
    assert score.shape == (2,)
    (slope,) = torch.autograd.grad(score.sum(), x)
    assert (slope != 0).all()


@pytest.mark.parametrize("normalisation", ["batch", "pixel", "none"])
def test_the_loss_reaches_every_parameter(normalisation: str) -> None:
    model = small((3, 9, 8), normalisation=normalisation)
    critic = Critic(CriticSettings(channels=3), model.shown_as(), images((3, 9, 8)))
    critic(Shown(model.decode(torch.randn(6, 5)))).sum().backward()
    for part in (model, critic):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 1e-6, name


@torch.no_grad()
def test_the_generator_is_the_plain_transposed_convolutions_whatever_lies_where_in_memory() -> None:
    network = image_generator((2, 8, 8), (3, 6), 4, "tanh", "pixel").double()
    z = torch.randn(3, 4, dtype=torch.float64)
    [start] = (m for m in network if isinstance(m, nn.Linear))
    up, out = (m for m in network if isinstance(m, nn.ConvTranspose2d))

    def normal(h: Tensor) -> Tensor:
        return h / (h.square().mean(1, keepdim=True) + 1e-5).sqrt()

    h = normal(start(z).reshape(3, 2, 2, 6).permute(0, 3, 1, 2).contiguous()).tanh()
    h = normal(F.conv_transpose2d(h, up.weight, up.bias, 2, 1)).tanh()
    torch.testing.assert_close(network(z), F.conv_transpose2d(h, out.weight, out.bias, 2, 1))


def test_real_numbers_are_drawn_as_they_come_and_bits_or_points_are_refused() -> None:
    assert small(support=Support.REALS).decode(9 * torch.randn(40, 5)).abs().max() > 1
    with pytest.raises(UnsuitableData, match="images"):
        Dcgan.check(DcganSettings(), DataSpec((2,), Support.REALS, Layout.POINTS))
    with pytest.raises(UnsuitableData, match="bits"):
        Dcgan.check(DcganSettings(), images((1, 8, 8), Support.BITS))


class TestBatchNormalisation:
    def test_it_is_what_torch_does_while_learning_and_after(self) -> None:
        ours, torchs = BatchNormalisation(3), nn.BatchNorm2d(3)
        for _ in range(3):
            x = 2 + 3 * torch.randn(4, 3, 5, 5)
            torch.testing.assert_close(ours(x), torchs(x))
        torch.testing.assert_close(ours.mean, torchs.running_mean)
        torch.testing.assert_close(ours.variance, torchs.running_var)
        torch.testing.assert_close(ours.eval()(x), torchs.eval()(x))

    def test_who_records_no_gradient_leaves_it_as_it_was(self) -> None:
        layer, x = BatchNormalisation(3), 2 + torch.randn(4, 3, 5, 5)
        with torch.no_grad():
            seen = layer(x)
        assert layer.mean.abs().max() == 0
        torch.testing.assert_close(layer(x), seen)
        assert layer.mean.abs().max() > 0

    @torch.no_grad()
    def test_what_is_shown_of_a_code_does_not_depend_on_other_codes(self) -> None:
        model, z = small(), torch.randn(9, 5)
        together, alone = model.decode(z)[:1], model.decode(z[:4])[:1]
        assert not torch.allclose(together, alone, atol=1e-4)  # while it learns, it does
        model.eval()
        torch.testing.assert_close(model.decode(z)[:1], model.decode(z[:1]))

    def test_the_discriminators_turn_leaves_the_statistics_alone(self) -> None:
        learner = play(small())
        learner.moves = frozenset({"discriminator"})
        before = [b.clone() for b in learner.model.buffers()]
        learner.step(some())
        learner.moves = frozenset({"discriminator", "generator"})
        only = [torch.equal(a, b) for a, b in zip(before, learner.model.buffers(), strict=True)]
        learner.step(some())
        both = [torch.equal(a, b) for a, b in zip(before, learner.model.buffers(), strict=True)]
        assert len(before) == 2 * 3
        assert all(only)
        assert not any(both)

    def test_the_averaged_generator_has_averaged_statistics(self) -> None:
        learner = play(small(), average=0.75)
        expected = [b.clone() for b in learner.model.buffers()]
        for _ in range(4):
            learner.step(some())
            expected = [0.75 * a + 0.25 * b for a, b in zip(expected, learner.model.buffers(), strict=True)]
        for found, right in zip(learner.sampler().buffers(), expected, strict=True):
            torch.testing.assert_close(found, right)


def test_every_place_has_a_mean_square_of_one_after_pixel_normalisation() -> None:
    x = PixelNormalisation()(7 * torch.randn(2, 6, 3, 3))
    torch.testing.assert_close(x.square().mean(1), torch.ones(2, 3, 3), atol=1e-4, rtol=0)


def test_a_discriminator_without_convolutions_is_linear() -> None:
    critic = Critic(CriticSettings(layers=0), ShownAs((1, 4, 4), network="convolutional"), images((1, 4, 4)))
    a, b = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    middle = critic(Shown((a + b) / 2))
    torch.testing.assert_close(middle, (critic(Shown(a)) + critic(Shown(b))) / 2)


def test_class_and_image_are_judged_together_and_not_one_beside_the_other() -> None:
    torch.manual_seed(0)
    critic = Critic(CriticSettings(channels=3), ShownAs((1, 4, 4), 2, "convolutional"), images((1, 4, 4)))
    x, beside = 20 * torch.randn(2, 1, 4, 4), torch.eye(2)
    scores = torch.stack([critic(Shown(x, k.expand(2, -1))) for k in beside])  # (class, image)
    assert (scores[0, 0] - scores[0, 1] - scores[1, 0] + scores[1, 1]).abs() > 1e-3  # 0 for a sum of two functions


@pytest.mark.parametrize("normalisation", ["batch", "pixel"])
def test_it_draws_bars_where_the_data_have_them(normalisation: str) -> None:
    torch.manual_seed(1)
    model = Dcgan(DcganSettings(channels=8, convolutions=1, latent=4, normalisation=normalisation), images((1, 4, 4)))  # type: ignore[arg-type]
    learner = play(model, channels=8, layers=1, discriminator_rate=3e-3, generator_rate=3e-3, average=0.9)
    for _ in range(200):
        learner.step(some())
    drawn = learner.sampler().eval().sample(200).mean((1, 2))  # (200, 4): brightness of each column
    nearest = torch.cdist(drawn, torch.eye(4)).min(1)
    assert nearest.values.median() < 0.5  # 0.95 before
    assert nearest.indices.unique().numel() >= 3


def play(model: nn.Module, **settings: object) -> Adversarial:
    chosen = AdversarialSettings(**({"channels": 3} | settings))  # type: ignore[arg-type]
    learner = Adversarial(model, chosen, images(tuple(model.event_shape)), 64, NON_SATURATING)  # type: ignore[arg-type]
    learner.begin()
    return learner


def some(n: int = 32) -> Batch:
    """Upright bars in images of 4×4."""
    place = torch.randint(4, (n,))
    x = torch.eye(4)[place][:, None, None, :].repeat(1, 1, 4, 1)
    return Batch(x, place, torch.arange(n))
