"""Ways around discrete draws in an adversarial game, against gradients by enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from models.capabilities import Shown
from models.catalog import Recipe
from models.discrete_gan import DiscreteGan, DiscreteGanSettings
from models.learning.game_symptoms import repetition
from models.learning.reinforce_gan import ReinforceGan
from models.sequence_gan import SequenceGan, SequenceGanSettings
from models.settings import SettingsError
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

LENGTH, SYMBOLS = 3, 3
TEXT = DataSpec((LENGTH,), Support.SYMBOLS, Layout.SEQUENCE, SYMBOLS, symbols=("a", "b", " "))
BITS = DataSpec((1, 2, 2), Support.BITS, Layout.IMAGE)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def game(learner: str, family: str = "sequence-gan", spec: DataSpec = TEXT, steep: float = 4, **learning: Any) -> Any:
    torch.manual_seed(0)
    model = {"hidden": 5} if family == "sequence-gan" else {"hidden": 6, "latent": 2}
    made: Any = Recipe.read(family, learner, model, {"hidden": 6, "channels": 4} | learning).build(spec, 100)
    made = made.double()
    with torch.no_grad():  # far from undecided, so that what is wrong shows
        for module, scale in ((made.model, 2), (made.discriminator, steep)):
            for parameter in module.parameters():
                parameter.mul_(scale)
    made.begin()
    return made


def every_sequence() -> Tensor:
    return torch.tensor(list(product(range(SYMBOLS), repeat=LENGTH))).double()


def batch(x: Tensor) -> Batch:
    number = torch.arange(len(x))
    return Batch(x, number, number)


def gradient(value: Tensor, model: nn.Module) -> Tensor:
    """With respect to all parameters, as one vector."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.parameters()))])


def exact_gradient(made: Any) -> Tensor:
    """∇E[R(x)] by a sum over all sequences."""
    x = every_sequence()
    with torch.no_grad():
        reward = made._worth(made._judged(x))
    return gradient((made.model.log_prob(x).exp() * reward).sum(), made.model)


def estimates(made: Any, n: int, count: int) -> Tensor:
    """`count` estimates of ∇E[R(x)] by n draws each: (count, parameters)."""
    return torch.stack([-gradient(made.surrogate(n, draws(seed))[0], made.model) for seed in range(count)])


# REINFORCE.


@pytest.mark.parametrize(
    "how",
    [
        {"baseline": "none"},
        {"baseline": "running mean"},
        {"baseline": "other draws"},
        {"rollouts": 1},
        {"reward": "D"},
        {"reward": "log D"},
    ],
    ids=str,
)
def test_the_mean_of_the_score_function_is_the_gradient_of_the_expected_reward(how: dict[str, Any]) -> None:
    made = game("reinforce-gan", **how)
    made.usual.fill_(0.1)  # any number will do
    exact, found = exact_gradient(made), estimates(made, 64, 150)
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - exact).abs() <= 5 * error + 1e-12).all()
    assert exact.norm() > 3 * error.norm()  # an estimate of 0 would not pass


def test_a_baseline_and_rollouts_each_make_the_variance_smaller() -> None:
    made = game("reinforce-gan", baseline="none")
    with torch.no_grad():  # rewards far from 0, as those of a sure discriminator are
        made.discriminator.head.bias.sub_(4)
    variance = {}
    for how in ({"baseline": "none"}, {"baseline": "other draws"}, {"baseline": "other draws", "rollouts": 4}):
        made.settings = made.settings.model_copy(update=how)
        variance[str(how)] = estimates(made, 32, 60).var(0).sum().item()
    none, baseline, rollouts = variance.values()
    # 1.21, 0.038 and 0.021
    assert baseline < none / 10
    assert rollouts < baseline / 1.4


def test_of_bits_given_noise_the_mean_is_the_gradient_by_enumeration_too() -> None:
    made = game("reinforce-gan", "discrete-gan", BITS)
    model, codes = made.model, torch.randn(3, 2, generator=draws()).double()
    x = torch.tensor(list(product((0.0, 1.0), repeat=4))).double().reshape(-1, 1, 2, 2)
    with torch.no_grad():
        reward = made._worth(made._judged(x))
    log_p = model.log_likelihood(x, codes[:, None].expand(3, 16, 2))
    assert torch.allclose(log_p.exp().sum(1), torch.ones(3).double())
    exact = gradient((log_p.exp() * reward).sum(1).mean(), model)

    class Codes:
        """A prior over three codes, which makes the expectation a sum."""

        def sample(self, n: int, generator: Generator | None = None) -> Tensor:
            return codes[torch.randint(3, (n,), generator=generator)]

    model.prior = Codes
    found = estimates(made, 64, 150)
    assert ((found.mean(0) - exact).abs() <= 5 * found.std(0) / 150**0.5 + 1e-12).all()


