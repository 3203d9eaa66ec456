"""The check-up over several reports, the process's own gauges, and the messages made of them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge_agent.checkup import Checkup
from edge_agent.config import AgentConfig
from edge_agent.config_reload import ConfigState
from edge_agent.health import ONLINE, STOPPED_REASONS, VANISHED, Health, offline
from edge_agent.heard import Heard
from edge_agent.link_state import LinkState
from edge_agent.process_gauges import UNKNOWN_BYTES, free_bytes, read_process
from edge_agent.status_messages import LONGEST_WILL, status_message, status_messages, will_message
from edge_agent.verdict import DEGRADED, FAILING, Verdict, advice_on

THIN_EDGE = "te/device/main/service/edge-agent/status/health"
MIB = 1024 * 1024


class Bench:
    """A check-up whose clock and worker are set by hand."""

    def __init__(self, config: AgentConfig, health: Health) -> None:
        self.now_s = 1_000.0
        self.turn_age_s = 0.0
        self.health = health
        heard = Heard((), lambda: 0)
        self.checkup = Checkup(config, health, heard, lambda: self.turn_age_s, now_s=lambda: self.now_s)

    def after(self, seconds: float, **gauges: int) -> set[str]:
        """The reasons at a report so much later; the clock of the machine under test is nobody's business."""
        self.now_s += seconds
        self.checkup.refresh(gauges)
        return set(self.health.verdict.reasons) - {"clock_unsynchronised", "disk_low"}


@pytest.fixture
def bench(make_config: Callable[..., AgentConfig], make_health: Callable[[AgentConfig], Health]) -> Bench:
    """A bench of an agent that reports every ten seconds."""
    config = make_config()
    return Bench(config, make_health(config))


def test_verdict_is_logged_when_it_changes(bench: Bench) -> None:
    """Each reason once, with what to do, however long it holds."""
    with capture_logs() as logs:
        bench.after(61)
        bench.after(10)
    told = [line for line in logs if line.get("reason") == "link_down"]
    assert [(line["log_level"], line["health"], line["todo"]) for line in told] == [
        ("warning", DEGRADED, advice_on("link_down"))
    ]


def test_link_has_its_grace(bench: Bench) -> None:
    """A link that is down counts from when it was last seen up, or from the start."""
    assert bench.after(59) == set()
    assert bench.after(2) == {"link_down"}
    bench.health.link = LinkState(connected=True)
    assert bench.after(1) == set()
    bench.health.link = LinkState(connected=False, error="gone")
    assert bench.after(59) == set()
    assert bench.after(2) == {"link_down"}


def test_refused_subscription(bench: Bench) -> None:
    """A link that stands with an error is one whose subscription was refused."""
    bench.health.link = LinkState(connected=True, error="broker refused the subscription to a/b")
    assert bench.after(1) == {"subscription_refused"}
    bench.health.link = LinkState(connected=True, probe="refused")
    assert bench.after(1) == {"probe_refused"}


def test_rejected_config(bench: Bench) -> None:
    """A config on disk that was refused is a trap for the next start: it degrades until it is put right."""
    bench.health.link = LinkState(connected=True)
    bench.health.config = ConfigState("2026-11-28T00:00:00.000+00:00", "broker.port: expected ...")
    assert bench.after(1) == {"config_rejected"}


def test_growth_is_remembered_for_an_interval(bench: Bench) -> None:
    """What was counted once is told for one interval to two, also where reports come in between, and then no more."""
    bench.health.link = LinkState(connected=True)
    assert bench.after(10) == set()
    bench.health.counters.add("deadline_missed")
    bench.health.counters.add("windows.normal", 9)
    assert bench.after(1) == {"deadline_missed"}
    assert bench.after(1) == {"deadline_missed"}
    assert bench.after(8) == {"deadline_missed"}
    assert bench.after(10) == set()
    assert bench.after(10, outbox_dropped=3) == {"results_lost"}


def test_stuck_worker(bench: Bench) -> None:
    """A worker that does not turn makes the agent fail, whatever else is well."""
    bench.health.link = LinkState(connected=True)
    bench.turn_age_s = 16.0
    assert bench.after(1) == {"worker_stuck"}
    assert bench.health.verdict.health == FAILING


