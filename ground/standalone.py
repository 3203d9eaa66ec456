"""Detectors from healthy windows alone: no roles dealt, every window learned from, thresholds from rehearsals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.domain import INSIDE
from edge_agent.thresholds import Thresholds
from ground.calibrate import calibrate
from ground.calibration_report import CalibrationReport
from ground.config import DecisionConfig
from ground.domain import learn_domain, outside_reasons
from ground.errors import CalibrationError
from ground.flights import FlightScores
from ground.models.detector_module import DetectorModule
from ground.models.family import FEWEST_FIT_ROWS
from ground.rehearsal import (
    BLOCKS,
    Recipe,
    flights_of,
    later_time,
    left_out_anyhow,
    left_out_conditions,
    left_out_recordings,
    left_out_time,
    left_out_units,
    module_of,
)
from ground.replay import Replay, joined, replay
from ground.units import UnitShifts, learn_shifts
from ground.window_table import WindowTable

FEWEST_REHEARSED = FEWEST_FIT_ROWS * BLOCKS // (BLOCKS - 1) + 1
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class StandaloneDetector:
    """A detector with thresholds.

    Attributes:
        module: The graph.
        thresholds: With the operating domain.
        report: How they came about.
    """

    module: DetectorModule
    thresholds: Thresholds
    report: CalibrationReport

    def answer(self, table: WindowTable) -> Replay:
        """What the agent would say of windows: those outside the domain have that as their reason.

        Args:
            table: Windows in physical units, those of one recording in time order.
        """
        reasons = outside_reasons(table.rows, table.values, self.thresholds.domain)
        return replay(
            table.rows.assign(reason=reasons), _scores(self.module, table, reasons == INSIDE), self.thresholds
        )


@dataclass(frozen=True, slots=True)
class FleetDetector:
    """Detectors for the units of one kind: one for those whose healthy time is known, one for all others.

    Attributes:
        known: For known units, whose shifts are taken away.
        unknown: For the others: it knows how much units differ.
        shifts: What sets the known ones apart.
    """

    known: StandaloneDetector
    unknown: StandaloneDetector
    shifts: UnitShifts

    def answer(self, table: WindowTable) -> Replay:
        """See ``StandaloneDetector.answer``; each recording is answered for by the detector of its unit."""
        is_known = self.shifts.knows(table.rows["unit_id"].to_numpy(dtype=str))
        place = np.argsort(~is_known, kind="stable")
        known, unknown = (
            detector.answer(WindowTable(part.rows[chosen].reset_index(drop=True), part.values[chosen]))
            for detector, part, chosen in (
                (self.known, self.shifts.centred(table), is_known),
                (self.unknown, table, ~is_known),
            )
        )
        return joined(known, unknown).ordered(np.argsort(place))


def learn_fleet(table: WindowTable, recipe: Recipe, decision: DecisionConfig) -> FleetDetector:
    """Learn detectors from the healthy windows of one or more units.

    Args:
        table: Healthy assessed windows in physical units.
        recipe: How detectors are made.
        decision: Persistence, and what is to be promised.

    Raises:
        TrainingError: Too few windows.
        CalibrationError: No stretch is long enough for an alarm.
    """
    table = WindowTable(table.rows.reset_index(drop=True), table.values)
    shifts = learn_shifts(table, recipe.spec)
    unknown = learn_alone(table, recipe, decision, units_differ=True)
    if not shifts.shifts:
        return FleetDetector(unknown, unknown, shifts)
    of_known = shifts.knows(table.rows["unit_id"].to_numpy(dtype=str))
    centred = shifts.centred(WindowTable(table.rows[of_known].reset_index(drop=True), table.values[of_known]))
    return FleetDetector(learn_alone(centred, recipe, decision, units_differ=False), unknown, shifts)


def learn_alone(
    table: WindowTable, recipe: Recipe, decision: DecisionConfig, *, units_differ: bool
) -> StandaloneDetector:
    """Learn a detector and its thresholds from the same healthy windows.

    The final detector learns from all of them. Its threshold comes from detectors that were trained without some: of
    later time (calibration, in place of flights kept apart; where the windows are too few, of left-out time), of
    left-out conditions and of left-out units or recordings.

    Args:
        table: Healthy assessed windows in physical units, index 0 to n - 1.
        recipe: How detectors are made.
        decision: Persistence, and what is to be promised.
        units_differ: Whether the detector will be asked about units that it does not know.

    Raises:
        TrainingError: Too few windows.
        CalibrationError: No stretch is long enough for an alarm.
    """
    recipe = replace(recipe, units_differ=units_differ)
    module = module_of(table, recipe, name="detector")
    own = flights_of(table.rows, _scores(module, table, np.ones(len(table.rows), dtype=bool)))
    own = _persistent(own, decision)
    rehearsals = [left_out_conditions(table, recipe), left_out_recordings(table, recipe)]
    if units_differ:
        rehearsals.append(left_out_units(table, recipe, module))
    calibration = calibrate(
        own,
        _calibration(table, recipe, decision),
        decision,
        seed=recipe.seed,
        rehearsals=rehearsals,
        independent_n=int(table.rows["recording_id"].nunique()),
    )
    domain = learn_domain(recipe.spec, table.rows, table.values)
    return StandaloneDetector(module, replace(calibration.thresholds, domain=domain), calibration.report)


def _calibration(table: WindowTable, recipe: Recipe, decision: DecisionConfig) -> list[FlightScores]:
    """Flights of later time, of left-out time or of left-out recordings, of which persistence can be asked.

    Raises:
        CalibrationError: There are too few windows for any.
    """
    for rehearsed in (later_time, left_out_time, left_out_anyhow):
        flights = rehearsed(table, recipe).flights
        if flights:
            return _persistent(flights, decision)
    raise CalibrationError(
        f"calibration: expected {FEWEST_REHEARSED} or more healthy windows, or recordings, of which some can be left "
        f"out and {FEWEST_FIT_ROWS} learned from, got {len(table.rows)} windows: what a detector says of windows it "
        "learned from promises nothing; record longer or shorten the window"
    )


def _persistent(flights: Sequence[FlightScores], decision: DecisionConfig) -> list[FlightScores]:
    """Those of which persistence can be asked; where all are too short, one after the other as a single flight."""
    long_enough = [flight for flight in flights if len(flight.scores) >= decision.k]
    if long_enough:
        return long_enough
    phases = np.concatenate([flight.phases for flight in flights])
    return [FlightScores(group="all", phases=phases, scores=np.concatenate([flight.scores for flight in flights]))]


def _scores(module: DetectorModule, table: WindowTable, assessed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) scores; 0 where not assessed."""
    scores = np.zeros(len(assessed))
    chosen = np.flatnonzero(assessed)
    for first in range(0, len(chosen), _ROWS_AT_ONCE):
        some = chosen[first : first + _ROWS_AT_ONCE]
        scores[some] = module.outputs(table.values[some]).score
    return scores
