"""The last few results of something that takes long, each made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Place(Generic[V]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: tuple[V, ...] = ()


class Kept(Generic[K, V]):
    """Keeps results by key; safe to ask from any thread.

    Whoever asks for what is being made waits for it; whoever asks for something else does not. What could not be made
    is tried again, and drives nothing else out.

    Args:
        most: Results that are kept, the last that somebody asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._places: OrderedDict[K, _Place[V]] = OrderedDict()

    def of(self, key: K, make: Callable[[], V]) -> V:
        """The result of a key: the one that is kept, or what ``make`` gives."""
        with self._lock:
            place = self._places.setdefault(key, _Place())
        with place.lock:
            try:
                if not place.made:
                    place.made = (make(),)
            finally:
                self._note(key, place)
            return place.made[0]

    def _note(self, key: K, place: _Place[V]) -> None:
        """Remember what was made, and forget what nobody has asked for since, or what could not be made."""
        with self._lock:
            if not place.made:
                if self._places.get(key) is place:
                    del self._places[key]
                return
            self._places[key] = place
            self._places.move_to_end(key)
            made = [other for other, each in self._places.items() if each.made]
            for other in made[: -self._most]:
                del self._places[other]
