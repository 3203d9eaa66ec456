"""Attributes of CloudEvents 1.0: which messages have them, that they name one event, and nothing else changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from urllib.parse import unquote

import msgpack
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.assessment import Assessment
from edge_agent.cloud_events import NONE, CloudEvents, bytes_of, timestamp
from edge_agent.config import parse_config
from edge_agent.publication import JSON, Publication
from edge_agent.result import Latency, Result, Runtime, as_historical, encode_result

END_NS = 1_700_000_010_123_456_789
# RFC 3339, section 5.6.
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def events(on_fault=lambda: None, **interop):
    """The attributes by a config."""
    document = {
        "agent": {"id": "a1", "fleet": "test"},
        "bundle": {"path": "x", "keys": ["k"]},
        "interop": {"cloud_events": True, **interop},
    }
    return CloudEvents(parse_config(document, folder=Path("/")), on_fault)


def payload(run="r1", **changes):
    """A result."""
    facts = {
        "aircraft": "OO-ABC", "engine": "1", "flight": "F 1", "phase": "cruise", "seq": 7, "start_ns": END_NS - 10**10,
        "end_ns": END_NS, "state": "alarm", "reason": "", "event": "raised", "score": 2.5, "threshold": 2.0,
        "contributions": (), "bundle_id": "d/1.0.0", "bundle_digest": "ab", "spec_digest": "cd", **changes,
    }  # fmt: skip
    runtime = Runtime(
        agent="a1", run=run, monotonic_ns=1, clock="unknown", latency_ms=Latency(0.1, 0.1, 0.1), deadline_missed=False
    )
    return encode_result(Result(Assessment(**facts), runtime))


def message(kind="result", aircraft="OO-ABC", **changes):
    """A message on the topic of its kind."""
    return Publication(topic=f"aircraft/{aircraft}/engine/1/{kind}", payload=payload(aircraft=aircraft, **changes))


def test_a_result_has_the_attributes_that_the_specification_requires():
    """CloudEvents 1.0.2: id, source, specversion and type; and time."""
    found = dict(events().attributes_of(message()))
    assert found == {
        "specversion": "1.0",
        "id": "r1:F 1:7",
        "source": "/aircraft/OO-ABC/engine/1/result",
        "type": "enginear.result",
        "time": "2023-11-14T22:13:30.123456789Z",
    }
    assert RFC_3339.fullmatch(found["time"])


@pytest.mark.parametrize("event", ["raised", "cleared"])
def test_an_alert_says_what_it_is(event):
    """Whoever filters by type needs no payload."""
    assert dict(events().attributes_of(message("alert", event=event)))["type"] == f"enginear.alert.{event}"


def test_no_two_events_share_source_and_id():
    """The specification's rule: distinct events differ in one of the two."""
    sent = [message("result"), message("alert"), message(seq=8), message(flight="F 2"), message(aircraft="OO-ABD")]
    names = {(found["source"], found["id"]) for found in (dict(events().attributes_of(each)) for each in sent)}
    assert len(names) == len(sent)


def test_what_is_sent_again_is_the_same_event():
    """Deliveries come at least once; receivers drop copies by source and id."""
    first = message()
    again = Publication(topic=first.topic, payload=as_historical(first.payload))
    assert again.payload != first.payload
    assert events().attributes_of(again) == events().attributes_of(first)


def test_a_source_is_a_uri_reference_whatever_the_name():
    """RFC 3986: a space, a percent sign or a letter beyond ASCII stands in no URI as it is."""
    source = dict(events().attributes_of(message(aircraft="Æ 50%?")))["source"]
    assert re.fullmatch(r"[A-Za-z0-9/%._~-]+", source)
    assert unquote(source) == "/aircraft/Æ 50%?/engine/1/result"


@pytest.mark.parametrize(
    "other",
    [
        Publication(topic="enginear/a1/status", payload=b"{}", content_type=JSON, retain=True),
        Publication(topic="aircraft/OO-ABC/engine/1/flight", payload=payload()),
        Publication(topic="aircraft/OO-ABC/engine/1/result", payload=b"\x80"),
        Publication(topic="aircraft/OO-ABC/engine/1/result", payload=b"\x90"),
        Publication(topic="enginear/a1/probe", payload=b"12345678"),
    ],
)
def test_other_messages_are_none(other):
    """Status, summaries, the probe, and what is no result."""
    assert events().attributes_of(other) == NONE


@pytest.mark.parametrize("changes", [{"runtime": {}}, {"runtime": "r1"}, {"end_ns": "now"}])
def test_what_cannot_be_read_goes_without_and_is_counted(changes):
    """As what another version left in the journal: raised, it would end each connection before anything else passed."""
    sent = msgpack.packb({**msgpack.unpackb(payload()), **changes})
    faults = []
    found = events(on_fault=lambda: faults.append(1))
    assert found.attributes_of(Publication(topic="aircraft/OO-ABC/engine/1/result", payload=sent)) == NONE
    assert faults == [1]


def test_nothing_is_said_unless_it_is_asked_for():
    """It costs bytes."""
    assert events(cloud_events=False).attributes_of(message()) == NONE


@pytest.mark.parametrize("t_ns", [0, 1, 10**9 - 1, 10**9, END_NS, 2**62])
def test_times_keep_every_nanosecond(t_ns):
    """RFC 3339 knows no limit to the digits."""
    text = timestamp(t_ns)
    moment = datetime.fromisoformat(text[:19] + "+00:00")
    assert round(moment.astimezone(UTC).timestamp()) * 10**9 + int(text[20:29]) == t_ns


def test_the_length_on_the_wire_is_known():
    """MQTT 5.0, section 2.2.2: a mark of one byte and two texts with two bytes of length each."""
    assert bytes_of((("id", "æ"), ("type", "x"))) == (1 + 2 + 2 + 2 + 2) + (1 + 2 + 4 + 2 + 1)


def test_the_cost_is_that_of_the_reference():
    """docs/reference/payload.md: 150 bytes, with a run's name as agents draw it."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "payload.md").read_text()
    assert "about\n150 bytes a message" in page
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = list(events().attributes_of(message(run=token_hex(8), flight="F1")))
    added = len(properties.pack()) - len(Properties(PacketTypes.PUBLISH).pack())
    assert round(added, -1) == 150
