"""The scaler of a bundle: from physical features to the z-space in which the model works."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.errors import BundleFormatError
from edge_agent.strict_json import is_schema
from shared_features.feature import LINEAR, LOG

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = 1
LOG_FLOOR = 1e-12
"""Smallest value whose logarithm is taken: below any sensor's noise, above the smallest normal float32."""


@dataclass(frozen=True)
class Scaler:
    """Per feature: take the logarithm where ``scales`` says ``log``, subtract ``mean``, divide by ``std``.

    Attributes:
        names: Full feature names, in the order of the vector.
        scales: ``log`` or ``linear``, one a feature.
        mean: Mean of the (logarithmic) feature over healthy fit data.
        std: Standard deviation of the same; positive.
    """

    names: tuple[str, ...]
    scales: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.scales), len(self.mean), len(self.std)}
        if len(lengths) != 1 or not self.names:
            raise _bad(f"expected as many scales, means and stds as names, got lengths {sorted(lengths)}")
        if not set(self.scales) <= {LOG, LINEAR}:
            raise _bad(f"expected scales {LOG} or {LINEAR}, got {sorted(set(self.scales))}")
        if not all(map(math.isfinite, self.mean)) or not all(math.isfinite(s) and s > 0.0 for s in self.std):
            raise _bad("expected finite means and positive finite stds, got others")

    def transform(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Normalise feature vectors.

        Args:
            values: (..., n_feature) physical features.

        Returns:
            (..., n_feature) float64, zero mean and unit variance on healthy data.
        """
        physical = values.astype(np.float64)
        logarithm = np.log(np.maximum(physical, LOG_FLOOR))
        z: NDArray[np.float64] = (np.where(self._is_log, logarithm, physical) - self._mean) / self._std
        return z

    def without(self, values: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
        """The features of a unit as those of the usual unit would be: its constant taken away.

        A scaler whose means lie ``shift`` spreads higher would normalise ``values`` as this one does the result, to the
        rounding of float32, down to ``LOG_FLOOR``.

        Args:
            values: (..., n_feature) physical features.
            shift: (n_feature,) by how much the unit is off, in units of ``std``; 0 leaves a feature as it is.

        Returns:
            (..., n_feature) float32, of the shape of ``values``.
        """
        constant = shift * self._std
        is_log = self._is_log
        physical = values.astype(np.float64)
        louder = np.exp(np.where(is_log, constant, 0.0))
        moved = np.where(is_log, np.maximum(physical, LOG_FLOOR) / louder, physical - constant).astype(np.float32)
        return np.where(shift == 0.0, values, moved)

    @cached_property
    def _is_log(self) -> NDArray[np.bool_]:
        return np.array([scale == LOG for scale in self.scales])

    @cached_property
    def _mean(self) -> NDArray[np.float64]:
        return np.array(self.mean)

    @cached_property
    def _std(self) -> NDArray[np.float64]:
        return np.array(self.std)

    def to_json(self) -> bytes:
        """Canonical JSON of the scaler."""
        document = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")

    @classmethod
    def from_document(cls, document: Any) -> Scaler:
        """Build a scaler from parsed JSON.

        Raises:
            BundleFormatError: Fields are missing, of another type or of another length.
        """
        expected = {"schema", "names", "scales", "mean", "std"}
        is_ours = isinstance(document, dict) and set(document) == expected and is_schema(document["schema"], SCHEMA)
        if not is_ours:
            raise _bad(f"expected schema {SCHEMA} with the fields {', '.join(sorted(expected))}, got another document")
        texts = [document["names"], document["scales"]]
        numbers = [document["mean"], document["std"]]
        if not all(_is_list(part, str) for part in texts) or not all(_is_list(part, (int, float)) for part in numbers):
            raise _bad("expected lists of texts and of numbers, got other types")
        return cls(
            names=tuple(document["names"]),
            scales=tuple(document["scales"]),
            mean=tuple(map(float, document["mean"])),
            std=tuple(map(float, document["std"])),
        )


def _is_list(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def _bad(text: str) -> BundleFormatError:
    return BundleFormatError("scaler", f"scaler.json: {text}; export the bundle again")
