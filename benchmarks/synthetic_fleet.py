"""Fleets of healthy flights whose windows resemble each other, for which the true alarm rate can be computed.

The logarithm of a score is the level of its phase, an effect of the unit, one of the flight, and a first-order
autoregression from window to window. How strong each is differs from fleet to fleet, and so do the tails.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.thresholds import Thresholds
from ground.flights import FlightScores

Floats = NDArray[np.float64]

WINDOWS = 24
PHASES = ("climb", "cruise", "descent")
_LEVELS = (1.0, 0.3, 0.6)
_FLIGHTS_A_UNIT = 3
_PHASE = np.arange(WINDOWS) * len(PHASES) // WINDOWS
_WINDOW_PHASES = np.array(PHASES)[_PHASE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How the scores of one fleet spread.

    Attributes:
        unit_spread: Standard deviation of the effect of a unit.
        flight_spread: The same of a flight.
        window_spread: The same of single windows.
        memory: Correlation of neighbouring windows.
        freedom: Degrees of freedom of Student's t that unit and flight effects follow: small ones have heavy tails.
    """

    unit_spread: float
    flight_spread: float
    window_spread: float
    memory: float
    freedom: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Fleet:
        """A fleet at random."""
        return cls(
            unit_spread=rng.uniform(0.1, 0.4),
            flight_spread=rng.uniform(0.05, 0.3),
            window_spread=rng.uniform(0.05, 0.3),
            memory=rng.uniform(0.0, 0.95),
            freedom=rng.choice([3.0, 8.0, 1e6]),
        )

    def scores(self, units: NDArray[np.intp], rng: np.random.Generator) -> Floats:
        """Healthy flights.

        Args:
            units: (n_flight,) number of the unit of each flight, from 0.
            rng: Draws everything.

        Returns:
            (n_flight, WINDOWS) scores above zero.
        """
        of_unit = self.unit_spread * rng.standard_t(self.freedom, int(units.max()) + 1)[units]
        of_flight = self.flight_spread * rng.standard_t(self.freedom, len(units))
        log_scores = self._windows(len(units), rng) + (of_unit + of_flight)[:, np.newaxis]
        return np.asarray(np.array(_LEVELS)[_PHASE] * np.exp(log_scores))

    def _windows(self, n: int, rng: np.random.Generator) -> Floats:
        steps = rng.standard_normal((n, WINDOWS))
        fresh = np.sqrt(1.0 - self.memory**2)
        for index in range(1, WINDOWS):
            steps[:, index] = self.memory * steps[:, index - 1] + fresh * steps[:, index]
        return self.window_spread * steps


def units_of(n_unit: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """One to three flights of each of ``n_unit`` units: the number of the unit, flight by flight."""
    return np.repeat(np.arange(n_unit), rng.integers(1, _FLIGHTS_A_UNIT + 1, n_unit))


def flights_of(scores: Floats, units: NDArray[np.intp]) -> list[FlightScores]:
    """The same as calibration takes them."""
    return [
        FlightScores(group=f"unit{unit:05d}", phases=_WINDOW_PHASES, scores=row)
        for unit, row in zip(units, scores, strict=True)
    ]


def levelled(scores: Floats) -> Floats:
    """Scores over the true level of their phase, as no method knows it: (n_flight, WINDOWS)."""
    return np.asarray(scores / np.array(_LEVELS)[_PHASE])


def alarms(scores: Floats, thresholds: Thresholds) -> NDArray[np.bool_]:
    """(n_flight,) whether a flight raises an alarm: ``k`` of ``n`` windows in a row above their thresholds."""
    above = scores > np.array([thresholds.of(phase) for phase in _WINDOW_PHASES])
    counts = np.cumsum(np.pad(above, ((0, 0), (thresholds.n, 0))), axis=1)
    return np.asarray((counts[:, thresholds.n :] - counts[:, : -thresholds.n]).max(axis=1) >= thresholds.k)
