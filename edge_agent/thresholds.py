"""The thresholds of a bundle: per phase, with persistence and hysteresis, and the promise behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_agent.domain import OperatingDomain
from edge_agent.errors import BundleFormatError
from edge_agent.strict_json import is_schema

SCHEMA = 2
_NUMBERS = ("pooled", "release_ratio", "false_alarm_rate", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When scores become an alarm.

    Attributes:
        pooled: Threshold of a phase that ``phases`` does not name.
        phases: Threshold by phase.
        k: Windows above the threshold, out of the last ``n`` assessed ones, that raise an alarm.
        n: Length of that memory.
        release_ratio: Share of the threshold below which all ``n`` windows must fall before an alarm ends.
        false_alarm_rate: Declared bound on the share of healthy flights that raise an alarm.
        confidence: Confidence of that bound, as calibrated (lower than asked for where flights were too few).
        domain: Where they hold; elsewhere a window is not assessed.
    """

    pooled: float
    phases: Mapping[str, float]
    k: int
    n: int
    release_ratio: float
    false_alarm_rate: float
    confidence: float
    domain: OperatingDomain = field(default_factory=OperatingDomain)

    def __post_init__(self) -> None:
        levels = (self.pooled, *self.phases.values())
        if not all(math.isfinite(level) and level > 0.0 for level in levels):
            raise _bad(f"expected positive finite thresholds, got {levels}")
        if not 1 <= self.k <= self.n:
            raise _bad(f"expected 1 <= k <= n, got k={self.k}, n={self.n}")
        for name in ("release_ratio", "false_alarm_rate", "confidence"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise _bad(f"expected {name} in (0, 1], got {getattr(self, name)}")

    def of(self, phase: str) -> float:
        """The threshold in ``phase``, the pooled one where the phase has none of its own."""
        return self.phases.get(phase, self.pooled)

    def to_document(self) -> dict[str, Any]:
        """The thresholds as plain JSON types."""
        return {
            "schema": SCHEMA, "pooled": self.pooled, "phases": dict(self.phases), "k": self.k, "n": self.n,
            "release_ratio": self.release_ratio, "false_alarm_rate": self.false_alarm_rate,
            "confidence": self.confidence, "domain": self.domain.to_document(),
        }  # fmt: skip

    def to_json(self) -> bytes:
        """Canonical JSON of the thresholds."""
        return json.dumps(self.to_document(), sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")

    @classmethod
    def from_document(cls, document: Any) -> Thresholds:
        """Build thresholds from parsed JSON.

        Raises:
            BundleFormatError: Fields are missing, unknown, of another type or out of range.
        """
        expected = {"schema", "phases", "k", "n", "domain", *_NUMBERS}
        is_ours = isinstance(document, dict) and set(document) == expected and is_schema(document["schema"], SCHEMA)
        if not is_ours:
            raise _bad(f"expected schema {SCHEMA} with the fields {', '.join(sorted(expected))}, got another document")
        if not all(isinstance(document[name], int) and not isinstance(document[name], bool) for name in ("k", "n")):
            raise _bad("expected whole numbers k and n, got other types")
        phases = document["phases"]
        if not isinstance(phases, dict) or not all(map(_is_number, phases.values())):
            raise _bad("expected a number for each phase, got other types")
        if not all(_is_number(document[name]) for name in _NUMBERS):
            raise _bad(f"expected numbers in {', '.join(_NUMBERS)}, got other types")
        return cls(
            phases={name: float(level) for name, level in phases.items()},
            k=document["k"],
            n=document["n"],
            domain=OperatingDomain.from_document(document["domain"]),
            **{name: float(document[name]) for name in _NUMBERS},
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(text: str) -> BundleFormatError:
    return BundleFormatError("thresholds", f"thresholds.json: {text}; export the bundle again")
