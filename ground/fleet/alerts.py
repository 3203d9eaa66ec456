"""The alerts in a collector's dataset: one for each alarm that was raised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.decision import RAISED
from ground.errors import DataError
from ground.fleet.collect.dataset import read_dataset
from ground.fleet.collect.kinds import Kind
from ground.fleet.collect.rows import WINDOW_KEY
from ground.fleet.verdicts import AlertKey

_COLUMNS: Final = (*WINDOW_KEY, "event", "phase", "end_ns", "score", "threshold", "bundle_id")
_LEAST_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alarm that was raised.

    Attributes:
        key: What names it.
        phase: Flight phase of the window in which it was raised.
        end_ns: End of that window, nanoseconds since 1970 UTC.
        ratio: Its score over its threshold.
        bundle_id: Detector and version.
    """

    key: AlertKey
    phase: str
    end_ns: int
    ratio: float
    bundle_id: str


@dataclass(frozen=True, slots=True)
class AlertReading:
    """What was read.

    Attributes:
        alerts: In the order of their windows' ends.
        skipped: Files that could not be read, and why.
    """

    alerts: tuple[Alert, ...]
    skipped: tuple[str, ...]


def read_alerts(data: Path, *, aircraft: str = "", since: str = "", until: str = "") -> AlertReading:
    """Read the alerts of a dataset.

    Args:
        data: The dataset.
        aircraft: Its name; empty for all.
        since: First day, ``YYYY-MM-DD``; empty for all.
        until: Last day; empty for all.

    Raises:
        DataError: There is no such folder.
    """
    reading = read_dataset(data, Kind.ALERT, source=aircraft, since=since, until=until, columns=_COLUMNS)
    alerts = [
        Alert(
            key=AlertKey.of_row(row),
            phase=row["phase"],
            end_ns=row["end_ns"],
            ratio=row["score"] / row["threshold"] if row["threshold"] else 0.0,
            bundle_id=row["bundle_id"],
        )
        for row in reading.table.to_pylist()
        if row["event"] == RAISED
    ]
    return AlertReading(tuple(sorted(alerts, key=lambda each: (each.end_ns, each.key))), reading.skipped)


def find_alert(alerts: tuple[Alert, ...], alert_id: str) -> Alert:
    """The one alert whose id begins so.

    Raises:
        DataError: None does, or several do.
    """
    found = [each for each in alerts if each.key.alert_id.startswith(alert_id)]
    if len(found) != 1 or len(alert_id) < _LEAST_DIGITS:
        raise DataError(
            f"alert: expected {_LEAST_DIGITS} or more digits that begin the id of one alert, got {alert_id!r:.80}, "
            f"which begins that of {len(found)}; `ground verdict list` shows ids"
        )
    return found[0]
