"""What every learner is."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Generator, Tensor, nn

from models.settings import Settings, setting
from models.spec import Batch, DataSpec


class Feed(StrEnum):
    """What a learner is fed at each step."""

    MINIBATCHES = "minibatches"
    WHOLE_SET = "the whole training set"
    TWO_DOMAINS = "a minibatch of each domain"


@dataclass(frozen=True)
class Quantity:
    """Something a learner reports at each step (and as "valid/KEY" on held-out data, if `held_out` gives it)."""

    key: str
    title: str
    unit: str = "nats"
    goal: str = ""  # "higher" or "lower" is better; empty where neither is
    limit: float = math.inf  # a larger value, of either sign, says that training has diverged


# What may help, in a few words, and the settings of the learner that it changes. Beside them LEARNER may name another
# learner, which takes over the settings that it has as well, and ANEW say that a kept state does not fit: another
# network, for one. FROM is a step: what is kept of then, or before, is gone on from, and not the newest state.
Ways: TypeAlias = dict[str, dict[str, Any]]
LEARNER, ANEW, FROM = "learner", "anew", "from_step"


@dataclass(frozen=True)
class Symptom:
    """What ails a run, as its learner sees it: see `dgm_studio.events.Finding`."""

    kind: str
    text: str  # the same each time that it is seen
    measured: str
    remedy: str
    changes: Ways


class Learner(nn.Module):
    """Changes the parameters of `self.model`. Subclasses own optimisers, chains, critics, baselines and schedules.

    Everything a learner must remember is a parameter, a persistent buffer or an optimiser, so that `state_dict()` and
    the optimisers' states are all there is to save; buffers keep their shapes. `state_dict()` holds the model under
    "model.". The constructor draws no random numbers outside parameter and buffer initialisation, because a learner
    that only shows a stored run is built on the meta device.
    """

    feed: ClassVar[Feed] = Feed.MINIBATCHES
    needs: ClassVar[tuple[type, ...]] = ()  # capabilities (models/capabilities/) that the model must have
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    # Whether every step does the same work on tensors that stay where they are, so that a GPU may replay a recording of
    # it: no Python branch, counter or choice that differs from step to step.
    capturable: bool = False
    watches: ClassVar[tuple[str, ...]] = ()  # the kinds of symptoms that `diagnose` may see
    remedies: ClassVar[str] = "a smaller learning rate"  # what to try when training diverges, after "Try"

    model: Any  # an nn.Module with the capabilities in `needs`
    minibatches: int = 1  # how many of the run's batch size one step takes; they arrive as one batch

    def __init__(self, model: nn.Module, settings: Settings, spec: DataSpec, examples: int) -> None:
        """`examples`: size of the training set, which stochastic variational inference and schedules need."""
        super().__init__()
        self.model = model
        self.spec = spec
        self.examples = examples
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._under_way = False  # a step was done in this session

    @staticmethod
    def check(settings: Any, spec: DataSpec) -> None:
        """Raise UnsuitableData when there is nothing in this data that it could learn from."""

    @staticmethod
    def out_of_reach(model: type) -> Mapping[str, str]:
        """Settings that have to stay as they are by default with models of this class, and why: a clause.
        For capabilities beyond `needs`."""
        return {}

    def begin(self) -> None:
        """Make the optimisers. Called once, when parameters are on their device, before the first step or a resume."""

    def is_first(self, done: Tensor) -> bool:
        """Whether nothing was learned yet: a count that is kept, `done` (0-d), is 0. For a learner whose model starts
        from data. Asks the device once in a session."""
        if self._under_way:
            return False
        self._under_way = True
        return not done

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One update. Returns detached 0-d tensors by the keys of `quantities`; never waits for the device."""
        raise NotImplementedError

    def held_out(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """The same quantities (those that make sense) on held-out data, without changing anything."""
        return {}

    def diagnose(self, batch: Batch, generator: Generator) -> Symptom | None:
        """What ails the model on held-out data, if anything does. It is asked again and again, and believed when
        it says the same several times in succession."""
        return None

    @property
    def phase(self) -> str:
        """What the learner is doing now, for the progress bar; empty when there is one phase only."""
        return ""

    def sampler(self) -> nn.Module:
        """The model whose samples the run shows: the model itself unless the learner keeps an average."""
        return self.model


@dataclass(frozen=True)
class Learning:
    """What the catalogue says of a learning rule: its key on the command line and in project files, its class and what
    can be set."""

    key: str
    title: str
    lecture: str  # the lecture's section
    learner: type[Learner]
    settings: type[Settings]
    variant: Mapping[str, Any] | None = None  # constructor keywords that tell siblings of one class apart


class AdamSettings(Settings):
    """For learners that follow a gradient with Adam (Kingma & Ba, 2015)."""

    learning_rate: float = setting(
        1e-3,
        title="Learning rate",
        help="Step size of Adam.",
        reference="Kingma & Ba (2015), α",
        gt=0,
        le=1,
        log=True,
    )


class EagerAdam(torch.optim.Adam):
    """torch's Adam without what is there for torch.compile alone: each of these methods is wrapped in something that
    imports the compiler, which takes two seconds and 70 MB, and is used nowhere here. The arithmetic is torch's own."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


def adam(
    parameters: nn.Module, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Optimizer:
    """Adam over all parameters, fused into one kernel; on a GPU its count of steps is there too, for capturing."""
    tensors = list(parameters.parameters())
    on_gpu = bool(tensors) and tensors[0].is_cuda
    return EagerAdam(tensors, lr=learning_rate, betas=betas, fused=True, capturable=on_gpu)


def means(**values: Tensor) -> dict[str, Tensor]:
    """Batch means, detached, as a learner's `step` reports them."""
    return {key: value.detach().mean() for key, value in values.items()}
