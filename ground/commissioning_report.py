"""How the policy of commissioning came about: a part of the evidence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNumbers:
    """Flights of examined units in one stage, and in how many an alarm was raised."""

    healthy_flights: int = 0
    healthy_alarms: int = 0
    faulty_flights: int = 0
    faulty_alarms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissioningReport:
    """How a policy came about.

    Attributes:
        refusal: Why the bundle carries none; empty where it does.
        digest: sha256 (hex) of ``commissioning.json``; empty without.
        flights: Flights that are learned from.
        limit_units: Units of the fit that set the limits.
        rehearsed_units: Units of the calibration that were commissioned in rehearsal.
        completed_units: Those that became known.
        known_units: Units of the training that the bundle knows by name.
        pooled: Threshold of known units.
        unknown_pooled: Threshold of units that are not known.
        summary: How the threshold of known units came about.
        commissioning: Examined units while they are commissioned.
        known: The same units afterwards. A fault was there from the first flight, unless it began in one.
    """

    refusal: str
    digest: str = ""
    flights: int = 0
    limit_units: int = 0
    rehearsed_units: int = 0
    completed_units: int = 0
    known_units: int = 0
    pooled: float = 0.0
    unknown_pooled: float = 0.0
    summary: str = ""
    commissioning: StageNumbers = StageNumbers()
    known: StageNumbers = StageNumbers()
