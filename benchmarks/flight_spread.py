"""How much the values of healthy stretches of one recording differ: what ``ground.prediction.FLIGHT_SPREAD`` rests on.

``python -m benchmarks.flight_spread --data DIR`` takes each recording with healthy time alone, learns from its first
half and on, and asks for the sixth that follows, as ``ground.rehearsal.later_time`` does.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run_command
from benchmarks.detection.protocols import trainable
from benchmarks.detection.rig import Rig, read_rig, rig_names
from ground.config import ModelConfig
from ground.flights import flight_value
from ground.rehearsal import Recipe, later_time
from ground.window_table import WindowTable

FAMILY = "mahalanobis"
FEWEST = 2


def main() -> int:
    """Print a line a recording, and the pooled spread of each rig; returns the exit code."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.flight_spread", description=__doc__)
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="recordings folder")
    folder = options.parse_args().data
    for name in rig_names(folder):
        spreads = dict(_spreads(read_rig(folder, name, workers=1)))
        for recording, spread in spreads.items():
            print(f"{recording:32} {spread:.3f}")
        pooled = np.sqrt(np.mean(np.square(list(spreads.values())))) if spreads else np.nan
        print(f"{name}, pooled: {pooled:.3f}\n")
    return 0


def _spreads(rig: Rig) -> Iterator[tuple[str, float]]:
    """Standard deviation of the logarithms of the values of one recording's later stretches."""
    rows = rig.table.rows
    usable = trainable(rows) & (rows["reason"] == "").to_numpy(dtype=bool)
    for name in sorted(set(rows["recording_id"][usable])):
        chosen = usable & (rows["recording_id"] == name).to_numpy()
        table = WindowTable(rows[chosen].reset_index(drop=True), rig.table.values[chosen])
        values = _values(table, rig)
        if len(values) >= FEWEST:
            yield str(name), float(np.log(values).std(ddof=1))


def _values(table: WindowTable, rig: Rig) -> NDArray[np.float64]:
    k, n = rig.decision.k, rig.decision.n
    with warnings.catch_warnings():
        # scikit-learn warns of few rows.
        warnings.simplefilter("ignore")
        flights = later_time(table, Recipe(rig.spec, FAMILY, ModelConfig(), 0)).flights
    return np.array([flight_value(flight.scores, k=k, n=n) for flight in flights if len(flight.scores) >= k])


if __name__ == "__main__":
    sys.exit(run_command(main))
