"""What the ascent of the evidence bound can be set to, each against a closed form, on models of known evidence."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from models.catalog import Recipe
from models.estimation.likelihood import log_mean_weight
from models.learning.kl_weight import KlSettings, annealing_steps, charged_kl, kl_weight
from models.learning.refinement import refine
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.settings import SettingsError
from models.spec import Batch, DataSpec, Layout, Support
from models.vae import Vae, VaeSettings
from tests.models.test_vae import correlated, linear_vae

BITS = DataSpec((6,), Support.BITS, Layout.VECTOR)


def draws(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def some_bits(n: int = 60) -> Batch:
    x = torch.zeros(n, 6)
    x[torch.arange(n), torch.arange(n) % 2] = 1
    return Batch(x, torch.zeros(n), torch.arange(n))


def learner(**settings: Any) -> ReparameterizedElbo:
    torch.manual_seed(0)
    model = Vae(VaeSettings(hidden=16, layers=1), BITS)
    made = ReparameterizedElbo(model, ReparameterizedElboSettings(**settings), BITS, 60)
    made.begin()
    return made


def gradients(made: ReparameterizedElbo, loss: Tensor) -> dict[str, Tensor]:
    named = dict(made.model.named_parameters())
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


# The weight of the KL.


def weights(steps: range, **settings: Any) -> list[float]:
    chosen = KlSettings(**settings)
    return [float(kl_weight(chosen, torch.tensor(float(step)))) for step in steps]


def test_a_cyclical_weight_rises_over_half_of_each_cycle_and_stays_after_the_last() -> None:
    cyclical: dict[str, Any] = {"kl_weight": 2.0, "kl_annealing": 8, "kl_schedule": "cyclical", "kl_cycles": 2}
    cycle = [0, 0.5, 1, 1.5, 2, 2, 2, 2]
    assert weights(range(24), **cyclical) == [*cycle, *cycle, *[2] * 8]
    assert annealing_steps(KlSettings(**cyclical)) == 16
    assert weights(range(0, 24, 4), kl_annealing=8) == [0, 0.5, 1, 1, 1, 1]
    assert annealing_steps(KlSettings(kl_annealing=8)) == 8
    assert weights(range(2), kl_weight=3, kl_schedule="cyclical") == [3, 3], "no annealing, no cycle"


# Free bits.


def test_without_free_bits_all_of_the_kl_is_charged() -> None:
    kl = torch.rand(7, 5, generator=draws())
    assert charged_kl(KlSettings(), kl).item() == pytest.approx(kl.sum(1).mean().item())
    tiny = charged_kl(KlSettings(free_bits=1e-9), kl)
    assert tiny.item() == pytest.approx(kl.sum(1).mean().item())


def test_free_bits_are_free_on_average_over_the_batch_and_in_each_group() -> None:
    kl = torch.tensor([[0.1, 0.0, 2.0], [0.3, 3.0, 4.0]], requires_grad=True)  # means 0.2, 1.5, 3
    charged = charged_kl(KlSettings(free_bits=0.5), kl)
    assert charged.item() == pytest.approx(0.5 + 1.5 + 3)
    (gradient,) = torch.autograd.grad(charged, kl)
    assert gradient.tolist() == [[0, 0.5, 0.5], [0, 0.5, 0.5]], "below, nothing is lowered"
    grouped = charged_kl(KlSettings(free_bits=2, free_bits_group=2), kl)  # 0.2 + 1.5, and 3 alone
    assert grouped.item() == pytest.approx(2 + 3)
    (gradient,) = torch.autograd.grad(grouped, kl)
    assert gradient.tolist() == [[0, 0, 0.5], [0, 0, 0.5]]
    whole = charged_kl(KlSettings(free_bits=9, free_bits_group=10), kl)
    assert whole.item() == pytest.approx(9)


def test_a_code_keeps_its_free_bits_where_the_plain_bound_would_empty_it() -> None:
    kept = {}
    for free in (0.0, 0.3):
        made = learner(kl_weight=10.0, free_bits=free, learning_rate=0.01)
        for _ in range(150):
            kept[free] = made.step(some_bits())["kl"].item()
    assert kept[0.0] < 0.1
    assert kept[0.3] > 0.25


def test_reported_terms_are_those_of_the_bound_itself() -> None:
    plain = learner()
    for settings in ({"kl_weight": 7.0}, {"kl_annealing": 10}, {"free_bits": 3.0}, {"auxiliary": 2.0}):
        _, expected = plain.surrogate(some_bits().x, draws())
        _, found = learner(**settings).surrogate(some_bits().x, draws())
        for key in ("elbo", "reconstruction", "kl"):
            assert found[key].item() == pytest.approx(expected[key].item())


# Importance weights.


@pytest.mark.parametrize("k", [2, 30])
def test_the_importance_weighted_bound_is_the_evidence_where_q_is_the_posterior(k: int) -> None:
    x = correlated(40)
    model, exact = linear_vae(x)
    made = ReparameterizedElbo(model, ReparameterizedElboSettings(importance_samples=k), BITS, 40)
    loss, reported = made.surrogate(x, draws())
    assert reported["importance_weighted"].item() == pytest.approx(exact.mean().item())
    assert loss.item() == pytest.approx(-exact.mean().item())


@torch.no_grad()
def test_more_importance_samples_are_a_tighter_bound_and_one_is_the_plain_one() -> None:
    x = correlated(10)
    model, exact = linear_vae(x)
    model.encoder[0].bias += 0.3  # no longer the posterior
    repeated = x.repeat(3000, 1)
    bounds, before = [], None
    for k in (1, 2, 5, 20):
        of_each = log_mean_weight(model, repeated, k, draws(k)).reshape(3000, -1).mean(1)
        bounds.append(of_each.mean().item())
        error = of_each.std().item() / math.sqrt(3000)
        assert before is None or bounds[-1] > before + 5 * error
        before = bounds[-1]
    plain = model.elbo(repeated, draws()).value.mean().item()
    assert bounds[0] == pytest.approx(plain, abs=0.02)
    assert bounds[-1] < exact.mean().item() + 0.005


def test_the_gradient_weighs_draws_by_their_share() -> None:
    """Σ w̃_k ∇ log w_k (Burda et al., 2016, equation 13)."""
    made, x = learner(importance_samples=4), some_bits(5).x
    loss, _ = made.surrogate(x, draws())
    found = gradients(made, loss)
    log_w = made.model.log_weights(x, 4, draws())
    share = log_w.softmax(0).detach()
    expected = gradients(made, -(share * log_w).sum(0).mean())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


# The auxiliary decoder.


class _Ignores(nn.Module):
    """A decoder that does without z, as a strong autoregressive one learns to."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(6))

    def forward(self, z: Tensor) -> Tensor:
        return self.logits + 0 * z.sum(1, keepdim=True)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_auxiliary_loss_fills_a_code_that_the_models_own_decoder_ignores(weight: float) -> None:
    torch.manual_seed(0)
    model = Vae(VaeSettings(hidden=16, layers=1), BITS)
    model.decoder = _Ignores()
    settings = ReparameterizedElboSettings(auxiliary=weight, auxiliary_hidden=16, learning_rate=0.02)
    made = ReparameterizedElbo(model, settings, BITS, 60)
    made.begin()
    for _ in range(150):
        reported = made.step(some_bits())
    if weight:
        assert reported["kl"].item() > 0.4
        assert reported["auxiliary"].item() > -1.5  # log 2 nats for the bit, all else is certain; without z: -3.8
    else:
        assert reported["kl"].item() < 0.05
        assert "auxiliary" not in reported


