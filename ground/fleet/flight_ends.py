"""Which flights are over: those whose summary tells of no window that is not here, and those long silent."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack
import pandas as pd

from edge_agent.flight_summary import SCHEMA
from edge_agent.frame import NS_PER_S
from ground.errors import DataError

FLIGHT: Final = ("aircraft", "engine", "flight")
RUN: Final = ("run", *FLIGHT)
QUIET_H: Final = 24.0
NS_PER_H: Final = 3_600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightEnd:
    """That a run of an agent counts a flight as ended.

    Attributes:
        run: The run.
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        windows: Windows that it answered in it.
    """

    run: str
    aircraft: str
    engine: str
    flight: str
    windows: int


def read_end(payload: bytes) -> FlightEnd:
    """Read the summary of a flight (docs/reference/payload.md).

    Raises:
        DataError: It is none of this schema.
    """
    try:
        return _end(msgpack.unpackb(payload))
    except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException) as error:
        raise DataError(f"flight: expected a summary of schema {SCHEMA}, got {error!r:.100}; see the format") from error


def under_way(
    windows: pd.DataFrame, ends: Iterable[FlightEnd], *, quiet_h: float, now_ns: int | None = None
) -> pd.DataFrame:
    """The flights that may yet go on, or of which messages are still on their way.

    Args:
        windows: One row a window, with ``RUN``, ``end_ns``, and ``heard``, whether the window's result is here.
        ends: Summaries of flights.
        quiet_h: A flight without a summary, or with fewer windows than that tells of, is over when its last window is
            so much older than the newest of all.
        now_ns: Windows after it come from a clock that is ahead, and make nothing older; the present by default.

    Returns:
        One row a flight, by ``FLIGHT``.
    """
    told = pd.DataFrame(
        [(each.run, each.aircraft, each.engine, each.flight, each.windows) for each in ends], columns=[*RUN, "told"]
    )
    most: pd.DataFrame = told.groupby(list(RUN), as_index=False).agg(told=("told", "max"))
    runs = windows.groupby(list(RUN), as_index=False).agg(heard=("heard", "sum"), last_ns=("end_ns", "max"))
    runs = runs.merge(most.astype({name: runs[name].dtype for name in RUN}), on=list(RUN), how="left")
    runs["whole"] = runs["heard"] >= runs["told"].astype("float64").fillna(math.inf)
    flights = runs.groupby(list(FLIGHT), as_index=False).agg(whole=("whole", "all"), last_ns=("last_ns", "max"))
    newest_ns = min(int(windows["end_ns"].max()), time.time_ns() if now_ns is None else now_ns) if len(windows) else 0
    quiet = flights["last_ns"] <= newest_ns - round(quiet_h * NS_PER_H)
    open_flights: pd.DataFrame = flights.loc[~(flights["whole"] | quiet), list(FLIGHT)]
    return open_flights


def without(windows: pd.DataFrame, flights: pd.DataFrame) -> pd.DataFrame:
    """The windows of all other flights."""
    marked = windows.merge(flights.assign(left_out=True), on=list(FLIGHT), how="left")
    kept: pd.DataFrame = marked[~marked["left_out"].eq(other=True)].drop(columns="left_out")
    return kept


def read_ends(payloads: Sequence[bytes]) -> tuple[tuple[FlightEnd, ...], int]:
    """Summaries, and how many messages are none."""
    ends, faults = [], 0
    for payload in payloads:
        try:
            ends.append(read_end(payload))
        except DataError:
            faults += 1
    return tuple(ends), faults


def _end(document: Any) -> FlightEnd:
    if document["schema"] != SCHEMA:
        raise ValueError("another schema")
    return FlightEnd(windows=_count(document["windows"]), **{name: _text(document[name]) for name in RUN})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.20} for a text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.20} for a count")
    return value
