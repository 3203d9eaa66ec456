"""Decisions of trust, from commands and a real agent to the ground: each line once, through kills and outages."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent import prove_child, slots
from edge_agent.audit_check import check_log
from edge_agent.audit_feed import SENT_FILE
from edge_agent.audit_files import AUDIT_FILE
from edge_agent.cli import main
from edge_agent.exit_code import ExitCode
from edge_agent.strict_json import canonical_json
from edge_agent.wire import encode_frame
from tests.conftest import wait_until

TRUST = "enginear/a1/trust"
STATUS = "enginear/a1/status"
INPUT = "aircraft/OO-ABC/engine/1/vibration"


class Ground:
    """Collects what a peer hears of trust."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.heard: list[dict[str, Any]] = []
        peer.subscribe(TRUST)

    def hear(self, *kinds: str) -> None:
        """The next messages are of these kinds, in this order."""
        for kind in kinds:
            self.heard.append(json.loads(self.peer.next_where(lambda message: message.topic == TRUST).payload))
            assert self.heard[-1]["record"]["kind"] == kind, self.heard[-1]

    def log(self) -> bytes:
        """The agent's log, rebuilt from what was heard."""
        return b"".join(canonical_json(each["record"]) + b"\n" for each in self.heard)


@pytest.fixture
def agent(broker: Any, releases: Any, make_agent: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An agent with slots, in which a bundle is soon proven; golden vectors are reproduced here, without a child."""
    monkeypatch.setattr(slots, "prove_in_child", lambda members, **_: prove_child._prove(members))
    made = make_agent(broker.port, bundle=releases[0])
    text = made.config.read_text()
    text = text.replace(f"path = '{releases[0].path}'", "slots = true\nprobation_windows = 1\nprobation_minutes = 0.0")
    made.config.write_text(text)
    return made


def bundle(agent: Any, *arguments: object) -> int:
    """``edge-agent bundle``."""
    return main(["bundle", *map(str, arguments), "--config", str(agent.config)])


def install_and_activate(agent: Any, release: Any) -> None:
    """Put a bundle on trial."""
    assert bundle(agent, "install", release.path) == ExitCode.OK
    listing = (agent.state_dir / "bundles").glob("*.bundle")
    [digest] = [path.stem for path in listing if path.read_bytes() == release.path.read_bytes()]
    assert bundle(agent, "activate", digest) == ExitCode.OK


def is_told(agent: Any) -> bool:
    """Whether the agent remembers that all of its log is safe."""
    sent: Path = agent.state_dir / SENT_FILE
    return sent.exists() and sent.read_text().strip() == str(check_log(agent.state_dir).head)


def test_the_ground_hears_every_decision_once(
    agent: Any, broker: Any, peer_of: Callable[[Any], Any], releases: Any, development_bundle: Any
) -> None:
    """Before a start, by another process meanwhile, while the broker is away, and before a kill."""
    ground = Ground(peer_of(broker))
    install_and_activate(agent, releases[0])
    agent.start()
    agent.notified(b"READY=1")
    ground.hear("installed", "activated", "keys_changed", "probation_began")
    for frame in releases[0].frames(3.0):
        ground.peer.publish(INPUT, encode_frame(frame))
    ground.hear("marked_good")
    # The command does not wait for the agent, which holds the state folder as long as it lives.
    assert bundle(agent, "install", development_bundle.path) == ExitCode.BUNDLE_REFUSED
    ground.hear("refused")
    assert ground.heard[-1]["record"]["reason"] == "development_not_allowed"
    wait_until(lambda: agent.status()["slots"]["stage"] == "good" and is_told(agent), "the agent to be sure")
    status = agent.status()
    assert status["audit_head"] == f"5:{ground.heard[-1]['hash']}"
    assert (status["slots"]["mark"], status["counters"]["trust.refused"]) == (1, 1)
    broker.kill()
    install_and_activate(agent, releases[1])
    wait_until(lambda: is_told(agent), "the journal to have them")
    agent.process.send_signal(signal.SIGKILL)
    agent.process.wait()
    broker.start()
    ground.peer = peer_of(broker)
    ground.peer.subscribe(TRUST)
    agent.start()
    agent.notified(b"READY=1")
    three = [json.loads(ground.peer.next_where(lambda message: message.topic == TRUST).payload) for _ in range(3)]
    # Two come out of the journal, and one is live.
    ground.heard += sorted(three, key=lambda each: int(each["record"]["seq"]))
    assert sorted(each["record"]["kind"] for each in three) == ["activated", "installed", "probation_began"]
    assert ground.log() == (agent.state_dir / AUDIT_FILE).read_bytes()
    wait_until(lambda: is_told(agent), "the agent to be sure")
    assert agent.stop() == 0
    head = agent.status()["audit_head"]
    assert main(["audit", "verify", "--head", head, "--config", str(agent.config)]) == ExitCode.OK
    assert [line["event"] for line in agent.log_lines() if "audit" in line["event"]] == []


def test_expired_bundle_runs_on_and_says_so(broker: Any, peer: Any, make_agent: Callable[..., Any]) -> None:
    """At run time: the day goes by, the agent goes on, degraded, and the ground hears of it."""
    peer.subscribe(TRUST)
    agent = make_agent(broker.port)
    script = agent.folder / "late.py"
    script.write_text(LATE)
    agent.start(sys.executable, str(script), str(agent.folder / "late"))
    agent.notified(b"READY=1")
    assert agent.status()["health_reasons"] in ([], ["clock_unsynchronised"])
    (agent.folder / "late").touch()
    kinds = [json.loads(peer.next().payload)["record"]["kind"] for _ in range(3)]
    assert kinds == ["keys_changed", "activated", "expired"]
    wait_until(lambda: "bundle_expired" in agent.status()["health_reasons"], "the alarm")
    assert agent.status()["state"] == "online"
    assert agent.stop() == 0


LATE = """\
import runpy, sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from edge_agent import health, trust_desk

mark = Path(sys.argv[1])
real = health.Identity.of
health.Identity.of = lambda *a, **k: replace(real(*a, **k), expires="2026-11-28")
trust_desk.today = lambda: date(2026, 11, 29 if mark.exists() else 28)
sys.argv = sys.argv[3:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
