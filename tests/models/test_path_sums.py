"""Sums over paths against figures worked out by hand, and against the model's own recursions."""

from __future__ import annotations

import pytest
import torch

from models.capabilities import HiddenStates
from models.estimation.path_sums import all_paths, emission_log_probs, path_log_probs, state_posteriors
from models.hmm import Hmm, HmmSettings
from models.spec import DataSpec, Layout, Support

HEALTH = HiddenStates(
    torch.tensor([0.6, 0.4]), torch.tensor([[0.7, 0.3], [0.4, 0.6]]), torch.tensor([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]])
)


def test_the_known_example_has_its_known_evidence_and_most_probable_path() -> None:
    paths = all_paths(2, 3)
    assert len({tuple(path) for path in paths.tolist()}) == 8
    joint = path_log_probs(HEALTH, emission_log_probs(HEALTH, torch.tensor([0, 1, 2])), paths).exp()
    assert joint.sum().item() == pytest.approx(0.03628, abs=1e-6)
    assert joint.max().item() == pytest.approx(0.01512, abs=1e-6)
    assert paths[joint.argmax()].tolist() == [0, 0, 1]


def test_one_step_has_a_path_for_each_state() -> None:
    assert all_paths(3, 1).tolist() == [[0], [1], [2]]


@pytest.mark.parametrize("support", [Support.SYMBOLS, Support.REALS])
def test_recursions_of_the_model_say_the_same(support: Support) -> None:
    torch.manual_seed(0)
    shape, categories = ((6,), 4) if support is Support.SYMBOLS else ((6, 2), 0)
    model = Hmm(HmmSettings(states=3), DataSpec(shape, support, Layout.SEQUENCE, categories)).double()
    x = torch.randint(4, (6,)) if categories else torch.randn(6, 2).double()
    paths = all_paths(3, 6)
    chain = model.hidden_states()
    joint = path_log_probs(chain, emission_log_probs(chain, x), paths)
    explained = model.explain(x[None])
    assert joint.logsumexp(0).item() == pytest.approx(explained.log_prob.item(), abs=1e-9)
    assert torch.allclose(state_posteriors(joint, paths, 3), explained.posterior[0], atol=1e-9)
