"""How often ``ground drift`` triggers: without drift, and when one feature in one phase moves.

Run ``python -m benchmarks.drift_power``. A made-up fleet: engines that differ, 60 features in each of two phases that
go together, flights that differ by one spread. Shifts are in spreads between flights of an engine.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import EXIT_OK, parser, run_command
from ground.fleet.drift import FlightMeans, Outcome, check_block, level_of
from ground.intervals import proportion_bounds

_ENGINES = 8
_FEATURES = 60
_PHASES = ("climb", "cruise")
_REFERENCE, _BLOCK = 60, 30
_SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0)
_QUICK, _FULL = 40, 400
_PERMUTATIONS = 999
_CONFIDENCE = 0.975
_SEED = 20_261_128


def main() -> int:
    """Measure and print."""
    chosen = parser("drift_power", __doc__ or "").parse_args()
    return run_command(lambda: _measure(_QUICK if chosen.quick else _FULL))


def _measure(fleets: int) -> int:
    print(f"reference {_REFERENCE} flights, block {_BLOCK}, level {level_of(_BLOCK)}, {fleets} fleets\n")
    print("| shift, spreads between flights | share that triggers | 95 % interval |\n| --- | --- | --- |")
    for shift in _SHIFTS:
        hits = sum(_triggers(shift, number) for number in range(fleets))
        bounds = proportion_bounds(hits, fleets, confidence=_CONFIDENCE)
        print(f"| {shift:g} | {hits / fleets:.3f} | {bounds.lower:.3f} to {bounds.upper:.3f} |")
    return EXIT_OK


def _triggers(shift: float, number: int) -> bool:
    rng = np.random.default_rng([_SEED, number])
    mixing = rng.standard_normal((_FEATURES, _FEATURES)) / np.sqrt(_FEATURES)
    own = rng.standard_normal((_ENGINES, _FEATURES))
    before = _flights(rng, mixing, own, range(_REFERENCE), 0.0)
    late = _flights(rng, mixing, own, range(_REFERENCE, _REFERENCE + _BLOCK), shift)
    return check_block(before, late, seed=number, permutations=_PERMUTATIONS).outcome is Outcome.DRIFT


def _flights(
    rng: np.random.Generator,
    mixing: NDArray[np.float64],
    own: NDArray[np.float64],
    numbers: Sequence[int],
    shift: float,
) -> list[FlightMeans]:
    flights = []
    spread = float(np.sqrt(np.add.reduce(mixing[0] * mixing[0])))
    for number in numbers:
        means = {phase: own[number % _ENGINES] + mixing @ rng.standard_normal(_FEATURES) for phase in _PHASES}
        means[_PHASES[-1]][0] += shift * spread
        flights.append(FlightMeans(engine=str(number % _ENGINES), flight=str(number), from_ns=number, means=means))
    return flights


if __name__ == "__main__":
    sys.exit(main())
