"""Compute the golden set with other interpreters and compare it with this one's, bit by bit.

Run ``python -m tests.determinism.elsewhere [PYTHON...]``; each needs numpy alone. Without any, this machine's own
configurations are compared. Prints a row for each and names every difference; exits 1 when a bit of a feature differs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.determinism.compare import Comparison, about, compare, load
from tests.determinism.configurations import configurations, run_golden_set
from tests.determinism.real_windows import write_real_windows

_TITLE = (
    f"{'configuration':<24}{'machine':<9}{'numpy':<7}{'windows':>8}{'features':>9}{'float32':>8}{'float64':>8}{'expected':>9}"
    f"{'time':>7}"
)


def main(pythons: Sequence[str]) -> int:
    """Print the table; 1 when anything differs."""
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        real = write_real_windows(work / "real.npz")
        reference = load(run_golden_set(work / "here.npz", real=real))
        _say(_TITLE)
        for name, python, environment in _runs(pythons):
            started_s = time.monotonic()
            other = load(run_golden_set(work / "other.npz", python=python, environment=environment, real=real))
            comparison = compare(reference, other)
            _say(_row(name, about(other), comparison, time.monotonic() - started_s))
            if not comparison.equal:
                _say(str(comparison))
                worst = 1
    return worst


def _runs(pythons: Sequence[str]) -> list[tuple[str, str, Mapping[str, str]]]:
    """Name, interpreter and environment of each run."""
    if pythons:
        return [(python, str(Path(python).absolute()), {}) for python in pythons]
    return [(each.name, sys.executable, each.environment) for each in configurations()]


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _row(name: str, made_by: Mapping[str, str], comparison: Comparison, took_s: float) -> str:
    return (
        f"{name[:23]:<24}{made_by['machine']:<9}{made_by['numpy']:<7}{comparison.windows:>8}{comparison.values:>9}"
        f"{len(comparison.differences):>8}{comparison.exact_differing:>8}{comparison.expected:>9.1e}{took_s:>5.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
