"""Which windows of a unit are learned from: in time order, healthy, never in alarm, and bounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edge_agent.thresholds import Thresholds
from ground.errors import DataError
from ground.healthy_start import healthy_start
from ground.replay import replay
from ground.units import FEWEST_WINDOWS
from ground.window_table import WindowTable

THRESHOLDS = Thresholds(pooled=1.0, phases={}, k=2, n=3, release_ratio=0.8, false_alarm_rate=0.05, confidence=0.95)
NORMAL, LOUD = 0.5, 2.0
N = 40


def rows_of(n=N, *, recording="r", first_ns=0):
    """Healthy windows of a unit, one a second."""
    start_ns = first_ns + np.arange(n, dtype=np.int64) * 10**9
    return pd.DataFrame(
        {
            "recording_id": recording, "unit_id": "u", "phase": "steady", "start_ns": start_ns,
            "end_ns": start_ns + 10**9, "label": 0, "fault_type": "", "outlier": False, "reason": "",
        }
    )  # fmt: skip


def start_of(rows, scores, *, windows=30):
    """The healthy start; the only feature of a window is its row number."""
    table = WindowTable(rows, np.arange(len(rows), dtype=np.float32)[:, None])
    return healthy_start(replay(rows, np.asarray(scores), THRESHOLDS), table, unit="u", windows=windows)


def numbers(start):
    """Row numbers of the windows that are learned from."""
    return start.used.values[:, 0].astype(int).tolist()


def test_the_first_windows_and_no_more():
    """As many as are asked for, or as there are."""
    assert numbers(start_of(rows_of(), np.full(N, NORMAL))) == list(range(30))
    assert numbers(start_of(rows_of(), np.full(N, NORMAL), windows=100)) == list(range(N))


def test_windows_in_alarm_are_left_out_and_not_made_up_for():
    """Loud from 5 to 9: in alarm from the second on, until three are quiet; none behind the 30th comes instead."""
    scores = np.full(N, NORMAL)
    scores[5:10] = LOUD
    start = start_of(rows_of(), scores)
    assert numbers(start) == [*range(6), *range(12, 30)]
    assert start.seen == 30


def test_what_is_not_healthy_is_not_looked_at():
    """Faulty and unlabelled windows, outliers, and those that cannot be assessed."""
    rows = rows_of()
    rows.loc[0, "label"] = 1
    rows.loc[1, "label"] = -1
    rows.loc[2, "outlier"] = True
    rows.loc[3, "reason"] = "outside_operating_domain"
    start = start_of(rows, np.full(N, NORMAL))
    assert numbers(start) == list(range(4, 34))
    assert start.seen == 30


def test_recordings_are_taken_in_the_order_of_their_starts():
    """The one that stands later in the table began first; of two that began at once the first in the table is first."""
    later, first, twin = rows_of(10, recording="b", first_ns=10**12), rows_of(10, recording="a"), rows_of(10)
    rows = pd.concat([later, first, twin], ignore_index=True)
    assert numbers(start_of(rows, np.full(30, NORMAL), windows=25)) == [*range(10, 30), *range(5)]


def _label(rows, first, label):
    return rows.assign(label=np.where(np.arange(len(rows)) >= first, label, 0))


REFUSED = {
    "in alarm": (rows_of(), LOUD, "an alarm in 29 of its first 30 healthy windows; not a healthy start: look at it"),
    "too few": (_label(rows_of(), FEWEST_WINDOWS - 1, 1), NORMAL, rf"at least {FEWEST_WINDOWS} healthy .* got 15 "),
    "none healthy": (_label(rows_of(), 0, -1), NORMAL, r"got 0 \(of 40 windows"),
    "sensor fault": (rows_of().assign(fault_type="sensor_bias"), NORMAL, "got 0 "),
    "none assessed": (rows_of().assign(reason="gap"), NORMAL, "got 0 "),
}


@pytest.mark.parametrize(("rows", "score", "text"), REFUSED.values(), ids=REFUSED)
def test_refusals_name_the_unit_and_the_cause(rows, score, text):
    """Each by its own text."""
    with pytest.raises(DataError, match=f"^unit u: .*{text}"):
        start_of(rows, np.full(len(rows), score))


def test_half_in_alarm_is_still_believed():
    """The bound itself passes, one more does not."""
    scores = np.full(N, NORMAL)
    scores[:16] = LOUD
    start = start_of(rows_of(), scores, windows=N)
    assert len(numbers(start)) == N - 17
    with pytest.raises(DataError, match="not a healthy start"):
        start_of(rows_of(), scores, windows=33)
