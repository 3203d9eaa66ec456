"""The agent's figures for Prometheus: the status document as text. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from edge_agent.clock import SYNCHRONISED, UNKNOWN
from edge_agent.exposition import Exposition
from edge_agent.health import OFFLINE, ONLINE, STARTING, STOPPING
from edge_agent.metric_names import COUNTER, FROM_THE_START, GAUGE, PREFIX, metric_of
from edge_agent.trust_view import VIEW_STAGES
from edge_agent.verdict import RULES, VERDICTS

_MS_PER_S: Final = 1e3
_UNKNOWN: Final = -1
_DIGITS: Final = 9
"""0.1 s is 0.1 and not 0.10000000000000001 after the division."""

_IDENTITY: Final = ("agent", "fleet", "version", "run", "bundle_id", "bundle_digest", "part_number", "spec_digest")
_LINK: Final = {
    "connected": ("link_up", GAUGE, "Whether the broker is connected and sends frames."),
    "connections": ("link_connections_total", COUNTER, "Connections to the broker since the start."),
    "sessions_lost": (
        "link_sessions_lost_total",
        COUNTER,
        "Connections at which the broker had forgotten the session.",
    ),
    "probe_failures": ("link_probe_failures_total", COUNTER, "Connections rebuilt because they were silent."),
}
_PROCESS: Final = {
    "rss_bytes": ("process_resident_memory_bytes", GAUGE, "Resident memory."),
    "pss_bytes": ("process_proportional_memory_bytes", GAUGE, "Resident memory, shared pages divided (PSS)."),
    "cpu_s": ("process_cpu_seconds_total", COUNTER, "Processor time, user and system."),
    "threads": ("process_threads", GAUGE, "Threads."),
    "open_fds": ("process_open_fds", GAUGE, "Open descriptors."),
    "uptime_s": ("uptime_seconds", GAUGE, "Time since the agent was loaded."),
    "state_dir_free_bytes": ("state_dir_free_bytes", GAUGE, "Free disk of the state folder."),
}
"""Not the usual ``process_...``: node_exporter refuses a textfile that repeats names of its own."""


def render(document: Mapping[str, Any], gauges: Collection[str]) -> str:
    """The metrics of a status document, in the text format of Prometheus.

    Args:
        document: The status document.
        gauges: Names among its ``counters`` that may also fall; asked only where ``metric_names`` does not know one.
    """
    out = Exposition()
    _add_identity(out, document)
    _add_health(out, document)
    _add_counters(out, {**dict.fromkeys(FROM_THE_START, 0), **document["counters"]}, gauges)
    _add_latency(out, document["latency_ms"])
    _add_figures(out, document["process"], _PROCESS)
    return out.text()


def _add_identity(out: Exposition, document: Mapping[str, Any]) -> None:
    labels = {name: str(document[name]) for name in _IDENTITY}
    out.add(f"{PREFIX}_info", GAUGE, "Who speaks and what it runs; always 1.", 1, labels)
    started_s = datetime.fromisoformat(document["since"]).timestamp()
    out.add(f"{PREFIX}_start_time_seconds", GAUGE, "Wall time of the start, as it was read then.", started_s)
    updated_s = datetime.fromisoformat(document["updated"]).timestamp()
    out.add(f"{PREFIX}_report_timestamp_seconds", GAUGE, "Wall time of these figures.", updated_s)
    out.add(
        f"{PREFIX}_report_interval_seconds", GAUGE, "Time between two sets of figures.", document["status_interval_s"]
    )


def _add_health(out: Exposition, document: Mapping[str, Any]) -> None:
    states, verdict = (STARTING, ONLINE, STOPPING, OFFLINE), (document["health"],)
    reasons = [rule.reason for rule in RULES]
    out.add_states(f"{PREFIX}_state", "What it is about.", label="state", known=states, now=(document["state"],))
    out.add_states(f"{PREFIX}_health", "Its verdict on itself.", label="health", known=VERDICTS, now=verdict)
    text = "What is wrong, by the rules of the verdict."
    out.add_states(f"{PREFIX}_health_reason", text, label="reason", known=reasons, now=document["health_reasons"])
    if document["clock"] != UNKNOWN:
        synchronised = document["clock"] == SYNCHRONISED
        out.add(f"{PREFIX}_clock_synchronised", GAUGE, "Whether a time daemon vouches for the clock.", synchronised)
    stage, text = (document["slots"]["stage"],), "Of the active slot; `unused` without slots."
    out.add_states(f"{PREFIX}_slots_stage", text, label="stage", known=VIEW_STAGES, now=stage)
    out.add(f"{PREFIX}_bundle_expired", GAUGE, "Whether the bundle that runs has expired.", document["bundle_expired"])
    _add_link(out, document["link"])
    text = "Time since an engine's last good frame."
    for engine, age_s in document["heard_s"].items():
        out.add(f"{PREFIX}_engine_silence_seconds", GAUGE, text, age_s, {"engine": engine})


def _add_counters(out: Exposition, figures: Mapping[str, float], gauges: Collection[str]) -> None:
    metrics = {name: metric_of(name, is_gauge=name in gauges) for name in figures}
    in_parts = {metric.name for metric, value in metrics.values() if value}
    for name, (metric, value) in metrics.items():
        # Beside its parts, a whole would count everything twice.
        if value or metric.name not in in_parts:
            labels = {metric.label: value} if value else {}
            out.add(metric.name, metric.kind, metric.help, figures[name] * metric.factor, labels)


def _add_link(out: Exposition, link: Mapping[str, Any]) -> None:
    _add_figures(out, link, _LINK)
    if link.get("round_trip_ms"):
        text = "How long the last probe took to the broker and back."
        out.add(f"{PREFIX}_link_round_trip_seconds", GAUGE, text, link["round_trip_ms"] / _MS_PER_S)
    for reason, n in link.get("ends", {}).items():
        text = "Attempts and connections that ended."
        out.add(f"{PREFIX}_link_ends_total", COUNTER, text, n, {"reason": reason})


def _add_figures(out: Exposition, figures: Mapping[str, Any], known: Mapping[str, tuple[str, str, str]]) -> None:
    for field, (name, kind, text) in known.items():
        # Negative is what the kernel does not tell.
        if figures.get(field, _UNKNOWN) >= 0:
            out.add(f"{PREFIX}_{name}", kind, text, figures[field])


def _add_latency(out: Exposition, latency_ms: Mapping[str, Any]) -> None:
    classes = {_bound_s(bound): count for bound, count in latency_ms["counts_up_to"].items()}
    text = "From the arrival of the frame that completes a window to the decision."
    out.add_histogram(f"{PREFIX}_window_latency_seconds", text, classes, latency_ms["sum"] / _MS_PER_S)
    text = "The longest of them since the start."
    out.add(f"{PREFIX}_window_latency_longest_seconds", GAUGE, text, latency_ms["max"] / _MS_PER_S)


def _bound_s(bound_ms: str) -> float:
    return math.inf if bound_ms == "longer" else round(float(bound_ms) / _MS_PER_S, _DIGITS)
