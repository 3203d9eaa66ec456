"""Reads files of a repository for the TUF client, from the web or from a folder, until one deadline for all of them.

Each file is read in a thread of its own: neither a server that drips, nor a name that does not resolve, nor a stick
that hangs outlasts the deadline. The client itself caps the length.
"""

from __future__ import annotations

import io
import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from edge_agent.update_section import WEB
from edge_agent.version import AGENT_VERSION

_CHUNK: Final = 64 * 1024
_CHUNKS_AHEAD: Final = 4
_SILENCE_S: Final = 30.0
_POLL_S: Final = 0.1
_MISSING: Final = 404


class CutShort(DownloadError):
    """A server closed the connection before it had sent what it promised."""


_Item = bytes | DownloadError


class RepositoryFetcher(FetcherInterface):
    """Fetches what lies below one place; file names are relative to it.

    Args:
        location: ``http://...``, ``https://...``, or the path of a folder. The server must answer itself: it is not
            followed elsewhere.
        deadline_s: Monotonic time at which all reading ends.
    """

    def __init__(self, location: str, deadline_s: float) -> None:
        self._location = location.rstrip("/")
        self._is_web = location.startswith(WEB)
        self._deadline_s = deadline_s
        self._opener = _opener()

    def _fetch(self, url: str) -> Iterator[bytes]:
        items: Queue[_Item] = Queue(_CHUNKS_AHEAD)
        given_up = Event()
        Thread(target=self._pump, args=(url, items, given_up), daemon=True).start()
        try:
            while (item := self._next(items, url)) != b"":
                if isinstance(item, DownloadError):
                    raise item
                yield item
        finally:
            given_up.set()

    def _next(self, items: Queue[_Item], url: str) -> _Item:
        try:
            return items.get(timeout=max(self._left_s(), 0.0))
        except Empty:
            raise SlowRetrievalError(f"{url}: not whole at the deadline") from None

    def _left_s(self) -> float:
        return self._deadline_s - time.monotonic()

    def _pump(self, url: str, items: Queue[_Item], given_up: Event) -> None:
        """The thread: puts chunks until it is done or nobody waits any more."""
        try:
            with self._open(url) as stream:
                left_n = _stated_length(stream)
                while (chunk := stream.read1(_CHUNK)) and _put(items, chunk, given_up):
                    left_n -= len(chunk)
            last: _Item = CutShort(f"{url}: cut short") if left_n > 0 else b""
        except DownloadError as error:
            last = error
        except Exception as error:  # noqa: BLE001 - whatever ends the thread has to be said where it is waited for
            last = DownloadError(f"{url}: {type(error).__name__}: {error}")
        _put(items, last, given_up)

    def _open(self, url: str) -> io.BufferedIOBase:
        if not self._is_web:
            return _open_file(Path(self._location) / url)
        request = urllib.request.Request(  # noqa: S310 - the opener knows http and https, nothing else
            f"{self._location}/{url}", headers={"User-Agent": f"edge-agent/{AGENT_VERSION}"}
        )
        try:
            response: io.BufferedIOBase = self._opener.open(
                request, timeout=max(_POLL_S, min(_SILENCE_S, self._left_s()))
            )
        except urllib.error.HTTPError as error:
            with error:
                raise DownloadHTTPError(f"{url}: {error.code} {error.reason}", error.code) from error
        return response


def _opener() -> urllib.request.OpenerDirector:
    """Web only: no file:, no ftp:, no redirects into the unknown; proxies as the environment says."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _open_file(path: Path) -> io.BufferedReader:
    try:
        # O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        # What the client knows a missing file by, wherever it comes from.
        raise DownloadHTTPError(f"{path}: {error.strerror}", _MISSING) from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise DownloadError(f"{path}: no regular file")
    return stream


def _stated_length(stream: io.BufferedIOBase) -> int:
    """Bytes that a server promises; 0 where nothing is promised."""
    length = getattr(stream, "length", None)
    return length if isinstance(length, int) else 0


def _put(items: Queue[_Item], item: _Item, given_up: Event) -> bool:
    """Hand on an item; whether anybody still waits."""
    while not given_up.is_set():
        try:
            items.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False
