"""What the numbers of a bundle's features mean: names, units, and where healthy windows lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from edge_agent.errors import BundleError
from edge_agent.layout import FEATURE_SPEC, SCALER
from edge_agent.scaler import Scaler
from edge_agent.strict_json import parse_json
from ground.console.data.bundle_digest import digest_in
from ground.workspace import Workspace
from shared_features.errors import FeatureError
from shared_features.feature import LOG
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

_KEPT = 64
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
        return math.exp(value) if self.is_log else value


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


def scales_of(workspace: Workspace, bundle_id: str, bundle_digest: str) -> BundleScales:
    """The features of a bundle that was made in a workspace.

    Args:
        workspace: Where it was made.
        bundle_id: ``<detector>/<version>``.
        bundle_digest: sha256 of the bundle; another one of the same name is another one.

    Returns:
        ``UNKNOWN`` where it is not here, or not whole.
    """
    detector, _, version = bundle_id.partition("/")
    models = workspace.root / "models"
    for folder in models.glob("*/*"):
        if (folder.parent.name, folder.name) == (detector, version) and digest_in(folder) == bundle_digest:
            return _read_scales(folder, bundle_digest)
    return UNKNOWN


@lru_cache(maxsize=_KEPT)
def _read_scales(folder: Path, bundle_digest: str) -> BundleScales:
    del bundle_digest  # what lies beside a bundle of this digest does not change
    try:
        scaler = Scaler.from_document(parse_json((folder / SCALER).read_bytes(), where=SCALER))
        columns = columns_of(FeatureSpec.from_json((folder / FEATURE_SPEC).read_bytes()))
    except (OSError, BundleError, FeatureError):
        return UNKNOWN
    units = {column.name: column.unit for column in columns}
    parts = zip(scaler.names, scaler.scales, scaler.mean, scaler.std, strict=True)
    return BundleScales(
        tuple(
            FeatureScale(name=name, unit=units.get(name, SPREADS), is_log=scale == LOG, mean=mean, std=std)
            for name, scale, mean, std in parts
        )
    )
