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
from edge_agent.home_assistant import ANNOUNCED_S, HomeAssistant, silence_s
from edge_agent.home_assistant_documents import object_id
from tests.edge.test_cloud_events import END_NS, payload

S = 10**9


def config(prefix="homeassistant", max_streams=64, **sections):
    """A config that tells Home Assistant."""
    document = {
        "agent": {"id": "a1", "fleet": "test", **sections.pop("agent", {})},
        "bundle": {"path": "x", "keys": ["k"]},
        "interop": {"home_assistant": prefix},
        "limits": {"max_streams": max_streams, **sections.pop("limits", {})},
    }
    return parse_config(document, folder=Path("/"))


def model(window_s=2.0, hop_s=1.0):
    """A model with such windows."""
    return SimpleNamespace(spec=SimpleNamespace(window_s=window_s, hop_s=hop_s))


class Teller:
    """A ``HomeAssistant`` with a clock that stands, and a link that stands."""

    def __init__(self, **settings):
        self.now_ns = 0
        self.is_connected = True
        self.home = HomeAssistant(config(**settings), model(), lambda: self.is_connected, now_ns=lambda: self.now_ns)

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


def states(messages):
    """The states that messages tell."""
    return [json.loads(each.payload)["state"] for each in messages if each.topic.endswith("/state")]


def test_an_engine_that_falls_silent_becomes_unavailable():
    """Home Assistant keeps the last state without end unless it is told when that is too old."""
    teller = Teller()
    (told,) = teller.say(state="normal", event="")
    components = json.loads(teller.home.tick(1)[1].payload)["components"]
    assert {name: each["expire_after"] for name, each in components.items()} == {"state": 30, "alarm": 30, "ratio": 30}
    assert told.expiry_s == 30


@pytest.mark.parametrize(
    ("interval_s", "window_s", "hop_s", "expected_s"),
    [(10.0, 2.0, 1.0, 30), (0.1, 2.0, 1.0, 6), (10.0, 60.0, 60.0, 240), (0.3, 0.2, 0.1, 1)],
)
def test_silence_is_longer_than_a_state_may_take(interval_s, window_s, hop_s, expected_s):
    """It is told again with the first window after an interval: no engine that is heard may expire."""
    found = silence_s(config(agent={"status_interval_s": interval_s}), model(window_s=window_s, hop_s=hop_s))
    assert found == expected_s
    assert found > max(interval_s, hop_s)


def test_without_a_link_nothing_waits_but_the_last_state():
    """States would fill the outbox, in which alerts wait; the last one is told when the link stands."""
    teller = Teller()
    teller.home.tick(1)
    teller.is_connected = False
    assert teller.say(state="normal", event="") == teller.say(state="alarm") == []
    teller.is_connected = True
    assert states(teller.home.tick(2)) == ["alarm"]
    assert states(teller.home.tick(2)) == []
    assert states(teller.say(state="alarm")) == ["alarm"]


def test_a_held_state_of_an_engine_that_fell_silent_is_not_told():
    """It would look like news."""
    teller = Teller()
    teller.is_connected = False
    teller.say(state="normal", event="")
    teller.now_ns = 30 * S
    assert states(teller.home.tick(1)) == []


def test_a_turn_announces_what_a_quarter_of_the_outbox_holds():
    """All at once would drop what waits there."""
    teller = Teller(limits={"outbox_messages": 8})
    for number in range(5):
        teller.say(engine=str(number))
    assert [len(teller.home.tick(1)) for _ in range(4)] == [1 + 2, 2, 1, 0]


def test_announcements_are_repeated_before_the_broker_forgets_them():
    """It keeps them for a day: what is announced no more does not stay for ever."""
    teller = Teller()
    teller.say()
    first = teller.home.tick(1)
    assert {each.expiry_s for each in first} == {ANNOUNCED_S}
    teller.now_ns = ANNOUNCED_S // 2 * S - 1
    assert teller.home.tick(1) == []
    teller.now_ns += 1
    assert teller.home.tick(1) == first


def test_a_reload_reaches_the_number_of_engines_and_the_interval():
    """As it does everything else that follows engines; another interval is another time of silence, announced anew."""
    teller = Teller(max_streams=1)
    teller.say(engine="1")
    assert teller.say(engine="2") == []
    assert len(teller.home.tick(1)) == 2
    teller.home.reconfigure(config(max_streams=2, agent={"status_interval_s": 20.0}))
    assert len(teller.say(engine="2")) == 1
    announced = [json.loads(each.payload) for each in teller.home.tick(1)]
    assert [each["components"]["state"]["expire_after"] for each in announced[1:]] == [60, 60]


def test_an_engine_that_a_reload_leaves_out_is_announced_no_more():
    """And makes room for another."""
    teller = Teller(max_streams=1)
    teller.say(engine="1")
    teller.home.reconfigure(config(max_streams=1, agent={"engines": ["OO-ABC/2"]}))
    assert len(teller.home.tick(1)) == 1
    assert len(teller.say(engine="2")) == 1


def test_a_bundle_with_longer_windows_is_silent_later():
    """A hot swap changes them."""
    teller = Teller()
    teller.say()
    teller.home.swap(model(window_s=30.0, hop_s=30.0))
    assert json.loads(teller.home.tick(1)[1].payload)["components"]["state"]["expire_after"] == 120


def test_invented_engines_are_bounded():
    """Anybody who may publish frames can name engines."""
    teller = Teller(max_streams=2)
    assert [len(teller.say(engine=str(number))) for number in range(4)] == [1, 1, 0, 0]
    assert len(teller.home.tick(1)) == 1 + 2


def test_without_a_prefix_nobody_is_told():
    """The default."""
    home = HomeAssistant(config(prefix=""), model(), lambda: True)
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
