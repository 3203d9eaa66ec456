"""Cutting by time: short recordings, and windows that reach into a fault."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from ground.splits import BY_TIME, assign_roles, check_disjoint
from ground.time_split import deal_whole, touches_others

SHARES = {"fit": 0.4, "validation": 0.1, "calibration": 0.25, "test": 0.25}


def rows_of(name, labels, *, hop_ns=1, window_ns=4):
    """Windows of one recording, one label each."""
    start_ns = np.arange(len(labels), dtype=np.int64) * hop_ns
    return pd.DataFrame(
        {
            "recording_id": name, "unit_id": "u", "start_ns": start_ns, "end_ns": start_ns + window_ns,
            "label": np.array(labels, dtype=np.int8), "fault_type": "", "reason": "",
        }
    )  # fmt: skip


def test_whole_recordings_fill_the_shares():
    """Of forty equal ones each role gets its share, and no role a block of neighbours."""
    dealt = deal_whole({f"r{index:02}": 3 for index in range(40)}, SHARES)
    assert Counter(dealt.values()) == {"fit": 16, "calibration": 10, "test": 10, "validation": 4}
    assert len(set(list(dealt.values())[:4])) >= 3


def test_recordings_too_short_to_be_cut_are_dealt_whole():
    """Two windows each: cut by time, all would calibrate; dealt whole, each role has some."""
    rows = pd.concat([rows_of(f"r{index:02}", [0, 0]) for index in range(40)], ignore_index=True)
    roles = assign_roles(rows, SHARES, strategy=BY_TIME, seed=0)
    parts = pd.Series(roles.role).groupby(rows["recording_id"]).nunique()
    assert (parts == 1).all()
    assert Counter(roles.role) == {"fit": 32, "calibration": 20, "test": 20, "validation": 8}


def test_healthy_windows_that_overlap_a_fault_are_unused():
    """At an onset a faulty window shares samples with the healthy ones before it: these are in no role but test."""
    labels = [0] * 60 + [-1] * 1 + [1] * 20 + [-1] * 1 + [0] * 60
    rows = rows_of("r", labels)
    roles = assign_roles(rows, SHARES, strategy=BY_TIME, seed=0)
    values = np.arange(len(labels), dtype=np.float32)[:, None]
    check_disjoint(rows, roles, values, strategy=BY_TIME)
    assert set(roles.role[58:60]) <= {"unused", "test"}
    assert Counter(roles.role)["fit"] >= 40


def test_touching_is_sharing_time_in_one_recording():
    """Windows that only meet do not touch; equal times in another recording neither."""
    recordings = np.array(["a", "a", "a", "a", "b"])
    start_ns, end_ns = np.array([0, 4, 6, 20, 4]), np.array([4, 8, 10, 24, 8])
    others = np.array([False, True, False, False, False])
    assert touches_others(recordings, start_ns, end_ns, others).tolist() == [False, True, True, False, False]
