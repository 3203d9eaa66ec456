"""What the product makes of the windows: the default detector, and each model family in its place."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.detection.contender import DEFAULT, FAMILY, Judge, Judgement, Promise
from ground.config import DecisionConfig, ModelConfig
from ground.models.families import FAMILIES, SUPERVISED
from ground.rehearsal import Recipe
from ground.standalone import FleetDetector, learn_fleet
from ground.window_table import WindowTable

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

DEFAULT_FAMILY = "mahalanobis"
FLIGHTS_PER_WINDOW = 5.0
"""The product promises of flights, this benchmark of windows; taken that an alarm lasts a fifth of a flight."""


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
        """See ``Contender.fit``."""
        rows = train.rows
        usable = ((rows["reason"] == "") & ~rows["outlier"]).to_numpy(dtype=bool)
        table = WindowTable(rows[usable].reset_index(drop=True), train.values[usable])
        recipe = Recipe(spec, self.family, ModelConfig(), seed)
        decision = DecisionConfig(
            k=promise.k,
            n=promise.n,
            confidence=promise.confidence,
            false_alarm_rate=FLIGHTS_PER_WINDOW * promise.false_alarm_rate,
        )
        with warnings.catch_warnings():
            # scikit-learn and torch warn of few rows; the table tells what came of it.
            warnings.simplefilter("ignore")
            return DetectorJudge(learn_fleet(table, recipe, decision))


@dataclass(frozen=True, slots=True)
class DetectorJudge:
    """A fitted detector: the graph that ships, its domain, and the agent's decider."""

    detector: FleetDetector

    def judge(self, table: WindowTable) -> Judgement:
        """See ``Judge.judge``."""
        answers = self.detector.answer(table)
        return Judgement(
            score=answers.score,
            threshold=answers.threshold,
            reason=answers.rows["reason"].to_numpy(dtype=object),
            alarm=answers.alarm,
        )


def ours() -> tuple[Detector, ...]:
    """The default, then every unsupervised family."""
    # Supervised families need faulty windows to train on: here there are none.
    families = (Detector(name, FAMILY, name) for name in sorted(FAMILIES) if name not in SUPERVISED)
    return (Detector("default", DEFAULT, DEFAULT_FAMILY), *families)
