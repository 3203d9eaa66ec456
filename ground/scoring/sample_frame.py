"""A DataFrame of samples as one recording: its columns are those of a recording's file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from ground.recording import Recording
from ground.recording_files import KNOWN_COLUMNS, PHASE, SampleFile, truths_as_numbers
from ground.scoring.errors import WindowsError
from ground.scoring.window_array import sample_info
from ground.synchronise import synchronise
from shared_features.spec import FeatureSpec

_NAME = "DataFrame"


def frame_recording(spec: FeatureSpec, frame: pd.DataFrame, *, gap_tolerance_s: float) -> Recording:
    """The samples of a DataFrame as a recording.

    Args:
        spec: What the detector computes.
        frame: One row a sample, at the rate of ``spec``; a column for each of its channels, and those that a
            recording's file may have beside them (``time_s``, ``phase``, ``n1_hz``, ...).
        gap_tolerance_s: With ``time_s``: step, beyond the sampling interval, from which there is a gap.

    Raises:
        WindowsError: A column is missing, twice, or of no type that a recording may have.
        DataError: Stamps that go back or tell another rate.
    """
    names = [str(name) for name in frame.columns]
    channels = [channel.name for channel in spec.channels]
    missing = [name for name in channels if name not in names]
    if missing or len(set(names)) != len(names):
        raise WindowsError(
            f"{_NAME}: expected different columns, among them {', '.join(channels)}, got {', '.join(names)[:200]}; "
            "rename or add them; windows of their own go in as an array (n_window, n_channel, n_sample)"
        )
    wanted = [name for name in names if name in channels or name in KNOWN_COLUMNS]
    known = frame.set_axis(names, axis="columns")[wanted]
    if PHASE in wanted and pd.api.types.is_string_dtype(known[PHASE]):
        known = known.astype({PHASE: "category"})
    try:
        table = truths_as_numbers(pa.Table.from_pandas(known, preserve_index=False))
    except (pa.ArrowException, TypeError) as error:
        raise WindowsError(f"{_NAME}: expected columns of numbers, got {error}; convert them") from error
    file = SampleFile(Path(_NAME), tuple(names), table, stated_rate="", interim=b"")
    return synchronise(
        sample_info(spec, "frame"), file, conditions=spec.speeds, gap_tolerance_s=gap_tolerance_s
    ).recording
