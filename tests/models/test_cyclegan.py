"""Two generators between two domains, and how cycle consistency learns them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from models.cyclegan import CycleGan, CycleGanSettings
from models.learning.cycle_consistency import CycleConsistency, CycleConsistencySettings, Pool
from models.spec import Batch, DataSpec, Layout, Support, UnsuitableData

POINTS = DataSpec((2,), Support.REALS, Layout.POINTS)
PLANES = replace(POINTS, other=POINTS)
IMAGE = DataSpec((1, 8, 8), Support.UNIT, Layout.IMAGE)


def batch(a: Tensor, b: Tensor) -> Batch:
    y, index = torch.zeros(len(a), dtype=torch.int64), torch.arange(len(a))
    return Batch(a, y, index, Batch(b, y, index))


def points(n: int = 16, seed: int = 0) -> Batch:
    a, b = torch.randn(2, n, 2, generator=Generator().manual_seed(seed))
    return batch(a, b)


def linear(**settings: Any) -> CycleConsistency:
    """Two linear generators, with linear discriminators unless said otherwise, in double precision."""
    torch.manual_seed(0)
    model = CycleGan(CycleGanSettings(layers=0), PLANES)
    learner = CycleConsistency(model, CycleConsistencySettings(**{"layers": 0, **settings}), PLANES, 16)
    learner.begin()
    return learner.double()


def doubled(given: Batch) -> Batch:
    assert given.other is not None
    return batch(given.x.double(), given.other.x.double())


def put(generator: nn.Module, matrix: Tensor, shift: Tensor) -> None:
    """Make a linear generator x -> matrix x + shift."""
    with torch.no_grad():
        weight, bias = generator.parameters()
        weight.copy_(matrix)
        bias.copy_(shift)


def inverse_of_each_other(learner: CycleConsistency) -> None:
    matrix, shift = torch.tensor([[2.0, 1.0], [0.5, -1.0]]).double(), torch.tensor([0.3, -0.7]).double()
    put(learner.model.there, matrix, shift)
    put(learner.model.back, matrix.inverse(), -matrix.inverse() @ shift)


# What the loss is made of.


def test_generators_that_undo_each_other_have_no_cycle_error() -> None:
    learner = linear()
    inverse_of_each_other(learner)
    _, reported = learner.generator_loss(doubled(points()))
    assert reported["cycle"] < 1e-12
    put(learner.model.back, torch.eye(2), torch.zeros(2))
    _, reported = learner.generator_loss(doubled(points()))
    assert reported["cycle"] > 0.1


def test_generators_that_change_nothing_have_no_identity_error() -> None:
    learner = linear(identity=1.0)
    for generator in (learner.model.there, learner.model.back):
        put(generator, torch.eye(2), torch.zeros(2))
    _, reported = learner.generator_loss(doubled(points()))
    assert reported["identity"] == reported["cycle"] == 0
    put(learner.model.there, torch.eye(2), torch.tensor([1.0, -1.0]))
    _, reported = learner.generator_loss(doubled(points()))
    assert reported["identity"].item() == pytest.approx(1.0)  # of G on b alone: F still changes nothing


def by_hand(learner: CycleConsistency, given: Batch) -> Tensor:
    """Zhu et al. (2017), equations 1 to 3 and section 5.2, written out: of example after example."""
    settings, total = learner.settings, torch.zeros((), dtype=torch.float64)
    (to_g, shift_g), (to_f, shift_f) = (list(g.parameters()) for g in (learner.model.there, learner.model.back))
    assert given.other is not None

    def g(x: Tensor) -> Tensor:
        return to_g @ x + shift_g

    def f(x: Tensor) -> Tensor:
        return to_f @ x + shift_f

    def score(critic: nn.Module, x: Tensor) -> Tensor:
        weight, bias = critic.parameters()
        return (weight @ x + bias).squeeze()

    first, second = learner.critics
    for a, b in zip(given.x, given.other.x, strict=True):
        for critic, made in ((second, g(a)), (first, f(b))):
            if settings.objective == "least squares":
                total = total + (score(critic, made) - 1) ** 2
            else:
                total = total - torch.log(torch.sigmoid(score(critic, made)))
        total = total + settings.cycle * ((f(g(a)) - a).abs().sum() + (g(f(b)) - b).abs().sum()) / 2
        total = total + settings.identity * ((g(b) - b).abs().sum() + (f(a) - a).abs().sum()) / 2
    return total / len(given.x)


@pytest.mark.parametrize("objective", ["least squares", "cross-entropy"])
@pytest.mark.parametrize(("cycle", "identity"), [(0.0, 0.0), (10.0, 0.0), (0.0, 2.0), (10.0, 5.0)])
def test_each_generator_follows_the_terms_of_the_paper_and_no_others(
    objective: str, cycle: float, identity: float
) -> None:
    learner, given = linear(objective=objective, cycle=cycle, identity=identity), doubled(points())
    loss, _ = learner.generator_loss(given)
    expected = by_hand(learner, given)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    parameters = list(learner.model.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in range(parameter.numel()):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter.view(-1)[place] += sign * 1e-6
                    values.append(by_hand(learner, given).item())
                    parameter.view(-1)[place] -= sign * 1e-6
            assert gradient.flatten()[place].item() == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-5)


@pytest.mark.parametrize("objective", ["least squares", "cross-entropy"])
def test_each_discriminator_learns_of_its_own_domain_alone(objective: str) -> None:
    learner, given = linear(objective=objective, pool=0), doubled(points())
    assert given.other is not None
    loss, _ = learner.discriminator_loss(given)
    first, second = learner.critics
    gradients = torch.autograd.grad(loss, list(second.parameters()))
    assert not any(parameter.grad_fn for parameter in learner.model.parameters())
    made, b = learner.model.translate(given.x).detach(), given.other.x
    weight, bias = (p.detach().requires_grad_() for p in second.parameters())
    on_data, on_made = b @ weight[0] + bias, made @ weight[0] + bias
    if objective == "least squares":
        own = (on_data - 1).square().mean() + on_made.square().mean()
    else:
        own = -on_data.sigmoid().log().mean() - (1 - on_made.sigmoid()).log().mean()
    for ours, theirs in zip(gradients, torch.autograd.grad(own, [weight, bias]), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    other = points(seed=7)
    changed = batch(torch.randn_like(given.x), b)  # its own data stay, what is translated to it does not
    assert not torch.equal(
        torch.autograd.grad(learner.discriminator_loss(changed)[0], list(second.parameters()))[0], gradients[0]
    )
    assert other.other is not None
    assert first is not second


def test_a_step_moves_the_generators_by_their_loss_and_the_discriminators_by_theirs() -> None:
    learner, given = linear(), doubled(points())
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    reported = learner.step(given)
    assert set(reported) == {"discriminator", "told", "generator", "cycle"}
    after = learner.state_dict()
    for part in ("model.there.", "model.back.", "discriminator.0.", "discriminator.1.", "average.there."):
        assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith(part)), part


# The pool.


def test_the_pool_shows_new_translations_until_it_is_full() -> None:
    pool = Pool(6, (1,))
    for first in (0, 4):
        new = torch.arange(first, first + 4).float()[:, None]
        assert torch.equal(pool.exchange(new), new)
    assert pool.filled == 6
    assert sorted(pool.images.flatten().tolist()) == [2, 3, 4, 5, 6, 7]


def test_half_of_what_a_full_pool_shows_is_exchanged_and_nothing_is_lost() -> None:
    pool, generator = Pool(50, (1,)), Generator().manual_seed(0)
    pool.exchange(torch.arange(50).float()[:, None])
    shown_old, n = 0, 400
    for round in range(n):
        held = set(pool.images.flatten().tolist())
        new = torch.arange(10).float()[:, None] + 1000 + 10 * round
        shown = set(pool.exchange(new, generator).flatten().tolist())
        kept = set(pool.images.flatten().tolist())
        assert len(kept) == 50
        assert shown | kept == held | set(new.flatten().tolist())  # each is shown or kept, and none is made up
        assert not shown & kept
        shown_old += len(shown & held)
    share = shown_old / (10 * n)
    assert abs(share - 0.5) < 4 * (0.25 / (10 * n)) ** 0.5


def test_a_batch_larger_than_the_pool_exchanges_as_many_as_are_kept() -> None:
    pool = Pool(3, (1,))
    pool.exchange(torch.zeros(3, 1))
    shown = pool.exchange(torch.ones(10, 1), Generator().manual_seed(1))
    assert shown.shape == (10, 1)
    assert (shown[3:] == 1).all()
    assert shown.sum() + pool.images.sum() == 10
    assert torch.equal(Pool(0, (1,)).exchange(shown), shown)


def test_pools_never_mix_the_domains() -> None:
    torch.manual_seed(0)
    model = CycleGan(CycleGanSettings(layers=0), PLANES)
    learner = CycleConsistency(model, CycleConsistencySettings(layers=0, pool=8), PLANES, 16)
    learner.begin()
    put(model.there, torch.zeros(2, 2), torch.tensor([5.0, 5.0]))
    put(model.back, torch.zeros(2, 2), torch.tensor([-5.0, -5.0]))
    for seed in range(6):
        learner.discriminator_loss(points(seed=seed))
    to_a, to_b = (pool.images for pool in learner.pools)
    assert (to_a == -5).all()
    assert (to_b == 5).all()


def test_a_turn_that_is_only_reported_leaves_the_pool() -> None:
    learner = linear(pool=8)
    learner.moves = frozenset({"generator"})
    learner.step(doubled(points()))
    assert all(pool.filled == 0 for pool in learner.pools)


# What fits.


@pytest.mark.parametrize(
    ("first", "second", "settings", "said"),
    [
        (POINTS, None, {}, "second"),
        (replace(IMAGE, support=Support.BITS), IMAGE, {}, "binarisation: none"),
        (IMAGE, replace(IMAGE, support=Support.BITS), {}, "binarisation: none"),
        (IMAGE, POINTS, {"network": "convolutional"}, "dense"),
        (IMAGE, replace(IMAGE, event_shape=(1, 8, 9)), {"network": "convolutional"}, "one height and width"),
        (IMAGE, DataSpec((5,), Support.SYMBOLS, Layout.SEQUENCE, 3), {}, "choose"),
    ],
)
def test_domains_that_it_cannot_translate_between_are_refused(
    first: DataSpec, second: DataSpec | None, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnsuitableData, match=said):
        CycleGan(CycleGanSettings(**settings), replace(first, other=second))


def test_an_identity_weight_needs_domains_of_one_shape() -> None:
    unlike = replace(IMAGE, other=replace(IMAGE, event_shape=(3, 8, 8)))
    with pytest.raises(UnsuitableData, match="one shape"):
        CycleConsistency.check(CycleConsistencySettings(identity=1.0), unlike)
    CycleConsistency.check(CycleConsistencySettings(), unlike)


@pytest.mark.parametrize("network", ["dense", "convolutional"])
@pytest.mark.parametrize("side", [3, 8, 17])
def test_images_become_images_of_the_other_domain(network: Any, side: int) -> None:
    grey, colour = (replace(IMAGE, event_shape=(channels, side, side)) for channels in (1, 3))
    model = CycleGan(CycleGanSettings(network=network, hidden=8, channels=4), replace(grey, other=colour))
    there = model.translate(torch.rand(2, 1, side, side))
    back = model.translate(there, back=True)
    assert there.shape == (2, 3, side, side)
    assert back.shape == (2, 1, side, side)
    assert 0 <= there.min() <= there.max() <= 1


def test_points_become_images() -> None:
    model = CycleGan(CycleGanSettings(hidden=8), replace(POINTS, other=IMAGE))
    assert model.translate(torch.randn(3, 2)).shape == (3, 1, 8, 8)
    assert model.translate(torch.rand(3, 1, 8, 8), back=True).shape == (3, 2)
