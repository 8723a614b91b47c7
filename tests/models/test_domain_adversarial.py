"""Domain-adversarial training against what its equations say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.capabilities import Classifies, ExtractsFeatures, Samples, TellsDomains
from models.domain_network import DomainNetwork, DomainNetworkSettings, to_shape
from models.learning.base import adam
from models.learning.domain_adversarial import DomainAdversarial, DomainAdversarialSettings, reverse_gradient
from models.normalisation import BatchNormalisation
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

NAMES = ("a", "b")
POINTS = DataSpec((2,), Support.REALS, Layout.POINTS, class_names=NAMES)
PLANE = replace(POINTS, other=POINTS)
GREY = DataSpec((1, 4, 4), Support.UNIT, Layout.IMAGE, class_names=NAMES)
COLOUR = DataSpec((3, 6, 6), Support.UNIT, Layout.IMAGE, class_names=NAMES)


def drawn(seed: int, n: int = 24, shift: float = 0.0, labels: bool = True) -> Batch:
    """Two classes, one on each side of a line."""
    generator = torch.Generator().manual_seed(seed)
    x, index = torch.randn(n, 2, generator=generator), torch.arange(n)
    y = (x[:, 0] + 0.3 * x[:, 1] > 0).long() if labels else torch.full((n,), -1)
    return Batch(x + shift, y, index)


def both(seed: int = 0, shift: float = 1.5) -> Batch:
    return replace(drawn(seed), other=drawn(seed + 1, 20, shift))


def learner(seed: int = 0, spec: DataSpec = PLANE, **settings: object) -> DomainAdversarial:
    torch.manual_seed(seed)
    model = DomainNetwork(DomainNetworkSettings(hidden=8, features=6, activation="tanh"), spec)
    chosen = DomainAdversarialSettings(discriminator_hidden=5, discriminator_activation="tanh", **settings)  # type: ignore[arg-type]
    made = DomainAdversarial(model, chosen, spec, 100)
    made.begin()
    return made


def test_the_reversal_layer_is_the_identity_and_turns_the_gradient_round() -> None:
    x = torch.randn(5, 3, requires_grad=True)
    weights, strength = torch.randn(5, 3), torch.tensor(0.7)

    def gradient(z: Tensor) -> Tensor:
        return torch.autograd.grad((z.sin() * weights).sum(), x)[0]

    assert torch.equal(reverse_gradient(x, strength), x)
    assert torch.equal(gradient(reverse_gradient(x, strength)), -strength * gradient(x))


def test_gradients_are_those_of_equations_13_to_15_by_finite_differences() -> None:
    made, batch, step = learner().double(), both(), 1e-6
    batch = replace(batch, x=batch.x.double(), other=replace(batch.other, x=batch.other.x.double()))  # type: ignore[type-var, union-attr]
    strength = torch.tensor(0.6, dtype=torch.float64)
    loss, _ = made._losses(batch, strength)
    loss.backward()

    def losses() -> Tensor:
        with torch.no_grad():
            reported = made._losses(batch, strength)[1]
        return torch.stack([reported["class_loss"], reported["domain_loss"]])

    for name, parameter in made.named_parameters():
        place = parameter.numel() // 2  # one number of each tensor
        with torch.no_grad():
            value = parameter.view(-1)[place].item()
            parameter.view(-1)[place] = value + step
            above = losses()
            parameter.view(-1)[place] = value - step
            below = losses()
            parameter.view(-1)[place] = value
        of_class, of_domain = ((above - below) / (2 * step)).tolist()
        wanted = of_class - 0.6 * of_domain if name.startswith("model.extract") else of_class + of_domain
        assert parameter.grad is not None
        assert parameter.grad.view(-1)[place].item() == pytest.approx(wanted, abs=1e-8), name


def test_with_a_reversal_of_0_training_is_that_of_the_classifier_alone_bit_for_bit() -> None:
    made = learner(reversal=0.0)
    torch.manual_seed(0)
    alone = DomainNetwork(DomainNetworkSettings(hidden=8, features=6, activation="tanh"), PLANE)
    optimizer = adam(alone, made.settings.learning_rate)
    for seed in range(20):
        batch = both(seed)
        made.step(batch)
        optimizer.zero_grad()
        F.cross_entropy(alone.classify(alone.features(batch.x)), batch.y).backward()
        optimizer.step()
    for (name, a), b in zip(made.model.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_with_a_reversal_features_differ_from_those_of_the_classifier_alone() -> None:
    made, plain = learner(growth_steps=0), learner(reversal=0.0)
    for seed in range(5):
        made.step(both(seed))
        plain.step(both(seed))
    assert not torch.equal(made.model.extract[0][1][0].weight, plain.model.extract[0][1][0].weight)


def test_labels_of_the_target_change_no_bit_of_the_training() -> None:
    made, blind = learner(growth_steps=3), learner(growth_steps=3)
    for seed in range(10):
        batch = both(seed)
        assert batch.other is not None
        hidden = replace(batch.other, y=batch.other.y.flip(0) if seed % 2 else torch.full_like(batch.other.y, -1))
        reported, without = made.step(batch), blind.step(replace(batch, other=hidden))
        assert reported.keys() == without.keys()
        assert "target_accuracy" not in reported
        assert all(torch.equal(reported[key], without[key]) for key in reported)
    for (name, a), b in zip(made.state_dict().items(), blind.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_no_discriminator_gets_below_log_2_where_the_features_of_both_domains_are_the_same() -> None:
    batch = drawn(0)
    same = replace(batch, other=batch)
    for seed in range(5):
        made = learner(seed)
        assert made._losses(same, torch.tensor(1.0))[1]["domain_loss"].item() > math.log(2) - 1e-6
    with torch.no_grad():
        for parameter in made.discriminator.parameters():
            parameter.zero_()
    reported = made._losses(same, torch.tensor(1.0))[1]
    assert reported["domain_loss"].item() == pytest.approx(math.log(2), abs=1e-6)
    assert reported["domain_accuracy"].item() == 0.5


def test_the_reversal_grows_as_in_the_paper_and_its_place_is_kept() -> None:
    made = learner(reversal=2.0, growth_steps=4)
    said = [made.step(both(seed))["reversal"].item() for seed in range(6)]
    parts = [0, 0.25, 0.5, 0.75, 1, 1]
    assert said == pytest.approx([2 * (2 / (1 + math.exp(-10 * p)) - 1) for p in parts], abs=1e-6)
    again = learner(seed=1, reversal=2.0, growth_steps=4)
    again.load_state_dict(made.state_dict())
    assert again.strength() == made.strength()


def test_both_step_sizes_fall_over_the_steps_of_decay_and_stay_there() -> None:
    made = learner(learning_rate=0.01, discriminator_rate=0.02, decay=4)
    for seed in range(6):
        made.step(both(seed))
        rates = [group["lr"].item() for o in made.optimizers.values() for group in o.param_groups]
        part = 0.02 + 0.98 * (1 + math.cos(math.pi * min(seed / 4, 1))) / 2
        assert rates == pytest.approx([0.01 * part, 0.02 * part], rel=1e-5)


def test_what_tells_the_domains_apart_is_given_up_for_what_both_share() -> None:
    """Both coordinates tell the class of the source; in the target the second one is the same for both classes."""

    def domains(seed: int, n: int) -> Batch:
        generator, index = torch.Generator().manual_seed(seed), torch.arange(n)
        y = index % 2
        side, noise = 2.0 * y[:, None] - 1, 0.3 * torch.randn(2, n, 2, generator=generator)
        target = torch.cat([side, torch.full_like(side, 3.0)], 1)
        return Batch(side + noise[0], y, index, Batch(target + noise[1], y, index))

    held = {}
    for reversal in (0.0, 1.0):
        made = learner(reversal=reversal, growth_steps=0, learning_rate=0.01, discriminator_rate=0.01)
        for seed in range(200):
            made.step(domains(seed, 64))
        held[reversal] = {key: value.item() for key, value in made.held_out(domains(5000, 500), None).items()}  # type: ignore[arg-type]
    assert held[0.0]["source_accuracy"] > 0.99
    assert held[0.0]["target_accuracy"] < 0.7
    assert held[1.0]["source_accuracy"] > 0.99
    assert held[1.0]["domain_accuracy"] < held[0.0]["domain_accuracy"] - 0.1
    assert held[1.0]["target_accuracy"] > 0.95


def test_what_is_said_of_the_target_counts_only_examples_with_a_label() -> None:
    made, batch = learner(), both()
    assert batch.other is not None
    y = batch.other.y.clone()
    y[10:] = -1
    held = made.held_out(replace(batch, other=replace(batch.other, y=y)), torch.Generator())
    right = made.model.class_log_prob(batch.other.x[:10]).argmax(1) == y[:10]
    assert held["target_accuracy"].item() == pytest.approx(right.float().mean().item())
    unlabelled = learner(spec=replace(PLANE, other=replace(POINTS, class_names=())))
    assert "target_accuracy" not in unlabelled.held_out(batch, torch.Generator())


def test_images_of_two_sizes_share_their_features() -> None:
    # pooled: 8 channels of 6 // 2 // 2 = 1 pixel
    for network, count in (("dense", 5), ("convolutional", 5), ("pooled", 8)):
        settings = DomainNetworkSettings(network=network, hidden=6, features=5, channels=4, layers=2)  # type: ignore[arg-type]
        model = DomainNetwork(settings, replace(GREY, other=COLOUR))
        assert model.common == (3, 6, 6)
        assert model.feature_count() == count
        for shape in (GREY.event_shape, COLOUR.event_shape):
            assert model.features(torch.rand(7, *shape)).shape == (7, count)
    grey = torch.rand(2, 1, 4, 4)
    coloured = to_shape(grey, (3, 4, 4))
    assert all(torch.equal(coloured[:, k], grey[:, 0]) for k in range(3))
    assert torch.allclose(to_shape(torch.full((1, 1, 4, 4), 0.3), (3, 6, 6)), torch.tensor(0.3))


def test_pooled_features_are_the_largest_of_every_2_by_2_after_convolutions() -> None:
    torch.manual_seed(0)
    settings = DomainNetworkSettings(network="pooled", channels=3, layers=1)
    model = DomainNetwork(settings, replace(GREY, other=replace(GREY, class_names=())))
    convolution = next(layer for layer in model.extract if isinstance(layer, nn.Conv2d))
    assert convolution.kernel_size == (5, 5)
    x = torch.rand(4, 1, 4, 4)
    maps = convolution(2 * x - 1).relu()
    largest = torch.stack([maps[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)
    torch.testing.assert_close(model.features(x), largest.permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize(
    ("network", "maps"),
    [("dense", 2), ("convolutional", 1), ("pooled", 2)],  # that are normalised, of two layers
)
def test_what_is_normalised_by_batches_is_judged_by_statistics_of_the_target(network: str, maps: int) -> None:
    torch.manual_seed(0)
    spec = replace(GREY, other=replace(GREY, class_names=()))
    settings = DomainNetworkSettings(network=network, channels=2, normalisation="batch")  # type: ignore[arg-type]
    model = DomainNetwork(settings, spec)
    layers = [layer for layer in model.modules() if isinstance(layer, BatchNormalisation)]
    assert len(layers) == maps
    made = DomainAdversarial(model, DomainAdversarialSettings(), spec, 100)
    made.begin()
    y, index = torch.arange(40) % 2, torch.arange(40)
    dark, bright = (Batch(level + 0.2 * torch.rand(40, 1, 4, 4), y, index) for level in (0.0, 0.8))
    with torch.no_grad():
        expected = [model.features(x) for x in (dark.x, bright.x)]  # each by the statistics of its own batch
    for parameter in made.optimizers["network"].param_groups:
        parameter["lr"] = 0.0
    for _ in range(150):  # until running averages have arrived
        made.step(replace(dark, other=bright))
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model.features(bright.x), expected[1], rtol=0.05, atol=0.05)
        assert (model.features(dark.x) - expected[0]).abs().max() > 0.3


def test_momentum_is_that_of_both_players() -> None:
    made = learner(beta1=0.3)
    assert {group["betas"] for o in made.optimizers.values() for group in o.param_groups} == {(0.3, 0.999)}


def test_domains_that_do_not_go_together_are_refused_with_advice() -> None:
    settings = DomainNetworkSettings()
    cases = [
        (POINTS, "two domains"),
        (replace(POINTS, other=GREY), "one kind"),
        (replace(POINTS, other=replace(POINTS, event_shape=(3,))), "one size"),
        (replace(POINTS, class_names=(), other=POINTS), "labels"),
        (replace(POINTS, other=replace(POINTS, class_names=("c", "d"))), "same names"),
        (replace(GREY, other=replace(GREY, support=Support.BITS)), "one kind"),
        (replace(COLOUR, other=replace(COLOUR, event_shape=(4, 6, 6))), "grey or colour"),
    ]
    for spec, said in cases:
        with pytest.raises(UnsuitableData, match=said) as refused:
            DomainNetwork(settings, spec)
        assert "choose" in str(refused.value)
    DomainNetwork(settings, replace(POINTS, other=replace(POINTS, class_names=())))
    for network in ("convolutional", "pooled"):
        with pytest.raises(UnsuitableData, match="of images"):
            DomainNetwork(DomainNetworkSettings(network=network), PLANE)  # type: ignore[arg-type]


def test_features_that_stay_apart_are_noticed_once_the_reversal_has_grown() -> None:
    made, far = learner(growth_steps=2, discriminator_rate=0.05), both(shift=6.0)
    assert made.diagnose(far, torch.Generator()) is None
    for _ in range(20):
        made.discriminator_step = made.step(far)
    symptom = made.diagnose(far, torch.Generator())
    assert symptom is not None
    for changes in symptom.changes.values():
        made.settings.model_validate(made.settings.model_dump() | changes)
    assert learner(reversal=0.0).diagnose(far, torch.Generator()) is None


def test_it_classifies_and_does_not_claim_to_sample() -> None:
    made = learner()
    assert isinstance(made.model, Classifies)
    assert isinstance(made.model, ExtractsFeatures)
    assert isinstance(made, TellsDomains)
    assert not isinstance(made.model, Samples)
    probability = made.target_probability(torch.randn(9, 2))
    assert probability.shape == (9,)
    assert ((probability > 0) & (probability < 1)).all()
