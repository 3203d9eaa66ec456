"""All our features as one writes them with numpy and scipy, each window by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import welch
from scipy.stats import kurtosis, skew

from benchmarks.peers.peer import Agreement, Peer
from benchmarks.peers.signals import HOP_N, NAMES, SPEC, TIME_NAMES, WINDOW_N
from benchmarks.specs import BANDS_HZ, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

SPECTRUM_NAMES = NAMES[len(TIME_NAMES) :]

_EXACT = Agreement(2e-6)
_RECORD_MEAN = "ours is about the mean of each second, theirs about the window's"
OWN_AGREEMENTS = {
    "mean": Agreement(0.0, atol=1e-6),
    "skewness": Agreement(0.0, atol=1e-5),
    "shape_factor": Agreement(1e-4, why=_RECORD_MEAN),
    "impulse_factor": Agreement(1e-4, why=_RECORD_MEAN),
    "clearance_factor": Agreement(1e-4, why=_RECORD_MEAN),
    "crossing_share": Agreement(1e-3, why=f"{_RECORD_MEAN}, and counts steps between seconds too"),
}


def time_features(x: NDArray[np.float64]) -> tuple[float, ...]:
    """The features of the waveform of one window, (n,), in the order of ``TIME_NAMES``."""
    mean = float(np.mean(x))
    std = float(np.std(x))
    deviation = np.abs(x - mean)
    peak = np.max(deviation)
    magnitude = float(np.mean(deviation))
    return (
        mean,
        std,
        np.sqrt(np.mean(x**2)),
        peak,
        np.ptp(x),
        peak / std,
        kurtosis(x, fisher=False),
        skew(x),
        std / magnitude,
        peak / magnitude,
        peak / np.mean(np.sqrt(deviation)) ** 2,
        np.count_nonzero(np.diff(np.signbit(x - mean))) / (len(x) - 1),
    )


def spectrum_features(x: NDArray[np.float64]) -> tuple[float, ...]:
    """The features of the spectrum of one window, (n,), in the order of ``SPECTRUM_NAMES``."""
    # Second by second, so that the segments are ours; one call over the window would have 99 of them for our 90.
    f, density = welch(x.reshape(-1, SPEC.record_n), RATE_HZ, nperseg=SPEC.spectrum.segment_n, axis=-1)
    f, power = f[1:], density.mean(axis=0)[1:] * f[1]
    total = np.sum(power)
    share = power / total
    cumulated = np.cumsum(power)
    centroid = np.sum(f * share)
    index = np.searchsorted(cumulated, SPEC.spectrum.rolloff * total)
    return (
        *(np.sum(power[(f >= low_hz) & (f < high_hz)]) for low_hz, high_hz in BANDS_HZ),
        centroid,
        np.sqrt(np.sum((f - centroid) ** 2 * share)),
        f[index] + f[0] * (0.5 - (cumulated[index] - SPEC.spectrum.rolloff * total) / power[index]),
        np.exp(np.mean(np.log(power))) / np.mean(power),
        -np.sum(share * np.log(share)) / np.log(len(share)),
    )


def peer() -> Peer:
    """The idiom."""
    return Peer(
        name="scipy idiom",
        packages=("scipy",),
        prepare=_prepare,
        values=_values,
        agreements={name: OWN_AGREEMENTS.get(name, _EXACT) for name in NAMES},
    )


def _prepare(recording: NDArray[np.float64]) -> Callable[[], Any]:
    starts = range(0, len(recording) - WINDOW_N + 1, HOP_N)

    def compute() -> list[tuple[float, ...]]:
        windows = [recording[start : start + WINDOW_N] for start in starts]
        return [(*time_features(window), *spectrum_features(window)) for window in windows]

    return compute


def _values(result: Any) -> Mapping[str, NDArray[np.float64]]:
    return dict(zip(NAMES, np.array(result).T, strict=True))
