"""Compute the golden set with other interpreters and compare it with this one's, bit by bit.

Run ``python -m tests.determinism.elsewhere PYTHON...``; each needs numpy alone. Prints one row for each and names every
difference; exits 1 when a bit of a feature differs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.determinism.compare import Comparison, about, compare, load
from tests.determinism.configurations import run_golden_set
from tests.determinism.real_windows import write_real_windows

_TITLE = f"{'machine':<10}{'python':<9}{'numpy':<9}{'windows':>8}{'features':>9}{'float32':>9}{'float64':>9}{'time':>8}"


def main(pythons: Sequence[str]) -> int:
    """Print the table; 1 when anything differs."""
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        real = write_real_windows(work / "real.npz")
        reference = load(run_golden_set(work / "here.npz", real=real))
        _say(_TITLE, _row(about(reference), compare(reference, reference), 0.0))
        for number, python in enumerate(pythons):
            started_s = time.monotonic()
            other = load(run_golden_set(work / f"{number}.npz", python=str(Path(python).absolute()), real=real))
            comparison = compare(reference, other)
            _say(_row(about(other), comparison, time.monotonic() - started_s), str(comparison))
            worst = max(worst, 0 if comparison.equal else 1)
    return worst


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _row(made_by: dict[str, str], comparison: Comparison, took_s: float) -> str:
    return (
        f"{made_by['machine']:<10}{made_by['python']:<9}{made_by['numpy']:<9}{comparison.windows:>8}{comparison.values:>9}"
        f"{len(comparison.differences):>9}{comparison.exact_differing:>9}{took_s:>6.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
