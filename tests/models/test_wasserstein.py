"""Critics under each constraint, against distances that are known exactly."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from small_game import PLANE, batch
from torch import Generator, Tensor, nn

from models.capabilities import HasCritic, HasDiscriminator, Shown, ShownAs
from models.catalog import Recipe
from models.estimation.transport import wasserstein_distance
from models.gan import Gan, GanSettings
from models.implicit import ImplicitModel, ImplicitSettings
from models.learning.critics import Critic, CriticSettings
from models.learning.wasserstein import Wasserstein, WassersteinSettings, slopes
from models.settings import SettingsError
from models.spec import DataSpec, Layout, Support

LINE = DataSpec((1,), Support.REALS, Layout.VECTOR)
IMAGE = DataSpec((1, 4, 4), Support.UNIT, Layout.IMAGE)


class Fixed(ImplicitModel):
    """Always shows the same samples, moved by a parameter."""

    def __init__(self, samples: Tensor, spec: DataSpec) -> None:
        super().__init__(ImplicitSettings(latent=1), spec, nn.Identity())
        self.register_buffer("samples", samples)
        self.shift = nn.Parameter(torch.zeros(()))

    def show_samples(self, batch: Any, generator: Generator | None = None) -> Shown:
        return Shown(self.get_buffer("samples") + self.shift)


def learner(model: nn.Module, spec: DataSpec, **settings: Any) -> Wasserstein:
    torch.manual_seed(0)
    made = Wasserstein(model, WassersteinSettings(**{"discriminator_steps": 1, **settings}), spec, 1000)
    made.begin()
    return made


def taught(data: Tensor, samples: Tensor, spec: DataSpec, steps: int, rate: float, **settings: Any) -> Wasserstein:
    """A game in which only the critic learns, on the same data and samples at every step, at a falling rate."""
    made = learner(Fixed(samples, spec), spec, beta1=0.5, **settings)
    for step in range(steps):
        for group in made.optimizers["discriminator"].param_groups:
            group["lr"] = rate * (1 - step / steps)
        made._turn("discriminator", batch(data))
    return made


def sets(n: int, dimensions: int) -> tuple[Tensor, Tensor]:
    g = Generator().manual_seed(1)
    return torch.randn(n, dimensions, generator=g), 0.6 * torch.randn(n, dimensions, generator=g) + 1.2


def estimate(made: Wasserstein, data: Tensor, samples: Tensor) -> tuple[float, float]:
    """The critic's value, and its greatest slope from any example to any sample."""
    with torch.no_grad():
        f, g = made.criticise(data).double(), made.criticise(samples).double()
        steepest = ((f[:, None] - g).abs() / torch.cdist(data.double(), samples.double())).max().item()
    return (f.mean() - g.mean()).item(), steepest


def test_a_critic_gives_no_probability() -> None:
    assert issubclass(Wasserstein, HasCritic)
    assert not issubclass(Wasserstein, HasDiscriminator)


def test_a_linear_critic_finds_the_difference_of_means_but_for_what_the_penalty_allows() -> None:
    data, samples = sets(40, 2)
    apart = (data.mean(0) - samples.mean(0)).norm().item()
    made = taught(data, samples, PLANE, 400, 0.02, layers=0, penalty=5.0)
    found, steepest = estimate(made, data, samples)
    # w·Δ - λ (|w| - 1)² is best at |w| = 1 + |Δ| / 2λ
    slope = 1 + apart / 10
    assert found == pytest.approx(slope * apart, rel=1e-3)
    assert steepest <= slope * 1.001
    reported = made.held_out(batch(data), Generator().manual_seed(0))
    assert reported["slope"].item() == pytest.approx(slope, rel=1e-3)
    assert reported["distance"].item() == pytest.approx(found, rel=1e-5)


def test_a_clipped_linear_critic_finds_the_difference_of_means_along_every_axis_times_the_bound() -> None:
    data, samples = sets(40, 2)
    made = taught(data, samples, PLANE, 100, 0.1, layers=0, constraint="clipping", clip=0.25)
    expected = 0.25 * (data.mean(0) - samples.mean(0)).abs().sum().item()
    assert estimate(made, data, samples)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("dimensions", "settings", "near"),
    [
        (1, {}, 0.85),
        (2, {}, 0.85),
        (1, {"constraint": "clipping", "clip": 0.5}, 0.5),
        (1, {"constraint": "none", "spectral": True}, 0.7),
    ],
    ids=["line", "plane", "clipped", "spectral"],
)
def test_a_critics_estimate_over_its_slope_is_near_the_exact_distance_and_never_above_it(
    dimensions: int, settings: dict[str, Any], near: float
) -> None:
    data, samples = sets(32, dimensions)
    spec = LINE if dimensions == 1 else PLANE
    made = taught(data, samples, spec, 400, 0.01, hidden=24, layers=2, **settings)
    found, steepest = estimate(made, data, samples)
    exact = wasserstein_distance(data, samples)
    assert near * exact < found / steepest <= exact * (1 + 1e-6)
    if made.settings.constraint == "gradient penalty":
        assert found == pytest.approx(exact, rel=0.15)
        slope = made.held_out(batch(data), Generator().manual_seed(0))["slope"].item()
        assert slope == pytest.approx(1.0, abs=0.2)


