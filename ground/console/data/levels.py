"""How the features of an engine lay, flight by flight: out of the drift messages of its agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.sketch import STEPS_PER_UNIT, Sketch
from ground.drift_reading import DriftMessage, add_up, read_drift
from ground.errors import DataError
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind

MOST_FLIGHTS: Final = 60
"""Flights that are looked at, the newest."""
LEAST_WINDOWS: Final = 3
"""The mean of fewer windows is no level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightLevel:
    """The mean level of the features in one phase of one flight.

    Attributes:
        flight: Its identity.
        from_ns: Source time of the first window's start.
        n: Windows that were assessed.
        spreads: (n_feature,) float64 means of the scaled features: 0 is the mean of healthy training windows, 1 their
            standard deviation.
    """

    flight: str
    from_ns: int
    n: int
    spreads: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Levels under one bundle, the last that the engine ran.

    Attributes:
        bundle_id: Detector and version; empty where no message tells of any.
        bundle_digest: sha256 of the bundle.
        phases: Phases with their windows, the most frequent first.
        phase: The one that ``flights`` are about.
        flights: In the order of time, at most ``MOST_FLIGHTS``.
        faults: What could not be read, and why.
    """

    bundle_id: str
    bundle_digest: str
    phases: tuple[tuple[str, int], ...]
    phase: str
    flights: tuple[FlightLevel, ...]
    faults: tuple[str, ...]


def read_levels(root: Path, aircraft: str, engine: str, *, since: str = "", phase: str = "") -> Levels:
    """Read the levels of one engine.

    Args:
        root: The dataset.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        since: First day on which a message was collected, ``YYYY-MM-DD``; empty for all.
        phase: Which phase; empty, or one that does not occur, for the most frequent one.

    Raises:
        DataError: There is no such dataset.
    """
    reading = read_dataset(root, Kind.DRIFT, source=aircraft, since=since)
    messages, faults = _decoded(reading.table["payload"].to_pylist())
    own = [each for each in messages if (each.aircraft, each.engine) == (aircraft, engine)]
    return _levels(own, phase, (*reading.skipped, *faults))


def _decoded(payloads: Iterable[bytes]) -> tuple[list[DriftMessage], tuple[str, ...]]:
    messages, faults = [], 0
    for payload in payloads:
        try:
            messages.append(read_drift(payload))
        except DataError:
            faults += 1
    return messages, (f"{faults} drift messages are of another format",) if faults else ()


def _levels(messages: list[DriftMessage], phase: str, faults: tuple[str, ...]) -> Levels:
    if not messages:
        return Levels(bundle_id="", bundle_digest="", phases=(), phase="", flights=(), faults=faults)
    last = max(messages, key=lambda each: each.to_ns)
    width = len(last.sketch.sums)
    kept = [each for each in messages if each.bundle_digest == last.bundle_digest and len(each.sketch.sums) == width]
    windows: Counter[str] = Counter()
    for each in kept:
        windows[each.phase] += each.sketch.n
    phases = tuple((name, n) for name, n in windows.most_common() if n)
    known = [name for name, _ in phases]
    chosen = phase if phase in known else next(iter(known), "")
    return Levels(
        bundle_id=last.bundle_id, bundle_digest=last.bundle_digest, phases=phases, phase=chosen,
        flights=_flights([each for each in kept if each.phase == chosen]), faults=faults,
    )  # fmt: skip


def _flights(messages: list[DriftMessage]) -> tuple[FlightLevel, ...]:
    begun: dict[str, int] = {}
    for each in messages:
        begun[each.flight] = min(begun.get(each.flight, each.from_ns), each.from_ns)
    sketches = add_up(messages, lambda each: each.flight)
    levels = (_level(str(flight), begun[str(flight)], sketch) for flight, sketch in sketches.items())
    told = sorted((each for each in levels if each.n >= LEAST_WINDOWS), key=lambda each: each.from_ns)
    return tuple(told[-MOST_FLIGHTS:])


def _level(flight: str, from_ns: int, sketch: Sketch) -> FlightLevel:
    n = sketch.n
    spreads = sketch.sums / (max(n, 1) * STEPS_PER_UNIT)
    return FlightLevel(flight=flight, from_ns=from_ns, n=n, spreads=spreads)
