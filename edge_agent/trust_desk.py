"""The trust desk: publishes the lines of the audit log, and looks at slots and expiry; used by the main thread."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import structlog

from edge_agent.audit import FAULTS, AuditLog
from edge_agent.audit_feed import AuditFeed, FedLine
from edge_agent.errors import ConfigError, SlotRefused
from edge_agent.manifest import NEVER
from edge_agent.publication import JSON, Grade, Publication
from edge_agent.slots_ledger import SlotLedger
from edge_agent.startup import today
from edge_agent.strict_json import canonical_json
from edge_agent.topics import TopicTemplate
from edge_agent.trust_view import UNREADABLE, SlotsView

if TYPE_CHECKING:
    from edge_agent.config import AgentConfig
    from edge_agent.health import Health
    from edge_agent.outbox import Outbox

SCHEMA: Final = 1
_MOST_FLYING = 256
"""So many lines may be on their way; the others wait in the log."""

_log = structlog.get_logger(__name__)


class TrustDesk:
    """Tells the ground of decisions, and the health of how trust stands.

    Args:
        config: The agent's config.
        health: Takes what is found; says which bundle runs.
        outbox: Knows what has arrived, or lies in the journal.
    """

    def __init__(self, config: AgentConfig, health: Health, outbox: Outbox) -> None:
        self._config, self._health, self._outbox = config, health, outbox
        self._topic = TopicTemplate(config.topics.trust).fill(agent=config.agent.id)
        self._ledger = SlotLedger(config.agent.state_dir)
        self._feed = AuditFeed(config.agent.state_dir, health.counters)
        self._flying: list[Publication] = []
        self._is_failing = False
        self._expired = ""

    def tick(self) -> list[Publication]:
        """Look at everything; gives what is new in the audit log."""
        self._look()
        self._confirm()
        lines = self._read() if len(self._flying) < _MOST_FLYING else []
        for fed in lines:
            self._health.counters.add(f"trust.{fed.line.event.kind}")
        publications = [self._publication(fed) for fed in lines]
        self._flying += publications
        self._health.trust = replace(self._health.trust, audit_head=str(self._feed.head))
        return publications

    def close(self) -> None:
        """The outbox and the journal have ended: remember what is safe."""
        self._confirm()

    def gauges(self) -> dict[str, int]:
        """Its figures, for the status."""
        return FAULTS.snapshot()

    def _look(self) -> None:
        identity = self._health.identity
        is_expired = identity.expires != NEVER and today() > date.fromisoformat(identity.expires)
        if is_expired and self._expired != identity.bundle_digest:
            self._expired = identity.bundle_digest
            _log.warning("bundle has expired and runs on", bundle=identity.bundle_id, last_day=identity.expires)
            AuditLog(self._config.agent.state_dir).note_expired(
                identity.bundle_digest, identity.bundle_id, identity.expires
            )
        self._health.trust = replace(self._health.trust, slots=self._slots(), bundle_expired=is_expired)

    def _slots(self) -> SlotsView:
        if not self._config.bundle.slots:
            return SlotsView()
        try:
            return SlotsView.of(self._ledger.state())
        except SlotRefused as error:
            return SlotsView(stage=UNREADABLE, error=error.reason)
        except ConfigError:
            return SlotsView(stage=UNREADABLE, error="not_allowed")

    def _read(self) -> list[FedLine]:
        try:
            lines = self._feed.read()
        except OSError as error:
            self._fail("audit log not read", error)
            return []
        self._is_failing = False
        return lines

    def _confirm(self) -> None:
        """Note on disk that lines need not be sent again, once none of them is in memory alone."""
        if not self._flying or self._outbox.holds_alone(self._flying):
            return
        self._flying.clear()
        try:
            self._feed.keep()
        except OSError as error:
            # They are sent again after a restart; their numbers say so.
            self._fail("position in the audit log not kept", error)

    def _fail(self, what: str, error: OSError) -> None:
        if not self._is_failing:
            _log.error(what, error=str(error))
        self._is_failing = True

    def _publication(self, fed: FedLine) -> Publication:
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "agent": self._health.identity.agent,
            "fleet": self._health.identity.fleet,
            "run": self._health.identity.run,
            "hash": fed.hash,
            "record": fed.line.document(),
        }
        payload = canonical_json(document)
        return Publication(topic=self._topic, payload=payload, content_type=JSON, grade=Grade.ALERT)
