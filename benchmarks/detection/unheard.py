"""Faults that no window holds: no number can count them, so they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ground.index_cells import FAULTY, HEALTHY
from ground.recording import LABEL_FAULTY
from ground.recording_files import ANOMALY, sample_batches
from ground.recording_index import RecordingInfo, read_index
from ground.splits import SENSOR_FAULT_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_MOST_NAMED = 5


def unheard_recordings(rows: pd.DataFrame, index: Sequence[Mapping[str, str]], interim: Path) -> tuple[str, ...]:
    """Recordings with faulty time, not of their sensor's, of which no window holds a sample.

    Args:
        rows: The windows of a rig.
        index: Its rows of the index, with what was left out on the way to windows.
        interim: What windows were made of.

    Raises:
        DataError: An interim recording cannot be read.
    """
    heard = set(rows["recording_id"][rows["faulty_share"] > 0.0])
    made = {info.recording_id: info for info in read_index(interim)}
    return tuple(
        row["recording_id"]
        for row in index
        if row["recording_id"] not in heard
        and not row.get("fault_type", "").startswith(SENSOR_FAULT_PREFIX)
        and _has_faulty_time(row, made.get(row["recording_id"]), interim)
    )


def doubt_of(unheard: Sequence[str]) -> tuple[str, ...]:
    """What is to be said of them; nothing where there are none."""
    if not unheard:
        return ()
    more = f" and {len(unheard) - _MOST_NAMED} more" if len(unheard) > _MOST_NAMED else ""
    return (
        f"recordings whose faults no window holds, so no number counts them: {', '.join(unheard[:_MOST_NAMED])}{more}",
    )


def _has_faulty_time(row: Mapping[str, str], made: RecordingInfo | None, interim: Path) -> bool:
    if row["label"] in {HEALTHY, FAULTY}:
        return row["label"] == FAULTY
    if made is None:
        return bool(row.get("faulty_segments"))
    batches = sample_batches(interim / made.file, [ANOMALY], only=True)
    return any((batch.numbers(ANOMALY) == LABEL_FAULTY).any() for batch in batches)
