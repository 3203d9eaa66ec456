"""Windows by recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def recording_parts(rows: pd.DataFrame) -> list[NDArray[np.intp]]:
    """Row numbers of each recording, in time order; recordings in the order of their names."""
    start_ns = rows["start_ns"].to_numpy()
    parts = [np.asarray(part) for part in rows.groupby("recording_id", sort=True).indices.values()]
    return [part[np.argsort(start_ns[part], kind="stable")] for part in parts]


def recording_numbers(rows: pd.DataFrame) -> NDArray[np.int64]:
    """(n,) number of the recording of each window."""
    numbers = np.zeros(len(rows), dtype=np.int64)
    for number, part in enumerate(recording_parts(rows)):
        numbers[part] = number
    return numbers
