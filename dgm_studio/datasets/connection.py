"""One request to a server, listened to in a thread of its own so that it can be given up at any moment."""

from __future__ import annotations

import http.client
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from dgm_studio import __version__
from dgm_studio.number_texts import bytes_text

BLOCK = 2**16
WAITING = 16  # blocks that have arrived and are not yet written
LOOK = 0.1  # seconds between two looks at whether to go on
SLOWEST = 1000  # bytes a second that must arrive; with less, another address is tried


class Unreachable(Exception):
    """One address did not give the file; what arrived is kept."""


class Line:
    """One request for a file from byte `have` on, listened to in a thread of its own until `hang_up`.

    `begins` gives where in the file the answer begins, then `take` what arrived, and nothing at the end. Both call
    `go_on` several times a second, which may raise, and raise Unreachable when too little comes.
    """

    def __init__(self, address: str, have: int, size: int, patience: float) -> None:
        self._address, self._have, self._size, self._patience = address, have, size, patience
        self._arrived: queue.Queue[int | bytes | Unreachable] = queue.Queue(WAITING)
        self._hung_up = threading.Event()
        self._waited, self._count = 0.0, 0  # seconds, and what arrived in them
        threading.Thread(target=self._listen, name="download", daemon=True).start()

    def begins(self, go_on: Callable[[], None]) -> int:
        start = self._next(go_on)
        assert isinstance(start, int), "the place comes first"
        self._waited = 0.0
        return start

    def take(self, go_on: Callable[[], None]) -> bytes:
        block = self._next(go_on)
        assert isinstance(block, bytes), "after the place come bytes"
        self._count += len(block)
        return block

    def hang_up(self) -> None:
        """The thread ends when the network next says something, or after its patience; nobody waits for it."""
        self._hung_up.set()

    def _next(self, go_on: Callable[[], None]) -> int | bytes:
        while True:
            begin = time.monotonic()
            try:
                item = self._arrived.get(timeout=LOOK)
            except queue.Empty:
                item = None
            self._waited += time.monotonic() - begin
            if isinstance(item, Unreachable):
                raise item
            if self._waited > self._patience:
                if self._count < SLOWEST * self._waited:
                    what = f"only {bytes_text(self._count)}" if self._count else "nothing"
                    raise Unreachable(f"{what} arrived for {self._patience:g} seconds")
                self._waited, self._count = 0.0, 0
            if item is not None:
                return item
            go_on()

    def _listen(self) -> None:
        try:
            with _request(self._address, self._have, self._patience) as answer:
                start = _start(answer, self._have, self._size)
                self._give(start)
                left = self._size - start
                # read1 returns what is there, so that a slow line is reported often
                while not self._hung_up.is_set() and (block := answer.read1(min(BLOCK, left))):
                    self._give(block)
                    left -= len(block)
                self._give(b"")
        except Unreachable as problem:
            self._give(problem)
        except urllib.error.HTTPError as error:
            error.close()
            circle = "the server sends from one address to the next without end"
            said = f"the server answered {error.code} {error.reason}"
            self._give(Unreachable(circle if 300 <= error.code < 400 else said))
        except TimeoutError:
            self._give(Unreachable(f"nothing arrived for {self._patience:g} seconds"))
        except urllib.error.URLError as error:
            self._give(Unreachable(f"no connection ({error.reason})"))
        except Exception as error:  # whatever a server can provoke ends this request, not the program
            self._give(Unreachable(f"the connection broke ({error or type(error).__name__})"))

    def _give(self, item: int | bytes | Unreachable) -> None:
        while not self._hung_up.is_set():
            try:
                self._arrived.put(item, timeout=LOOK)
                return
            except queue.Full:
                continue


def _request(address: str, have: int, patience: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"dgm-studio/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=patience)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        error.close()
        return _request(address, 0, patience)


def _start(answer: http.client.HTTPResponse, have: int, size: int) -> int:
    """Where in the file the answer begins: at `have`, or at 0 from a server that sends the whole file."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        told = re.match(r"bytes (\d+)-\d*(?:/(\d+))?", answer.headers.get("Content-Range", ""))
        if told is None or int(told[1]) != have:
            raise Unreachable("the server sent another part of the file than was asked for")
        whole = told[2]
    elif answer.status == http.HTTPStatus.OK:
        have, whole = 0, answer.headers.get("Content-Length")
    else:
        raise Unreachable(f"the server answered {answer.status} {answer.reason}")
    if whole is not None and whole.isdecimal() and int(whole) != size:
        raise Unreachable(f"the server has another file there, of {bytes_text(int(whole))} and not {bytes_text(size)}")
    return have