def test_what_the_model_cannot_do_is_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"learner\.refinement: .* leave it at 0"):
        Recipe.read("linear-gaussian", "reparameterized-elbo", {}, {"refinement": 3})
    Recipe.read("vae", "reparameterized-elbo", {}, {"refinement": 3, "auxiliary": 1, "importance_samples": 5})

    class OnlyBounds:
        def elbo(self, x: Tensor, generator: Generator | None = None) -> None: ...

    assert {"importance_samples", "auxiliary", "refinement"} <= ReparameterizedElbo.out_of_reach(OnlyBounds).keys()
    assert set(ReparameterizedElbo.out_of_reach(Vae)) == {"evidence"}


# Refinement.


def bound_of_linear(model: Vae, x: Tensor, parameters: Tensor) -> Tensor:
    """The evidence bound of q = N(m, s²), in closed form: (B,)."""
    mean, log_scale = parameters.chunk(2, 1)
    weight, variance = model.decoder[0].weight, (2 * model.likelihood.log_scale).exp()
    away = (x - mean @ weight.T - model.decoder[0].bias).square().sum(1)
    spread = ((2 * log_scale).exp() * weight.square().sum(0)).sum(1)
    log_p = -0.5 * ((away + spread) / variance + x.shape[1] * (variance.log() + math.log(2 * math.pi)))
    return log_p - model.family.read(parameters).kl_from_standard().sum(1)


