"""What the agent takes of a small machine: memory, a share of a core, and the time to its first score.

Run ``python -m benchmarks.footprint``; docs/reference/benchmarks.md explains the figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import theilslopes

from benchmarks.agent import running_agent, shadow_table, write_config
from benchmarks.bench_bundle import make_bundle
from benchmarks.cal import make_cal
from benchmarks.cold_start import time_starts
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.mqtt_pair import connected_pair
from benchmarks.paced import Load, run_paced
from benchmarks.process_use import Use, watched
from benchmarks.report import Report, Row, Target, at_most, publish
from ground.demo.broker import MOSQUITTO, running_broker

if TYPE_CHECKING:
    from collections.abc import Sequence

PSS_MAX_MIB = 96.0
CORE_MAX_PERCENT = 10.0
START_MAX_S = 0.5

_STREAMS = 20
"""Engines with a window a second each: the design's 20 windows a second."""
_LOOK_S = 1.0
_S_PER_H = 3_600.0
_CAL_ROUNDS = 300


@dataclass(frozen=True, slots=True)
class _Mode:
    seconds: int
    starts: int


QUICK = _Mode(seconds=30, starts=5)
FULL = _Mode(seconds=600, starts=20)


def main() -> int:
    """Measure, print and write ``footprint.json``."""
    chosen = _options()
    mode = QUICK if chosen.quick else FULL
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    with tempfile.TemporaryDirectory() as name:
        rows = (
            _steady(Path(name), chosen.seconds or mode.seconds, chosen.python),
            *_starts(Path(name), mode.starts, chosen.python),
        )
    publish(
        Report(benchmark="footprint", mode="quick" if chosen.quick else "full", unit="ms", cal=cal, rows=rows),
        chosen.out,
    )
    return EXIT_OK


def _options() -> argparse.Namespace:
    options = parser("footprint", "Memory, share of a core and cold start of the agent.")
    options.add_argument("--seconds", type=positive, metavar="S", help="of the steady load")
    options.add_argument(
        "--python", default=sys.executable, metavar="FILE", help="interpreter that has the agent; this one by default"
    )
    return options.parse_args()


def _steady(folder: Path, seconds: int, python: str) -> Row:
    """The agent with a shadow at 20 windows a second, by the looks of the time in which every engine gives windows."""
    bundle, shadow = make_bundle(folder, n_channel=1), make_bundle(folder / "shadow", n_channel=1)
    warm_s = bundle.spec.window_s
    load = Load(spec=bundle.spec, streams=_STREAMS, windows=seconds)
    with (
        running_broker(MOSQUITTO, folder) as broker,
        connected_pair(broker) as pair,
        running_agent(folder, bundle, broker, tables=shadow_table(shadow), python=python) as agent,
        watched(agent.process.pid, _LOOK_S) as watch,
    ):
        begin_s = time.monotonic()
        run = run_paced(load, pair, agent)
    uses = watch.since(begin_s + warm_s)
    cpu_s = np.diff([use.cpu_s for use in uses]) / np.diff([use.at_s for use in uses])
    return Row(
        name=f"agent with shadow, {_STREAMS} windows/s of 25.6 kHz: CPU time a second",
        summary=summarise(cpu_s),
        targets=_targets(uses),
        figures=_figures(uses) | run.figures,
    )


def _figures(uses: Sequence[Use]) -> dict[str, float]:
    return {
        "PSS, MiB (median)": float(np.median([use.pss_mib for use in uses])),
        "PSS, MiB/h (Theil-Sen)": _slope_mib_per_h(uses),
        "% of a core": 100.0 * _core(uses),
        "threads": max(use.threads for use in uses),
        "descriptors": max(use.descriptors for use in uses),
    }


def _slope_mib_per_h(uses: Sequence[Use]) -> float:
    """How memory grows, by the median of the slopes between any two looks: a step that comes once is no growth."""
    later = uses[len(uses) // 4 :]
    return float(theilslopes([use.pss_mib for use in later], [use.at_s / _S_PER_H for use in later]).slope)


def _core(uses: Sequence[Use]) -> float:
    return (uses[-1].cpu_s - uses[0].cpu_s) / (uses[-1].at_s - uses[0].at_s)


def _targets(uses: Sequence[Use]) -> tuple[Target, ...]:
    return (
        at_most("PSS", max(use.pss_mib for use in uses), PSS_MAX_MIB, "MiB"),
        at_most("CPU", 100.0 * _core(uses), CORE_MAX_PERCENT, "% of a core"),
    )


def _starts(folder: Path, n: int, python: str) -> tuple[Row, Row]:
    bundle = make_bundle(folder / "start", n_channel=1)
    config = write_config(folder / "start", bundle, host="127.0.0.1", port=1)
    ready, bare = map(summarise, time_starts(config, folder, n, python))
    whole = Row(
        name="cold start: process to ready, golden vectors scored",
        summary=ready,
        targets=(at_most("median", ready.median, START_MAX_S, "s"),),
        figures={"/ imports alone": ready.median / bare.median},
    )
    return whole, Row(name="cold start: Python and the agent's libraries alone", summary=bare)


if __name__ == "__main__":
    sys.exit(run_command(main))
