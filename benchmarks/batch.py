"""Batch at scale: what a second core brings, what reading and writing cost beside the features, what a cluster loses.

Run ``python -m benchmarks.batch``; docs/reference/benchmarks.md explains the figures. Rates are between recordings
once every worker is at work: what starting costs is told apart. Each round runs all engines, in another order, and
ratios are of one round; a target is missed only where every round misses it.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.batch_cores import second_core
from benchmarks.batch_recordings import write_recordings
from benchmarks.batch_steps import step_cases
from benchmarks.bench_bundle import BenchBundle, make_bundle
from benchmarks.cal import make_cal
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Case, Summary, summarise, time_interleaved, time_paired
from benchmarks.report import KEPT, MISSED, UNDECIDED, Report, Row, Target, publish
from ground.batch import ModelSource
from ground.bulk.parts import RunContext, opened_parts
from ground.bulk.run import run_batch
from ground.commands.engines import DASK, engine_of
from ground.engine import LocalEngine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.engine import Engine

LEAST_BY_TWO = 1.8
MOST_OVERHEAD = 0.30
LEAST_DASK = 0.80
_FLIGHT_S = 60.0
_LONG_FLIGHT_S = 600.0
"""For the target of the steps: what a file costs, whatever is in it, is told by the row of shorter flights."""
_CAL_ROUNDS = 300
_WARM_UP = 8
"""Recordings until every worker is at work and has one waiting."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    flights: int
    step_rounds: int
    many: int


_QUICK = Size(rounds=3, flights=48, step_rounds=5, many=300)
_FULL = Size(rounds=9, flights=240, step_rounds=60, many=4_000)


@dataclass(slots=True)
class Pace:
    """When recordings were done; a ``Progress``."""

    begun_s: float = field(default_factory=time.monotonic)
    done_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take the time of each recording."""
        del done, total
        if what == "batch":
            self.done_s.append(time.monotonic())

    @property
    def per_flight_s(self) -> float:
        """Seconds a recording, from the warm-up on."""
        return (self.done_s[-1] - self.done_s[_WARM_UP]) / (len(self.done_s) - 1 - _WARM_UP)

    @property
    def start_s(self) -> float:
        """Seconds until the first recording was done, less what one takes."""
        return self.done_s[0] - self.begun_s - self.per_flight_s


def main() -> int:
    """Measure, print and write ``batch.json``."""
    chosen = parser("batch", "What cores, a cluster, reading and writing make of a batch run.").parse_args()
    return run_command(lambda: _measure(chosen.out, quick=chosen.quick))


def _measure(out: Path, *, quick: bool) -> int:
    size = _QUICK if quick else _FULL
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make_bundle(folder, n_channel=1)
        steps = (_steps(folder, bundle, size, seconds) for seconds in (_FLIGHT_S, _LONG_FLIGHT_S))
        rows = (*_engines(folder, bundle, size), *steps, _memory(folder, bundle, size))
    report = Report(
        benchmark="batch", mode="quick" if quick else "full", unit="ms", cal=cal, rows=rows,
        packages=("numpy", "onnxruntime", "pyarrow", "distributed"),
    )  # fmt: skip
    publish(report, out)
    return EXIT_LIMIT if any(target.verdict == MISSED for row in rows for target in row.targets) else EXIT_OK


def _engines(folder: Path, bundle: BenchBundle, size: Size) -> tuple[Row, ...]:
    data = write_recordings(folder / "flights", bundle.spec, n=size.flights, seconds=_FLIGHT_S)
    engines: dict[str, Engine] = {
        "one core": LocalEngine(1),
        "two cores": LocalEngine(2),
        "dask, two workers": engine_of(DASK, "", 2),
    }
    paces: dict[str, list[Pace]] = {name: [] for name in engines}
    outputs = set()
    shuffler = random.Random(0)
    for _ in range(size.rounds):
        for name in shuffler.sample(sorted(engines), len(engines)):
            pace = Pace()
            path = folder / "results.parquet"
            begun_s = _cpu_s()
            run_batch(_source(bundle), str(data), str(path), progress=pace, engine=engines[name])
            pace.cpu_s = _cpu_s() - begun_s
            paces[name].append(pace)
            outputs.add(path.read_bytes())
    if len(outputs) != 1:
        raise BenchmarkError(f"batch: expected the same bytes of every engine, got {len(outputs)} different tables")
    one, two, dask = (np.array([pace.per_flight_s for pace in paces[name]]) for name in engines)
    targets = {
        "two cores": _target("over one core", one / two, LEAST_BY_TWO),
        "dask, two workers": _target("of two cores", two / dask, LEAST_DASK),
    }
    ceiling = {"two cores": {"the same of arithmetic alone": second_core()}}
    return tuple(
        Row(
            name=f"{name}: a flight of {_FLIGHT_S:g} s",
            summary=summarise(np.array([pace.per_flight_s for pace in paces[name]])),
            targets=(targets[name],) if name in targets else (),
            figures=_figures(paces[name]) | ceiling.get(name, {}),
        )
        for name in engines
    )


def _figures(paces: Sequence[Pace]) -> dict[str, float]:
    return {
        "windows a second": (_FLIGHT_S - 9.0) / float(np.median([pace.per_flight_s for pace in paces])),
        "start, s": float(np.median([pace.start_s for pace in paces])),
        "processor time of the run, s": float(np.median([pace.cpu_s for pace in paces])),
    }


def _cpu_s() -> float:
    """Processor time of this process, and of those that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _target(what: str, ratios: NDArray[np.float64], limit: float) -> Target:
    """Kept where the median round keeps it, missed where every round misses it."""
    verdict = KEPT if np.median(ratios) >= limit else UNDECIDED if ratios.max() >= limit else MISSED
    return Target(f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}) {what} >= {limit:g}", verdict)


