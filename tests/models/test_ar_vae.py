"""The auto-encoder with an autoregressive decoder, against enumeration, against the plain PixelCNN, and how its
posterior collapses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pixel_oracles import every, images, pixels, place, some
from torch import Generator, Tensor

from models.ar_vae import CODES, ArVae, ArVaeSettings
from models.estimation.active_units import active_units
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.pixelcnn import PixelCnn, PixelCnnSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData
from models.vae import Vae, VaeSettings

BITS = images((1, 3, 3), 2)
SPECS = [
    pytest.param(BITS, id="bits"),
    pytest.param(images((1, 2, 2), 3), id="3 levels"),
    pytest.param(images((3, 1, 2), 3), id="3 colours of 3 levels"),
]


def small(spec: DataSpec, seed: int = 0, **settings: Any) -> ArVae:
    """In double precision, with a code that speaks loudly."""
    torch.manual_seed(seed)
    chosen: dict[str, Any] = {"latent": 2, "layers": 2, "channels": 6, "hidden": 5} | settings
    model = ArVae(ArVaeSettings(**chosen), spec).double()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
        model.likelihood.net.listen.weight.mul_(20)
    return model


def codes(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("spec", SPECS)
@torch.no_grad()
def test_given_any_code_the_probabilities_of_all_images_sum_to_one(spec: DataSpec) -> None:
    model, x, z = small(spec), every(spec), codes(3)
    p = model.log_likelihood(x, z[:, None].expand(-1, len(x), -1)).exp()
    torch.testing.assert_close(p.sum(1), torch.ones(3).double())
    assert (p[0] - p[1]).abs().max() > 1e-3


@pytest.mark.parametrize("spec", SPECS)
@torch.no_grad()
def test_a_changed_pixel_changes_nothing_at_or_before_it_and_something_after_it(spec: DataSpec) -> None:
    model, x = small(spec), some(spec, 8)
    maps = model.likelihood._maps(model._output(codes(8)))
    before = model.likelihood.net.predict(model.likelihood.net._scaled(x), maps)
    for pixel in pixels(spec):
        other = x.clone()
        other[:, pixel[0], pixel[1], pixel[2]] = 1 - other[:, pixel[0], pixel[1], pixel[2]].clamp(max=1)
        after = model.likelihood.net.predict(model.likelihood.net._scaled(other), maps)
        moved = (after != before).any(0).unflatten(0, (spec.event_shape[0], -1)).any(1)  # (colours, H, W)
        changed = {p for p in pixels(spec) if moved[p]}
        assert changed == {p for p in pixels(spec) if place(p) > place(pixel)}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("reach", [1, 3])
@torch.no_grad()
def test_a_code_that_is_not_listened_to_leaves_the_plain_pixelcnn(spec: DataSpec, reach: int) -> None:
    model, x = small(spec, reach=reach), every(spec)
    net = model.likelihood.net
    net.listen.weight.zero_()
    plain = PixelCnn(PixelCnnSettings(channels=6, layers=2), spec, reach).double()
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if name != "listen.weight"})
    torch.testing.assert_close(model.log_likelihood(x, codes(len(x))), plain.log_prob(x))
    a, b = (m.complete(x[:9], x[:9] > 0, Generator().manual_seed(0)) for m in (model, plain))
    assert a.x.shape == b.x.shape
    whole = torch.ones_like(x, dtype=torch.bool)
    a, b = (m.complete(x, whole, Generator().manual_seed(0)) for m in (model, plain))
    torch.testing.assert_close(a.log_prob, b.log_prob)


def test_how_far_a_pixel_hears_is_what_the_settings_say() -> None:
    spec = images((1, 9, 9), 2)
    for reach, layers in ((1, 1), (2, 1), (1, 3), (3, 2)):
        model, x = small(spec, reach=reach, layers=layers), some(spec, 4).requires_grad_()
        maps = model.likelihood._maps(model._output(codes(4)))
        conditional = model.likelihood.net.score(x, maps)[:, 0, 8, 8].sum()
        (heard,) = torch.autograd.grad(conditional, x)
        rows, columns = (heard.abs().sum((0, 1)) > 0).nonzero().unbind(1)
        assert 8 - rows.min() == reach + layers
        assert 8 - columns.min() == reach + layers


@pytest.mark.parametrize("spec", SPECS)
@torch.no_grad()
def test_a_completion_says_the_conditionals_of_the_mixture_over_its_codes(spec: DataSpec) -> None:
    model, x, ways = small(spec), every(spec), 5
    output = model._output(codes(ways))
    of_each = model.likelihood.log_prob(x, output[:, None].expand(-1, len(x), *output.shape[1:]))
    p = of_each.exp().mean(0)
    repeated = output.repeat(len(x), *[1] * (output.ndim - 1))
    said = model.likelihood.complete(x, torch.ones_like(x).bool(), repeated).log_prob.flatten(1)
    order, flat = model.order().tolist(), x.flatten(1)
    for t, d in enumerate(order):
        before = (flat[:, None, order[:t]] == flat[None, :, order[:t]]).all(-1).double()
        until = before * (flat[:, None, d] == flat[None, :, d])
        torch.testing.assert_close(said[:, d].exp(), (until @ p) / (before @ p))


@torch.no_grad()
def test_a_completion_mixes_codes_of_the_prior_new_ones_for_each_example() -> None:
    model, x = small(BITS), some(BITS, 4)
    known = torch.arange(9).reshape(1, 3, 3) < 5
    generator = Generator().manual_seed(0)
    output = model._output(model.prior().sample(4 * CODES, generator))
    expected = model.likelihood.complete(x, known, output, generator)
    done = model.complete(x, known, Generator().manual_seed(0))
    assert torch.equal(done.x, expected.x)
    assert torch.equal(done.log_prob, expected.log_prob)
    others = output.unflatten(0, (4, CODES)).flip(0).flatten(0, 1)
    assert not torch.equal(model.likelihood.complete(x, known, others, generator).log_prob, expected.log_prob)


@torch.no_grad()
def test_what_a_code_decodes_to_is_one_image_with_the_same_noise_for_every_code() -> None:
    model, z = small(BITS), codes(20)
    mean = model.decode(z)
    assert torch.equal(mean, model.decode(z))
    torch.testing.assert_close(mean[7:8], model.decode(z[7:8]))
    drawn = (model.likelihood.noise < mean[:, 0]).double()[:, None]
    said = model.likelihood.net.predict(2 * drawn - 1, model.likelihood._maps(model._output(z))).sigmoid()
    torch.testing.assert_close(said, mean)
    assert (mean.var(0) > 1e-4).any()
    model.likelihood.net.listen.weight.zero_()
    assert model.decode(z).var(0).max() < 1e-20


@torch.no_grad()
def test_mean_samples_have_noise_of_their_own() -> None:
    model = small(BITS)
    model.likelihood.net.listen.weight.zero_()
    assert model.sample_mean(20, Generator().manual_seed(0)).var(0).max() > 1e-4


# Collapse.


def striped(n: int) -> Tensor:
    """Upright stripes on 4×4 pixels, each of the 16 as often: the first row says all."""
    pattern = torch.arange(n) % 16
    row = (pattern[:, None] >> torch.arange(4)) % 2
    return row.float()[:, None, None].expand(n, 1, 4, 4).contiguous()


def learned(model: Any, spec: DataSpec, x: Tensor, steps: int, **settings: Any) -> tuple[Any, float]:
    """The learner, and the KL it ended with."""
    learner = ReparameterizedElbo(model, ReparameterizedElboSettings(learning_rate=0.01, **settings), spec, len(x))
    learner.begin()
    index = torch.arange(len(x))
    for _ in range(steps):
        last = learner.step(Batch(x, index, index))
    return learner, last["kl"].item()


def test_the_code_falls_silent_where_pixels_can_do_without_it_and_not_where_they_are_independent() -> None:
    spec, x = DataSpec((1, 4, 4), Support.BITS, Layout.IMAGE), striped(32)
    torch.manual_seed(0)
    strong = ArVae(ArVaeSettings(latent=2, layers=1, channels=8, hidden=16), spec)
    plain = Vae(VaeSettings(latent=2, layers=1, hidden=32), spec)
    silent, kl = learned(strong, spec, x, 120)
    assert kl < 0.05
    _, other = learned(plain, spec, x, 250)
    assert other > 1
    with torch.no_grad():
        assert not active_units(silent.model.encode(x).mean).any()
        bound = silent.model.elbo(x, Generator().manual_seed(0)).value.mean()
    assert bound > -4  # log 16 = 2.8 is the least it could cost; 16 coins would cost 11


def test_only_small_images_of_bits_or_levels_are_taken() -> None:
    with pytest.raises(UnsuitableData, match="images"):
        ArVae.check(ArVaeSettings(), DataSpec((2,), Support.REALS, Layout.POINTS))
    with pytest.raises(UnsuitableData, match="binarisation"):
        ArVae.check(ArVaeSettings(), DataSpec((1, 4, 4), Support.UNIT, Layout.IMAGE))