def test_refinement_raises_the_bound_of_a_linear_model_and_ends_at_its_posterior() -> None:
    x = correlated(40)
    model, exact = linear_vae(x)
    with torch.no_grad():
        posterior = model.posterior_parameters(x)
        torch.testing.assert_close(bound_of_linear(model, x, posterior), exact)  # the closed form is right
        said = posterior + torch.tensor([0.5, -0.5, 0.7, -0.7], dtype=torch.float64)
    bounds = [bound_of_linear(model, x, said).mean().item()]
    for steps in (1, 3, 10, 40):
        found = refine(model, x, said, steps, 0.002, generator=draws())
        bounds.append(bound_of_linear(model, x, found.parameters).mean().item())
    assert bounds == sorted(bounds)
    assert bounds[0] < exact.mean().item() - 3
    fast = refine(model, x, said, 150, 0.01, generator=draws())
    slow = refine(model, x, fast.parameters, 150, 0.001, generator=draws(1))  # noise is as large as steps are
    assert bound_of_linear(model, x, slow.parameters).mean().item() == pytest.approx(exact.mean().item(), abs=0.04)
    assert (slow.parameters - posterior).square().mean().item() < 5e-3
    once = refine(model, x.repeat(50, 1), said.repeat(50, 1), 1, 0.002, generator=draws())
    assert once.bound.mean().item() == pytest.approx(bounds[0], rel=0.05)


def test_the_decoder_learns_from_the_refined_posterior_and_the_encoder_from_its_own_bound() -> None:
    made, x = learner(refinement=3, refinement_rate=0.02, kl_weight=0.7), some_bits().x
    loss, reported = made.surrogate(x, draws())
    found = gradients(made, loss)
    generator = draws()
    said = made.model.posterior_parameters(x)
    of_encoder = made.model.elbo_of(x, said, generator)  # with the first draws
    refined = refine(made.model, x, said, 3, 0.02, 0.7, draws()).parameters
    for _ in range(2):
        made.model.elbo_of(x, said, generator)
    of_decoder = made.model.elbo_of(x, refined, generator)  # with the last
    for name, gradient in gradients(made, (0.7 * of_encoder.kl - of_encoder.reconstruction).mean()).items():
        if name.startswith("encoder"):
            torch.testing.assert_close(found[name], gradient)
    decoder = [(name, p) for name, p in made.model.named_parameters() if name.startswith("decoder")]
    expected = torch.autograd.grad((0.7 * of_decoder.kl - of_decoder.reconstruction).mean(), [p for _, p in decoder])
    for (name, _), gradient in zip(decoder, expected, strict=True):
        torch.testing.assert_close(found[name], gradient)
    gained = of_decoder.value.mean() - of_encoder.value.mean()
    assert reported["refined"].item() == pytest.approx(gained.item(), abs=1e-5)


@pytest.mark.parametrize("settings", [{"refinement": 2, "auxiliary": 1.0}, {"importance_samples": 3}])
def test_held_out_values_have_no_gradient_and_every_reported_key_is_declared(settings: dict[str, Any]) -> None:
    made = learner(**settings)
    with torch.no_grad():
        held = made.held_out(some_bits(), draws())
    reported = made.step(some_bits())
    declared = {quantity.key for quantity in made.quantities}
    assert set(held) | set(reported) <= declared
    assert not any(value.requires_grad for value in reported.values())
    assert held["gradient_variance"] > 0
