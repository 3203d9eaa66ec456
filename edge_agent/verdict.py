"""The verdict: what the agent's figures come to, in one word and the reasons for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from edge_agent.clock import UNSYNCHRONISED
from edge_agent.trust_view import UNREADABLE, TrustView

OK: Final = "ok"
DEGRADED: Final = "degraded"
FAILING: Final = "failing"
VERDICTS: Final = (OK, DEGRADED, FAILING)

LINK_GRACE_S: Final = 60.0
"""So long an agent may be without a broker: it boots before its network does, and brokers restart."""
STUCK_S: Final = 15.0
"""So long a worker may take for a turn; an idle one turns every second."""
LOW_DISK_BYTES: Final = 32 * 1024 * 1024

_WINDOWS = "windows."
_NOT_ASSESSED = "windows.not_assessed"
_REFUSED = "frames_refused."
_RECEIVED = "frames_received"
_LATE = "deadline_missed"
_LOSSES = (
    "outbox_dropped",
    "journal_dropped.result",
    "journal_dropped.alert",
    "messages_refused.result",
    "messages_refused.alert",
)
_EVIDENCE_FAULTS = ("evidence_not_written", "evidence_not_read", "evidence_lost")
_AUDIT_FAULTS = ("audit_damaged", "audit_rewound")
_JOURNAL_FAULTS = ("journal_write_errors", "journal_internal_errors", "journal_damaged", "journal_unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the verdict is made of.

    Attributes:
        link_down_s: Seconds without a link; 0 while it stands.
        subscription_refused: Whether the link stands, and the broker has refused a subscription.
        probe_refused: Whether the broker keeps the link's messages to itself from coming back.
        turn_age_s: Seconds since the worker's last turn.
        clock: Quality of the clock.
        free_bytes: What is free on the disk of the state folder; negative where that is unknown.
        config_rejected: Whether the config on disk is not the one in force, because it was refused.
        silent_engines: Engines that should be heard and are not.
        trust: How slots and audit log are.
        counts: All counters and gauges.
        grown: By how much counters grew in the last interval; those that did not are left out.
    """

    link_down_s: float = 0.0
    subscription_refused: bool = False
    probe_refused: bool = False
    turn_age_s: float = 0.0
    clock: str = ""
    free_bytes: int = -1
    config_rejected: bool = False
    silent_engines: int = 0
    trust: TrustView = field(default_factory=TrustView)
    counts: Mapping[str, int] = field(default_factory=dict)
    grown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the agent is.

    Attributes:
        health: ``ok``, ``degraded`` (it works, and something wants attention) or ``failing`` (engines are not watched,
            or results are lost).
        reasons: Names of the rules that hold, in the order of ``RULES``.
    """

    health: str = OK
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong.

    Attributes:
        reason: Its name: stable, for scripts and alert rules.
        health: What the agent is while it holds.
        holds: Whether it does.
        advice: What to do.
    """

    reason: str
    health: str
    holds: Callable[[Signs], bool]
    advice: str


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "worker_stuck",
        FAILING,
        lambda signs: signs.turn_age_s > STUCK_S,
        "systemd's watchdog restarts it; keep the log, and send us `edge-agent diag`",
    ),
    Rule(
        "results_lost",
        FAILING,
        lambda signs: _grew(signs, *_LOSSES),
        "mend the link to the broker, or its access rules; give the journal more disk (journal.max_mib)",
    ),
    Rule(
        "mostly_late",
        FAILING,
        lambda signs: _is_most(signs.grown.get(_LATE, 0), _windows(signs)),
        "look for other load, or take a faster machine; `edge-agent selftest` measures with the agent stopped",
    ),
    Rule(
        "internal_errors",
        DEGRADED,
        lambda signs: _grew(signs, "internal_errors", "observer_errors", "main_loop_errors"),
        "send us `edge-agent diag`; the log has the traceback",
    ),
    Rule("deadline_missed", DEGRADED, lambda signs: _grew(signs, _LATE), "nothing, for one; else look for other load"),
    Rule(
        "frames_dropped",
        DEGRADED,
        lambda signs: _grew(signs, "inbox_dropped"),
        "more comes than the machine computes: fewer channels or engines, or a faster machine",
    ),
    Rule(
        "frames_refused",
        DEGRADED,
        lambda signs: _is_most(_sum(signs, _REFUSED), signs.grown.get(_RECEIVED, 0)),
        "the log names reason and topic; correct the sender",
    ),
    Rule(
        "mostly_not_assessed",
        DEGRADED,
        lambda signs: _is_most(signs.grown.get(_NOT_ASSESSED, 0), _windows(signs)),
        "see the counters windows_not_assessed; often a sensor, or flight outside the domain",
    ),
    Rule(
        "link_down",
        DEGRADED,
        lambda signs: signs.link_down_s > LINK_GRACE_S,
        "the link's line names what to do; `edge-agent doctor` tries the broker",
    ),
    Rule(
        "subscription_refused",
        DEGRADED,
        lambda signs: signs.subscription_refused,
        "correct topics.input, or the broker's access rules",
    ),
    Rule(
        "probe_refused",
        DEGRADED,
        lambda signs: signs.probe_refused,
        "let the agent publish and read topics.probe in the broker's access rules",
    ),
    Rule(
        "messages_refused",
        DEGRADED,
        lambda signs: _grew(signs, "messages_refused"),
        "the log names the topics; let the agent write them in the broker's access rules (docs/how-to/tls.md)",
    ),
    Rule(
        "engines_silent",
        DEGRADED,
        lambda signs: signs.silent_engines > 0,
        "look at sensor, cable and gateway of the engine heard longest ago",
    ),
    Rule(
        "journal_full",
        DEGRADED,
        lambda signs: _grew(signs, "journal_dropped"),
        "mend the link to the broker; raise journal.max_mib",
    ),
    Rule(
        "journal_failing",
        DEGRADED,
        lambda signs: _grew(signs, *_JOURNAL_FAULTS),
        "see `dmesg`; should it go on, replace the disk",
    ),
    Rule(
        "units_failing",
        DEGRADED,
        lambda signs: _grew(signs, "unit_write_errors"),
        "as journal_failing; it is tried again every 5 s, and lost where the agent ends before",
    ),
    Rule("shedding", DEGRADED, lambda signs: _grew(signs, "shed"), "as frames_dropped, should it last"),
    Rule(
        "evidence_failing",
        DEGRADED,
        lambda signs: _grew(signs, *_EVIDENCE_FAULTS),
        "raise evidence.memory_mib, or see to the disk",
    ),
    Rule(
        "config_rejected",
        DEGRADED,
        lambda signs: signs.config_rejected,
        "`edge-agent config check`, correct it and reload; `edge-agent status` says whether a start would go on",
    ),
    Rule("disk_low", DEGRADED, lambda signs: 0 <= signs.free_bytes < LOW_DISK_BYTES, "make room for the state folder"),
    Rule(
        "status_not_written",
        DEGRADED,
        lambda signs: _grew(signs, "status_not_written"),
        "make room for the state folder, or see to its disk; status.json is old",
    ),
    Rule(
        "metrics_not_given",
        DEGRADED,
        lambda signs: _grew(signs, "metrics_not_given"),
        "the log says why: port taken, or folder not writable",
    ),
    Rule(
        "shadow_refused",
        DEGRADED,
        lambda signs: signs.counts.get("shadow_refused", 0) > 0,
        "`edge-agent doctor` says why; the active bundle runs all the same",
    ),
    Rule(
        "bundle_fell_back",
        DEGRADED,
        lambda signs: signs.trust.slots.has_fallen_back,
        "the previous bundle runs; `edge-agent audit show` says why the new one was left: release a corrected one",
    ),
    Rule(
        "bundle_expired",
        DEGRADED,
        lambda signs: signs.trust.bundle_expired,
        "install a newer bundle; this one runs on",
    ),
    Rule(
        "slots_unreadable",
        DEGRADED,
        lambda signs: signs.trust.slots.stage == UNREADABLE,
        "`edge-agent bundle status` says why; the next start fails, so see to it before",
    ),
    Rule(
        "audit_failing",
        DEGRADED,
        lambda signs: _grew(signs, "audit_not_noted") or any(signs.counts.get(name, 0) for name in _AUDIT_FAULTS),
        "`edge-agent audit verify`; make room, or find out who was at the log",
    ),
    Rule(
        "clock_unsynchronised",
        DEGRADED,
        lambda signs: signs.clock == UNSYNCHRONISED,
        "give chrony or systemd-timesyncd a source",
    ),
)
"""Everything that can be wrong, the worst first."""


def judge(signs: Signs) -> Verdict:
    """The verdict on ``signs``: the worst of the rules that hold."""
    holding = [rule for rule in RULES if rule.holds(signs)]
    worst = max((VERDICTS.index(rule.health) for rule in holding), default=0)
    return Verdict(VERDICTS[worst], tuple(rule.reason for rule in holding))


def advice_on(reason: str) -> str:
    """What to do about a reason, in one line; empty for one that is no rule's."""
    return next((rule.advice for rule in RULES if rule.reason == reason), "")


def growth(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """What has grown between two snapshots of counters, and by how much."""
    return {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}


def _grew(signs: Signs, *names: str) -> bool:
    """Whether one of the counters grew, or one below it (``name.detail``)."""
    return any(grown == name or grown.startswith(f"{name}.") for grown in signs.grown for name in names)


def _sum(signs: Signs, prefix: str) -> int:
    return sum(count for name, count in signs.grown.items() if name.startswith(prefix))


def _windows(signs: Signs) -> int:
    return _sum(signs, _WINDOWS)


def _is_most(part: int, whole: int) -> bool:
    return 2 * part > whole
