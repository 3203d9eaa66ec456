"""The tables that the terminal shows: gates with verdicts, and what the stream brought."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ground.evidence import BASELINE, Evidence
from ground.gates import FAIL, INSUFFICIENT, PASS, Gate
from ground.report import words
from ground.report.answers import Stream, read_stream
from ground.report.events import Detection, Events, events_of
from ground.report.evidence_file import read_run
from ground.report.headline import (
    contender_name,
    gate_bounds,
    gate_limit,
    gate_name,
    gate_observations,
    gate_value,
    release_class,
)
from ground.report.latency_section import quantiles_ms
from ground.run_evidence import RunEvidence
from ground.workspace import STREAM, Workspace

_STYLES = {PASS: "green", FAIL: "bold red", INSUFFICIENT: "yellow"}
_PADDING = (0, 1, 0, 0)
_NOT_FOUND = "not found"


def gates_table(run: RunEvidence) -> Table:
    """The gates of an evaluation, with their verdicts; the caption holds the run's, and the AUC of the others.

    Args:
        run: What was measured.
    """
    caption = f"{run.verdict.verdict}: {release_class(run)}. {_compared(run.evidence)}"
    table = Table(
        title="Gates",
        caption=caption.rstrip(),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=_PADDING,
        show_edge=False,
    )
    for name in ("gate", "limit", "measured", "bounds", "n", "verdict"):
        table.add_column(name, justify="left" if name in {"gate", "verdict"} else "right")
    for gate in run.gates:
        table.add_row(*_gate_cells(gate), Text(gate.verdict, _STYLES.get(gate.verdict, "")))
    return table


def closing_table(workspace: Workspace) -> Table:
    """What the agent answered on the stream.

    Args:
        workspace: Holds ``metrics.json``, ``latency.json`` and ``stream.parquet`` in ``evaluation``.

    Raises:
        DataError: One of them is missing or damaged.
    """
    run = read_run(workspace)
    stream = read_stream(workspace.evaluation / STREAM)
    events = events_of(stream.flights)
    table = Table(title="Stream", show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("value")
    for rows in (_counts(stream, events), _delays(events), _sensors(events), _latencies(stream, run.latency.gate)):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def _compared(evidence: Evidence) -> str:
    names = [f"{contender_name(one)} {words.score(one.windows.auc)}" for one in evidence.contenders]
    has_rms = any(one.kind == BASELINE for one in evidence.contenders)
    return f"AUC: {', '.join(names)}" if has_rms else ""


def _gate_cells(gate: Gate) -> tuple[str, ...]:
    """A gate in eighty columns: signs for words, and no unit that the measured value says."""
    limit = gate_limit(gate).replace("at least ", ">= ").replace("at most ", "<= ")
    bounds = gate_bounds(gate).removesuffix(f" {gate.unit}")
    n = gate_observations(gate).removesuffix(" needed")
    return gate_name(gate), limit, gate_value(gate, gate.point), bounds, n


def _counts(stream: Stream, events: Events) -> Iterator[tuple[str, str]]:
    silent = sum(events.not_assessed.values())
    yield "flights", f"{len(stream.flights):,}"
    yield "windows", f"{events.windows:,}, of them {silent:,} not assessed"
    yield "alerts", f"{events.alerts:,}"
    yield (
        "false alerts",
        (
            f"{events.false_alerts:,} in {words.duration(events.healthy_s)} of healthy time: "
            f"{words.number(events.false_alerts_per_hour)} an hour"
        ),
    )


def _delays(events: Events) -> Iterator[tuple[str, str]]:
    if not events.detections:
        return
    yield "faulty flights found", f"{events.detected} of {len(events.detections)}"
    kinds: dict[str, list[Detection]] = {}
    for detection in events.detections:
        kinds.setdefault(detection.fault_type, []).append(detection)
    for kind, detections in sorted(kinds.items()):
        yield (
            f"  delay, {words.fault_name(kind, healthy='fault')}",
            ", ".join(words.duration(one.delay_s) if one.detected else _NOT_FOUND for one in detections),
        )


def _sensors(events: Events) -> Iterator[tuple[str, str]]:
    for flight in events.sensor_flights:
        alerts = words.count(flight.alerts, "alert")
        yield f"{words.fault_name(flight.fault_type)}", f"{words.share(flight.not_assessed)} not assessed, {alerts}"


def _latencies(stream: Stream, gate: Gate) -> Iterator[tuple[str, str]]:
    median, p99, longest = map(words.number, quantiles_ms(stream.latency_ms))
    yield "latency p50 / p99 / max", f"{median} / {p99} / {longest} ms, budget {gate.limit:g} ms"
    yield "deadlines missed", f"{stream.deadlines_missed:,}"
