"""A broker in a network namespace of its own: the way to it can lose packets, or all of them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import MOSQUITTO, Peer, wait_until

_LINK_PORT = 1883
_PEER_PORT = 1884


class FarBroker:
    """A mosquitto behind a pair of virtual Ethernet ports; its second port is the tests' own, and never harmed.

    Args:
        folder: For its configuration.
    """

    def __init__(self, folder: Path) -> None:
        number = os.getpid() % 16_000
        self._name = f"far{number}"
        self._near = f"near{number}"
        net = f"10.231.{number // 64}.{number % 64 * 4}"
        base, last = net.rsplit(".", 1)
        self._ours, self.host = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        self.port = _LINK_PORT
        self._config = folder / "far.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the namespace and start mosquitto in it."""
        far = f"{self._name}e"
        _run("ip", "netns", "add", self._name)
        _run("ip", "link", "add", self._near, "type", "veth", "peer", "name", far)
        _run("ip", "link", "set", far, "netns", self._name)
        _run("ip", "address", "add", f"{self._ours}/30", "dev", self._near)
        _run("ip", "link", "set", self._near, "up")
        self._inside("ip", "address", "add", f"{self.host}/30", "dev", far)
        self._inside("ip", "link", "set", far, "up")
        self._inside("ip", "link", "set", "lo", "up")
        self._config.write_text(
            f"user root\nlistener {_LINK_PORT} {self.host}\nlistener {_PEER_PORT} {self.host}\nallow_anonymous true\n"
            "persistence false\nset_tcp_nodelay true\nlog_dest none\nmax_queued_messages 10000\n"
        )
        self._process = subprocess.Popen(["ip", "netns", "exec", self._name, MOSQUITTO, "-c", str(self._config)])
        wait_until(self._answers, "mosquitto to listen")

    def peer(self) -> Peer:
        """A client whose way is never harmed."""
        return Peer(_PEER_PORT, self.host)

    def lose(self, percent: int) -> None:
        """Lose so many of the packets between link and broker from now on, in each direction."""
        self.heal()
        share = [] if percent == 100 else ["numgen", "random", "mod", "100", "<", str(percent)]
        self._inside("nft", "add", "table", "inet", "loss")
        for hook, side in (("input", "dport"), ("output", "sport")):
            self._inside("nft", "add", "chain", "inet", "loss", hook, f"{{ type filter hook {hook} priority 0; }}")
            rule = ["tcp", side, str(_LINK_PORT), *share, "drop"]
            self._inside("nft", "add", "rule", "inet", "loss", hook, *rule)

    def heal(self) -> None:
        """Lose nothing any more."""
        self._inside("nft", "flush", "ruleset")

    def end(self) -> None:
        """Stop mosquitto and remove the namespace with its ports."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for command in (["ip", "link", "delete", self._near], ["ip", "netns", "delete", self._name]):
            with suppress(subprocess.CalledProcessError):
                _run(*command)

    def _inside(self, *command: str) -> None:
        _run("ip", "netns", "exec", self._name, *command)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.host, _PEER_PORT)) == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def far_broker(folder: Path) -> Iterator[FarBroker]:
    """A broker in a namespace; skips where this user or machine cannot have one."""
    for tool in ("ip", "nft"):
        if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin"):
            pytest.skip(f"{tool} is not installed (apt-get install iproute2 nftables)")
    if not MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    broker = FarBroker(folder)
    try:
        try:
            broker.start()
            broker.lose(10)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace with nftables here: {error.stderr.decode().strip()}")
        broker.heal()
        yield broker
    finally:
        broker.end()
