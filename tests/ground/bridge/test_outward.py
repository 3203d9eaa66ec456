"""Engines and agents as devices: births before data, numbers without a hole, deaths when an agent is gone."""

from __future__ import annotations

import json

import pytest

from edge_agent.topics_section import TopicsSection
from ground.bridge import outward
from ground.bridge.node import REBIRTH, EdgeNode
from ground.bridge.outward import Outward
from ground.bridge.payload import NO_SEQ, decode_payload
from ground.bridge.session_number import SessionNumber
from ground.bridge.topic import parse_topic
from ground.bridge.vital_signs import VitalSigns
from tests.ground.bridge.conftest import END_NS, result

RESULT = "aircraft/OO-ABC/engine/1/result"
STATUS = "enginear/a1/status"


class Plant:
    """A node, and what it sent, read back."""

    def __init__(self, silent_after_s=None):
        self.now_s = 0.0
        self.node = EdgeNode("plant", "enginear", SessionNumber().next, now_s=lambda: 1_700_000_000.0)
        self.outward = Outward(self.node, TopicsSection(), VitalSigns(silent_after_s), now_s=lambda: self.now_s)

    def take(self, topic, payload):
        """Kind, device and payload of what a message causes."""
        return self.read(self.outward.take(topic, payload))

    def read(self, messages):
        """Kind, device and payload of messages."""
        topics = [parse_topic(message.topic) for message in messages]
        return [(t.kind, t.device, decode_payload(m.payload)) for t, m in zip(topics, messages, strict=True)]


@pytest.fixture
def plant():
    """A node that was born."""
    made = Plant()
    made.node.next_death()
    made.node.birth()
    return made


def status(state="online", **changes):
    """A status document."""
    facts = {"state": state, "health": "ok", "health_reasons": [], "version": "0.1.0", "bundle_id": "d/1.0.0"}
    timing = {"updated": "2026-11-28T18:00:00+00:00", "status_interval_s": 10.0}
    return json.dumps({**facts, "fleet": "f", **timing, **changes}).encode()


def values(payload):
    """Values by name."""
    return {metric.name: metric.value for metric in payload.metrics}


