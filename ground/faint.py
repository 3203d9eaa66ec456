"""Features too small for their logarithm to be taken: the unit of their channel is too large for what it measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_agent.scaler import LOG_FLOOR
from shared_features.feature import LOG
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

_MOST = 0.5
"""Of the windows."""
_RESOLUTION = float(np.finfo(np.float32).eps)
"""Of samples: what is smaller beside the largest magnitude of a window is rounding, in any unit."""


def faint_text(spec: FeatureSpec, values: NDArray[np.float32]) -> str:
    """Which channels have features that the scaler cannot tell from nothing, and what to do; empty where none has.

    Zero is no such value, and neither is the rounding of samples: both are nothing in any unit.

    Args:
        spec: Names and scales of the features.
        values: (n, n_feature) features of healthy windows in physical units.
    """
    n_channel = len(spec.channels)
    columns = columns_of(spec)[: len(columns_of(spec)) - len(spec.conditions)]
    of_channels = values[:, : len(columns)].reshape(len(values), n_channel, -1).astype(np.float64)
    own_units = np.repeat([channel.unit for channel in spec.channels], of_channels.shape[2])
    units = np.array([column.unit for column in columns])
    is_magnitude = (units == own_units).reshape(n_channel, -1)
    is_log = np.array([column.scale == LOG for column in columns])
    # Shapes have no unit, and powers have its square.
    is_sized = (is_log & np.char.startswith(units, own_units)).reshape(n_channel, -1)
    level = np.where(is_magnitude, np.abs(of_channels), 0.0).max(axis=2, keepdims=True)
    is_faint = is_sized & (of_channels > np.square(_RESOLUTION * level)) & (of_channels <= LOG_FLOOR)
    counts = (is_faint.sum(axis=0) > _MOST * len(values)).sum(axis=1)
    named = [
        f"{channel.name} ({n} of {of_channels.shape[2]} features, in {channel.unit})"
        for channel, n in zip(spec.channels, counts.tolist(), strict=True)
        if n
    ]
    if not named:
        return ""
    return (
        f"too small for their unit: {', '.join(named)}; what is below {LOG_FLOOR:g} counts as nothing, and so does a "
        "fault there; give the samples, and state the channel, in a smaller unit, as mV for V"
    )
