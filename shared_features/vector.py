"""The feature vector of a spec: which numbers, in which order, and how a window becomes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared_features.feature import LINEAR, Feature
from shared_features.spectral import LineMaker, Lines, spectral_features
from shared_features.time_domain import TIME_FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_features.fold import Fold
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the feature vector: full name, unit, scale (``log`` or ``linear``) and formula."""

    name: str
    unit: str
    scale: str
    formula: str


class VectorMaker:
    """Computes feature vectors by one spec; holds constants, no state."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._time, self._spectral = _groups(spec)
        self._lines = [LineMaker(spec)] if self._spectral else []
        self.per_channel = len(self._time) + len(self._spectral)

    def vector(self, folds: Sequence[Fold], conditions: NDArray[np.float64]) -> NDArray[np.float32]:
        """The feature vector of one window.

        Args:
            folds: One fold a channel, in the order of the spec.
            conditions: (n_condition,) mean operating conditions of the window.

        Returns:
            (n_feature,) float32, rounded once, from float64.
        """
        values: list[float] = []
        for channel in folds:
            values.extend(feature.compute(channel) for feature in self._time)
            for maker in self._lines:
                lines = maker.lines(channel.psd)
                values.extend(feature.compute(lines) for feature in self._spectral)
        values.extend(conditions.tolist())
        return np.array(values, dtype=np.float64).astype(np.float32)


def columns_of(spec: FeatureSpec) -> tuple[Column, ...]:
    """The columns of the feature vector of ``spec``, in order."""
    time, spectral = _groups(spec)
    features: list[Feature[Any]] = [*time, *spectral]
    columns = [
        Column(f"{channel.name}.{feature.name}", feature.unit.format(u=channel.unit), feature.scale, feature.formula)
        for channel in spec.channels
        for feature in features
    ]
    columns += [Column(name, "Hz", LINEAR, "mean over the records") for name in spec.conditions]
    return tuple(columns)


def _groups(spec: FeatureSpec) -> tuple[tuple[Feature[Fold], ...], tuple[Feature[Lines], ...]]:
    """The features of each enabled group, in the order of the vector."""
    time = TIME_FEATURES if spec.time.enabled else ()
    return time, (spectral_features(spec) if spec.spectrum.enabled else ())
