"""A subscriber that keeps everything an agent says, as an operator's system would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.publication import Publication
from edge_agent.topics_section import TopicsSection
from ground.errors import GroundError
from ground.fleet.collect.kinds import Kind, origin_of, topic_filters
from ground.publish import Broker

TOPICS = TopicsSection()
FILTERS = topic_filters(TOPICS)
_PATIENCE_S = 30.0


class Listener:
    """What arrived so far; safe to read while messages come in."""

    def __init__(self) -> None:
        self.messages: list[Publication] = []
        self._of_kind: dict[Kind, list[bytes]] = {kind: [] for kind in Kind}
        self._changed = threading.Condition()

    @property
    def results(self) -> list[bytes]:
        """Payloads of results."""
        return self._of_kind[Kind.RESULT]

    @property
    def alerts(self) -> list[bytes]:
        """Payloads of alerts."""
        return self._of_kind[Kind.ALERT]

    def of(self, kind: Kind) -> list[bytes]:
        """Payloads of a kind, as far as they have come."""
        return list(self._of_kind[kind])

    def on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        """Keep a message."""
        payload = bytes(message.payload)
        with self._changed:
            self.messages.append(Publication(topic=message.topic, payload=payload))
            self._of_kind[origin_of(message.topic, TOPICS).kind].append(payload)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], *, patience_s: float) -> bool:
        """Whether a condition comes true in time; it is looked at with each message."""
        with self._changed:
            return self._changed.wait_for(condition, timeout=patience_s)

    def wait_for_results(self, count: int, *, patience_s: float = _PATIENCE_S) -> None:
        """Wait until ``count`` results are there.

        Raises:
            GroundError: No new result for ``patience_s``.
        """
        had = len(self.results)
        while had < count:
            # Other messages come meanwhile, which are no results.
            if not self.wait_for(partial(self._has_more_than, had), patience_s=patience_s):
                raise GroundError(
                    f"agent: expected {count} results, got {had} and then nothing for {patience_s:g} s; "
                    "see agent.log beside agent.toml"
                )
            had = len(self.results)

    def _has_more_than(self, count: int) -> bool:
        return len(self.results) > count

    def wait_for_status(self, word: bytes, *, patience_s: float = _PATIENCE_S) -> bool:
        """Whether a status that holds ``word`` arrives in time."""
        return self.wait_for(lambda: any(word in text for text in self.of(Kind.STATUS)), patience_s=patience_s)


@contextmanager
def listening(broker: Broker) -> Iterator[Listener]:
    """Subscribe to results, alerts and status while the block runs.

    Raises:
        GroundError: The broker does not confirm the subscription.
    """
    listener = Listener()
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = listener.on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(broker.host, broker.port)
    client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in FILTERS])
    client.loop_start()
    try:
        if not subscribed.wait(_PATIENCE_S):
            raise GroundError("broker: expected it to confirm a subscription, got nothing; try BROKER=mosquitto")
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
