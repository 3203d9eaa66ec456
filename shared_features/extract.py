"""The two faces of feature extraction, streaming and batch, over the same record, fold and vector functions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_features.errors import SignalError
from shared_features.fold import fold
from shared_features.quality import ASSESSED
from shared_features.record import Record, RecordMaker
from shared_features.vector import VectorMaker

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

NO_CONDITION = "condition_missing"


@dataclass(frozen=True, slots=True)
class WindowFeatures:
    """The features of one window.

    Attributes:
        start_n: Index of the window's first sample, counted from the last gap.
        values: (n_feature,) float32; zeros when the window cannot be assessed.
        reason: Why the window cannot be assessed; empty when it can.
    """

    start_n: int
    values: NDArray[np.float32]
    reason: str


@dataclass(frozen=True, slots=True)
class _RecordRow:
    """The records of all channels over one span, with the operating conditions at its first sample."""

    records: tuple[Record, ...]
    conditions: NDArray[np.float64]


class StreamingExtractor:
    """Turns chunks of any length into windows: keeps the samples of one unfinished record and a ring of records.

    Any chunking of the same samples gives the same bits as ``extract_windows`` over them at once.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        self._records = RecordMaker(spec)
        self._vectors = VectorMaker(spec)
        self._n_channel = len(spec.channels)
        self._n_condition = len(spec.conditions)
        self.n_feature = len(spec.channels) * self._vectors.per_channel + self._n_condition
        self._open = np.empty((spec.record_n, self._n_channel), dtype=np.float32)
        self._open_conditions = np.empty(self._n_condition)
        self._ring: deque[_RecordRow] = deque(maxlen=spec.window_records)
        self.reset()

    @property
    def uncovered_n(self) -> int:
        """Samples since the last gap that no window has covered yet: what a gap now would lose."""
        return self._seen_n - self._covered_n

    def reset(self) -> None:
        """Forget everything before a gap: records and windows never cross it."""
        self._ring.clear()
        self._open_n = 0
        self._seen_n = 0
        self._covered_n = 0

    def push(self, samples: NDArray[np.float32], conditions: NDArray[np.float64]) -> list[WindowFeatures]:
        """Take the samples that follow the last ones, and give the windows they complete.

        Args:
            samples: (n, n_channel) float32, any n, each column in its channel's unit.
            conditions: (n_condition,) operating conditions during this chunk, NaN where unknown; a record takes those
                of its first sample.

        Raises:
            SignalError: The shapes do not fit the spec.
        """
        self._check(samples, conditions)
        windows: list[WindowFeatures] = []
        taken_n = 0
        while taken_n < len(samples):
            taken_n += self._fill(samples[taken_n:], conditions)
            if self._open_n == self._spec.record_n:
                windows.extend(self._close_record())
        return windows

    def _check(self, samples: NDArray[np.float32], conditions: NDArray[np.float64]) -> None:
        if samples.ndim != 2 or samples.shape[1] != self._n_channel:  # noqa: PLR2004 - rows and columns
            raise SignalError(
                f"samples: expected shape (n, {self._n_channel}), got {samples.shape}; check the channels"
            )
        if conditions.shape != (self._n_condition,):
            raise SignalError(
                f"conditions: expected {self._n_condition} values, got {conditions.shape}; check the spec"
            )

    def _fill(self, samples: NDArray[np.float32], conditions: NDArray[np.float64]) -> int:
        if self._open_n == 0:
            self._open_conditions[:] = conditions
        n = min(len(samples), self._spec.record_n - self._open_n)
        self._open[self._open_n : self._open_n + n] = samples[:n]
        self._open_n += n
        self._seen_n += n
        return n

    def _close_record(self) -> list[WindowFeatures]:
        columns = np.ascontiguousarray(self._open.T)
        records = tuple(self._records.record(column) for column in columns)
        self._ring.append(_RecordRow(records, self._open_conditions.copy()))
        self._open_n = 0
        past_first = self._seen_n // self._spec.record_n - self._spec.window_records
        if past_first < 0 or past_first % self._spec.hop_records:
            return []
        self._covered_n = self._seen_n
        return [self._window()]

    def _window(self) -> WindowFeatures:
        start_n = self._seen_n - self._spec.window_n
        rows = list(self._ring)
        folds = [fold([row.records[channel] for row in rows]) for channel in range(self._n_channel)]
        conditions = np.add.reduce(np.stack([row.conditions for row in rows]), axis=0) / len(rows)
        reason = next((part.reason for part in folds if part.reason != ASSESSED), ASSESSED)
        if reason == ASSESSED and not np.isfinite(conditions).all():
            reason = NO_CONDITION
        if reason != ASSESSED:
            return WindowFeatures(start_n, np.zeros(self.n_feature, dtype=np.float32), reason)
        return WindowFeatures(start_n, self._vectors.vector(folds, conditions), ASSESSED)


def extract_windows(
    spec: FeatureSpec, samples: NDArray[np.float32], conditions: NDArray[np.float64]
) -> list[WindowFeatures]:
    """All windows of one gapless stretch of a recording.

    Args:
        spec: What to compute.
        samples: (n, n_channel) float32.
        conditions: (n_condition,) operating conditions of the stretch.
    """
    return StreamingExtractor(spec).push(samples, conditions)
