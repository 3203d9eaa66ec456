"""Rows by name, found with one sort: to look for each name among all rows takes the square of the recordings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rows_by_name(names: NDArray[np.str_], chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.intp]]:
    """Numbers of the chosen rows of each name, ascending; the names in their order.

    Args:
        names: (n,) name of each row.
        chosen: (n,) which rows count; a name without one is left out.
    """
    rows = np.flatnonzero(chosen)
    ordered = rows[np.argsort(names[rows], kind="stable")]
    found, first = np.unique(names[ordered], return_index=True)
    return dict(zip(found.tolist(), np.split(ordered, first)[1:], strict=True))
