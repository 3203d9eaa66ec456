"""In how many fleets does a threshold break its promise? Ours, on one value a flight, and the usual ones on windows.

Run ``python -m benchmarks.false_alarm_simulation [--fleets 500]``; docs/explanation/false-alarms.md reads the table. It
exits with 1 when ours breaks its promise in more fleets than it declares.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from benchmarks.command import EXIT_LIMIT, EXIT_OK, positive, run_command
from benchmarks.synthetic_fleet import Fleet, Floats, alarms, flights_of, levelled, units_of
from ground.calibrate import calibrate
from ground.calibration_report import Calibration
from ground.config import DecisionConfig
from ground.intervals import proportion_bounds, upper_rank

DECISION = DecisionConfig(k=3, n=5, false_alarm_rate=0.05, confidence=0.95)
SEED = 20261128
FLEETS = 500
FIT_UNITS = 30
UNITS = 60
FEW_UNITS = 20
POPULATION = 20_000
"""Flights of further units in which the true rate of a fleet is counted: 0.15 % off at 5 %."""

OURS, FEW = "ours, 60 units", "ours, 20 units: too few"
QUANTILE, CONFORMAL, WILKS = "quantile of windows", "split conformal, windows", "tolerance bound, windows"
_CHANCE = 1e-3
"""How seldom a threshold that keeps its promise may be accused of breaking it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one threshold does in one fleet.

    Attributes:
        rate: True rate of what it promises to bound: flights with an alarm, or windows above it.
        declared: The bound.
        allowed: Share of fleets that may exceed it: one less the confidence that the threshold claims.
        insufficient: Whether it says that it had too few flights.
    """

    rate: float
    declared: float
    allowed: float
    insufficient: bool = False

    @property
    def breaks(self) -> bool:
        """Whether the promise is broken."""
        return self.rate > self.declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One method over all fleets.

    Attributes:
        name: The method.
        fleets: How many.
        broken: In how many the true rate exceeds the declared one.
        allowed: Largest share of fleets in which it may.
        mean_rate: Mean of the true rates.
        high_rate: 95 % of the fleets have a lower one.
        insufficient: Share of fleets in which it says that it had too few flights.
    """

    name: str
    fleets: int
    broken: int
    allowed: float
    mean_rate: float
    high_rate: float
    insufficient: float

    @property
    def most_broken(self) -> int:
        """Broken fleets that chance allows a method which keeps its promise."""
        return int(binom.ppf(1.0 - _CHANCE, self.fleets, self.allowed))

    @property
    def kept(self) -> bool:
        """Whether the promise about promises is kept, up to chance."""
        return self.broken <= self.most_broken


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.false_alarm_simulation", description=__doc__)
    options.add_argument("--fleets", type=positive, default=FLEETS, help="how many fleets")
    options.add_argument("--seed", type=int, default=SEED, help="seeds everything random")
    chosen = options.parse_args(arguments)
    return run_command(lambda: _report(simulate(chosen.fleets, seed=chosen.seed)))


def simulate(fleets: int, *, seed: int) -> tuple[Row, ...]:
    """Every method in every fleet.

    Args:
        fleets: How many.
        seed: The same seed gives the same table.
    """
    found = [outcomes(np.random.default_rng([seed, number])) for number in range(fleets)]
    return tuple(_row(name, [outcome[name] for outcome in found]) for name in found[0])


def outcomes(rng: np.random.Generator) -> dict[str, Outcome]:
    """What each method does in one fleet, drawn by ``rng``."""
    fleet = Fleet.drawn(rng)
    fit, calibration = units_of(FIT_UNITS, rng), units_of(UNITS, rng)
    fit_scores, scores = fleet.scores(fit, rng), fleet.scores(calibration, rng)
    population = fleet.scores(np.arange(POPULATION), rng)
    few = calibration < FEW_UNITS
    seed = int(rng.integers(2**32))
    full, short = (
        calibrate(flights_of(fit_scores, fit), flights_of(part, units), DECISION, seed=seed)
        for part, units in ((scores, calibration), (scores[few], calibration[few]))
    )
    by_window = {name: _of_windows(level, population) for name, level in window_levels(levelled(scores)).items()}
    return {OURS: _of_flights(full, population), FEW: _of_flights(short, population), **by_window}


def window_levels(calibration: Floats) -> dict[str, float]:
    """The thresholds that treat windows as independent.

    Args:
        calibration: (n_flight, n_window) healthy scores.
    """
    ordered, share = np.sort(calibration, axis=None), DECISION.false_alarm_rate
    n = len(ordered)
    return {
        QUANTILE: float(np.quantile(ordered, 1.0 - share)),
        CONFORMAL: float(ordered[math.ceil((n + 1) * (1.0 - share)) - 1]),
        WILKS: float(ordered[upper_rank(n, share, DECISION.confidence) - 1]),
    }


def _of_flights(calibration: Calibration, population: Floats) -> Outcome:
    thresholds = calibration.thresholds
    return Outcome(
        rate=float(np.mean(alarms(population, thresholds))),
        declared=thresholds.false_alarm_rate,
        allowed=1.0 - thresholds.confidence,
        insufficient=calibration.report.insufficient_flights,
    )


def _of_windows(level: float, population: Floats) -> Outcome:
    rate = float(np.mean(levelled(population) > level))
    return Outcome(rate, DECISION.false_alarm_rate, 1.0 - DECISION.confidence)


def _row(name: str, found: Sequence[Outcome]) -> Row:
    rates = [outcome.rate for outcome in found]
    return Row(
        name=name,
        fleets=len(found),
        broken=sum(outcome.breaks for outcome in found),
        allowed=max(outcome.allowed for outcome in found),
        mean_rate=float(np.mean(rates)),
        high_rate=float(np.quantile(rates, 0.95)),
        insufficient=float(np.mean([outcome.insufficient for outcome in found])),
    )


def _report(rows: Sequence[Row]) -> int:
    table = Table(title=f"Declared: at most {DECISION.false_alarm_rate:.0%}. {rows[0].fleets} fleets")
    table.add_column("threshold", no_wrap=True)
    for name in ("promise broken", "95 % bounds", "claimed", "true rate, mean", "95 % below", "INSUFFICIENT"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=120).print(table)
    ours = [row for row in rows if row.name in (OURS, FEW)]
    return EXIT_OK if all(row.kept for row in ours) else EXIT_LIMIT


def _cells(row: Row) -> tuple[str, ...]:
    bounds = proportion_bounds(row.broken, row.fleets, confidence=0.975)
    return (
        row.name,
        f"{row.broken / row.fleets:.1%}",
        f"{bounds.lower:.1%} to {bounds.upper:.1%}",
        f"{row.allowed:.1%}",
        f"{row.mean_rate:.1%}",
        f"{row.high_rate:.1%}",
        f"{row.insufficient:.0%}",
    )


if __name__ == "__main__":
    sys.exit(main())