def _steps(folder: Path, bundle: BenchBundle, size: Size, seconds: float) -> Row:
    """Processor time of the steps of one flight, of all threads; what is left is scoring and deciding."""
    data = write_recordings(folder / f"steps{seconds:g}", bundle.spec, n=1, seconds=seconds)
    with opened_parts(folder / "parts", RunContext(model="", bundle_digest="", platform="")) as parts:
        cases = step_cases(_source(bundle), data, parts, folder / "joined.parquet")
        times = time_paired(cases, rounds=size.step_rounds, seed=0, clock=time.process_time_ns)
    read, features, whole, write = (times[case.name] for case in cases)
    ratios = (read + write) / features
    median = float(np.median(ratios))
    verdict = KEPT if median <= MOST_OVERHEAD else UNDECIDED if ratios.min() <= MOST_OVERHEAD else MISSED
    target = Target(f"{median:.2f} of the features <= {MOST_OVERHEAD:g}", verdict)
    return Row(
        name=f"reading and writing a flight of {seconds:g} s, processor time",
        summary=summarise(read + write),
        targets=(target,) if seconds == _LONG_FLIGHT_S else (),
        figures={f"{case.name}, ms": float(np.median(times[case.name])) * 1e3 for case in cases}
        | {"scoring and deciding, ms": float(np.median(whole - features)) * 1e3, "of the features": median},
    )


def _memory(folder: Path, bundle: BenchBundle, size: Size) -> Row:
    """The highest resident memory of a run, over the number of recordings; no target: it must not grow with them."""
    figures = {}
    begun_s = time.monotonic()
    for n in (size.many // 10, size.many):
        data = write_recordings(folder / f"many{n}", bundle.spec, n=n, seconds=11.0)
        figures[f"highest memory with {n} flights, MiB"] = _peak_mib(bundle, data, folder / f"many{n}.parquet")
    return Row(
        name=f"one process, up to {size.many} flights",
        summary=_once(time.monotonic() - begun_s),
        figures=figures,
    )


_CHILD = """
import sys
from pathlib import Path
from ground.batch import ModelSource
from ground.bulk.run import run_batch
from ground.engine import LocalEngine
from ground.progress import silent
bundle, key, data, out = sys.argv[1:]
run_batch(ModelSource(Path(bundle), (Path(key),)), data, out, progress=silent, engine=LocalEngine(1))
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def _peak_mib(bundle: BenchBundle, data: Path, out: Path) -> float:
    command = [sys.executable, "-c", _CHILD, str(bundle.path), str(bundle.public_key), str(data), str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchmarkError(f"batch: expected a run to end well, got {ended.stderr.strip()[-500:]}")
    return float(ended.stdout)


def _once(seconds: float) -> Summary:
    return summarise(np.array([seconds]))


def _source(bundle: BenchBundle) -> ModelSource:
    return ModelSource(bundle.path, (bundle.public_key,))


if __name__ == "__main__":
    sys.exit(main())