def test_on_a_line_a_penalty_of_both_sides_keeps_a_critic_at_the_wrong_sign_and_one_of_one_side_does_not() -> None:
    data, samples = sets(40, 1)
    for one_sided in (False, True):
        made = learner(Fixed(samples, LINE), LINE, layers=0, one_sided=one_sided, discriminator_rate=0.05)
        nn.init.constant_(made.discriminator.head.weight, 0.3)  # data lie below the samples
        for _ in range(100):
            made._turn("discriminator", batch(data))
        assert (estimate(made, data, samples)[0] > 0) is one_sided


def by_hand(critic: Critic, x: Tensor) -> Tensor:
    """∇f of v·tanh(Wx + b) + c."""
    body: Any = critic.body
    w, v = body.layers[0].weight, critic.head.weight[0]
    return (v * (1 - (x @ w.t() + body.layers[0].bias).tanh().square())) @ w


def test_slopes_are_those_of_autograd_by_hand_and_so_are_their_derivatives() -> None:
    torch.manual_seed(0)
    critic = Critic(
        CriticSettings(hidden=5, layers=1, activation="tanh"), ShownAs((2,)), PLANE, constant=False
    ).double()
    data, samples = (torch.randn(6, 2, dtype=torch.float64) for _ in range(2))
    share = torch.rand(6, generator=Generator().manual_seed(3), dtype=torch.float64)[:, None]
    between = share * data + (1 - share) * samples
    found = slopes(critic, Shown(data), Shown(samples), Generator().manual_seed(3))
    expected = by_hand(critic, between).norm(dim=1)
    torch.testing.assert_close(found, expected)
    parameters = list(critic.parameters())
    ours = torch.autograd.grad((found - 1).square().mean(), parameters)
    theirs = torch.autograd.grad((expected - 1).square().mean(), parameters)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_the_lines_run_from_pack_to_pack_and_take_what_stands_beside_along() -> None:
    torch.manual_seed(0)
    critic = Critic(CriticSettings(packing=2, layers=0), ShownAs((2,), beside=1), PLANE)
    shown = [Shown(torch.randn(5, 2), torch.randn(5, 1)) for _ in range(2)]
    # linear: the slope is the norm of all weights, those of the second example and of what stands beside included
    torch.testing.assert_close(slopes(critic, *shown), critic.head.weight.norm().expand(5))


def test_where_the_critic_is_flat_the_penalty_has_a_gradient_that_is_a_number() -> None:
    critic = Critic(CriticSettings(layers=0), ShownAs((2,)), PLANE)
    nn.init.zeros_(critic.head.weight)
    (gradient,) = torch.autograd.grad(
        (slopes(critic, Shown(torch.ones(3, 2)), Shown(torch.zeros(3, 2))) - 1).square().mean(), critic.head.weight
    )
    assert gradient.isfinite().all()


def test_clipping_keeps_every_weight_within_its_bound_and_leaves_the_generator() -> None:
    torch.manual_seed(0)
    model = Gan(GanSettings(hidden=8, latent=2), PLANE)
    made = learner(model, PLANE, hidden=8, constraint="clipping", clip=0.03, discriminator_rate=0.05)
    for _ in range(3):
        made.step(batch(torch.randn(10, 2)))
        assert all(p.abs().max() <= 0.03 for p in made.discriminator.parameters())
    assert any(p.abs().max() > 0.03 for p in made.model.parameters())


def test_the_generator_goes_up_the_critics_slope() -> None:
    data, samples = sets(40, 1)
    made = taught(data, samples, LINE, 150, 0.02, hidden=16, layers=1, one_sided=True)
    before = wasserstein_distance(data, samples)
    for group in made.optimizers["generator"].param_groups:
        group["lr"] = 0.1
    for _ in range(5):
        made._turn("generator", batch(data))
    assert wasserstein_distance(data, samples + made.model.shift.item()) < before - 0.2


