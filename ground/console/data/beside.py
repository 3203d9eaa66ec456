"""Results that take longer than a page may: made beside the pages, one at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from ground.errors import DataError, GroundError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")
RETRY_S: Final = 30.0
"""So long a failure is told before what failed is tried again."""
PAUSE_S: Final = 0.2
"""Before the first of what is asked for: the page that asks is answered first, by the same cores."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Fault:
    text: str
    at_s: float


class Beside(Generic[K, V]):
    """Makes results by key in a thread of its own, which lives while there is something to make; safe to ask from any.

    One after the other, so that one alone takes memory; what was asked for last comes first.

    Args:
        what: Names the thread, and the results where one fails.
        most: Results that are kept, the last that somebody asked for; questions and failures likewise.
        retry_s: So long a failure is told before what failed is tried again.
    """

    def __init__(self, what: str, *, most: int, retry_s: float = RETRY_S) -> None:
        self._what = what
        self._most = most
        self._retry_s = retry_s
        self._lock = threading.Lock()
        self._waiting: OrderedDict[K, Callable[[], V]] = OrderedDict()
        self._made: OrderedDict[K, V] = OrderedDict()
        self._faults: OrderedDict[K, _Fault] = OrderedDict()
        self._under_way: tuple[K, ...] = ()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def of(self, key: K, make: Callable[[], V]) -> V | None:
        """The result of a key; nothing while it is being made, which asking for it begins.

        Raises:
            DataError: It could not be made; the text says why.
        """
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
            fault = self._faults.get(key)
            if fault is None or time.monotonic() - fault.at_s >= self._retry_s:
                self._order(key, make, is_urgent=True)
        if fault is not None:
            raise DataError(fault.text)
        return None

    def ahead(self, key: K, make: Callable[[], V]) -> None:
        """Make a result that somebody may ask for, after those that somebody has asked for."""
        with self._lock:
            if key not in self._made and key not in self._faults and len(self._waiting) < self._most:
                self._order(key, make, is_urgent=False)

    def close(self) -> None:
        """Make nothing more; waits for what is under way."""
        with self._lock:
            self._closing.set()
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _order(self, key: K, make: Callable[[], V], *, is_urgent: bool) -> None:
        if self._closing.is_set() or key in self._under_way:
            return
        if is_urgent or key not in self._waiting:
            self._waiting[key] = make
            self._waiting.move_to_end(key, last=is_urgent)
        # The pages that wait for one that is dropped here ask again.
        _cut(self._waiting, self._most)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._what, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        self._closing.wait(PAUSE_S)
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                key, make = self._waiting.popitem()
                self._under_way = (key,)
            self._note(key, self._outcome(make))

    def _outcome(self, make: Callable[[], V]) -> tuple[V] | _Fault:
        try:
            return (make(),)
        except GroundError as error:
            return _Fault(str(error), time.monotonic())
        except Exception as error:  # noqa: BLE001 - a thread that ends would leave pages waiting for good
            _log.error("not made", what=self._what, exc_info=True)
            text = f"The {self._what} could not be made ({type(error).__name__}); the log of the console has more."
            return _Fault(text, time.monotonic())

    def _note(self, key: K, outcome: tuple[V] | _Fault) -> None:
        with self._lock:
            self._under_way = ()
            if isinstance(outcome, _Fault):
                self._faults[key] = outcome
                self._faults.move_to_end(key)
                _cut(self._faults, self._most)
                return
            self._faults.pop(key, None)
            (self._made[key],) = outcome
            _cut(self._made, self._most)


def _cut(entries: OrderedDict[K, T], most: int) -> None:
    """Forget the oldest ones beyond so many."""
    while len(entries) > most:
        entries.popitem(last=False)
