"""Drawing images pixel by pixel: keeping what was computed against computing the whole image anew for every pixel."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Generator

from models.catalog import family
from models.pixels import PixelByPixel
from models.spec import DataSpec, Layout, Support

SIDE, ROUNDS, PASSES = 28, 5, 3
FAMILIES = ("pixelcnn", "row-lstm", "diagonal-bilstm")
NUMBERS = (1, 16, 64)  # images drawn at once


def _seconds(work: Callable[[], object], times: int = 1) -> float:
    begin = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - begin) / times


def _model(key: str, spec: DataSpec) -> PixelByPixel:
    torch.manual_seed(0)
    chosen = family(key)
    model = chosen.model(chosen.settings(), spec)
    assert isinstance(model, PixelByPixel)
    return model


def _round(model: PixelByPixel, n: int) -> tuple[float, float]:
    """Seconds of one pass over n images, and of drawing n."""
    x = torch.rand(n, *model.event_shape).lt(0.3).float()
    with torch.no_grad():
        model.log_prob(x)
        once = _seconds(lambda: model.log_prob(x), PASSES)
        return once, _seconds(lambda: model.sample(n, Generator().manual_seed(0)))


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spec = DataSpec((1, SIDE, SIDE), Support.BITS, Layout.IMAGE)
    for key in FAMILIES:
        for n in NUMBERS:
            rounds = [_round(_model(key, spec), n) for _ in range(ROUNDS)]
            # every pixel anew is as many passes as there are pixels, each as dear as the next
            passes = median(drawn / once for once, drawn in rounds)
            print(
                f"{key}, {SIDE}×{SIDE}, {n} at once: {SIDE * SIDE / passes:.0f} × faster than every pixel anew"
                f"{' (goal ≥ 10)' if key == 'pixelcnn' else ''}; {passes:.1f} passes over the images, "
                f"{1e3 * median(drawn for _, drawn in rounds):.0f} ms"
            )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