def test_an_engine_is_born_and_then_tells_what_changes(plant):
    """Sparkplug's report by exception."""
    [(kind, device, born)] = plant.take(RESULT, result())
    assert (kind, device) == ("DBIRTH", "OO-ABC:1")
    assert values(born) == {
        "State": "normal", "Alarm": False, "Reason": "", "Score": 1.5, "Threshold": 2.0,
        "Features": "acc_1.rms, acc_1.std", "Flight": "F1", "Phase": "cruise", "Bundle": "d/1.0.0", "Agent": "a1",
    }  # fmt: skip
    assert {metric.timestamp_ms for metric in born.metrics} == {END_NS // 10**6}
    [(kind, _, data)] = plant.take(RESULT, result(seq=8, score=3.0, state="alarm"))
    assert kind == "DDATA"
    assert values(data) == {"State": "alarm", "Alarm": True, "Score": 3.0}
    assert plant.take(RESULT, result(seq=9, score=3.0, state="alarm")) == []


def test_a_window_that_is_not_assessed_has_no_score(plant):
    """Null, never 0."""
    plant.take(RESULT, result())
    [(_, _, data)] = plant.take(RESULT, result(state="not_assessed", reason="gap", score=0.0, threshold=0.0))
    found = values(data)
    assert (found["Score"], found["Threshold"], found["Reason"]) == (None, None, "gap")


def test_numbers_count_on_without_a_hole(plant):
    """A host asks for births where one is missing (Sparkplug 3.0, section 6.4.5)."""
    seqs = [payload.seq for n in range(600) for _, _, payload in plant.take(RESULT, result(seq=n, score=float(n)))]
    assert seqs == [n % 256 for n in range(1, 601)]


def test_the_death_has_the_number_of_the_birth(plant):
    """So a host tells a late will from that of this connection."""
    death = decode_payload(plant.node.death().payload)
    [(_, _, birth)] = plant.read(plant.node.birth())
    assert values(birth)["bdSeq"] == values(death)["bdSeq"]
    assert values(birth)[REBIRTH] is False
    assert (birth.seq, death.seq) == (0, NO_SEQ)
    assert values(decode_payload(plant.node.next_death().payload))["bdSeq"] == (values(birth)["bdSeq"] + 1) % 256


def test_a_birth_tells_all_that_is_known(plant):
    """Of each device, with the last values."""
    plant.take(RESULT, result())
    plant.take(RESULT, result(score=1.75))
    plant.take(STATUS, status())
    born = plant.read(plant.node.birth())
    assert [(kind, device) for kind, device, _ in born] == [("NBIRTH", ""), ("DBIRTH", "OO-ABC:1"), ("DBIRTH", "a1")]
    assert values(born[1][2])["Score"] == 1.75
    assert [payload.seq for _, _, payload in born] == [0, 1, 2]


def test_nothing_is_said_before_the_birth():
    """What came meanwhile is in the births."""
    plant = Plant()
    plant.node.next_death()
    assert plant.take(RESULT, result()) == []
    assert plant.take(RESULT, result(score=1.9)) == []
    assert values(plant.read(plant.node.birth())[1][2])["Score"] == 1.9


def test_an_agent_that_is_gone_takes_its_engines_with_it(plant):
    """Hosts mark their values as stale; the engines of another agent stay."""
    plant.take(STATUS, status())
    plant.take(RESULT, result())
    plant.take("aircraft/OO-ABC/engine/2/result", result(engine="2", agent="a2"))
    dead = plant.take(STATUS, status("offline"))
    assert [(kind, device) for kind, device, _ in dead] == [("DDEATH", "OO-ABC:1"), ("DDEATH", "a1")]
    assert plant.take(STATUS, status("offline")) == []
    [(kind, _, _)] = plant.take(RESULT, result(seq=9))
    assert kind == "DBIRTH"


def test_what_is_historical_changes_no_value(plant):
    """It is told as such, and a birth does not repeat it."""
    plant.take(RESULT, result())
    [(kind, _, data)] = plant.take(RESULT, result(historical=True, score=9.0))
    assert kind == "DDATA"
    assert all(metric.is_historical for metric in data.metrics)
    assert values(plant.read(plant.node.birth())[1][2])["Score"] == 1.5


def test_history_of_an_engine_that_is_not_there_waits_for_nobody(plant):
    """A device is not born of the past."""
    assert plant.take(RESULT, result(historical=True)) == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [(RESULT, b""), (RESULT, b"\x80"), (RESULT, b"\xc1"), (STATUS, b"{"), (STATUS, b"[]"), (STATUS, b"{}"),
     (STATUS, b"\xff"), (STATUS, b"null"), ("enginear//status", status()),
     (STATUS, status().replace(b'"0.1.0"', b'"\\ud800"')), (RESULT, result(end_ns="now")), (RESULT, result(end_ns=-1)),
     (RESULT, result(score="high")), (RESULT, result(state=3)), (RESULT, result(start_ns="then")),
     (STATUS, b"[" * 100_000), (STATUS, status(status_interval_s=0)), (STATUS, status(status_interval_s="1")),
     (STATUS, status(updated="now")), (STATUS, status(updated=7)), ("enginear/OO-ABC:1/status", status())],
)  # fmt: skip
def test_what_cannot_be_read_is_counted(plant, topic, payload):
    """And nothing comes of it; the numbers have no hole."""
    assert plant.take(topic, payload) == []
    assert plant.outward.left_out == {outward.UNREADABLE: 1}
    [(_, _, next_one)] = plant.take(RESULT, result())
    assert next_one.seq == 1


def test_invented_engines_are_bounded(plant, monkeypatch):
    """Anybody who may publish can name engines."""
    monkeypatch.setattr(outward, "MOST_DEVICES", 2)
    for n in range(4):
        plant.take(f"aircraft/X/engine/{n}/result", result(aircraft="X", engine=str(n)))
    assert plant.outward.left_out == {outward.TOO_MANY: 2}
    assert len(plant.node.birth()) == 3


