"""How thresholds came about, for people and for the evidence record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_agent.thresholds import Thresholds

ORDER_STATISTIC: Final = "order statistic"
PREDICTION_BOUND: Final = "prediction bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseScale:
    """The usual healthy level of a phase: the median over fit flights of the value after persistence.

    Attributes:
        phase: Its name.
        scale: Scores are divided by it before phases are compared; the pooled one where ``n_flights`` is too small.
        n_flights: Fit flights with enough windows of the phase.
        is_pooled: Whether the phase borrows the pooled scale.
    """

    phase: str
    scale: float
    n_flights: int
    is_pooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalBound:
    """What a rehearsal asks of the threshold.

    Attributes:
        name: What was left out of the training.
        n_groups: How many times, each with something else.
        level: The bound, in units of the scales: the prediction bound, or the largest value.
    """

    name: str
    n_groups: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """How the thresholds came about.

    Attributes:
        level: The common threshold, in units of the scales: an alarm is raised exactly by a flight value above it.
        basis: What set it: ``order statistic``, ``prediction bound``, or the name of a rehearsal.
        rank: Rank (from 1, ascending) of the flight value that the order statistic is.
        n_flights: Independent calibration flights it is taken from: one a group.
        n_spare: Further flights of the same groups, not used: they would repeat what their group has said.
        n_too_short: Flights left out because they hold fewer than k assessed windows.
        needed_flights: Flights that the declared bound needs.
        insufficient_flights: Whether there are fewer: the confidence is then lower than declared.
        confidence: The confidence really reached.
        pooled_scale: Scale over whole fit flights.
        phases: The scales by phase.
        rehearsals: What left-out time and conditions asked for.
    """

    level: float
    basis: str
    rank: int
    n_flights: int
    n_spare: int
    n_too_short: int
    needed_flights: int
    insufficient_flights: bool
    confidence: float
    pooled_scale: float
    phases: tuple[PhaseScale, ...]
    rehearsals: tuple[RehearsalBound, ...]

    @property
    def summary(self) -> str:
        """One sentence for people."""
        promise = f"{self.n_flights} calibration flights bound the alarm rate at confidence {self.confidence:.3f}"
        if not self.insufficient_flights:
            return promise
        return (
            f"{promise}; the declared bound needs {self.needed_flights}: add healthy recordings of further units. "
            f"The threshold is set by {self.basis}"
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds and the report about them."""

    thresholds: Thresholds
    report: CalibrationReport
