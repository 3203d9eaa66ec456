"""docs/how-to/tls.md: its commands, run as they stand under another root, give a link over TLS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.config import AgentConfig, parse_config
from edge_agent.home_assistant_documents import agent_device, discovery_topic, engine_device
from edge_agent.topics import TopicTemplate
from tests.conftest import ROOT, Broker, wait_until
from tests.faults.ends import QUICK, Ends

PAGE = ROOT / "docs" / "how-to" / "tls.md"


def blocks(language: str, root: Path) -> list[str]:
    """The page's blocks of one language, their ``/etc`` moved below ``root``."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [block.replace("/etc/", f"{root}/") for block in found]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="the page's commands give files to mosquitto's group: root")
def test_page(stopped_broker: Broker, tmp_path: Path) -> None:
    """Authority, certificates, rules and both configs; then the certificate is renewed under the running link."""
    *commands, renewal = blocks("sh", tmp_path)
    run("\n".join(commands))
    (own,) = (each for each in commands if "edge-1.csr" in each)
    run(own.replace("edge-1", "home-assistant"))
    (settings,) = blocks("conf", tmp_path)
    stopped_broker.start(*(line for line in settings.splitlines() if not line.startswith("listener")))
    (table,) = blocks("toml", tmp_path)
    document = {
        "agent": {"id": "edge-1", "fleet": "test"},
        "bundle": {"path": "none", "keys": ["none"]},
        "interop": {"home_assistant": "homeassistant"},
    }
    broker = tomllib.loads(table)["broker"]
    assert parse_config({**document, "broker": broker}, folder=tmp_path).broker.port == 8883
    config = parse_config({**document, "broker": {**broker, "port": stopped_broker.port}}, folder=tmp_path)
    ends = Ends(config, QUICK)
    ends.link.start()
    try:
        state = ends.wait_for_up()
        assert (state.tls, state.error) == ("TLSv1.3", "")
        wait_until(lambda: ends.link.state.probe == "ok", "the probe to come back through the page's rules")
        assert refused_topics(config, tmp_path) == []
        kept = {topic for topic in written_topics(config) if is_kept(topic)}
        assert heard_topics(config, tmp_path) == kept
        run(renewal)
        stopped_broker.kill()
        stopped_broker.start(*(line for line in settings.splitlines() if not line.startswith("listener")))
        assert ends.wait_for_up().connections == 2
    finally:
        ends.link.stop(0.0)


def written_topics(config: AgentConfig) -> list[str]:
    """Every topic that an agent writes by default, for some engine, and where Home Assistant is told."""
    inputs = {"input", "thin_edge_health"}
    templates = [getattr(config.topics, each.name) for each in fields(config.topics) if each.name not in inputs]
    own = [TopicTemplate(text).fill(aircraft="OO-ABC", engine="1", agent="edge-1") for text in templates]
    devices = (agent_device(config), engine_device(config, "OO-ABC", "1", 30))
    return own + [discovery_topic(config, own_id) for own_id, _ in devices]


def is_kept(topic: str) -> bool:
    """Whether Home Assistant reads it: announcements, states of engines and the status of the agent, all retained."""
    return topic.endswith(("/config", "/state", "/status"))


def refused_topics(config: AgentConfig, root: Path) -> list[str]:
    """The topics of an agent that the broker does not take from whoever has its certificate."""
    answers: dict[int, bool] = {}
    with client_of("edge-1", config, root) as client:
        client.on_publish = lambda _client, _data, number, reason, _more: answers.update({number: reason.is_failure})
        numbers = {
            topic: client.publish(topic, b"{}", qos=1, retain=is_kept(topic)).mid for topic in written_topics(config)
        }
        wait_until(lambda: len(answers) == len(numbers), "the broker's answers")
    return [topic for topic, number in numbers.items() if answers[number]]


def heard_topics(config: AgentConfig, root: Path) -> set[str]:
    """Which of these topics Home Assistant's certificate lets it read; it says itself that it is there."""
    heard: set[str] = set()
    said = f"{config.interop.home_assistant}/status"
    with client_of("home-assistant", config, root) as client:
        client.on_message = lambda _client, _data, message: heard.add(message.topic)
        client.subscribe("#", qos=1)
        client.publish(said, b"online", qos=1)
        wait_until(lambda: said in heard, "its own message")
    return heard - {said}


@contextmanager
def client_of(name: str, config: AgentConfig, root: Path) -> Iterator[Client]:
    """A connected client with the certificate of that name."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=name + "-rules", protocol=MQTTProtocolVersion.MQTTv5)
    folder = root / "edge-agent" / "tls"
    client.tls_set(str(folder / "ca.pem"), str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    client.connect("localhost", config.broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def run(commands: str) -> None:
    """Run shell commands; the first that fails ends it."""
    done = subprocess.run(["sh", "-e", "-c", commands], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
