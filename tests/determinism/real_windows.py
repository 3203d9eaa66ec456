"""Some spans of the real recordings beside this project, as arrays that need no Parquet reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.determinism.configurations import ROOT

DATA = ROOT.parent / "shared" / "data"
_SPANS = {"femto": (("acc_h", "acc_v"), 25600), "uestc": (("acc",), 80000)}
"""Channels and samples taken of each recording, by set."""


def write_real_windows(out: Path) -> Path | None:
    """Write ``<set>/<recording>``, (n, n_channel) float32, from the middle of each; None where there are none."""
    files = sorted(path for name in _SPANS for path in (DATA / name).glob("*.parquet"))
    if not files:
        return None
    import pyarrow.parquet as pq

    arrays = {}
    for path in files:
        channels, n = _SPANS[path.parent.name]
        table = pq.read_table(path, columns=list(channels))
        # Whole snapshots of 2560 samples: records must not cross from one into the next.
        start_n = table.num_rows // 2 // 2560 * 2560
        columns = [table.column(name).to_numpy()[start_n : start_n + n] for name in channels]
        arrays[f"{path.parent.name}/{path.stem}"] = np.stack(columns, axis=1).astype(np.float32)
    np.savez(out, **arrays)
    return out
