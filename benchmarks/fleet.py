"""A fleet on one machine, 1,000 agents, one broker, two collectors, one of them killed; and what one result costs.

Run ``python -m benchmarks.fleet``; docs/explanation/scale.md explains the figures. Agents are connections of one
process that send what agents send (``benchmarks.fleet_agents``); broker and collectors are the real programs. It exits
with 1 when a result is lost or counted twice.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bench_bundle import FLEET, make_bundle
from benchmarks.cal import make_cal
from benchmarks.collector import collect
from benchmarks.command import EXIT_LIMIT, EXIT_OK, parser, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.fleet_agents import Plan, Sent, result_of
from benchmarks.fleet_costs import Operation, UnitCosts, bill
from benchmarks.measure import Case, Summary, summarise, time_interleaved
from benchmarks.process_use import Use, use_of
from benchmarks.processes import Program, running
from benchmarks.report import Report, Row, at_most, publish
from benchmarks.throughput import detecting
from benchmarks.vibration import vibration
from edge_agent.load import load_model
from edge_agent.policy import Policy
from edge_agent.publication import Publication
from edge_agent.result import encode_result
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.demo.broker import MOSQUITTO, running_broker
from ground.fleet.collect.parts import write_table
from ground.fleet.collect.rows import WINDOW_SCHEMA, window_row
from ground.publish import Broker

_PROGRAM = "import sys; from ground.cli import main; sys.exit(main())"
_SETTINGS = ("max_queued_messages 0", "max_inflight_messages 0")
_CHANNELS = 2
_WINDOWS_TIMED = 200
_CAL_ROUNDS = 300
_PATIENCE_S = 600.0
_LOOK_S = 0.2
_DESCRIPTORS = 8_192
_STORED_WINDOWS = 5_000
_DENSE = 20_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated: what the agents do, and how often a collector writes, s.

    A collector that writes what came in a minute puts thirty results into each file.
    """

    plan: Plan
    every_s: int


