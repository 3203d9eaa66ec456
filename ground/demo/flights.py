"""Which flights a demo streams: some of every fault, and healthy ones, out of those no training has seen."""

from __future__ import annotations

import pandas as pd

from ground.splits import TEST

HEALTHY_FLIGHTS = 8
FLIGHTS_PER_FAULT = 2


def choose_flights(windows: pd.DataFrame) -> tuple[str, ...]:
    """Recording ids to stream, in the order of time.

    Args:
        windows: The processed table (recording_id, start_ns, fault_type, label, role, ...).
    """
    tested = windows[windows["role"] == TEST]
    flights = tested.groupby("recording_id", sort=True).agg(
        start_ns=("start_ns", "min"), fault_type=("fault_type", "first"), faulty=("label", "max")
    )
    is_healthy = (flights["fault_type"] == "") & (flights["faulty"] <= 0)
    chosen = [flights[is_healthy].head(HEALTHY_FLIGHTS)]
    chosen += [group.head(FLIGHTS_PER_FAULT) for _, group in flights[~is_healthy].groupby("fault_type", sort=True)]
    return tuple(pd.concat(chosen).sort_values(["start_ns", "fault_type"]).index)
