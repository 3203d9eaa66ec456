"""How the features of an engine lay, flight by flight: out of the drift messages of its agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import msgpack
import numpy as np
from numpy.typing import NDArray

from edge_agent.sketch import STEPS_PER_UNIT, Sketch
from ground.drift_reading import DriftMessage, add_up, read_drift
from ground.errors import DataError
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.parts import path_name

MOST_FLIGHTS: Final = 60
"""Flights that are looked at, the newest."""
LEAST_WINDOWS: Final = 3
"""The mean of fewer windows is no level."""

_DATE = "date="
_NO_DAY = "0000-00-00"


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
    """Read the levels of one engine; of a long history only the newest days are looked at.

    Args:
        root: The dataset.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        since: First day on which a message was collected, ``YYYY-MM-DD``; empty for all.
        phase: Which phase; empty, or one that does not occur, for the most frequent one.

    Raises:
        DataError: There is no such dataset.
    """
    heads: dict[tuple[str, ...], _Head] = {}
    faults: list[str] = []
    odd = 0
    for day in _days(root, aircraft, since):
        reading = read_dataset(root, Kind.DRIFT, source=aircraft, since=day, until=day)
        faults += reading.skipped
        for payload in reading.table["payload"].to_pylist():
            head = _head(payload)
            odd += head.is_odd
            if not head.is_odd and (head.aircraft, head.engine) == (aircraft, engine):
                heads[head.key] = head
        if len({head.flight for head in heads.values()}) > MOST_FLIGHTS:
            break
    told = (f"{odd} drift messages are of another format",) if odd else ()
    return _levels(list(heads.values()), phase, (*faults, *told))


@dataclass(frozen=True, slots=True)
class _Head:
    """What a message is about, without its arrays: these are unpacked for the messages that are drawn alone."""

    payload: bytes
    aircraft: str = ""
    engine: str = ""
    flight: str = ""
    phase: str = ""
    bundle_id: str = ""
    bundle_digest: str = ""
    run: str = ""
    from_ns: int = 0
    to_ns: int = 0
    n: int = 0

    @property
    def is_odd(self) -> bool:
        """Whether it is no message of drift."""
        return not self.bundle_digest

    @property
    def key(self) -> tuple[str, ...]:
        """The same for a message that came twice."""
        return self.run, self.flight, self.phase, self.bundle_digest, str(self.from_ns), str(self.to_ns)


_HEAD_TYPES = {field.name: int if field.name in ("from_ns", "to_ns", "n") else str for field in fields(_Head)[1:]}


def _head(payload: bytes) -> _Head:
    try:
        document = msgpack.unpackb(payload)
        found = {name: document[name] for name in _HEAD_TYPES}
    except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException):
        return _Head(payload)
    is_ours = all(type(value) is _HEAD_TYPES[name] for name, value in found.items())
    return _Head(payload, **found) if is_ours else _Head(payload)


def _days(root: Path, aircraft: str, since: str) -> list[str]:
    """Days with messages of an aircraft, the newest first; one that holds none where there is no such folder."""
    folder = root / Kind.DRIFT.value / f"aircraft={path_name(aircraft)}"
    days = sorted((path.name.removeprefix(_DATE) for path in folder.glob(f"{_DATE}*")), reverse=True)
    return [day for day in days if day >= since] or [_NO_DAY]


def _levels(heads: list[_Head], phase: str, faults: tuple[str, ...]) -> Levels:
    if not heads:
        return Levels(bundle_id="", bundle_digest="", phases=(), phase="", flights=(), faults=faults)
    last = max(heads, key=lambda each: each.to_ns)
    own = [each for each in heads if each.bundle_digest == last.bundle_digest]
    windows: Counter[str] = Counter()
    for each in own:
        windows[each.phase] += each.n
    phases = tuple((name, n) for name, n in windows.most_common() if n)
    known = [name for name, _ in phases]
    chosen = phase if phase in known else next(iter(known), "")
    messages, broken = _decoded(each.payload for each in own if each.phase == chosen)
    return Levels(
        bundle_id=last.bundle_id, bundle_digest=last.bundle_digest, phases=phases, phase=chosen,
        flights=_flights(messages), faults=(*faults, *broken),
    )  # fmt: skip


def _decoded(payloads: Iterable[bytes]) -> tuple[list[DriftMessage], tuple[str, ...]]:
    messages, faults = [], 0
    for payload in payloads:
        try:
            messages.append(read_drift(payload))
        except DataError:
            faults += 1
    width = len(messages[-1].sketch.sums) if messages else 0
    fitting = [each for each in messages if len(each.sketch.sums) == width]
    faults += len(messages) - len(fitting)
    return fitting, (f"{faults} drift messages are damaged",) if faults else ()


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
