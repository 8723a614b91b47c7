"""The deterministic networks of a run as ONNX, each checked against torch on other inputs than it was traced with."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from logging import CRITICAL, disable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from dgm_studio.exporting.base import Cancelled, Part, Source, Tell
from dgm_studio.subject import Interruptible
from models.capabilities import (
    Classifies,
    Decodes,
    DecodesInTurn,
    DecodesOfClass,
    Encodes,
    ExtractsFeatures,
    HasCritic,
    HasDiscriminator,
    HasFreeEnergy,
    PredictsEach,
    ScoresEach,
    ScoresExactly,
    SumsExactly,
    SumsLatent,
    Translates,
)
from models.distributions import LocationScale
from models.settings import printable
from models.spec import DataSpec

FOLDER = "onnx"
TRACED, CHECKED = 3, 8  # inputs that a network is traced with, and that it is checked on
FAR = 1e-3  # from torch, relative where values are beyond 1: networks that are written rightly are below 1e-4 (tests)
NEEDED = ("onnx", "onnxscript")
CHECKER = "onnxruntime"
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it tells its maker of every process that imports it, else
_alone = Lock()  # the exporter changes what belongs to the process
IN_TURN = (
    "decoder.onnx is not there: a code is decoded coordinate after coordinate, which as a fixed graph would be a copy "
    "of the network for each of them. conditionals.onnx scores them all in one pass, given x and z."
)
SUMS = (SumsExactly, SumsLatent)  # a sum over up to a million states is no network, and its graph takes gigabytes


@dataclass(frozen=True)
class Net:
    """A function of tensors with a fixed graph. `outputs` are named in order."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Callable[..., Any]
    given: str  # "x" examples, "other" of the second domain, "z" codes, "xz" both, "zy" codes and classes


def nets(model: Any, learner: Any, spec: DataSpec) -> list[Net]:
    """Which of a run's networks have a fixed graph, by its capabilities."""
    found = []
    if isinstance(model, DecodesInTurn):
        found.append(Net("conditionals", ("x", "z"), ("log_conditionals",), model.log_conditionals_given, "xz"))
    elif isinstance(model, Decodes):
        found.append(Net("decoder", ("z",), ("mean",), model.decode, "z"))
    if isinstance(model, DecodesOfClass):
        found.append(Net("decoder", ("z", "class"), ("mean",), model.decode_of_class, "zy"))
    if isinstance(model, Encodes):
        found.append(_encoder(model, spec))
    if isinstance(model, PredictsEach):
        found.append(Net("predictions", ("x",), ("log_probabilities",), model.log_predictions, "x"))
    if isinstance(model, ScoresEach):
        found.append(Net("conditionals", ("x",), ("log_conditionals",), model.log_conditionals, "x"))
    elif isinstance(model, ScoresExactly) and not isinstance(model, SUMS):
        found.append(Net("log-density", ("x",), ("log_p",), model.log_prob, "x"))
    if isinstance(model, HasFreeEnergy):
        found.append(Net("free-energy", ("x",), ("free_energy",), model.free_energy, "x"))
    if isinstance(model, Translates):
        found.append(Net("translator", ("x",), ("translation",), model.translate, "x"))
        found.append(Net("translator-back", ("x",), ("translation",), lambda x: model.translate(x, back=True), "other"))
    if isinstance(model, ExtractsFeatures):
        found.append(Net("features", ("x",), ("features",), model.features, "x"))
    classifier = next((one for one in (learner, model) if isinstance(one, Classifies)), None)
    if classifier is not None:
        found.append(Net("classifier", ("x",), ("log_probabilities",), classifier.class_log_prob, "x"))
    if isinstance(learner, HasDiscriminator):
        found.append(Net("discriminator", ("x",), ("probability",), learner.discriminate, "x"))
    if isinstance(learner, HasCritic):
        found.append(Net("critic", ("x",), ("score",), learner.criticise, "x"))
    return found


def _encoder(model: Any, spec: DataSpec) -> Net:
    with torch.no_grad():
        said = model.encode(torch.zeros(1, *spec.event_shape, device=next(model.parameters()).device))
    if isinstance(said, LocationScale):

        def both(x: Tensor) -> tuple[Tensor, Tensor]:
            code = model.encode(x)
            return code.location, code.log_scale

        return Net("encoder", ("x",), ("mean", "log_scale"), both, "x")
    return Net("encoder", ("x",), ("mean",), lambda x: model.encode(x).mean, "x")


