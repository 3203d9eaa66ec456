"""The feature vector of a spec: which numbers, in which order, and how windows become them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared_features.envelope import envelope_features
from shared_features.feature import LINEAR, Feature
from shared_features.orders import order_features
from shared_features.spectral import LineMaker, spectral_features
from shared_features.time_domain import TIME_FEATURES, levels_of
from shared_features.velocity import velocity_features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared_features.fold import Fold
    from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the feature vector: full name, unit, scale (``log`` or ``linear``), formula and source."""

    name: str
    unit: str
    scale: str
    formula: str
    source: str


@dataclass(frozen=True, slots=True)
class Group:
    """One group of features: its name in the spec, its features, and the view of a window that they are read from."""

    name: str
    features: tuple[Feature[Any], ...]
    view: Callable[[Fold], Any]


class VectorMaker:
    """Computes feature vectors by one spec; holds scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._groups = groups_of(spec)
        per_channel = sum(len(group.features) for group in self._groups)
        self.n_feature = len(spec.channels) * per_channel + len(spec.conditions)

    def vectors(self, folds: Sequence[Fold], conditions: NDArray[np.float64]) -> NDArray[np.float32]:
        """The feature vectors of some windows.

        Args:
            folds: One fold a channel, in the order of the spec.
            conditions: (n_window, n_condition) mean operating conditions of each window.

        Returns:
            (n_window, n_feature) float32, rounded once, from float64; what float32 cannot hold is infinite.
        """
        columns = [column for channel in folds for column in self._columns(channel)]
        values = np.concatenate([*columns, *conditions.T]).reshape(self.n_feature, -1)
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values.T, dtype=np.float32)

    def _columns(self, channel: Fold) -> Iterator[NDArray[np.float64]]:
        for group in self._groups:
            statistics = group.view(channel)
            yield from (feature.compute(statistics) for feature in group.features)


def groups_of(spec: FeatureSpec) -> tuple[Group, ...]:
    """The enabled groups of ``spec``, in the order of the vector."""
    groups = []
    if spec.time.enabled:
        groups.append(Group("time", TIME_FEATURES, levels_of))
    if spec.spectrum.enabled:
        maker = LineMaker(spec)
        groups.append(Group("spectrum", spectral_features(spec), lambda window: maker.lines(window.psd)))
    if spec.velocity.enabled:
        groups.append(Group("velocity", velocity_features(spec), lambda window: window.psd))
    if spec.envelope.enabled:
        groups.append(Group("envelope", envelope_features(spec), _itself))
    if spec.orders.enabled:
        groups.append(Group("orders", order_features(spec), _itself))
    return tuple(groups)


def columns_of(spec: FeatureSpec) -> tuple[Column, ...]:
    """The columns of the feature vector of ``spec``, in order."""
    features = [feature for group in groups_of(spec) for feature in group.features]
    columns = [_column(channel.name, channel.unit, feature) for channel in spec.channels for feature in features]
    columns += [Column(name, "Hz", LINEAR, "mean over the records", "reported") for name in spec.conditions]
    return tuple(columns)


def _column(channel: str, unit: str, feature: Feature[Any]) -> Column:
    return Column(
        f"{channel}.{feature.name}", feature.unit.format(u=unit), feature.scale, feature.formula, feature.source
    )


def _itself(window: Fold) -> Fold:
    return window
