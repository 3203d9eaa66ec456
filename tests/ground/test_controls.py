"""The planted recording is found whatever else the fit holds, and a control that cannot be run fails nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ground.controls import FOUND, leak_controls
from ground.crossval import NOT_RUN
from ground.window_table import WindowTable

S = 10**9
RECORDINGS = ("a", "b", "c")
N = 20


@pytest.fixture
def table():
    """Three units: two that are fitted to, one for the test."""
    names = np.repeat(RECORDINGS, N)
    start_ns = np.tile(np.arange(N) * S, len(RECORDINGS))
    rows = pd.DataFrame(
        {
            "recording_id": names, "unit_id": names, "group": names, "start_ns": start_ns, "end_ns": start_ns + S,
            "reason": "", "role": np.repeat(["fit", "fit", "test"], N),
        }
    )  # fmt: skip
    return WindowTable(rows, np.random.default_rng(1).normal(size=(len(rows), 3)).astype(np.float32))


def outcomes(table):
    """Outcome of each leak control; all hold."""
    controls = leak_controls(table, strategy="by_unit")
    assert all(control.holds for control in controls)
    return {control.name: control.outcome for control in controls}


def test_a_first_recording_that_was_not_assessed_is_no_flaw(table):
    """A clipped sensor on the first fit recording: a copy of the second is planted."""
    table.rows.loc[table.rows["recording_id"] == "a", "reason"] = "clipped"
    assert outcomes(table) == {"leaked_recording": FOUND, "renamed_recording": FOUND}


def test_a_first_recording_that_stands_still_is_no_flaw(table):
    """Its copy could not be told by its values; that of the second can."""
    table.values[:N] = 1.0
    assert outcomes(table) == {"leaked_recording": FOUND, "renamed_recording": FOUND}


def test_a_first_recording_of_one_window_is_no_flaw(table):
    """One window alone may be a state at rest: a copy of the second recording is planted."""
    table.rows.loc[1 : N - 1, "reason"] = "clipped"
    assert outcomes(table) == {"leaked_recording": FOUND, "renamed_recording": FOUND}


def test_where_all_stands_still_a_renamed_copy_is_not_looked_for(table):
    """Nobody could tell it; the recording under its own name is found."""
    table.values[:] = 1.0
    assert outcomes(table) == {"leaked_recording": FOUND, "renamed_recording": NOT_RUN}
