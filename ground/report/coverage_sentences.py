"""What of the test was heard at all, in sentences: silence raises no false alarm, and shows nothing either."""

from __future__ import annotations

from ground.evidence import ContenderEvidence, Evidence
from ground.report import words


def coverage_sentences(evidence: Evidence) -> tuple[str, ...]:
    """About the detector that ships; nothing where there is nothing to tell."""
    return tuple(sentence for shipped in evidence.contenders[:1] for sentence in _unheard(shipped))


def _unheard(shipped: ContenderEvidence) -> tuple[str, ...]:
    n = shipped.flights.unheard_flights
    if not n:
        return ()
    flights = words.count(n, "healthy test flight")
    fewer = f"with fewer than {shipped.thresholds.k} assessed windows"
    return (f"{flights} {fewer} could not alarm: left out of the false alarms.",)
