"""Transients: windows in which an operating condition changes faster than it did while the detector learned.

A window shares all but a hop with the one before it. So the mean of a condition moves from the one to the other by the
difference between the hop that came and the one that left: by a share of what it has changed by within the window. The
features of windows, which every table and every agent has, tell it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from edge_agent.errors import BundleFormatError
from edge_agent.stream import PHASE_CHANGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRANSIENT: Final = "transient"
STEADY: Final = ""

_FIELDS = frozenset({"hop_ns", "limits"})
_PAIR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How much conditions may change.

    Attributes:
        hop_ns: From one window to the next.
        limits: By condition, the largest change of its mean from one window to the next, in the unit of the condition;
            all conditions of the feature spec, in its order, or none: then changes are not looked at.
    """

    hop_ns: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(math.isfinite(limit) and limit >= 0.0 for limit in self.limits.values()):
            raise _bad(f"expected finite limits of 0 or more, got {dict(self.limits)}")
        if self.hop_ns < 0 or (self.limits and self.hop_ns == 0):
            raise _bad(f"expected a positive hop_ns, got {self.hop_ns}")

    def to_document(self) -> dict[str, Any]:
        """Plain JSON types; limits as a list, because their order counts."""
        return {"hop_ns": self.hop_ns, "limits": [[name, limit] for name, limit in self.limits.items()]}

    @classmethod
    def from_document(cls, document: Any) -> Steadiness:
        """Build it from parsed JSON.

        Raises:
            BundleFormatError: Fields are missing, unknown, of another type or out of range.
        """
        if not isinstance(document, dict) or document.keys() != _FIELDS:
            raise _bad("expected the fields hop_ns, limits, got another document")
        hop_ns, limits = document["hop_ns"], document["limits"]
        if type(hop_ns) is not int or not isinstance(limits, list) or not all(map(_is_limit, limits)):
            raise _bad("expected a whole hop_ns and [name, limit] for each of limits, got other types")
        found = {name: float(limit) for name, limit in limits}
        if len(found) != len(limits):
            raise _bad("expected each condition once, got one twice")
        return cls(hop_ns=hop_ns, limits=found)


class TransientWatch:
    """Holds the windows of one engine, or of recordings one after the other, against the limits.

    The first window of a flight, and the first after one that could not be computed, has none to be compared with: it
    counts as steady.
    """

    def __init__(self, steadiness: Steadiness) -> None:
        self._hop_ns = steadiness.hop_ns
        self._limits = tuple(steadiness.limits.values())
        self._before: tuple[str, int, list[float]] = ("", 0, [])

    def reason_of(self, flight: str, start_ns: int, reason: str, values: NDArray[np.float32]) -> str:
        """Whether the next window is ``TRANSIENT`` or ``STEADY``.

        Args:
            flight: Its flight.
            start_ns: Where it begins.
            reason: Why it cannot be assessed, as its stream says.
            values: (n_feature,) its features; the conditions are the last of them.
        """
        if not self._limits:
            return STEADY
        known, begun_ns, conditions = self._before
        follows = bool(conditions) and known == flight and _is_hop(start_ns - begun_ns, self._hop_ns)
        # Where phases change, there are features all the same.
        now = values[-len(self._limits) :].tolist() if reason in ("", PHASE_CHANGE) else []
        self._before = (flight, start_ns, now)
        changes = (abs(after - before) for before, after in zip(conditions, now, strict=False))
        beyond = any(change > limit for change, limit in zip(changes, self._limits, strict=False))
        return TRANSIENT if follows and beyond else STEADY


def _is_hop(step_ns: int, hop_ns: int) -> bool:
    return abs(step_ns - hop_ns) <= hop_ns // 2


def _is_limit(entry: Any) -> bool:
    if not isinstance(entry, list) or len(entry) != _PAIR or not isinstance(entry[0], str):
        return False
    return isinstance(entry[1], int | float) and not isinstance(entry[1], bool)


def _bad(text: str) -> BundleFormatError:
    return BundleFormatError("thresholds", f"thresholds.json: domain: steadiness: {text}; export the bundle again")
