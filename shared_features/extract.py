"""The two faces of feature extraction, streaming and batch, over the same record, fold and vector functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from shared_features.errors import SignalError
from shared_features.fold import fold, reason_of
from shared_features.makers import Makers
from shared_features.moments import add_up
from shared_features.quality import ASSESSED
from shared_features.rotation import CONDITION_MISSING, RotationLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared_features.record import Record
    from shared_features.spec import FeatureSpec

OUT_OF_RANGE = "out_of_range"
"""A feature that float32 cannot hold."""

_RECORDS_AT_ONCE = 32
"""The windows of so many new records are computed one after the other: their code stays in the fastest cache."""

NO_PULSES: Final[Mapping[str, NDArray[np.float64]]] = MappingProxyType({})


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
    conditions: tuple[float, ...]


class StreamingExtractor:
    """Turns chunks of any length into windows: keeps the samples of one unfinished record and the last records.

    Any chunking of the same samples gives the same bits as ``extract_windows`` over them at once.
    """

    def __init__(self, spec: FeatureSpec, makers: Makers | None = None) -> None:
        """Begin a stream.

        Args:
            spec: What to compute.
            makers: Of the same spec, shared with other streams of this thread; the stream's own where none are given.
        """
        makers = makers or Makers(spec)
        self._spec = spec
        self._records = makers.records
        self._vectors = makers.vectors
        self._log = RotationLog(spec)
        self._n_channel = len(spec.channels)
        self._n_condition = len(spec.conditions)
        self.n_feature = self._vectors.n_feature
        self._open = np.empty((spec.record_n, self._n_channel), dtype=np.float32)
        self._open_conditions: tuple[float, ...] = ()
        self._rows: list[_RecordRow] = []
        self.reset()

    @property
    def uncovered_n(self) -> int:
        """Samples since the last gap that no window has covered yet: what a gap now would lose."""
        return self._seen_n - self._covered_n

    def reset(self) -> None:
        """Forget everything before a gap: records and windows never cross it."""
        self._rows.clear()
        self._log.reset()
        self._first_n = 0
        self._open_n = 0
        self._seen_n = 0
        self._covered_n = 0

    def push(
        self,
        samples: NDArray[np.float32],
        speeds: NDArray[np.float64],
        pulses: Mapping[str, NDArray[np.float64]] = NO_PULSES,
    ) -> list[WindowFeatures]:
        """Take the samples that follow the last ones, and give the windows they complete.

        Args:
            samples: (n, n_channel) float32, any n, each column in its channel's unit.
            speeds: (n_speed,) speeds in Hz from the first sample on, as ``spec.speeds`` names them; NaN where unknown.
            pulses: By shaft, positions of tachometer pulses in samples from the first sample, ascending.

        Raises:
            SignalError: The shapes do not fit the spec.
        """
        self._check(samples, speeds)
        self._log.note(self._seen_n, speeds, pulses)
        windows: list[WindowFeatures] = []
        taken_n = 0
        while taken_n < len(samples):
            taken_n += self._take(samples[taken_n:], speeds)
            if len(self._rows) >= self._spec.window_records + _RECORDS_AT_ONCE:
                windows.extend(self._windows())
        windows.extend(self._windows())
        return windows

    def _check(self, samples: NDArray[np.float32], speeds: NDArray[np.float64]) -> None:
        if samples.ndim != 2 or samples.shape[1] != self._n_channel:  # noqa: PLR2004 - rows and columns
            raise SignalError(
                f"samples: expected shape (n, {self._n_channel}), got {samples.shape}; check the channels"
            )
        if samples.dtype != self._open.dtype:
            raise SignalError(
                f"samples: expected single precision, as sensors send them, got {samples.dtype}; convert them"
            )
        if speeds.shape != (len(self._spec.speeds),):
            raise SignalError(
                f"speeds: expected {len(self._spec.speeds)} values ({', '.join(self._spec.speeds)}), got "
                f"{speeds.shape}; check the spec"
            )

    def _take(self, samples: NDArray[np.float32], speeds: NDArray[np.float64]) -> int:
        """Take samples up to the end of the open record, and close it there; how many were taken."""
        record_n = self._spec.record_n
        if self._open_n == 0:
            self._open_conditions = tuple(speeds[: self._n_condition].tolist())
        n = min(len(samples), record_n - self._open_n)
        self._seen_n += n
        if n == record_n:
            self._close_record(samples[:n])
            return n
        self._open[self._open_n : self._open_n + n] = samples[:n]
        self._open_n += n
        if self._open_n == record_n:
            self._close_record(self._open)
        return n

    def _close_record(self, samples: NDArray[np.float32]) -> None:
        rotations = self._log.rotations(self._seen_n - self._spec.record_n)
        columns = enumerate(np.ascontiguousarray(samples.T))
        records = tuple(self._records.record(column, rotations, channel=index) for index, column in columns)
        self._rows.append(_RecordRow(records, self._open_conditions))
        self._open_n = 0

    def _windows(self) -> Iterator[WindowFeatures]:
        """The windows that the kept records complete; records that no later window needs are forgotten."""
        spec = self._spec
        while len(self._rows) >= spec.window_records:
            start_n = self._first_n
            values, reason = self._assess(self._rows[: spec.window_records])
            del self._rows[: spec.hop_records]
            self._first_n += spec.hop_records * spec.record_n
            self._covered_n = start_n + spec.window_n
            yield WindowFeatures(start_n, values, reason)

    def _assess(self, rows: Sequence[_RecordRow]) -> tuple[NDArray[np.float32], str]:
        """Values and reason of a window: what its first bad channel says, then its conditions, then its values."""
        channels = list(zip(*(row.records for row in rows), strict=True))
        reason = next(filter(None, map(reason_of, channels)), ASSESSED)
        if reason:
            return self._nothing(), reason
        conditions = [add_up(column) / len(column) for column in zip(*(row.conditions for row in rows), strict=True)]
        if not all(map(math.isfinite, conditions)):
            return self._nothing(), CONDITION_MISSING
        values = self._vectors.vector([fold(channel, self._spec.record_n) for channel in channels], conditions)
        return (values, ASSESSED) if all(map(math.isfinite, values.tolist())) else (self._nothing(), OUT_OF_RANGE)

    def _nothing(self) -> NDArray[np.float32]:
        return np.zeros(self.n_feature, dtype=np.float32)


def extract_windows(
    spec: FeatureSpec,
    samples: NDArray[np.float32],
    speeds: NDArray[np.float64],
    pulses: Mapping[str, NDArray[np.float64]] = NO_PULSES,
) -> list[WindowFeatures]:
    """All windows of one gapless stretch of a recording.

    Args:
        spec: What to compute.
        samples: (n, n_channel) float32.
        speeds: (n_speed,) speeds of the stretch in Hz, in the order of ``spec.speeds``.
        pulses: By shaft, positions of tachometer pulses in samples from the first sample, ascending.
    """
    return StreamingExtractor(spec).push(samples, speeds, pulses)
