"""Drift messages into means of flights, one message at a time: what is kept of each flight is a count and sums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.sketch import STEPS_PER_UNIT
from ground.drift_reading import DriftMessage
from ground.errors import DataError
from ground.fleet.drift import LEAST_WINDOWS, FlightMeans

SAME_DAY: Final = ""
"""For messages of which nobody knows when they came."""
_DIGEST_BYTES: Final = 16


@dataclass(slots=True)
class _Phase:
    n: int
    sums: NDArray[np.int64]


@dataclass(slots=True)
class _Flight:
    first: tuple[str, int]
    """The day on which it was first heard of, and when it began by what was heard then."""
    phases: dict[str, _Phase] = field(default_factory=dict)


class FlightSums:
    """Adds up messages of one bundle; one that was delivered twice counts once."""

    def __init__(self) -> None:
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._known: set[bytes] = set()
        self._digest = ""

    def add(self, message: DriftMessage, *, arrived: str) -> None:
        """Take the next message.

        Args:
            message: The message.
            arrived: The day on which it came, ``YYYY-MM-DD``.

        Raises:
            DataError: It is of another bundle than those before, which has another scaler.
        """
        self._digest = self._digest or message.bundle_digest
        if message.bundle_digest != self._digest:
            raise DataError(
                f"drift: expected messages of bundle {self._digest:.16}, got one of {message.bundle_digest:.16}; "
                "choose one"
            )
        stretch = _name_of(message)
        if stretch in self._known:
            return
        self._known.add(stretch)
        engine = f"{message.aircraft}/{message.engine}"
        flight = self._flights.setdefault((engine, message.flight), _Flight((arrived, message.from_ns)))
        flight.first = min(flight.first, (arrived, message.from_ns))
        sketch = message.sketch
        phase = flight.phases.get(message.phase)
        if phase is None:
            flight.phases[message.phase] = _Phase(sketch.n, sketch.sums.copy())
        else:
            phase.n += sketch.n
            phase.sums += sketch.sums

    def flights(self) -> list[FlightMeans]:
        """The flights with enough windows in a phase, by the day on which they were first heard of, then as they began.

        A flight of which the news come late comes after those of the days before, and moves none of them.
        """
        ordered = sorted(self._flights.items(), key=lambda item: (item[1].first, item[0]))
        found = [
            FlightMeans(engine=engine, flight=name, from_ns=flight.first[1], means=_means(flight))
            for (engine, name), flight in ordered
        ]
        return [each for each in found if each.means]


def flights_of(messages: Iterable[DriftMessage]) -> list[FlightMeans]:
    """The flights that messages of one bundle tell of, in the order in which they began.

    Raises:
        DataError: Messages of two bundles.
    """
    sums = FlightSums()
    for each in messages:
        sums.add(each, arrived=SAME_DAY)
    return sums.flights()


def _means(flight: _Flight) -> dict[str, NDArray[np.float64]]:
    return {
        name: phase.sums / (phase.n * STEPS_PER_UNIT)
        for name, phase in flight.phases.items()
        if phase.n >= LEAST_WINDOWS
    }


def _name_of(message: DriftMessage) -> bytes:
    """Names the stretch of a phase of a flight, of which a run tells once."""
    parts = (
        message.run,
        message.aircraft,
        message.engine,
        message.flight,
        message.phase,
        message.from_ns,
        message.to_ns,
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=_DIGEST_BYTES).digest()
