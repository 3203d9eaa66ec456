"""What of the test was heard at all, in sentences: silence raises no false alarm, and shows nothing either."""

from __future__ import annotations

from collections.abc import Iterator

from ground.coverage import Coverage
from ground.evidence import ContenderEvidence, Evidence
from ground.report import words


def coverage_sentences(evidence: Evidence) -> tuple[str, ...]:
    """About the detector that ships; nothing where there is nothing to tell."""
    parts = (("healthy", evidence.coverage.healthy), ("faulty", evidence.coverage.faulty))
    heard = [sentence for label, part in parts for sentence in _heard(label, part)]
    return (*heard, *(sentence for shipped in evidence.contenders[:1] for sentence in _unheard(shipped)))


def _heard(label: str, part: Coverage) -> Iterator[str]:
    if part.examined:
        reasons = [f"{words.reason_name(reason)} ({n:,})" for reason, n in part.not_assessed]
        rest = f"; the rest: {words.listed(reasons)}" if reasons else ""
        yield f"Of {words.count(part.examined, f'{label} test window')} {words.share(part.share)} were assessed{rest}."


def _unheard(shipped: ContenderEvidence) -> Iterator[str]:
    n = shipped.flights.unheard_flights
    if n:
        flights, fewer = words.count(n, "healthy test flight"), f"fewer than {shipped.thresholds.k} assessed windows"
        yield f"{flights} with {fewer} could not alarm: left out of the false alarms."
