"""Compute the golden set on this machine and save every bit of it.

Run ``python -m tests.determinism.golden_set OUT.npz [REAL.npz]``; it needs numpy and shared_features alone, so that it
runs wherever those do. Each case is computed at once and in chunks; where the two differ, it fails.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_features import fourier
from shared_features.extract import StreamingExtractor, WindowFeatures
from shared_features.fold import Fold
from shared_features.quality import ASSESSED
from tests.determinism.golden_cases import Case, cases, real_cases

NUMPYS_TRANSFORMS = "GOLDEN_NUMPYS_TRANSFORMS"
"""Environment variable: where it is set, numpy's transforms are taken whatever their bits: to measure them."""
CHUNK_N = 997
"""A prime: chunks end anywhere in a record."""


class _Watched(StreamingExtractor):
    """Keeps the float64 values behind the features, before they are rounded."""

    def __init__(self, case: Case) -> None:
        super().__init__(case.spec)
        self.exact: list[list[float]] = []
        maker = self._vectors
        unrounded = maker.exact

        def exact(folds: Sequence[Fold]) -> list[float]:
            self.exact.append(unrounded(folds))
            return self.exact[-1]

        maker.exact = exact  # type: ignore[method-assign]


def whole(case: Case) -> tuple[list[WindowFeatures], NDArray[np.float64]]:
    """The windows of a case computed at once, and their float64 values, (n_feature, n_window), zeros where none are."""
    extractor = _Watched(case)
    windows = extractor.push(case.samples, case.speeds, case.pulses)
    exact = np.zeros((extractor.n_feature - len(case.spec.conditions), len(windows)))
    assessed = [window.reason == ASSESSED for window in windows]
    exact[:, assessed] = np.transpose(extractor.exact)
    return windows, exact


def in_chunks(case: Case) -> list[WindowFeatures]:
    """The windows of a case computed as they come in chunks."""
    extractor = StreamingExtractor(case.spec)
    windows: list[WindowFeatures] = []
    for start_n in range(0, len(case.samples), CHUNK_N):
        pulses = {
            shaft: at_n[(at_n >= start_n) & (at_n < start_n + CHUNK_N)] - start_n for shaft, at_n in case.pulses.items()
        }
        windows += extractor.push(case.samples[start_n : start_n + CHUNK_N], case.speeds, pulses)
    return windows


def bits(windows: list[WindowFeatures]) -> list[tuple[int, bytes, str]]:
    """Everything of some windows, comparable to the bit."""
    return [(window.start_n, window.values.tobytes(), window.reason) for window in windows]


def describe() -> dict[str, Any]:
    """What computed the set: processor family, versions, and the code paths numpy may take."""
    from numpy._core._multiarray_umath import __cpu_features__

    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "features": sorted(name for name, found in __cpu_features__.items() if found),
    }


def main(out: Path, *real: Path) -> int:
    """Compute and save; 1 when a stream differs from its batch."""
    if os.environ.get(NUMPYS_TRANSFORMS):
        fourier.library_agrees = _yes  # type: ignore[assignment]
    arrays: dict[str, NDArray[Any]] = {}
    broken = []
    for case in (*cases(), *(case for path in real for case in real_cases(path))):
        windows, exact = whole(case)
        if bits(in_chunks(case)) != bits(windows):
            broken.append(case.name)
        arrays[f"{case.name}/values"] = np.stack([window.values for window in windows])
        arrays[f"{case.name}/exact"] = exact
        arrays[f"{case.name}/reasons"] = np.array([window.reason for window in windows])
        arrays[f"{case.name}/input"] = np.array(case.input_digest)
    arrays["about"] = np.array(json.dumps(describe()))
    np.savez(out, **arrays)
    for name in broken:
        sys.stdout.write(f"{name}: expected the bits of the batch, got others; find the state that depends on chunks\n")
    return 1 if broken else 0


def _yes() -> bool:
    return True


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
