"""Accounts: what is gathered about each engine over a flight, or an hour of it, and then told in one message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from edge_agent.frame import NS_PER_S
from edge_agent.per_engine import PerEngine

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.publication import Publication

LONGEST_NS: Final = 3_600 * NS_PER_S
"""An hour of the source's clock: what changes within days need not be told more often, and links cost."""

FLIGHT_ENDS: Final = "flight"
HOUR_FULL: Final = "hour"
AGENT_STOPS: Final = "stop"
BUNDLE_CHANGES: Final = "bundle"
EVICTED: Final = "evicted"

Content = TypeVar("Content")


@dataclass(slots=True)
class Period:
    """The stretch of one flight of one engine that one message tells of.

    Attributes:
        aircraft: Identity of the aircraft.
        engine: Identity of the engine.
        flight: Identity of the flight; empty before the first window.
        from_ns: Source time of the first window's first sample.
        to_ns: Source time just after the last window's last sample.
        bundle_id: The bundle that decided; empty before the first window.
        bundle_digest: Its sha256.
    """

    aircraft: str = ""
    engine: str = ""
    flight: str = ""
    from_ns: int = 0
    to_ns: int = 0
    bundle_id: str = ""
    bundle_digest: str = ""

    def end_before(self, window: Assessment, bundle_digest: str) -> str:
        """Why this period ends before ``window``; empty where it takes the window in.

        A clock that jumps ends it, too: of a period that ended before it began nobody could make anything.
        """
        if not self.flight:
            return ""
        if window.flight != self.flight:
            return FLIGHT_ENDS
        if bundle_digest != self.bundle_digest:
            return BUNDLE_CHANGES
        return "" if self.from_ns <= window.end_ns <= self.from_ns + LONGEST_NS else HOUR_FULL

    def take(self, window: Assessment, bundle: tuple[str, str]) -> None:
        """Take ``window`` in, of which ``bundle`` (its id and digest) has decided."""
        if not self.flight:
            self.aircraft, self.engine, self.flight = window.aircraft, window.engine, window.flight
            self.from_ns = window.start_ns
            self.bundle_id, self.bundle_digest = bundle
        self.to_ns = window.end_ns

    def to_document(self) -> dict[str, Any]:
        """The period as plain msgpack types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class _Account(Generic[Content]):
    content: Content
    period: Period = field(default_factory=Period)


class Accounts(Generic[Content]):
    """One account an engine, told when its flight ends, its hour is full, its bundle changes, or the agent stops.

    Args:
        make: Makes an empty content.
        tell: Makes messages of a period, its content and why it ended.
        limit: Most engines with an account.
    """

    def __init__(
        self,
        make: Callable[[], Content],
        tell: Callable[[Period, Content, str], list[Publication]],
        *,
        limit: int,
    ) -> None:
        self._make = make
        self._tell = tell
        self._accounts: PerEngine[_Account[Content]] = PerEngine(lambda: _Account(make()), limit=limit)

    def enter(self, window: Assessment, bundle: tuple[str, str]) -> tuple[Content, list[Publication]]:
        """Enter a window.

        Args:
            window: The window.
            bundle: Id and digest of the bundle that decided about it.

        Returns:
            The content of its engine's account, to be changed by the caller, and what is to be told of accounts that
            ended before it.
        """
        account = self._accounts.of(f"{window.aircraft}/{window.engine}")
        told = [each for gone in self._accounts.surplus() for each in self._told(gone, EVICTED)]
        cause = account.period.end_before(window, bundle[1])
        if cause:
            told += self._told(account, cause)
            account.content, account.period = self._make(), Period()
        account.period.take(window, bundle)
        return account.content, told

    def keep(self, limit: int) -> None:
        """Keep at most ``limit`` accounts from the next window on."""
        self._accounts.limit = limit

    def close(self) -> list[Publication]:
        """Tell of all that is left: the agent stops."""
        return [each for account in self._accounts for each in self._told(account, AGENT_STOPS)]

    def _told(self, account: _Account[Content], cause: str) -> list[Publication]:
        return self._tell(account.period, account.content, cause)
