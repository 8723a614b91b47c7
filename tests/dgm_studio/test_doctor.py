"""Symptoms that stay become findings, once; and posterior collapse is one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator

from dgm_studio.config import RunConfig
from dgm_studio.doctor import BELIEVED, Doctor
from dgm_studio.overfitting import CORRELATED, WRONGLY, Overfitting
from dgm_studio.treatment import state_for, treated
from models.learning.base import FROM, Quantity, Symptom
from models.learning.bound import ELBO
from models.learning.contrastive_divergence import PersistentCdSettings, PersistentContrastiveDivergence
from models.learning.reparameterized_elbo import ReparameterizedElbo, ReparameterizedElboSettings
from models.rbm import Rbm, RbmSettings
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


def test_two_who_look_at_different_sides_are_heard_beside_each_other() -> None:
    doctor, other = Doctor(), Symptom("other", "", "", "", {})
    for _ in range(BELIEVED):
        doctor.hear(ILL)
        doctor.hear(other, "elsewhere")
    assert [finding.kind for finding in doctor.findings()] == ["collapse", "other"]


def overfitted(held_out: Callable[[int], float], training: Callable[[int], float]) -> Symptom | None:
    """What is seen when these were reported at 40 times, the former lower by a scatter."""
    noise = np.random.default_rng(0)
    watcher = Overfitting((Quantity("value", "V"), ELBO), ReparameterizedElboSettings(learning_rate=0.01))
    found = None
    for time in range(40):
        steps = np.arange(100 * time, 100 * time + 100)
        values = {"elbo": (steps, training(time) + noise.normal(size=100))}
        assert not watcher.hear(values)
        scatter = 0.05 * noise.normal()
        assert watcher.hear({"valid/elbo": (steps[-1:], np.array([held_out(time) + scatter]))})
        found = watcher.seen() or found
    return found


def test_held_out_values_that_fall_while_training_rises_are_overfitting() -> None:
    rising = lambda time: -20 + 0.2 * time  # noqa: E731
    found = overfitted(lambda time: -20 - 0.01 * (time - 15) ** 2, rising)
    assert found is not None
    (slow,) = found.changes.values()
    assert slow["learning_rate"] == 0.001
    assert 1300 <= slow[FROM] <= 1700
    assert state_for([0, 500, 1100, 3000], slow) == 1100
    assert state_for([3000], slow) == 3000
    treatment = treated(RunConfig(family="vae", learner="reparameterized-elbo"), slow)
    assert treatment is not None
    assert treatment.learning == {"learning_rate": 0.001}
    assert overfitted(rising, rising) is None, "it still learns"
    assert overfitted(lambda time: -20 + min(time, 15), rising) is None, "it stays where it is"
    falling = lambda time: -20 - 0.01 * (time - 15) ** 2  # noqa: E731
    assert overfitted(falling, falling) is None, "training falls as well: something else is wrong"


def looked_at(held_out: np.ndarray) -> int | None:
    """After how many looks the doctor told of overfitting, while training got better all the time."""
    watcher, doctor = Overfitting((ELBO,), None), Doctor()
    for look, value in enumerate(held_out):
        step = np.array([100 * look])
        assert watcher.hear({"elbo": (step, step / 100.0), "valid/elbo": (step, np.array([value]))})
        doctor.hear(watcher.seen())
        if doctor.findings():
            return look + 1
    return None


def scattered(runs: int, looks: int, correlation: float) -> np.ndarray:
    """(R, T) values about 0 with variance 1, each correlated with the next."""
    noise = np.random.default_rng(1).normal(size=(runs, looks))
    noise[:, 1:] *= np.sqrt(1 - correlation**2)
    for look in range(1, looks):
        noise[:, look] += correlation * noise[:, look - 1]
    return noise


def test_held_out_values_that_only_scatter_are_seldom_taken_for_overfitting() -> None:
    """At most 1 run in 100, with all its looks. What tempts is that there are many, and that values scatter slowly: of
    the deviations from one value to the next, 4 are exceeded in most such runs."""
    runs = scattered(150, 50, CORRELATED)
    assert np.var(runs) == pytest.approx(1, abs=0.1)
    assert np.mean(runs[:, 1:] * runs[:, :-1]) == pytest.approx(CORRELATED, abs=0.1)
    assert sum(looked_at(run) is not None for run in runs) <= 150 * WRONGLY + 2


@pytest.mark.parametrize(("noise", "most"), [(0.001, 16), (0.01, 22)])
def test_overfitting_is_found_before_much_of_the_gain_is_lost(noise: float, most: int) -> None:
    """Held-out values rise, and lose 1 % of what they gained at each look from the 30th on. `noise`: share of the gain;
    `most`: percent that are lost when it is told."""
    looks = np.arange(80)
    curve = 1 - np.exp(-looks / 5) - 0.01 * np.maximum(looks - 30, 0)
    found = [looked_at(curve + noise * run) for run in scattered(20, 80, 0.3)]
    assert None not in found
    assert np.median([look - 30 for look in found if look is not None]) <= most
    assert min(look for look in found if look is not None) > 30


def stuck(steps: int, weight: float, temperatures: int = 1) -> Symptom | None:
    """What a machine says whose one hidden unit makes all bits alike; the heavier its weights, the longer."""
    spec = DataSpec((1, 2, 4), Support.BITS, Layout.IMAGE)
    model = Rbm(RbmSettings(hidden=1), spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(weight if parameter.ndim == 2 else -4 * weight if parameter.numel() == 1 else -weight / 2)
    settings = PersistentCdSettings(chains=10, temperatures=temperatures)
    learner = PersistentContrastiveDivergence(model, settings, spec, 20)
    learner.steps.fill_(steps)
    x = (torch.arange(20) % 2).float().reshape(-1, 1, 1, 1).expand(-1, 1, 2, 4)
    with torch.no_grad():
        return learner.diagnose(Batch(x, torch.zeros(20), torch.arange(20)), Generator().manual_seed(0))


def test_chains_that_stay_where_they_begin_do_not_mix() -> None:
    symptom = stuck(2000, weight=10.0)
    assert symptom is not None
    assert symptom.kind == "chains do not mix"
    config = RunConfig(family="rbm", learner="persistent-cd")
    assert [treated(config, changes) is not None for changes in symptom.changes.values()] == [True, True]
    assert stuck(2000, weight=0.1) is None
    assert stuck(100, weight=10.0) is None, "it may change yet"
    tempered = stuck(2000, weight=10.0, temperatures=3)
    assert tempered is not None
    assert list(tempered.changes) == ["4 sweeps a step"]
