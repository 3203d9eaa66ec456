"""Spectra for the eye: the window of an alert beside healthy windows, by the very code that flies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ground.recording import Recording
from ground.report.answers import NS_PER_S
from shared_features.segments import density_of
from shared_features.spec import FeatureSpec

T = TypeVar("T")

BINS_AN_OCTAVE = 48
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95
_LOWEST_DENSITY = 1e-24
"""Below any sensor's noise in any unit: keeps the logarithm of an empty line finite."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a window lies: its recording and the source time of its first sample."""

    recording_id: str
    start_ns: int


@dataclass(frozen=True, slots=True)
class HealthyBand:
    """Quantiles over healthy windows, (n,) each, unit²/Hz, and how many windows are behind them."""

    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]
    n_windows: int


class SpectrumReader:
    """Computes the spectra of single windows of one channel; holds the constants of a spec, no state."""

    def __init__(self, spec: FeatureSpec, channel: str) -> None:
        self._spec = spec
        self._channel = channel
        n_line = spec.spectrum.segment_n // 2
        line_hz = np.arange(1, n_line + 1) * (spec.sampling_rate_hz / spec.spectrum.segment_n)
        bins = np.floor(np.log2(line_hz / line_hz[0]) * BINS_AN_OCTAVE)
        self._first_lines = np.flatnonzero(np.diff(bins, prepend=-1.0))
        counts = np.diff(np.append(self._first_lines, n_line))
        self.frequency_hz: NDArray[np.float64] = np.add.reduceat(line_hz, self._first_lines) / counts

    def density(self, recording: Recording, start_ns: int) -> NDArray[np.float64]:
        """The strongest line in each 1/48 octave, as a one-sided density.

        Args:
            recording: Holds the window, and the channel.
            start_ns: Source time of the window's first sample.

        Returns:
            (n,) unit²/Hz at ``frequency_hz``; empty where the recording does not hold the whole window.
        """
        samples = self._samples(recording, start_ns)
        if not len(samples):
            return np.zeros(0)
        parts = samples.reshape(self._spec.window_records, self._spec.record_n)
        psd = np.mean([density_of(self._spec, part) for part in parts], axis=0)[1:]
        strongest: NDArray[np.float64] = np.maximum.reduceat(psd, self._first_lines)
        return np.maximum(strongest, _LOWEST_DENSITY)

    def _samples(self, recording: Recording, start_ns: int) -> NDArray[np.float32]:
        column = recording.info.channels.index(self._channel)
        for stretch in recording.stretches:
            first = round((start_ns - stretch.start_ns) * self._spec.sampling_rate_hz / NS_PER_S)
            if 0 <= first <= len(stretch.samples) - self._spec.window_n:
                return np.ascontiguousarray(stretch.samples[first : first + self._spec.window_n, column])
        return np.zeros(0, dtype=np.float32)


def healthy_band(densities: Sequence[NDArray[np.float64]]) -> HealthyBand:
    """Quantiles over windows, line by line.

    Args:
        densities: At least one spectrum, (n,) each.
    """
    low, median, high = np.quantile(np.stack(densities), (LOW_QUANTILE, 0.5, HIGH_QUANTILE), axis=0)
    return HealthyBand(low, median, high, len(densities))


def spread_choice(spans: Sequence[Span], *, recordings: int, windows_each: int) -> tuple[Span, ...]:
    """A choice that holds as many recordings as it may, evenly spread, and as many windows of each.

    Args:
        spans: What to choose from.
        recordings: Recordings at most.
        windows_each: Windows of each at most.
    """
    by_recording: dict[str, list[Span]] = {}
    for span in spans:
        by_recording.setdefault(span.recording_id, []).append(span)
    chosen = _spread(sorted(by_recording), recordings)
    return tuple(span for name in chosen for span in _spread(by_recording[name], windows_each))


def _spread(items: list[T], count: int) -> list[T]:
    index = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[i] for i in index]