class Onnx(Part):
    key, title, default = "onnx", "ONNX", False
    help = "Decoder, encoder, discriminator and other networks with a fixed graph, for any runtime of ONNX."
    needs_data = True
    POSSIBLE = (
        Decodes, DecodesOfClass, Encodes, PredictsEach, ScoresEach, HasFreeEnergy, Translates, ExtractsFeatures,
        Classifies, HasDiscriminator, HasCritic,
    )  # fmt: skip

    def refusal(self, model: type, learner: type) -> str:
        scores = issubclass(model, ScoresExactly) and not issubclass(model, SUMS)
        if not scores and not any(issubclass(one, kind) for one in (model, learner) for kind in self.POSSIBLE):
            return "This run has no network with a fixed graph: its parts draw at random, or sum over many states."
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            return f"{' and '.join(missing)} {verb} not installed: pip install dgm-studio[onnx]."
        return ""

    def write(self, source: Source, folder: Path, tell: Tell) -> list[str]:
        place = folder / FOLDER
        place.mkdir()
        subject, table = source.there, {}
        notes = [IN_TURN] if isinstance(subject.model, DecodesInTurn) else []
        for net in nets(subject.model, subject.learner, source.spec):
            tell(f"Writing and checking the {net.name} …")
            path = place / f"{net.name}.onnx"
            inputs = _inputs(net, source, CHECKED)
            try:
                with _alone, quiet(), Interruptible(source.called_off, Cancelled):
                    difference, any_number = _written(net, path, inputs)
            except Exception as error:  # of many kinds, and each only means that this graph is not fixed
                if source.called_off():  # torch catches that too, and tries again
                    raise Cancelled from None
                path.unlink(missing_ok=True)
                notes.append(f"{path.name} is not there: torch cannot write this as a fixed graph ({_reason(error)}).")
                continue
            shapes = {name: [*one.shape[1:]] for name, one in zip(net.inputs, inputs, strict=True)}
            about = {"inputs": shapes, "outputs": net.outputs, "any_number": any_number, "difference": difference}
            table[path.name] = about
            checked = (
                f"not checked, because {CHECKER} is not installed"
                if difference is None
                else f"checked with {CHECKER}, at most {difference:.1g} from torch on {CHECKED} inputs"
            )
            notes.append(f"{path.name} takes {'any number of examples' if any_number else 'one example'}: {checked}.")
        (place / "nets.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        return notes


class Differs(ArithmeticError):
    """What was written says something else than torch."""


class _Called(nn.Module):
    # what torch.onnx takes, around a method of a model
    def __init__(self, net: Net) -> None:
        super().__init__()
        self._net = net

    def forward(self, *inputs: Tensor) -> Any:
        return self._net.function(*inputs)


def _written(net: Net, path: Path, inputs: tuple[Tensor, ...]) -> tuple[float | None, bool]:
    """Write the net for any number of examples or, where its graph depends on how many there are, for one. Returns how
    far it is from torch on `inputs`, and whether it takes any number. Raises Differs when that is too far."""
    try:
        _export(net, path, tuple(one[:TRACED] for one in inputs), any_number=True)
        return _compared(net, path, [inputs]), True
    except Exception:  # of many kinds too; what then fails for one example says why
        _export(net, path, tuple(one[:1] for one in inputs), any_number=False)
        return _compared(net, path, [tuple(one[i : i + 1] for one in inputs) for i in range(len(inputs[0]))]), False


def _compared(net: Net, path: Path, batches: list[tuple[Tensor, ...]]) -> float | None:
    """The largest difference over batches of inputs; None without the checker. Raises Differs when it is too large."""
    found = [largest_difference(net, path, inputs) for inputs in batches]
    differences = [difference for difference in found if difference is not None]
    if not differences:
        return None
    if not all(difference <= FAR for difference in differences):  # also where it is not a number
        raise Differs(f"it says something else than torch, by {max(differences):.1g}")
    return max(differences)


def _export(net: Net, path: Path, inputs: tuple[Tensor, ...], any_number: bool) -> None:
    shapes = (tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs),) if any_number else None
    with torch.no_grad():
        # captured here: torch.onnx would take one that holds the number of examples fixed all the same, after a retry
        program = torch.export.export(_Called(net).eval(), inputs, dynamic_shapes=shapes, strict=False)
        torch.onnx.export(
            program,
            (),
            str(path),
            input_names=list(net.inputs),
            output_names=list(net.outputs),
            custom_translation_table=_translations(),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _translations() -> dict[Any, Callable[..., Any]]:
    """Operators that are written better here than onnxscript does."""
    from onnxscript import opset18 as operators

    def log_sigmoid(x: Any) -> Any:  # log σ(x) = -softplus(-x); the logarithm of a sigmoid is -∞ from x = -88 on
        return operators.Neg(operators.Softplus(operators.Neg(x)))

    return {torch.ops.aten.log_sigmoid.default: log_sigmoid}


def largest_difference(net: Net, path: Path, inputs: tuple[Tensor, ...]) -> float | None:
    """Between what onnxruntime and torch make of `inputs`, relative where values are beyond 1; None without it."""
    if find_spec(CHECKER) is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {name: one.cpu().numpy() for name, one in zip(net.inputs, inputs, strict=True)}
    made = session.run(None, given)
    with torch.no_grad():
        expected = net.function(*inputs)
    wanted = [one.cpu().numpy() for one in (expected if isinstance(expected, tuple) else (expected,))]
    apart = [np.max(np.abs(a - b) / np.maximum(1, np.abs(b))) for a, b in zip(made, wanted, strict=True)]
    return float(np.max(apart))  # which is not a number where one of them is not


def _inputs(net: Net, source: Source, n: int) -> tuple[Tensor, ...]:
    subject = source.there
    held = subject.dataset.domains[-1 if net.given == "other" else 0].valid.x[:n].to(subject.device)
    if net.given in ("x", "other"):
        return (held,)
    codes = subject.model.prior().sample(n, Generator(subject.device).manual_seed(source.seed))
    if net.given == "z":
        return (codes,)
    if net.given == "xz":
        return held, codes[: len(held)]
    return codes, torch.arange(n, device=subject.device) % subject.model.conditional_classes()


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter talks a lot."""
    disable(CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        disable(0)


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and "rand" in lines[0]:
        return "it draws random numbers"
    if lines and "data-dependent" in lines[0]:
        return "what it computes depends on values that it has computed"
    unknown = re.search(r"No ONNX function found for .*?aten\.(\w+)", lines[0]) if lines else None
    if unknown:
        return f"ONNX has no {unknown[1].strip('_')}"
    return printable(lines[0] if lines else type(error).__name__).partition(". ")[0].rstrip(".")[:160]