def test_the_running_mean_follows_the_reward() -> None:
    made = game("reinforce-gan", baseline="running mean", memory=0.5, generator_rate=1e-9, discriminator_rate=1e-9)
    before, rewards = made.usual.item(), []
    for _ in range(3):
        rewards.append(made.step(batch(every_sequence()))["reward"].item())
        before += 0.5 * (rewards[-1] - before)
    assert made.usual.item() == pytest.approx(before, abs=1e-6)
    assert before != 0


def test_maximum_likelihood_comes_first_and_leaves_the_discriminator_alone() -> None:
    made = game("reinforce-gan", likelihood_steps=3)
    judge = [p.clone() for p in made.discriminator.parameters()]
    phases, reported = [], []
    for _ in range(5):
        phases.append(made.phase)
        reported.append(made.step(batch(every_sequence()[:4])))
        if len(phases) == 3:
            assert all(torch.equal(a, b) for a, b in zip(judge, made.discriminator.parameters(), strict=True))
    assert phases == ["maximum likelihood"] * 3 + ["adversarial game"] * 2
    assert reported[2]["log_prob"] > reported[0]["log_prob"]
    assert "value" not in reported[2]
    assert "value" in reported[3]
    again = game("reinforce-gan", likelihood_steps=3)
    again.load_state_dict(made.state_dict())
    assert again.phase == "adversarial game"


def test_what_the_model_cannot_do_is_not_offered() -> None:
    assert set(ReinforceGan.out_of_reach(DiscreteGan)) == {"rollouts", "likelihood_steps"}
    assert not ReinforceGan.out_of_reach(SequenceGan)
    with pytest.raises(SettingsError, match="no likelihood"):
        Recipe.read("discrete-gan", "reinforce-gan", {}, {"likelihood_steps": 5})


# Relaxed draws.


@pytest.mark.parametrize("family", ["sequence-gan", "discrete-gan"])
@torch.no_grad()
def test_cold_relaxed_samples_are_symbols_with_the_right_probabilities(family: str) -> None:
    model, n = game("gumbel-gan", family).model, 20_000
    cold = model.draw_relaxed(n, 1e-3, generator=draws())
    hard = model.draw_relaxed(n, 5.0, True, draws(1))
    assert cold.shape == hard.shape == (n, LENGTH, SYMBOLS)
    assert (cold.amax(-1) > 0.99).double().mean() > 0.99
    assert torch.equal(hard, hard.round())
    scale = torch.tensor([9.0, 3.0, 1.0]).double()
    if family == "sequence-gan":
        p = model.log_prob(every_sequence()).exp()
    else:
        codes = model.prior().sample(n, draws(2)).double()
        given = model.given(codes).mean  # (n, T, K)
        p = torch.einsum("na,nb,nc->abc", *given.unbind(1)).flatten() / n
    for sample in (cold, hard):
        found = torch.bincount((sample.argmax(-1).double() @ scale).long(), minlength=27) / n
        assert ((found - p).abs() <= 6 * (p * (1 - p) / n).sqrt() + 1e-9).all()


def test_the_bias_of_relaxed_samples_falls_with_the_temperature() -> None:
    """Of samples that the discriminator sees relaxed. R is the discriminator's logit, whatever it is shown."""
    made = game("gumbel-gan")
    x = every_sequence()
    reward = made.discriminator(made.model.show_data(batch(x))).detach()
    exact = gradient((made.model.log_prob(x).exp() * reward).sum(), made.model)
    bias, errors = [], []
    for temperature in (4.0, 1.0, 0.3):
        found = []
        for seed in range(20):
            shown = made.model.draw_relaxed(500, temperature, generator=draws(seed))
            found.append(gradient(made.discriminator(Shown(shown)).mean(), made.model))
        mean, error = torch.stack(found).mean(0), torch.stack(found).std(0) / len(found) ** 0.5
        bias.append(((mean - exact).norm() / exact.norm()).item())
        errors.append((error.norm() / exact.norm()).item())
    # 0.64, 0.22 and 0.12 of the gradient's length
    assert bias[0] > 2 * bias[1]
    assert bias[1] > 1.3 * bias[2]
    assert bias[1] > 3 * errors[1]  # more than chance


def test_the_temperature_falls_as_the_settings_say() -> None:
    made = game("gumbel-gan", temperature=2.0, final_temperature=0.5, cooling_steps=4)
    said = [made.step(batch(every_sequence()[:4]))["temperature"].item() for _ in range(6)]
    assert said == pytest.approx([2, 2**0.5, 1, 0.5**0.5, 0.5, 0.5], rel=1e-5)


