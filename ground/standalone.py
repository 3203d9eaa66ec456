"""A detector from healthy windows alone: no roles dealt, every window learned from, thresholds from rehearsals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.domain import INSIDE
from edge_agent.thresholds import Thresholds
from ground.calibrate import CalibrationReport, FlightScores, calibrate
from ground.checkpoints import MemoryStore
from ground.config import DecisionConfig
from ground.domain import learn_domain, outside_reasons
from ground.learning import learn
from ground.models.detector_module import DetectorModule
from ground.rehearsal import (
    Recipe,
    fit_and_validation,
    flights_of,
    later_time,
    left_out_conditions,
    left_out_recordings,
)
from ground.replay import Replay, replay
from ground.training_loop import LoopRun
from ground.window_table import WindowTable

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


def learn_alone(table: WindowTable, recipe: Recipe, decision: DecisionConfig) -> StandaloneDetector:
    """Learn a detector and its thresholds from the same healthy windows.

    The final detector learns from all of them. Its threshold comes from detectors that were trained without some: of
    later time (calibration, in place of flights kept apart), of left-out conditions and of left-out recordings. Where
    the windows are too few even for that, the windows themselves speak, and the prediction bound has to be enough.

    Args:
        table: Healthy assessed windows in physical units.
        recipe: How detectors are made.
        decision: Persistence, and what is to be promised.

    Raises:
        TrainingError: Too few windows.
        CalibrationError: No stretch is long enough for an alarm.
    """
    table = WindowTable(table.rows.reset_index(drop=True), table.values)
    run = LoopRun(name="detector", seed=recipe.seed, store=MemoryStore(), resume=False, progress=lambda *_: None)
    fit, validation = fit_and_validation(table.rows)
    learned = learn(
        recipe.spec,
        table.values[fit],
        table.values[validation],
        family=recipe.family,
        settings=recipe.settings,
        run=run,
    )
    own = flights_of(table.rows, _scores(learned.module, table, np.ones(len(table.rows), dtype=bool)))
    later = later_time(table, recipe)
    calibration = calibrate(
        own,
        _long_enough(later.flights, decision) or own,
        decision,
        seed=recipe.seed,
        rehearsals=(left_out_conditions(table, recipe), left_out_recordings(table, recipe)),
    )
    domain = learn_domain(recipe.spec, table.rows, table.values)
    return StandaloneDetector(learned.module, replace(calibration.thresholds, domain=domain), calibration.report)


def _long_enough(flights: tuple[FlightScores, ...], decision: DecisionConfig) -> list[FlightScores]:
    return [flight for flight in flights if len(flight.scores) >= decision.k]


def _scores(module: DetectorModule, table: WindowTable, assessed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) scores; 0 where not assessed."""
    scores = np.zeros(len(assessed))
    chosen = np.flatnonzero(assessed)
    for first in range(0, len(chosen), _ROWS_AT_ONCE):
        some = chosen[first : first + _ROWS_AT_ONCE]
        scores[some] = module.outputs(table.values[some]).score
    return scores
