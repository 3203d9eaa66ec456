"""Which alerts the page tells about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.assessment import Contribution
from ground.errors import GroundError
from ground.recording import LABEL_FAULTY, LABEL_HEALTHY
from ground.report import words
from ground.report.answers import NS_PER_S, Flight, parse_contributions
from ground.report.library import RecordingLibrary, WindowLibrary
from ground.report.spectra import Span
from shared_features.spec import FeatureSpec

MOST_ALERTS = 3
FALSE_ALARM = "false alarm"
_UNLABELLED = "alert in unlabelled time"


@dataclass(frozen=True, slots=True)
class Alert:
    """The window in which an alert was raised."""

    flight: Flight
    index: int

    @property
    def kind(self) -> str:
        """The fault it found, or that it found none."""
        label = int(self.flight.label[self.index])
        if label == LABEL_HEALTHY:
            return FALSE_ALARM
        return words.fault_name(self.flight.fault_type, healthy="fault") if label == LABEL_FAULTY else _UNLABELLED

    @property
    def phase(self) -> str:
        """Flight phase of the window."""
        return str(self.flight.phase[self.index])

    @property
    def time_s(self) -> float:
        """From the first sample of the flight to the end of the window."""
        return float(self.flight.end_ns[self.index] - self.flight.start_ns[0]) / NS_PER_S

    @property
    def contributions(self) -> tuple[Contribution, ...]:
        """What the agent named as its cause; empty where nobody kept it."""
        return parse_contributions(str(self.flight.contributions[self.index]))


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the windows of alerts and of healthy time are found, in the workspace ``root``."""

    root: Path
    spec: FeatureSpec
    recordings: RecordingLibrary
    windows: WindowLibrary

    def span_of(self, alert: Alert) -> Span:
        """Where the window of an alert lies.

        Raises:
            DataError: Its recording is not there.
        """
        return Span(self.recordings.info(alert.flight).recording_id, int(alert.flight.start_ns[alert.index]))


def told(error: GroundError, root: Path) -> str:
    """What went wrong, with files named from the workspace on: a page that is passed on tells nobody's folders."""
    return str(error).replace(f"{root}/", "")


def first_alerts(flights: Sequence[Flight], *, most: int = MOST_ALERTS) -> tuple[Alert, ...]:
    """The first alert of each kind of fault; a false alarm, if there is one, always has its place, the last.

    Args:
        flights: Answers, flight by flight; a faulty sensor's alerts are left out.
        most: How many at most.
    """
    first: dict[str, Alert] = {}
    for flight in flights:
        for index in np.flatnonzero(flight.raised) if not flight.has_sensor_fault else ():
            alert = Alert(flight, int(index))
            first.setdefault(alert.kind, alert)
    false = [first[FALSE_ALARM]] if FALSE_ALARM in first else []
    found = [alert for kind, alert in first.items() if kind != FALSE_ALARM]
    return (*found[: most - len(false)], *false)
