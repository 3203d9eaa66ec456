"""What features cost: streaming and batch, group by group, against window length, hop and channels, and in memory.

Run ``python -m benchmarks.features``; docs/reference/benchmarks.md explains the figures. Nothing here is gated:
``benchmarks.instructions`` is the gate on cost.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.feature_cases import always, batch, streaming, windows_of
from benchmarks.feature_curves import points, tables
from benchmarks.measure import Case, Summary, summarise, time_interleaved
from benchmarks.memory import FULL_GB, QUICK_GB, MemoryUse, measure_memory
from benchmarks.report import Report, Row, at_least, at_most, publish
from benchmarks.specs import complete_spec, group_specs, usual_spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = Mapping[str, NDArray[np.float64]]

QUICK_ROUNDS = 400
FULL_ROUNDS = 10_000
ROUNDS_PER_BATCH = 20
"""A round over a whole recording takes hundreds of times as long as the others."""
ROUNDS_PER_POINT = 20
RECORDING_S = 300.0

STREAMING_MAX_CAL = 2.5
COMPLETE_MAX_CAL = 3.5
BATCH_MAX_CAL = 1.5
BATCH_MIN_WINDOWS_PER_S = 2_000.0
BATCH_MIN_GB_PER_S = 0.2
MEMORY_MAX_MB = 300.0

CAL = "cal"
STREAMING = "streaming: time, spectrum"
COMPLETE = "streaming: every group"
BATCH = "batch: time, spectrum"
COMPLETE_BATCH = "batch: every group"

_SEED = 1


def main() -> int:
    """Measure, print, write ``features.json``."""
    options = parser("features", "CPU cost of feature extraction, as multiples of a calibration loop, and its memory.")
    options.add_argument("--rounds", type=positive, metavar="N", help="rounds of each measurement")
    chosen = options.parse_args()
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else FULL_ROUNDS)
    times = time_interleaved(list(_cases(rounds)), seed=_SEED)
    curves = time_interleaved(list(_curve_cases(rounds)), seed=_SEED)
    memory = measure_memory(QUICK_GB if chosen.quick else FULL_GB)
    publish(_report(times, curves, memory, "quick" if chosen.quick else "full"), chosen.out)
    return EXIT_OK


def _cases(rounds: int) -> Iterator[Case]:
    rounds_of_batch = max(1, rounds // ROUNDS_PER_BATCH)
    yield Case(CAL, always(make_cal()), rounds)
    yield Case(STREAMING, streaming(usual_spec()), rounds)
    yield Case(COMPLETE, streaming(complete_spec()), rounds)
    for name, spec in group_specs().items():
        yield Case(_group(name), streaming(spec), rounds)
    yield Case(BATCH, batch(usual_spec(), RECORDING_S), rounds_of_batch)
    yield Case(COMPLETE_BATCH, batch(complete_spec(), RECORDING_S), rounds_of_batch)


def _curve_cases(rounds: int) -> Iterator[Case]:
    # Apart from the others, with a cal of their own: the largest of them empty the caches for whatever runs next.
    yield Case(CAL, always(make_cal()), rounds)
    yield from (point.case(max(1, rounds // ROUNDS_PER_POINT)) for point in points())


def _group(name: str) -> str:
    return f"streaming: {name}"


def _report(times: Times, curves: Times, memory: MemoryUse, mode: str) -> Report:
    cal = summarise(times[CAL])
    return Report(
        benchmark="features",
        mode=mode,
        unit="us",
        cal=cal,
        rows=(
            _streaming_row(times, STREAMING, cal, STREAMING_MAX_CAL),
            _streaming_row(times, COMPLETE, cal, COMPLETE_MAX_CAL),
            *(_group_row(times, name, cal) for name in group_specs()),
            _batch_row(times, BATCH, cal),
            _batch_row(times, COMPLETE_BATCH, None),
            _memory_row(memory),
        ),
        packages=("numpy",),
        tables=tables(curves, float(np.median(curves[CAL]))),
        is_compact=True,
    )


def _streaming_row(times: Times, name: str, cal: Summary, limit: float) -> Row:
    """Per second of one channel, which completes one window."""
    summary = summarise(times[name])
    return Row(name=name, summary=summary, targets=(at_most("median", summary.median / cal.median, limit, "cal"),))


def _group_row(times: Times, name: str, cal: Summary) -> Row:
    """A spec with other groups, and what that adds to the usual one."""
    summary = summarise(times[_group(name)])
    extra = (summary.median - float(np.median(times[STREAMING]))) / cal.median
    return Row(name=_group(name), summary=summary, figures={"cal extra": extra})


def _batch_row(times: Times, name: str, cal: Summary | None) -> Row:
    """Per window of a recording, judged where ``cal`` is given."""
    spec = usual_spec()
    summary = summarise(times[name] / windows_of(spec, RECORDING_S))
    windows_per_s = 1.0 / summary.median
    gb_per_s = RECORDING_S * spec.sampling_rate_hz * np.dtype(np.float32).itemsize / float(np.median(times[name])) / 1e9
    targets = () if cal is None else (
        at_most("median", summary.median / cal.median, BATCH_MAX_CAL, "cal"),
        at_least("rate", windows_per_s, BATCH_MIN_WINDOWS_PER_S, "windows/s/core"),
        at_least("rate", gb_per_s, BATCH_MIN_GB_PER_S, "GB/s"),
    )  # fmt: skip
    figures = {"windows/s/core": windows_per_s, "GB/s": gb_per_s}
    return Row(name=name, summary=summary, targets=targets, figures=figures)


def _memory_row(memory: MemoryUse) -> Row:
    """Per window, as in a batch; the samples are read from a file."""
    return Row(
        name="batch from a file",
        summary=summarise(np.array([memory.cpu_s / memory.windows])),
        targets=(at_most("peak", memory.peak_mb, MEMORY_MAX_MB, "MB"),),
        figures={"GB read": memory.read_gb, "MB peak": memory.peak_mb, "MB before": memory.start_mb},
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
