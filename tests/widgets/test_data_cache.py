"""Data sets are kept while they are looked at, but not several large ones."""

from __future__ import annotations

import threading
import time

import pytest
from PySide6.QtCore import QThread
from pytestqt.qtbot import QtBot

from dgm_studio.config import DataChoice, of_domains
from dgm_studio.datasets import sources
from dgm_studio.datasets.base import BadData, Report
from widgets import data_cache
from widgets.data_cache import DataCache, while_wanted


def choice(seed: int) -> DataChoice:
    return DataChoice(source="digits", split_seed=seed)


def test_the_newest_few_are_kept() -> None:
    cache = DataCache()
    for seed in range(5):
        cache.load(choice(seed))
    assert [seed for seed in range(5) if cache.newest(choice(seed)) is not None] == [2, 3, 4]
    assert cache.load(choice(3)) is cache.newest(choice(3))


def test_of_large_ones_only_the_newest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DataCache()
    first = cache.load(choice(0))
    monkeypatch.setattr(data_cache, "KEPT_BYTES", first.nbytes - 1)
    second = cache.load(choice(1))
    assert cache.newest(choice(0)) is None
    assert cache.newest(choice(1)) is second


def test_each_domain_of_two_is_kept_by_itself() -> None:
    cache = DataCache()
    first = cache.load(choice(0))
    both = cache.load(of_domains(choice(0), choice(1)))
    assert both.domains[0].train is first.train
    assert cache.newest(choice(1)) is both.other
    assert cache.newest(of_domains(choice(1), choice(0))) is not None
    assert cache.newest(of_domains(choice(0), choice(2))) is None


def test_none_is_kept_of_a_project_that_was_closed() -> None:
    cache = DataCache()
    cache.load(choice(0))
    cache.clear()
    assert cache.newest(choice(0)) is None


def test_a_download_ends_when_the_thread_that_waits_for_it_is_to_end(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, ended = threading.Event(), threading.Event()

    def trickle(chosen: DataChoice, report: Report) -> None:
        while True:
            report(0.5, "downloading")
            reading.set()
            time.sleep(0.001)

    class Reader(QThread):
        def run(self) -> None:
            with pytest.raises(BadData, match="called off"):
                DataCache().load(choice(0), while_wanted)
            ended.set()

    monkeypatch.setattr(sources, "load", trickle)
    reader = Reader()
    reader.start()
    assert reading.wait(60)
    assert not ended.is_set()
    reader.requestInterruption()
    assert reader.wait(60_000)
    assert ended.is_set()
