"""The port and the textfile: real sockets, real files, clients of all manners."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.config import AgentConfig
from edge_agent.errors import ConfigError
from edge_agent.health import Counters, Health
from edge_agent.metrics_config import MetricsSection
from edge_agent.metrics_outlets import MetricsOutlets
from edge_agent.metrics_port import MetricsPort, Page

WAIT_S = 30.0


def page(**changes: Any) -> Page:
    """A page of an agent that is well."""
    facts: dict[str, Any] = {"text": "x 1\n", "health": "ok", "reasons": (), "made_s": 100.0, "interval_s": 10.0}
    return Page(**{**facts, **changes})


class Served:
    """A port with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.5
        self.port = MetricsPort(("127.0.0.1", 0), page(), lambda: self.now_s)

    def get(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        """Status, content type and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port.port, timeout=WAIT_S)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port.port), timeout=WAIT_S)


@pytest.fixture
def served() -> Iterator[Served]:
    """A port that is open."""
    served = Served()
    yield served
    served.port.close()


def test_metrics(served: Served) -> None:
    """The page, and its age at this moment."""
    status, content_type, body = served.get("/metrics?name[]=x")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = {family.name: family.samples[0].value for family in text_string_to_metric_families(body.decode())}
    assert samples == {"x": 1, "edge_agent_report_age_seconds": 0.5}


@pytest.mark.parametrize(
    ("changes", "now_s", "status"),
    [
        ({}, 100.5, 200),
        ({"health": "degraded", "reasons": ("link_down",)}, 100.5, 200),
        ({"health": "failing", "reasons": ("worker_stuck",)}, 100.5, 503),
        ({}, 130.0, 200),
        ({}, 130.5, 503),
    ],
)
def test_health(served: Served, changes: dict[str, Any], now_s: float, status: int) -> None:
    """Well, unless the agent says that it fails or has said nothing for three intervals."""
    served.port.page, served.now_s = page(**changes), now_s
    got, content_type, body = served.get("/healthz")
    assert (got, content_type) == (status, "application/json")
    assert json.loads(body) == {
        "health": changes.get("health", "ok"), "reasons": list(changes.get("reasons", ())), "age_s": now_s - 100.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("GET", "/../etc/passwd", 404), ("POST", "/metrics", 501),
     ("HEAD", "/metrics", 501), ("DELETE", "/healthz", 501)],
)  # fmt: skip
def test_nothing_else(served: Served, method: str, path: str, status: int) -> None:
    """There are two things to get, and nothing to do."""
    assert served.get(path, method)[0] == status


@pytest.mark.parametrize("request_head", [b"GET /metrics HTTP/1.1\r\n", b"\x16\x03\x01\x00" * 100, b"x" * 100_000])
def test_client_that_does_not_finish(served: Served, request_head: bytes) -> None:
    """A client that is slow, or speaks something else, is hung up on, and the next one is served."""
    with served.connect() as slow:
        slow.sendall(request_head)
        assert served.get("/metrics")[0] == 200


def test_trickle(served: Served) -> None:
    """A byte now and then does not keep the door: the time is for the whole request."""
    ended = threading.Event()

    def trickle() -> None:
        with served.connect() as slow:
            try:
                while True:
                    slow.sendall(b"X")
                    time.sleep(0.1)
            except OSError:
                ended.set()

    thread = threading.Thread(target=trickle)
    thread.start()
    assert served.get("/metrics")[0] == 200
    assert ended.wait(WAIT_S)
    thread.join()


def test_client_that_does_not_read(served: Served) -> None:
    """An answer that nobody takes is given up."""
    served.port.page = page(text="x 1\n" * 4_000_000)
    with served.connect() as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert served.get("/healthz")[0] == 200


def test_close() -> None:
    """After closing, the thread is gone and the port is free at once."""
    served = Served()
    port = served.port.port
    assert served.get("/metrics")[0] == 200
    served.port.close()
    assert "metrics" not in {thread.name for thread in threading.enumerate()}
    MetricsPort(("127.0.0.1", port), page()).close()


def test_ipv6() -> None:
    """The loopback address of IPv6 works, too."""
    try:
        port = MetricsPort(("::1", 0), page())
    except OSError:
        pytest.skip("this machine has no IPv6")
    with socket.create_connection(("::1", port.port), timeout=WAIT_S) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.recv(4_096).startswith(b"HTTP/1.0 ")
    port.close()


@pytest.fixture
def document(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> dict[str, Any]:
    """A status document."""
    return make_health(make_config()).document({})


def test_off_by_default(document: dict[str, Any]) -> None:
    """Nobody asked: no thread, no file, no work."""
    threads, counters = threading.active_count(), Counters()
    outlets = MetricsOutlets(MetricsSection(), counters)
    outlets.give(document, ())
    assert (threading.active_count(), outlets._ports, counters.snapshot()) == (threads, [], {})


def test_textfile(document: dict[str, Any], tmp_path: Path) -> None:
    """The file is replaced whole, readable for another user, and nothing else is left."""
    path = tmp_path / "edge-agent.prom"
    outlets = MetricsOutlets(MetricsSection(textfile=path), Counters())
    before = os.umask(0o077)  # as the unit has it
    try:
        for _ in range(2):
            outlets.give(document, ())
    finally:
        os.umask(before)
    assert [each.name for each in tmp_path.iterdir()] == ["edge-agent.prom"]
    assert path.stat().st_mode & 0o777 == 0o644
    names = [family.name for family in text_string_to_metric_families(path.read_text())]
    assert "edge_agent_info" in names


def test_trouble_is_counted(document: dict[str, Any], tmp_path: Path, log_lines: list[Any]) -> None:
    """A folder that is not there and a port that is taken are counted at every try, and logged once each."""
    counters = Counters()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        outlets = MetricsOutlets(MetricsSection(listen=listen, textfile=tmp_path / "none" / "x.prom"), counters)
        for _ in range(2):
            outlets.give(document, ())
    assert counters.snapshot() == {"metrics_not_given.port": 2, "metrics_not_given.textfile": 2}
    assert [line["where"] for line in log_lines] == ["port", "textfile"]
    outlets.give(document, ())
    assert len(outlets._ports) == 1
    outlets.close()


def test_other_address(document: dict[str, Any], tmp_path: Path) -> None:
    """After a reload the old port is free and the new one is served; a textfile alone leaves the port open."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    outlets = MetricsOutlets(MetricsSection(listen=f"127.0.0.1:{ports[0]}"), Counters())
    for section, opened in (
        (MetricsSection(listen=f"127.0.0.1:{ports[0]}"), [ports[0]]),
        (MetricsSection(listen=f"127.0.0.1:{ports[0]}", textfile=tmp_path / "x.prom"), [ports[0]]),
        (MetricsSection(listen=f"127.0.0.1:{ports[1]}"), [ports[1]]),
        (MetricsSection(), []),
    ):
        outlets.reconfigure(section)
        outlets.give(document, ())
        assert [port.port for port in outlets._ports] == opened
    MetricsPort(("127.0.0.1", ports[0]), page()).close()


ADDRESSES: list[tuple[str, tuple[str, int]]] = [
    ("127.0.0.1:9464", ("127.0.0.1", 9464)),
    ("[::1]:1", ("::1", 1)),
    ("0.0.0.0:65535", ("0.0.0.0", 65_535)),  # noqa: S104 - a value of a config
]


@pytest.mark.parametrize(("listen", "address"), ADDRESSES)
def test_address(listen: str, address: tuple[str, int]) -> None:
    """An address in numbers, and a port."""
    assert MetricsSection(listen=listen).address == address


@pytest.mark.parametrize(
    "listen", ["9464", ":9464", "localhost:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "1.2.3.4:65536", "x:y"]
)
def test_wrong_address(listen: str) -> None:
    """Anything else is refused with the key and an example."""
    with pytest.raises(ConfigError, match=r"^metrics\.listen: expected an address and a port, got .*; write"):
        MetricsSection(listen=listen)
