"""What a technician would have seen: alerts, how late they came, how often they were false."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ground.inhibition import is_inhibited
from ground.metrics import covered_hours
from ground.report.answers import NS_PER_S, Flight

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How one faulty flight went.

    Attributes:
        flight: Its name.
        fault_type: What was wrong.
        detected: Whether the state was alarm in any window labelled faulty.
        delay_s: From the onset, at most one hop too long, to the end of the first such window; NaN when there was none.
        faulty_s: How long the faulty part lasted.
    """

    flight: str
    fault_type: str
    detected: bool
    delay_s: float
    faulty_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFlight:
    """How one flight with a faulty sensor went: the right answer to its faulty part is ``not_assessed``.

    Attributes:
        flight: Its name.
        fault_type: What was wrong.
        windows: Answers in the whole flight.
        not_assessed: Share of them that are not assessed, changes of phase and transients left aside.
        alerts: Alerts in the whole flight.
    """

    flight: str
    fault_type: str
    windows: int
    not_assessed: float
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened in some flights; those with a faulty sensor count in ``sensor_flights`` alone.

    Attributes:
        windows: Answers of all flights.
        alerts: Alerts of all flights.
        detections: One a flight with windows labelled faulty.
        sensor_flights: One a flight with a faulty sensor.
        false_alerts: Alerts in windows labelled healthy.
        healthy_hours: Hours that assessed, healthy windows cover.
        not_assessed: Windows by reason, most frequent first.
    """

    windows: int
    alerts: int
    detections: tuple[Detection, ...]
    sensor_flights: tuple[SensorFlight, ...]
    false_alerts: int
    healthy_hours: float
    not_assessed: Mapping[str, int]

    @property
    def false_alerts_per_hour(self) -> float:
        """NaN without healthy time."""
        return self.false_alerts / self.healthy_hours if self.healthy_hours else float("nan")

    @property
    def healthy_s(self) -> float:
        """``healthy_hours`` in seconds."""
        return _SECONDS_AN_HOUR * self.healthy_hours

    @property
    def detected(self) -> int:
        """Faulty flights that were found."""
        return sum(detection.detected for detection in self.detections)

    @property
    def delays_s(self) -> tuple[float, ...]:
        """Delays of the flights that were found, shortest first."""
        return tuple(sorted(detection.delay_s for detection in self.detections if detection.detected))


def events_of(flights: Sequence[Flight]) -> Events:
    """Count what happened.

    Args:
        flights: Answers, flight by flight.
    """
    engines = [flight for flight in flights if not flight.has_sensor_fault]
    reasons = Counter(str(reason) for flight in flights for reason in flight.reason[~flight.assessed])
    return Events(
        windows=sum(len(flight.state) for flight in flights),
        alerts=sum(int(flight.raised.sum()) for flight in flights),
        detections=tuple(_detection(flight) for flight in engines if flight.faulty.any()),
        sensor_flights=tuple(_sensor_flight(flight) for flight in flights if flight.has_sensor_fault),
        false_alerts=sum(int((flight.raised & flight.healthy).sum()) for flight in engines),
        healthy_hours=sum(_healthy_hours(flight) for flight in engines),
        not_assessed=dict(reasons.most_common()),
    )


def _detection(flight: Flight) -> Detection:
    faulty = np.flatnonzero(flight.faulty)
    onset_ns = _onset_ns(flight, int(faulty[0]))
    found = np.flatnonzero(flight.faulty & flight.alarm)
    delay_s = float(flight.end_ns[found[0]] - onset_ns) / NS_PER_S if len(found) else float("nan")
    return Detection(
        flight=flight.name,
        fault_type=flight.fault_type,
        detected=bool(len(found)),
        delay_s=delay_s,
        faulty_s=float(flight.end_ns[faulty[-1]] - onset_ns) / NS_PER_S,
    )


def _onset_ns(flight: Flight, first: int) -> int:
    """When the fault began: a window is labelled faulty as soon as more than half of it is.

    So the onset lies up to one hop before the middle of the first such window; the hop is counted against the detector.
    A flight that begins with such a window is faulty from its start.
    """
    start_ns, end_ns = int(flight.start_ns[first]), int(flight.end_ns[first])
    if first == 0:
        return start_ns
    hop_ns = start_ns - int(flight.start_ns[first - 1])
    return max(start_ns, (start_ns + end_ns) // 2 - hop_ns)


def _sensor_flight(flight: Flight) -> SensorFlight:
    silent = ~flight.assessed & ~is_inhibited(flight.reason)
    return SensorFlight(
        flight=flight.name,
        fault_type=flight.fault_type,
        windows=len(silent),
        not_assessed=float(np.mean(silent)),
        alerts=int(flight.raised.sum()),
    )


def _healthy_hours(flight: Flight) -> float:
    rows = flight.healthy & flight.assessed
    return covered_hours(flight.start_ns[rows], flight.end_ns[rows])
