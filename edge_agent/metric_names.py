"""What a counter or gauge of the agent is called in Prometheus.

Counters have dotted names: what is counted, then its kind (``windows.normal``). A table names those that are known and
explains them; any other gets a name by rule, so that a new counter is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

PREFIX: Final = "edge_agent"
COUNTER: Final = "counter"
GAUGE: Final = "gauge"

_TOTAL: Final = "_total"
_KIND: Final = "kind"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]+")

_UNITS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {
        "_ns": ("_seconds", 1e-9),
        "_us": ("_seconds", 1e-6),
        "_ms": ("_seconds", 1e-3),
        "_s": ("_seconds", 1.0),
        "_seconds": ("_seconds", 1.0),
        "_kib": ("_bytes", 1024.0),
        "_mib": ("_bytes", 1024.0**2),
        "_bytes": ("_bytes", 1.0),
    }
)
"""Suffixes of units, with the base unit of Prometheus that they become."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, and how a figure of the agent becomes one of its samples.

    Attributes:
        name: Its whole name, ``_total`` included.
        kind: ``counter`` or ``gauge``.
        help: What it tells.
        label: Name of the label that takes the last part of a dotted name; empty for none.
        factor: What a figure is multiplied with, to base units.
    """

    name: str
    kind: str
    help: str
    label: str = ""
    factor: float = 1.0


def _counter(name: str, text: str, label: str = "") -> Metric:
    return Metric(f"{PREFIX}_{name}{_TOTAL}", COUNTER, text, label)


def _gauge(name: str, text: str, factor: float = 1.0) -> Metric:
    return Metric(f"{PREFIX}_{name}", GAUGE, text, factor=factor)


def _labelled_gauge(name: str, text: str, label: str) -> Metric:
    return Metric(f"{PREFIX}_{name}", GAUGE, text, label)


KNOWN: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "frames_received": _counter("frames_received", "Messages taken from the inbox."),
        "frames_refused": _counter("frames_refused", "Messages that are no frame for this agent.", "reason"),
        "frames_late": _counter("frames_late", "Frames dropped because they overlap the past."),
        "windows": _counter("windows", "Results.", "state"),
        "windows_not_assessed": _counter("windows_not_assessed", "Results that say why they are none.", "reason"),
        "alerts": _counter("alerts", "Alerts.", "event"),
        "deadline_missed": _counter("deadline_missed", "Results later than the deadline."),
        "internal_errors": _counter("internal_errors", "Messages on which the agent's own code failed."),
        "main_loop_errors": _counter(
            "main_loop_errors", "Steps of a report that the agent's own code failed in.", "step"
        ),
        "observer_errors": _counter("observer_errors", "Frames on which an observer failed.", "observer"),
        "streams_evicted": _counter("engines_evicted", "Engines forgotten because too many were heard."),
        "status_not_written": _counter("status_not_written", "Times the status file could not be written."),
        "metrics_not_given": _counter("metrics_not_given", "Times these figures could not be given.", "where"),
        "inbox_dropped": _counter("inbox_dropped", "Frames dropped unread."),
        "inbox_dropped.": _counter("inbox_dropped_by_reason", "The same by reason.", "reason"),
        "inbox_waiting": _gauge("inbox_frames", "Frames that wait for the worker."),
        "inbox_age_ms": _gauge("inbox_age_seconds", "How long the oldest frame has waited for the worker.", 1e-3),
        "outbox_dropped": _counter("outbox_dropped", "Messages dropped because too many waited for the broker."),
        "outbox_waiting": _gauge("outbox_messages", "Messages that wait for the broker."),
        "messages_acknowledged": _counter("messages_acknowledged", "Messages that the broker has."),
        "engines": _gauge("engines", "Engines followed now."),
        "journal_waiting": _labelled_gauge("journal_messages", "Messages kept on disk for the broker.", "grade"),
        "messages_refused": _counter("messages_refused", "Messages that the broker would not take; lost.", "grade"),
        "journal_dropped": _counter("journal_dropped", "Messages dropped because the disk quota was used up.", "grade"),
        "journal_bytes": _gauge("journal_bytes", "Disk that the journal takes."),
        "journal_written_bytes": _counter("journal_written_bytes", "Bytes written to the journal."),
        "journal_mib_per_day": _gauge("journal_written_bytes_per_day", "Bytes written a day, now.", 1024.0**2),
        "journal_damaged": _counter("journal_damaged", "Records of the journal that were cut out."),
        "journal_torn": _counter("journal_torn", "Ends of the journal's files that a kill or a power cut has torn."),
        "journal_unreadable": _counter("journal_unreadable", "Records of the journal that could not be read."),
        "journal_write_errors": _counter("journal_write_errors", "Times the disk refused the journal."),
        "unit_write_errors": _counter("unit_write_errors", "Times the disk refused what is known of a unit."),
        "journal_internal_errors": _counter("journal_internal_errors", "Times the journal's own code failed."),
        "load_rung": _gauge("load_rung", "How far up the ladder of overload it is, 0 to 3."),
        "shed": _counter("shed", "Windows on which something was left out for want of time.", "what"),
        "shadow": _counter("shadow_windows", "Windows by how the shadow's answer compares.", "agreement"),
        "shadow_refused": _gauge("shadow_refused", "Whether the shadow's bundle was refused."),
        "reloads": _counter("reloads", "Times the config was read again and taken."),
        "reloads_rejected": _counter("reloads_rejected", "Times the config was read again and refused."),
        "swaps": _counter("swaps", "Times another bundle took over in the running agent."),
        "swaps_refused": _counter("swaps_refused", "Times one was to take over and could not.", "reason"),
        "evidence_written": _counter("evidence_written", "Waveforms of alerts that were kept."),
        "evidence_not_written": _counter("evidence_not_written", "Times the disk refused a waveform."),
        "evidence_not_read": _counter("evidence_not_read", "Waveforms on disk that could not be read."),
        "evidence_requests": _counter("evidence_requests", "Requests for a waveform."),
        "evidence_requests_abandoned": _counter("evidence_requests_abandoned", "Requests that the end cut short."),
        "evidence_chunks_sent": _counter("evidence_chunks_sent", "Parts of waveforms that were sent."),
        "evidence_lost": _counter("evidence_lost", "Waveforms of alerts that were not kept.", "reason"),
        "evidence_requests_refused": _counter("evidence_requests_refused", "Requests that were refused.", "reason"),
        "trust": _counter("trust_events", "Decisions of trust, as the audit log has them.", "kind"),
        "audit_not_noted": _counter("audit_not_noted", "Decisions that could not be noted in the audit log."),
        "audit_damaged": _counter("audit_damaged", "Lines of the audit log that do not fit."),
        "audit_rewound": _counter("audit_rewound", "Times the audit log had lost lines that were sent."),
        "flights_ended": _counter("flights_ended", "Flights that ended, by how that was known.", "by"),
    }
)
"""Figures by their whole name, or by what comes before the last dot (with it, where the whole is a metric, too)."""

FROM_THE_START: Final = (
    "frames_received", "windows.normal", "windows.warning", "windows.alarm", "windows.not_assessed", "alerts.raised",
    "alerts.cleared", "deadline_missed", "internal_errors", "streams_evicted", "status_not_written",
    "trust.refused", "trust.rolled_back", "trust.expired", "trust.keys_changed", "audit_not_noted", "audit_damaged",
    "audit_rewound", "trust.state_set_back", "trust.update_failed", "journal_write_errors", "unit_write_errors",
)  # fmt: skip
"""Counters that are told while they are zero: what appears with its first count has no increase for a rule to see."""


def metric_of(name: str, *, is_gauge: bool) -> tuple[Metric, str]:
    """The metric of a figure, and the value of its label (empty where it has none).

    Args:
        name: The dotted name.
        is_gauge: Whether it is a gauge; asked only where the table does not know it.
    """
    if name in KNOWN:
        return KNOWN[name], ""
    stem, _, last = name.rpartition(".")
    for known in (f"{stem}.", stem):
        if stem and known in KNOWN and KNOWN[known].label:
            return KNOWN[known], last
    suffix = next((unit for unit in _UNITS if name.endswith(unit)), "")
    if is_gauge or suffix or not stem:
        return _by_rule(name, suffix, is_gauge=is_gauge), ""
    return Metric(f"{PREFIX}_{_sane(stem)}{_TOTAL}", COUNTER, f"Counter {stem} of the agent.", _KIND), last


def _by_rule(name: str, suffix: str, *, is_gauge: bool) -> Metric:
    """The metric of a figure that keeps its whole name: figures of different units must not share one."""
    unit, factor = _UNITS.get(suffix, ("", 1.0))
    base = f"{PREFIX}_{_sane(name.removesuffix(suffix))}{unit}"
    if is_gauge:
        return Metric(base, GAUGE, f"Gauge {_clean(name)} of the agent.", factor=factor)
    return Metric(f"{base.removesuffix(_TOTAL)}{_TOTAL}", COUNTER, f"Counter {_clean(name)} of the agent.", "", factor)


def _sane(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).strip("_").lower() or "unnamed"


def _clean(name: str) -> str:
    return _NOT_IN_NAMES.sub(" ", name)
