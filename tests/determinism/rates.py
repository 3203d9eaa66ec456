"""How often float64 differences of two golden sets show in float32, signal by signal.

Run ``python -m tests.determinism.rates PYTHON``: the golden set of another interpreter with numpy's own transforms, and
with ours, against this machine's. It is how docs/adr/0012-equal-bits.md was measured, and never fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.determinism.compare import exact_distances, load
from tests.determinism.configurations import run_golden_set
from tests.determinism.golden_set import NUMPYS_TRANSFORMS
from tests.determinism.real_windows import write_real_windows

Golden = dict[str, NDArray[Any]]


def main(python: str) -> int:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        real = write_real_windows(work / "real.npz")
        here = load(run_golden_set(work / "here.npz", real=real))
        for title, environment in (("numpy's transforms", {NUMPYS_TRANSFORMS: "1"}), ("ours", {})):
            there = run_golden_set(
                work / "there.npz", python=str(Path(python).absolute()), environment=environment, real=real
            )
            sys.stdout.write(f"{title}\n{table(here, load(there))}\n")
    return 0


def table(left: Golden, right: Golden) -> str:
    """Values, share of float64 that differs, float32 that differ, expected rate per value: a line for each signal."""
    lines = [f"{'signal':<20}{'values':>8}{'float64':>9}{'float32':>9}{'expected':>10}"]
    for signal, names in _by_signal(left).items():
        distances = np.concatenate([exact_distances(name, left, right).reshape(-1) for name in names])
        shown = sum(
            np.count_nonzero(left[f"{name}/values"].view(np.int32) != right[f"{name}/values"].view(np.int32))
            for name in names
        )
        share = np.count_nonzero(distances) / distances.size
        expected = np.minimum(distances, 1.0).sum() / distances.size
        lines.append(f"{signal:<20}{distances.size:>8}{share:>9.1%}{shown:>9}{expected:>10.1e}")
    return "\n".join(lines)


def _by_signal(golden: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the cases of each signal; real recordings by their set."""
    signals: dict[str, list[str]] = {}
    for name in (key.removesuffix("/values") for key in golden if key.endswith("/values")):
        spec, signal = name.split("/", maxsplit=1)
        signals.setdefault(f"real: {spec}" if signal.startswith(spec) else signal, []).append(name)
    return signals


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
