"""Training windows as peers get them: the features that ours get, behind the scaler that ours use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ground.models.normaliser import Z_LIMIT
from ground.scaling import fit_scaler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Normalised:
    """A scaler and what it makes of windows."""

    scaler: Scaler

    def of(self, table: WindowTable) -> NDArray[np.float64]:
        """(n, n_feature) z-values within +-``Z_LIMIT``; 0 where the window has a reason not to be assessed."""
        z = np.zeros(table.values.shape)
        assessed = is_assessed(table)
        z[assessed] = np.clip(np.nan_to_num(self.scaler.transform(table.values[assessed])), -Z_LIMIT, Z_LIMIT)
        return z


def is_assessed(table: WindowTable) -> NDArray[np.bool_]:
    """(n,) windows of believable sensors."""
    return (table.rows["reason"] == "").to_numpy(dtype=bool)


def normalised(train: WindowTable, spec: FeatureSpec, *, most: int) -> tuple[Normalised, NDArray[np.float64]]:
    """The scaler of the training windows, and at most ``most`` of these, evenly spread.

    Args:
        train: Healthy windows.
        spec: Their features.
        most: Most rows to give: neighbour searches and networks that learn row by row take too long beyond.

    Returns:
        The scaler, and (n, n_feature) float64.

    Raises:
        DataError: No window can be used.
    """
    chosen = np.flatnonzero(is_assessed(train) & ~train.rows["outlier"].to_numpy(dtype=bool))
    scaler = Normalised(fit_scaler(spec, train.values[chosen]))
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).round().astype(int)]
    return scaler, np.clip(scaler.scaler.transform(train.values[chosen]), -Z_LIMIT, Z_LIMIT)
