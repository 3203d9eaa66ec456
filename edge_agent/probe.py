"""The probe: a message of the link to itself, through the broker and back. No I/O.

A connection may stand, answer pings and take results while no frame comes any more, because the broker has lost our
subscriptions. Only a message that goes the frames' way tells.
"""

from __future__ import annotations

import secrets
from typing import Final

import structlog

NONE: Final = ""
WAITING: Final = "waiting"
OK: Final = "ok"
SILENT: Final = "silent"
REFUSED: Final = "refused"

_UNPROVEN = 2
"""So many probes lost before any came back, and it is the broker's rules that keep them."""
_CUT_CONNECTIONS = 3
"""So many connections ended by the broker at the first probe: some hang up on what they do not allow."""
_REST_S = 3_600.0
"""So long without probes then: it may have been the network that ended them, and rules are corrected."""
_LONGEST_WAIT = 6.0
"""Timeouts after which a probe is lost, however much else comes meanwhile."""
_NO_NUMBER = -1
_NEVER_S = float("inf")

_log = structlog.get_logger(__name__)


class Probe:
    """Decides when to probe, and what it means when a probe does not come back.

    The clock runs from the broker's acknowledgement of a probe, so that the results before it in the queue do not
    count, and begins again with every message that comes, so that the frames before it do not count either.

    Args:
        interval_s: Time between two probes.
        timeout_s: Time after which a probe is lost when nothing else comes.

    Attributes:
        interval_s: Time between two probes.
        state: ``waiting`` for the connection's first echo, ``ok``, ``silent``, ``refused``, or empty while there is no
            connection.
        failures: Connections that were found silent.
        round_trip_ms: How long the last probe took that came back; 0 before the first.
        reason: Why the probe is refused.
    """

    def __init__(self, *, interval_s: float, timeout_s: float) -> None:
        self.interval_s = interval_s
        self._timeout_s = timeout_s
        self._ever_echoed = False
        self._n_unproven = 0
        self._n_cut = 0
        self._off_s = _NEVER_S
        self._warned = False
        self.state = NONE
        self.failures = 0
        self.round_trip_ms = 0.0
        self.reason = ""
        self._forget()

    @property
    def number(self) -> int:
        """Packet number of the probe that the broker has not acknowledged yet; negative where there is none."""
        return self._number

    @property
    def in_flight(self) -> int:
        """Probes that the broker has not acknowledged yet: 0 or 1."""
        return int(self._number != _NO_NUMBER)

    def begin(self, now_s: float) -> bool:
        """A connection stands; whether its probe's topic should be subscribed to."""
        self._forget()
        if self._off_s != _NEVER_S and not self.is_rested(now_s):
            self._suspect("the broker hangs up at the first probe")
            return False
        # Cut once more, it is off for as long again.
        self._off_s = _NEVER_S
        self.state = WAITING
        self._next_s = self._begun_s = now_s
        return True

    def is_rested(self, now_s: float) -> bool:
        """Whether there were none for so long that it is time to ``begin`` again, on a connection that stands, too."""
        return now_s - self._off_s > _REST_S

    def end(self, now_s: float, *, hung_up: bool) -> None:
        """The connection is gone; ``hung_up`` where the other side ended it."""
        if now_s - self._begun_s > self._timeout_s:
            # Not at the probe, then.
            self._n_cut = 0
        elif hung_up and self._token and self.state == WAITING and not self._ever_echoed:
            self._n_cut += 1
            if self._n_cut >= _CUT_CONNECTIONS:
                self._off_s = now_s
        self.state = NONE
        self._forget()

    def refuse(self, reason: str) -> None:
        """The broker lets no probe pass: there are none on this connection any more."""
        self._forget()
        self._suspect(reason)

    def is_due(self, now_s: float) -> bool:
        """Whether to send one now."""
        return not self._token and not self.in_flight and now_s >= self._next_s

    def token(self) -> bytes:
        """A payload for the next probe, unlike any before it."""
        self._token = secrets.token_bytes(8)
        return self._token

    def sent(self, number: int, now_s: float) -> None:
        """The probe is on its way as packet ``number``."""
        self._number, self._sent_s = number, now_s

    def acknowledged(self, now_s: float) -> None:
        """The broker has the probe."""
        self._number = _NO_NUMBER
        if self._token:
            self._acknowledged_s = self._alive_s = now_s

    def heard(self, at_s: float) -> None:
        """Another message, or a part of one, came at ``at_s``."""
        if self._acknowledged_s != _NEVER_S:
            self._alive_s = max(self._alive_s, at_s)

    def echo(self, token: bytes, now_s: float) -> bool:
        """A probe has come back; whether it is the one that is out, and not an older one."""
        if not self._token or token != self._token:
            return False
        self.round_trip_ms = (now_s - self._sent_s) * 1e3
        self.state, self.reason = OK, ""
        self._ever_echoed = True
        self._n_unproven = self._n_cut = 0
        self._give_up()
        return True

    def is_silent(self, now_s: float) -> bool:
        """Whether the connection has to be rebuilt: the probe is lost, and so are the frames, for all one can tell.

        Frames pass where they come meanwhile. And where no probe has ever come back, it is the broker's rules that
        keep them: the state says ``refused`` then, and probes go on in case it changes.
        """
        quiet = now_s - self._alive_s > self._timeout_s
        if not quiet and now_s - self._acknowledged_s <= _LONGEST_WAIT * self._timeout_s:
            return False
        self._give_up()
        if not self._ever_echoed:
            self._n_unproven += 1
            if self._n_unproven >= _UNPROVEN:
                self._suspect("no probe has ever come back")
                return False
        if not quiet:
            return False
        self.failures += 1
        self.state = SILENT
        return True

    def _suspect(self, reason: str) -> None:
        self.state, self.reason = REFUSED, reason
        if not self._warned:
            self._warned = True
            _log.warning("probe refused", reason=reason, advice="allow the agent to publish and read topics.probe")

    def _give_up(self) -> None:
        self._token = b""
        self._next_s = self._sent_s + self.interval_s
        self._acknowledged_s = self._alive_s = _NEVER_S

    def _forget(self) -> None:
        self._token = b""
        self._number = _NO_NUMBER
        self._sent_s = self._acknowledged_s = self._alive_s = self._next_s = self._begun_s = _NEVER_S
