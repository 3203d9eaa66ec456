"""What the agent knows of itself: counters, latencies, and the status document they make."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from edge_agent.clock import clock_quality
from edge_agent.config_reload import ConfigState
from edge_agent.link_state import LinkState
from edge_agent.process_gauges import ProcessGauges
from edge_agent.trust_view import TrustView
from edge_agent.verdict import FAILING, Verdict

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.detector import LoadedModel

SCHEMA = 1

STARTING: Final = "starting"
ONLINE: Final = "online"
STOPPING: Final = "stopping"
OFFLINE: Final = "offline"

STOPPED: Final = "stopped"
VANISHED: Final = "connection lost"
STOPPED_REASONS: Final = (STOPPED, VANISHED)
"""Why an agent is offline: it was asked to end, or the broker noticed that it is gone."""

LATENCY_BOUNDS_MS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0)
"""Upper bounds of the latency histogram; what is longer falls into one more class."""


class Counters:
    """Numbers that only grow, by name; safe to use from any thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, n: int = 1) -> None:
        """Add ``n`` to the counter ``name``."""
        with self._lock:
            self._counts[name] += n

    def snapshot(self) -> dict[str, int]:
        """All counters, sorted by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))


class LatencyHistogram:
    """How long results took, in classes of ``LATENCY_BOUNDS_MS``; filled by one thread, read by any."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self._longest_ms = 0.0
        self._sum_ms = 0.0

    def observe(self, latency_ms: float) -> None:
        """Count one latency."""
        self._counts[bisect_left(LATENCY_BOUNDS_MS, latency_ms)] += 1
        self._sum_ms += latency_ms
        self._longest_ms = max(self._longest_ms, latency_ms)

    def snapshot(self) -> dict[str, Any]:
        """Counts by upper bound, number, sum and the longest."""
        counts = list(self._counts)
        bounds = [*map(str, LATENCY_BOUNDS_MS), "longer"]
        return {
            "n": sum(counts), "sum": self._sum_ms, "max": self._longest_ms,
            "counts_up_to": dict(zip(bounds, counts, strict=True)),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who runs; during one run of the agent it stays the same, but for the bundle and the interval.

    Attributes:
        agent: Name of the agent.
        fleet: Its fleet.
        run: Names this run.
        version: Version of the agent.
        pid: Process id.
        since: Wall time of the start, ISO 8601, UTC.
        bundle_id: Detector and version.
        bundle_digest: sha256 of the bundle.
        part_number: The operator's number of it; may be empty.
        expires: Its last day, ``YYYY-MM-DD``; empty for no end.
        spec_digest: sha256 of the feature spec.
        status_interval_s: Seconds between two status documents.
    """

    agent: str
    fleet: str
    run: str
    version: str
    pid: int
    since: str
    bundle_id: str
    bundle_digest: str
    part_number: str
    expires: str
    spec_digest: str
    status_interval_s: float

    @classmethod
    def of(cls, config: AgentConfig, model: LoadedModel, *, run: str, version: str) -> Identity:
        """The identity of a run that starts now."""
        return cls(
            agent=config.agent.id,
            fleet=config.agent.fleet,
            run=run,
            version=version,
            pid=os.getpid(),
            since=utc_now(),
            bundle_id=model.bundle_id,
            bundle_digest=model.bundle_digest,
            part_number=model.part_number,
            expires=model.expires,
            spec_digest=model.spec.digest,
            status_interval_s=config.agent.status_interval_s,
        )


@dataclass(slots=True, kw_only=True)
class Health:
    """Everything a status document is made of.

    Attributes:
        identity: What stays the same.
        state: ``starting``, ``online``, ``stopping`` or ``offline``.
        reason: Why it is offline; empty otherwise.
        config: What became of the last reading of the config, at the start or by a reload.
        link: How the link to the broker is.
        counters: Counters of all parts.
        latency: Arrival of a frame to the decision about its windows.
        process: What the process took of the machine at the last report.
        verdict: What the figures came to at the last report.
        heard_s: Seconds since each engine was heard, at the last report.
        trust: How slots and audit log were at the last look.
    """

    identity: Identity
    state: str = STARTING
    reason: str = ""
    config: ConfigState = field(default_factory=lambda: ConfigState(utc_now()))
    link: LinkState = field(default_factory=LinkState)
    counters: Counters = field(default_factory=Counters)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    process: ProcessGauges = field(default_factory=ProcessGauges)
    verdict: Verdict = field(default_factory=Verdict)
    heard_s: Mapping[str, float] = field(default_factory=dict)
    trust: TrustView = field(default_factory=TrustView)
    _renaming: threading.Lock = field(default_factory=threading.Lock)

    def rename(self, **changes: Any) -> None:
        """Change fields of the identity; safe to use from any thread."""
        with self._renaming:
            self.identity = replace(self.identity, **changes)

    def document(self, gauges: Mapping[str, int]) -> dict[str, Any]:
        """The status document of this moment; ``gauges`` are further counts, read from their owners."""
        return {
            "schema": SCHEMA,
            "state": self.state,
            "reason": self.reason,
            **_health_of(self.state, self.reason, self.verdict),
            **asdict(self.identity),
            **self.trust.document(),
            "updated": utc_now(),
            "monotonic_ns": time.monotonic_ns(),
            "clock": clock_quality(),
            "config": asdict(self.config),
            "link": asdict(self.link),
            "counters": {**self.counters.snapshot(), **gauges},
            "latency_ms": self.latency.snapshot(),
            "process": asdict(self.process),
            "heard_s": {engine: round(age_s, 3) for engine, age_s in self.heard_s.items()},
        }


def offline(document: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """What ``document`` says once the agent is gone."""
    return {**document, "state": OFFLINE, "reason": reason, **_health_of(OFFLINE, reason, Verdict())}


def _health_of(state: str, reason: str, verdict: Verdict) -> dict[str, Any]:
    # Whoever reads the health alone must not take an agent that is gone for a good one.
    verdict = Verdict(FAILING, (reason.replace(" ", "_"),)) if state == OFFLINE else verdict
    return {"health": verdict.health, "health_reasons": list(verdict.reasons)}


def utc_now() -> str:
    """The wall time, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
