"""Downloads, against a server on this machine that can do everything a bad one does."""

import hashlib
import http.server
import resource
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from dgm_studio.config import DataChoice
from dgm_studio.datasets import fetch as fetching
from dgm_studio.datasets import mnist
from dgm_studio.datasets.base import BadData
from dgm_studio.datasets.fetch import RemoteFile, fetch
from dgm_studio.datasets.sources import load
from dgm_studio.store.lock import lock_path, take
from tests.dgm_studio.datasets.reading import write_mnist

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SILENT = lambda fraction, text: None  # noqa: E731


class Cancel(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    """/ok/… /plain/… (no ranges) /cut/… (ends after half) /wrong/… /missing/… /broken/… /silent/… /stalled/… (silent
    after half) /dripping/… (a byte now and then) /circle/… (sends elsewhere without end) /shifted/… (another range)"""

    def do_GET(self):
        _, way, *rest = self.path.split("/")
        content = self.server.files.get("/".join(rest), CONTENT)
        asked = self.headers.get("Range")
        self.server.asked.append((way, asked))
        if way == "missing":
            self.send_error(404)
            return
        if way == "broken":
            self.send_error(500)
            return
        if way == "circle":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        if way == "silent":
            self.server.stop.wait(20)
            return
        start = int(asked.split("=")[1].rstrip("-")) if asked and way != "plain" else 0
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start + (way == 'shifted')}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if way == "wrong":
            body = bytes(len(body))
        if way == "dripping":
            while not self.server.stop.wait(0.02):
                self.wfile.write(b"x")
        self.wfile.write(body[: len(body) // 2] if way in ("cut", "stalled") else body)
        if way == "stalled":
            self.server.stop.wait(20)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is no error here."""


@contextmanager
def serving():
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.files, server.stop = [], {}, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server():
    with serving() as running:
        yield running


def remote(server, *ways, content=CONTENT):
    base = f"http://127.0.0.1:{server.server_port}"
    addresses = tuple(f"{base}/{way}/data.bin" for way in ways)
    return RemoteFile("data.bin", len(content), hashlib.md5(content).hexdigest(), addresses)


def refusal(file, folder, **options):
    with pytest.raises(BadData) as caught:
        fetch(file, folder, SILENT, **options)
    return str(caught.value)


def test_file_arrives_once_with_progress(server, tmp_path):
    seen = []
    path = fetch(remote(server, "ok"), tmp_path / "new" / "folder", lambda f, t: seen.append((f, t)))
    assert path.read_bytes() == CONTENT
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert seen[-1][1] == "Downloading data.bin: 1.0 MB of 1.0 MB"
    assert len(seen) > 10
    fetch(remote(server, "ok"), tmp_path / "new" / "folder", SILENT)
    assert len(server.asked) == 1
    assert [p.name for p in path.parent.iterdir()] == ["data.bin"]


def cancel_after(fraction):
    def report(done, text):
        if done > fraction:
            raise Cancel

    return report


def test_cancelled_download_goes_on_where_it_was(server, tmp_path):
    with pytest.raises(Cancel):
        fetch(remote(server, "ok"), tmp_path, cancel_after(0.4))
    kept = (tmp_path / "data.bin.part").stat().st_size
    assert 0.4 * len(CONTENT) < kept < len(CONTENT)
    seen = []
    path = fetch(remote(server, "ok"), tmp_path, lambda f, t: seen.append(f))
    assert server.asked[-1] == ("ok", f"bytes={kept}-")
    assert seen[0] == kept / len(CONTENT)
    assert path.read_bytes() == CONTENT


def test_server_without_ranges_starts_again(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1000)
    assert fetch(remote(server, "plain"), tmp_path, SILENT).read_bytes() == CONTENT


def test_server_that_sends_another_range_is_not_believed(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert "another part of the file" in refusal(remote(server, "shifted"), tmp_path)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:1000]


def test_range_that_is_refused_starts_again(server, tmp_path):
    server.files["data.bin"] = CONTENT[:500]  # shorter than what is asked for
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    assert "has another file there, of 500 bytes and not 1.0 MB" in refusal(remote(server, "ok"), tmp_path)
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_download_that_ends_early_is_kept_and_said(server, tmp_path):
    text = refusal(remote(server, "cut"), tmp_path)
    assert "the connection ended after 524 kB of 1.0 MB" in text
    assert "The first 524 kB are kept, and the next try goes on from there." in text
    assert fetch(remote(server, "ok"), tmp_path, SILENT).read_bytes() == CONTENT


def test_next_address_goes_on_where_the_last_ended(server, tmp_path):
    assert fetch(remote(server, "missing", "cut", "ok"), tmp_path, SILENT).read_bytes() == CONTENT
    assert server.asked[-1] == ("ok", f"bytes={len(CONTENT) // 2}-")


def test_wrong_content_is_removed(server, tmp_path):
    text = refusal(remote(server, "wrong"), tmp_path)
    assert "the checksum is not the published one, so the file was removed" in text
    assert list(tmp_path.iterdir()) == []
    assert fetch(remote(server, "wrong", "ok"), tmp_path, SILENT).read_bytes() == CONTENT


@pytest.mark.parametrize("spoiled", [b"", b"old", bytes(len(CONTENT)), bytes(len(CONTENT) + 5)])
def test_spoiled_files_are_replaced(server, tmp_path, spoiled):
    (tmp_path / "data.bin").write_bytes(spoiled)
    assert fetch(remote(server, "ok"), tmp_path, SILENT).read_bytes() == CONTENT


@pytest.mark.parametrize("spoiled", [bytes(1000), bytes(len(CONTENT)), bytes(len(CONTENT) + 5)])
def test_spoiled_beginning_is_removed_in_the_end(server, tmp_path, spoiled):
    (tmp_path / "data.bin.part").write_bytes(spoiled)
    assert fetch(remote(server, "ok", "ok"), tmp_path, SILENT).read_bytes() == CONTENT


def test_missing_file_is_said(server, tmp_path):
    assert "the server answered 404 Not Found" in refusal(remote(server, "missing"), tmp_path)


def test_no_server_is_said_with_what_to_do(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = RemoteFile("data.bin", 10, "0" * 32, (f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"))
    text = refusal(file, tmp_path)
    assert text.count("no connection") == 2
    assert f"Without a network, put the file into {tmp_path}" in text


def test_server_error_is_said(server, tmp_path):
    assert "the server answered 500 Internal Server Error" in refusal(remote(server, "broken"), tmp_path)


def test_addresses_that_lead_round_are_given_up(server, tmp_path):
    text = refusal(remote(server, "circle"), tmp_path)
    assert "the server sends from one address to the next without end" in text
    assert "\n" not in text


def test_wrong_size_is_said_before_anything_is_written(server, tmp_path):
    server.files["data.bin"] = CONTENT[:500]
    assert "has another file there, of 500 bytes and not 1.0 MB" in refusal(remote(server, "ok"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_beginning_of_another_version_is_fetched_again(server, tmp_path):
    """One address is enough: what was kept came from a file that has been replaced since."""
    (tmp_path / "data.bin.part").write_bytes(b"older" * 1000)
    assert fetch(remote(server, "ok"), tmp_path, SILENT).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=5000-", None]


def test_file_put_there_by_hand_with_another_checksum_is_said(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"something else")
    file = RemoteFile("data.bin", 10, "0" * 32, ())
    assert f"the file that is in {tmp_path} has not the published checksum" in refusal(file, tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"something else"


@pytest.mark.parametrize("way", ["silent", "stalled", "dripping"])
def test_cancel_is_noticed_at_once_whatever_the_server_does(server, tmp_path, way):
    asked = []

    def report(done, text):
        if asked and time.monotonic() - asked[0] > 0.3:
            raise Cancel
        asked.append(time.monotonic())

    begin = time.monotonic()
    with pytest.raises(Cancel):
        fetch(remote(server, way), tmp_path, report)
    assert time.monotonic() - begin < 10  # not after the 15 s that the network is given
    server.stop.set()  # lets the listening thread end


def test_dripping_server_is_given_up(server, tmp_path):
    assert "arrived for 0.3 seconds" in refusal(remote(server, "dripping"), tmp_path, patience=0.3)


def test_stalled_server_is_given_up_for_the_next(server, tmp_path):
    assert fetch(remote(server, "stalled", "ok"), tmp_path, SILENT, patience=0.3).read_bytes() == CONTENT
    assert server.asked[-1] == ("ok", f"bytes={len(CONTENT) // 2}-")


def test_two_windows_download_once(server, tmp_path):
    said, paths = [], []

    def window():
        paths.append(fetch(remote(server, "ok"), tmp_path, lambda done, text: said.append(text)))

    windows = [threading.Thread(target=window) for _ in range(4)]
    for thread in windows:
        thread.start()
    for thread in windows:
        thread.join()
    assert [path.read_bytes() for path in paths] == [CONTENT] * 4
    assert len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_waiting_for_another_window_can_be_cancelled(tmp_path):
    lock = take(lock_path(tmp_path / "data.bin"))
    assert lock.mine
    with pytest.raises(Cancel):
        fetch(RemoteFile("data.bin", 10, "0" * 32, ()), tmp_path, cancel_at("Waiting for pid"))
    lock.release()


def cancel_at(start):
    def report(done, text):
        if text.startswith(start):
            raise Cancel

    return report


def test_full_disk_is_said_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "ROOM", 2**60)
    text = refusal(remote(server, "ok"), tmp_path)
    assert text.startswith(f"data.bin needs 1.0 MB in {tmp_path}; ")
    assert text.endswith("are free. Make room there, and try again.")
    assert server.asked == []


def test_disk_that_fills_while_downloading_keeps_what_arrived(server, tmp_path):
    """While files may have 300 kB, as on a disk that is full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        text = refusal(remote(server, "ok"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert text.endswith("data.bin.part cannot be written: File too large. What had arrived is kept.")
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:300_000]
    assert fetch(remote(server, "ok"), tmp_path, SILENT).read_bytes() == CONTENT


def test_folder_where_nothing_can_be_made_is_named(server):
    assert "/proc/dgm-studio cannot be written" in refusal(remote(server, "ok"), Path("/proc/dgm-studio"))


def test_silent_server_is_given_up(server, tmp_path):
    assert "nothing arrived for 0.2 seconds" in refusal(remote(server, "silent"), tmp_path, patience=0.2)


def test_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert f"{tmp_path / 'file' / 'data'} cannot be written" in refusal(
        remote(server, "ok"), tmp_path / "file" / "data"
    )


def test_cache_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert fetching.cache_folder() == tmp_path / "dgm-studio" / "data"


@pytest.mark.parametrize("key", ["mnist", "fashion-mnist"])
def test_sources_download_once_and_keep_the_given_split(server, tmp_path, monkeypatch, key):
    folder = write_mnist(tmp_path / "published")
    files = []
    for path in sorted(folder.iterdir()):
        server.files[path.name] = path.read_bytes()
        address = f"http://127.0.0.1:{server.server_port}/ok/{path.name}"
        files.append(RemoteFile(path.name, path.stat().st_size, hashlib.md5(path.read_bytes()).hexdigest(), (address,)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(mnist, "MNIST_FILES", tuple(files))
    monkeypatch.setattr(mnist, "FASHION_FILES", tuple(files))
    monkeypatch.setattr(mnist, "SYSTEM_FASHION", tmp_path / "absent")
    seen = []
    data = load(DataChoice(source=key), lambda fraction, text: seen.append(fraction))
    assert (len(data.train), len(data.valid), len(data.test)) == (54, 6, 20)
    assert seen == sorted(seen)
    assert data.spec.class_names[0] == ("0" if key == "mnist" else "T-shirt/top")
    load(DataChoice(source=key))
    assert len(server.asked) == 4
