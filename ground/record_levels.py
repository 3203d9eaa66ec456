"""The level of every record of a recording: what missing values and outliers are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import samples_ns
from ground.recording import LABEL_HEALTHY, Recording, Stretch

T = TypeVar("T", bound=np.generic)

MIXED_PHASE = -1
_RECORDS_AT_ONCE = 64
"""Bounds the float64 copies: a stretch may last hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLevels:
    """One row a whole record, in the order of time; the records are those that the feature extractor makes.

    Attributes:
        start_ns: (n,) int64, source time of the first sample.
        end_ns: (n,) int64, source time just after the last sample.
        stretch: (n,) int32, index of the stretch.
        rms: (n, n_channel) float64 root mean square in the unit of the channel; NaN with a value missing.
        missing_n: (n, n_channel) int64, values that are not finite.
        phase: (n,) int32, index into ``phase_names``; ``MIXED_PHASE`` across a change.
        phase_names: The phases of the recording.
        healthy: (n,) bool, whether all its time is labelled healthy.
    """

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    stretch: NDArray[np.int32]
    rms: NDArray[np.float64]
    missing_n: NDArray[np.int64]
    phase: NDArray[np.int32]
    phase_names: tuple[str, ...]
    healthy: NDArray[np.bool_]


def record_levels(recording: Recording, record_n: int) -> RecordLevels:
    """Cut each stretch into records of ``record_n`` samples and measure them; a shorter rest makes no record."""
    names: dict[str, int] = {}
    parts = [_stretch_levels(stretch, record_n, names) for stretch in recording.stretches]
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
        phase=np.concatenate([part.phase for part in parts]),
        phase_names=tuple(names),
        healthy=np.concatenate([part.healthy for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    rms: NDArray[np.float64]
    missing_n: NDArray[np.int64]
    phase: NDArray[np.int32]
    healthy: NDArray[np.bool_]


def _stretch_levels(stretch: Stretch, record_n: int, names: dict[str, int]) -> _Part:
    n_record = len(stretch.samples) // record_n
    whole = stretch.samples[: n_record * record_n]
    records = whole.reshape(n_record, record_n, stretch.samples.shape[1])
    labels = stretch.labels[: n_record * record_n].reshape(n_record, record_n)
    return _Part(
        rms=_in_pieces(_rms, records, np.float64),
        missing_n=_in_pieces(_missing_n, records, np.int64),
        phase=_phases(stretch, n_record, record_n, names),
        healthy=(labels == LABEL_HEALTHY).all(axis=1),
    )


def _in_pieces(
    measure: Callable[[NDArray[np.float32]], NDArray[T]], records: NDArray[np.float32], dtype: type[T]
) -> NDArray[T]:
    measured = np.empty((records.shape[0], records.shape[2]), dtype=dtype)
    for first in range(0, len(records), _RECORDS_AT_ONCE):
        measured[first : first + _RECORDS_AT_ONCE] = measure(records[first : first + _RECORDS_AT_ONCE])
    return measured


def _rms(records: NDArray[np.float32]) -> NDArray[np.float64]:
    # An infinite sample is a missing one: it makes its record's level unknown, not infinite.
    values = np.where(np.isfinite(records), records, np.nan).astype(np.float64)
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=1)))


def _missing_n(records: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(np.count_nonzero(~np.isfinite(records), axis=1))


def _phases(stretch: Stretch, n_record: int, record_n: int, names: dict[str, int]) -> NDArray[np.int32]:
    first_n = np.array([run.first_n for run in stretch.phases])
    codes = np.array([names.setdefault(run.phase, len(names)) for run in stretch.phases], dtype=np.int32)
    starts = np.arange(n_record) * record_n
    at_start = np.searchsorted(first_n, starts, side="right") - 1
    at_end = np.searchsorted(first_n, starts + record_n - 1, side="right") - 1
    return np.where(at_start == at_end, codes[at_start], MIXED_PHASE).astype(np.int32)
