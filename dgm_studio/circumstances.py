"""What the last bits of a training depend on besides its settings, and what of it is different here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from dgm_studio import device as devices
from dgm_studio.store.saving import versions

if TYPE_CHECKING:
    from dgm_studio.store.run import Run


def circumstances(device: str, threads: int | None = None) -> dict[str, Any]:
    """Versions, threads (those of this process unless given), instruction set, and `device` as a person knows it."""
    return {
        "versions": versions(),
        "threads": torch.get_num_threads() if threads is None else threads,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": device,
    }


def resume_warnings(run: Run) -> list[str]:
    """Sentences on what is different here from where the run was last trained: its next steps may then differ in the
    last bits from those of an uninterrupted training. Raises NoSuchDevice."""
    if run.config is None or not run.provenance:
        return []
    then = run.provenance
    here = circumstances(devices.title(devices.resolve(run.config.training.device)), devices.training_threads())
    pairs = (
        ("version of PyTorch", then.get("versions", {}).get("torch"), here["versions"]["torch"]),
        ("number of threads", then.get("threads"), here["threads"]),
        ("CPU instruction set", then.get("cpu"), here["cpu"]),
        ("device", then.get("device"), here["device"]),
    )
    return [
        f"{run.name} was trained with another {what} ({before}; here it is {now}). It can go on, "
        "but its numbers may differ in their last digits from an uninterrupted training."
        for what, before, now in pairs
        if before != now
    ]
