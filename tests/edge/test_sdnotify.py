"""sd_notify against a real datagram socket, by path and by abstract name."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.sdnotify import Heartbeat, Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as systemd opens it, and its name as it stands in the environment."""
    abstract = f"enginear-{os.getpid()}-{tmp_path.name}"
    name = str(tmp_path / "notify") if request.param == "path" else f"@{abstract}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind(name if request.param == "path" else f"\0{abstract}")
        yield receiver, name


def test_messages(manager: tuple[socket.socket, str]) -> None:
    """Each call is one datagram of assignments, as sd_notify(3) has it."""
    receiver, name = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": name})
    assert notifier.loading("loading x.bundle")
    assert receiver.recv(1024) == b"STATUS=loading x.bundle\nEXTEND_TIMEOUT_USEC=60000000"
    assert notifier.loading("loading the shadow", 0.5)
    assert receiver.recv(1024) == b"STATUS=loading the shadow\nEXTEND_TIMEOUT_USEC=500000"
    assert notifier.ready("waiting for frames")
    assert receiver.recv(1024) == b"READY=1\nSTATUS=waiting for frames"
    assert notifier.status("busy")
    assert receiver.recv(1024) == b"STATUS=busy"
    assert notifier.watchdog()
    assert receiver.recv(1024) == b"WATCHDOG=1"
    assert notifier.stopping()
    assert receiver.recv(1024) == b"STOPPING=1"


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a manager, or with one that is gone, nothing happens."""
    assert not Notifier.from_environment({}).ready("")
    assert not Notifier(str(tmp_path / "gone")).ready("")


def test_manager_that_does_not_read(manager: tuple[socket.socket, str]) -> None:
    """A full queue of a manager that hangs does not make the agent wait."""
    _, name = manager
    notifier = Notifier(name)
    sent = [notifier.watchdog() for _ in range(5_000)]
    assert not all(sent)


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_watchdog_timeout(environment: dict[str, str], watchdog_s: float) -> None:
    """The timeout is ours only where the process id is ours, or not said."""
    assert Notifier.from_environment(environment).watchdog_s == watchdog_s


def test_heartbeat_is_one_an_interval(manager: tuple[socket.socket, str]) -> None:
    """Many turns within an interval are one sign of life."""
    receiver, name = manager
    heartbeat = Heartbeat(Notifier(name, watchdog_s=4e6))
    for _ in range(100):
        heartbeat.beat()
    assert heartbeat.interval_s == 1e6
    assert receiver.recv(1024) == b"WATCHDOG=1"
    with pytest.raises(BlockingIOError):
        receiver.recv(1024)


def test_age_of_the_last_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The age counts from the last turn, also where nobody listens."""
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    heartbeat = Heartbeat(Notifier())
    now_s[0] = 107.0
    assert heartbeat.age_s == 7.0
    heartbeat.beat()
    now_s[0] = 109.0
    assert heartbeat.age_s == 2.0


def test_no_watchdog_no_beat(manager: tuple[socket.socket, str]) -> None:
    """Without a timeout nothing is sent."""
    receiver, name = manager
    Heartbeat(Notifier(name)).beat()
    with pytest.raises(BlockingIOError):
        receiver.recv(1024)
