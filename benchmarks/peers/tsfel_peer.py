"""What TSFEL has of our features, by its own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tsfel

from benchmarks.peers.peer import NOISE, Agreement, Peer
from benchmarks.peers.scipy_idiom import OWN_AGREEMENTS
from benchmarks.peers.signals import BAND_NAMES, HOP_N, WINDOW_N, band_sums
from benchmarks.specs import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_LINES = 129
"""Lines of 100 Hz, as tsfresh has them: more would be told as more columns, which is slower."""
_LINE_HZ = RATE_HZ / (2 * _LINES - 2)
_FUNCTIONS = {
    "calc_mean", "calc_std", "rms", "calc_max", "calc_min", "pk_pk_distance", "kurtosis", "skewness",
    "mean_abs_deviation", "zero_cross", "spectrogram_mean_coeff", "spectral_centroid", "spectral_spread",
    "spectral_roll_off",
}  # fmt: skip

_EXACT = Agreement(2e-6)
_TUKEY = "theirs has Tukey segments of 256, which leak tones into other bands"
_MAGNITUDE = "theirs weighs the lines of one long transform by magnitude, ours Welch's by power"


def peer() -> Peer:
    """The library, in this process alone (``n_jobs=None``)."""
    return Peer(
        name="TSFEL",
        packages=("tsfel", "pandas"),
        prepare=_prepare,
        values=_values,
        agreements={
            **dict.fromkeys(("std", "rms", "peak", "peak_to_peak", "crest_factor", "kurtosis"), _EXACT),
            **{
                name: OWN_AGREEMENTS[name]
                for name in ("mean", "skewness", "shape_factor", "impulse_factor", "crossing_share")
            },
            **dict.fromkeys(BAND_NAMES, Agreement(0.05, signal=NOISE, why=_TUKEY)),
            BAND_NAMES[0]: Agreement(0.08, signal=NOISE, why=f"{_TUKEY}, and lose of their first line with their mean"),
            **dict.fromkeys(("centroid", "spread", "rolloff"), Agreement(0.01, signal=NOISE, why=_MAGNITUDE)),
        },
        left_out={
            "clearance_factor": "no function",
            "flatness": "no function",
            "entropy": "its spectral_entropy is that of one long transform, lower even for white noise",
        },
    )


def _prepare(recording: NDArray[np.float64]) -> Callable[[], Any]:
    config = _config()
    # A table and not an array: of a one-dimensional array it computes every feature twice.
    table = pd.DataFrame({"x": recording})
    return lambda: tsfel.time_series_features_extractor(
        config,
        table,
        fs=RATE_HZ,
        window_size=WINDOW_N,
        overlap=1.0 - HOP_N / WINDOW_N,
        verbose=0,
        n_jobs=None,
    )


def _config() -> dict[str, Any]:
    """Its own configuration, of our functions alone."""
    domains = tsfel.get_features_by_domain()
    config = {
        domain: {name: entry for name, entry in entries.items() if entry["function"].split(".")[1] in _FUNCTIONS}
        for domain, entries in domains.items()
    }
    config["spectral"]["Spectrogram mean coefficient"]["parameters"]["bins"] = _LINES
    return config


def _values(result: Any) -> Mapping[str, NDArray[np.float64]]:
    own = {name.removeprefix("x_"): result[name].to_numpy(np.float64) for name in result.columns}
    mean, std, low, high = own["Mean"], own["Standard deviation"], own["Min"], own["Max"]
    magnitude = own["Mean absolute deviation"]
    peak = np.maximum(high - mean, mean - low)
    lines_hz = np.arange(_LINES, dtype=np.float64) * _LINE_HZ
    density = np.stack([own[f"Spectrogram mean coefficient_{line_hz}Hz"] for line_hz in lines_hz], axis=1)
    return {
        "mean": mean,
        "std": std,
        "rms": own["Root mean square"],
        "peak": peak,
        "peak_to_peak": own["Peak to peak distance"],
        "crest_factor": peak / std,
        "kurtosis": own["Kurtosis"] + 3.0,
        "skewness": own["Skewness"],
        "shape_factor": std / magnitude,
        "impulse_factor": peak / magnitude,
        "crossing_share": own["Zero crossing rate"] / (WINDOW_N - 1),
        **band_sums(lines_hz, density, _LINE_HZ),
        "centroid": own["Spectral centroid"],
        "spread": own["Spectral spread"],
        "rolloff": own["Spectral roll-off"],
    }
