"""The operating domain: where a detector has learned what healthy is. Outside it nothing is said about health."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edge_agent.errors import BundleFormatError
from edge_agent.transients import Steadiness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTSIDE_DOMAIN: Final = "outside_operating_domain"
INSIDE: Final = ""

_RANGE = 2
_STEADINESS = "steadiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingDomain:
    """Operating conditions and flight phases of the healthy data that a detector was trained on.

    Attributes:
        conditions: Lowest and highest value by condition, ends included, in the unit of the condition; those of the
            feature spec, in its order. Without any, conditions are not looked at.
        phases: Flight phases; without any, every phase is inside.
        steadiness: How much conditions may change; for ``edge_agent.transients.TransientWatch``.
    """

    conditions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    phases: tuple[str, ...] = ()
    steadiness: Steadiness = field(default_factory=Steadiness)

    def __post_init__(self) -> None:
        for name, (low, high) in self.conditions.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise _bad(f"{name}: expected finite low <= high, got [{low}, {high}]")

    def reason_of(self, phase: str, values: NDArray[np.float32]) -> str:
        """Why a window is not in the domain: ``OUTSIDE_DOMAIN``, or ``INSIDE``.

        Args:
            phase: Its flight phase.
            values: (n_feature,) its features; the conditions are the last of them.
        """
        if self.phases and phase not in self.phases:
            return OUTSIDE_DOMAIN
        first = len(values) - len(self.conditions)
        for value, (low, high) in zip(values[first:].tolist(), self.conditions.values(), strict=True):
            if not low <= value <= high:
                return OUTSIDE_DOMAIN
        return INSIDE

    def to_document(self) -> dict[str, Any]:
        """The domain as plain JSON types; conditions as a list, because their order counts."""
        conditions = [[name, low, high] for name, (low, high) in self.conditions.items()]
        document: dict[str, Any] = {"conditions": conditions, "phases": list(self.phases)}
        if self.steadiness.limits:
            # Left out where there is none: bundles of before have the same bytes.
            document[_STEADINESS] = self.steadiness.to_document()
        return document

    @classmethod
    def from_document(cls, document: Any) -> OperatingDomain:
        """Build a domain from parsed JSON.

        Raises:
            BundleFormatError: Fields are missing, unknown, of another type or out of range.
        """
        if not isinstance(document, dict) or set(document) - {_STEADINESS} != {"conditions", "phases"}:
            raise _bad("expected the fields conditions, phases, got another document")
        conditions, phases = document["conditions"], document["phases"]
        if not isinstance(phases, list) or not all(isinstance(phase, str) for phase in phases):
            raise _bad("expected a list of texts in phases, got other types")
        if not isinstance(conditions, list) or not all(map(_is_condition, conditions)):
            raise _bad("expected [name, low, high] for each of conditions, got other types")
        ranges = {name: (float(low), float(high)) for name, low, high in conditions}
        if len(ranges) != len(conditions):
            raise _bad("expected each condition once, got one twice")
        steadiness = Steadiness()
        if _STEADINESS in document:
            steadiness = Steadiness.from_document(document[_STEADINESS])
        if steadiness.limits and tuple(steadiness.limits) != tuple(ranges):
            raise _bad(f"expected the conditions {', '.join(ranges)} in {_STEADINESS}, got others")
        return cls(conditions=ranges, phases=tuple(phases), steadiness=steadiness)


def _is_condition(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != 1 + _RANGE or not isinstance(entry[0], str):
        return False
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in entry[1:])


def _bad(text: str) -> BundleFormatError:
    return BundleFormatError("thresholds", f"thresholds.json: domain: {text}; export the bundle again")
