"""What a shadow would have changed: the windows and flights of two detectors, side by side, and a verdict.

Flights are the trials: windows of one flight are alike. A flight in which the shadow alone alarms is an *extra* one;
how often that happens is bounded at every look (``sequential``), so that the report may be asked for each day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from edge_agent.decision import ALARM, NOT_ASSESSED
from ground.errors import DataError
from ground.fleet.flight_ends import FLIGHT, QUIET_H, FlightEnd, under_way, without
from ground.fleet.sequential import bounds, trials_needed

SCHEMA: Final = 2
WINDOW: Final = ("run", "aircraft", "engine", "flight", "end_ns")
"""What names a window of both detectors: they end together."""
COLUMNS: Final = (*WINDOW, "phase", "state", "score", "threshold", "bundle_id", "bundle_digest")
LEAST_PAIRED: Final = 0.5
"""A flight counts as seen by both where at least this share of the active detector's assessed windows has a partner."""


_ANSWERS: Final = ("assessed_active", "assessed_shadow", "alarm_active", "alarm_shadow")


class Verdict(Enum):
    """What the flights so far say."""

    READY = "ready"
    """Extra alarms are rarer than allowed, with the confidence asked for."""
    WORSE = "worse"
    """They are more frequent than allowed, with the same confidence."""
    GO_ON = "go_on"
    """Neither can be said yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a shadow is ready; chosen before the first look.

    Attributes:
        limit: Largest share of flights in which the shadow alone may alarm.
        confidence: That the verdict is right, however often it is asked for.
    """

    limit: float = 0.05
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A flight in which one of the two alarms, and the other does not.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        phase: Phase of the first window of the alarm.
        end_ns: End of that window.
        ratio_active: Highest score over threshold of the active detector in the flight.
        ratio_shadow: The same of the shadow.
    """

    aircraft: str
    engine: str
    flight: str
    phase: str
    end_ns: int
    ratio_active: float
    ratio_shadow: float


_DIFFERENCE: Final = tuple(field.name for field in fields(Difference))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """The comparison.

    Attributes:
        active: Ids and digests of the bundles that decided in flights of which the shadow has windows.
        shadow: Id and digest of the one that looked.
        rule: When it is ready.
        flights: Flights that both looked at.
        engines: Engines that flew them: flights of one engine resemble each other.
        flights_left_out: Flights of which one saw too little.
        flights_under_way: Flights that may yet go on, or whose messages are still on their way; nothing else tells of
            them.
        quiet_h: After so many hours of silence a flight counts as over.
        gained: Flights in which the shadow alone alarms, the strangest first.
        lost: Flights in which the active detector alone alarms.
        both: Flights in which both do.
        gained_bounds: Bounds of the share of the first kind, at every look at once.
        by_phase: Windows of both by phase: how the two answers compare.
        verdict: What follows.
        flights_needed: Flights in all until it could be ready, should extra alarms stay as rare as they are; 0 where
            they are too frequent for that, or it is ready.
    """

    active: tuple[tuple[str, str], ...]
    shadow: tuple[str, str]
    rule: Rule
    flights: int
    engines: int
    flights_left_out: int
    flights_under_way: int
    quiet_h: float
    gained: tuple[Difference, ...]
    lost: tuple[Difference, ...]
    both: int
    gained_bounds: tuple[float, float]
    by_phase: dict[str, dict[str, int]]
    verdict: Verdict
    flights_needed: int

    def document(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {"schema": SCHEMA, **asdict(self), "verdict": self.verdict.value}


def compare(
    active: pa.Table, shadow: pa.Table, rule: Rule, *, ends: Iterable[FlightEnd] = (), quiet_h: float = QUIET_H
) -> ShadowReport:
    """Compare the windows of two detectors, in flights that are over, of the engines at which the shadow looked.

    Args:
        active: Results of the active detectors, with at least ``COLUMNS``; those of other engines count nowhere.
        shadow: Results of one shadow, the same.
        rule: When it is ready.
        ends: Summaries of flights.
        quiet_h: See ``flight_ends.under_way``.

    Raises:
        DataError: There is no window of the shadow, or there are windows of several shadows.
    """
    names = _bundles(shadow)
    if len(names) != 1:
        found = ", ".join(f"{bundle} {digest[:16]}" for bundle, digest in names) or "none"
        raise DataError(f"shadow results: expected those of one bundle, got {found}; choose one with --bundle")
    active = _shared(active.select(list(COLUMNS)), shadow, FLIGHT[:2])
    pairs = _pairs(active, shadow)
    going_on = under_way(pairs.rename(columns={"heard_active": "heard"}), ends, quiet_h=quiet_h)
    pairs = without(pairs, going_on)
    flights, left_out = _flights(pairs)
    gained, lost = flights[flights["extra"]], flights[flights["missing"]]
    k, n = len(gained), len(flights)
    low, high = bounds(k, n, confidence=rule.confidence)
    verdict = Verdict.READY if high <= rule.limit else Verdict.WORSE if low > rule.limit else Verdict.GO_ON
    return ShadowReport(
        active=_bundles(_shared(active, shadow, FLIGHT)),
        shadow=names[0],
        rule=rule,
        flights=n,
        engines=len(flights.groupby(list(FLIGHT[:2])).size()),
        flights_left_out=left_out,
        flights_under_way=len(going_on),
        quiet_h=quiet_h,
        gained=_differences(gained),
        lost=_differences(lost),
        both=int((flights["alarm_active"] & flights["alarm_shadow"]).sum()),
        gained_bounds=(low, high),
        by_phase=_by_phase(pairs),
        verdict=verdict,
        flights_needed=_needed(k, n, rule) if verdict is Verdict.GO_ON else 0,
    )


def _needed(k: int, n: int, rule: Rule) -> int:
    share = k / n if n else 0.0
    return trials_needed(rule.limit, confidence=rule.confidence, share=share) if share < rule.limit else 0


def _bundles(table: pa.Table) -> tuple[tuple[str, str], ...]:
    found = table.group_by(["bundle_id", "bundle_digest"]).aggregate([]).to_pylist()
    return tuple(sorted((row["bundle_id"], row["bundle_digest"]) for row in found))


def _shared(table: pa.Table, other: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows of a table of whose ``key`` another one has rows, too."""
    return table.join(other.group_by(list(key)).aggregate([]), keys=list(key), join_type="left semi")


