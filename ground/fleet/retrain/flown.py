"""What detectors on board said of flights: read from the collector's dataset, an aircraft at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.decision import ALARM, NOT_ASSESSED
from ground.fleet.alerts import read_alerts
from ground.fleet.collect.dataset import read_dataset, read_partitions
from ground.fleet.collect.kinds import Kind
from ground.fleet.verdicts import AlertKey, FlightKey

_COLUMNS = ("run", "aircraft", "engine", "flight", "bundle_digest", "state")

Decider = tuple[str, str]
"""Run of an agent and digest of its bundle: who decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flown:
    """What was said of one flight.

    Attributes:
        assessed: Windows that a detector assessed.
        alerts: Alarms that were raised.
        unexplained: Whether there are windows in alarm of a run and bundle whose alert is not in the dataset.
    """

    assessed: int
    alerts: frozenset[AlertKey]
    unexplained: bool


@dataclass(frozen=True, slots=True)
class FlownReading:
    """What was read.

    Attributes:
        flights: By flight.
        skipped: Files that could not be read, and why: what they held is not known.
    """

    flights: dict[FlightKey, Flown]
    skipped: tuple[str, ...]


@dataclass(slots=True)
class _Account:
    assessed: int = 0
    alarmed_by: set[Decider] = field(default_factory=set)
    alerts: set[AlertKey] = field(default_factory=set)

    def close(self) -> Flown:
        told = {(key.run, key.bundle_digest) for key in self.alerts}
        return Flown(assessed=self.assessed, alerts=frozenset(self.alerts), unexplained=not self.alarmed_by <= told)


def read_flown(data: Path, aircraft: Iterable[str]) -> FlownReading:
    """What the dataset says of the flights of some aircraft.

    Args:
        data: The dataset.
        aircraft: Their names.

    Raises:
        DataError: There is no such folder.
    """
    accounts: dict[FlightKey, _Account] = {}
    skipped: list[str] = []
    for name in sorted(set(aircraft)):
        results = read_dataset(data, Kind.RESULT, source=name, columns=_COLUMNS)
        for row in results.table.group_by(list(_COLUMNS)).aggregate([([], "count_all")]).to_pylist():
            account = accounts.setdefault(FlightKey(row["aircraft"], row["engine"], row["flight"]), _Account())
            account.assessed += row["count_all"] if row["state"] != NOT_ASSESSED else 0
            if row["state"] == ALARM:
                account.alarmed_by.add((row["run"], row["bundle_digest"]))
        alerts = read_alerts(data, aircraft=name)
        for alert in alerts.alerts:
            accounts.setdefault(alert.key.flight_key, _Account()).alerts.add(alert.key)
        skipped += [*results.skipped, *alerts.skipped]
    return FlownReading({flight: account.close() for flight, account in accounts.items()}, tuple(skipped))


def has_results(data: Path) -> bool:
    """Whether a dataset has a result of anything that flew.

    Raises:
        DataError: There is no such folder.
    """
    return any(part.table.num_rows for part in read_partitions(data, Kind.RESULT, columns=["flight"]))


def has_result_of(data: Path, flights: Collection[FlightKey]) -> bool:
    """Whether a dataset has a result of one of some flights.

    Raises:
        DataError: There is no such folder.
    """
    return any(
        FlightKey(row["aircraft"], row["engine"], row["flight"]) in flights
        for name in sorted({flight.aircraft for flight in flights})
        for row in _flights_of(data, name)
    )


def _flights_of(data: Path, aircraft: str) -> list[dict[str, str]]:
    names = ["aircraft", "engine", "flight"]
    found: list[dict[str, str]] = (
        read_dataset(data, Kind.RESULT, source=aircraft, columns=names).table.group_by(names).aggregate([]).to_pylist()
    )
    return found
