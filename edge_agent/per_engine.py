"""What is kept for each engine, within a limit: the engine heard longest ago makes room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class PerEngine(Generic[Kept]):
    """One ``Kept`` an engine, made when the engine is first heard.

    Args:
        make: Makes one.
        limit: Most engines kept.

    Attributes:
        limit: The same; what is over a lower one is in the next ``surplus``.
    """

    def __init__(self, make: Callable[[], Kept], *, limit: int) -> None:
        self._make = make
        self.limit = limit
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())

    def of(self, engine: str) -> Kept:
        """What is kept for ``engine``; it is now the one heard last."""
        if engine not in self._kept:
            self._kept[engine] = self._make()
        self._kept.move_to_end(engine)
        return self._kept[engine]

    def surplus(self) -> list[Kept]:
        """Take out what is over the limit, the engines heard longest ago."""
        return [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - self.limit)]
