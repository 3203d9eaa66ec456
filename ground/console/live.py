"""News for open pages: a thread looks at the dataset, and a bell tells every page that is open (server-sent events)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

LOOK_S: Final = 2.0
"""Between two looks at the dataset."""
BEAT_S: Final = 15.0
"""A line without meaning so often: proxies end connections that say nothing."""
MOST_LISTENERS: Final = 100
"""Pages that are told; those beyond load anew by hand."""
_SHARE = 20.0

_log = structlog.get_logger(__name__)


class Bell:
    """Rings for every page that listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._is_closed = False

    def ring(self) -> None:
        """Tell them; from any thread."""
        with self._lock:
            for event, loop in self._listeners.items():
                loop.call_soon_threadsafe(event.set)

    def close(self) -> None:
        """Let all of them go home."""
        self._is_closed = True
        self.ring()

    @property
    def is_full(self) -> bool:
        """Whether no further page can listen."""
        return len(self._listeners) >= MOST_LISTENERS

    async def listen(self) -> AsyncGenerator[str]:
        """One event each time the bell rings, and a comment where it is silent, until it is closed."""
        with self._listening() as event:
            yield "retry: 5000\n\n"
            while not self._is_closed:
                try:
                    await asyncio.wait_for(event.wait(), BEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                event.clear()
                yield "event: changed\ndata: \n\n"

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        with self._lock:
            self._listeners[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            with self._lock:
                del self._listeners[event]


@contextmanager
def looking(refresh: Callable[[], bool], bell: Bell, *, every_s: float = LOOK_S) -> Iterator[None]:
    """Look for news while the block runs.

    Args:
        refresh: Looks once; whether there was news.
        bell: Rung where there was.
        every_s: Between two looks.
    """
    stopping = threading.Event()

    def work() -> None:
        took_s = 0.0
        # A large dataset is looked at less often: a look is to cost no more than a twentieth of a core.
        while not stopping.wait(max(every_s, _SHARE * took_s)):
            begun_s = time.monotonic()
            try:
                if refresh():
                    bell.ring()
            except Exception:  # noqa: BLE001 - the loop's one catch-all: the pages go on with what they have
                _log.error("the dataset could not be looked at", exc_info=True)
            took_s = time.monotonic() - begun_s

    thread = threading.Thread(target=work, name="look", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        bell.close()
        thread.join()