def deaths(plant):
    """Devices that die because nothing came of them."""
    dead = plant.read(plant.outward.bury_silent())
    assert {kind for kind, _, _ in dead} <= {"DDEATH"}
    return [device for _, device, _ in dead]


def test_an_engine_of_which_nothing_comes_dies(plant):
    """Three statuses of its agent long, whatever its agent says: it would be shown as normal without end."""
    plant.take(STATUS, status())
    plant.take(RESULT, result(start_ns=END_NS - 2 * 10**9))
    plant.now_s = 30.0
    plant.take(STATUS, status())
    assert deaths(plant) == []
    plant.now_s = 30.1
    assert deaths(plant) == ["OO-ABC:1"]
    assert deaths(plant) == []
    [(kind, _, _)] = plant.take(RESULT, result(seq=8))
    assert kind == "DBIRTH"


def test_an_engine_with_long_windows_is_silent_later(plant):
    """Two of them; no longer than an hour each, for windows come from outside."""
    plant.take(RESULT, result(start_ns=END_NS - 60 * 10**9))
    plant.take("aircraft/OO-ABC/engine/2/result", result(engine="2", start_ns=0))
    plant.now_s = 120.0
    assert deaths(plant) == []
    plant.now_s = 120.1
    assert deaths(plant) == ["OO-ABC:1"]
    plant.now_s = 7_200.1
    assert deaths(plant) == ["OO-ABC:2"]


def test_the_time_of_silence_may_be_set():
    """Where engines are measured now and then."""
    plant = Plant(silent_after_s=600.0)
    plant.node.next_death()
    plant.node.birth()
    plant.take(RESULT, result())
    plant.now_s = 600.0
    assert deaths(plant) == []
    plant.now_s = 600.1
    assert deaths(plant) == ["OO-ABC:1"]


def test_what_is_historical_is_no_sign_of_life(plant):
    """It tells of the past."""
    plant.take(RESULT, result())
    plant.now_s = 25.0
    plant.take(RESULT, result(historical=True, score=9.0))
    plant.now_s = 31.0
    assert deaths(plant) == ["OO-ABC:1"]


def test_an_agent_whose_statuses_are_missing_dies(plant):
    """A retained one says no more than how it once was."""
    plant.take(STATUS, status(status_interval_s=2.0))
    plant.now_s = 6.1
    assert deaths(plant) == ["a1"]


def test_all_die_when_nobody_can_be_heard(plant):
    """The connection to the agents is lost; a birth of the node has none of them."""
    plant.take(STATUS, status())
    plant.take(RESULT, result())
    dead = plant.read(plant.outward.bury_all())
    assert [(kind, device) for kind, device, _ in dead] == [("DDEATH", "OO-ABC:1"), ("DDEATH", "a1")]
    assert len(plant.node.birth()) == 1


def test_every_metric_of_births_and_data_has_a_time(plant):
    """tck-id-payloads-name-birth-data-requirement; an agent's is that of its status."""
    said = plant.take(STATUS, status()) + plant.take(STATUS, status(health="degraded", updated="1970-01-01T00:00:00Z"))
    said += plant.take(RESULT, result(end_ns=1, start_ns=0)) + plant.read(plant.node.birth())
    assert [kind for kind, _, _ in said] == ["DBIRTH", "DDATA", "DBIRTH", "NBIRTH", "DBIRTH", "DBIRTH"]
    assert all(metric.timestamp_ms for _, _, payload in said for metric in payload.metrics)
    assert {metric.timestamp_ms for metric in said[0][2].metrics} == {1_795_888_800_000}


@pytest.mark.parametrize(
    ("topic", "reason"),
    [("aircraft/OO-ABC/engine/2/result", outward.MISMATCH), ("aircraft/OO-ABD/engine/1/result", outward.MISMATCH),
     (f"aircraft/{'%' * 600}/engine/1/result", outward.TOO_LONG)],
)  # fmt: skip
def test_a_topic_that_names_another_engine_is_refused(plant, topic, reason):
    """A broker's access rules are by topic; one of 22,000 % would become a topic that no packet can hold."""
    assert plant.take(topic, result()) == []
    assert plant.outward.left_out == {reason: 1}