def test_five_critic_steps_precede_one_of_the_generator() -> None:
    made = Wasserstein(Gan(GanSettings(hidden=8), PLANE), WassersteinSettings(hidden=8), PLANE, 100)
    assert made.minibatches == 5


def test_minibatch_features_are_refused_with_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"packing does the same; leave it at 0"):
        Recipe.read("gan", "wasserstein", {}, {"minibatch_features": 3})


# Spectral normalisation


def spectral(spec: DataSpec = PLANE, **settings: Any) -> Critic:
    torch.manual_seed(0)
    shape: Sequence[int] = spec.event_shape
    return Critic(
        CriticSettings(hidden=12, layers=2, channels=3, spectral=True, **settings), ShownAs(tuple(shape)), spec
    )


def weights(critic: Critic) -> list[Tensor]:
    return [layer.weight for layer in critic.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_passes_in_training_bring_the_largest_singular_value_to_1(network: Any) -> None:
    critic = spectral(IMAGE if network == "convolutional" else PLANE, network=network)
    x = Shown(torch.rand(4, *(IMAGE if network == "convolutional" else PLANE).event_shape))
    for _ in range(60):
        critic(x)
    critic.eval()
    found = [torch.linalg.matrix_norm(weight.flatten(1), 2).item() for weight in weights(critic)]
    assert len(found) == 3
    assert found == pytest.approx([1.0] * len(found), abs=1e-3)


def test_a_critic_of_normalised_layers_has_a_slope_of_one_at_most() -> None:
    critic = spectral()
    x, y = Shown(torch.randn(200, 2)), Shown(3 * torch.randn(200, 2))
    for _ in range(60):
        critic(x)
    critic.eval()
    product = math.prod(torch.linalg.matrix_norm(weight, 2).item() for weight in weights(critic))
    assert slopes(critic, x, y).max().item() <= product <= 1.001
    plain = Critic(CriticSettings(hidden=12, layers=2), ShownAs((2,)), PLANE)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(5)
    assert slopes(plain, x, y).max().item() > 1.001


def test_looking_on_leaves_the_vectors_of_the_power_method_as_they_are_and_training_resumes_bit_for_bit() -> None:
    recipe = Recipe.read("gan", "wasserstein", {"hidden": 6, "latent": 2}, {"hidden": 6, "spectral": True})
    torch.manual_seed(0)
    made = recipe.build(PLANE, 100)
    made.begin()
    x = torch.randn(10, 2)
    made.step(batch(x))
    state = {key: value.clone() for key, value in made.state_dict().items()}
    assert any(key.endswith("_u") for key in state)
    made.eval()
    made.held_out(batch(x), Generator().manual_seed(0))
    assert all(torch.equal(state[key], value) for key, value in made.state_dict().items())
    twin: Any = recipe.build_empty(PLANE, 100, torch.device("cpu"))
    twin.load_state_dict(state)
    twin.eval()
    assert torch.equal(twin.criticise(x), made.criticise(x))
    again = recipe.build(PLANE, 100)
    again.begin()
    again.load_state_dict(state)
    for name, optimizer in made.optimizers.items():
        again.optimizers[name].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    after = []
    for one in (made, again):
        one.train()
        torch.manual_seed(1)
        one.step(batch(x))
        after.append(one.state_dict())
    assert all(torch.equal(value, after[1][key]) for key, value in after[0].items())


def test_a_critic_out_of_its_bounds_is_noticed_and_what_is_offered_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wasserstein, "settled", lambda self: True)
    data, samples = sets(60, 2)

    def seen(scale: float, **settings: Any) -> str:
        made = learner(Fixed(samples, PLANE), PLANE, hidden=8, layers=1, **settings)
        with torch.no_grad():
            for parameter in made.discriminator.parameters():
                parameter.mul_(scale)
                if "clip" in settings:
                    parameter.clamp_(-settings["clip"], settings["clip"])
        found = made._astray(batch(data), Generator().manual_seed(0))
        for changes in found.changes.values() if found is not None else ():
            WassersteinSettings(**{**settings, **changes})
        return "" if found is None else found.kind

    assert seen(50.0) == "critic out of bounds"
    assert seen(1e-3) == "critic out of bounds"
    assert seen(50.0, constraint="none") == "critic out of bounds"
    assert seen(50.0, constraint="clipping", clip=0.01) == "critic at its bounds"
    slope = learner(Fixed(samples, PLANE), PLANE, hidden=8, layers=1)
    mean = slopes(slope.discriminator, Shown(data), Shown(samples), Generator().manual_seed(0)).mean().item()
    assert seen((1 / mean) ** 0.5) == "", "a slope of about 1"
    assert seen(1e-3, constraint="clipping", clip=0.5) == ""
