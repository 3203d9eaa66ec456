"""What a collector does with one core: results from a broker into the dataset, none lost, none doubled.

Run ``python -m benchmarks.collector``; docs/reference/benchmarks.md explains the figures. The broker and the sender run
beside it: what counts is the processor time of the collector alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.cal import make_cal
from benchmarks.command import EXIT_OK, parser, run_command
from benchmarks.measure import Case, summarise, time_interleaved
from benchmarks.process_use import use_of
from benchmarks.processes import Program, running
from benchmarks.report import Report, Row, Target, at_least, at_most, publish
from edge_agent.assessment import Assessment, Contribution
from edge_agent.decision import NORMAL
from edge_agent.frame import NS_PER_S
from edge_agent.result import Latency, Result, Runtime, encode_result
from ground.demo.broker import MOSQUITTO, running_broker
from ground.publish import Broker

LEAST_PER_S = 5_000.0
_QUICK, _FULL = 20_000, 200_000
_AIRCRAFT = 10
_ENGINES = 4
_BATCH_S = 5
_PATIENCE_S = 300.0
_LOOK_S = 0.5
_CAL_ROUNDS = 300
_IN_FLIGHT = 1_000
_QUEUED = 20_000
"""In the sender; MQTT has 65,535 numbers for messages under way."""
_SETTINGS = ("max_queued_messages 0", "max_inflight_messages 0")
_PROGRAM = "import sys; from ground.cli import main; sys.exit(main())"


def main() -> int:
    """Measure, print and write ``collector.json``."""
    chosen = parser("collector", "Results a second that a collector takes with one core.").parse_args()
    return run_command(lambda: _measure(chosen.out, quick=chosen.quick))


def _measure(out: Path, *, quick: bool) -> int:
    n = _QUICK if quick else _FULL
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    with tempfile.TemporaryDirectory() as name:
        row = _row(collect(Path(name), n))
    publish(
        Report(benchmark="collector", mode="quick" if quick else "full", unit="ms", cal=cal, rows=(row,)),
        out,
    )
    return EXIT_OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collector has done.

    Attributes:
        n: Results that were sent.
        cpu_s: Its processor time for them.
        wall_s: How long it took, sender and broker beside it.
        lost: Results that are not in the dataset.
        doubled: Rows too many.
        pss_mib: Its memory in the end.
    """

    n: int
    cpu_s: float
    wall_s: float
    lost: int
    doubled: int
    pss_mib: float


def collect(folder: Path, n: int) -> Collected:
    """Have a collector take ``n`` results of forty engines, as fast as they come."""
    data = folder / "data"
    with running_broker(MOSQUITTO, folder, settings=_SETTINGS) as broker:
        command = [
            sys.executable, "-c", _PROGRAM, "collect", "run", "--out", str(data), "--name", "c1",
            "--broker", f"{broker.host}:{broker.port}", "--every", str(_BATCH_S),
        ]  # fmt: skip
        with running("collector", command, folder) as collector:
            _wait(collector, lambda: "collecting" in collector.log.read_text(encoding="utf-8"))
            before = use_of(collector.process.pid)
            _flood(broker, n)
            _wait(collector, lambda: _rows(data) >= n)
            after = use_of(collector.process.pid)
    lost, doubled = _faults(data, n)
    return Collected(
        n=n, cpu_s=after.cpu_s - before.cpu_s, wall_s=after.at_s - before.at_s, lost=lost, doubled=doubled,
        pss_mib=after.pss_mib,
    )  # fmt: skip


def _row(done: Collected) -> Row:
    figures = {
        "results per second of processor time": done.n / done.cpu_s,
        "results a second, sender and broker beside it": done.n / done.wall_s,
        "lost": float(done.lost),
        "doubled": float(done.doubled),
        "PSS, MiB": done.pss_mib,
    }
    return Row(
        name=f"{done.n:,} results of {_AIRCRAFT * _ENGINES} engines: processor time of one",
        summary=summarise(np.array([done.cpu_s / done.n])),
        targets=_targets(done.n / done.cpu_s, done.lost + done.doubled),
        figures=figures,
    )


def _targets(per_s: float, wrong: int) -> tuple[Target, ...]:
    return (at_least("results/s/core", per_s, LEAST_PER_S, ""), at_most("lost or doubled", float(wrong), 0.0, ""))


def _messages(n: int) -> Iterator[tuple[str, bytes]]:
    """Results as an agent sends them, engine by engine in turns."""
    for number in range(n):
        source = number % (_AIRCRAFT * _ENGINES)
        aircraft, engine = f"OO-{source // _ENGINES:03d}", str(source % _ENGINES + 1)
        window = replace(WINDOW, aircraft=aircraft, engine=engine, seq=number // (_AIRCRAFT * _ENGINES))
        yield f"aircraft/{aircraft}/engine/{engine}/result", encode_result(Result(window, RUNTIME))


def _rows(data: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in data.glob("result/*/*/c1-*.parquet"))


def _faults(data: Path, n: int) -> tuple[int, int]:
    """Results that are lost, and rows too many: told apart, as one of each would be as many rows as there should be."""
    paths = sorted(data.glob("result/*/*/c1-*.parquet"))
    key = ["aircraft", "engine", "seq"]
    found = pa.concat_tables([pq.ParquetFile(path).read(columns=key) for path in paths])
    distinct = found.group_by(key).aggregate([]).num_rows
    return n - distinct, found.num_rows - distinct


def _flood(broker: Broker, n: int) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_queued_messages_set(0)
    client.max_inflight_messages_set(_IN_FLIGHT)
    client.connect(broker.host, broker.port)
    client.loop_start()
    waiting: deque[MQTTMessageInfo] = deque()
    for topic, payload in _messages(n):
        waiting.append(client.publish(topic, payload, qos=1))
        if len(waiting) > _QUEUED:
            waiting.popleft().wait_for_publish(_PATIENCE_S)
    for each in waiting:
        each.wait_for_publish(_PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def _wait(collector: Program, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        collector.check_alive()
        if time.monotonic() > deadline_s:
            raise collector.failed(f"to be done within {_PATIENCE_S:g} s")
        time.sleep(_LOOK_S)


WINDOW = Assessment(
    aircraft="", engine="", flight="2026-11-28-1", phase="cruise", seq=0, start_ns=1_790_000_000 * NS_PER_S,
    end_ns=1_790_000_010 * NS_PER_S, state=NORMAL, reason="", event="", score=1.25, threshold=3.5,
    bundle_id="engine_vibration/1.0.0", bundle_digest="a" * 64, spec_digest="b" * 64,
    contributions=tuple(Contribution(f"acc_1.band_{number}", 0.125) for number in range(5)),
)  # fmt: skip
RUNTIME = Runtime(
    agent="box-001", run="0123456789abcdef", monotonic_ns=10**15, clock="synchronised",
    latency_ms=Latency(0.125, 0.25, 1.5), deadline_missed=False,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
