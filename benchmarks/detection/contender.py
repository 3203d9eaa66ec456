"""What every contender is: fitted to healthy windows alone, it judges windows that it has never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from benchmarks.detection.parts import recording_parts
from benchmarks.errors import BenchmarkError
from ground.flights import persistent_values

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

DEFAULT: Final = "default"
FAMILY: Final = "family"
PEER: Final = "peer"
BASELINE: Final = "baseline"

NO_SCORE = 0.0
"""Score and threshold of a window that is not assessed."""


class ContenderAbsent(BenchmarkError):
    """A contender cannot take part here: its library is not installed, or the spec lacks what it listens to."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What is declared, and what an alarm is: the same for all.

    Attributes:
        false_alarm_rate: At most this share of healthy windows is in alarm.
        confidence: How sure that is.
        k: Windows above the threshold, out of the last ``n`` assessed ones, that make an alarm.
        n: Length of that memory.
    """

    false_alarm_rate: float
    confidence: float
    k: int = 3
    n: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answers about n windows.

    Attributes:
        score: (n,) float64, higher is stranger; 0 where not assessed.
        threshold: (n,) float64 that the score was held against; 0 where not assessed.
        reason: (n,) why a window is not assessed; empty where it is.
        alarm: (n,) bool, the final state, after persistence.
    """

    score: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reason: NDArray[np.object_]
    alarm: NDArray[np.bool_]

    @property
    def assessed(self) -> NDArray[np.bool_]:
        """(n,) whether there is an answer."""
        return np.asarray(self.reason == "")

    @property
    def above(self) -> NDArray[np.bool_]:
        """(n,) whether the score exceeds its threshold, before persistence."""
        return np.asarray(self.assessed & (self.score > self.threshold))

    @property
    def margin(self) -> NDArray[np.float64]:
        """(n,) what is compared between phases and conditions: score over threshold, their difference if one is <= 0.

        Peers score on scales that have no zero; each of them has a single threshold, so their order is kept.
        """
        threshold = self.threshold[self.assessed]
        if (threshold > 0.0).all():
            return np.divide(self.score, self.threshold, out=np.zeros_like(self.score), where=self.assessed)
        return np.where(self.assessed, self.score - self.threshold, NO_SCORE)

    def select(self, chosen: NDArray[np.bool_]) -> Judgement:
        """The answers about some of the windows."""
        return Judgement(
            score=self.score[chosen],
            threshold=self.threshold[chosen],
            reason=self.reason[chosen],
            alarm=self.alarm[chosen],
        )


class Judge(Protocol):
    """A fitted contender."""

    def judge(self, table: WindowTable) -> Judgement:
        """Answer for every window of ``table``: physical units, those of a recording in time order."""


class Contender(Protocol):
    """Somebody who can be fitted.

    Attributes:
        name: Unique among the contenders.
        kind: ``default``, ``family``, ``peer`` or ``baseline``.
    """

    @property
    def name(self) -> str:
        """Unique among the contenders."""

    @property
    def kind(self) -> str:
        """``default``, ``family``, ``peer`` or ``baseline``."""

    def fit(self, train: WindowTable, spec: FeatureSpec, promise: Promise, seed: int) -> Judge:
        """Learn what is usual.

        Args:
            train: Healthy windows in physical units; beside recording, unit and times, each row has ``dataset``,
                ``speed_rpm``, ``load`` and ``condition`` of its recording: the index's text, empty where it says none.
            spec: Their features.
            promise: What is to be declared.
            seed: Seeds everything random.

        Raises:
            ContenderAbsent: It cannot take part here.
            GroundError: The windows do not do, for instance because they are too few.
            BenchmarkError: Likewise, for a contender that is not ours.
        """


def judgement_of(rows: pd.DataFrame, score: NDArray[np.float64], threshold: float, promise: Promise) -> Judgement:
    """The answers of a contender with one threshold: alarm where enough of the last windows are above it.

    Args:
        rows: (n) windows, those of one recording in time order; only sensors that cannot be believed go unassessed.
        score: (n,) their scores; those of windows with a reason are not looked at.
        threshold: Held against all of them.
        promise: Says how many windows above it make an alarm.
    """
    reason = rows["reason"].to_numpy(dtype=object)
    assessed = reason == ""
    alarm = np.zeros(len(rows), dtype=bool)
    for part in recording_parts(rows):
        chosen = part[assessed[part]]
        alarm[chosen] = (
            persistent_values((score[chosen] > threshold).astype(np.float64), k=promise.k, n=promise.n) > 0.0
        )
    return Judgement(
        score=np.where(assessed, score, NO_SCORE),
        threshold=np.where(assessed, threshold, NO_SCORE),
        reason=reason,
        alarm=alarm,
    )
