"""Arrays of a foreign device as frames: numbers, gaps, aliases, and what is left out."""

from __future__ import annotations

import pytest

from edge_agent.wire import decode_frame
from ground.bridge.config import BridgeConfig
from ground.bridge.inward import INCOMPLETE, NO_TIME, UNKNOWN_NODE, UNREADABLE, Inward
from ground.bridge.payload import Datatype, Metric, Payload, encode_payload
from ground.bridge.schema import payload_class
from ground.bridge.topic import parse_topic

NODE = "spBv1.0/plant/NBIRTH/gateway"
DATA = "spBv1.0/plant/DDATA/gateway/pump"
DEATH = "spBv1.0/plant/NDEATH/gateway"
DEVICE = "spBv1.0/plant/DBIRTH/gateway/pump"


class Door:
    """The way in, with a clock that stands."""

    def __init__(self, **changes):
        source = {
            "node": "gateway", "device": "pump", "aircraft": "plant", "engine": "p1", "rate_hz": 1000.0, "unit": "g",
            "channels": {"acc_1": "vibration/x"}, "speed_hz": {"n1": "speed"}, **changes,
        }  # fmt: skip
        self.now_s = 0.0
        config = BridgeConfig.model_validate({"group": "plant", "inputs": [source]})
        self.inward = Inward(config, now_s=lambda: self.now_s)

    def frames(self, payload, topic=DATA):
        """The frames that a message gives."""
        return [decode_frame(each.payload) for each in self.inward.take(topic, payload).frames]

    def commands(self, payload, topic=DATA):
        """The kinds of commands that it gives."""
        return [parse_topic(each.topic).kind for each in self.inward.take(topic, payload).commands]


@pytest.fixture
def door(foreign):
    """A way in that has heard the births."""
    made = Door()
    made.inward.take(NODE, foreign.birth())
    made.inward.take("spBv1.0/plant/DBIRTH/gateway/pump", foreign.device_birth())
    return made


def test_samples_become_frames(door, foreign):
    """With the last known speed, and in the order of time."""
    first, second = (door.frames(foreign.samples(values))[0] for values in ([1.0, 2.0], [3.0]))
    assert (first.aircraft, first.engine, first.channels, first.unit, first.rate_hz) == (
        "plant", "p1", ("acc_1",), "g", 1000.0,
    )  # fmt: skip
    assert first.samples.tolist() == [[1.0], [2.0]]
    assert first.speed_hz == {"n1": 50.0}
    assert (first.t_ns, second.t_ns) == (1_700_000_000_000 * 10**6, 1_700_000_000_002 * 10**6)
    assert (first.seq, second.seq) == (0, 1)
    assert first.flight == second.flight == "gateway-1700000000000"


def test_a_birth_gives_no_frame(foreign):
    """It repeats last values, which were sent before."""
    door = Door()
    assert door.frames(foreign.birth(), NODE) == []
    assert door.frames(foreign.samples([1.0]), "spBv1.0/plant/DBIRTH/gateway/pump") == []


def test_a_lost_message_is_a_gap_and_asks_for_a_birth(door, foreign):
    """An agent sees a hole in the numbers; the node is asked again after a while, not with each message."""
    assert door.frames(foreign.samples([1.0]))[0].seq == 0
    foreign.samples([2.0])
    taken = door.inward.take(DATA, foreign.samples([3.0]))
    assert decode_frame(taken.frames[0].payload).seq == 2
    assert [parse_topic(each.topic).kind for each in taken.commands] == ["NCMD"]
    assert door.inward.lost == 1
    assert door.frames(foreign.samples([4.0]))[0].seq == 3


def test_a_birth_on_request_goes_on_with_the_flight(door, foreign):
    """The number of its births says that it is the same session."""
    before = door.frames(foreign.samples([1.0]))[0]
    door.inward.take(NODE, foreign.birth())
    after = door.frames(foreign.samples([2.0]))[0]
    assert (after.flight, after.seq) == (before.flight, before.seq + 1)


