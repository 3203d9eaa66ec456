"""The first healthy windows of a unit: what a detector may learn from when it is adapted, and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ground.errors import DataError
from ground.replay import Replay
from ground.splits import HEALTHY, is_sensor_fault
from ground.units import FEWEST_WINDOWS
from ground.window_table import WindowTable

MOST_IN_ALARM = 0.5
"""Share of the first healthy windows in alarm above which their label is not believed."""


@dataclass(frozen=True, slots=True)
class HealthyStart:
    """The first healthy windows of a unit.

    Attributes:
        seen: How many there are, those in alarm included.
        used: Those not in alarm, in time order.
    """

    seen: int
    used: WindowTable


def healthy_start(answers: Replay, table: WindowTable, *, unit: str, windows: int) -> HealthyStart:
    """The first healthy windows of a unit, those in alarm left out.

    Windows that touch an outlier are not looked at, as in training. Recordings are taken in the order of their first
    window; where their starts are not known, in that of the index.

    Args:
        answers: What the unadapted detector says of every window of the unit.
        table: Those windows.
        unit: Its name, for errors.
        windows: How many to look at, at most: what lies behind them is never learned from.

    Raises:
        DataError: Most of them are in alarm, or too few are left.
    """
    rows = answers.rows
    healthy = answers.assessed & (rows["label"] == HEALTHY).to_numpy() & ~rows["outlier"].to_numpy(dtype=bool)
    healthy &= ~is_sensor_fault(rows)
    order = _time_order(rows)
    seen = order[healthy[order]][:windows]
    used = seen[~answers.alarm[seen]]
    n_alarm = len(seen) - len(used)
    if n_alarm > MOST_IN_ALARM * len(seen):
        raise DataError(
            f"unit {unit}: expected a healthy start, got an alarm in {n_alarm} of its first {len(seen)} healthy "
            "windows; not a healthy start: look at it first, and where it is sound, train with its recordings"
        )
    if len(used) < FEWEST_WINDOWS:
        raise DataError(
            f"unit {unit}: expected at least {FEWEST_WINDOWS} healthy windows inside the operating domain and not in "
            f"alarm among the first {windows}, got {len(used)} (of {len(rows)} windows in all); record more, or raise "
            "--windows"
        )
    return HealthyStart(len(seen), WindowTable(rows.iloc[used].reset_index(drop=True), table.values[used]))


def _time_order(rows: pd.DataFrame) -> NDArray[np.intp]:
    by_recording = rows.groupby("recording_id", sort=False)
    first_ns = by_recording["start_ns"].transform("min").to_numpy()
    return np.lexsort((rows["start_ns"].to_numpy(), by_recording.ngroup().to_numpy(), first_ns))
