"""Symptoms that stay become findings, once; and posterior collapse is one."""

from __future__ import annotations

import torch
from torch import Generator

from dgm_studio.doctor import BELIEVED, Doctor
from models.learning.base import Symptom
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.spec import Batch, DataSpec, Layout, Support
from models.vae import Vae, VaeSettings

ILL = Symptom("collapse", "It collapsed.", "by looking", "Try less.", {"less": {"kl_weight": 0.1}})


def test_a_symptom_that_stays_is_found_once() -> None:
    doctor = Doctor()
    for _ in range(BELIEVED - 1):
        doctor.hear(ILL)
    doctor.hear(None)
    assert not doctor.findings(), "it went away"
    for _ in range(BELIEVED):
        doctor.hear(ILL)
    (found,) = doctor.findings()
    assert (found.kind, found.text, found.measured, found.remedy) == (ILL.kind, ILL.text, ILL.measured, ILL.remedy)
    assert found.changes == ILL.changes
    for _ in range(3 * BELIEVED):
        doctor.hear(ILL)
    assert not doctor.findings()


def diagnosed(steps: int, collapsed: bool, **settings: float) -> Symptom | None:
    spec = DataSpec((1, 3, 3), Support.BITS, Layout.IMAGE)
    model = Vae(VaeSettings(hidden=4), spec)
    with torch.no_grad():
        for parameter in list(model.encoder.parameters())[-2:]:
            parameter.fill_(0) if collapsed else parameter.normal_()
    learner = ReparameterizedElbo(model, ReparameterizedElboSettings(**settings), spec, 20)
    learner.steps.fill_(steps)
    x = torch.rand(20, 1, 3, 3).round()
    return learner.diagnose(Batch(x, torch.zeros(20), torch.arange(20)), Generator().manual_seed(0))


def test_a_code_that_is_the_same_for_every_example_is_a_collapse() -> None:
    symptom = diagnosed(500, collapsed=True)
    assert symptom is not None
    assert symptom.kind == "posterior collapse"
    for changes in symptom.changes.values():  # what the buttons would set can be set
        ReparameterizedElboSettings(**changes)
    assert diagnosed(500, collapsed=False) is None
    assert diagnosed(500, collapsed=True, kl_annealing=1000) is None, "the KL weight still grows"
