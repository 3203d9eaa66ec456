"""All our features by tsflex: its strided windows, and the functions of the scipy idiom, as its documents do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tsflex.features import FeatureCollection, FeatureDescriptor, FuncWrapper

from benchmarks.peers.peer import Peer
from benchmarks.peers.scipy_idiom import SPECTRUM_NAMES, spectrum_features, time_features
from benchmarks.peers.scipy_idiom import peer as scipy_peer
from benchmarks.peers.signals import HOP_N, NAMES, TIME_NAMES, WINDOW_N

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray


def peer() -> Peer:
    """The library; two functions, so that one Welch serves all features of the spectrum."""
    return Peer(
        name="tsflex",
        packages=("tsflex", "pandas"),
        prepare=_prepare,
        values=_values,
        agreements=scipy_peer().agreements,
    )


def _prepare(recording: NDArray[np.float64]) -> Callable[[], Any]:
    functions = (FuncWrapper(time_features, list(TIME_NAMES)), FuncWrapper(spectrum_features, list(SPECTRUM_NAMES)))
    collection = FeatureCollection(
        [FeatureDescriptor(function, "x", window=WINDOW_N, stride=HOP_N) for function in functions]
    )
    series = pd.Series(recording, name="x")
    # Its last window is left out unless it is asked for.
    return lambda: collection.calculate(series, return_df=True, include_final_window=True, n_jobs=0)


def _values(result: Any) -> Mapping[str, NDArray[np.float64]]:
    columns = {column.split("__")[1]: column for column in result.columns}
    return {name: result[columns[name]].to_numpy(np.float64) for name in NAMES}
