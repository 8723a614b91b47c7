"""Factors over groups of dimensions: closed form and descent agree, and lie between one factor each and all in one."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from models.estimation.mean_field import ascended, factorised, in_blocks

ROOT = torch.randn(5, 5, generator=Generator().manual_seed(0)).double()
COVARIANCE = ROOT @ ROOT.t() + 0.1 * torch.eye(5).double()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_descent_finds_what_the_closed_form_says(size: int) -> None:
    (variances, kl), (found, least) = in_blocks(COVARIANCE, size), ascended(COVARIANCE, size)
    assert found.tolist() == pytest.approx(variances.tolist(), rel=1e-3)
    assert least.item() == pytest.approx(kl.item(), abs=1e-5)


def test_the_ends_are_mean_field_and_the_posterior_itself() -> None:
    single = factorised(COVARIANCE)
    variances, kl = in_blocks(COVARIANCE, 1)
    assert variances.tolist() == pytest.approx(single.mean_field.tolist())
    assert kl.item() == pytest.approx(single.mean_field_kl.item())
    variances, kl = in_blocks(COVARIANCE, 5)
    assert variances.tolist() == pytest.approx(COVARIANCE.diagonal().tolist())
    assert kl.item() == pytest.approx(0, abs=1e-9)
    assert in_blocks(COVARIANCE, 1)[1] > in_blocks(COVARIANCE, 2)[1] > 0


def test_groups_that_are_independent_lose_nothing() -> None:
    apart = torch.block_diag(COVARIANCE[:2, :2], COVARIANCE[2:4, 2:4])
    assert in_blocks(apart, 2)[1].item() == pytest.approx(0, abs=1e-9)
