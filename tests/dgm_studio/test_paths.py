"""Paths through a latent space, and the films that are made of them."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dgm_studio import animation
from dgm_studio.animation import MOST, PER_SECOND, NotWritten, read, strip_of, write
from dgm_studio.paths import EASINGS, Easing, KeyFrame, Path, eased

CORNERS = [np.array(z, np.float32) for z in ([0, 0], [2, 0], [2, 4])]


def path(closed: bool = False, easing: Easing = "even") -> Path:
    """One second along the first leg, two along the second, and two back."""
    seconds = (1.0, 2.0, 2.0)
    return Path(tuple(KeyFrame(z, s, easing) for z, s in zip(CORNERS, seconds, strict=True)), closed)


class TestPath:
    def test_each_leg_takes_its_own_time(self) -> None:
        assert path().seconds == 3
        places = path().at(np.array([0, 0.5, 1, 2, 3, 9]))
        assert places == pytest.approx(np.array([[0, 0], [1, 0], [2, 0], [2, 2], [2, 4], [2, 4]]))

    def test_a_closed_path_goes_back_and_round_again(self) -> None:
        assert path(closed=True).seconds == 5
        places = path(closed=True).at(np.array([4.0, 5.0, 5.5, 10.5]))
        assert places == pytest.approx(np.array([[1, 2], [0, 0], [1, 0], [1, 0]]))

    @pytest.mark.parametrize("easing", EASINGS)
    def test_every_easing_goes_from_one_pin_to_the_next_and_never_back(self, easing: Easing) -> None:
        share = eased(np.linspace(0, 1, 101), easing)
        assert share[[0, -1]] == pytest.approx([0, 1])
        assert (np.diff(share) >= 0).all()
        slow = np.diff(share)[[0, -1]] < 0.002  # at rest in the first and in the last hundredth of the time
        assert slow.tolist() == {"even": [0, 0], "smooth": [1, 1], "start": [1, 0], "arrive": [0, 1]}[easing]

    def test_a_leg_has_the_easing_of_the_pin_it_leaves(self) -> None:
        frames = KeyFrame(CORNERS[0], 1, "start"), KeyFrame(CORNERS[1], 1, "even"), KeyFrame(CORNERS[2])
        assert Path(frames).at(np.array([0.5, 1.5])) == pytest.approx(np.array([[0.5, 0], [2, 2]]))

    def test_a_great_arc_keeps_to_its_radius(self) -> None:
        frames = KeyFrame(np.array([3.0, 0])), KeyFrame(np.array([0, 3.0]))
        places = Path(frames, spherical=True).at(np.linspace(0, 1, 9))
        assert np.linalg.norm(places, axis=1) == pytest.approx(3.0)

    def test_a_film_of_an_open_path_ends_at_its_end(self) -> None:
        film = path().film(PER_SECOND)
        assert len(film) == 3 * PER_SECOND + 1
        assert film[[0, -1]] == pytest.approx(np.array([[0, 0], [2, 4]]))

    def test_a_film_of_a_closed_path_can_be_repeated_without_a_stop(self) -> None:
        film = path(closed=True).film(PER_SECOND)
        assert len(film) == 5 * PER_SECOND
        steps = np.linalg.norm(np.diff(np.concatenate([film, film[:1]]), axis=0), axis=1)
        assert steps[-1] == pytest.approx(steps[-2], rel=1e-3)

    @given(st.lists(st.floats(0.1, 5), min_size=2, max_size=5), st.booleans())
    def test_all_pins_are_passed(self, seconds: list[float], closed: bool) -> None:
        frames = tuple(KeyFrame(np.array([i, i % 2], np.float32), s) for i, s in enumerate(seconds))
        made = Path(frames, closed)
        starts = np.cumsum([0.0, *seconds[:-1]])
        assert made.at(starts) == pytest.approx(np.stack([frame.z for frame in frames]), abs=1e-4)


def pictures(shape: tuple[int, int, int], n: int = 11) -> np.ndarray:
    """A bright column that moves to the right, from black to white: (n, *shape) uint8."""
    x = np.zeros((n, *shape), np.uint8)
    for i in range(n):
        x[i, :, :, i * shape[2] // n] = 55 + 200 * i // n
    return x


def decoded(path: File) -> list[np.ndarray]:
    """The frames of a film, read by another route than the product's: (H, W, 3)."""
    if path.suffix == ".mp4":
        import av

        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Image.open(path) as image:
        frames = []
        for i in range(getattr(image, "n_frames", 1)):
            image.seek(i)
            frames.append(np.asarray(image.convert("RGB")))
        return frames


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 9), (1, 200, 300)])
@pytest.mark.parametrize("kind", [".gif", ".mp4"])
def test_a_film_read_back_has_its_frames_their_size_and_its_length(
    kind: str, shape: tuple[int, int, int], tmp_path: File
) -> None:
    x = pictures(shape)
    film = write(tmp_path / f"film{kind}", x, repeat=False)
    frames = decoded(tmp_path / f"film{kind}")
    factor = film.height // shape[1]
    assert (film.pictures, film.seconds) == (11, pytest.approx(11 / PER_SECOND))
    assert len(frames) == 11
    assert all(frame.shape == (film.height, film.width, 3) for frame in frames)
    assert (film.height, film.width) == (shape[1] * factor, shape[2] * factor)
    assert max(film.height, film.width) >= 256
    assert film.height % 2 == film.width % 2 == 0
    for frame, picture in zip(frames, x, strict=True):
        middle = frame[factor // 2 :: factor, factor // 2 :: factor].astype(int)
        expected = np.broadcast_to(picture, (3, *shape[1:])).transpose(1, 2, 0)
        assert np.abs(middle - expected).mean() < (12 if kind == ".mp4" else 2)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 9)])
