"""The drift that `ground drift --out` has found last, as the fleet's page tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = "drift.json"
"""In the workspace: where the retraining of a machine looks for it, too."""
_NAMED: Final = 3
_MOST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Moved:
    """A feature that moved: in which phase, and by how many spreads of its healthy windows."""

    feature: str
    phase: str
    spreads: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent:
    """What was found.

    Attributes:
        bundle_id: Of which detector's flights.
        found_ns: When, by the time of the file.
        p: Chance of so large a difference without drift.
        flights: Flights that differ from the first ones.
        engines: Whose, as ``aircraft/engine``.
        moved: The features that moved most.
    """

    bundle_id: str
    found_ns: int
    p: float
    flights: int
    engines: frozenset[str]
    moved: tuple[Moved, ...]


def drift_event(workspace: Path) -> tuple[DriftEvent, ...]:
    """The event of a workspace; none where there is no file, or none of this format."""
    path = workspace / FILE
    try:
        facts = path.stat()
        if facts.st_size > _MOST_BYTES:
            return ()
        return (_event(json.loads(path.read_bytes()), facts.st_mtime_ns),)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ()


def _event(document: Mapping[str, Any], found_ns: int) -> DriftEvent:
    if (document["schema"], document["event"]) != (1, "drift"):
        raise ValueError("another document")
    flown = [str(each["engine"]) for each in document["flown"]]
    moved = [Moved(str(each["name"]), str(each["phase"]), float(each["spreads"])) for each in document["shifts"]]
    return DriftEvent(
        bundle_id=str(document["bundle_id"]),
        found_ns=found_ns,
        p=float(document["p"]),
        flights=len(flown),
        engines=frozenset(flown),
        moved=tuple(moved[:_NAMED]),
    )
