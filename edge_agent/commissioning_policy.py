"""What a bundle allows an agent to learn about a new unit: how much, from how much, and what holds before and after.

The member ``commissioning.json`` is optional: without it nothing is ever learned on board.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge_agent.errors import BundleFormatError
from edge_agent.strict_json import is_schema
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.thresholds import Thresholds

SCHEMA: Final = 1
MOST_FLIGHTS: Final = 64
_SCHEMA_FIELD = "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLevels:
    """The conditional baseline of the bundle's graph, in healthy spreads: a sum of ramps over operating conditions.

    Attributes:
        offset: (n_feature,) what is usual below all ramps.
        columns: (n_ramp,) the condition of each ramp, as a column of the feature vector.
        low: (n_ramp,) where it begins.
        width: (n_ramp,) how wide it is, positive.
        steps: (n_ramp, n_feature) rise over it.
    """

    offset: tuple[float, ...]
    columns: tuple[int, ...]
    low: tuple[float, ...]
    width: tuple[float, ...]
    steps: tuple[tuple[float, ...], ...]

    def residual(self, z: NDArray[np.float64], n_condition: int) -> NDArray[np.float64]:
        """What windows lie above their expectation.

        Args:
            z: (n, n_feature) normalised windows.
            n_condition: How many of the last features are operating conditions: those are explained whole.

        Returns:
            (n, n_feature) float64; 0 for conditions.
        """
        rest: NDArray[np.float64] = z - np.array(self.offset)
        for column, low, width, step in zip(self.columns, self.low, self.width, self.steps, strict=True):
            rest -= np.clip((z[:, column] - low) / width, 0.0, 1.0)[:, None] * np.array(step)
        rest[:, z.shape[1] - n_condition :] = 0.0
        return rest


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseThreshold:
    """The threshold of known units in one flight phase."""

    phase: str
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUnit:
    """A unit of the training: where it runs, as ``aircraft/engine``, and its (n_feature,) shift."""

    engine: str
    shift: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningPolicy:
    """How a unit that nobody knows becomes a known one.

    Attributes:
        flights: So many flights are learned from, each free of alarms.
        windows: Normal windows that a flight needs, to be one of them.
        spans: (n_condition,) range of each operating condition that they must cover together, in its unit.
        limits: (n_feature,) largest shift either way, in healthy spreads; 0 where a feature may not shift.
        expected: The baseline that shifts are measured from.
        pooled: Threshold of known units; beside it, those of ``phases``.
        phases: Threshold of known units by phase.
        confidence: Of the thresholds of known units.
        units: How many units of the training the limits come from.
        known: The units that are known from the training.
    """

    flights: int
    windows: int
    spans: tuple[float, ...]
    limits: tuple[float, ...]
    expected: ExpectedLevels
    pooled: float
    phases: tuple[PhaseThreshold, ...]
    confidence: float
    units: int
    known: tuple[KnownUnit, ...]

    def __post_init__(self) -> None:
        n_feature = len(self.limits)
        vectors = (self.expected.offset, *self.expected.steps, *(unit.shift for unit in self.known))
        if any(len(vector) != n_feature for vector in vectors):
            raise _bad(f"expected {n_feature} features throughout, as in limits, got other lengths")
        n_ramp = len(self.expected.columns)
        if {len(self.expected.low), len(self.expected.width), len(self.expected.steps)} != {n_ramp}:
            raise _bad(f"expected {n_ramp} ramps throughout, as in expected.columns, got other lengths")
        if not all(0 <= column < n_feature for column in self.expected.columns):
            raise _bad(f"expected.columns: expected columns from 0 to {n_feature - 1}, got others")
        if not 1 <= self.flights <= MOST_FLIGHTS or self.windows < 1:
            raise _bad(f"expected 1 to {MOST_FLIGHTS} flights and windows >= 1, got {self.flights}, {self.windows}")
        self._check_numbers()

    def _check_numbers(self) -> None:
        positive = (self.pooled, self.confidence, *(each.threshold for each in self.phases), *self.expected.width)
        if not all(value > 0.0 for value in positive) or self.confidence > 1.0:
            raise _bad("expected positive thresholds and widths and a confidence up to 1, got others")
        if not all(value >= 0.0 for value in (*self.limits, *self.spans)):
            raise _bad("expected limits and spans of 0 or more, got negative ones")
        limits = np.array(self.limits)
        for unit in self.known:
            if (np.abs(np.array(unit.shift)) > limits).any():
                raise _bad(f"known: {unit.engine}: expected shifts within limits, got a larger one")
        for names in ([unit.engine for unit in self.known], [each.phase for each in self.phases]):
            if len(set(names)) != len(names):
                raise _bad(f"expected each unit and each phase once, got {', '.join(sorted(names))}")

    def thresholds(self, unknown: Thresholds) -> Thresholds:
        """The thresholds of known units; persistence, domain and declared rate are those of ``unknown`` ones."""
        phases = {each.phase: each.threshold for each in self.phases}
        return replace(unknown, pooled=self.pooled, phases=phases, confidence=self.confidence)

    def shift_of(self, engine: str) -> tuple[float, ...]:
        """The shift of a unit known from the training; empty for any other."""
        return next((unit.shift for unit in self.known if unit.engine == engine), ())

    def check(self, *, n_feature: int, n_condition: int) -> None:
        """Hold the policy against the features it is for.

        Raises:
            BundleFormatError: Another number of features or conditions, or conditions that may shift.
        """
        if len(self.limits) != n_feature or len(self.spans) != n_condition:
            raise _bad(
                f"expected {n_feature} features and {n_condition} conditions, got {len(self.limits)} and "
                f"{len(self.spans)}"
            )
        if any(self.limits[n_feature - n_condition :]):
            raise _bad("limits: expected 0 for operating conditions, got others")

    def to_json(self) -> bytes:
        """Canonical JSON of the policy."""
        document = {_SCHEMA_FIELD: SCHEMA, **asdict(self)}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")

    @classmethod
    def from_document(cls, document: Any) -> CommissioningPolicy:
        """Build a policy from parsed JSON.

        Raises:
            BundleFormatError: Fields are missing, unknown, of another type or out of range.
        """
        expected = {_SCHEMA_FIELD, *(field.name for field in fields(cls))}
        is_ours = isinstance(document, dict) and set(document) == expected
        if not is_ours or not is_schema(document[_SCHEMA_FIELD], SCHEMA):
            raise _bad(f"expected schema {SCHEMA} with the fields {', '.join(sorted(expected))}, got another document")
        try:
            return from_mapping(
                cls, {name: value for name, value in document.items() if name != _SCHEMA_FIELD}, where="policy"
            )
        except SpecError as error:
            raise _bad(str(error)) from error


def _bad(text: str) -> BundleFormatError:
    return BundleFormatError("commissioning", f"commissioning.json: {text}; export the bundle again")
