"""The conditional game: that the class stands where it should, and hidden labels teach none."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from models.capabilities import Decodes, DecodesOfClass, HasDiscriminator, Samples, SamplesOfClass, ScoresExactly
from models.conditional_gan import ConditionalGan, ConditionalGanSettings, labelled_places
from models.learning.adversarial import NON_SATURATING, Adversarial, AdversarialSettings
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

PLANE = DataSpec((2,), Support.REALS, Layout.POINTS, class_names=("a", "b", "c"))
IMAGE = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE, class_names=("a", "b"))
CORNERS = torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])


def small(spec: DataSpec = PLANE, **changed: object) -> ConditionalGan:
    torch.manual_seed(0)
    return ConditionalGan(ConditionalGanSettings(**({"hidden": 32, "latent": 4, "channels": 3} | changed)), spec)  # type: ignore[arg-type]


def play(model: ConditionalGan, spec: DataSpec = PLANE, **changed: object) -> Adversarial:
    settings = AdversarialSettings(**({"hidden": 32, "layers": 2, "channels": 3} | changed))  # type: ignore[arg-type]
    learner = Adversarial(model, settings, spec, 100, NON_SATURATING)
    learner.begin()
    return learner


def corners(y: torch.Tensor) -> Batch:
    """Each class around a corner of its own; hidden labels around the first."""
    x = CORNERS[y.clamp(min=0)] + 0.1 * torch.randn(len(y), 2)
    return Batch(x, y, torch.arange(len(y)))


def test_it_draws_and_decodes_of_a_class_and_scores_nothing() -> None:
    for capability in (Samples, SamplesOfClass, DecodesOfClass):
        assert issubclass(ConditionalGan, capability)
    assert not issubclass(ConditionalGan, Decodes)  # a code alone is no example
    assert not issubclass(ConditionalGan, ScoresExactly)
    assert issubclass(Adversarial, HasDiscriminator)


@pytest.mark.parametrize(("spec", "network"), [(PLANE, "dense"), (IMAGE, "dense"), (IMAGE, "convolutional")])
def test_the_same_code_is_another_example_in_another_class(spec: DataSpec, network: str) -> None:
    model = small(spec, generator=network).eval()
    z, y = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 0])
    x = model.decode_of_class(z, y)
    assert x.shape == (5, *spec.event_shape)
    assert torch.allclose(x[:1], model.decode_of_class(z[:1], y[:1]), atol=1e-6)
    assert (model.decode_of_class(z, 1 - y) - x).abs().flatten(1).amax(1).min() > 1e-3
    assert (model.decode_of_class(z.roll(1, 0), y) - x).abs().flatten(1).amax(1).min() > 1e-3


@pytest.mark.parametrize(("spec", "network"), [(PLANE, "dense"), (IMAGE, "convolutional")])
def test_gradients_reach_the_embedding_of_every_class_in_both_networks(spec: DataSpec, network: str) -> None:
    model = small(spec, generator=network)
    learner = play(model, spec)
    y = torch.arange(12) % spec.classes
    batch = Batch(torch.rand(12, *spec.event_shape), y, y)
    for player, loss in (("g", learner.generator_loss(batch)[0]), ("d", learner.discriminator_loss(batch)[0])):
        learner.zero_grad()
        loss.backward()
        if player == "g":
            weights = model.generator[0].weight  # type: ignore[index]
        else:
            body = learner.discriminator.body
            weights = (body.layers if network == "dense" else body.mix)[0].weight
        assert (weights.grad[:, -spec.classes :].abs().sum(0) > 1e-6).all()


def test_the_discriminator_is_shown_samples_of_the_classes_of_the_data() -> None:
    model, batch = small(), corners(torch.tensor([2, 0, 1, 1]))
    data, samples = model.show_data(batch), model.show_samples(batch, Generator().manual_seed(3))
    assert torch.equal(data.x, batch.x)
    assert data.beside is not None
    assert samples.beside is not None
    assert data.beside.tolist() == samples.beside.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    torch.rand(4, generator=(again := Generator().manual_seed(3)))  # what chooses stand-ins for hidden labels
    assert torch.equal(samples.x, model.sample_of_class(batch.y, again))


def test_where_labels_are_hidden_labelled_examples_stand_in() -> None:
    y = torch.tensor([-1, 2, -1, 0, -1, -1, 0, -1])
    seen = set()
    for seed in range(30):
        place = labelled_places(y, Generator().manual_seed(seed))
        assert place[y >= 0].tolist() == [1, 3, 6]
        assert (y[place] >= 0).all()
        seen |= set(place.tolist())
    assert seen == {1, 3, 6}
    assert labelled_places(torch.full((4,), -1)).tolist() == [0, 1, 2, 3]
    shown = small().show_data(Batch(torch.randn(8, 2), y, y))
    assert shown.beside is not None
    assert shown.beside.sum(1).tolist() == [1] * 8
    nothing = small().show_data(Batch(torch.randn(4, 2), torch.full((4,), -1), y[:4]))
    assert nothing.beside is not None
    assert nothing.beside.abs().max() == 0


def test_data_without_classes_or_a_gradient_is_refused_with_what_fits() -> None:
    with pytest.raises(UnsuitableData, match=r"no classes: choose data with labels"):
        small(DataSpec((2,), Support.REALS, Layout.POINTS))
    with pytest.raises(UnsuitableData, match="choose images"):
        small(generator="convolutional")
    with pytest.raises(UnsuitableData, match="bits"):
        small(DataSpec((1, 8, 8), Support.BITS, Layout.IMAGE, class_names=("a", "b")))


def test_what_is_said_of_an_example_without_label_is_the_mean_over_its_classes() -> None:
    learner, x = play(small()), torch.randn(7, 2)
    with torch.no_grad():
        by_class = [
            learner.discriminator(learner.model.show_data(Batch(x, torch.full((7,), k), torch.arange(7)))).sigmoid()
            for k in range(3)
        ]
        assert torch.allclose(learner.discriminate(x), torch.stack(by_class).mean(0), atol=1e-6)


def test_samples_of_a_class_lie_where_that_class_does_also_where_most_labels_are_hidden() -> None:
    torch.manual_seed(0)
    learner = play(small(), generator_rate=5e-3, discriminator_rate=5e-3, average=0.9)
    for _ in range(300):
        y = torch.randint(3, (48,))
        learner.step(corners(torch.where(torch.rand(48) < 0.6, -1, y)))
    model = learner.sampler()
    y = torch.arange(300) % 3
    with torch.no_grad():
        nearest = torch.cdist(model.sample_of_class(y), CORNERS).argmin(1)
        every = torch.cdist(model.sample(300), CORNERS).argmin(1)
    assert (nearest == y).float().mean() > 0.95
    # examples without a label lay around the first corner: it is drawn no more often for that
    assert (every.bincount(minlength=3) - 100).abs().max() < 40
