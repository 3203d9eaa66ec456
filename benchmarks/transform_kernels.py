"""What features cost where numpy's transforms have other bits and the kernels take their place: for ADR 0012.

Costs are thread CPU time per channel-second of streaming in chunks of 0.1 s, over the calibration loop; the way without
kernels is that of x86-64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.measure import Case, time_interleaved
from benchmarks.specs import RATE_HZ, complete_spec, speeds_of, usual_spec
from shared_features import fourier
from shared_features.extract import StreamingExtractor

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec

ROUNDS = 200
CHUNK_N = round(RATE_HZ / 10)


def main() -> int:
    """Measure and print; returns the exit code."""
    cases = [Case("cal", partial(_same, make_cal()), ROUNDS)]
    for name, spec in (("time and spectrum", usual_spec()), ("all groups", complete_spec())):
        for way, agrees in (("numpy", True), ("kernels", False)):
            cases.append(Case(f"{name}, {way}", partial(_same, one_second(spec, agrees=agrees)), ROUNDS))
    medians = {name: float(np.median(values)) for name, values in time_interleaved(cases, seed=1).items()}
    for name, median_s in medians.items():
        print(f"{name:32}{median_s / medians['cal']:8.2f} cal")
    return 0


def one_second(spec: FeatureSpec, *, agrees: bool) -> Callable[[], object]:
    """A second of noise through a stream that has its windows full."""
    samples = np.random.default_rng(1).standard_normal((spec.window_n, 1)).astype(np.float32)
    speeds = speeds_of(spec)
    stream = StreamingExtractor(spec)
    second_n = round(RATE_HZ)

    def run() -> int:
        fourier.library_agrees = lambda: agrees  # type: ignore[assignment]
        chunks = (samples[first : first + CHUNK_N] for first in range(0, second_n, CHUNK_N))
        return sum(len(stream.push(chunk, speeds)) for chunk in chunks)

    stream.push(samples, speeds)
    return run


def _same(call: Callable[[], object]) -> Callable[[], object]:
    return call


if __name__ == "__main__":
    sys.exit(main())
