"""A real agent that speaks as others do: CloudEvents beside results, Home Assistant's discovery, one broker."""

from __future__ import annotations

import json

from edge_agent.result import decode_result
from edge_agent.wire import encode_frame
from ground.fleet.collect.kinds import Kind, origin_of, topic_filters
from tests.conftest import wait_until
from tests.e2e.test_agent_reload import reload

TOPIC = "aircraft/OO-ABC/engine/1/vibration"


def collected(peer, is_enough):
    """Messages by topic until there are enough."""
    found = {}

    def take():
        message = peer.next()
        found.setdefault(message.topic, []).append(message)
        return is_enough(found)

    wait_until(take, "messages")
    return found


def test_results_are_cloud_events_and_home_assistant_finds_the_engine(make_agent, small_bundle, broker, peer):
    """Both at once, of one flight with a fault."""
    agent = make_agent(broker.port)
    with agent.config.open("a") as config:
        config.write("[interop]\ncloud_events = true\nhome_assistant = 'homeassistant'\n")
    for topic in ("aircraft/#", "homeassistant/#", "enginear/a1/status"):
        peer.subscribe(topic)
    agent.start()
    agent.notified(b"READY=1")
    wait_until(lambda: agent.status()["link"]["connected"], "the link")
    peer.flood(TOPIC, [encode_frame(each) for each in small_bundle.frames(8.0, faulty_from_s=3.0)])

    def is_enough(found):
        devices = [topic for topic in found if topic.startswith("homeassistant/device/")]
        states = [json.loads(each.payload)["state"] for each in found.get("aircraft/OO-ABC/engine/1/state", [])]
        return len(devices) == 2 and "alarm" in states and "aircraft/OO-ABC/engine/1/alert" in found

    found = collected(peer, is_enough)
    assert agent.status()["counters"].get("observer_errors.CloudEvents", 0) == 0

    agent.config.write_text(agent.config.read_text().replace("status_interval_s = 0.5", "status_interval_s = 9.0"))
    reload(agent)
    fresh = collected(peer, lambda found: any("OO-ABC" in topic and topic.endswith("/config") for topic in found))
    (announced,) = (messages[0] for topic, messages in fresh.items() if "OO-ABC" in topic and topic.endswith("/config"))
    assert json.loads(announced.payload)["components"]["state"]["expire_after"] == 27
    assert agent.stop() == 0

    for result in found["aircraft/OO-ABC/engine/1/result"]:
        said, attributes = decode_result(result.payload), dict(result.properties.UserProperty)
        assert attributes["id"] == f"{said.runtime.run}:F1:{said.assessment.seq}"
        assert attributes["source"] == "/" + result.topic
        assert attributes["type"] == "enginear.result"
        assert result.properties.ContentType == "application/msgpack"
    (alert, *_) = found["aircraft/OO-ABC/engine/1/alert"]
    assert dict(alert.properties.UserProperty)["type"] == "enginear.alert.raised"

    _check_announcements(found)


def _check_announcements(found):
    """What is announced is what is published: the topics are there, and their JSON has what the templates read."""
    for topic, (message, *_) in found.items():
        if not topic.startswith("homeassistant/"):
            continue
        document = json.loads(message.payload)
        last = json.loads(found[document["state_topic"]][-1].payload)
        for each in document["components"].values():
            assert each["value_template"].split("value_json.")[1].split()[0] in last
        for each in document.get("availability", []):
            assert json.loads(found[each["topic"]][-1].payload)["state"]


def test_collectors_leave_the_state_of_an_engine_alone():
    """They do not subscribe to it, and its topic is none of a kind of theirs."""
    from edge_agent.topics_section import TopicsSection

    topics = TopicsSection()
    assert not any(each.endswith("/state") for each in topic_filters(topics))
    assert origin_of("aircraft/OO-ABC/engine/1/state", topics).kind is Kind.REFUSED
