"""Where the count of an engine's results stands."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_MOST_REMEMBERED: Final = 1_024


@dataclass(frozen=True, slots=True)
class Place:
    """The flight that was heard last, and the ``seq`` of its next result."""

    flight: str = ""
    seq: int = 0

    def seq_in(self, flight: str) -> int:
        """The ``seq`` that the next result of ``flight`` has."""
        return self.seq if flight == self.flight else 0


START: Final = Place()


class Places:
    """The places of engines that are not followed any more.

    Run, engine, flight and ``seq`` name a result, so an engine that is heard again counts on. Of engines beyond the
    last 1,024 the place is forgotten.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[str, Place] = OrderedDict()

    def keep(self, engine: str, place: Place) -> None:
        """Remember the place of an engine."""
        self._places[engine] = place
        if len(self._places) > _MOST_REMEMBERED:
            self._places.popitem(last=False)

    def take(self, engine: str) -> Place:
        """The place of an engine, which is followed from now on."""
        return self._places.pop(engine, START)
