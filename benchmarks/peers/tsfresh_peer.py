"""What tsfresh has of our features, by its own calculators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tsfresh import extract_features

from benchmarks.peers.peer import NOISE, Agreement, Peer
from benchmarks.peers.scipy_idiom import OWN_AGREEMENTS
from benchmarks.peers.signals import BAND_NAMES, HOP_N, WINDOW_N, band_sums
from benchmarks.specs import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_SEGMENT_N = 256
"""Its Welch always takes segments of 256."""
_LINES = _SEGMENT_N // 2 + 1
_CALCULATORS: dict[str, Any] = {
    "mean": None,
    "standard_deviation": None,
    "root_mean_square": None,
    "maximum": None,
    "minimum": None,
    "kurtosis": None,
    "skewness": None,
    "number_crossing_m": [{"m": 0}],
    "spkt_welch_density": [{"coeff": line} for line in range(_LINES)],
    "fft_aggregated": [{"aggtype": "centroid"}, {"aggtype": "variance"}],
}

_EXACT = Agreement(2e-6)
_UNBIASED = "theirs divides by n - 1 and so on"
_SHORT = "theirs has segments of 256"
_MAGNITUDE = "theirs weighs the lines of one long transform by magnitude, ours Welch's by power"
_NO_CALCULATOR = "no calculator"
_ABOUT_MEAN = "no calculator takes magnitudes about the mean"


def peer() -> Peer:
    """The library, in this process alone (``n_jobs=0``)."""
    return Peer(
        name="tsfresh",
        packages=("tsfresh", "pandas"),
        prepare=_prepare,
        values=_values,
        agreements={
            "mean": OWN_AGREEMENTS["mean"],
            **dict.fromkeys(("std", "rms", "peak", "peak_to_peak", "crest_factor"), _EXACT),
            "kurtosis": Agreement(1e-4, why=_UNBIASED),
            "skewness": Agreement(0.0, atol=1e-5, why=_UNBIASED),
            "crossing_share": OWN_AGREEMENTS["crossing_share"],
            **dict.fromkeys(BAND_NAMES, Agreement(0.03, why=_SHORT)),
            BAND_NAMES[0]: Agreement(0.1, why=f"{_SHORT}, which lose of their first line with their mean"),
            "centroid": Agreement(0.01, signal=NOISE, why=_MAGNITUDE),
            "spread": Agreement(0.01, signal=NOISE, why=_MAGNITUDE),
        },
        left_out={
            **dict.fromkeys(("shape_factor", "impulse_factor", "clearance_factor"), _ABOUT_MEAN),
            "rolloff": _NO_CALCULATOR,
            "flatness": _NO_CALCULATOR,
            "entropy": "its fourier_entropy is that of a histogram of the lines",
        },
    )


def _prepare(recording: NDArray[np.float64]) -> Callable[[], Any]:
    windows = np.lib.stride_tricks.sliding_window_view(recording, WINDOW_N)[::HOP_N]
    # Its own roll_time_series would make this table far slower; the windows are laid out beforehand, untimed.
    table = pd.DataFrame({"id": np.repeat(np.arange(len(windows)), WINDOW_N), "x": windows.ravel()})
    return lambda: extract_features(
        table,
        default_fc_parameters=_CALCULATORS,
        column_id="id",
        column_value="x",
        n_jobs=0,
        disable_progressbar=True,
    )


def _values(result: Any) -> Mapping[str, NDArray[np.float64]]:
    own = {name: result[f"x__{name}"].to_numpy() for name in list(_CALCULATORS)[:7]}
    mean, std, low, high = own["mean"], own["standard_deviation"], own["minimum"], own["maximum"]
    peak = np.maximum(high - mean, mean - low)
    density = np.stack([result[f"x__spkt_welch_density__coeff_{line}"] for line in range(_LINES)], axis=1)
    line_hz = RATE_HZ / _SEGMENT_N
    return {
        "mean": mean,
        "std": std,
        "rms": own["root_mean_square"],
        "peak": peak,
        "peak_to_peak": high - low,
        "crest_factor": peak / std,
        "kurtosis": own["kurtosis"] + 3.0,
        "skewness": own["skewness"],
        "crossing_share": result["x__number_crossing_m__m_0"].to_numpy() / (WINDOW_N - 1),
        # It calls Welch without a sampling rate: per sample, not per hertz.
        **band_sums(np.arange(_LINES, dtype=np.float64) * line_hz, density / RATE_HZ, line_hz),
        "centroid": result['x__fft_aggregated__aggtype_"centroid"'].to_numpy() * RATE_HZ / WINDOW_N,
        "spread": np.sqrt(result['x__fft_aggregated__aggtype_"variance"'].to_numpy()) * RATE_HZ / WINDOW_N,
    }
