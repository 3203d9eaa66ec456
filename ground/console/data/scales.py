"""What the numbers of a bundle's features mean: names, units, and where healthy windows lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

from edge_agent.errors import BundleError
from edge_agent.layout import FEATURE_SPEC, SCALER
from edge_agent.scaler import Scaler
from edge_agent.strict_json import parse_json
from ground.console.data.bundle_digest import UNSIGNED
from ground.console.data.kept import Kept
from ground.console.data.versions import VersionFolder, members_in, version_in
from ground.errors import DataError
from ground.workspace import Workspace
from shared_features.errors import FeatureError
from shared_features.feature import LOG
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

_MOST_KEPT: Final = 64
_MOST_EXPONENT: Final = 700.0
"""Of e: what a float holds; messages come from the wire, and may hold any sum."""
SPREADS: Final = "spreads"
"""Unit of a feature that has no name: distance from the healthy mean, in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureScale:
    """One feature of a bundle.

    Attributes:
        name: Its full name.
        unit: Of its physical values; ``1`` for plain numbers.
        is_log: Whether its logarithm was scaled.
        mean: Mean of the (logarithmic) feature over healthy training windows.
        std: Standard deviation of the same.
    """

    name: str
    unit: str
    is_log: bool
    mean: float
    std: float

    def physical(self, spreads: float) -> float:
        """The physical value so many spreads from the healthy mean, in ``unit``."""
        value = self.mean + spreads * self.std
        return math.exp(min(value, _MOST_EXPONENT)) if self.is_log else value


@dataclass(frozen=True, slots=True)
class BundleScales:
    """The features of a bundle, in the order of its vector; none where this workspace does not hold the bundle."""

    features: tuple[FeatureScale, ...]

    def at(self, index: int) -> FeatureScale:
        """A feature; a nameless one in spreads where the bundle is not known."""
        if index < len(self.features):
            return self.features[index]
        return FeatureScale(name=f"feature {index + 1}", unit=SPREADS, is_log=False, mean=0.0, std=1.0)


UNKNOWN: Final = BundleScales(())
_kept: Final[Kept[str, BundleScales]] = Kept(_MOST_KEPT)


def scales_of(workspace: Workspace, bundle_id: str, bundle_digest: str) -> BundleScales:
    """The features of a bundle that was made in a workspace, as they were signed.

    Args:
        workspace: Where it was made.
        bundle_id: ``<detector>/<version>``.
        bundle_digest: sha256 of the bundle; another one of the same name is another one.

    Returns:
        ``UNKNOWN`` where it is not here, or not whole.
    """
    for found in version_in(workspace, bundle_id):
        if found.digest == bundle_digest != UNSIGNED:
            try:
                return _kept.of(bundle_digest, partial(_scales, found))
            except (DataError, BundleError, FeatureError):
                return UNKNOWN
    return UNKNOWN


def _scales(found: VersionFolder) -> BundleScales:
    members = members_in(found.folder, found.digest)
    scaler = Scaler.from_document(parse_json(members[SCALER], where=SCALER))
    columns = columns_of(FeatureSpec.from_json(members[FEATURE_SPEC]))
    units = {column.name: column.unit for column in columns}
    parts = zip(scaler.names, scaler.scales, scaler.mean, scaler.std, strict=True)
    return BundleScales(
        tuple(
            FeatureScale(name=name, unit=units.get(name, SPREADS), is_log=scale == LOG, mean=mean, std=std)
            for name, scale, mean, std in parts
        )
    )
