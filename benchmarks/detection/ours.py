"""What the product makes of the windows: the default detector, and each model family in its place."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.contender import DEFAULT, FAMILY, Judge, Judgement, Promise
from ground.calibrate import calibrate
from ground.checkpoints import MemoryStore
from ground.config import DecisionConfig, ModelConfig, SplitConfig
from ground.models.detector_module import DetectorModule
from ground.models.families import FAMILIES, fit_core
from ground.models.family import FitData
from ground.replay import healthy_flights, replay
from ground.scaling import fit_scaler
from ground.splits import BY_TIME, CALIBRATION, FIT, TEST, VALIDATION, assign_roles, shares_of
from ground.training_loop import LoopRun
from ground.window_table import WindowTable, feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_agent.thresholds import Thresholds
    from shared_features.spec import FeatureSpec

DEFAULT_FAMILY = "mahalanobis"
SUPERVISED = frozenset({"mlp"})
"""Families that need faulty windows to train on: here there are none."""
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Detector:
    """A model family behind the product's scaler, calibration and decision.

    Attributes:
        name: Among the contenders.
        kind: ``default`` or ``family``.
        family: A name of ``ground.models.families.FAMILIES``.
    """

    name: str
    kind: str
    family: str

    def fit(self, train: WindowTable, spec: FeatureSpec, promise: Promise, seed: int) -> Judge:
        """See ``Contender.fit``: the training is dealt by time to fit, validation and calibration."""
        shares = shares_of(SplitConfig(strategy=BY_TIME), ModelConfig().validation_share)
        shares.pop(TEST)
        roles = assign_roles(train.rows, shares, strategy=BY_TIME, seed=seed)
        table = WindowTable(train.rows.assign(group=roles.group, role=roles.role), train.values)
        module = _fitted(table, spec, self.family, seed)
        scores = _scores(module, table)
        decision = DecisionConfig(**asdict(promise))
        calibration = calibrate(
            healthy_flights(table.rows, scores, role=FIT, keep_outliers=False),
            healthy_flights(table.rows, scores, role=CALIBRATION, keep_outliers=True),
            decision,
            seed=seed,
        )
        return DetectorJudge(module, calibration.thresholds)


@dataclass(frozen=True, slots=True)
class DetectorJudge:
    """A fitted detector: the graph that ships, and the agent's decider."""

    module: DetectorModule
    thresholds: Thresholds

    def judge(self, table: WindowTable) -> Judgement:
        """See ``Judge.judge``."""
        answers = replay(table.rows, _scores(self.module, table), self.thresholds)
        return Judgement(
            score=answers.score,
            threshold=answers.threshold,
            reason=table.rows["reason"].to_numpy(dtype=object),
            alarm=answers.alarm,
        )


def ours() -> tuple[Detector, ...]:
    """The default, then every unsupervised family."""
    families = (Detector(name, FAMILY, name) for name in sorted(FAMILIES) if name not in SUPERVISED)
    return (Detector("default", DEFAULT, DEFAULT_FAMILY), *families)


def _fitted(table: WindowTable, spec: FeatureSpec, family: str, seed: int) -> DetectorModule:
    rows = table.rows
    usable = ((rows["reason"] == "") & ~rows["outlier"]).to_numpy(dtype=bool)
    fit, validation = (table.values[usable & (rows["role"] == role).to_numpy()] for role in (FIT, VALIDATION))
    scaler = fit_scaler(spec, fit)
    data = FitData(
        names=feature_names(spec),
        fit=scaler.transform(fit).astype(np.float32),
        validation=scaler.transform(validation).astype(np.float32),
    )
    run = LoopRun(name=family, seed=seed, store=MemoryStore(), resume=False, progress=_quiet)
    with warnings.catch_warnings():
        # scikit-learn and torch warn of few rows; the table tells what came of it.
        warnings.simplefilter("ignore")
        return DetectorModule(scaler, fit_core(family, data, ModelConfig(), run).core)


def _scores(module: DetectorModule, table: WindowTable) -> NDArray[np.float64]:
    scores = np.zeros(len(table.rows))
    assessed = np.flatnonzero((table.rows["reason"] == "").to_numpy(dtype=bool))
    for first in range(0, len(assessed), _ROWS_AT_ONCE):
        some = assessed[first : first + _ROWS_AT_ONCE]
        scores[some] = module.outputs(table.values[some]).score
    return scores


def _quiet(*_: object) -> None:
    """Nobody watches."""
