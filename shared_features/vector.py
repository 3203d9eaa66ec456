"""The feature vector of a spec: which numbers, in which order, and how a window becomes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.envelope import envelope_features, envelope_values
from shared_features.feature import LINEAR, Feature
from shared_features.orders import order_features, order_values
from shared_features.spectral import SpectrumMaker, spectral_features
from shared_features.time_domain import TIME_FEATURES, time_values
from shared_features.velocity import VelocityMaker, velocity_features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    """One group of features.

    Attributes:
        name: Its name in the spec.
        features: What its features are.
        values: Computes them, in this order, from the fold of a window.
    """

    name: str
    features: tuple[Feature, ...]
    values: Callable[[Fold], Iterable[float]]


class VectorMaker:
    """Computes feature vectors by one spec; holds scratch memory, so one maker serves one thread."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._groups = groups_of(spec)
        per_channel = sum(len(group.features) for group in self._groups)
        self.n_feature = len(spec.channels) * per_channel + len(spec.conditions)

    def vector(self, folds: Sequence[Fold], conditions: Sequence[float]) -> NDArray[np.float32]:
        """The feature vector of a window.

        Args:
            folds: One fold a channel, in the order of the spec.
            conditions: Mean operating conditions.

        Returns:
            (n_feature,) float32, rounded once, from float64; what float32 cannot hold is infinite.
        """
        values = np.array([*self.exact(folds), *conditions], dtype=np.float64)
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def exact(self, folds: Sequence[Fold]) -> list[float]:
        """The features of a window before they are rounded; see ``vector``."""
        return [value for channel in folds for group in self._groups for value in group.values(channel)]


def groups_of(spec: FeatureSpec) -> tuple[Group, ...]:
    """The enabled groups of ``spec``, in the order of the vector."""
    groups = []
    if spec.time.enabled:
        groups.append(Group("time", TIME_FEATURES, time_values))
    if spec.spectrum.enabled:
        spectrum = SpectrumMaker(spec)
        groups.append(Group("spectrum", spectral_features(spec), lambda window: spectrum.values(window.psd)))
    if spec.velocity.enabled:
        velocity = VelocityMaker(spec)
        groups.append(Group("velocity", velocity_features(spec), lambda window: (velocity.rms_mm_s(window.psd),)))
    if spec.envelope.enabled:
        groups.append(Group("envelope", envelope_features(spec), envelope_values))
    if spec.orders.enabled:
        groups.append(Group("orders", order_features(spec), order_values))
    return tuple(groups)


def columns_of(spec: FeatureSpec) -> tuple[Column, ...]:
    """The columns of the feature vector of ``spec``, in order."""
    features = [feature for group in groups_of(spec) for feature in group.features]
    columns = [_column(channel.name, channel.unit, feature) for channel in spec.channels for feature in features]
    columns += [Column(name, "Hz", LINEAR, "mean over the records", "reported") for name in spec.conditions]
    return tuple(columns)


def _column(channel: str, unit: str, feature: Feature) -> Column:
    return Column(
        f"{channel}.{feature.name}", feature.unit.format(u=unit), feature.scale, feature.formula, feature.source
    )