def test_another_session_is_another_flight(door, foreign):
    """The node was gone: what comes does not go on where that ended."""
    before = door.frames(foreign.samples([1.0]))[0]
    door.inward.take(DEATH, foreign.death())
    door.inward.take(NODE, foreign.birth(bd_seq=1))
    after = door.frames(foreign.samples([2.0]))[0]
    assert after.flight != before.flight
    assert after.seq == 0


def test_an_unknown_node_is_asked_for_its_birth_once_in_a_while(foreign):
    """Its numbers and aliases mean nothing without."""
    door = Door()
    assert door.commands(foreign.samples([1.0])) == ["NCMD"]
    assert door.commands(foreign.samples([1.0])) == []
    door.now_s = 5.0
    assert door.commands(foreign.samples([1.0])) == ["NCMD"]
    assert door.inward.left_out == {UNKNOWN_NODE: 3}


def test_aliases_stand_for_the_names_of_the_birth(foreign):
    """Sparkplug 3.0, section 6.4.8: data may leave name and datatype out."""
    door = Door()
    door.inward.take(NODE, foreign.birth())
    birth = payload_class()(timestamp=1, seq=1)
    birth.metrics.add(name="vibration/x", alias=5, datatype=Datatype.FLOAT_ARRAY, bytes_value=b"")
    door.inward.take("spBv1.0/plant/DBIRTH/gateway/pump", birth.SerializeToString())
    data = payload_class()(timestamp=2, seq=2)
    data.metrics.add(alias=5, timestamp=3, bytes_value=b"\0\0\x80\x3f")
    assert door.frames(data.SerializeToString())[0].samples.tolist() == [[1.0]]


def test_flight_and_phase_may_come_with_the_samples(foreign):
    """Signs that no topic may hold are replaced."""
    door = Door(flight_metric="run", phase_metric="mode")
    door.inward.take(NODE, foreign.birth())
    frame = door.frames(foreign.samples([1.0], run="2026/7", mode="idle"))[0]
    assert (frame.flight, frame.phase) == ("2026_7", "idle")
    assert door.frames(foreign.samples([2.0]))[0].flight == "2026_7"
    assert door.frames(foreign.samples([3.0], run="2026/8"))[0].seq == 0


def array(name, n, t_ms=1):
    """A metric of samples."""
    return Metric(name=name, datatype=Datatype.FLOAT_ARRAY, value=b"\0\0\0\0" * n, timestamp_ms=t_ms)


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ([array("x", 2)], INCOMPLETE),
        ([array("x", 2), array("y", 3)], INCOMPLETE),
        ([array("x", 0), array("y", 0)], INCOMPLETE),
        ([array("x", 2, t_ms=0), array("y", 2)], NO_TIME),
        ([array("x", 2, t_ms=2**63), array("y", 2)], NO_TIME),
        ([array("x", 2), Metric(name="y", datatype=Datatype.DOUBLE, value=1.0)], UNREADABLE),
    ],
)
def test_what_makes_no_frame_is_counted(foreign, metrics, reason):
    """By why."""
    door = Door(channels={"a": "x", "b": "y"})
    door.inward.take(NODE, foreign.birth())
    assert door.frames(encode_payload(Payload(timestamp_ms=1, seq=1, metrics=tuple(metrics)))) == []
    assert door.inward.left_out == {reason: 1}


@pytest.mark.parametrize(
    "topic", ["spBv1.0/plant/DDATA/other/pump", "spBv1.0/STATE/host", "spBv1.0/plant/NCMD/gateway", "x"]
)
def test_other_topics_are_left_alone(door, topic):
    """They are none of ours, and no fault."""
    assert door.inward.take(topic, b"\xff").frames == ()
    assert not door.inward.left_out


def test_nonsense_is_counted(door):
    """Whoever may publish can send anything."""
    assert door.frames(b"\xff\xff") == []
    assert door.inward.left_out == {UNREADABLE: 1}


