"""What Home Assistant is told: devices once a connection, a state when it changes, and no more engines than allowed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_agent.config import parse_config
from edge_agent.errors import ConfigError
from edge_agent.home_assistant import HomeAssistant
from edge_agent.home_assistant_documents import object_id
from tests.edge.test_cloud_events import END_NS, payload

S = 10**9


def config(prefix="homeassistant", max_streams=64):
    """A config that tells Home Assistant."""
    document = {
        "agent": {"id": "a1", "fleet": "test"},
        "bundle": {"path": "x", "keys": ["k"]},
        "interop": {"home_assistant": prefix},
        "limits": {"max_streams": max_streams},
    }
    return parse_config(document, folder=Path("/"))


class Teller:
    """A ``HomeAssistant`` with a clock that stands."""

    def __init__(self, **settings):
        self.now_ns = 0
        self.home = HomeAssistant(config(**settings), now_ns=lambda: self.now_ns)

    def say(self, *, engine="1", **changes):
        """What is told when a window ends so."""
        from edge_agent.result import decode_result

        assessment = replace(decode_result(payload()).assessment, engine=engine, **changes)
        frame = SimpleNamespace(aircraft=assessment.aircraft, engine=engine)
        return self.home.observe(frame, [SimpleNamespace(assessment=assessment)])


def test_a_state_is_told_once_and_then_when_it_changes():
    """A window a second must not be a message a second."""
    teller = Teller()
    (first,) = teller.say(state="normal", event="")
    assert teller.say(state="normal", event="", score=9.0) == []
    (second,) = teller.say(state="alarm")
    assert first.topic == second.topic == "aircraft/OO-ABC/engine/1/state"
    assert first.retain
    assert [json.loads(each.payload)["state"] for each in (first, second)] == ["normal", "alarm"]


def test_an_unchanged_state_is_told_again_after_an_interval():
    """Its score moves on meanwhile."""
    teller = Teller()
    teller.say()
    teller.now_ns = 10 * S
    (told,) = teller.say(score=3.0)
    document = json.loads(told.payload)
    assert document["ratio"] == 1.5
    assert document["time"] == "2023-11-14T22:13:30.123456789Z"
    assert END_NS % S == 123_456_789


def test_a_window_that_is_not_assessed_has_no_ratio():
    """And says why."""
    (told,) = Teller().say(state="not_assessed", reason="gap", score=0.0, threshold=0.0)
    assert json.loads(told.payload)["ratio"] == 0.0
    assert json.loads(told.payload)["reason"] == "gap"


def test_devices_are_announced_once_a_connection():
    """A broker without persistence forgets what it kept."""
    teller = Teller()
    (agent,) = teller.home.tick(1)
    assert teller.home.tick(1) == []
    teller.say()
    (engine,) = teller.home.tick(1)
    assert teller.home.tick(1) == []
    assert teller.home.tick(2) == [agent, engine]


def test_an_announcement_is_complete():
    """What Home Assistant's discovery of devices requires: identifiers, an origin, a platform and id each."""
    teller = Teller()
    teller.say()
    for message in teller.home.tick(1):
        assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/config", message.topic)
        assert message.retain
        document = json.loads(message.payload)
        assert document["device"]["identifiers"]
        assert document["origin"]["name"]
        ids = [each["unique_id"] for each in document["components"].values()]
        assert len(set(ids)) == len(ids)
        assert {each["platform"] for each in document["components"].values()} <= {"sensor", "binary_sensor"}


def test_invented_engines_are_bounded():
    """Anybody who may publish frames can name engines."""
    teller = Teller(max_streams=2)
    assert [len(teller.say(engine=str(number))) for number in range(4)] == [1, 1, 0, 0]
    assert len(teller.home.tick(1)) == 1 + 2


def test_without_a_prefix_nobody_is_told():
    """The default."""
    home = HomeAssistant(config(prefix=""))
    assert home.observers == ()
    assert home.tick(1) == []


@pytest.mark.parametrize("names", [("a/b", "c"), ("Æ 50%", "#"), ("x" * 128, "1")])
def test_ids_are_plain_and_distinct(names):
    """Names may hold anything printable."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", object_id(*names))
    assert object_id(*names) != object_id(*names, "")


@pytest.mark.parametrize("prefix", ["a/#", "+", "{agent}", "a\nb"])
def test_a_prefix_that_is_no_topic_is_refused(prefix):
    """When the config is read, not at the first message."""
    with pytest.raises(ConfigError, match=r"interop\.home_assistant"):
        config(prefix=prefix)
