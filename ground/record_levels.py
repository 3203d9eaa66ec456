"""Level and sensor quality of every record of a recording, by the very functions that measure it on board."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import samples_ns
from ground.recording import LABEL_HEALTHY, Recording, Stretch
from shared_features.quality import NOT_FINITE, REASONS, judges_of
from shared_features.spec import FeatureSpec
from shared_features.waveform import WaveformMaker

MIXED_PHASE = -1
BELIEVED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLevels:
    """One row a whole record, in the order of time; the records are those that the feature extractor makes.

    Attributes:
        start_ns: (n,) int64, source time of the first sample.
        end_ns: (n,) int64, source time just after the last sample.
        stretch: (n,) int32, index of the stretch.
        rms: (n, n_channel) float64 root mean square in the unit of the channel; NaN with a value missing.
        missing_n: (n, n_channel) int64, values that are not finite.
        reason: (n, n_channel) int8, index into ``shared_features.quality.REASONS``; ``BELIEVED`` where there is none.
        phase: (n,) int32, index into ``phase_names``; ``MIXED_PHASE`` across a change.
        phase_names: The phases of the recording.
        healthy: (n,) bool, whether all its time is labelled healthy.
    """

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    stretch: NDArray[np.int32]
    rms: NDArray[np.float64]
    missing_n: NDArray[np.int64]
    reason: NDArray[np.int8]
    phase: NDArray[np.int32]
    phase_names: tuple[str, ...]
    healthy: NDArray[np.bool_]


def record_levels(recording: Recording, spec: FeatureSpec) -> RecordLevels:
    """Cut each stretch into the records of the spec and measure them; a shorter rest makes no record."""
    record_n = spec.record_n
    names: dict[str, int] = {}
    judge = _RecordJudge(spec)
    parts = [_stretch_levels(stretch, judge, record_n, names) for stretch in recording.stretches]
    rate_hz = recording.info.sampling_rate_hz
    first_n = [np.arange(len(part.rms), dtype=np.int64) * record_n for part in parts]
    start_ns = [
        np.array([stretch.start_ns + samples_ns(n, rate_hz) for n in firsts.tolist()], dtype=np.int64)
        for stretch, firsts in zip(recording.stretches, first_n, strict=True)
    ]
    starts = np.concatenate(start_ns)
    return RecordLevels(
        start_ns=starts,
        end_ns=starts + samples_ns(record_n, rate_hz),
        stretch=np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.rms) for part in parts]),
        rms=np.concatenate([part.rms for part in parts]),
        missing_n=np.concatenate([part.missing_n for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
        phase=np.concatenate([part.phase for part in parts]),
        phase_names=tuple(names),
        healthy=np.concatenate([part.healthy for part in parts]),
    )


class _RecordJudge:
    """Measures and judges one record of one channel after the other."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._waveform = WaveformMaker(spec)
        self._judges = judges_of(spec)

    def judge(self, samples: NDArray[np.float32], channel: int) -> tuple[float, int]:
        """RMS and index of the reason of (record_n,) contiguous samples of a channel, given by its index."""
        if not self._waveform.load(samples):
            return math.nan, REASONS.index(NOT_FINITE)
        waveform = self._waveform.measure()
        rms = math.sqrt(waveform.m2 / samples.size + waveform.mean * waveform.mean)
        reason = self._judges[channel](samples, self._waveform.deviation, waveform)
        return rms, REASONS.index(reason) if reason else BELIEVED


@dataclass(frozen=True, slots=True)
class _Part:
    rms: NDArray[np.float64]
    missing_n: NDArray[np.int64]
    reason: NDArray[np.int8]
    phase: NDArray[np.int32]
    healthy: NDArray[np.bool_]


def _stretch_levels(stretch: Stretch, judge: _RecordJudge, record_n: int, names: dict[str, int]) -> _Part:
    n_record, n_channel = len(stretch.samples) // record_n, stretch.samples.shape[1]
    records = stretch.samples[: n_record * record_n].reshape(n_record, record_n, n_channel)
    labels = stretch.labels[: n_record * record_n].reshape(n_record, record_n)
    judged = [
        judge.judge(column, channel)
        for record in records
        for channel, column in enumerate(np.ascontiguousarray(record.T))
    ]
    table = np.array(judged, dtype=np.float64).reshape(n_record, n_channel, 2)
    return _Part(
        rms=table[:, :, 0],
        missing_n=np.asarray(np.count_nonzero(~np.isfinite(records), axis=1), dtype=np.int64),
        reason=table[:, :, 1].astype(np.int8),
        phase=_phases(stretch, n_record, record_n, names),
        healthy=(labels == LABEL_HEALTHY).all(axis=1),
    )


def _phases(stretch: Stretch, n_record: int, record_n: int, names: dict[str, int]) -> NDArray[np.int32]:
    first_n = np.array([run.first_n for run in stretch.phases])
    codes = np.array([names.setdefault(run.phase, len(names)) for run in stretch.phases], dtype=np.int32)
    starts = np.arange(n_record) * record_n
    at_start = np.searchsorted(first_n, starts, side="right") - 1
    at_end = np.searchsorted(first_n, starts + record_n - 1, side="right") - 1
    return np.where(at_start == at_end, codes[at_start], MIXED_PHASE).astype(np.int32)