_FULL = Size(Plan(host="", port=0, agents=1_000, engines=4, hop_s=4.0, windows=30), every_s=60)
_QUICK = Size(Plan(host="", port=0, agents=200, engines=2, hop_s=1.0, windows=10), every_s=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the simulation came to.

    Attributes:
        sent: By the agents.
        broker: Its use, before and after.
        collectors: Processor time of all collectors, the killed one's too, s.
        lost: Results that are not in the dataset.
        doubled: Rows too many.
        files: Of the dataset before compaction.
    """

    sent: Sent
    broker: tuple[Use, Use]
    collectors: float
    lost: int
    doubled: int
    files: int


def main() -> int:
    """Measure, print, write ``fleet.json``, and judge."""
    chosen = parser("fleet", "1,000 agents, one broker, two collectors; what 10,000 aircraft would need.").parse_args()
    _allow_descriptors()
    size = _QUICK if chosen.quick else _FULL
    cal = summarise(time_interleaved([Case("cal", make_cal, _CAL_ROUNDS)], seed=0)["cal"])
    detect = _detect()
    with tempfile.TemporaryDirectory() as name:
        dense = collect(Path(name), _DENSE)
        result_s = dense.cpu_s / dense.n
    with tempfile.TemporaryDirectory() as name:
        run, plan = _simulate(Path(name), size)
    costs = UnitCosts(
        broker_s=(run.broker[1].cpu_s - run.broker[0].cpu_s) / plan.results,
        result_s=result_s,
        file_s=max(0.0, run.collectors - result_s * plan.results) / run.files,
        wire_bytes=run.sent.bytes_each,
        stored_bytes=_stored_bytes(),
        detect_s=detect.median,
    )
    rows = (_run_row(run, plan), *_cost_rows(costs, detect), *(_bill_row(costs, hop_s) for hop_s in (1.0, 10.0)))
    mode = "quick" if chosen.quick else "full"
    publish(Report(benchmark="fleet", mode=mode, unit="ms", cal=cal, rows=rows), chosen.out)
    return EXIT_LIMIT if run.lost or run.doubled else EXIT_OK


def _simulate(folder: Path, size: Size) -> tuple[Run, Plan]:
    data = folder / "fleet"
    with running_broker(MOSQUITTO, folder, settings=_SETTINGS) as broker:
        plan = replace(size.plan, host=broker.host, port=broker.port)
        broker_pid, every_s = _child("mosquitto"), size.every_s
        before = use_of(broker_pid)
        with _collector(data, broker, "east", every_s) as steady:
            with _collector(data, broker, "west", every_s) as doomed:
                began_s = _cpu_s(steady, doomed)
                command = [sys.executable, "-m", "benchmarks.fleet_agents", plan.to_json()]
                fleet = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                time.sleep(plan.hop_s * plan.windows / 2)
                killed_s = _cpu_s(doomed)
                doomed.process.kill()
            with _collector(data, broker, "west", every_s) as again:
                began_s += _cpu_s(again)
                printed = fleet.communicate()[0]
                if fleet.returncode != 0:
                    raise BenchmarkError(f"agents: expected them to send {plan.results:,} results, got {printed!r}")
                _wait(steady, lambda: _rows(data) >= plan.results)
                after = use_of(broker_pid)
                cpu_s = killed_s + _cpu_s(steady, again) - began_s
    n_file = len(list(data.glob("*/*/*/*.parquet")))
    subprocess.run([sys.executable, "-c", _PROGRAM, "collect", "compact", "--out", str(data)], check=True)
    distinct, n = _counted(data)
    return Run(
        sent=Sent(**json.loads(printed)), broker=(before, after), collectors=cpu_s, lost=plan.results - distinct,
        doubled=n - distinct, files=n_file,
    ), plan  # fmt: skip


@contextmanager
def _collector(data: Path, broker: Broker, name: str, every_s: int) -> Iterator[Program]:
    """A collector that has begun; one of a name that was killed goes on where that one was."""
    command = [
        sys.executable, "-c", _PROGRAM, "collect", "run", "--out", str(data), "--name", name,
        "--broker", f"{broker.host}:{broker.port}", "--every", str(every_s),
    ]  # fmt: skip
    with running(f"{name}-{time.monotonic_ns()}", command, data.parent) as program:
        _wait(program, lambda: "collecting" in program.log.read_text(encoding="utf-8"))
        yield program


def _cpu_s(*programs: Program) -> float:
    return sum(use_of(program.process.pid).cpu_s for program in programs)


def _stored_bytes() -> float:
    """Of a result, in a file of one aircraft's day as ``ground collect compact`` leaves it, thinned out."""
    rows = [
        window_row(Publication(topic="", payload=encode_result(result_of(0, engine, seq)))).row
        for engine in range(1, _FULL.plan.engines + 1)
        for seq in range(_STORED_WINDOWS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.parquet"
        write_table(path, pa.Table.from_pylist(rows, schema=WINDOW_SCHEMA))
        return path.stat().st_size / len(rows)


def _run_row(run: Run, plan: Plan) -> Row:
    wall_s = run.broker[1].at_s - run.broker[0].at_s
    return Row(
        name=f"{plan.agents:,} agents of {plan.engines} engines, {plan.results:,} results: run",
        summary=summarise(np.array([run.sent.send_s])),
        targets=(at_most("lost", run.lost, 0, ""), at_most("doubled", run.doubled, 0, "")),
        figures={
            "results per second": plan.results / run.sent.send_s,
            "all connected after, s": run.sent.connect_s,
            "slowest result behind its time, s": run.sent.late_s,
            "broker, share of a core": (run.broker[1].cpu_s - run.broker[0].cpu_s) / wall_s,
            "broker, PSS in MiB": run.broker[1].pss_mib,
            "collectors, share of a core": run.collectors / wall_s,
            "files before compaction": run.files,
        },
    )


def _cost_rows(costs: UnitCosts, detect: Summary) -> tuple[Row, ...]:
    return (
        Row(name="broker, per result", summary=summarise(np.array([costs.broker_s])),
            figures={"payload, bytes": costs.wire_bytes}),
        Row(name="collector, per result", summary=summarise(np.array([costs.result_s])),
            figures={"stored, bytes": costs.stored_bytes}),
        Row(name="collector, per file", summary=summarise(np.array([costs.file_s]))),
        Row(name=f"detector, per window of {_CHANNELS} channels, hop 1 s", summary=detect),
    )  # fmt: skip


def _bill_row(costs: UnitCosts, hop_s: float) -> Row:
    operation = Operation(hop_s=hop_s)
    found = bill(costs, operation)
    name = f"{operation.aircraft:,} aircraft x {operation.engines} engines x {_CHANNELS} channels, hop {hop_s:g} s"
    return Row(name=f"{name}: per result", summary=summarise(np.array([hop_s])), figures=asdict(found))


def _detect() -> Summary:
    with tempfile.TemporaryDirectory() as folder:
        bundle = make_bundle(Path(folder), n_channel=_CHANNELS)
        keys = TrustedKeys.from_files([bundle.public_key])
        model = load_model(bundle.path, keys=keys, policy=Policy(fleet=FLEET, agent_version=AGENT_VERSION))
    case = Case("detect", detecting(model, vibration(model.spec, model.spec.window_s)), _WINDOWS_TIMED)
    return summarise(time_interleaved([case], seed=0)["detect"])


def _rows(data: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in data.glob("result/*/*/*.parquet"))


def _counted(data: Path) -> tuple[int, int]:
    """Different results, and rows."""
    key = ["aircraft", "engine", "seq"]
    paths = sorted(data.glob("result/*/*/*.parquet"))
    found = pa.concat_tables([pq.ParquetFile(path).read(columns=key) for path in paths])
    return found.group_by(key).aggregate([]).num_rows, found.num_rows


def _child(name: str) -> int:
    """The process of that name that this one has started.

    Raises:
        BenchmarkError: There is none.
    """
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            command, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if command == name and int(rest.split()[1]) == os.getpid():
            return int(stat.parent.name)
    raise BenchmarkError(f"{name}: expected it to run as a child of this process, got none")


def _allow_descriptors() -> None:
    """A connection each, here and in the broker."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _wait(program: Program, condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        program.check_alive()
        if time.monotonic() > deadline_s:
            raise program.failed(f"to be done within {_PATIENCE_S:g} s")
        time.sleep(_LOOK_S)


if __name__ == "__main__":
    sys.exit(run_command(main))
