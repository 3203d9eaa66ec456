"""Cross-validation: the whole recipe, from scaler to threshold, on folds that share no unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ground.checkpoints import MemoryStore
from ground.config import Config
from ground.detection import WindowNumbers, window_numbers
from ground.domain import outside_reasons
from ground.errors import CalibrationError, DataError, SplitError, TrainingError
from ground.judge import rehearse, set_thresholds
from ground.learning import learn
from ground.level_limit import NO_UNITS
from ground.models.detector_module import DetectorModule
from ground.progress import Progress
from ground.replay import replay
from ground.splits import (
    BY_TIME,
    FIT,
    HEALTHY,
    TEST,
    UNLABELLED,
    VALIDATION,
    assign_roles,
    folds,
    is_sensor_fault,
    shares_of,
)
from ground.training_loop import LoopRun
from ground.window_table import WindowTable

STAGE = "cross-validation"
COMPLETE = "complete"
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """One fold.

    Attributes:
        fold: Number, from 1.
        train_groups: Groups trained and calibrated on, or left out of both because they are not healthy.
        test_groups: Groups examined.
        numbers: What came out.
    """

    fold: int
    train_groups: int
    test_groups: int
    numbers: WindowNumbers


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over the folds: mean, standard deviation (n - 1) and extremes."""

    mean: float
    std: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """All folds, or why there are none.

    Attributes:
        status: ``complete`` or ``not run``.
        reason: Why it was not run; empty otherwise.
        folds: One result a fold.
        auc: Over the folds.
        recall: Over the folds.
        false_alarm_rate: Over the folds.
    """

    status: str
    reason: str
    folds: tuple[FoldResult, ...]
    auc: Spread
    recall: Spread
    false_alarm_rate: Spread


def cross_validate(table: WindowTable, config: Config, *, progress: Progress) -> CrossValidation:
    """Train, calibrate and examine the family that ships once a fold.

    Args:
        table: Every window, in physical units.
        config: The config.
        progress: Told after each fold.

    Returns:
        The folds; where the recordings do not allow them, the status ``not run`` and the reason.
    """
    try:
        results = _run(table, config, progress)
    except (SplitError, DataError, TrainingError, CalibrationError) as error:
        return _summary(NOT_RUN, str(error), ())
    return _summary(COMPLETE, "", results)


def _run(table: WindowTable, config: Config, progress: Progress) -> tuple[FoldResult, ...]:
    rows = table.rows
    groups = rows["recording_id" if config.split.strategy == BY_TIME else "unit_id"].to_numpy(dtype=object)
    counted = np.asarray((rows["label"] != UNLABELLED) & (rows["reason"] == "")) & ~is_sensor_fault(rows)
    labels = rows["label"].to_numpy(dtype=np.int8)[counted]
    parts = folds(labels, groups[counted], n_folds=config.split.folds, seed=config.seed)
    results = []
    progress(STAGE, 0, len(parts))
    for number, part in enumerate(parts, start=1):
        train, test = (_select(table, groups, set(groups[counted][chosen])) for chosen in (part.train, part.test))
        results.append(_fold(number, train, test, config))
        progress(STAGE, number, len(parts))
    return tuple(results)


def _fold(number: int, train: WindowTable, test: WindowTable, config: Config) -> FoldResult:
    shares = shares_of(config.split, config.model.validation_share)
    shares.pop(TEST)
    roles = assign_roles(train.rows, shares, strategy=config.split.strategy, seed=config.seed)
    train_groups = int(train.rows["group"].nunique())
    train = WindowTable(train.rows.assign(group=roles.group, role=roles.role), train.values)
    module = _fitted(number, train, config)
    scores = _scores(module, train)
    judge = set_thresholds(train, scores, config, rehearse(train, config, config.model.family))
    rows = test.rows.assign(reason=outside_reasons(test.rows, test.values, judge.thresholds.domain))
    answers = replay(rows, _scores(module, test), judge.thresholds)
    return FoldResult(
        fold=number,
        train_groups=train_groups,
        test_groups=int(test.rows["group"].nunique()),
        numbers=window_numbers(answers),
    )


def _fitted(number: int, train: WindowTable, config: Config) -> DetectorModule:
    run = LoopRun(name=f"fold {number}", seed=config.seed, store=MemoryStore(), resume=False, progress=lambda *_: None)
    of_fit = _healthy(train.rows, FIT)
    by_time = config.split.strategy == BY_TIME
    return learn(
        config.feature_spec(),
        train.values[of_fit],
        train.values[_healthy(train.rows, VALIDATION)],
        family=config.model.family,
        settings=config.model,
        run=run,
        units=NO_UNITS if by_time else train.rows["unit_id"].to_numpy(dtype=str)[of_fit],
    ).module


def _healthy(rows: pd.DataFrame, role: str) -> NDArray[np.bool_]:
    chosen = (rows["role"] == role) & (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"]
    return chosen.to_numpy(dtype=bool)


def _scores(module: DetectorModule, table: WindowTable) -> NDArray[np.float64]:
    assessed = (table.rows["reason"] == "").to_numpy()
    scores = np.zeros(len(assessed))
    scores[assessed] = module.outputs(table.values[assessed]).score
    return scores


def _select(table: WindowTable, groups: NDArray[np.object_], chosen: set[str]) -> WindowTable:
    flags = np.isin(groups.astype(str), sorted(chosen))
    rows = table.rows[flags].reset_index(drop=True).assign(group=groups[flags])
    return WindowTable(rows, table.values[flags])


def _summary(status: str, reason: str, results: tuple[FoldResult, ...]) -> CrossValidation:
    numbers = [result.numbers for result in results]
    return CrossValidation(
        status=status,
        reason=reason,
        folds=results,
        auc=_spread([fold.auc for fold in numbers]),
        recall=_spread([fold.recall for fold in numbers]),
        false_alarm_rate=_spread([fold.false_alarm_rate for fold in numbers]),
    )


def _spread(values: list[float]) -> Spread:
    if not values:
        return Spread(np.nan, np.nan, np.nan, np.nan)
    array = np.array(values)
    return Spread(float(array.mean()), float(array.std(ddof=1)), float(array.min()), float(array.max()))
