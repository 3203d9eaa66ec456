"""The link's watchdog: a connection on which nothing moves forward is ended, so that a new one may free it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.errors import LinkError

if TYPE_CHECKING:
    from edge_agent.link_timing import LinkTiming
    from edge_agent.probe import Probe

_NEVER_S = float("inf")


class LinkWatchdog:
    """Judges one connection by what comes back from the broker, never by what the socket takes.

    A socket takes hundreds of kilobytes for a broker that is frozen, and any amount for one that only reads.

    Args:
        timing: How long to wait for what.
        probe: Tells whether messages pass.
    """

    def __init__(self, timing: LinkTiming, probe: Probe) -> None:
        self._timing = timing
        self._probe = probe
        self._opened_s = self._progress_s = _NEVER_S

    def opened(self, now_s: float) -> None:
        """The socket is open: answers to CONNECT and SUBSCRIBE are due."""
        self._opened_s = now_s

    def answered(self) -> None:
        """They have come."""
        self._opened_s = _NEVER_S

    def progressed(self, now_s: float) -> None:
        """The broker has acknowledged something, or has nothing to acknowledge."""
        self._progress_s = now_s

    def check(self, now_s: float, *, unacknowledged: int) -> None:
        """Judge the connection.

        Args:
            now_s: Monotonic time.
            unacknowledged: Messages that the broker has not acknowledged.

        Raises:
            LinkError: The connection has to be rebuilt.
        """
        if now_s - self._opened_s > self._timing.handshake_timeout_s:
            raise LinkError(
                "no_answer",
                f"broker: expected an answer within {self._timing.handshake_timeout_s} s, got none; check broker.port",
            )
        if unacknowledged and now_s - self._progress_s > self._timing.acknowledge_timeout_s:
            raise LinkError(
                "not_acknowledged",
                f"broker: expected acknowledgements within {self._timing.acknowledge_timeout_s} s, got none; "
                "check the broker",
            )
        if self._probe.is_silent(now_s):
            raise LinkError(
                "silent",
                f"broker: expected our probe back within {self._timing.probe_timeout_s} s, got silence: "
                "connected but silent; see whether the broker has lost subscriptions",
            )
