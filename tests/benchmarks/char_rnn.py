"""Generating text that keeps the recurrent state, against reading it from the start again for every character."""

from __future__ import annotations

import time
from statistics import median

import torch
from torch import Generator, Tensor

from models.char_rnn import CharRnn, CharRnnSettings
from models.spec import DataSpec, Layout, Support

COUNT, CATEGORIES, ROUNDS = 4, 100, 3
LENGTHS = (64, 128, 256)


def _from_the_start(model: CharRnn, length: int, generator: Generator) -> Tensor:
    x = torch.zeros(COUNT, length)
    for t in range(length):
        p = model.log_predictions(x[:, : t + 1])[:, t].exp()
        x[:, t] = torch.multinomial(p, 1, generator=generator)[:, 0].float()
    return x


@torch.no_grad()
def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for length in LENGTHS:
        torch.manual_seed(0)
        spec = DataSpec((length,), Support.SYMBOLS, Layout.SEQUENCE, CATEGORIES)
        model = CharRnn(CharRnnSettings(), spec)
        kept, anew = [], []
        for seed in range(ROUNDS):
            begin = time.thread_time()
            ours = model.sample(COUNT, Generator().manual_seed(seed))
            kept.append(time.thread_time() - begin)
            begin = time.thread_time()
            theirs = _from_the_start(model, length, Generator().manual_seed(seed))
            anew.append(time.thread_time() - begin)
            assert (ours == theirs).float().mean() > 0.99  # but for rounding, the same text
        ratio = median(b / a for a, b in zip(kept, anew, strict=True))
        print(
            f"char-rnn, {COUNT} texts of {length} characters: {1e6 * median(kept) / length:.0f} µs a character with "
            f"the state kept, {1e6 * median(anew) / length:.0f} µs from the start: {ratio:.1f} × faster"
        )
    torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
