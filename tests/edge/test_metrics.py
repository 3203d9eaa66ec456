"""Metrics, held against the official parser: what it reads is what the status document says."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.clock import SYNCHRONISED, UNKNOWN
from edge_agent.config import AgentConfig
from edge_agent.exposition import Exposition
from edge_agent.health import LATENCY_BOUNDS_MS, ONLINE, Health, offline
from edge_agent.link_state import LinkState
from edge_agent.metric_names import metric_of
from edge_agent.metrics import render
from edge_agent.process_gauges import ProcessGauges
from edge_agent.verdict import DEGRADED, RULES, Verdict

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

HOSTILE = 'a"b\\c\nd{e="f"} 7'
"""A name from outside that tries to be a sample of its own."""


def parse(text: str) -> tuple[Samples, dict[str, str]]:
    """Samples by name and labels, and kinds by family, as the official parser reads them."""
    families = list(text_string_to_metric_families(text))
    samples = [
        ((sample.name, tuple(sorted(sample.labels.items()))), float(sample.value))
        for family in families
        for sample in family.samples
    ]
    assert len(dict(samples)) == len(samples), "a sample comes twice"
    assert len({family.name for family in families}) == len(families), "a family comes twice"
    return dict(samples), {family.name: family.type for family in families}


@pytest.fixture
def document(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> dict[str, Any]:
    """A document with a bit of everything."""
    health = make_health(make_config())
    health.state, health.verdict = ONLINE, Verdict(DEGRADED, ("link_down", "disk_low"))
    health.link = LinkState(
        connected=True, protocol="5", connections=3, sessions_lost=1, probe_failures=2, round_trip_ms=1.5,
        ends={"refused.not_authorised": 2},
    )  # fmt: skip
    health.process = ProcessGauges(rss_bytes=100, pss_bytes=90, cpu_s=1.5, threads=3, open_fds=9, uptime_s=2.5)
    health.heard_s = {"OO-ABC/1": 0.25, HOSTILE: 70.0}
    for name, n in (
        ("windows.normal", 7), ("windows.not_assessed", 2), ("windows_not_assessed.outside operating domain", 2),
        ("frames_received", 200), ("frames_refused.schema", 4), ("alerts.raised", 1), ("shed.shadow", 5),
        ("journal.written_bytes", 4_096), ("journal.sync_ms", 250), ("odd name!.x", 1), ("plain", 6), ("odd", 9),
        ("one.two.three", 8), ("inbox_dropped", 5), ("inbox_dropped.silenced", 3), ("inbox_dropped.closed", 2),
        ("odd.shadow", 3),
    ):  # fmt: skip
        health.counters.add(name, n)
    for latency_ms in (0.4, 0.5, 3.0, 30.0, 2_000.0):
        health.latency.observe(latency_ms)
    return health.document({"inbox_waiting": 2, "inbox_age_ms": 40, "journal.backlog": 11, "engines": 2})


@pytest.fixture
def rendered(document: dict[str, Any]) -> tuple[Samples, dict[str, str]]:
    """The document's metrics, parsed."""
    return parse(render(document, {"inbox_waiting", "inbox_age_ms", "journal.backlog", "engines"}))


EXPECTED: list[tuple[str, dict[str, str], float, str]] = [
    ("edge_agent_windows_total", {"state": "normal"}, 7, "counter"),
    ("edge_agent_windows_total", {"state": "not_assessed"}, 2, "counter"),
    ("edge_agent_windows_not_assessed_total", {"reason": "outside operating domain"}, 2, "counter"),
    ("edge_agent_frames_received_total", {}, 200, "counter"),
    ("edge_agent_frames_refused_total", {"reason": "schema"}, 4, "counter"),
    ("edge_agent_alerts_total", {"event": "raised"}, 1, "counter"),
    ("edge_agent_shed_total", {"what": "shadow"}, 5, "counter"),
    ("edge_agent_odd_total", {"kind": "shadow"}, 3, "counter"),
    ("edge_agent_journal_written_bytes_total", {}, 4_096, "counter"),
    ("edge_agent_journal_sync_seconds_total", {}, 0.25, "counter"),
    ("edge_agent_odd_name_total", {"kind": "x"}, 1, "counter"),
    ("edge_agent_plain_total", {}, 6, "counter"),
    ("edge_agent_one_two_total", {"kind": "three"}, 8, "counter"),
    ("edge_agent_inbox_dropped_total", {}, 5, "counter"),
    ("edge_agent_inbox_dropped_by_reason_total", {"reason": "silenced"}, 3, "counter"),
    ("edge_agent_windows_total", {"state": "alarm"}, 0, "counter"),
    ("edge_agent_alerts_total", {"event": "cleared"}, 0, "counter"),
    ("edge_agent_deadline_missed_total", {}, 0, "counter"),
    ("edge_agent_journal_backlog", {}, 11, "gauge"),
    ("edge_agent_inbox_frames", {}, 2, "gauge"),
    ("edge_agent_inbox_age_seconds", {}, 0.04, "gauge"),
    ("edge_agent_engines", {}, 2, "gauge"),
    ("edge_agent_engine_silence_seconds", {"engine": HOSTILE}, 70, "gauge"),
    ("edge_agent_engine_silence_seconds", {"engine": "OO-ABC/1"}, 0.25, "gauge"),
    ("edge_agent_link_up", {}, 1, "gauge"),
    ("edge_agent_link_connections_total", {}, 3, "counter"),
    ("edge_agent_link_ends_total", {"reason": "refused.not_authorised"}, 2, "counter"),
    ("edge_agent_link_round_trip_seconds", {}, 0.0015, "gauge"),
    ("edge_agent_link_sessions_lost_total", {}, 1, "counter"),
    ("edge_agent_link_probe_failures_total", {}, 2, "counter"),
    ("edge_agent_state", {"state": "online"}, 1, "gauge"),
    ("edge_agent_state", {"state": "offline"}, 0, "gauge"),
    ("edge_agent_health", {"health": "degraded"}, 1, "gauge"),
    ("edge_agent_health", {"health": "ok"}, 0, "gauge"),
    ("edge_agent_health_reason", {"reason": "link_down"}, 1, "gauge"),
    ("edge_agent_health_reason", {"reason": "deadline_missed"}, 0, "gauge"),
    ("edge_agent_process_cpu_seconds_total", {}, 1.5, "counter"),
    ("edge_agent_process_proportional_memory_bytes", {}, 90, "gauge"),
    ("edge_agent_window_latency_longest_seconds", {}, 2, "gauge"),
]


