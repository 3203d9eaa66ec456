"""The summary of a flight: one message of less than 2 kB, however long and however odd the flight was.

What does not fit is left out, the least telling first, and ``truncated`` says how much of it; long names are cut. The
format is described in
docs/reference/payload.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import msgpack

from edge_agent.flight_log import OTHERS

if TYPE_CHECKING:
    from edge_agent.flight_log import FlightLog

SCHEMA = 1
MAX_BYTES = 2_000

_QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p99", 0.99))
_NAME_BYTES = 128
"""Of identities; those of a topic are whole there."""
_LABEL_BYTES = 48
"""Of phases, reasons and features."""


@dataclass(frozen=True, slots=True)
class _Room:
    """How many of each are written."""

    phases: int
    reasons: int
    alerts: int
    features: int


_ROOMS = (
    _Room(16, 8, 16, 5), _Room(12, 6, 8, 5), _Room(8, 5, 6, 5), _Room(6, 4, 4, 5), _Room(4, 3, 3, 3), _Room(2, 3, 2, 2),
    _Room(0, 3, 0, 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightFacts:
    """What a summary says beside the log.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight.
        agent: Name of the agent.
        clock: Quality of the wall clock at the end.
        ended: Why it counts as ended: ``next_flight``, ``silence``, ``evicted`` or ``stopped``.
    """

    aircraft: str
    engine: str
    flight: str
    agent: str
    clock: str
    ended: str


def encode_summary(log: FlightLog, facts: FlightFacts) -> bytes:
    """The msgpack bytes of a summary, at most ``MAX_BYTES``."""
    fixed = _fixed(log, facts)
    payloads = [bytes(msgpack.packb({**fixed, **_open(log, room)})) for room in _ROOMS]
    return next((payload for payload in payloads if len(payload) <= MAX_BYTES), payloads[-1])


def _fixed(log: FlightLog, facts: FlightFacts) -> dict[str, Any]:
    bundle_id, bundle_digest = log.bundle
    windows, highest = log.windows, log.highest
    return {
        "schema": SCHEMA,
        **{name: _short(getattr(facts, name), _NAME_BYTES) for name in FlightFacts.__slots__},
        "run": log.run,
        "bundle_id": _short(bundle_id, _NAME_BYTES),
        "bundle_digest": bundle_digest,
        "first_ns": log.first[0],
        "last_ns": log.last[0],
        "first_seq": log.first[1],
        "frames": log.n_frame,
        "lost_frames": log.lost_frames,
        "gaps": log.gaps,
        "longest_gap_ns": log.longest_gap_ns,
        "windows": windows,
        "assessed": log.assessed,
        "coverage": log.assessed / windows if windows else 0.0,
        "ratio": {name: log.ratio_quantile(share) for name, share in _QUANTILES},
        "highest": [*astuple(highest)[:-1], _short(highest.phase, _LABEL_BYTES)],
        "raised": log.raised,
        "cleared": log.cleared,
        "speed_hz": {shaft: list(limits) for shaft, limits in log.speeds_hz.items()},
    }


def _open(log: FlightLog, room: _Room) -> dict[str, Any]:
    """The parts that may be long, as far as there is room."""
    phases = sorted(log.phases.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    named, others = phases[: room.phases], phases[room.phases :]
    if others:
        named = [*named, (OTHERS, sum((counts for _, counts in others), Counter()))]
    features = sorted(log.features.items(), key=lambda item: (-item[1], item[0]))
    total = sum(weight for _, weight in features) or 1.0
    alerts = _first_and_last(log.alerts, room.alerts)
    return {
        "phases": [[_short(phase, _LABEL_BYTES), _counts(counts, room.reasons)] for phase, counts in named],
        "alerts": [list(astuple(alert)) for alert in alerts],
        "features": [[_short(name, _LABEL_BYTES), weight / total] for name, weight in features[: room.features]],
        "truncated": {
            "phases": len(others),
            "alerts": log.raised + log.cleared - len(alerts),
            "features": max(min(len(features), _ROOMS[0].features) - room.features, 0),
        },
    }


def _counts(counts: Counter[str], most: int) -> dict[str, int]:
    named: Counter[str] = Counter()
    for index, (name, n) in enumerate(counts.most_common()):
        # Added up: two long names may be one when they are cut.
        named[_short(name, _LABEL_BYTES) if index < most else OTHERS] += n
    return dict(named)


def _first_and_last(alerts: list[Any], most: int) -> list[Any]:
    return alerts if len(alerts) <= most else [*alerts[: max(most - 1, 0)], *alerts[len(alerts) - min(most, 1) :]]


def _short(text: str, most: int) -> str:
    """The text, cut to ``most`` bytes of UTF-8 between characters."""
    return text.encode()[:most].decode(errors="ignore")
