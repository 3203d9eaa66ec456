"""Hot swaps of a paced agent's bundle: windows lost, latency meanwhile, memory, and the time of an install.

Run ``python -m benchmarks.swap``; docs/reference/benchmarks.md explains the figures. It exits with 1 when a window is
lost or counted twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, positive, run_command
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.mqtt_pair import connected_pair
from benchmarks.report import Report, Row, Target, at_most, publish
from benchmarks.swap_bundles import make_swap_bundles
from benchmarks.swap_run import SwapRun, run_swaps, slotted_agent
from ground.demo.broker import MOSQUITTO, running_broker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.process_use import Use

LATENCY_MAX_MS = 50.0
INSTALL_MAX_S = 0.5
PSS_MAX_MIB = 1.0

_MIB = 1024 * 1024
_MS_PER_S = 1e3
_CAL_ROUNDS = 300
_BUNDLES = 3
"""The one that is good, and two that take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A size of bundle, and how often one is swapped.

    Attributes:
        name: What reports call it.
        model_bytes: Size of the model; at most 32 MiB are allowed.
        golden: Golden windows, of a megabyte each.
        streams: Engines, with a window a second each.
        swaps: How many.
        judges_install: Whether the time of an install has a target.
    """

    name: str
    model_bytes: int
    golden: int
    streams: int
    swaps: int
    judges_install: bool = False


SMALL = Scenario(name="2 MB", model_bytes=_MIB, golden=1, streams=20, swaps=100, judges_install=True)
LARGE = Scenario(name="40 MB (31 MiB of model)", model_bytes=31 * _MIB, golden=9, streams=4, swaps=10)
QUICK_SWAPS = 3
QUICK_WARM_S = 1.0
WARM_S = 60.0


def main() -> int:
    """Measure, print, write ``swap.json``, and judge."""
    chosen = _options()
    rows: list[Row] = []
    is_whole = True
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    for scenario in (SMALL,) if chosen.quick else (SMALL, LARGE):
        swaps = chosen.swaps or (QUICK_SWAPS if chosen.quick else scenario.swaps)
        run, install_s, megabytes = _measure(scenario, swaps, QUICK_WARM_S if chosen.quick else WARM_S, chosen.python)
        rows += _rows(scenario, run, install_s, megabytes)
        is_whole = is_whole and run.lost == run.twice == run.jumps == 0
    mode = "quick" if chosen.quick else "full"
    publish(Report(benchmark="swap", mode=mode, unit="ms", cal=cal, rows=tuple(rows)), chosen.out)
    if not is_whole:
        print("swap: expected each window once, got others; see the table", file=sys.stderr)
    return EXIT_OK if is_whole else EXIT_LIMIT


def _options() -> argparse.Namespace:
    options = parser("swap", "Hot swaps of a paced agent: windows lost, latency, memory, time of an install.")
    options.add_argument("--swaps", type=positive, metavar="N", help="swaps of each size")
    options.add_argument(
        "--python", default=sys.executable, metavar="FILE", help="interpreter that has the agent; this one by default"
    )
    return options.parse_args()


def _measure(scenario: Scenario, swaps: int, warm_s: float, python: str) -> tuple[SwapRun, Sequence[float], float]:
    """The run, the seconds of each install, and the size of a bundle in megabytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = make_swap_bundles(folder, model_bytes=scenario.model_bytes, golden=scenario.golden, n=_BUNDLES)
        with (
            running_broker(MOSQUITTO, folder) as broker,
            connected_pair(broker) as pair,
            slotted_agent(folder, bundles, broker, python) as (agent, slots),
        ):
            run = run_swaps(pair, agent, slots, bundles[0], streams=scenario.streams, n=swaps, warm_s=warm_s)
        return run, slots.install_s, bundles[0].path.stat().st_size / 1e6


def _rows(scenario: Scenario, run: SwapRun, install_s: Sequence[float], megabytes: float) -> list[Row]:
    latency = summarise(run.total_s)
    install = summarise(np.array(install_s))
    targets = (at_most("median", install.median, INSTALL_MAX_S, "s"),) if scenario.judges_install else ()
    return [
        Row(
            name=f"{scenario.name}: publish to result, {len(run.swap_s)} swaps meanwhile",
            summary=latency,
            targets=(
                at_most("windows lost", run.lost, 0, ""),
                at_most("max", latency.maximum * _MS_PER_S, LATENCY_MAX_MS, "ms"),
                _steady(run.uses),
            ),
            figures={
                "lost": run.lost,
                "twice": run.twice,
                "jumps of seq": run.jumps,
                "changes of bundle": run.bundles,
                **_memory(run.uses),
            },
        ),
        Row(name=f"{scenario.name}: publish to result before the first swap", summary=summarise(run.calm_s)),
        Row(name=f"{scenario.name}: activate to probation", summary=summarise(run.swap_s), figures={"MB": megabytes}),
        Row(name=f"{scenario.name}: verify and install", summary=install, targets=targets),
    ]


def _memory(uses: Sequence[Use]) -> dict[str, float]:
    """PSS before the first swap, a while after the first and the last one, and the most there was between two."""
    return {
        "PSS before, MiB": uses[0].pss_mib,
        "PSS after the first, MiB": uses[1].pss_mib,
        "PSS after the last, MiB": uses[-1].pss_mib,
        "PSS most, MiB": max(use.pss_mib for use in uses),
        "threads": uses[-1].threads,
        "descriptors": uses[-1].descriptors,
    }


def _steady(uses: Sequence[Use]) -> Target:
    """Less than before is no news: a start leaves more behind than a swap."""
    return at_most("PSS growth", uses[-1].pss_mib - uses[0].pss_mib, PSS_MAX_MIB, "MiB")


if __name__ == "__main__":
    sys.exit(run_command(main))
