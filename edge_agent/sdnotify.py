"""sd_notify(3): readiness, status and watchdog, told to systemd over its datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"

STEP_S = 60
"""Longest step of the start-up: to verify and prove one bundle, on a slow machine."""

_US_PER_S = 1_000_000
_FEEDS_PER_TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells systemd how the service is.

    Attributes:
        address: The socket, a path or an abstract name that starts with ``@``; empty where nobody listens.
        watchdog_s: Seconds without a sign of life after which systemd ends the service; 0 for never.
    """

    address: str = ""
    watchdog_s: float = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Notifier:
        """The notifier that systemd asks for in ``environment``."""
        usec = environment.get(WATCHDOG_USEC, "")
        ours = environment.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        return cls(environment.get(ADDRESS, ""), int(usec) / _US_PER_S if usec.isdigit() and ours else 0.0)

    def ready(self, status: str) -> bool:
        """Start-up is complete."""
        return self._send("READY=1", f"STATUS={status}")

    def loading(self, status: str, within_s: float = STEP_S) -> bool:
        """Start-up has come a step further: the next one may take so long from now before systemd gives up."""
        return self._send(f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={within_s * _US_PER_S:.0f}")

    def status(self, status: str) -> bool:
        """One line for ``systemctl status``."""
        return self._send(f"STATUS={status}")

    def reloading(self) -> bool:
        """The config is being read again; ``ready`` ends it."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def watchdog(self) -> bool:
        """A sign of life."""
        return self._send("WATCHDOG=1")

    def stopping(self) -> bool:
        """The end has begun."""
        return self._send("STOPPING=1")

    def _send(self, *assignments: str) -> bool:
        """Send; whether it was delivered. A manager that does not listen is no reason to stop the agent."""
        if not self.address:
            return False
        target = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto("\n".join(assignments).encode(), target)
        except OSError:
            return False
        return True


class Heartbeat:
    """Feeds the watchdog from the turns of the worker, and from nothing else: no turns, no food."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._due_s = 0.0
        self._turned_s = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._turned_s

    @property
    def interval_s(self) -> float:
        """Seconds within which the worker must turn; infinite without a watchdog."""
        return self._notifier.watchdog_s / _FEEDS_PER_TIMEOUT or float("inf")

    def beat(self) -> None:
        """Note a turn; passes on one sign of life an interval."""
        self._turned_s = now_s = time.monotonic()
        if self._notifier.watchdog_s and now_s >= self._due_s:
            self._notifier.watchdog()
            self._due_s = now_s + self.interval_s
