"""The config of a bridge: what is wrong is named with its field."""

from __future__ import annotations

import sys

import pytest
import yaml

from edge_agent.errors import ConfigError as AgentConfigError
from ground.bridge.command import sparkplug
from ground.bridge.config import load_bridge
from ground.errors import ConfigError

INPUT = {
    "node": "gateway", "device": "pump", "aircraft": "plant", "engine": "p1", "rate_hz": 1000, "unit": "g",
    "channels": {"acc_1": "vibration/x"},
}  # fmt: skip


def written(folder, document):
    """A config file."""
    path = folder / "bridge.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_paths_start_at_the_folder_of_the_file(tmp_path):
    """Wherever the command runs."""
    document = {"group": "plant", "plant": {"ca": "ca.pem"}, "session_file": "session", "inputs": [INPUT]}
    config = load_bridge(written(tmp_path, document))
    assert config.plant.ca == tmp_path / "ca.pem"
    assert config.session_file == tmp_path / "session"
    assert config.agents.host == "localhost"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("group: [", "expected YAML"),
        ("", "bridge.yaml"),
        ({}, "group: expected a value"),
        ({"group": "a/b"}, "group: expected 1 to 128 characters"),
        ({"group": "g", "nodes": 1}, "nodes: expected a known key"),
        ({"group": "g", "outward": False}, "there is nothing to bridge"),
        ({"group": "g", "inputs": [INPUT, INPUT]}, "expected each node and device once"),
        ({"group": "g", "node": "gateway", "inputs": [INPUT]}, "expected another name"),
        ({"group": "g", "inputs": [{**INPUT, "unit": "furlong"}]}, "unit: expected one of"),
        ({"group": "g", "inputs": [{**INPUT, "rate_hz": 0}]}, "rate_hz"),
        ({"group": "g", "inputs": [{**INPUT, "channels": {}}]}, "channels"),
        ({"group": "g", "inputs": [{**INPUT, "speed_hz": {"n9": "x"}}]}, "speed_hz"),
        ({"group": "g", "inputs": [{**INPUT, "device": "a/b"}]}, "characters without"),
        ({"group": "g", "agents": {"port": 70000}}, "agents.port"),
        ({"group": "g", "silent_after_s": 0}, "silent_after_s"),
        (
            {"group": "g", "plant": {"certificate": "own.pem", "key": "own.key"}},
            "plant: ca: expected what vouches for the broker beside certificate, got nothing; add it",
        ),
        (
            {"group": "g", "agents": {"ca": "ca.pem", "key": "own.key"}},
            "agents: certificate: expected a certificate beside key, got nothing; add it",
        ),
    ],
)
def test_wrong_configs_are_refused(tmp_path, document, text):
    """Before anything connects."""
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")):
        load_bridge(written(tmp_path, document))


def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch):
    """The bridge is an extra."""
    monkeypatch.setitem(sys.modules, "ground.bridge.service", None)
    with pytest.raises(ConfigError, match=r"pip install .*'ground\[sparkplug\]'"):
        sparkplug(written(tmp_path, {"group": "plant"}))


@pytest.mark.parametrize(
    "topics", [{"result": "no/places"}, {"input": "aircraft/{aircraft}/x"}, {"input": "+/{aircraft}/{engine}"}]
)
def test_topics_that_are_none_are_refused(tmp_path, topics):
    """As those of an agent's config."""
    with pytest.raises(AgentConfigError, match=r"topics\.(result|input): expected"):
        load_bridge(written(tmp_path, {"group": "plant", "topics": topics}))


def test_a_missing_file_is_named(tmp_path):
    """With what to do."""
    with pytest.raises(ConfigError, match=r"gone\.yaml: expected a readable YAML file"):
        load_bridge(tmp_path / "gone.yaml")