@pytest.mark.parametrize(("hard", "whole"), [(True, True), (False, False)])
def test_straight_through_shows_the_discriminator_symbols(hard: bool, whole: bool) -> None:
    made = game("gumbel-gan", straight_through=hard)
    shown = made.show_samples(batch(every_sequence()))
    assert torch.equal(shown.x, shown.x.round()) is whole
    assert shown.x.requires_grad


# Embedded samples.


@pytest.mark.parametrize("spec", [TEXT, BITS], ids=["symbols", "bits"])
def test_every_value_is_nearest_to_its_own_place(spec: DataSpec) -> None:
    model = game("embedding-gan", "discrete-gan", spec).model
    x = every_sequence() if spec is TEXT else torch.randint(2, (16, 1, 2, 2), generator=draws()).double()
    assert torch.equal(model.nearest(model.show_data(batch(x)).x), x)
    e = model.draw_embedded(50, draws())
    place = model.show_data(batch(x)).x  # and what is said to be nearest is nearest
    ways = (e[:, None] - place[None]).flatten(2).square().sum(2) if spec is TEXT else None
    if ways is not None:
        assert torch.equal(model.nearest(e), x[ways.argmin(1)])


def test_the_discriminator_drives_embedded_samples_to_the_places_of_values() -> None:
    made = game("embedding-gan", "discrete-gan", steep=1, generator_rate=1e-2, discriminator_rate=1e-2)
    x = every_sequence()[[0, 5, 13, 26]].repeat(4, 1)
    away = [made.step(batch(x))["away"].item() for _ in range(150)]
    assert away[0] > 0.1
    assert sum(away[-20:]) / 20 < away[0] / 2


def test_noise_is_on_data_and_on_samples() -> None:
    made = game("embedding-gan", "discrete-gan", noise=0.5)
    x = every_sequence().repeat(50, 1)
    places = made.model.show_data(batch(x)).x
    assert (made.show_data(batch(x), draws()).x - places).std().item() == pytest.approx(0.5, rel=0.05)
    shown, plain = made.show_samples(batch(x), draws()).x, made.model.draw_embedded(len(x), draws())
    assert (shown - plain).std().item() == pytest.approx(0.5, rel=0.05)


# What all have.


def test_the_penalty_is_the_squared_slope_at_the_data() -> None:
    made = game("reinforce-gan", "discrete-gan", BITS, penalty=3.0)
    x = torch.randint(2, (5, 1, 2, 2), generator=draws()).double()
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()

    class Linear(nn.Module):
        def forward(self, shown: Any) -> Tensor:
            return shown.x.flatten(1) @ weight

    made.discriminator = Linear()
    assert made._steepness(batch(x)).item() == pytest.approx(weight.square().sum().item())


def test_held_out_log_likelihood_is_reported_where_there_is_one() -> None:
    x = every_sequence()
    made = game("gumbel-gan")
    said = made.held_out(batch(x), draws())
    assert said["log_prob"].item() == pytest.approx(made.model.log_prob(x).mean().item())
    assert "log_prob" not in game("gumbel-gan", "discrete-gan").held_out(batch(x), draws())


def test_what_the_generators_cannot_make_is_refused_with_what_would_fit() -> None:
    grey = DataSpec((1, 3, 3), Support.UNIT, Layout.IMAGE)
    with pytest.raises(UnsuitableData, match=r"binarisation.*or choose"):
        DiscreteGan.check(DiscreteGanSettings(), grey)
    with pytest.raises(UnsuitableData, match="recurrent"):
        DiscreteGan.check(DiscreteGanSettings(recurrent=True), BITS)
    with pytest.raises(UnsuitableData, match="symbols"):
        SequenceGan.check(SequenceGanSettings(), BITS)


def test_sequences_that_repeat_each_other_are_told() -> None:
    x = torch.randint(SYMBOLS, (100, LENGTH), generator=draws()).double()
    few = repetition(x, x[:4].repeat(25, 1), {})
    assert few is not None
    assert few.kind == "mode collapse"
    assert few.measured.startswith("4 different ones among 100 samples, and 2")
    assert repetition(x, x.flip(0), {}) is None
    assert repetition(x[:9], x[:1].repeat(9, 1), {}) is None  # too few to tell
    made = game("reinforce-gan", generator_rate=0.1)
    assert made.diagnose(batch(x), draws()) is None  # nothing learned yet
    made.settled = lambda: True
    with torch.no_grad():
        made.average.output.bias.copy_(torch.tensor([50.0, 0, 0]))
    symptom = made.diagnose(batch(x), draws())
    assert symptom is not None
    assert symptom.measured.startswith("1 different ones")
    assert "packing of 2" in symptom.changes