def test_process(tmp_path: Path) -> None:
    """The gauges of this very process, held against what else is known of it."""
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    before = read_process(tmp_path)
    thread.start()
    with Path(os.devnull).open("rb"):
        now = read_process(tmp_path)
    waiting.set()
    thread.join()
    assert (now.threads - before.threads, now.open_fds - before.open_fds) == (1, 1)
    assert MIB < now.pss_bytes <= now.rss_bytes
    assert now.cpu_s >= before.cpu_s > 0.0
    assert now.uptime_s >= before.uptime_s > 0.0
    assert now.state_dir_free_bytes > 0
    assert free_bytes(tmp_path / "none") == UNKNOWN_BYTES


@pytest.fixture
def document(bench: Bench) -> dict[str, Any]:
    """The document of an agent that is online."""
    bench.health.state = ONLINE
    bench.health.link = LinkState(connected=True)
    bench.after(1)
    return bench.health.document({})


def test_document_tells_health(bench: Bench, document: dict[str, Any]) -> None:
    """The document carries verdict, process and engines, and is JSON."""
    bench.health.verdict, bench.health.heard_s = Verdict(DEGRADED, ("link_down",)), {"OO-ABC/1": 1.23456}
    document = json.loads(json.dumps(bench.health.document({})))
    assert (document["health"], document["health_reasons"]) == ("degraded", ["link_down"])
    assert document["heard_s"] == {"OO-ABC/1": 1.235}
    assert document["process"]["pss_bytes"] == bench.health.process.pss_bytes


@pytest.mark.parametrize("reason", STOPPED_REASONS)
def test_will_is_not_well(make_config: Callable[..., AgentConfig], document: dict[str, Any], reason: str) -> None:
    """What the broker says when we are gone, and what we say when we go, is failing, whatever was before."""
    message = status_message(make_config(), offline(document, reason))
    said = json.loads(message.payload)
    assert message.retain
    assert (said["state"], said["reason"], said["health"]) == ("offline", reason, "failing")
    assert said["health_reasons"] == [reason.replace(" ", "_")]


def test_will_is_as_long_as_mqtt_takes(make_config: Callable[..., AgentConfig], document: dict[str, Any]) -> None:
    """Whoever invents topics must not make a will that no CONNECT can carry; a short one is the whole status."""
    config = make_config()
    whole = {**document, "load": {"state": "normal", "shed": [], "dropped": {"t": 1}}}
    assert will_message(config, whole) == status_message(config, offline(whole, VANISHED))
    names = {f"{number:0512}": 1 for number in range(256)}
    invented = {
        **whole,
        "heard_s": names,
        "load": {**whole["load"], "dropped": names},
        "config": {"loaded": "t", "error": "x" * LONGEST_WILL},
    }
    message = will_message(config, invented)
    assert len(message.payload) <= LONGEST_WILL
    said = json.loads(message.payload)
    assert (said["heard_s"], said["load"]["dropped"], said["reason"]) == ({}, {}, VANISHED)
    assert said["bundle_id"] == document["bundle_id"]


def test_no_thin_edge_by_default(make_config: Callable[..., AgentConfig], document: dict[str, Any]) -> None:
    """Where it is not asked for, there is only our own status."""
    config = make_config()
    assert status_messages(config, document) == [status_message(config, document)]


@pytest.mark.parametrize(
    ("changes", "status", "expires"),
    [({}, "up", True), ({"health": "degraded"}, "up", True), ({"health": "failing"}, "down", False)],
)
def test_thin_edge(
    make_config: Callable[..., AgentConfig],
    document: dict[str, Any],
    changes: Any,
    status: str,
    expires: bool,  # noqa: FBT001
) -> None:
    """thin-edge.io's health: retained, up while the agent does what it is for, and an ``up`` does not outlive it."""
    config = make_config(topics={"thin_edge_health": THIN_EDGE}, agent={"status_interval_s": 10.0})
    message = status_messages(config, {**document, "health": "ok", **changes})[1]
    assert (message.topic, message.retain, message.expiry_s) == (THIN_EDGE, True, 30 if expires else 0)
    assert json.loads(message.payload) == {"pid": os.getpid(), "status": status, "time": document["updated"]}


def test_thin_edge_of_an_agent_that_stops(make_config: Callable[..., AgentConfig], document: dict[str, Any]) -> None:
    """A clean end is down, and stays so."""
    config = make_config(topics={"thin_edge_health": THIN_EDGE})
    message = status_messages(config, offline(document, "stopped"))[1]
    assert (json.loads(message.payload)["status"], message.expiry_s) == ("down", 0)