def _pairs(active: pa.Table, shadow: pa.Table) -> pd.DataFrame:
    """One row a window of either; what the other one lacks is missing."""
    frames = [table.select(list(COLUMNS)).to_pandas() for table in (active, shadow)]
    for frame in frames:
        frame["heard"] = True
        frame["assessed"] = frame["state"] != NOT_ASSESSED
        frame["alarm"] = frame["state"] == ALARM
        ratio = frame["score"] / frame["threshold"]
        # A threshold of zero has no ratio, and JSON no infinity.
        frame["ratio"] = ratio.where(frame["assessed"] & np.isfinite(ratio), 0.0)
    kept = [*WINDOW, "phase", "heard", "assessed", "alarm", "ratio"]
    pairs: pd.DataFrame = frames[0][kept].merge(
        frames[1][kept], on=list(WINDOW), how="outer", suffixes=("_active", "_shadow")
    )
    for side in ("active", "shadow"):
        for name in ("heard", "assessed", "alarm"):
            pairs[f"{name}_{side}"] = pairs[f"{name}_{side}"].eq(other=True)
        pairs[f"ratio_{side}"] = pairs[f"ratio_{side}"].fillna(0.0)
    pairs["phase"] = pairs["phase_active"].fillna(pairs["phase_shadow"])
    return pairs


def _flights(pairs: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a flight that both looked at, and how many others there are."""
    pairs = pairs.assign(paired=pairs["assessed_active"] & pairs["assessed_shadow"]).sort_values("end_ns")
    pairs["alarm_any"] = pairs["alarm_active"] | pairs["alarm_shadow"]
    grouped = pairs.groupby(list(FLIGHT), sort=True)
    flights = grouped.agg(
        assessed=("assessed_active", "sum"),
        paired=("paired", "sum"),
        alarm_active=("alarm_active", "any"),
        alarm_shadow=("alarm_shadow", "any"),
        ratio_active=("ratio_active", "max"),
        ratio_shadow=("ratio_shadow", "max"),
    )
    first = pairs[pairs["alarm_any"]].groupby(list(FLIGHT))[["phase", "end_ns"]].first()
    # Flights without an alarm have none: as floats, the nanoseconds of the others would be rounded.
    first["end_ns"] = first["end_ns"].astype("Int64")
    flights = flights.join(first)
    seen = (flights["paired"] > 0) & (flights["paired"] >= LEAST_PAIRED * flights["assessed"])
    counted = flights[seen].copy()
    counted["extra"] = counted["alarm_shadow"] & ~counted["alarm_active"]
    counted["missing"] = counted["alarm_active"] & ~counted["alarm_shadow"]
    return counted, int((~seen).sum())


def _differences(flights: pd.DataFrame) -> tuple[Difference, ...]:
    worst = flights[["ratio_active", "ratio_shadow"]].max(axis=1)
    ordered = flights.assign(worst=worst).sort_values("worst", ascending=False, kind="stable").reset_index()
    rows = ordered[list(_DIFFERENCE)].astype({"end_ns": "int64"}).to_dict("records")
    return tuple(Difference(**{str(name): value for name, value in row.items()}) for row in rows)


def _by_phase(pairs: pd.DataFrame) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    sizes = pairs.groupby(["phase", *_ANSWERS]).size().reset_index(name="n")
    for row in sizes.to_dict("records"):
        kind = _kind_of(*(bool(row[name]) for name in _ANSWERS))
        counts.setdefault(str(row["phase"]), Counter())[kind] += int(row["n"])
    return {phase: dict(sorted(kinds.items())) for phase, kinds in sorted(counts.items())}


def _kind_of(active: bool, shadow: bool, alarm_active: bool, alarm_shadow: bool) -> str:  # noqa: FBT001 - a row of a table
    if not (active and shadow):
        return "assessed_by_one" if active or shadow else "assessed_by_neither"
    names = {(True, True): "both_alarm", (True, False): "only_active", (False, True): "only_shadow"}
    return names.get((alarm_active, alarm_shadow), "both_normal")
