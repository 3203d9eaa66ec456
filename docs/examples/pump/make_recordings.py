"""Recordings of a pump bench, as a stranger's might be: another machine, another rate, other sensors.

A centrifugal pump of six vanes on an asynchronous motor, 2,560 samples a second of the casing's acceleration and of the
discharge pressure, twenty seconds a pump. Levels and faults follow the textbook (imbalance at the shaft's order, a worn
impeller at the vane passing order, cavitation as bursts of broadband noise); no pump was measured.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd

RATE_HZ = 2560
LENGTH_S = 20
VANES = 6
HEALTHY = 72
FAULTS = ("imbalance", "worn impeller", "cavitation") * 8
COLUMNS = ("recording_id", "file", "unit_id", "sampling_rate_hz", "channels", "signal_units", "label", "fault_type")


def main(folder: Path) -> None:
    """Write the samples of every pump, then the index of all."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, fault in enumerate((*[""] * HEALTHY, *FAULTS)):
        name = f"pump-{number:03d}"
        recording(np.random.default_rng(number), fault).to_parquet(folder / f"{name}.parquet")
        label = "faulty" if fault else "healthy"
        rows.append((name, f"{name}.parquet", name, RATE_HZ, "casing;pressure", "m/s2;bar", label, fault))
    with (folder / "recordings.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


def recording(random: np.random.Generator, fault: str) -> pd.DataFrame:
    """Casing in m/s2, pressure in bar, and the speed of the shaft."""
    time_s = np.arange(RATE_HZ * LENGTH_S) / RATE_HZ
    flow = random.uniform(0.7, 1.1)
    n1_hz = 24.8 - 0.5 * flow
    unit = random.normal(1.0, 0.1, size=4)
    one, two, vane = unit[:3] * (0.6, 0.2, 0.8 + 1.5 * abs(1.0 - flow))
    head_bar, ripple_bar = 4.6 - 0.8 * flow, 0.04
    if fault == "imbalance":
        one *= random.uniform(3.0, 6.0)
    if fault == "worn impeller":
        vane *= random.uniform(2.5, 4.0)
        head_bar, ripple_bar = head_bar * 0.93, ripple_bar * 2.0
    casing = sum(
        amplitude * np.sin(2 * np.pi * order * n1_hz * time_s + random.uniform(0, 2 * np.pi))
        for amplitude, order in ((one, 1), (two, 2), (vane, VANES), (0.3 * vane, 2 * VANES))
    )
    casing = casing + unit[3] * 0.4 * random.standard_normal(len(time_s))
    if fault == "cavitation":
        collapses = 1.0 + np.sin(2 * np.pi * VANES * n1_hz * time_s)
        casing = casing + random.uniform(0.5, 1.0) * collapses * random.standard_normal(len(time_s))
    pressure = head_bar + ripple_bar * np.sin(2 * np.pi * VANES * n1_hz * time_s)
    pressure = pressure + 0.01 * random.standard_normal(len(time_s))
    columns = {"casing": casing, "pressure": pressure, "n1_hz": np.full(len(time_s), n1_hz)}
    return pd.DataFrame({name: values.astype(np.float32) for name, values in columns.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
