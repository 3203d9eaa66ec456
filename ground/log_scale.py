"""Features on their scales: logarithms where the spec says so, and back to physical units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_agent.scaler import LOG_FLOOR
from shared_features.feature import LOG
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared_features.spec import FeatureSpec


def on_scales(values: NDArray[np.float32], spec: FeatureSpec) -> NDArray[np.float64]:
    """(n, n_feature) features, logarithms where their scale says so.

    Args:
        values: (n, n_feature) in physical units.
        spec: Their features.
    """
    physical = values.astype(np.float64)
    return np.where(_is_log(spec), np.log(np.maximum(physical, LOG_FLOOR)), physical)


def in_physical_units(scaled: NDArray[np.float64], spec: FeatureSpec) -> NDArray[np.float32]:
    """The inverse of ``on_scales``."""
    return np.exp(scaled, where=_is_log(spec), out=scaled.copy()).astype(np.float32)


def _is_log(spec: FeatureSpec) -> NDArray[np.bool_]:
    return np.array([column.scale == LOG for column in columns_of(spec)])
