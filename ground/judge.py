"""From the scores of one detector to its thresholds and its operating domain: what both examinations do alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_agent.domain import OperatingDomain
from edge_agent.thresholds import Thresholds
from ground.calibrate import Rehearsal, calibrate
from ground.calibration_report import CalibrationReport
from ground.config import Config
from ground.domain import learn_domain, outside_reasons
from ground.errors import CalibrationError
from ground.rehearsal import Recipe, left_out_conditions, left_out_recordings
from ground.replay import healthy_flights
from ground.splits import BY_TIME, CALIBRATION, FIT, HEALTHY, VALIDATION, is_sensor_fault
from ground.window_table import WindowTable

_LEARNED_FROM = (FIT, VALIDATION, CALIBRATION)


@dataclass(frozen=True, slots=True)
class Judge:
    """Thresholds with their domain, how they came about, and the windows as the agent would see them.

    Attributes:
        thresholds: What the bundle carries.
        report: About the calibration.
        rows: The windows; those outside the domain have that as their reason.
    """

    thresholds: Thresholds
    report: CalibrationReport
    rows: pd.DataFrame


def set_thresholds(
    table: WindowTable, scores: NDArray[np.float64], config: Config, rehearsals: Sequence[Rehearsal] = ()
) -> Judge:
    """Learn the operating domain, then calibrate inside it.

    Args:
        table: Every window with its role.
        scores: (n,) one a window.
        config: Decision and seed.
        rehearsals: What detectors said that were trained without some of the windows.

    Raises:
        CalibrationError: Healthy flights give no threshold.
    """
    domain = _domain(table, config)
    rows = table.rows.assign(reason=outside_reasons(table.rows, table.values, domain))
    calibration = calibrate(
        healthy_flights(rows, scores, role=FIT, keep_outliers=False),
        healthy_flights(rows, scores, role=CALIBRATION, keep_outliers=True),
        config.decision,
        seed=config.seed,
        rehearsals=rehearsals,
    )
    return Judge(replace(calibration.thresholds, domain=domain), calibration.report, rows)


def rehearse(table: WindowTable, config: Config, family: str) -> tuple[Rehearsal, ...]:
    """What detectors of ``family`` say that were trained without a condition or, of few specimens, a recording.

    Args:
        table: Every window with its role.
        config: Settings and seed.
        family: Name of the model family.

    Raises:
        TrainingError: A detector cannot be trained.
    """
    healthy = _learned_from(table)
    chosen = WindowTable(table.rows[healthy].reset_index(drop=True), table.values[healthy])
    recipe = Recipe(
        config.feature_spec(), family, config.model, config.seed, units_differ=config.split.strategy != BY_TIME
    )
    conditions = left_out_conditions(chosen, recipe)
    if config.split.strategy != BY_TIME:
        return (conditions,)
    return (conditions, left_out_recordings(chosen, recipe))


def _domain(table: WindowTable, config: Config) -> OperatingDomain:
    healthy = _learned_from(table)
    if not healthy.any():
        raise CalibrationError(
            "fit: expected healthy windows to learn the operating domain from, got none; run `ground featurize` again"
        )
    return learn_domain(config.feature_spec(), table.rows[healthy], table.values[healthy])


def _learned_from(table: WindowTable) -> NDArray[np.bool_]:
    rows = table.rows
    chosen = rows["role"].isin(_LEARNED_FROM) & (rows["label"] == HEALTHY) & (rows["reason"] == "")
    return np.asarray(chosen.to_numpy(dtype=bool) & ~is_sensor_fault(rows))
