"""Expected updates of a small belief net, against the gradient of what they may ascend, and against draws."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from models.capabilities import TooLarge
from models.catalog import Recipe
from models.estimation.progress import finish
from models.estimation.update_fields import (
    UpdateField,
    agreement,
    antisymmetric_share,
    evidence_bound,
    turning_plane,
    wake_sleep,
)
from models.learning.wake_sleep import WakeSleep
from models.spec import DataSpec, Layout, Support

SPEC = DataSpec((4,), Support.BITS, Layout.VECTOR)
DATA = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]).float()


def learner(first: int = 2, second: int = 2) -> WakeSleep:
    torch.manual_seed(0)
    made = Recipe.read("sigmoid-belief", "wake-sleep", {"first": first, "second": second}, {}).build(SPEC, len(DATA))
    for parameter in made.model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 1.0)
    assert isinstance(made, WakeSleep)
    return made


def test_the_bound_is_what_the_learners_report_and_its_update_its_gradient() -> None:
    made = learner()
    field = UpdateField(evidence_bound, made.model, DATA)
    drawn = made.model.draw_posterior(DATA, 20_000, Generator().manual_seed(0))
    assert field.value().item() == pytest.approx((drawn.log_joint - drawn.log_posterior).mean().item(), abs=0.02)
    update, place, step = field.update(), field.place, 1e-5
    for i in (0, 7, len(place) - 1):
        ends = []
        for sign in (1, -1):
            moved = place.clone()
            moved[i] += sign * step
            field.move(moved)
            ends.append(field.value().item())
        assert update[i].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_the_update_of_wake_and_sleep_is_the_mean_of_the_learners_own() -> None:
    """The draws are those of the learner, whose gradient is taken apart from all sums over states."""
    made = learner()
    loss, _ = made.surrogate(DATA.repeat(20_000, 1), Generator().manual_seed(1))
    found = torch.autograd.grad(-loss, list(made.model.parameters()))
    of_draws = torch.cat([g.flatten() for g in found]).double()
    exact = UpdateField(wake_sleep, made.model, DATA).update()
    assert (exact - of_draws).norm().item() < 0.03 * exact.norm().item()


def test_a_jacobian_is_that_of_the_update_also_where_draws_stand_still() -> None:
    field = UpdateField(wake_sleep, learner().model, DATA)
    jacobian, place, step = finish(field.jacobian()), field.place, 1e-5
    for j in (0, 9, len(place) - 1):
        ends: list[Tensor] = []
        for sign in (1, -1):
            moved = place.clone()
            moved[j] += sign * step
            field.move(moved)
            ends.append(field.update())
        assert torch.allclose(jacobian[:, j], (ends[0] - ends[1]) / (2 * step), atol=1e-7)


def test_the_bound_does_no_work_once_round_and_wake_and_sleep_do() -> None:
    model = learner().model
    bound, other = (UpdateField(rule, model, DATA) for rule in (evidence_bound, wake_sleep))
    of_bound, of_other = finish(bound.jacobian()), finish(other.jacobian())
    assert antisymmetric_share(of_bound) < 1e-12
    assert antisymmetric_share(of_other) > 0.02
    mine = bound.recognition()
    assert agreement(of_bound, mine) == pytest.approx(1)
    assert agreement(of_other, mine) < 0.99
    plane = turning_plane(of_other)
    place = bound.place
    gained, turned = bound.work_round(plane, 0.5), other.work_round(plane, 0.5)
    assert abs(gained[-1].item()) < 1e-10
    assert abs(turned[-1].item()) > 1e-3
    ends = []
    for direction in (plane[0], plane[1]):  # work is what the bound gains: at 0° and at 90°
        bound.move(place + 0.5 * direction)
        ends.append(bound.value().item())
    assert gained[len(gained) // 4].item() == pytest.approx(ends[1] - ends[0], abs=1e-4)


def test_only_recognition_is_told_as_recognition() -> None:
    made = learner()
    names = [name for name, p in made.model.named_parameters() for _ in range(p.numel())]
    mine = UpdateField(wake_sleep, made.model, DATA).recognition().tolist()
    assert mine == [name.startswith("recognition") for name in names]


def test_states_that_are_too_many_are_refused_with_what_would_fit() -> None:
    with pytest.raises(TooLarge, match="at most 12 hidden units"):
        UpdateField(wake_sleep, learner(first=13, second=0).model, DATA)
