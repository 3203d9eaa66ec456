"""A rule of the data contract, and what it says when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Find = Callable[[Any], str]
"""From a column (Series) or a table (DataFrame) to what is wrong with it; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check.

    Attributes:
        name: Names it in the report.
        expected: What is expected, as an error says it.
        advice: What to do when it is broken.
        find: The check itself.
        skip: Why it cannot run here; empty when it can.
    """

    name: str
    expected: str
    advice: str
    find: Find
    skip: str = ""


def numbers(column: pd.Series) -> NDArray[np.floating]:
    """A column as numbers; NaN for what is none."""
    if column.dtype.kind in "fiu":
        return column.to_numpy()
    return np.asarray(pd.to_numeric(column.astype(object), errors="coerce"), dtype=np.float64)


def known(column: pd.Series) -> NDArray[np.bool_]:
    """Where a column has a value, (n,); infinity is none."""
    if column.dtype.kind in "fiu":
        return np.asarray(np.isfinite(column.to_numpy()))
    return np.asarray(column.notna())


def broken(column: pd.Series, mask: NDArray[np.bool_]) -> str:
    """The first value of ``column`` under ``mask``, where it stands, and how many more there are; empty for none."""
    rows = np.flatnonzero(mask)
    if not rows.size:
        return ""
    first = int(rows[0])
    more = f" and in {rows.size - 1} more" if rows.size > 1 else ""
    return f"{_text(column.iloc[first])} in {place(column.index, first)}{more}"


def place(index: pd.Index, row: int) -> str:
    """Names a row: by its recording in the index, by its number (from 0) in a sample file."""
    return f"row {row}" if isinstance(index, pd.RangeIndex) or not index[row] else str(index[row])


def _text(value: Any) -> str:
    if pd.isna(value):
        return "nothing"
    plain = value.item() if isinstance(value, np.generic) else value
    return f"{plain:.6g}" if isinstance(plain, float) else f"{plain!r:.120}"