def test_a_strip_has_pictures_at_equal_distances(shape: tuple[int, int, int], tmp_path: File) -> None:
    film = write(tmp_path / "strip.png", pictures(shape, 111), repeat=False)
    strip = strip_of(pictures(shape, 111))
    [frame] = decoded(tmp_path / "strip.png")
    factor = film.height // shape[1]
    assert strip.shape[2] == 12 * shape[2] + 11 * animation.GAP
    assert (frame[::factor, ::factor] == strip.transpose(1, 2, 0)).all()
    assert np.array_equal(strip[:, :, : shape[2]], pictures(shape, 111)[0])
    assert np.array_equal(strip[:, :, -shape[2] :], pictures(shape, 111)[-1])


def test_only_what_is_closed_is_repeated(tmp_path: File) -> None:
    for repeat in (True, False):
        write(tmp_path / "x.gif", pictures((1, 8, 8)), repeat)
        with Image.open(tmp_path / "x.gif") as image:
            assert ("loop" in image.info) is repeat


def test_frames_that_are_alike_keep_their_time(tmp_path: File) -> None:
    still = np.full((50, 1, 8, 8), 99, np.uint8)
    assert write(tmp_path / "x.gif", still, repeat=False).seconds == pytest.approx(2)
    assert write(tmp_path / "x.mp4", still, repeat=False).pictures == 50


@pytest.mark.parametrize("kind", [".gif", ".mp4", ".png"])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_else(
    kind: str, call: str, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"film{kind}"
    file.write_bytes(b"old")

    def refuse(*given: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(NotWritten, match=r"film.*was not written: No space left on device\. Nothing was left behind"):
        write(file, pictures((1, 8, 8)), repeat=True)
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [(file.name, b"old")]


def test_a_folder_that_is_not_there_is_said(tmp_path: File) -> None:
    with pytest.raises(NotWritten, match="No such file or directory"):
        write(tmp_path / "gone" / "x.gif", pictures((1, 8, 8)), repeat=True)


def test_a_film_that_does_not_play_is_not_written(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = animation.KINDS[".gif"]
    monkeypatch.setitem(animation.KINDS, ".gif", lambda x, repeat: whole(x, repeat)[: len(x)])
    with pytest.raises(NotWritten):
        write(tmp_path / "x.gif", pictures((1, 8, 8)), repeat=True)
    assert not list(tmp_path.iterdir())


def test_a_film_that_would_fill_the_memory_is_refused(tmp_path: File) -> None:
    too_many = np.broadcast_to(np.zeros((1, 1, 2, 2), np.uint8), (MOST + 1, 1, 2, 2))
    with pytest.raises(NotWritten, match="3,000 are the most"):
        write(tmp_path / "x.gif", too_many, repeat=True)


def test_another_kind_of_file_is_refused(tmp_path: File) -> None:
    with pytest.raises(NotWritten, match=r"\.gif, \.mp4, \.png"):
        write(tmp_path / "x.avi", pictures((1, 8, 8)), repeat=True)


def test_what_makes_films_is_imported_when_one_is_made() -> None:
    import subprocess
    import sys

    code = "import sys, dgm_studio.animation; assert not {'av', 'PIL'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_half_a_film_is_recognised() -> None:
    file = io.BytesIO(animation.KINDS[".mp4"](pictures((1, 8, 8)), False))
    with pytest.raises((ValueError, OSError)):
        read(file.getvalue()[:400], ".mp4")
