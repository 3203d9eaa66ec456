"""Reasons: which features made a window strange."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.assessment import Contribution
from shared_features.vector import groups_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.scaler import Scaler
    from shared_features.spec import FeatureSpec

TOP_CONTRIBUTIONS = 5
LEAST_LOCATED_SHARE = 0.1
"""Less of the whole, and what is strange is nothing that has a place: a spike, an offset."""

_LOCATED_GROUPS = frozenset({"envelope", "orders"})
_SPECTRUM = "spectrum"


@lru_cache(maxsize=8)
def located_features(spec: FeatureSpec) -> NDArray[np.bool_]:
    """(n_feature,) which features say where something is: bands, orders, and what is listened to for bearings.

    The others (level, kurtosis, centroid, entropy, ...) are of the whole signal: they answer to anything.
    """
    places: list[bool] = []
    for group in groups_of(spec):
        n = len(group.features)
        n_located = len(spec.spectrum.bands_hz) if group.name == _SPECTRUM else n * (group.name in _LOCATED_GROUPS)
        places += [True] * n_located + [False] * (n - n_located)
    found = np.array(places * len(spec.channels) + [False] * len(spec.conditions), dtype=np.bool_)
    found.flags.writeable = False
    return found


def contributions(
    scaler: Scaler, values: NDArray[np.float32], reconstruction: NDArray[np.float32], located: NDArray[np.bool_]
) -> tuple[Contribution, ...]:
    """The features whose normalised squared residuals are the largest, with their shares of the sum over all features.

    Of those that have a place, as long as these hold ``LEAST_LOCATED_SHARE`` of the sum: a mechanic looks there.

    Args:
        scaler: The bundle's scaler.
        values: (n_feature,) features.
        reconstruction: (n_feature,) what the model expected instead.
        located: (n_feature,) which features have a place; see ``located_features``.
    """
    residual = scaler.transform(values) - scaler.transform(reconstruction)
    squared = residual * residual
    total = float(np.add.reduce(squared))
    if not 0.0 < total < np.inf:
        return ()
    placed = np.where(located, squared, 0.0)
    named = placed if float(np.add.reduce(placed)) >= LEAST_LOCATED_SHARE * total else squared
    order = np.argsort(-named, kind="stable")[:TOP_CONTRIBUTIONS]
    return tuple(Contribution(scaler.names[index], float(squared[index] / total)) for index in order if named[index])
