"""Texts as windows of characters: what is read is what stands there, and no part sees another's."""

import gzip
import hashlib

import numpy as np
import pytest
import torch

from dgm_studio.config import DataChoice
from dgm_studio.datasets import text
from dgm_studio.datasets.preview import preview
from dgm_studio.datasets.sources import load, source
from models.spec import Layout, Support
from tests.dgm_studio.datasets.reading import loaded, refusal

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def numbered(n):
    """A text that tells of each of its places: no five characters stand at two of them."""
    return "".join(f"{chr(97 + k % 26)}{k:04}" for k in range(n // 5))


def write(tmp_path, content, name="t.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(split, spec):
    return ["".join(spec.symbols[int(k)] for k in row) for row in split.x]


def test_windows_are_pieces_of_the_text_and_parts_do_not_share_any(tmp_path):
    whole = numbered(5000)
    data = loaded("text", write(tmp_path, whole), length=20)
    parts = [read(split, data.spec) for split in (data.train, data.valid, data.test)]
    assert [len(part) for part in parts] == [200, 25, 25]
    for part, begin in zip(parts, (0, 4000, 4500), strict=True):
        assert sorted(part) == sorted(whole[at : at + 20] for at in range(begin, begin + 20 * len(part), 20))
    assert data.spec.event_shape == (20,)
    assert data.spec.support is Support.SYMBOLS
    assert data.spec.layout is Layout.SEQUENCE
    assert data.spec.categories == len(data.spec.symbols) == 36
    assert "windows of 20 out of 36 characters" in data.spec.protocol
    assert any("contiguous parts, the first 80 %" in step for step in data.provenance.steps)


@pytest.mark.parametrize("stride", [1, 7, 30])
def test_training_windows_may_overlap_each_other_but_never_held_out_ones(tmp_path, stride):
    whole = numbered(5000)
    data = loaded("text", write(tmp_path, whole), length=20, stride=stride)
    parts = [read(split, data.spec) for split in (data.train, data.valid, data.test)]
    places = [np.array([[whole.index(w) + k for k in range(20)] for w in part]) for part in parts]
    assert sorted(places[0][:, 0]) == list(range(0, 4000 - 20 + 1, stride))
    assert places[0].max() < 4000 <= places[1].min()
    assert places[1].max() < 4500 <= places[2].min()
    assert all(len(np.unique(place)) == place.size for place in places[1:])


def test_rare_characters_become_one_symbol_and_it_is_said(tmp_path):
    whole = "aab " * 500 + "xyyz" * 2 + "aab " * 100
    data = loaded("text", write(tmp_path, whole), length=20, alphabet=4)
    assert data.spec.symbols == (" ", "a", "b", text.OTHER)
    joined = "".join(read(data.test, data.spec) + read(data.valid, data.spec) + read(data.train, data.spec))
    assert set(joined) <= {" ", "a", "b", text.OTHER}
    assert joined.count(text.OTHER) == 8
    assert any("3 rarer ones, at 8 places (0.33 %), became �" in step for step in data.provenance.steps)
    assert "�" not in loaded("text", write(tmp_path, whole), length=20, alphabet=6).spec.symbols


def test_capitals_can_be_made_small(tmp_path):
    path = write(tmp_path, "The Cat And THE DOG. " * 100)
    assert len(loaded("text", path, length=10).spec.symbols) > len(loaded("text", path, lower_case=True).spec.symbols)
    assert "".join(loaded("text", path, lower_case=True).spec.symbols).islower()


def test_line_ends_of_all_systems_are_one_and_terminals_are_not_steered(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 3)  # so that blocks end within line ends and characters
    unix = loaded("text", write(tmp_path, "a°\n\nb–c\n" * 50), length=8)
    for end in ("\r\n", "\r"):
        other = loaded("text", write(tmp_path, "a°\n\nb–c\n".replace("\n", end) * 50), length=8)
        assert other.spec == unix.spec
        assert torch.equal(other.train.x, unix.train.x)
    steered = loaded("text", write(tmp_path, "\ufeff" + "ab\x1b[2J\x9b" * 50), length=8)
    assert set(steered.spec.symbols) == {"a", "b", "[", "2", "J", text.OTHER}


def test_packed_text_and_checksum(tmp_path):
    plain = loaded("text", write(tmp_path, numbered(3000)))
    packed = gzip.compress(numbered(3000).encode())
    data = loaded("text", write(tmp_path, packed, "t.txt.gz"))
    assert torch.equal(data.train.x, plain.train.x)
    assert data.provenance.files[0][1] == hashlib.sha256(packed).hexdigest()


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (b"", {}, "is empty. Choose a text."),
        ("short", {}, "has 5 characters; windows of 128 need at least 1,280"),
        (b"fine \xff\xfe", {}, "not text in UTF-8 (byte 5 is 0xff)"),
        (b"PK\x03\x04\0\0", {}, "holds a zero byte at 4"),
        ("abc" * 400_000, {"length": 10_000, "stride": 1}, "can be used"),
    ],
)
def test_what_is_no_text_or_too_little_or_too_much_is_refused(tmp_path, content, settings, message):
    path = write(tmp_path, content)
    sentence = refusal("text", path, **settings)
    assert message in sentence
    assert path.name in sentence


def test_more_text_than_can_be_held_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "TEXT", 10_000)
    assert "holds more than 10 kB of text" in refusal("text", write(tmp_path, gzip.compress(b"a" * 10**7), "t.gz"))


def test_grey_values_and_bits_are_not_asked_of_text(tmp_path):
    path = write(tmp_path, numbered(3000))
    with pytest.raises(Exception, match="Choose binarisation: none"):
        load(DataChoice(source="text", settings={"path": str(path)}, binarization="threshold"))


def test_the_reference_text_comes_with_python():
    assert source("python-reference").available()
    data = load(DataChoice(source="python-reference"))
    whole = text.reference_text()
    assert len(whole) > 300_000
    assert len(data.train) * 128 > 0.75 * len(whole)
    assert {*LETTERS, "\n", " "} <= set(data.spec.symbols)
    assert "Python Software Foundation" in data.provenance.licence
    assert all(window in whole for window in read(data.valid, data.spec)[:20])


def test_a_preview_tells_the_alphabet_and_carries_the_symbols():
    data = load(DataChoice(source="grammar", settings={"examples": 100}))
    shown = preview(data, 10)
    assert shown.symbols == data.spec.symbols
    assert shown.lines[0] == "Sequences of 44 symbols out of 25"
    assert shown.examples.max() > 1
