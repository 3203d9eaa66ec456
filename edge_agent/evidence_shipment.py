"""The evidence on its way to whoever asked: one snapshot after the other, no faster than agreed or acknowledged."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.evidence_request import chunks_of, encode_refusal
from edge_agent.publication import Grade, Publication

if TYPE_CHECKING:
    from edge_agent.evidence_store import EvidenceStore
    from edge_agent.health import Counters

UNKNOWN_ID: Final = "unknown_id"
BUSY: Final = "busy"

MOST_WAITING = 4
_RETRY_S = 1.0
_LOOK_S = 0.02
"""From one look for the acknowledgement of a chunk to the next."""
_GIVE_UP_S = 120.0
"""So long without a link, or an acknowledgement, and nobody waits for the rest any more."""

_log = structlog.get_logger(__name__)


class Shipper:
    """Answers requests. Used by one thread; decides when, but never waits itself.

    Args:
        store: Where the evidence lies.
        topic: Topic of the chunks.
        agent: Name of the agent.
        run: This run of it.
        rate: Bytes a second.
        expiry_s: How long the broker keeps a chunk.
        counters: Counts what was asked, sent and refused.
        publish: Queues a message.
        is_connected: Whether the link stands: chunks do not pile up before a link that is down.
        is_waiting: Whether a message waits for its acknowledgement: nor do they before one that is thin.

    Attributes:
        expiry_s: How long the broker keeps a chunk.
    """

    def __init__(
        self,
        store: EvidenceStore,
        *,
        topic: str,
        agent: str,
        run: str,
        rate: float,
        expiry_s: int,
        counters: Counters,
        publish: Callable[[Publication], None],
        is_connected: Callable[[], bool],
        is_waiting: Callable[[Publication], bool],
    ) -> None:
        self._store = store
        self._topic = topic
        self._agent, self._run = agent, run
        self._rate = rate
        self.expiry_s = expiry_s
        self._counters = counters
        self._publish = publish
        self._is_connected = is_connected
        self._is_waiting = is_waiting
        self._last: Publication | None = None
        self._waiting: deque[str] = deque()
        self._current: Iterator[bytes] = iter(())
        self._serving = False
        self._due_s = -math.inf
        self._stalled_s = 0.0

    def ask(self, name: str) -> None:
        """Take a request for the evidence ``name``."""
        if len(self._waiting) >= MOST_WAITING:
            self._refuse(name, BUSY)
            return
        self._counters.add("evidence_requests")
        self._waiting.append(name)

    def wait_s(self, now_s: float, longest_s: float) -> float:
        """Seconds until ``turn`` has something to do, at most ``longest_s``."""
        if not self._serving and not self._waiting:
            return longest_s
        return min(max(self._due_s - now_s, 0.0), longest_s)

    def turn(self, now_s: float) -> None:
        """Send the next chunk where one is due.

        Args:
            now_s: Monotonic time.
        """
        if now_s < self._due_s or not (self._serving or self._waiting):
            return
        if not self._is_connected():
            self._stall(now_s, _RETRY_S)
            return
        if self._last is not None and self._is_waiting(self._last):
            self._stall(now_s, _LOOK_S)
            return
        self._stalled_s = 0.0
        if not self._serving:
            self._begin(self._waiting.popleft())
            return
        try:
            self._send(next(self._current), now_s)
        except StopIteration:
            self._serving = False
        except OSError as error:
            self._serving = False
            self._counters.add("evidence_not_read")
            _log.error("evidence not read", error=str(error))

    def _begin(self, name: str) -> None:
        try:
            found = self._store.find(name)
        except OSError as error:
            self._counters.add("evidence_not_read")
            _log.error("evidence not read", error=str(error))
            return
        if not found:
            self._refuse(name, UNKNOWN_ID)
            return
        self._current, self._serving = chunks_of(found[0]), True

    def _send(self, payload: bytes, now_s: float) -> None:
        self._last = self._message(payload)
        self._publish(self._last)
        self._counters.add("evidence_chunks_sent")
        self._due_s = now_s + len(payload) / self._rate

    def _refuse(self, name: str, reason: str) -> None:
        self._counters.add(f"evidence_requests_refused.{reason}")
        if self._is_connected():
            self._publish(self._message(encode_refusal(agent=self._agent, run=self._run, name=name, error=reason)))

    def _message(self, payload: bytes) -> Publication:
        # Whoever asked asks again after a restart: on disk it would wear it, and come without the rest.
        return Publication(
            topic=self._topic, payload=payload, expiry_s=self.expiry_s, grade=Grade.TELEMETRY, keep=False
        )

    def _stall(self, now_s: float, retry_s: float) -> None:
        self._due_s = now_s + retry_s
        self._stalled_s += retry_s
        if self._stalled_s > _GIVE_UP_S:
            self._counters.add("evidence_requests_abandoned", len(self._waiting) + self._serving)
            self._waiting.clear()
            self._serving, self._stalled_s = False, 0.0