@pytest.mark.parametrize(("name", "labels", "value", "kind"), EXPECTED)
def test_figure_becomes_sample(
    rendered: tuple[Samples, dict[str, str]], name: str, labels: dict[str, str], value: float, kind: str
) -> None:
    """Each figure has the name, labels, base unit and kind that the conventions ask for."""
    samples, kinds = rendered
    assert samples[name, tuple(sorted(labels.items()))] == pytest.approx(value, rel=1e-12)
    assert kinds[name.removesuffix("_total")] == kind


def test_parts_and_whole(rendered: tuple[Samples, dict[str, str]]) -> None:
    """Where a count comes whole and in parts, only the parts are told: a sum over them is the whole."""
    odd = {labels: value for (name, labels), value in rendered[0].items() if name == "edge_agent_odd_total"}
    assert odd == {(("kind", "shadow"),): 3}


def test_histogram(rendered: tuple[Samples, dict[str, str]]) -> None:
    """Buckets are cumulative, end at +Inf, and agree with count and sum."""
    samples, kinds = rendered
    name = "edge_agent_window_latency_seconds"
    buckets = {
        float(dict(labels)["le"]): value for (each, labels), value in samples.items() if each == f"{name}_bucket"
    }
    assert kinds[name] == "histogram"
    assert list(buckets) == [*(bound / 1_000 for bound in LATENCY_BOUNDS_MS), math.inf]
    assert [buckets[bound] for bound in (0.0005, 0.001, 0.005, 0.05, 1.0, math.inf)] == [2, 2, 3, 4, 4, 5]
    assert samples[f"{name}_count", ()] == 5
    assert samples[f"{name}_sum", ()] == pytest.approx(2.0339)


def test_identity(rendered: tuple[Samples, dict[str, str]], document: dict[str, Any]) -> None:
    """One sample tells who speaks and what it runs."""
    (labels,) = [dict(labels) for name, labels in rendered[0] if name == "edge_agent_info"]
    assert labels["bundle_id"] == "small/1.0.0"
    assert labels["agent"] == document["agent"] == "a1"


def test_what_is_not_known_is_left_out(document: dict[str, Any]) -> None:
    """A clock that nobody knows of and memory that the kernel hides give no sample; a known clock does."""
    name = ("edge_agent_clock_synchronised", ())
    hidden = {**document, "clock": UNKNOWN, "process": {**document["process"], "pss_bytes": -1}}
    samples, _ = parse(render(hidden, ()))
    assert name not in samples
    assert ("edge_agent_process_proportional_memory_bytes", ()) not in samples
    assert parse(render({**document, "clock": SYNCHRONISED}, ()))[0][name] == 1


def test_offline(document: dict[str, Any]) -> None:
    """The last page of an agent that stops says that it fails, for a reason that is no rule."""
    samples, _ = parse(render(offline(document, "stopped"), ()))
    assert samples["edge_agent_health", (("health", "failing"),)] == 1
    assert samples["edge_agent_health_reason", (("reason", "stopped"),)] == 1
    assert sum(name == "edge_agent_health_reason" for name, _ in samples) == len(RULES) + 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a.", ".a", "-", "é", "x" * 300, "a b.c", "0", "windows", "windows.", "_s"]
)
@pytest.mark.parametrize("is_gauge", [False, True])
def test_any_name_is_a_valid_metric(name: str, is_gauge: bool) -> None:  # noqa: FBT001 - a column
    """Whatever a counter is called, the parser reads a sample with its value."""
    metric, label = metric_of(name, is_gauge=is_gauge)
    out = Exposition()
    out.add(metric.name, metric.kind, metric.help, 3, {metric.label: label} if label else {})
    samples, _ = parse(out.text())
    assert list(samples.values()) == [3]
    assert metric.name.isascii()


def test_no_figure_is_lost_where_names_meet() -> None:
    """Two figures whose names become one sample leave one sample, and a family keeps its first kind."""
    out = Exposition()
    out.add("x", "gauge", "X.", 1)
    out.add("x", "counter", "Y.", 2)
    out.add("x", "gauge", "X.", 3, {"a": "b"})
    out.add("x", "gauge", "X.", math.nan, {"a": "c"})
    assert out.text() == '# HELP x X.\n# TYPE x gauge\nx 2\nx{a="b"} 3\n'


def test_promtool(document: dict[str, Any]) -> None:
    """Prometheus's own linter has nothing to say about names, units and help texts."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    text = render(document, {"journal.backlog"})
    verdict = subprocess.run(["promtool", "check", "metrics"], input=text, check=False, capture_output=True, text=True)
    assert (verdict.stdout + verdict.stderr, verdict.returncode) == ("", 0)
