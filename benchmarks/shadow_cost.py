"""What a shadow adds to the latency of results: two agents side by side in one run, one of them with a shadow.

Run ``python -m benchmarks.shadow_cost``; docs/reference/benchmarks.md explains the figures. Both agents hear the same
frames from one broker, and each follows its half of the engines, in turns: whatever else the machine does meets both.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.agent import AGENT
from benchmarks.bench_bundle import FLEET, BenchBundle, make_bundle
from benchmarks.command import EXIT_OK, parser, positive, run_command
from benchmarks.mqtt_pair import connected_pair
from benchmarks.paced import Load, run_paced, schedule
from benchmarks.processes import Program, running
from benchmarks.vibration import AIRCRAFT
from ground.demo.broker import MOSQUITTO, running_broker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.publish import Broker

STREAMS = 22
"""Eleven engines an agent: as many as have no factor in common with the ten frames of a hop."""
MOST_ADDED_MS = 1.0
_BLOCKS = 20
_RESAMPLES = 2_000
_SEED = 20_261_128
_QUICK, _FULL = 600, 10_000


@dataclass(frozen=True, slots=True)
class Added:
    """What a shadow added to a percentile, ms, and the 95 % interval of that by a bootstrap over blocks of time."""

    without: float
    with_shadow: float
    low: float
    high: float


def main() -> int:
    """Measure both kinds of shadow, and print."""
    options = parser("shadow_cost", "What a shadow adds to the latency of results, side by side in one run.")
    options.add_argument("--windows", type=positive, metavar="N", help="windows of each agent, at least")
    chosen = options.parse_args()
    windows = chosen.windows or (_QUICK if chosen.quick else _FULL)
    print("| shadow | percentile | without, ms | with, ms | added, ms (95 %) |\n| --- | --- | --- | --- | --- |")
    for name, window_s in (("on the same windows", 10.0), ("with windows of its own", 5.0)):
        without, with_shadow = _measure(window_s, windows)
        for percent in (50, 99):
            got = added(without, with_shadow, percent)
            print(
                f"| {name}, n = {len(without)} | p{percent} | {got.without:.2f} | {got.with_shadow:.2f} "
                f"| {got.with_shadow - got.without:+.2f} ({got.low:+.2f} to {got.high:+.2f}) |"
            )
    return EXIT_OK


def added(without: NDArray[np.float64], with_shadow: NDArray[np.float64], percent: float) -> Added:
    """Compare a percentile of two series of latencies, (n,) seconds each, that were measured at the same times."""
    rng = np.random.default_rng(_SEED)
    blocks = [np.array_split(series * 1e3, _BLOCKS) for series in (without, with_shadow)]

    def percentiles(chosen: Sequence[int]) -> list[float]:
        return [float(np.percentile(np.concatenate([side[at] for at in chosen]), percent)) for side in blocks]

    one, two = percentiles(range(_BLOCKS))
    draws = [percentiles(rng.integers(0, _BLOCKS, _BLOCKS).tolist()) for _ in range(_RESAMPLES)]
    low, high = np.percentile(np.diff(draws, axis=1), (2.5, 97.5))
    return Added(one, two, float(low), float(high))


def _measure(window_s: float, windows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bundle = make_bundle(_made(folder / "active"), n_channel=1)
        shadow = make_bundle(_made(folder / "shadow"), n_channel=1, window_s=window_s)
        load = Load(spec=bundle.spec, streams=STREAMS, windows=-(-windows // (STREAMS // 2)))
        broker = stack.enter_context(running_broker(MOSQUITTO, folder))
        pair = stack.enter_context(connected_pair(broker))
        plain = stack.enter_context(_agent(_made(folder / "a"), bundle, broker, name=AGENT, parity=0))
        stack.enter_context(_agent(_made(folder / "b"), bundle, broker, name="shadowed", parity=1, shadows=[shadow]))
        total_s = run_paced(load, pair, plain).total_s
        streams = np.array([send.stream for send in schedule(load, 0) if load.completes(send.index)])
    return total_s[streams % 2 == 0], total_s[streams % 2 == 1]


@contextmanager
def _agent(
    folder: Path, bundle: BenchBundle, broker: Broker, *, name: str, parity: int, shadows: Sequence[BenchBundle] = ()
) -> Iterator[Program]:
    """An agent for every other engine."""
    engines = [f"{AIRCRAFT}/{stream}" for stream in range(parity, STREAMS, 2)]
    # A JSON text is a basic string of TOML, and a JSON list of texts a list.
    lines = [
        f"[agent]\nid = {json.dumps(name)}\nfleet = {json.dumps(FLEET)}\nlog_level = 'error'",
        f"engines = {json.dumps(engines)}\nstate_dir = {json.dumps(str(folder / 'state'))}",
        f"[bundle]\npath = {json.dumps(str(bundle.path))}\nkeys = {json.dumps([str(bundle.public_key)])}",
        f"[broker]\nhost = {json.dumps(broker.host)}\nport = {broker.port}",
    ]
    lines += [
        f"[shadow]\npath = {json.dumps(str(each.path))}\nkeys = {json.dumps([str(each.public_key)])}"
        for each in shadows
    ]  # fmt: skip
    config = folder / "agent.toml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with running(name, (sys.executable, "-m", "edge_agent", "run", "--config", str(config)), folder) as program:
        yield program


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(run_command(main))
