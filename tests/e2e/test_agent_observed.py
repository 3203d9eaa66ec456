"""What operators see of a real agent: port, textfile, thin-edge.io's topic, and a watchdog that does not lie."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.wire import encode_frame

WAIT_S = 30.0
INPUT = "aircraft/OO-ABC/engine/1/vibration"
STATUS = "enginear/a1/status"
RESULT = "aircraft/OO-ABC/engine/1/result"
THIN_EDGE = "te/device/main/service/edge-agent/status/health"

STUCK = """\
import runpy, sys, threading
from pathlib import Path
from edge_agent import {module}

mark = Path(sys.argv[1])
real = {module}.{cls}.{method}

def stick(self, *arguments, **more):
    if mark.with_suffix(".now").exists():
        mark.touch()
        threading.Event().wait()
    return real(self, *arguments, **more)

{module}.{cls}.{method} = stick
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition on another process."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)
    return value


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels, as the official parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_port_and_textfile(broker: Any, peer: Any, make_agent: Any, small_bundle: Any, tmp_path: Path) -> None:
    """Port and textfile tell what the results told, the health is good, and both end with the agent."""
    agent, port, textfile = make_agent(broker.port), free_port(), tmp_path / "edge-agent.prom"
    agent.config.write_text(
        f"{agent.config.read_text()}[metrics]\nlisten = '127.0.0.1:{port}'\ntextfile = '{textfile}'\n"
    )
    agent.start()
    agent.notified(b"READY=1")
    peer.subscribe(RESULT)
    wait_until(lambda: agent.status()["link"]["connected"], "the link")
    for frame in small_bundle.frames(4.0):
        peer.publish(INPUT, encode_frame(frame))
    for _ in range(3):
        peer.next()
    wait_until(lambda: agent.status()["counters"].get("windows.normal") == 3, "three windows")
    for text in (fetch(port, "/metrics")[1], textfile.read_text()):
        samples = samples_of(text)
        assert samples["edge_agent_windows_total", (("state", "normal"),)] == 3
        assert samples["edge_agent_window_latency_seconds_count", ()] == 3
        assert ("edge_agent_engine_silence_seconds", (("engine", "OO-ABC/1"),)) in samples
        assert samples["edge_agent_process_proportional_memory_bytes", ()] > 0
    status, body = fetch(port, "/healthz")
    # The clock of the machine under test, and its load, are nobody's business here.
    assert (status, json.loads(body)["health"] in {"ok", "degraded"}) == (200, True)
    assert agent.stop() == 0
    assert not is_listening(port)
    assert samples_of(textfile.read_text())["edge_agent_state", (("state", "offline"),)] == 1


def test_thin_edge(broker: Any, peer: Any, make_agent: Any) -> None:
    """thin-edge.io sees the service come up and go down, retained for whoever asks later."""
    agent = make_agent(broker.port)
    agent.config.write_text(f"{agent.config.read_text()}[topics]\nthin_edge_health = '{THIN_EDGE}'\n")
    peer.subscribe(THIN_EDGE)
    agent.start()
    up = json.loads(peer.next().payload)
    assert (up["status"], up["pid"]) == ("up", agent.process.pid)
    assert agent.stop() == 0
    down = peer.next_where(lambda message: b'"down"' in message.payload)
    assert json.loads(down.payload)["pid"] == agent.process.pid
    peer.subscribe(THIN_EDGE)
    again = peer.next_where(lambda message: message.retain)
    assert json.loads(again.payload)["status"] == "down"


STUCK_IN: list[tuple[str, dict[str, str]]] = [
    ("the detector", {"module": "detector", "cls": "Detector", "method": "judge"}),
    ("an observer", {"module": "heard", "cls": "Heard", "method": "observe"}),
]


@pytest.mark.parametrize("place", [row[1] for row in STUCK_IN], ids=[row[0] for row in STUCK_IN])
def test_worker_that_is_stuck_starves_the_watchdog(
    broker: Any, peer: Any, make_agent: Any, small_bundle: Any, place: dict[str, str]
) -> None:
    """While the worker is stuck the main thread still reports, and that does not feed the watchdog."""
    agent = make_agent(broker.port)
    script, mark = agent.folder / "stuck.py", agent.folder / "stuck.mark"
    script.write_text(STUCK.format(**place))
    agent.start(sys.executable, str(script), str(mark))
    wait_until(lambda: (agent.state_dir / "status.json").exists() and agent.status()["link"]["connected"], "the link")
    first, second = small_bundle.frames(0.2)
    peer.publish(INPUT, encode_frame(first))
    assert agent.notified(b"WATCHDOG=1")
    mark.with_suffix(".now").touch()
    peer.publish(INPUT, encode_frame(second))
    wait_until(mark.exists, "the worker to be stuck")
    updated = agent.status()["updated"]
    agent.drain()
    # Two seconds of reports: the worker would have fed the watchdog four times.
    notified = [agent.notified(b"=") for _ in range(4)]
    assert {message.partition(b"=")[0] for message in notified} == {b"STATUS"}
    assert agent.status()["updated"] > updated