def test_a_late_death_ends_no_session(door, foreign):
    """The old will of a gateway that has come back already has another number; that of the session ends it."""
    before = door.frames(foreign.samples([1.0]))[0]
    door.inward.take(DEATH, foreign.death(bd_seq=255))
    after = door.frames(foreign.samples([2.0]))[0]
    assert (after.flight, after.seq, after.speed_hz) == (before.flight, 1, {"n1": 50.0})
    door.inward.take(DEATH, foreign.death(bd_seq=0))
    assert door.frames(foreign.samples([3.0])) == []
    assert door.inward.left_out == {UNKNOWN_NODE: 1}


def test_after_the_plant_was_out_of_sight_only_a_birth_says_what_is_meant(door, foreign):
    """Nodes are asked; a session that went on is the same flight, with a gap, and has none of its values."""
    before = door.frames(foreign.samples([1.0]))[0]
    commands = door.inward.lose_sight().commands
    assert [parse_topic(each.topic).kind for each in commands] == ["NCMD"]
    assert door.frames(foreign.samples([2.0])) == []
    door.inward.take(NODE, foreign.birth())
    after = door.frames(foreign.samples([3.0]))[0]
    assert (after.flight, after.seq, after.speed_hz) == (before.flight, before.seq + 2, {})
    door.inward.take(DEVICE, foreign.device_birth())
    assert door.frames(foreign.samples([4.0]))[0].speed_hz == {"n1": 50.0}


def test_aliases_of_before_the_plant_was_out_of_sight_stand_for_nothing(foreign):
    """A node that was born meanwhile may have dealt them anew: temperatures would be scored as vibration."""
    door = Door()
    door.inward.take(NODE, foreign.birth())
    birth = payload_class()(timestamp=1, seq=1)
    birth.metrics.add(name="vibration/x", alias=5, datatype=Datatype.FLOAT_ARRAY, bytes_value=b"")
    door.inward.take(DEVICE, birth.SerializeToString())
    door.inward.lose_sight()
    door.inward.take(NODE, foreign.birth())
    data = payload_class()(timestamp=2, seq=1)
    data.metrics.add(alias=5, timestamp=3, bytes_value=b"\0\0\x80\x3f")
    assert door.frames(data.SerializeToString()) == []


def null(name, *, historical=False):
    """A metric that says that there is no value."""
    return Metric(name=name, datatype=Datatype.DOUBLE, value=None, is_historical=historical)


def test_a_speed_that_is_null_is_known_no_more(door, foreign):
    """A probe fails while the machine runs down: orders would be tracked at a speed that it once had."""
    door.inward.take(DATA, foreign.said(null("speed", historical=True)))
    assert door.frames(foreign.samples([1.0]))[0].speed_hz == {"n1": 50.0}
    door.inward.take(DATA, foreign.said(null("speed")))
    assert door.frames(foreign.samples([1.0]))[0].speed_hz == {}


def test_values_die_with_their_device(door, foreign):
    """And come back with what its birth says: all there is."""
    door.inward.take("spBv1.0/plant/DDEATH/gateway/pump", foreign.said())
    assert door.frames(foreign.samples([1.0]))[0].speed_hz == {}
    door.inward.take(DEVICE, foreign.device_birth())
    assert door.frames(foreign.samples([2.0]))[0].speed_hz == {"n1": 50.0}
    door.inward.take(DEVICE, foreign.said())
    assert door.frames(foreign.samples([3.0]))[0].speed_hz == {}


@pytest.mark.parametrize("is_told", [True, False])
def test_values_die_with_their_node(door, foreign, is_told):
    """Whether its death was heard or not: another session begins without."""
    if is_told:
        door.inward.take(DEATH, foreign.death())
    door.inward.take(NODE, foreign.birth(bd_seq=1))
    assert door.frames(foreign.samples([1.0]))[0].speed_hz == {}
