"""docs/how-to/sparkplug.md and home-assistant.md: their settings are read, and what they list is what there is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import pytest

from edge_agent.interop_section import InteropSection
from edge_agent.result import decode_result
from ground.bridge import inward, outward
from ground.bridge.config import BridgeConfig, load_bridge
from ground.bridge.outward import agent_metrics, engine_metrics
from tests.conftest import ROOT
from tests.ground.bridge.conftest import result

PAGE = (ROOT / "docs" / "how-to" / "sparkplug.md").read_text()
HOME = (ROOT / "docs" / "how-to" / "home-assistant.md").read_text()


def test_the_config_of_the_page_is_one(tmp_path):
    """As it stands."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "bridge.yaml").write_text(text)
    config = load_bridge(tmp_path / "bridge.yaml")
    assert config.inputs[0].channels == {"acc_1": "Vibration/X"}


def test_the_keys_of_the_page_are_all_there_are():
    """Of the top level."""
    rows = PAGE.split("| key | default |")[1].split("Paths start")[0]
    first = [row.split("|")[1] for row in rows.splitlines() if row.startswith("| `")]
    named = [name for cell in first for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(BridgeConfig.model_fields)


def test_the_metrics_of_the_page_are_those_of_an_engine():
    """By name."""
    rows = PAGE.split("| metric | datatype |")[1].split("Each agent")[0]
    named = re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in rows.splitlines() if row.startswith("| `")))
    said = engine_metrics(replace(decode_result(result()).assessment), "a1", historical=False)
    assert sorted(named) == sorted(metric.name for metric in said)


def test_the_metrics_of_an_agent_are_on_the_page():
    """By name."""
    status = {"state": "online", "health": "ok", "health_reasons": [], "version": "1", "bundle_id": "d", "fleet": "f"}
    status["updated"] = "2026-11-28T18:00:00+00:00"
    assert all(f"`{metric.name}`" in PAGE for metric in agent_metrics(status))


@pytest.mark.parametrize(
    "reason",
    [
        inward.UNREADABLE,
        inward.UNKNOWN_NODE,
        inward.INCOMPLETE,
        inward.NO_TIME,
        outward.UNREADABLE,
        outward.TOO_MANY,
        outward.MISMATCH,
        outward.TOO_LONG,
    ],
)
def test_reasons_are_on_the_page(reason):
    """Whoever reads a count can look it up."""
    assert f"`{reason}`" in PAGE


def test_the_setting_for_home_assistant_is_one():
    """As it stands."""
    [text] = re.findall(r"```toml\n(\[interop\]\n.*?)```", HOME, re.DOTALL)
    assert InteropSection(**tomllib.loads(text)["interop"]).home_assistant == "homeassistant"
