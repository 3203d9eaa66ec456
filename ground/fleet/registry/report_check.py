"""Whether a shadow report allows that its shadow becomes active."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_agent.strict_json import is_schema
from ground.errors import PromotionError

LARGEST_LIMIT: Final = 0.05
LEAST_CONFIDENCE: Final = 0.95
"""A report by a laxer rule is no evidence: anything is ready by some rule."""
_SHORT: Final = 16
_LARGEST_REPORT: Final = 64 * 1024 * 1024
_MOST_FLIGHTS: Final = 10**9
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What counts of a report.

    Attributes:
        shadow: Digest of the bundle that looked along.
        active: Digests of those that decided.
        verdict: ``ready``, ``worse`` or ``go_on``.
        limit: Extra alarms a flight that were allowed.
        confidence: Of the verdict.
        flights: Flights that both saw.
        gained: Those in which the shadow alone alarmed.
    """

    shadow: str
    active: tuple[str, ...]
    verdict: str
    limit: float
    confidence: float
    flights: int
    gained: int


def check_report(name: str, report: bytes, *, shadow: str, active: str) -> None:
    """Refuse a report that does not say that this bundle may take the place of that one.

    Args:
        name: Of the bundle that would become active.
        report: The JSON of ``ground shadow report --out``.
        shadow: Digest of that bundle.
        active: Digest of the one whose place it takes.

    Raises:
        PromotionError: It does not; the text says why.
    """
    found = read_report(report)
    what = f"{name}: shadow report"
    if found.shadow != shadow:
        raise PromotionError(f"{what}: expected shadow {shadow[:_SHORT]}, got {found.shadow[:_SHORT]}; make its own")
    if found.active != (active,):
        others = ", ".join(each[:_SHORT] for each in found.active) or "none"
        raise PromotionError(
            f"{what}: expected active {active[:_SHORT]} alone, got {others}; leave out other days with --since, --until"
        )
    if found.limit > LARGEST_LIMIT or found.confidence < LEAST_CONFIDENCE:
        raise PromotionError(
            f"{what}: expected --limit {LARGEST_LIMIT} or less and --confidence {LEAST_CONFIDENCE} or more, got "
            f"{found.limit:g} and {found.confidence:g}; make it again"
        )
    if found.verdict != "ready":
        raise PromotionError(f"{what}: expected verdict ready, got {found.verdict}; let it fly on, or retire it")
    _check_numbers(what, found)


def read_report_file(path: Path) -> bytes:
    """The file of a report.

    Raises:
        PromotionError: It cannot be read, or is too large to be one.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_REPORT + 1)
    except OSError as error:
        raise PromotionError(
            f"--shadow-report: expected a file, got {path}: {error.strerror}; `ground shadow report --out` writes it"
        ) from error
    if len(content) > _LARGEST_REPORT:
        raise PromotionError(f"--shadow-report: expected at most {_LARGEST_REPORT} bytes, got more in {path}")
    return content


def read_report(report: bytes) -> Reported:
    """Read what counts of a report.

    Raises:
        PromotionError: No report of this schema.
    """
    try:
        # Not as strictly as a bundle's members: its times are nanoseconds, which are beyond 2^53.
        return _reported(json.loads(report))
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise PromotionError(
            f"shadow report: expected the file that `ground shadow report --out` writes, got {error!r:.120}; "
            "make it again"
        ) from error


def _reported(document: Any) -> Reported:
    from ground.fleet.shadow_report import SCHEMA

    if not isinstance(document, dict) or not is_schema(document.get("schema"), SCHEMA):
        raise ValueError(f"no document of schema {SCHEMA}")
    return Reported(
        shadow=str(document["shadow"][1]),
        active=tuple(str(digest) for _, digest in document["active"]),
        verdict=str(document["verdict"]),
        limit=_share(document["rule"]["limit"]),
        confidence=_share(document["rule"]["confidence"]),
        flights=_count(document["flights"]),
        gained=len(document["gained"]),
    )


def _share(value: Any) -> float:
    """Not NaN, which JSON of Python may hold, and which no limit excludes."""
    if type(value) is not float or not 0.0 < value < 1.0:
        raise ValueError(f"{value!r:.20} for a share")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value > _MOST_FLIGHTS:
        raise ValueError(f"{value!r:.20} for a count")
    return value


def _check_numbers(what: str, found: Reported) -> None:
    """A verdict that its own numbers do not give was written by something else."""
    from ground.fleet.sequential import bounds

    try:
        high = bounds(found.gained, found.flights, confidence=found.confidence)[1]
    except ValueError as error:
        raise PromotionError(f"{what}: expected numbers that can be, got {error}") from error
    if high > found.limit + _ROUNDING:
        raise PromotionError(
            f"{what}: expected numbers that give ready, got {found.gained} extra alarms in {found.flights} flights, "
            f"at most {high:.3f}; make it again with `ground shadow report --out`"
        )
