"""Events, and what an answer makes of them. Nothing is adjusted: an alarm counts in the windows in which it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.frame import NS_PER_S
from ground.index_cells import FAULTY as WHOLE_RECORDING
from ground.splits import is_sensor_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fault: a faulty recording, or a contiguous faulty stretch of another.

    Attributes:
        recording_id: Where.
        onset_ns: Source time of its first faulty sample.
        fault_type: As the index says it; may be empty.
        severity: Likewise.
        assessed: Whether any of its windows was.
        found: Whether an alarm stood in any of them.
        delay_s: From its first faulty sample to the end of the first window in alarm; NaN where not found.
    """

    recording_id: str
    onset_ns: int
    fault_type: str
    severity: str
    assessed: bool
    found: bool
    delay_s: float


def events_of(rows: pd.DataFrame, assessed: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> tuple[Event, ...]:
    """The events among some windows.

    A stretch is a run of windows that hold faulty samples; two faults within one window of each other are one event.

    Args:
        rows: (n) windows, those of one recording together, in time order.
        assessed: (n,) whether there is an answer.
        alarm: (n,) whether an alarm stands.
    """
    touched = ((rows["faulty_share"] > 0.0) & ~is_sensor_fault(rows)).to_numpy(dtype=bool)
    return tuple(_event(rows, part, assessed, alarm) for part in _runs(rows, touched))


def distinct(events: Iterable[Event]) -> tuple[Event, ...]:
    """Each fault once, however many cases asked for it: found, or assessed, only where it was in all of them.

    Cases share faults but not detectors. Counted once a case, one fault would be several independent observations.
    """
    cases: dict[tuple[str, int], list[Event]] = {}
    for event in events:
        cases.setdefault((event.recording_id, event.onset_ns), []).append(event)
    return tuple(_of_all(same) for same in cases.values())


def _of_all(same: Sequence[Event]) -> Event:
    found = all(event.found for event in same)
    return replace(
        same[0],
        assessed=all(event.assessed for event in same),
        found=found,
        delay_s=float(np.median([event.delay_s for event in same])) if found else float("nan"),
    )


def _runs(rows: pd.DataFrame, touched: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    chosen = np.flatnonzero(touched)
    if not len(chosen):
        return []
    recording = rows["recording_id"].to_numpy(dtype=object)[chosen]
    whole = (rows["kind"] == WHOLE_RECORDING).to_numpy(dtype=bool)[chosen]
    other = recording[1:] != recording[:-1]
    torn = (np.diff(chosen) > 1) & ~whole[1:]
    return np.split(chosen, np.flatnonzero(other | torn) + 1)


def _event(rows: pd.DataFrame, part: NDArray[np.intp], assessed: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> Event:
    first = rows.iloc[part[0]]
    in_alarm = part[alarm[part]]
    onset_ns = int(first["end_ns"]) - round(float(first["faulty_share"]) * int(first["end_ns"] - first["start_ns"]))
    return Event(
        recording_id=str(first["recording_id"]),
        onset_ns=onset_ns,
        fault_type=str(first["fault_type"]),
        severity=str(first["severity"]),
        assessed=bool(assessed[part].any()),
        found=bool(len(in_alarm)),
        delay_s=(int(rows["end_ns"].iloc[in_alarm[0]]) - onset_ns) / NS_PER_S if len(in_alarm) else float("nan"),
    )
