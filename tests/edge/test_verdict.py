"""The verdict, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.clock import SYNCHRONISED, UNKNOWN, UNSYNCHRONISED
from edge_agent.slots_state import BY_HAND, ROLLED_BACK
from edge_agent.trust_view import UNREADABLE, SlotsView, TrustView
from edge_agent.verdict import DEGRADED, FAILING, LOW_DISK_BYTES, OK, RULES, Signs, growth, judge


def view(**slots: Any) -> TrustView:
    """Slots in some state."""
    return TrustView(slots=SlotsView(**slots))


WELL: dict[str, Any] = {"clock": SYNCHRONISED, "free_bytes": LOW_DISK_BYTES, "grown": {"windows.normal": 100}}

TABLE: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("all is well", {}, OK, ()),
    ("nothing happens", {"grown": {}}, OK, ()),
    ("link away for a moment", {"link_down_s": 60.0}, OK, ()),
    ("link away", {"link_down_s": 60.1}, DEGRADED, ("link_down",)),
    ("subscription refused", {"subscription_refused": True}, DEGRADED, ("subscription_refused",)),
    ("probe refused", {"probe_refused": True}, DEGRADED, ("probe_refused",)),
    ("slow turn", {"turn_age_s": 15.0}, OK, ()),
    ("worker stuck", {"turn_age_s": 15.1}, FAILING, ("worker_stuck",)),
    ("results lost", {"grown": {"outbox_dropped": 1}}, FAILING, ("results_lost",)),
    ("one late of many", {"grown": {"windows.normal": 100, "deadline_missed": 1}}, DEGRADED, ("deadline_missed",)),
    ("half of them late", {"grown": {"windows.normal": 2, "deadline_missed": 1}}, DEGRADED, ("deadline_missed",)),
    (
        "most late",
        {"grown": {"windows.normal": 1, "windows.alarm": 1, "deadline_missed": 2}},
        FAILING,
        ("mostly_late", "deadline_missed"),
    ),
    ("fault of ours", {"grown": {"internal_errors": 1}}, DEGRADED, ("internal_errors",)),
    ("fault of an observer", {"grown": {"observer_errors.Drift": 9}}, DEGRADED, ("internal_errors",)),
    ("frames dropped", {"grown": {"inbox_dropped": 1}}, DEGRADED, ("frames_dropped",)),
    ("some frames refused", {"grown": {"frames_received": 2, "frames_refused.schema": 1}}, OK, ()),
    (
        "most frames refused",
        {"grown": {"frames_received": 3, "frames_refused.schema": 1, "frames_refused.retained": 1}},
        DEGRADED,
        ("frames_refused",),
    ),
    ("some not assessed", {"grown": {"windows.not_assessed": 1, "windows.normal": 1}}, OK, ()),
    (
        "most not assessed",
        {"grown": {"windows.not_assessed": 2, "windows.normal": 1}},
        DEGRADED,
        ("mostly_not_assessed",),
    ),
    ("an engine silent", {"silent_engines": 1}, DEGRADED, ("engines_silent",)),
    ("config rejected", {"config_rejected": True}, DEGRADED, ("config_rejected",)),
    ("evidence lost", {"grown": {"evidence_lost.memory": 1}}, DEGRADED, ("evidence_failing",)),
    ("fallen back", {"trust": view(stage=ROLLED_BACK, reason="golden")}, DEGRADED, ("bundle_fell_back",)),
    ("returned by hand", {"trust": view(stage=ROLLED_BACK, reason=BY_HAND)}, OK, ()),
    ("slots unreadable", {"trust": view(stage=UNREADABLE)}, DEGRADED, ("slots_unreadable",)),
    ("expired", {"trust": TrustView(bundle_expired=True)}, DEGRADED, ("bundle_expired",)),
    ("a decision not noted", {"grown": {"audit_not_noted": 1}}, DEGRADED, ("audit_failing",)),
    ("decisions not noted, long ago", {"counts": {"audit_not_noted": 1}}, OK, ()),
    ("log damaged", {"counts": {"audit_damaged": 1}}, DEGRADED, ("audit_failing",)),
    ("log written anew", {"counts": {"audit_rewound": 1}}, DEGRADED, ("audit_failing",)),
    ("disk low", {"free_bytes": LOW_DISK_BYTES - 1}, DEGRADED, ("disk_low",)),
    ("disk full", {"free_bytes": 0}, DEGRADED, ("disk_low",)),
    ("disk unknown", {"free_bytes": -1}, OK, ()),
    ("status not written", {"grown": {"status_not_written": 1}}, DEGRADED, ("status_not_written",)),
    ("metrics not given", {"grown": {"metrics_not_given.port": 1}}, DEGRADED, ("metrics_not_given",)),
    ("journal drops results", {"grown": {"journal_dropped.result": 1}}, FAILING, ("results_lost", "journal_full")),
    ("journal drops the least", {"grown": {"journal_dropped.telemetry": 1}}, DEGRADED, ("journal_full",)),
    ("journal fails", {"grown": {"journal_write_errors": 1}}, DEGRADED, ("journal_failing",)),
    ("units are not kept", {"grown": {"unit_write_errors": 1}}, DEGRADED, ("units_failing",)),
    ("results refused", {"grown": {"messages_refused.result": 1}}, FAILING, ("results_lost", "messages_refused")),
    ("telemetry refused", {"grown": {"messages_refused.telemetry": 1}}, DEGRADED, ("messages_refused",)),
    ("work left out", {"grown": {"shed.shadow": 1}}, DEGRADED, ("shedding",)),
    ("shadow refused", {"counts": {"shadow_refused": 1}}, DEGRADED, ("shadow_refused",)),
    ("clock free", {"clock": UNSYNCHRONISED}, DEGRADED, ("clock_unsynchronised",)),
    ("clock unknown", {"clock": UNKNOWN}, OK, ()),
    ("a counter of a like name", {"grown": {"internal_errors_seen": 1, "outbox_droppedx": 1}}, OK, ()),
    (
        "several, the worst counts",
        {"clock": UNSYNCHRONISED, "turn_age_s": 99.0},
        FAILING,
        ("worker_stuck", "clock_unsynchronised"),
    ),
]


@pytest.mark.parametrize(("signs", "health", "reasons"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_verdict(signs: dict[str, Any], health: str, reasons: tuple[str, ...]) -> None:
    """The word, and every reason for it."""
    verdict = judge(Signs(**{**WELL, **signs}))
    assert (verdict.health, verdict.reasons) == (health, reasons)


def test_every_rule_is_in_the_table() -> None:
    """No rule goes untested, and none has another's name."""
    names = [rule.reason for rule in RULES]
    assert {reason for row in TABLE for reason in row[3]} == set(names)
    assert len(set(names)) == len(names)


def test_growth() -> None:
    """What grew, from nothing too; what fell or stood still is left out."""
    assert growth({"a": 1, "b": 5, "c": 2}, {"a": 4, "b": 5, "c": 1, "d": 2}) == {"a": 3, "d": 2}
