"""How long the link waits for what. docs/reference/link.md argues from these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTiming:
    """Waits and limits of the link, all in seconds.

    Attributes:
        connect_timeout_s: For a TCP connection, and once more for the TLS handshake.
        handshake_timeout_s: From the socket's opening to the broker's answers to CONNECT and SUBSCRIBE.
        acknowledge_timeout_s: A broker that acknowledges nothing for so long is stuck: a new connection may free it.
        probe_timeout_s: From the broker's acknowledgement of a probe to its echo.
        first_backoff_s: Before the second attempt; each further wait is twice as long.
        longest_backoff_s: The longest of them. Of each, half is at random.
        taken_over_backoff_s: After another client has come with our client id.
        stable_s: A connection that stood so long was good: the next attempt follows ``first_backoff_s`` later.
        tick_s: Longest time between two looks at the clock.
    """

    connect_timeout_s: float = 5.0
    handshake_timeout_s: float = 10.0
    acknowledge_timeout_s: float = 20.0
    probe_timeout_s: float = 10.0
    first_backoff_s: float = 0.5
    longest_backoff_s: float = 10.0
    taken_over_backoff_s: float = 30.0
    stable_s: float = 10.0
    tick_s: float = 1.0

    @property
    def longest_block_s(self) -> float:
        """How long an attempt may hold the link's thread, which cannot be interrupted then."""
        return 2.0 * self.connect_timeout_s
