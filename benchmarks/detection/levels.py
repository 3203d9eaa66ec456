"""What practitioners watch: one level, held against a quantile of its healthy values. Quieter is never strange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.detection.contender import BASELINE, ContenderAbsent, Judge, Judgement, Promise, judgement_of
from benchmarks.detection.normalised import is_assessed
from benchmarks.errors import BenchmarkError
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

RMS = "rms"
VELOCITY_RMS = "velocity-rms"


@dataclass(frozen=True, slots=True)
class Level:
    """The mean of one level over the channels.

    Attributes:
        name: ``rms`` or ``velocity-rms`` (ISO 20816: the RMS of the vibration velocity, by integration).
    """

    name: str
    kind: str = BASELINE

    def fit(self, train: WindowTable, spec: FeatureSpec, promise: Promise, seed: int) -> Judge:  # noqa: ARG002 - nothing random
        """See ``Contender.fit``."""
        columns = self._columns(spec)
        level = _level(train, columns)[is_assessed(train)]
        if not len(level):
            raise BenchmarkError(f"{self.name}: expected healthy windows that can be assessed, got none")
        threshold = float(np.quantile(level, 1.0 - promise.false_alarm_rate, method="higher"))
        return LevelJudge(columns, threshold, promise)

    def _columns(self, spec: FeatureSpec) -> NDArray[np.intp]:
        # Velocity carries its band in its name; the level of time domain stands alone.
        begins = (
            tuple(f"{channel.name}.velocity_rms_" for channel in spec.channels) if self.name == VELOCITY_RMS else ()
        )
        exact = {f"{channel.name}.rms" for channel in spec.channels} if self.name == RMS else set()
        found = [i for i, name in enumerate(feature_names(spec)) if name in exact or name.startswith(begins)]
        if not found:
            raise ContenderAbsent(f"{self.name}: not among the features of this rig's config")
        return np.array(found, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class LevelJudge:
    """A level and its limit."""

    columns: NDArray[np.intp]
    threshold: float
    promise: Promise

    def judge(self, table: WindowTable) -> Judgement:
        """See ``Judge.judge``."""
        return judgement_of(table.rows, _level(table, self.columns), self.threshold, self.promise)


def baselines() -> tuple[Level, ...]:
    """Plain RMS and velocity RMS."""
    return (Level(RMS), Level(VELOCITY_RMS))


def _level(table: WindowTable, columns: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(table.values[:, columns].mean(axis=1, dtype=np.float64))
