"""What a detector says of windows, as a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.assessment import Assessment
from edge_agent.decision import ALARM, NOT_ASSESSED, WARNING

INLIER = 1
OUTLIER = -1
UNDECIDED = 0
"""Of a window that is not assessed: neither, and never an inlier by default."""

COLUMNS = (
    "recording_id", "flight", "phase", "start_ns", "end_ns", "score", "threshold", "state", "reason", "event",
    "contributions", "unit", "unit_shift",
)  # fmt: skip


def score_table(assessments: Sequence[tuple[str, Assessment]]) -> pd.DataFrame:
    """Assessments as rows, in their order.

    Args:
        assessments: (n) pairs of recording and assessment.

    Returns:
        (n) rows of ``COLUMNS``; ``score`` and ``threshold`` are float64, NaN where the window is not assessed;
        ``contributions`` holds a dict from feature to share, largest first.
    """
    plain = [name for name in COLUMNS if name not in {"recording_id", "score", "threshold", "contributions"}]
    columns: dict[str, object] = {name: [getattr(each, name) for _, each in assessments] for name in plain}
    columns["recording_id"] = [name for name, _ in assessments]
    columns["contributions"] = [
        {part.feature: part.share for part in each.contributions} for _, each in assessments
    ]  # fmt: skip
    unknown = np.array([each.state == NOT_ASSESSED for _, each in assessments], dtype=bool)
    for name in ("score", "threshold"):
        values = np.array([getattr(each, name) for _, each in assessments], dtype=np.float64)
        columns[name] = np.where(unknown, np.nan, values)
    table = pd.DataFrame({name: columns[name] for name in COLUMNS})
    return table.astype({"start_ns": np.int64, "end_ns": np.int64})


def predictions(table: pd.DataFrame) -> NDArray[np.int64]:
    """(n,) ``OUTLIER`` where the state is warning or alarm, ``INLIER`` where it is normal, else ``UNDECIDED``."""
    state = table["state"].to_numpy(dtype=str)
    outlier = np.isin(state, (WARNING, ALARM))
    return np.where(state == NOT_ASSESSED, UNDECIDED, np.where(outlier, OUTLIER, INLIER)).astype(np.int64)
